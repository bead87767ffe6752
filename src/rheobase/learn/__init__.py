"""Training: any neuron as a PyTorch layer. Names are imported when they are first used; torch with them.

>>> from rheobase import learn
>>> learn.arctan(2)
arctan(alpha=2)
"""

from __future__ import annotations

import importlib.util
from typing import Any

from rheobase.public import fetch, read_homes

_HOMES = read_homes(__file__)
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing torch takes a second."""
    try:
        value = fetch(__name__, _HOMES, name)
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
