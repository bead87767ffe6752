"""Training: any neuron as a PyTorch layer. Names are imported when they are first used; torch with them.

>>> from rheobase import learn
>>> learn.arctan(2)
arctan(alpha=2)
"""

from __future__ import annotations

import ast
import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any


def _read_homes() -> dict[str, str]:
    """Return public name -> module, from the stub beside this file."""
    stub = ast.parse((Path(__file__).parent / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        a.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom) and node.module
        for a in node.names
    }


_HOMES = _read_homes()
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing torch takes a second."""
    if name not in _HOMES:
        from rheobase.errors import nearest

        raise AttributeError(f"rheobase.learn has no '{name}'.{nearest(name, _HOMES)}")
    try:
        home = _HOMES[name]
        value = import_module(f"{home}.{name}") if home == __name__ else getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name != "torch" or importlib.util.find_spec("torch") is not None:
            raise
        raise ModuleNotFoundError(
            f"learn.{name} needs PyTorch, which is not installed: pip install rheobase[torch]", name="torch"
        ) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
