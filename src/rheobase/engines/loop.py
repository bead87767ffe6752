"""A network's loop in this process: the printed module, its arguments chunk by chunk, its threads' shares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, final

import numpy as np

from rheobase.emit.network_functions import EXCHANGE, INNER
from rheobase.emit.network_loop import Emitter, Group, network_source
from rheobase.emit.source import write_module
from rheobase.emit.to_numba import compiled_module, plain_module
from rheobase.engines.exchange import Exchange
from rheobase.engines.groups import Cells, Emitting, outside
from rheobase.engines.noise import fill_normals, fill_uniforms
from rheobase.engines.parts import Parts, share
from rheobase.engines.population import line_up
from rheobase.engines.queue import SpikeLog
from rheobase.engines.rain import BLOCK, Rain
from rheobase.engines.threads import PLAIN, Team, intrinsics
from rheobase.engines.wiring import Wiring
from rheobase.errors import InputError
from rheobase.random import neuron_keys

__all__ = ["Loop"]

_HEADS: Final = 1 << 14  # segments of synapses gathered before they are delivered


@final
class Loop:
    """The loop over all that a network has.

    Parameters
    ----------
    rain, drizzle : list
        For each group, the Poisson spikes drawn at its ports; for each source, those that it is.
    dt, kind, held, chunk
        The step in ms; the type of weights; how many steps pass until the parts must meet; the most steps of a chunk.
    """

    def __init__(
        self,
        groups: Sequence[Cells],
        sources: Sequence[Emitting],
        wiring: Wiring,
        rain: Sequence[dict[str, Rain]],
        drizzle: Sequence[Rain | None],
        *,
        parts: Parts,
        team: Team,
        exchange: Exchange | None,
        dt: float,
        kind: type[np.floating[Any]],
        held: int,
        chunk: int,
    ) -> None:
        self.groups, self.sources, self.wiring, self.rain, self.drizzle = groups, sources, wiring, rain, drizzle
        self.parts, self.team, self.exchange = parts, team, exchange
        self.dt, self.kind, self.held, self.chunk = dt, kind, held, chunk
        self.compiled, self.plastic = groups[0].run.compiled, wiring.plastic
        self._load()
        self.refresh()

    @property
    def is_full(self) -> bool:
        """Whether there was no room for all spikes."""
        return bool(self._fixed["_status"][0] == 1)

    def refresh(self) -> None:
        """Take the arrays anew, after they were replaced."""
        self._fixed = self._gather_fixed()

    def warm_up(self, k: int) -> None:
        """Compile it, or load it compiled."""
        self._call(0, 1, k, k, self._gather(k, k + 1))

    def run(self, k0: int, k1: int) -> None:
        """Carry the network from step k0 to k1."""
        values = self._gather(k0, k1)
        if self.plastic and not self.compiled:
            self._run_plain(k0, k1, values)
        else:
            self.team.run(lambda i, size: self._call(i, size, k0, k1, values), k1 - k0)

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

    def _gather_fixed(self) -> dict[str, Any]:
        """Return the arguments of the loop that stay the same from chunk to chunk."""
        values: dict[str, Any] = {"dt": self.dt, "_held": self.held, "_parts": self.parts.count}
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
                if port not in cells.in_turn and port not in cells.run.late:
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
        room = _HEADS + 4 * (sum(g.n for g in self.groups) + sum(x.n for x in self.sources)) + 4096
        values["_gather"] = _HEADS
        late = {  # room for all that can arrive in a step; memory that is never written costs nothing
            j: table.cells
            for j, (feed, table) in enumerate(zip(self.wiring.feeds, self.wiring.tables, strict=True))
            if feed.port in self.groups[feed.target].run.late
        }
        self._own = [
            {
                **{a: np.empty(room, dtype=np.int64) for a in ("_heads", "_ends", "_rows")},
                **{
                    f"_{a}{j}": np.empty(most, dtype=np.int64)
                    for j, most in late.items()
                    for a in ("heads", "ends", "rows")
                },
                "_bits": (bits := np.empty(BLOCK // 4 + 1, dtype=np.uint64)),
                "_draws": bits.view(np.uint16),
                "_counts": np.empty(BLOCK, dtype=np.uint16),
            }
            for _ in range(self.team.most)
        ]
        return values

    def _run_plain(self, k0: int, stop: int, values: dict[str, Any]) -> None:
        """Run a chunk as plain Python, where what cannot be computed raises; compiled code goes on with NaN."""
        try:
            with np.errstate(all="ignore"):
                self._call(0, 1, k0, stop, values)
        except (OverflowError, ZeroDivisionError, ValueError) as error:
            raise InputError(
                f"the rows of a plastic synapse cannot be computed before t = {stop * self.dt:g} ms ({error});"
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
                values |= {f"q{g}_rain{a}_{port}": x for a, x in rain.steps(k0, k1).items()}
        for y, synapses in enumerate(self.plastic):
            if synapses.plan.rewarded:
                values[f"y{y}_reward"] = synapses.rewards(k0, k1)
        for s, (source, drizzle) in enumerate(zip(self.sources, self.drizzle, strict=True)):
            if drizzle is not None:
                values |= {f"s{s}_{a}": x for a, x in drizzle.steps(k0, k1).items()}
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
