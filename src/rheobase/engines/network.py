"""The clock engine on a network: groups of neurons in parts, spikes in flight, one compiled loop on several threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Final, final

import numpy as np

from rheobase.emit.network_functions import INNER
from rheobase.emit.network_loop import Emitter, Feed, Group, network_source
from rheobase.emit.source import write_module
from rheobase.emit.to_numba import compiled_module, plain_module
from rheobase.engines.checkpoint import Snapshot
from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.forecast import refuse_too_large
from rheobase.engines.groups import Cells, Emitting, group_cells, group_sources, outside
from rheobase.engines.noise import fill_normals, fill_run, fill_uniforms
from rheobase.engines.plastic import make_plastic
from rheobase.engines.population import line_up
from rheobase.engines.precision import settle
from rheobase.engines.progress import bar, waiting_for_ctrl_c
from rheobase.engines.queue import SpikeLog
from rheobase.engines.rain import BLOCK, Rain
from rheobase.engines.record import Memory, Piece, Sink, pick_spikes, start_piece
from rheobase.engines.result import Recording, Result
from rheobase.engines.shared import Shared
from rheobase.engines.sorting import MANY
from rheobase.engines.spikes import Spikes
from rheobase.engines.stream import Stream
from rheobase.engines.synapses import Bundle, Table, build_table, check_delays
from rheobase.engines.threads import PLAIN, Team, cores, cut, intrinsics, share
from rheobase.errors import InputError
from rheobase.network.connect import Rows, expect_synapses
from rheobase.network.network import Network
from rheobase.network.projection import Projection
from rheobase.random import derive_key, neuron_keys

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
) -> tuple[dict[str, Result], Snapshot]:
    """Return a result for each population of a network, and what is needed to go on.

    It begins where `start` ends. After Ctrl-C it returns what has been simulated so far; `Snapshot.k` tells how far.
    With a `stream` spikes and traces go there; results and snapshot have none. `shared` has what an earlier run of a
    sweep has built.
    """
    begin = perf_counter()
    engine = settle(net, engine)
    total = steps_until(until, engine.dt)
    check_delays(net.projections, engine.dt)
    refuse_too_large(net, until, engine, recordings, stream is not None)
    run = _NetworkRun(net, engine, recordings, seed, total, stream, shared)
    if start is not None:
        run.restore(start)
    prepared = perf_counter() - begin
    try:
        if stream is not None:
            stream.begin(run.results(prepared), total)
        if start is None or stream is None:  # else the file has it
            run.sink.add(run.begin)
        run.advance(total, progress)
        results = run.results(prepared)
        if stream is not None:
            stream.end(results)
    finally:
        run.team.close()
        if stream is not None:
            stream.close()
    return results, run.snapshot()


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
    ) -> None:
        self.shared = shared
        self.net, self.engine, self.total, self.k, self.seed = net, engine, total, 0, seed
        self.recordings = recordings
        self.groups = group_cells(net, engine, recordings, seed, total, _SMALL)
        self.compiled = self.groups[0].run.compiled
        self.sources = group_sources(net, seed, engine.dt, self.compiled)
        self.members: list[Cells | Emitting] = [*self.groups, *self.sources]
        wide = engine.precision in ("auto", "float64")
        self.kind: type[np.floating[Any]] = np.float64 if wide else np.float32
        self.seconds = {"compile": 0.0, "run": 0.0}
        self.n = sum(g.n for g in self.groups)
        self._plan_threads()
        self._connect()
        self._make_logs()
        self._load()
        self._make_sink(stream)

    def _make_sink(self, stream: Stream | None) -> None:
        """Make room for what is recorded, and begin with what there is at t = 0."""
        samples = {name: x for cells in self.groups for name, x in cells.tap.samples.items()}
        sizes = {name: part.n for name, part in self.net.populations.items()}
        self.memory = Memory(sizes, {} if stream else self.recordings, samples)
        self.sink: Sink = stream or self.memory
        self.pace = min(self.chunk, _TRIAL) if stream else self.chunk
        at_zero = [x.arrivals(-1, 0)[:2] for x in self.sources]
        runs, taps = [cells.run for cells in self.groups], [cells.tap for cells in self.groups]
        self.begin = start_piece(taps, runs, self._by_name([], at_zero))

    def _plan_threads(self) -> None:
        """Choose how many threads, and how many parts: enough for the threads, and for 16-bit targets in long rows."""
        threads = self.engine.threads or (cores() if self.n >= _ALONE else 1)
        if not self.compiled:
            threads = 1
        largest = max(g.n for g in self.groups)
        per_row = sum(map(expect_synapses, self.net.projections)) / self.n
        split = -(-largest // (_NARROW * threads)) if per_row > 500 else 1
        self.parts = min(threads * split, max(1, largest // 16))
        for x in self.members:
            x.bounds = cut(x.n, self.parts)
        self.team = Team(min(threads, self.parts))

    def _connect(self) -> None:
        """Make a table of synapses for each port of each group."""
        place = {
            n: (g, o) for g, cells in enumerate(self.groups) for n, o in zip(cells.names, cells.offsets, strict=False)
        }
        place |= {x.name: (-1 - s, 0) for s, x in enumerate(self.sources)}
        fed: dict[tuple[int, str], dict[int, list[Projection]]] = {}
        for p in self.net.projections:
            if p.is_plastic:
                continue
            by_source = fed.setdefault((place[p.target.name][0], p.port), {})
            by_source.setdefault(place[p.source.name][0], []).append(p)
        expected = sum(map(expect_synapses, self.net.projections))
        fill = fill_run if self.compiled and expected > MANY else None
        self.feeds: list[Feed] = []
        self.tables: list[Table] = []
        self.firsts: list[np.ndarray] = []
        for (target, port), by_source in fed.items():
            bundles, which, firsts, at = [], [], [], 0
            for i, (source, projections) in enumerate(by_source.items()):
                firsts.append(at)
                for name in dict.fromkeys(p.source.name for p in projections):
                    mine = [p for p in projections if p.source.name == name]
                    rows = [
                        (Rows(p, derive_key(self.seed, "projection", p.index), fill), place[p.target.name][1])
                        for p in mine
                    ]
                    n = self.net.populations[name].n
                    bundles.append(Bundle(name, n, at + place[name][1], tuple(rows)))
                    which.append(i)
                at += (self.groups[source] if source >= 0 else self.sources[-1 - source]).n
            bounds = self.groups[target].bounds
            how = (bundles, which, at, bounds, self.engine.dt, self.kind, self.team.most)
            table = build_table(*how) if self.shared is None else self.shared.table((target, port), *how)
            self.tables.append(table)
            self.firsts.append(np.array(firsts, dtype=np.int64))
            self.feeds.append(Feed(target, port, tuple(by_source), table.packed))
        plastic = [p for p in self.net.projections if p.is_plastic]
        cuts = [g.bounds for g in self.groups]
        share = self.shared and self.shared.plastic
        self.plastic, self.rules = make_plastic(plastic, place, cuts, self.engine.dt, self.seed, share)

    def _make_logs(self) -> None:
        """Make room for spikes: as far back as the longest delay, ahead as far as a chunk reaches."""
        past = dict.fromkeys(range(-len(self.sources), len(self.groups)), 1)
        shortest = 1 << 30
        for feed, table in zip(self.feeds, self.tables, strict=True):
            for i, source in enumerate(feed.sources):
                delays = table.due[table.due[:, 1 + i] > 0, 0]
                if len(delays):
                    past[source] = max(past[source], int(delays.max()))
                    shortest = min(shortest, int(delays.min()))
        for synapses in self.plastic:
            plan = synapses.plan
            past[plan.source] = max(past[plan.source], synapses.longest)
            past[plan.target] = max(past[plan.target], synapses.longest_back)
            shortest = min(shortest, synapses.shortest)
            if plan.critic is not None:
                past[plan.critic] = max(past[plan.critic], synapses.shortest)
        largest = max(g.n for g in self.groups)
        wide = any(g.run.step.normals or g.run.population.neuron.rows.hazard or g.run.samplers for g in self.groups)
        self.chunk = int(np.clip((2_000_000 if wide else 40_000_000) // largest, 16, 1024))
        self.chunk = min(cells.tap.fit(self.chunk) for cells in self.groups)
        for cells in self.groups:
            cells.tap.make_room(self.chunk)
        self.held = min(shortest, self.chunk)
        for i, cells in enumerate(self.groups):
            cells.log = SpikeLog(np.diff(cells.bounds) * (past[i] + self.chunk), past[i], self.chunk)
        self.rain = [{p: Rain(s, g.bounds, self.engine.dt) for p, s in g.showers.items()} for g in self.groups]
        self.drizzle: list[Rain | None] = []
        for s, x in enumerate(self.sources):
            back = past[-1 - s]
            rain = Rain([x.shower], x.bounds, self.engine.dt) if x.shower else None
            self.drizzle.append(rain)
            room = np.zeros(self.parts, dtype=np.int64)
            if x.shower is not None:
                expected = np.add.reduceat(np.append(x.shower.expected, 0.0), x.bounds[:-1]) * (back + self.chunk)
                room = np.ceil(expected + 12 * np.sqrt(expected) + 64).astype(np.int64)
            x.log = SpikeLog(room, back, self.chunk)

    def _load(self) -> None:
        runs = [g.run for g in self.groups]
        modules = [write_module("clock", run.source.text) for run in runs]
        groups = [
            Group(path.stem, run.source.arguments, tuple(run.samplers), g.ports, g.in_turn, tuple(rain), run.late)
            for path, run, g, rain in zip(modules, runs, self.groups, self.rain, strict=True)
        ]
        emitters = [Emitter(rain is not None) for rain in self.drizzle]
        text, self.arguments = network_source(groups, self.feeds, emitters, [x.plan for x in self.plastic], self.rules)
        inner = (*INNER, *(["exprel"] if self.rules else []), *(f for rule in self.rules for f in rule.functions))
        self.module = _module(write_module("network", text), [run.module.advance for run in runs], self.compiled, inner)
        self._fixed = self._gather_fixed()

    def _gather_fixed(self) -> dict[str, Any]:
        """Return the arguments of the loop that stay the same from chunk to chunk."""
        values: dict[str, Any] = {"dt": self.engine.dt, "_held": self.held, "_parts": self.parts}
        values |= {"_barrier": self.team.barrier, "_status": np.zeros(1, dtype=np.int64)}
        for g, (cells, rain) in enumerate(zip(self.groups, self.rain, strict=True)):
            r = cells.run
            own: dict[str, Any] = {**r.values, "_chosen": cells.tap.chosen}
            own |= {f"_at_{s}": x for s, x in r.states.items()} | {f"_left_{t}": x for t, x in r.left.items()}
            own |= {f"_trace_{s}": x for s, x in cells.tap.buffers.items()}
            width = int(np.diff(cells.bounds).max())
            own["_fired"] = line_up(np.zeros((self.parts, width + -width % 64), dtype=np.bool_))
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
        for j, (table, first) in enumerate(zip(self.tables, self.firsts, strict=True)):
            own = {"due": table.due, "start": table.start, "target": table.target, "weight": table.weight}
            own |= {"first": first, "stride": table.stride, "cells": table.cells}
            values |= {f"f{j}_{a}": x for a, x in own.items()}
        for y, synapses in enumerate(self.plastic):
            values |= synapses.arguments(y)
        room = _HEADS + 4 * sum(x.n for x in self.members) + 4096
        values["_gather"] = _HEADS
        late = {  # room for all that can arrive in a step; memory that is never written costs nothing
            j: table.cells
            for j, (feed, table) in enumerate(zip(self.feeds, self.tables, strict=True))
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
        if self.compiled:
            begin = perf_counter()
            self._call(0, 1, self.k, self.k, self._gather(self.k, self.k + 1))
            self.seconds["compile"] += perf_counter() - begin
        begin = perf_counter()
        self._normalise()
        with waiting_for_ctrl_c() as stopped, bar((until_step - self.k) * self.engine.dt, progress) as report:
            while self.k < until_step and not stopped:
                before, since = self.k, perf_counter()
                chunk = min(self.pace, _TRIAL) if self.team.is_trying else self.pace
                self._run_chunk(min([self.k + chunk, until_step, *(x.next for x in self.plastic)]))
                self._normalise()
                report((self.k - before) * self.engine.dt)
                if self.sink is not self.memory:  # a kill loses one chunk
                    each = (perf_counter() - since) / (self.k - before)
                    self.pace = int(np.clip(_OFTEN / each, min(_TRIAL, self.chunk), self.chunk))
        self.seconds["run"] += perf_counter() - begin
        for synapses in self.plastic:
            synapses.check_finite()
        for cells in self.groups:
            cells.run.k = self.k
            cells.run.check_finite()

    def _normalise(self) -> None:
        for synapses in self.plastic:
            synapses.normalise(self.k)

    def _run_chunk(self, stop: int) -> None:
        k0, steps = self.k, stop - self.k
        values = self._gather(k0, stop)
        if self.plastic and not self.compiled:
            self._run_plain(k0, stop, values)
        else:
            self.team.run(lambda i, size: self._call(i, size, k0, stop, values), steps)
        if self._fixed["_status"][0]:
            raise InputError(f"more spikes arrived before t = {stop * self.engine.dt:g} ms than there is room for")
        sent = []
        for x in self.members:
            log = x.log
            rows, neurons = log.table(log.past, log.past + steps)
            sent.append(((rows + (k0 + 1 - log.past)).astype(np.int32), neurons))
            log.shift(steps)
        traces = {name: own for cells in self.groups for name, own in cells.tap.take(k0, stop).items()}
        self.sink.add(Piece(k0, stop, self._by_name(sent[: len(self.groups)], sent[len(self.groups) :]), traces))
        self.k = stop

    def _by_name(
        self, cells: Sequence[tuple[np.ndarray, np.ndarray]], sources: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the spikes that are recorded, (steps, neurons) of groups and sources, by population."""
        out = {}
        for x, (steps, neurons) in zip(self.groups, cells, strict=False):
            for name, lo, hi in zip(x.names, x.offsets, x.offsets[1:], strict=False):
                out[name] = pick_spikes(steps, neurons, lo, hi, x.n, self.recordings[name].spikes)
        for source, (steps, neurons) in zip(self.sources, sources, strict=False):
            kept = self.recordings[source.name].spikes if source.name in self.recordings else None
            out[source.name] = pick_spikes(steps, neurons, 0, source.n, source.n, kept)
        return out

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
        room = np.full(self.parts, outside + 16, dtype=np.int64)
        for feed, table in zip(self.feeds, self.tables, strict=True):
            if (feed.target, feed.port) == (g, port):
                ends = table.start.reshape(self.parts, -1, table.stride)
                room += (ends[:, :, -1].astype(np.int64) - ends[:, :, 0]).sum(axis=1) * 2
        for synapses in self.plastic:
            if (synapses.plan.target, synapses.plan.port) == (g, port):
                room += synapses.room(self.groups[g].bounds) * 2
        at = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
        hits, weights = np.empty(int(at[-1]), dtype=np.int64), np.empty(int(at[-1]), dtype=self.kind)
        return {"room": at, "hits": hits, "weights": weights, "edges": np.zeros((self.parts, 2), dtype=np.int64)}

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
        first, last = share(self.parts, size, i)
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

    def results(self, prepared: float) -> dict[str, Result]:
        """Return what has been simulated so far, population by population."""
        out: dict[str, Result] = {}
        seconds = {"prepare": prepared, **self.seconds}
        dt, e = self.engine.dt, self.engine
        threads = f"up to {self.team.most} threads" if self.team.most > 1 else "1 thread"
        told = f"Clock(dt={dt:g} ms, precision='{e.precision}'), {threads}"
        for name, (cells, lo, hi) in self._places().items():
            whole = cells.run.result()
            at, traces = self.memory.traces(name)
            traces = {s: x.T for s, x in traces.items()}
            final = {s: x[lo:hi] for s, x in whole.final.items()}
            spikes, values = self._spikes(name, hi - lo), cells.values[name]
            out[name] = Result(spikes, at * dt, traces, final, told, whole.method, whole.order, seconds, values)
        for source in self.sources:
            spikes = self._spikes(source.name, source.n)
            out[source.name] = Result(spikes, np.empty(0), {}, {}, told, "given spikes", "grid", seconds)
        return {name: out[name] for name in self.net.populations}

    def _places(self) -> dict[str, tuple[Cells, int, int]]:
        """Return each population's group, its first neuron there, and the one after its last."""
        return {
            name: (cells, lo, hi)
            for cells in self.groups
            for name, lo, hi in zip(cells.names, cells.offsets, cells.offsets[1:], strict=False)
        }

    def _spikes(self, name: str, n: int) -> Spikes:
        """Return the spikes of a population so far."""
        steps, neurons = self.memory.spikes(name)
        kept = self.recordings[name].spikes if name in self.recordings else None
        return Spikes.from_table(steps * self.engine.dt, neurons, n, kept)

    def snapshot(self) -> Snapshot:
        """Return all that is needed to go on from here."""
        arrays: dict[str, np.ndarray] = {}
        for name, (cells, lo, hi) in self._places().items():
            r = cells.run
            arrays |= {f"state {name} {s}": x[lo:hi].copy() for s, x in r.states.items()}
            arrays |= {f"left {name} {t}": x[lo:hi].copy() for t, x in r.left.items()}
            arrays |= {f"trace {name} {s}": x.copy() for s, x in self.memory.traces(name)[1].items()}
        for name in self.net.populations:
            arrays[f"steps {name}"], arrays[f"neurons {name}"] = self.memory.spikes(name)
        for i, member in enumerate(self.members):  # those in flight, which need not be recorded
            rows, neurons = member.log.table(0, member.log.past)
            arrays[f"flight steps {i}"], arrays[f"flight neurons {i}"] = rows + (self.k + 1 - member.log.past), neurons
        for synapses in self.plastic:
            arrays |= synapses.snapshot()
        return Snapshot(self.k, self.engine, self.seed, self.recordings, arrays)

    def restore(self, start: Snapshot) -> None:
        """Put everything as it was at a snapshot's step."""
        if start.k > self.total:
            raise InputError(f"the run has already reached {start.k * self.engine.dt:g} ms; give a later until=")
        self.k, arrays = start.k, start.arrays
        for synapses in self.plastic:
            synapses.restore(arrays, self.k)
        for name, (cells, lo, hi) in self._places().items():
            r = cells.run
            for s, x in r.states.items():
                x[lo:hi] = arrays[f"state {name} {s}"]
            for t, x in r.left.items():
                x[lo:hi] = arrays[f"left {name} {t}"]
        spikes = {name: (arrays[f"steps {name}"], arrays[f"neurons {name}"]) for name in self.net.populations}
        traces = {
            name: {s: arrays[f"trace {name} {s}"] for s in r.states if f"trace {name} {s}" in arrays}
            for name, r in self.recordings.items()
        }
        self.begin = Piece(-1, start.k, spikes, traces)
        for i, member in enumerate(self.members):
            steps, neurons = arrays[f"flight steps {i}"], arrays[f"flight neurons {i}"]
            log = member.log
            room = np.diff(log.base)
            if isinstance(member, Emitting) and member.shower is None:
                room = np.full(self.parts, len(steps), dtype=np.int64)
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
