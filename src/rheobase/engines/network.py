"""The clock engine on a network: groups of neurons, spikes in flight, one compiled loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, final

import numpy as np

from rheobase.derive.additive import additive_ports
from rheobase.emit.network_loop import Group, Joint, network_source
from rheobase.emit.source import write_module
from rheobase.engines.clock import Clock, ClockRun, is_worth_compiling, steps_until
from rheobase.engines.compile import compiled_module, plain_module
from rheobase.engines.noise import fill_normals, fill_uniforms
from rheobase.engines.population import Population, prepare
from rheobase.engines.result import Recording, Result
from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.network.connect import build
from rheobase.network.network import Network
from rheobase.network.sources import Arrivals, SpikeSource
from rheobase.random import derive_key, neuron_keys

__all__ = ["run_network"]


@final
@dataclass
class _Cells:
    """A group: populations that share one loop, one after the other."""

    names: list[str]
    offsets: list[int]
    run: ClockRun
    ports: tuple[str, ...]
    arrivals: list[tuple[str, int, Arrivals]]  # (port, offset, what comes from outside)


def run_network(
    net: Network, engine: Clock, until: float, recordings: Mapping[str, Recording], seed: int
) -> dict[str, Result]:
    """Return a result for each population of a network."""
    begin = perf_counter()
    total = steps_until(until, engine.dt)
    run = _NetworkRun(net, engine, recordings, seed, total)
    prepared = perf_counter() - begin
    run.advance(total)
    return run.results(prepared)


@final
class _NetworkRun:
    def __init__(self, net: Network, engine: Clock, recordings: Mapping[str, Recording], seed: int, total: int) -> None:
        self.net, self.engine, self.total, self.k, self.seed = net, engine, total, 0, seed
        dt = engine.dt
        cells = {name: part.model for name, part in net.populations.items() if isinstance(part.model, Neuron)}
        if not cells:
            raise InputError("the network has no neurons; add a population: net.add('E', 100, rb.LIF())")
        parts = net.populations
        prepared = {
            name: prepare(model, dict(parts[name].values), seed, parts[name].n, name) for name, model in cells.items()
        }
        self.values = {name: p.values for name, p in prepared.items()}
        self.place: dict[str, tuple[int, int]] = {}  # population -> (group, offset)
        self.groups: list[_Cells] = []
        for names in _alike(prepared):
            self._add_group(names, prepared, recordings)
        emitting = {name: part.model for name, part in parts.items() if isinstance(part.model, SpikeSource)}
        self.sources = [*emitting]
        self.emitters = [
            source.on_grid(dt, parts[name].n, derive_key(seed, name, "source"), True)
            for name, source in emitting.items()
        ]
        self._connect()
        self._load()
        self.spikes: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in self.groups]
        self.emitted: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in self.sources]
        self.noise: dict[int, dict[str, np.ndarray]] = {}
        self.seconds = {"compile": 0.0, "run": 0.0}

    def _add_group(
        self, names: list[str], prepared: Mapping[str, Population], recordings: Mapping[str, Recording]
    ) -> None:
        whole = _merge([prepared[n] for n in names])
        offsets = np.cumsum([0, *(prepared[n].n for n in names)]).tolist()
        targeted = {p.port for p in self.net.projections if p.target.name in names}
        used = {*targeted, *(port for n in names for port in prepared[n].sources)}
        neuron = whole.neuron
        ports = tuple(p for p in neuron.ports if p in used)
        for port in ports:
            if port not in additive_ports(neuron):
                raise InputError(
                    f"port '{port}' of {neuron.name} does not simply add w_i ({neuron.receive[port]}); in a"
                    " network the clock engine sums what arrives together, so write the jump as  x <- x + w_i"
                )
        chosen = [
            _chosen(recordings[n], prepared[n].n) + o
            for n, o in zip(names, offsets, strict=False)
            if recordings[n].states
        ]
        states = tuple(s for s in neuron.states if any(s in recordings[n].states for n in names))
        every = next((recordings[n].every for n in names if recordings[n].states), None)
        recording = Recording(states, every, np.concatenate(chosen) if chosen else None)
        run = ClockRun(whole, self.engine, recording, self.total, fed=ports)
        outside = [
            (port, o, s.on_grid(self.engine.dt, prepared[n].n, prepared[n].key("port", port), False))
            for n, o in zip(names, offsets, strict=False)
            for port, s in prepared[n].sources.items()
        ]
        for n, o in zip(names, offsets, strict=False):
            self.place[n] = (len(self.groups), o)
        self.groups.append(_Cells(names, offsets, run, ports, outside))

    def _connect(self) -> None:
        """Gather projections between the same groups and port into one table of synapses, sorted by source."""
        dt = self.engine.dt
        found: dict[tuple[int, int, str], list[tuple[np.ndarray, np.ndarray, Any, Any]]] = {}
        for projection in self.net.projections:
            synapses = build(projection, derive_key(self.seed, "projection", projection.index))
            target, to = self.place[projection.target.name]
            if projection.source.name in self.place:
                source, offset = self.place[projection.source.name]
            else:
                source, offset = -1 - self.sources.index(projection.source.name), 0
            steps = np.floor(np.asarray(synapses.delay) / dt + 0.5 + 1e-9).astype(np.int64)
            if steps.size and steps.min() < 1:
                raise InputError(
                    f"projection {projection.name}: a delay of {np.min(synapses.delay):g} ms is shorter than one step"
                    f" of dt = {dt:g} ms; give longer delays or a smaller dt"
                )
            found.setdefault((source, target, projection.port), []).append(
                (synapses.pre + offset, synapses.post + to, synapses.weight, steps)
            )
        self.joints: list[Joint] = []
        self.tables: list[dict[str, Any]] = []
        longest = 1
        for (source, target, port), parts in found.items():
            n_pre = (
                self.groups[source].run.population.n
                if source >= 0
                else self.net.populations[self.sources[-1 - source]].n
            )
            pre = np.concatenate([p[0] for p in parts])
            post = np.concatenate([p[1] for p in parts]).astype(np.int32)
            weight, own = _join([p[2] for p in parts], [len(p[0]) for p in parts], float)
            delay, spread = _join([p[3] for p in parts], [len(p[0]) for p in parts], np.int64)
            longest = max(longest, int(np.max(delay)) if np.size(delay) else 1)
            if len(parts) > 1 or (np.diff(pre) < 0).any():
                order = np.argsort(pre, kind="stable")
                pre, post = pre[order], post[order]
                weight, delay = (weight[order] if own else weight), (delay[order] if spread else delay)
            if spread:
                delay = delay.astype(np.uint8 if longest < 256 else np.uint32)
            start = np.searchsorted(pre, np.arange(n_pre + 1)).astype(np.int64)
            self.joints.append(Joint(source, target, port, own, spread))
            self.tables.append({"start": start, "target": post, "weight": weight, "delay": delay})
        self.slots = longest + 1
        self.rings = [{p: np.zeros((self.slots, g.run.population.n)) for p in g.ports} for g in self.groups]

    def _load(self) -> None:
        runs = [g.run for g in self.groups]
        paths = [write_module("clock", run.source.text) for run in runs]
        groups = [
            Group(path.stem, run.source.arguments, tuple(run.samplers), g.ports)
            for path, run, g in zip(paths, runs, self.groups, strict=True)
        ]
        text, self.arguments = network_source(groups, self.joints, len(self.sources))
        path = write_module("network", text)
        self.compiled = is_worth_compiling(sum(run.population.n for run in runs) * self.total, path)
        for run in runs:
            run.module, run.source = run.load(self.compiled)
        self.module = _module(path, [run.module.advance for run in runs], self.compiled)

    def advance(self, until_step: int) -> None:
        """Carry the network forward to a step."""
        largest = max(g.run.population.n for g in self.groups)
        chunk = int(np.clip(2_000_000 // largest, 16, 1024))
        buffers = [
            (np.empty(chunk * g.run.population.n, dtype=np.int64), np.empty(chunk * g.run.population.n, dtype=np.int64))
            for g in self.groups
        ]
        if self.compiled:
            begin = perf_counter()
            self._call(self.k, self.k, buffers)
            self.seconds["compile"] += perf_counter() - begin
        begin = perf_counter()
        while self.k < until_step:
            stop = min(self.k + chunk, until_step)
            counts = self._call(self.k, stop, buffers)
            for g, count in enumerate(counts):
                self.spikes[g].append((buffers[g][0][:count].copy(), buffers[g][1][:count].copy()))
            self.k = stop
        self.seconds["run"] += perf_counter() - begin
        for cells in self.groups:
            cells.run.k = self.k
            cells.run.check_finite()

    def _call(self, k0: int, k1: int, buffers: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[int]:
        rows = max(k1, k0 + 1)
        values: dict[str, Any] = {"_k0": k0, "_k1": k1, "dt": self.engine.dt, "_slots": self.slots}
        done = []
        for g, cells in enumerate(self.groups):
            r, n = cells.run, cells.run.population.n
            own: dict[str, Any] = {**r.values, **r.gather(k0, rows)}
            own |= {f"_at_{s}": x for s, x in r.states.items()} | {f"_left_{t}": x for t, x in r.left.items()}
            own |= self._draw(g, k0, rows)
            own |= {
                "_fired": np.zeros(n, dtype=np.bool_),
                "_out_step": buffers[g][0],
                "_out_neuron": buffers[g][1],
                "_chosen": r.chosen,
            }
            own |= {f"_trace_{s}": x for s, x in r.traces.items()}
            values |= {f"g{g}{a}" if a.startswith("_") else f"g{g}_{a}": x for a, x in own.items()}
            values |= {f"g{g}_n": n, f"g{g}_done": np.zeros(1, dtype=np.int64)}
            done.append(values[f"g{g}_done"])
            for port in cells.ports:
                steps, hits, weights = _outside(cells, port, k0, rows)
                values |= {
                    f"g{g}_ring_{port}": self.rings[g][port],
                    f"g{g}_hits_{port}": hits,
                    f"g{g}_weights_{port}": weights,
                }
                values[f"g{g}_edges_{port}"] = np.searchsorted(steps, np.arange(k0 + 1, rows + 2))
        for s, arrivals in enumerate(self.emitters):
            steps, neurons, _ = arrivals(k0, rows)
            if k1 > k0:
                self.emitted[s].append((steps, neurons))
            values |= {
                f"s{s}_edges": np.searchsorted(steps, np.arange(k0 + 1, rows + 2)),
                f"s{s}_neurons": np.ascontiguousarray(neurons),
            }
        for j, table in enumerate(self.tables):
            values |= {f"j{j}_{what}": x for what, x in table.items()}
        self.module.run(*(values[a] for a in self.arguments))
        return [int(d[0]) for d in done]

    def _draw(self, g: int, k0: int, k1: int) -> dict[str, np.ndarray]:
        """Return the random numbers of a group for steps k0..k1-1, in memory that is used again."""
        p, run = self.groups[g].run.population, self.groups[g].run
        drawn = {f"_z_{j}": p.key("noise", f"{j}") for j in range(run.step.normals)}
        if p.neuron.rows.hazard is not None:
            drawn["_u_0"] = p.key("hazard")
        if not drawn:
            return {}
        keys = neuron_keys(p.key("noise"), 0, p.n)
        for name, key in drawn.items():
            shape = (k1 - k0, p.n)
            if g not in self.noise or self.noise[g].get(name, np.empty(0)).shape != shape:
                self.noise.setdefault(g, {})[name] = np.empty(shape)
            fill = fill_uniforms if name == "_u_0" else fill_normals
            fill(key, keys, k0, k1, self.noise[g][name], self.compiled)
        return self.noise[g]

    def results(self, prepared: float) -> dict[str, Result]:
        """Return what has been simulated so far, population by population."""
        out: dict[str, Result] = {}
        seconds = {"prepare": prepared, **self.seconds}
        dt, none = self.engine.dt, np.empty(0, dtype=np.int64)
        for g, cells in enumerate(self.groups):
            r = cells.run
            steps = np.concatenate([none, *(s for s, _ in self.spikes[g])])
            neurons = np.concatenate([none, *(i for _, i in self.spikes[g])])
            whole = r.result()
            for name, lo, hi in zip(cells.names, cells.offsets, cells.offsets[1:], strict=False):
                inside = (neurons >= lo) & (neurons < hi)
                spikes = Spikes.from_table(steps[inside] * dt, neurons[inside] - lo, hi - lo)
                rows = np.flatnonzero((r.chosen >= lo) & (r.chosen < hi))
                traces = {s: x[rows] for s, x in whole.traces.items()} if len(rows) else {}
                final = {s: x[lo:hi] for s, x in whole.final.items()}
                out[name] = Result(
                    spikes,
                    whole.t if len(rows) else np.empty(0),
                    traces,
                    final,
                    whole.engine,
                    whole.method,
                    whole.order,
                    seconds,
                    self.values[name],
                )
        for name, pieces in zip(self.sources, self.emitted, strict=True):
            steps = np.concatenate([none, *(s for s, _ in pieces)])
            neurons = np.concatenate([none, *(i for _, i in pieces)])
            spikes = Spikes.from_table(steps * dt, neurons, self.net.populations[name].n)
            out[name] = Result(spikes, np.empty(0), {}, {}, f"Clock(dt={dt:g} ms)", "given spikes", "grid", seconds)
        return {name: out[name] for name in self.net.populations}


def _chosen(recording: Recording, n: int) -> np.ndarray:
    return np.arange(n) if recording.neurons is None else np.sort(recording.neurons)


def _alike(prepared: Mapping[str, Population]) -> list[list[str]]:
    """Return the populations that can share a loop: equal rows, no inputs that vary in time."""
    found: dict[Any, list[str]] = {}
    for name, p in prepared.items():
        m = p.neuron
        key = (
            m.evolve,
            tuple(m.receive.items()),
            m.threshold,
            m.reset,
            m.hazard,
            tuple(m.refractory.items()),
            name if p.inputs else "",
        )
        found.setdefault(key, []).append(name)
    return [*found.values()]


def _merge(parts: Sequence[Population]) -> Population:
    """Return populations of the same rows as one, one after the other."""
    first = parts[0]
    n = sum(p.n for p in parts)
    values: dict[str, float | np.ndarray] = {}
    for key in first.values:
        each = [p.values[key] for p in parts]
        same = all(np.ndim(x) == 0 and x == each[0] for x in each)
        values[key] = (
            each[0] if same else np.concatenate([np.broadcast_to(x, (p.n,)) for x, p in zip(each, parts, strict=True)])
        )
    initial = {s: np.concatenate([p.initial[s] for p in parts]) for s in first.initial}
    return Population(
        first.neuron, n, False, values, initial, first.inputs, {}, first.seed, "+".join(p.name for p in parts)
    )


def _join(parts: Sequence[Any], sizes: Sequence[int], kind: Any) -> tuple[Any, bool]:
    """Return one value if all synapses share it, else one for each."""
    if all(np.ndim(p) == 0 for p in parts) and len({float(p) for p in parts}) == 1:
        return kind(parts[0]), False
    return np.concatenate(
        [np.broadcast_to(np.asarray(p, dtype=kind), (size,)) for p, size in zip(parts, sizes, strict=True)]
    ), True


def _outside(cells: _Cells, port: str, k0: int, k1: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = [(*arrivals(k0, k1), offset) for p, offset, arrivals in cells.arrivals if p == port]
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    steps = np.concatenate([f[0] for f in found])
    hits = np.concatenate([f[1] + f[3] for f in found])
    weights = np.concatenate([f[2] for f in found])
    order = np.argsort(steps, kind="stable")
    return steps[order], hits[order].astype(np.int64), weights[order].astype(float)


def _module(path: Path, advances: Sequence[Any], compiled: bool) -> ModuleType:
    """Return the network's module with its groups' loops put in."""
    named = {f"_advance{g}": advance for g, advance in enumerate(advances)}
    if compiled:
        return compiled_module(path, (), ("run",), lambda: {name: a.dispatcher for name, a in named.items()})
    module = plain_module(path)
    for name, advance in named.items():
        setattr(module, name, advance)
    return module
