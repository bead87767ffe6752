"""rheobase: a spiking neuron is written once, as four rows; then it is simulated, analysed, trained and shown.

>>> import rheobase as rb
>>> run = rb.simulate(rb.LIF(), I="0.3 nA", until="100 ms", dt="0.1 ms")
>>> run.spikes[0]
array([22., 46., 70., 94.])
"""

from __future__ import annotations

import os
from typing import Any

from rheobase.public import fetch, read_homes

__version__ = "0.1.0"
_HOMES = read_homes(__file__)
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    value = globals()[name] = fetch(__name__, _HOMES, name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


if {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "PMIX_RANK"} & {*os.environ}:
    from rheobase.engines.mpi import stand_by

    stand_by()  # started by MPI: no rank may fail unnoticed
