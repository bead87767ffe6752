"""The clock engine on a network: groups of neurons in parts, spikes in flight, one compiled loop on several threads."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Any, Final, final

import numpy as np

from rheobase.engines.checkpoint import Snapshot, fingerprint
from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.exchange import Exchange
from rheobase.engines.forecast import refuse_too_large
from rheobase.engines.groups import Cells, Emitting, group_cells, group_sources
from rheobase.engines.loop import Loop
from rheobase.engines.mpi import World, find_world
from rheobase.engines.outcome import Outcome
from rheobase.engines.parts import Parts, cut
from rheobase.engines.precision import settle
from rheobase.engines.progress import Progress, bar, waiting_for_ctrl_c
from rheobase.engines.queue import SpikeLog
from rheobase.engines.rain import Rain
from rheobase.engines.record import Piece, Sink
from rheobase.engines.result import Recording, Result
from rheobase.engines.shared import Shared
from rheobase.engines.stream import Share, Stream
from rheobase.engines.synapses import check_delays
from rheobase.engines.threads import Team, cores
from rheobase.engines.wiring import expect_cost, wire
from rheobase.errors import InputError
from rheobase.network.connect import expect_synapses
from rheobase.network.network import Network

__all__ = ["ALONE", "SMALL", "run_network"]

SMALL: Final = 12_000  # neuron-steps below which compiling, or loading compiled code, takes longer than running
ALONE: Final = 6_000  # neurons below which a step is too short for threads to wait for each other
_NARROW: Final = 1 << 16  # targets that can be told by 16 bits
_TRIAL: Final = 64  # steps of a chunk by which it is seen how many threads pay
_OFTEN: Final = 0.1  # seconds after which a streamed run writes what it has


def run_network(
    net: Network,
    engine: Clock,
    until: float,
    recordings: Mapping[str, Recording],
    seed: int,
    start: Snapshot | None = None,
    progress: Progress = False,
    stream: Stream | None = None,
    shared: Shared | None = None,
    alone: bool = False,
) -> tuple[dict[str, Result], Snapshot]:
    """Return a result for each population of a network, and what is needed to go on.

    It begins where `start` ends. After Ctrl-C it returns what has been simulated so far; `Snapshot.k` tells how far.
    With a `stream` spikes and traces go there; results and snapshot have none. `shared` has what an earlier run of a
    sweep has built. Where an MPI launcher has started several processes they share the network, unless `alone`.
    """
    world = None if alone else find_world()
    if world is None:
        return _carry_out(net, engine, until, recordings, seed, start, progress, stream, shared, None)
    facts = {"network": fingerprint(net), "until": f"{until!r} ms", "seed": f"{seed}", "recording": _digest(recordings)}
    facts |= {"engine": f"{engine.dt!r} ms, {engine.method}, {engine.precision}"}
    facts |= {"start": "0" if start is None else f"{start.k}", "file": "none" if stream is None else stream.name}
    run = str(world.agree("the run of a network", facts, secrets.token_hex(8))[0])
    progress = progress and world.rank == 0
    with world.nobody_waits():
        return _carry_out(net, engine, until, recordings, seed, start, progress, stream, shared, world, run)


def _carry_out(
    net: Network,
    engine: Clock,
    until: float,
    recordings: Mapping[str, Recording],
    seed: int,
    start: Snapshot | None,
    progress: Progress,
    stream: Stream | None,
    shared: Shared | None,
    world: World | None,
    name: str = "",
) -> tuple[dict[str, Result], Snapshot]:
    building = nullcontext() if shared is None else shared.building
    with building:
        begin = perf_counter()
        with _together(world):
            engine = settle(net, engine)
            total = steps_until(until, engine.dt)
            if start is not None and start.k > total:
                raise InputError(f"the run has already reached {start.k * engine.dt:g} ms; give a later until=")
            check_delays(net.projections, engine.dt)
            near = 1.0 if world is None else world.near / world.size
            refuse_too_large(net, until, engine, recordings, stream is not None, near)
        run = _NetworkRun(net, engine, recordings, seed, total, stream, shared, world)
        if start is not None:
            run.restore(start)
        prepared = perf_counter() - begin
    try:
        if stream is not None:
            if world is not None:
                own = {n: run.outcome.own(n) for n in net.populations}
                stream.take_share(Share(world.rank, world.size, name, own))
            for first in (True, False):  # to go on, the first rank reads the others' files
                with _together(world):
                    if first == (world is None or world.rank == 0):
                        stream.begin(run.results(prepared, gather=False), total)
        if start is None or stream is None:  # else the file has it
            run.add(run.begin)
        with building:
            run.warm_up()
        run.advance(total, progress)
        results = run.results(prepared, gather=stream is None)
        if stream is not None:
            with _together(world):
                stream.end(results)
    finally:
        run.team.close()
        if stream is not None:
            stream.close()
    return results, run.snapshot()


def _together(world: World | None) -> AbstractContextManager[None]:
    """Make an error of one rank an error of all."""
    return nullcontext() if world is None else world.together()


def _digest(recordings: Mapping[str, Recording]) -> str:
    """Return what tells recordings apart."""
    digest = hashlib.blake2b(digest_size=8)
    for name, r in recordings.items():
        digest.update(f"{name} {r.states} {r.every} {r.start} {r.stop} {r.reduce}".encode())
        for which in (r.neurons, r.spikes):
            digest.update(b"all" if which is None else np.ascontiguousarray(which).tobytes())
    return digest.hexdigest()


@final
class _NetworkRun:
    def __init__(
        self,
        net: Network,
        engine: Clock,
        recordings: Mapping[str, Recording],
        seed: int,
        total: int,
        stream: Stream | None = None,
        shared: Shared | None = None,
        world: World | None = None,
    ) -> None:
        self.net, self.engine, self.total, self.k, self.seed = net, engine, total, 0, seed
        self.recordings, self.world = recordings, world
        with _together(world):
            self.groups = group_cells(net, engine, recordings, seed, total, SMALL)
            self.compiled = self.groups[0].run.compiled
            self.sources = group_sources(net, seed, engine.dt, self.compiled)
        self.members: list[Cells | Emitting] = [*self.groups, *self.sources]
        wide = engine.precision in ("auto", "float64")
        self.kind: type[np.floating[Any]] = np.float64 if wide else np.float32
        self.seconds = {"compile": 0.0, "run": 0.0} | ({} if world is None else {"exchange": 0.0})
        self.n = sum(g.n for g in self.groups)
        self._plan_threads()
        how: dict[str, Any] = {"dt": engine.dt, "kind": self.kind, "seed": seed, "threads": self.team.most}
        self.wiring = wire(net, self.groups, self.sources, self.parts, **how, shared=shared, world=world)
        self.plastic = self.wiring.plastic
        self.outcome = Outcome(net, self.groups, self.sources, recordings, self.parts, world, stream is None)
        self._make_logs()
        with _together(world):
            self.loop = Loop(
                self.groups,
                self.sources,
                self.wiring,
                self.rain,
                self.drizzle,
                parts=self.parts,
                team=self.team,
                exchange=self.exchange,
                dt=engine.dt,
                kind=self.kind,
                held=self.held,
                chunk=self.chunk,
            )
        self.sink: Sink = stream or self.outcome.memory
        self.pace = min(self.chunk, _TRIAL) if stream else self.chunk
        self.begin = self.outcome.start()

    def _plan_threads(self) -> None:
        """Choose how many threads, and how many parts: enough for the threads, and for 16-bit targets in long rows."""
        ranks, rank = (1, 0) if self.world is None else (self.world.size, self.world.rank)
        free = cores()
        if self.world is not None and free == os.cpu_count():  # the launcher has not said which cores are whose
            free = max(1, free // self.world.near)
        threads = self.engine.threads or (free if self.n >= ALONE * ranks else 1)
        if not self.compiled:
            threads = 1
        most = threads if self.world is None else self.world.largest(threads)[0]
        largest = -(-max(g.n for g in self.groups) // ranks)
        per_row = sum(map(expect_synapses, self.net.projections)) / self.n
        split = -(-largest // (_NARROW * most)) if per_row > 500 else 1
        self.parts = Parts(min(most * split, max(1, largest // 16)), rank, ranks)
        for x in self.members:
            x.edges = cut(x.n, self.parts.everywhere)
            if isinstance(x, Cells):
                fair = cut(x.n, self.parts.everywhere, expect_cost(self.net, x, self.engine.dt))
                if np.diff(fair).max() <= max(np.diff(x.edges).max(), _NARROW):
                    x.edges = fair
            x.bounds = self.parts.bounds(x.edges)
        self.team = Team(min(threads, self.parts.each))

    def _make_logs(self) -> None:
        """Make room for spikes: as far back as the longest delay, ahead as far as a chunk reaches."""
        parts, world = self.parts, self.world
        past, shortest = self.wiring.reach(range(-len(self.sources), len(self.groups)), world)
        largest = max(g.n for g in self.groups)
        wide = any(g.run.step.normals or g.run.population.neuron.rows.hazard or g.run.samplers for g in self.groups)
        self.chunk = int(np.clip((2_000_000 if wide else 40_000_000) // largest, 16, 1024))
        self.chunk = min(cells.tap.fit(self.chunk) for cells in self.groups)
        if world is not None:
            (self.chunk,) = world.smallest(self.chunk)
        for cells in self.groups:
            cells.tap.make_room(self.chunk)
        self.held = min(shortest, self.chunk)
        for i, cells in enumerate(self.groups):
            cells.log = SpikeLog(np.diff(cells.bounds) * (past[i] + self.chunk), past[i], self.chunk)
        self.rain = [{p: Rain(s, g.bounds, self.engine.dt, parts) for p, s in g.showers.items()} for g in self.groups]
        self.drizzle: list[Rain | None] = []
        for s, x in enumerate(self.sources):
            back = past[-1 - s]
            rain = Rain([x.shower], x.bounds, self.engine.dt, parts) if x.shower else None
            self.drizzle.append(rain)
            room = np.zeros(parts.count, dtype=np.int64)
            if x.shower is not None:
                expected = np.add.reduceat(np.append(x.shower.expected, 0.0), x.bounds[:-1]) * (back + self.chunk)
                room = np.ceil(expected + 12 * np.sqrt(expected) + 64).astype(np.int64)
            x.log = SpikeLog(room, back, self.chunk)
        self.exchange: Exchange | None = None
        if world is not None:
            drawn = [x for x in self.sources if x.shower is not None]
            own = slice(parts.first, parts.last)
            most = sum(int(np.diff(x.bounds)[own].sum()) for x in self.groups)
            most += sum(int(np.diff(x.log.base)[own].sum()) for x in drawn)
            self.exchange = Exchange(world, parts, self.held, len(self.groups) + len(drawn), most, self.compiled)
            self.held = self.exchange.held

    def warm_up(self) -> None:
        """Compile the loop, or load it compiled."""
        with _together(self.world):
            if self.compiled:
                begin = perf_counter()
                self.loop.warm_up(self.k)
                self.seconds["compile"] += perf_counter() - begin

    def advance(self, until_step: int, progress: Progress = False) -> None:
        """Carry the network forward to a step, or until Ctrl-C."""
        begin = perf_counter()
        self._normalise()
        with waiting_for_ctrl_c() as stopped, bar((until_step - self.k) * self.engine.dt, progress) as report:
            while self.k < until_step:
                before, since = self.k, perf_counter()
                chunk = self._plan_chunk(min(self.pace, _TRIAL) if self.team.is_trying else self.pace, bool(stopped))
                if not chunk:
                    break
                self._run_chunk(min([self.k + chunk, until_step, *(x.next for x in self.plastic)]))
                self._normalise()
                report((self.k - before) * self.engine.dt)
                if self.sink is not self.outcome.memory:  # a kill loses one chunk
                    each = (perf_counter() - since) / (self.k - before)
                    self.pace = int(np.clip(_OFTEN / each, min(_TRIAL, self.chunk), self.chunk))
        self.seconds["run"] += perf_counter() - begin
        with _together(self.world):
            for synapses in self.plastic:
                synapses.check_finite()
            for cells in self.groups:
                cells.run.k = self.k
                cells.run.check_finite()

    def _plan_chunk(self, wanted: int, stopped: bool) -> int:
        """Return how many steps come next, 0 if the run is to stop; ranks agree on it, and on the room of messages."""
        if self.world is None or self.exchange is None:
            return 0 if stopped else wanted
        steps, room = self.world.smallest(0 if stopped else wanted, -self.exchange.wanted)
        self.exchange.make_room(-room)
        return steps

    def _normalise(self) -> None:
        for synapses in self.plastic:
            synapses.normalise(self.k)

    def _run_chunk(self, stop: int) -> None:
        k0 = self.k
        if self.world is None:
            self.loop.run(k0, stop)
        else:
            self._compute_together(self.world, k0, stop)
        if self.loop.is_full:
            raise InputError(f"more spikes arrived before t = {stop * self.engine.dt:g} ms than there is room for")
        self.add(self.outcome.piece(k0, stop))
        self.k = stop

    def add(self, piece: Piece) -> None:
        """Hand on what was recorded."""
        with _together(self.world if self.sink is not self.outcome.memory else None):
            self.sink.add(piece)

    def _compute_together(self, world: World, k0: int, stop: int) -> None:
        """Compute a chunk with the other ranks; what stops one of them stops all, at the same place."""
        assert self.exchange is not None
        own: Exception | None = None
        begin = perf_counter()
        try:
            self.loop.run(k0, stop)
            self.seconds["exchange"] += self.exchange.share * (perf_counter() - begin)
        except Exception as error:
            own = error
            self.exchange.stop()
        if self.exchange.error is not None:
            raise self.exchange.error
        if own is None and self.loop.is_full:
            own = InputError(f"more spikes arrived before t = {stop * self.engine.dt:g} ms than there is room for")
        world.settle(own)

    def results(self, prepared: float, gather: bool = True) -> dict[str, Result]:
        """Return what has been simulated so far, population by population."""
        e = self.engine
        threads = f"up to {self.team.most} threads" if self.team.most > 1 else "1 thread"
        if self.world is not None:
            threads = f"{self.world.size} ranks, {threads} each"
        told = f"Clock(dt={e.dt:g} ms, precision='{e.precision}'), {threads}"
        return self.outcome.results(e, told, {"prepare": prepared, **self.seconds}, gather)

    def snapshot(self) -> Snapshot:
        """Return all that is needed to go on from here."""
        return self.outcome.snapshot(self.k, self.engine, self.seed, self.plastic)

    def restore(self, start: Snapshot) -> None:
        """Put everything as it was at a snapshot's step."""
        self.k = start.k
        self.begin = self.outcome.restore(start, self.plastic)
        for i, member in enumerate(self.members):
            steps, neurons = start.arrays[f"flight steps {i}"], start.arrays[f"flight neurons {i}"]
            log = member.log
            room = np.diff(log.base)
            if isinstance(member, Emitting) and member.shower is None:
                room = np.full(self.parts.count, len(steps), dtype=np.int64)
            member.log = SpikeLog(room, log.past, self.chunk)
            member.log.fill(0, member.bounds, steps - (self.k + 1) + log.past, neurons)
        self.loop.refresh()
