"""The state of the simulator that PyNN drives: what has been described, and how far it has been run.

A description may change between two calls of `run` (currents, parameters, weights, what is recorded). Then the network
is described to rheobase anew, and goes on from the snapshot of the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast, final

import numpy as np
from pyNN import common

from rheobase.engines.clock import Clock
from rheobase.engines.network import run_network
from rheobase.engines.record import Piece
from rheobase.engines.request import Record, read_recordings
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network

__all__ = ["ID", "Collector", "State", "name", "state"]

name: Final = "rheobase"


@final
class ID(int, common.IDMixin):
    """A cell, as a number."""

    def __init__(self, n: int) -> None:
        int.__init__(n)
        common.IDMixin.__init__(self)


@final
class Collector:
    """Takes what happens in a run piece by piece, and keeps it for PyNN's recorders."""

    def __init__(self) -> None:
        self.spikes: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self.traces: dict[str, list[tuple[int, int, Mapping[str, np.ndarray], np.ndarray]]] = {}
        self.neurons: dict[str, np.ndarray] = {}  # whose states are kept

    def begin(self, results: Any, total: int) -> None:
        """Nothing needs to be prepared."""

    def end(self, results: Any) -> None:
        """Nothing needs to be finished."""

    def close(self) -> None:
        """Nothing is open."""

    def add(self, piece: Piece) -> None:
        """Keep the next piece; its arrays may be overwritten afterwards."""
        for population, (steps, neurons) in piece.spikes.items():
            self.spikes.setdefault(population, []).append((steps.copy(), neurons.copy()))
        for population, own in piece.traces.items():
            kept = {s: x.copy() for s, x in own.items()}
            self.traces.setdefault(population, []).append((piece.k0, piece.k1, kept, self.neurons[population]))


@final
class State(common.control.BaseState):
    """What `setup`, `run`, `reset` and `end` act on."""

    def __init__(self) -> None:
        common.control.BaseState.__init__(self)
        self.mpi_rank, self.num_processes = 0, 1
        self.dt, self.horizon = 0.1, 0.0
        self.shortest: float | None = None  # min_delay and max_delay as given to setup; None: found out
        self.longest: float | None = None
        self.seed, self.threads, self.method = 0, None, "auto"
        self.clear()

    # ------------------------------------------------------------ PyNN's side
    def clear(self) -> None:
        """Forget everything that has been described."""
        self.recorders: set[Any] = set()
        self.populations: list[Any] = []
        self.projections: list[Any] = []
        self.current_sources: list[Any] = []
        self.id_counter, self.segment_counter = 1, -1
        self.reset()

    def reset(self) -> None:
        """Go back to t = 0; what is described stays."""
        self.running = False
        self.t, self.t_start, self.k = 0.0, 0.0, 0
        self.segment_counter += 1
        self.collector = Collector()
        self._snapshot: Any = None
        self._net: Network | None = None
        self.changed = True

    def run(self, simtime: float) -> None:
        """Go on by so many ms."""
        self.run_until(self.t + simtime)

    def run_until(self, tstop: float) -> None:
        """Go on until tstop (ms)."""
        stop = round(tstop / self.dt)
        self.running = True
        if stop > self.k:
            self._advance(stop)
        self.k, self.t = stop, stop * self.dt

    @property
    def min_delay(self) -> float:
        """The shortest delay in ms: as given, or that of the connections there are."""
        if self.shortest is not None:
            return self.shortest
        return min((p.delays.min() for p in self.projections if len(p)), default=self.dt)

    @property
    def max_delay(self) -> float:
        """The longest delay in ms: as given, or that of the connections there are."""
        if self.longest is not None:
            return self.longest
        return max((p.delays.max() for p in self.projections if len(p)), default=self.min_delay)

    # ------------------------------------------------------------ our side
    def _advance(self, stop: int) -> None:
        self.horizon = stop * self.dt
        self.changed |= any(p.is_renewal for p in self.populations)
        net = self.network
        asked: dict[str, Any] = {}
        for p in self.populations:
            states, neurons, every = p.recorded_states()
            if states:
                asked[p.key] = Record(states, every=every * self.dt, neurons=neurons)
                self.collector.neurons[p.key] = neurons
        recordings = read_recordings(net, asked or None, None, None, stop * self.dt)
        engine = Clock(self.dt, self.method, self.threads, "float64")
        start = self._snapshot
        if start is not None:
            start = replace(start, recordings=recordings)
        seed = self.seed + self.segment_counter
        sink = cast(Any, self.collector)
        _, self._snapshot = run_network(net, engine, stop * self.dt, recordings, seed, start, False, sink, alone=True)

    def _describe(self) -> Network:
        """Return the network as it is described now."""
        net = Network()
        parts = {p: p.add_to(net) for p in self.populations}
        if not any(isinstance(part.model, Neuron) for part in net.populations.values()):
            net.add("no neurons", 1, Neuron(evolve="dx/dt = 0*x"))  # sources alone
        for number, projection in enumerate(self.projections):
            projection.add_to(net, parts, number)
        return net

    @property
    def network(self) -> Network:
        """The network of rheobase that stands for what is described now."""
        if self._net is None or self.changed:
            self._net = self._describe()
            self.changed = False
        return self._net

    @property
    def snapshot(self) -> Any:
        """Where the last run ended."""
        return self._snapshot


state = State()
