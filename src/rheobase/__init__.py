"""rheobase: a spiking neuron is written once, as four rows; then it is simulated, analysed, trained and shown.

>>> import rheobase as rb
>>> run = rb.simulate(rb.LIF(), I="0.3 nA", until="100 ms", dt="0.1 ms")
>>> run.spikes[0]
array([22., 46., 70., 94.])
"""

from __future__ import annotations

import ast
import os
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def _read_homes() -> dict[str, str]:
    """Return public name -> module, from the stub beside this file: one list for people, type checkers and imports."""
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
    """Import a public name when it is first used, so that `import rheobase` costs a few milliseconds."""
    if name not in _HOMES:
        from difflib import get_close_matches

        close = get_close_matches(name, _HOMES, n=1)
        raise AttributeError(f"rheobase has no '{name}'." + (f" Did you mean '{close[0]}'?" if close else ""))
    home = _HOMES[name]
    value = import_module(f"{home}.{name}") if home == __name__ else getattr(import_module(home), name)
    globals()[name] = value
    return value


if {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "PMIX_RANK"} & {*os.environ}:
    import_module("rheobase.engines.mpi").stand_by()  # started by MPI: no rank may fail unnoticed


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
