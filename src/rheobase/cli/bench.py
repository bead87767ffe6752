"""`rheobase bench`: how fast this machine is, in a minute."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

import rheobase as rb

__all__ = ["bench"]


def _one_neuron() -> Any:
    return rb.simulate(rb.LIF(), I=0.3, until="1 s", dt="0.1 ms")


def _many() -> Any:
    import numpy as np

    return rb.simulate(rb.LIF(), I=np.linspace(0, 1, 1000), until="1 s", dt="0.1 ms", record=False)


def _noisy() -> Any:
    return rb.simulate(rb.NoisyLIF(), I=0.15, n=10_000, until="1 s", dt="0.1 ms", seed=1, record=False)


def _network() -> Any:
    return rb.simulate(rb.networks.cuba(), until="1 s", seed=1, record=False)


def _exact_network() -> Any:
    return rb.simulate(rb.networks.cuba(), until="1 s", seed=1, engine=rb.Exact())


_CASES: Final[tuple[tuple[str, Callable[[], Any]], ...]] = (
    ("one LIF neuron, every step of its trace", _one_neuron),
    ("1,000 LIF neurons, an f-I curve", _many),
    ("10,000 noisy neurons", _noisy),
    ("CUBA network, 4,000 neurons", _network),
    ("the same, exactly", _exact_network),
)


def bench(repeats: Annotated[int, typer.Option(min=1, max=100, help="Runs of each; the median counts.")] = 3) -> None:
    """Time a few standard runs of 1 s of model time, each warmed up once.

    Beside other simulators: bench/ in the source, which needs them installed.
    """
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("1 s of model time")
    for heading in ("first run s", "then s", "spikes"):
        table.add_column(heading, justify="right")
    console = Console()
    for name, work in _CASES:
        with console.status(name):
            first, found = _time(work)
            later = median(_time(work)[0] for _ in range(repeats))
        table.add_row(name, f"{first:.3f}", f"{later:.4f}", f"{len(found.spikes.times)}")
    console.print(table)
    console.print(
        f"rheobase {rb.__version__}, Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores;"
        " 'first run' compiles where nothing is kept in the cache yet",
        highlight=False,
        soft_wrap=True,
    )


def _time(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = perf_counter()
    found = work()
    return perf_counter() - begin, found
