"""What a network's run will need, before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.engines.clock import Clock
from rheobase.engines.precision import settle
from rheobase.engines.result import Recording
from rheobase.engines.threads import cores
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.network.connect import SOURCES, expect_synapses, is_built_in_pieces
from rheobase.network.network import Network
from rheobase.network.projection import Projection
from rheobase.units import to_number

__all__ = ["Forecast", "forecast", "refuse_too_large", "trace_bytes"]

_PROGRAM: Final = 2.5e8  # bytes of Python, NumPy and the compiler
_NEURON: Final = 150  # bytes beside its states
_SPIKE: Final = 40  # bytes of a spike kept, while results are put in order
_RATE: Final = 8.0  # Hz, assumed
_STEP: Final = 0.6e-9  # seconds for a state and step, one thread
_EVENT: Final = 2.5e-9  # seconds for an arrival
_BUILD: Final = 70e-9  # seconds for a synapse


@final
@dataclass(frozen=True)
class Forecast:
    """What a run of a network will need, by arithmetic: synapses within a percent, bytes 30 %, seconds a factor of 3.

    Attributes
    ----------
    synapses : float
        The number expected.
    bytes : float
        At the peak, which is while the network is built or while it runs.
    build, run : float
        Seconds on one thread, a rate of 8 Hz taken for granted.
    """

    synapses: float
    bytes: float
    build: float
    run: float

    def __str__(self) -> str:
        return (
            f"{self.synapses:.3g} synapses, {self.bytes / 1e9:.2g} GB at the peak;"
            f" about {self.build:.2g} s to build and {self.run:.2g} s to run on one thread"
        )


def forecast(net: Network, until: Any, engine: Clock | None = None) -> Forecast:
    """Return what a run will need: synapses, bytes, seconds; nothing is built.

    Parameters
    ----------
    net : Network
    until : time
    engine : Clock, optional

    Examples
    --------
    >>> from rheobase.model.zoo import CUBA
    >>> net = Network()
    >>> E = net.add("E", 10_000, CUBA())
    >>> _ = net.connect(E, E, to="exc", outdegree=1000, weight=0.1, delay="1.5 ms")
    >>> f"{forecast(net, until='1 s').synapses:.3g}"
    '1e+07'
    """
    if not isinstance(net, Network):
        raise InputError(f"forecast wants a Network, not {type(net).__name__}; neurons alone need little")
    return _forecast(net, to_number(until, "ms", "until"), settle(net, engine or Clock()), {}, False)


def refuse_too_large(
    net: Network,
    until: float,
    engine: Clock,
    recordings: Mapping[str, Recording],
    streamed: bool = False,
    share: float = 1.0,
) -> None:
    """Refuse a run that does not fit into the memory that is free; a streamed one keeps no spikes and traces there.

    `share` is how much of the network this machine holds.

    Raises
    ------
    InputError
        With the number of bytes that it would need, and the number that is free.
    """
    needed = share * _forecast(net, until, engine, recordings, streamed).bytes
    free = _free_bytes()
    if needed - _PROGRAM > free:
        raise InputError(
            f"this run needs about {needed / 1e9:.3g} GB, but {free / 1e9:.3g} GB are free; take fewer synapses,"
            " precision='float32', or record less or into a file, record_to= (rb.forecast tells what is needed)"
        )


def _forecast(
    net: Network, until: float, engine: Clock, recordings: Mapping[str, Recording], streamed: bool
) -> Forecast:
    wide = 8 if engine.precision == "float64" else 4
    threads = engine.threads or cores()
    steps = until / engine.dt
    synapses = held = events = cost = 0.0
    neurons = sum(part.n for part in net.populations.values())
    far = neurons > threads << 16 and sum(map(expect_synapses, net.projections)) < 500 * neurons  # 32 bits for a target
    rows: dict[tuple[str, ...], float] = {}  # where segments begin: once for all that a group of neurons gets at a port
    at_work: dict[str, float] = {}  # bytes while the synapses of a source population are put in order, one at a time
    for p in net.projections:
        count = expect_synapses(p)
        synapses += count
        if p.is_plastic and p.synapse is not None:  # steps, places, and states, some of them twice
            held += count * (24 + 12 * len(p.synapse.states))
        onto = net.populations[p.target.name].model
        table = (p.source.name, p.port, onto.evolve if isinstance(onto, Neuron) else "")
        rows[table] = max(rows.get(table, 0.0), 4.0 * len(p.source) * (_delays(p, engine.dt) + 1) * threads)
        held += count * (2 + 2 * far + (wide if _own(p.weight) else 0))
        each = 16 + 8 * _own(p.weight) + 10 * _own(p.delay)
        in_work = count if not is_built_in_pieces(p) else count * min(1.0, 3 * threads * SOURCES / len(p.source))
        at_work[p.source.name] = at_work.get(p.source.name, 0.0) + each * in_work
        events += count * _RATE * until / 1000.0
    for name, part in net.populations.items():
        states = len(part.model.states) if isinstance(part.model, Neuron) else 1
        held += part.n * (_NEURON + 8 * states)
        held += 0.0 if streamed else _SPIKE * part.n * _RATE * until / 1000.0
        cost += part.n * states * steps * _STEP
        recording = recordings.get(name)
        if recording is not None and not streamed:
            held += trace_bytes(recording, part.n, until, engine.dt)
    needed = _PROGRAM + held + sum(rows.values()) + max(at_work.values(), default=0.0)
    return Forecast(synapses, needed, synapses * _BUILD, cost + events * _EVENT)


def trace_bytes(recording: Recording, n: int, until: float, dt: float) -> float:
    """Return how many bytes the recorded states of a population of n neurons take."""
    kept = recording.count(n) if recording.reduce is None else 1
    length = max(0.0, min(until, recording.stop) - recording.start)
    return 8.0 * len(recording.states) * kept * (length / (recording.every or dt) + 1)


def _own(value: Any) -> bool:
    """Return whether synapses have values of their own."""
    return not (isinstance(value, Quantity) and isinstance(value.value, float))


def _delays(p: Projection, dt: float) -> int:
    """Return about how many delays differ, in steps."""
    if not isinstance(p.delay, Quantity):
        return 64
    drawn = p.delay.draw(1000, np.random.default_rng(0))
    return len(np.unique(np.floor(np.atleast_1d(drawn) / dt + 0.5)))


def _free_bytes() -> float:
    """Return how much memory is free; infinite where the system does not tell."""
    found = [float("inf")]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [float(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            found.append(float(limit) - float(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, ValueError, IndexError):
        pass
    return min(found)
