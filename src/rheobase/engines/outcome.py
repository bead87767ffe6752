"""What a network's run has come to: results by population, and the snapshot from which it goes on.

Of several ranks each keeps what its own neurons did; results and snapshots are gathered, and are the same on all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np

from rheobase.engines.checkpoint import Snapshot
from rheobase.engines.clock import Clock
from rheobase.engines.groups import Cells, Emitting
from rheobase.engines.mpi import World
from rheobase.engines.parts import Parts
from rheobase.engines.plastic import Plastic
from rheobase.engines.record import Memory, Piece, Samples, Tap, pick_spikes, reduce_samples, start_piece
from rheobase.engines.result import Recording, Result
from rheobase.engines.spikes import Spikes
from rheobase.network.network import Network

__all__ = ["Outcome"]

_Pairs = tuple[np.ndarray, np.ndarray]


@final
class Outcome:
    """What is recorded of a network, in memory (`keeps`) or on its way elsewhere, and its states."""

    def __init__(
        self,
        net: Network,
        groups: Sequence[Cells],
        sources: Sequence[Emitting],
        recordings: Mapping[str, Recording],
        parts: Parts,
        world: World | None,
        keeps: bool,
    ) -> None:
        self.net, self.groups, self.sources, self.recordings = net, groups, sources, recordings
        self.members: list[Cells | Emitting] = [*groups, *sources]
        self.parts, self.world, self.keeps = parts, world, keeps
        samples: dict[str, Samples] = {}
        for cells in groups:
            samples |= cells.tap.samples
            if world is not None:  # its buffers hold this rank's neurons only
                own = {name: self._own_recording(name, recordings[name], reduce=False) for name in cells.names}
                cells.tap = Tap(cells.names, cells.offsets, own, cells.tap.samples)
        kept = {n: self._own_recording(n, r) for n, r in recordings.items()} if keeps else {}
        self.memory = Memory({name: part.n for name, part in net.populations.items()}, kept, samples)

    # ------------------------------------------------------------------ whose is what
    def places(self) -> dict[str, tuple[Cells, int, int]]:
        """Return each population's group, its first neuron there, and the one after its last."""
        return {
            name: (cells, lo, hi)
            for cells in self.groups
            for name, lo, hi in zip(cells.names, cells.offsets, cells.offsets[1:], strict=False)
        }

    def own(self, name: str) -> tuple[int, int]:
        """Return the first of a population's neurons that is this rank's, and the one after its last."""
        place = self.places().get(name)
        if place is None:
            return next(self.parts.own(x.edges) for x in self.sources if x.name == name)
        cells, lo, hi = place
        first, last = self.parts.own(cells.edges)
        return min(max(first, lo), hi) - lo, min(max(last, lo), hi) - lo

    def _own_recording(self, name: str, r: Recording, reduce: bool = True) -> Recording:
        """Return what this rank records; of a mean every rank has the whole, once it is taken (`reduce`)."""
        if self.world is None or (r.reduce is not None and reduce):
            return r
        lo, hi = self.own(name)
        mine = np.arange(lo, hi) if r.neurons is None else r.neurons[(r.neurons >= lo) & (r.neurons < hi)]
        return replace(r, neurons=mine, reduce=None)

    # ------------------------------------------------------------------ pieces
    def start(self) -> Piece:
        """Return what there is at t = 0: the states, and the spikes that sources send there."""
        at_zero = []
        for x in self.sources:
            steps, neurons = x.arrivals(-1, 0)[:2]
            lo, hi = self.parts.own(x.edges)
            inside = (neurons >= lo) & (neurons < hi)
            at_zero.append((steps[inside], neurons[inside]))
        piece = start_piece([g.tap for g in self.groups], [g.run for g in self.groups], self._by_name([], at_zero))
        return replace(piece, traces=self._reduce(piece.traces))

    def piece(self, k0: int, k1: int) -> Piece:
        """Return what happened in steps k0+1..k1, which the loop has just run; the logs go on from there."""
        sent = []
        for x in self.members:
            log = x.log
            rows, neurons = log.table(log.past, log.past + k1 - k0, slice(self.parts.first, self.parts.last))
            sent.append(((rows + (k0 + 1 - log.past)).astype(np.int32), neurons))
            log.shift(k1 - k0)
        traces = {name: own for cells in self.groups for name, own in cells.tap.take(k0, k1).items()}
        many = len(self.groups)
        return Piece(k0, k1, self._by_name(sent[:many], sent[many:]), self._reduce(traces))

    def _reduce(self, traces: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Mapping[str, np.ndarray]]:
        """Take means over all ranks' neurons: in one order, so that the bits are those of one process."""
        out = dict(traces)
        if self.world is not None:
            for name in traces:
                r = self.recordings[name]
                if r.reduce is not None:
                    out[name] = {s: reduce_samples(self.world.join(x, 1), r) for s, x in traces[name].items()}
        return out

    def _by_name(self, cells: Sequence[_Pairs], sources: Sequence[_Pairs]) -> dict[str, _Pairs]:
        """Return the spikes that are recorded, (steps, neurons) of groups and sources, by population."""
        out = {}
        for x, (steps, neurons) in zip(self.groups, cells, strict=False):
            for name, lo, hi in zip(x.names, x.offsets, x.offsets[1:], strict=False):
                out[name] = pick_spikes(steps, neurons, lo, hi, x.n, self.recordings[name].spikes)
        for source, (steps, neurons) in zip(self.sources, sources, strict=False):
            out[source.name] = pick_spikes(steps, neurons, 0, source.n, source.n, self._spiking(source.name))
        return out

    def _spiking(self, name: str) -> np.ndarray | None:
        return self.recordings[name].spikes if name in self.recordings else None

    # ------------------------------------------------------------------ gathered
    def _spikes(self, name: str) -> _Pairs:
        """Return (steps, neurons) of a population so far, by step, then neuron."""
        own = self.memory.spikes(name)
        if self.world is None:
            return own
        steps, neurons = (np.concatenate(x) for x in zip(*self.world.gather(own), strict=True))
        order = np.argsort(steps, kind="stable")
        return steps[order], neurons[order]

    def _traces(self, name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the steps of a population's samples, and state -> array (n_samples, n_kept)."""
        at, own = self.memory.traces(name)
        r = self.recordings.get(name, Recording())
        if self.world is None or r.reduce is not None or not r.states or not self.keeps:
            return at, own
        at = self.memory.steps(name)
        none = np.empty((len(at), 0))  # a rank may have none of those that are recorded
        return at, {s: self.world.join(own.get(s, none), 1) for s in r.states}

    def _whole(self, cells: Cells, x: np.ndarray) -> np.ndarray:
        """Return an array with a value for each neuron of a group, with the values of all ranks."""
        if self.world is None:
            return x
        lo, hi = self.parts.own(cells.edges)
        return self.world.join(x[lo:hi])

    def results(self, engine: Clock, told: str, seconds: Mapping[str, float], gather: bool = True) -> dict[str, Result]:
        """Return what has been simulated so far, population by population; without `gather` this rank's part."""
        world, self.world = self.world, self.world if gather else None
        out: dict[str, Result] = {}
        for cells in self.groups:
            whole = cells.run.result()
            ends = {s: self._whole(cells, x) for s, x in whole.final.items()}
            for name, lo, hi in zip(cells.names, cells.offsets, cells.offsets[1:], strict=False):
                at, traces = self._traces(name)
                across = {s: x.T for s, x in traces.items()}
                final = {s: x[lo:hi] for s, x in ends.items()}
                spikes, values = self._table(name, engine.dt), cells.values[name]
                how = (told, whole.method, whole.order, seconds, values)
                out[name] = Result(spikes, at * engine.dt, across, final, *how)
        for source in self.sources:
            spikes = self._table(source.name, engine.dt)
            out[source.name] = Result(spikes, np.empty(0), {}, {}, told, "given spikes", "grid", seconds)
        self.world = world
        return {name: out[name] for name in self.net.populations}

    def _table(self, name: str, dt: float) -> Spikes:
        steps, neurons = self._spikes(name)
        return Spikes.from_table(steps * dt, neurons, self.net.populations[name].n, self._spiking(name))

    # ------------------------------------------------------------------ to go on
    def snapshot(self, k: int, engine: Clock, seed: int, plastic: Sequence[Plastic]) -> Snapshot:
        """Return all that is needed to go on from step k."""
        arrays: dict[str, np.ndarray] = {}
        for cells in self.groups:
            r = cells.run
            for what, held in (("state", r.states), ("left", r.left)):
                for s, x in held.items():
                    whole = self._whole(cells, x)
                    for name, lo, hi in zip(cells.names, cells.offsets, cells.offsets[1:], strict=False):
                        arrays[f"{what} {name} {s}"] = whole[lo:hi].copy()
            for name in cells.names:
                arrays |= {f"trace {name} {s}": x.copy() for s, x in self._traces(name)[1].items()}
        for name in self.net.populations:
            arrays[f"steps {name}"], arrays[f"neurons {name}"] = self._spikes(name)
        for i, member in enumerate(self.members):  # those in flight, which need not be recorded
            rows, neurons = member.log.table(0, member.log.past)
            arrays[f"flight steps {i}"], arrays[f"flight neurons {i}"] = rows + (k + 1 - member.log.past), neurons
        for synapses in plastic:
            arrays |= synapses.snapshot(self.world)
        return Snapshot(k, engine, seed, self.recordings, arrays)

    def restore(self, start: Snapshot, plastic: Sequence[Plastic]) -> Piece:
        """Put states and synapses as they were at a snapshot; return what was recorded until then."""
        arrays = start.arrays
        for synapses in plastic:
            synapses.restore(arrays, start.k)
        for name, (cells, lo, hi) in self.places().items():
            r = cells.run
            for s, x in r.states.items():
                x[lo:hi] = arrays[f"state {name} {s}"]
            for t, x in r.left.items():
                x[lo:hi] = arrays[f"left {name} {t}"]
        spikes, traces = {}, {}
        for name in self.net.populations:
            steps, neurons = arrays[f"steps {name}"], arrays[f"neurons {name}"]
            lo, hi = self.own(name)
            inside = slice(None) if self.world is None else (neurons >= lo) & (neurons < hi)
            spikes[name] = steps[inside], neurons[inside]
        for name, recording in self.recordings.items():
            columns: Any = slice(None)
            if self.world is not None and recording.reduce is None:
                lo, hi = self.own(name)
                kept = np.arange(self.net.populations[name].n) if recording.neurons is None else recording.neurons
                columns = (kept >= lo) & (kept < hi)
            found = {s: arrays.get(f"trace {name} {s}") for s in recording.states}
            traces[name] = {s: x[:, columns] for s, x in found.items() if x is not None}
        return Piece(-1, start.k, spikes, traces)
