"""The clock engine on a network: groups of neurons in parts, spikes in flight, one compiled loop on several threads."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Final, final

import numpy as np

from rheobase.emit.network_functions import EXCHANGE, INNER
from rheobase.emit.network_loop import Emitter, Group, network_source
from rheobase.emit.source import write_module
from rheobase.emit.to_numba import compiled_module, plain_module
from rheobase.engines.checkpoint import Snapshot, fingerprint
from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.exchange import Exchange
from rheobase.engines.forecast import refuse_too_large
from rheobase.engines.groups import Cells, Emitting, group_cells, group_sources, outside
from rheobase.engines.mpi import World, find_world
from rheobase.engines.noise import fill_normals, fill_uniforms
from rheobase.engines.outcome import Outcome
from rheobase.engines.parts import Parts, share
from rheobase.engines.population import line_up
from rheobase.engines.precision import settle
from rheobase.engines.progress import bar, waiting_for_ctrl_c
from rheobase.engines.queue import SpikeLog
from rheobase.engines.rain import BLOCK, Rain
from rheobase.engines.record import Piece, Sink
from rheobase.engines.result import Recording, Result
from rheobase.engines.shared import Shared
from rheobase.engines.stream import Share, Stream
from rheobase.engines.synapses import check_delays
from rheobase.engines.threads import PLAIN, Team, cores, intrinsics
from rheobase.engines.wiring import wire
from rheobase.errors import InputError
from rheobase.network.connect import expect_synapses
from rheobase.network.network import Network
from rheobase.random import neuron_keys

__all__ = ["run_network"]

_SMALL: Final = 12_000  # neuron-steps below which compiling, or loading compiled code, takes longer than running
_ALONE: Final = 6_000  # neurons below which a step is too short for threads to wait for each other
_NARROW: Final = 1 << 16  # targets that can be told by 16 bits
_TRIAL: Final = 64  # steps of a chunk by which it is seen how many threads pay
_OFTEN: Final = 0.1  # seconds after which a streamed run writes what it has
_HEADS: Final = 1 << 14  # segments of synapses gathered before they are delivered


def run_network(
    net: Network,
    engine: Clock,
    until: float,
    recordings: Mapping[str, Recording],
    seed: int,
    start: Snapshot | None = None,
    progress: bool = False,
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
    progress: bool,
    stream: Stream | None,
    shared: Shared | None,
    world: World | None,
    name: str = "",
) -> tuple[dict[str, Result], Snapshot]:
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
            self.groups = group_cells(net, engine, recordings, seed, total, _SMALL)
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
            self._load()
        self.sink: Sink = stream or self.outcome.memory
        self.pace = min(self.chunk, _TRIAL) if stream else self.chunk
        self.begin = self.outcome.start()

    def _plan_threads(self) -> None:
        """Choose how many threads, and how many parts: enough for the threads, and for 16-bit targets in long rows."""
        ranks, rank = (1, 0) if self.world is None else (self.world.size, self.world.rank)
        free = cores()
        if self.world is not None and free == os.cpu_count():  # the launcher has not said which cores are whose
            free = max(1, free // self.world.near)
        threads = self.engine.threads or (free if self.n >= _ALONE * ranks else 1)
        if not self.compiled:
            threads = 1
        most = threads if self.world is None else self.world.largest(threads)[0]
        largest = -(-max(g.n for g in self.groups) // ranks)
        per_row = sum(map(expect_synapses, self.net.projections)) / self.n
        split = -(-largest // (_NARROW * most)) if per_row > 500 else 1
        self.parts = Parts(min(most * split, max(1, largest // 16)), rank, ranks)
        for x in self.members:
            x.bounds = self.parts.bounds(x.n)
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

    def _load(self) -> None:
        runs = [g.run for g in self.groups]
        modules = [write_module("clock", run.source.text) for run in runs]
        groups = [
            Group(path.stem, run.source.arguments, tuple(run.samplers), g.ports, g.in_turn, tuple(rain), run.late)
            for path, run, g, rain in zip(modules, runs, self.groups, self.rain, strict=True)
        ]
        emitters = [Emitter(rain is not None) for rain in self.drizzle]
        feeds, rules = self.wiring.feeds, self.wiring.rules
        plans, is_shared = [x.plan for x in self.plastic], self.exchange is not None
        text, self.arguments = network_source(groups, feeds, emitters, plans, rules, is_shared)
        inner = (*INNER, *(EXCHANGE if is_shared else ()), *(["exprel"] if rules else []))
        inner = (*inner, *(f for rule in rules for f in rule.functions))
        self.module = _module(write_module("network", text), [run.module.advance for run in runs], self.compiled, inner)
        self._fixed = self._gather_fixed()

    def _gather_fixed(self) -> dict[str, Any]:
        """Return the arguments of the loop that stay the same from chunk to chunk."""
        values: dict[str, Any] = {"dt": self.engine.dt, "_held": self.held, "_parts": self.parts.count}
        values |= {"_barrier": self.team.barrier, "_status": np.zeros(1, dtype=np.int64)}
        for g, (cells, rain) in enumerate(zip(self.groups, self.rain, strict=True)):
            r = cells.run
            own: dict[str, Any] = {**r.values, "_chosen": cells.tap.chosen}
            own |= {f"_at_{s}": x for s, x in r.states.items()} | {f"_left_{t}": x for t, x in r.left.items()}
            own |= {f"_trace_{s}": x for s, x in cells.tap.buffers.items()}
            width = self.parts.widest(cells.bounds)
            own["_fired"] = line_up(np.zeros((self.parts.count, width + -width % 64), dtype=np.bool_))
            own["_words"] = own["_fired"].view(np.uint64)
            own["_out_step"] = np.empty(cells.n, dtype=np.int32)
            values |= {f"g{g}{a}" if a.startswith("_") else f"g{g}_{a}": x for a, x in own.items()}
            values |= {f"q{g}_{a}": x for a, x in cells.log.arguments.items()} | {f"q{g}_bounds": cells.bounds}
            values[f"q{g}_recorded"] = np.searchsorted(cells.tap.chosen, cells.bounds)
            for port in cells.ports:
                if port not in cells.in_turn:
                    values[f"q{g}_sum_{port}"] = line_up(np.zeros(cells.n, dtype=self.kind))
                if port in rain:
                    values |= {f"q{g}_rain{a}_{port}": x for a, x in rain[port].arguments.items()}
                    values[f"q{g}_rainweight_{port}"] = rain[port].weight.astype(self.kind)
        for s, (source, drizzle) in enumerate(zip(self.sources, self.drizzle, strict=True)):
            values |= {f"s{s}_{a}": x for a, x in source.log.arguments.items()}
            if drizzle is not None:
                values |= {f"s{s}_{a}": x for a, x in drizzle.arguments.items()}
                values[f"s{s}_end"] = source.log.base[1:]
        values |= self.wiring.arguments() | ({} if self.exchange is None else self.exchange.arguments)
        room = _HEADS + 4 * sum(x.n for x in self.members) + 4096
        values["_gather"] = _HEADS
        late = {  # room for all that can arrive in a step; memory that is never written costs nothing
            j: table.cells
            for j, (feed, table) in enumerate(zip(self.wiring.feeds, self.wiring.tables, strict=True))
            if feed.port in self.groups[feed.target].run.late
        }
        self._own = [
            {
                **{a: np.empty(room, dtype=np.int64) for a in ("_heads", "_ends", "_rows")},
                **{f"_{a}{j}": np.empty(most, dtype=np.int64) for j, most in late.items() for a in ("heads", "ends")},
                "_bits": np.empty(BLOCK, dtype=np.int32),
                "_counts": np.empty(BLOCK, dtype=np.int32),
            }
            for _ in range(self.team.most)
        ]
        return values

    def advance(self, until_step: int, progress: bool = False) -> None:
        """Carry the network forward to a step, or until Ctrl-C."""
        with _together(self.world):
            if self.compiled:
                begin = perf_counter()
                self._call(0, 1, self.k, self.k, self._gather(self.k, self.k + 1))
                self.seconds["compile"] += perf_counter() - begin
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
            self._compute(k0, stop)
        else:
            self._compute_together(self.world, k0, stop)
        if self._fixed["_status"][0]:
            raise InputError(f"more spikes arrived before t = {stop * self.engine.dt:g} ms than there is room for")
        self.add(self.outcome.piece(k0, stop))
        self.k = stop

    def add(self, piece: Piece) -> None:
        """Hand on what was recorded."""
        with _together(self.world if self.sink is not self.outcome.memory else None):
            self.sink.add(piece)

    def _compute(self, k0: int, stop: int) -> None:
        values = self._gather(k0, stop)
        if self.plastic and not self.compiled:
            self._run_plain(k0, stop, values)
        else:
            self.team.run(lambda i, size: self._call(i, size, k0, stop, values), stop - k0)

    def _compute_together(self, world: World, k0: int, stop: int) -> None:
        """Compute a chunk with the other ranks; what stops one of them stops all, at the same place."""
        assert self.exchange is not None
        own: Exception | None = None
        begin = perf_counter()
        try:
            self._compute(k0, stop)
            self.seconds["exchange"] += self.exchange.share * (perf_counter() - begin)
        except Exception as error:
            own = error
            self.exchange.stop()
        if self.exchange.error is not None:
            raise self.exchange.error
        if own is None and self._fixed["_status"][0] == 1:
            own = InputError(f"more spikes arrived before t = {stop * self.engine.dt:g} ms than there is room for")
        world.settle(own)

    def _run_plain(self, k0: int, stop: int, values: dict[str, Any]) -> None:
        """Run a chunk as plain Python, where what cannot be computed raises; compiled code goes on with NaN."""
        try:
            with np.errstate(all="ignore"):
                self._call(0, 1, k0, stop, values)
        except (OverflowError, ZeroDivisionError, ValueError) as error:
            raise InputError(
                f"the rows of a plastic synapse cannot be computed before t = {stop * self.engine.dt:g} ms ({error});"
                " bound its states by a line such as  w <= 1, or check the parameters"
            ) from error

    def _gather(self, k0: int, k1: int) -> dict[str, Any]:
        """Return the arguments of the loop that a chunk has of its own."""
        values = {**self._fixed, "_k0": k0, "_k1": k1}
        if self.exchange is not None:
            values |= self.exchange.begin_chunk(k1 - k0)
        for g, cells in enumerate(self.groups):
            r = cells.run
            own = r.gather(k0, k1) | {"_record": cells.tap.rows(k0, k1)}
            for j in range(r.step.normals):
                own[f"_z_{j}"] = np.empty((k1 - k0) * cells.n)
            if r.population.neuron.rows.hazard is not None:
                own["_u_0"] = np.empty((k1 - k0) * cells.n)
            values |= {f"g{g}{a}" if a.startswith("_") else f"g{g}_{a}": x for a, x in own.items()}
            for port in cells.ports:
                edges, hits, weights = outside(cells, port, k0, k1)
                own = {"outedges": edges, "outhits": hits, "outweights": weights.astype(self.kind)}
                if port in cells.in_turn:
                    own |= self._make_room(g, port, int(np.diff(edges, axis=1).max()))
                values |= {f"q{g}_{a}_{port}": x for a, x in own.items()}
            for port, rain in self.rain[g].items():
                values[f"q{g}_rainsteps_{port}"], values[f"q{g}_raininside_{port}"] = rain.steps(k0, k1)
        for y, synapses in enumerate(self.plastic):
            if synapses.plan.rewarded:
                values[f"y{y}_reward"] = synapses.rewards(k0, k1)
        for s, (source, drizzle) in enumerate(zip(self.sources, self.drizzle, strict=True)):
            if drizzle is not None:
                values[f"s{s}_steps"], values[f"s{s}_inside"] = drizzle.steps(k0, k1)
            else:
                self._fill_given(s, source, k0, k1)
                values |= {f"s{s}_{a}": x for a, x in source.log.arguments.items()}
        return values

    def _make_room(self, g: int, port: str, outside: int) -> dict[str, Any]:
        """Return where arrivals that act one by one are written down: a place for each synapse onto a part."""
        room = outside + 16 + self.wiring.room(g, port, self.groups[g].bounds)
        at = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
        hits, weights = np.empty(int(at[-1]), dtype=np.int64), np.empty(int(at[-1]), dtype=self.kind)
        return {"room": at, "hits": hits, "weights": weights, "edges": np.zeros((self.parts.count, 2), dtype=np.int64)}

    def _fill_given(self, s: int, source: Emitting, k0: int, k1: int) -> None:
        """Write the given trains of steps k0+1..k1 behind those still in flight."""
        old = source.log
        rows, neurons = old.table(0, old.past if k0 else 0)
        steps, new, _ = source.arrivals(k0 if k0 else -1, k1)  # a spike at t = 0 is sent, too
        rows = np.concatenate([rows, steps - (k0 + 1) + old.past])
        neurons = np.concatenate([neurons, new.astype(np.int32)])
        keep = rows >= 0
        rows, neurons = rows[keep], neurons[keep]
        room = np.diff(np.searchsorted(np.sort(neurons), source.bounds))
        source.log = SpikeLog(room, old.past, self.chunk)
        source.log.fill(0, source.bounds, rows, neurons)

    def _call(self, i: int, size: int, k0: int, k1: int, values: dict[str, Any]) -> None:
        """Run one thread's share of a chunk."""
        first, last = (self.parts.first + p for p in share(self.parts.each, size, i))
        for g, cells in enumerate(self.groups):
            self._fill_noise(g, cells, first, last, k0, max(k1, k0 + 1), values)
        own = {**values, **self._own[i], "_k1": k1, "_first": first, "_last": last, "_team": size}
        self.module.run(*(own[a] for a in self.arguments))

    def _fill_noise(
        self, g: int, cells: Cells, first: int, last: int, k0: int, k1: int, values: dict[str, Any]
    ) -> None:
        """Fill the random numbers of some parts, each part's rows one after the other."""
        r = cells.run
        hazard = r.population.neuron.rows.hazard is not None
        if not r.step.normals and not hazard:
            return
        for lo, hi in zip(cells.bounds[first:last], cells.bounds[first + 1 : last + 1], strict=True):
            keys = neuron_keys(r.population.key("noise"), int(lo), int(hi))

            def block(name: str, lo: int = int(lo), hi: int = int(hi)) -> np.ndarray:
                return values[f"g{g}_{name}"][lo * (k1 - k0) : hi * (k1 - k0)].reshape(k1 - k0, hi - lo)

            for j in range(r.step.normals):
                fill_normals(r.population.key("noise", f"{j}"), keys, k0, k1, block(f"z_{j}"), self.compiled)
            if hazard:
                fill_uniforms(r.population.key("hazard"), keys, k0, k1, block("u_0"), self.compiled)

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
        self._fixed = self._gather_fixed()


def _module(path: Path, advances: Sequence[Any], compiled: bool, inner: Sequence[str]) -> ModuleType:
    """Return the network's module with its groups' loops put in."""
    named = {f"_advance{g}": advance for g, advance in enumerate(advances)}
    if compiled:
        return compiled_module(
            path, inner, ("run",), lambda: {name: a.dispatcher for name, a in named.items()} | intrinsics()
        )
    module = plain_module(path)
    for name, function in (named | PLAIN).items():
        setattr(module, name, function)
    return module
