"""Populations of a network as the loop runs them: those of equal rows together, as one group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from rheobase.derive.additive import additive_ports, late_ports
from rheobase.engines.clock import Clock, ClockRun
from rheobase.engines.population import Population, prepare
from rheobase.engines.precision import FEW, RATE
from rheobase.engines.queue import SpikeLog
from rheobase.engines.rain import Shower, shower
from rheobase.engines.record import Tap, samples_of
from rheobase.engines.result import Recording
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.network.connect import expect_synapses
from rheobase.network.network import Network
from rheobase.network.sources import Arrivals, SpikeSource
from rheobase.random import derive_key

__all__ = ["Cells", "Emitting", "alike", "chosen_neurons", "group_cells", "group_sources", "merge", "outside"]


def _no_log() -> SpikeLog:
    return SpikeLog(np.zeros(1, dtype=np.int64), 1, 1)


@final
@dataclass(eq=False)
class Cells:
    """A group: populations that share one loop, one after the other.

    `ports` are those in use, in the order in which they are written; at `in_turn` arrivals act one by one. From
    outside come `listed` events, (port, offset, arrivals), and `showers` drawn in the loop. `tap` has what is recorded.
    `edges` are the ends of the parts of all ranks, `bounds` those of the parts that this one sees.
    """

    names: list[str]
    offsets: list[int]
    run: ClockRun
    ports: tuple[str, ...]
    in_turn: frozenset[str]
    listed: list[tuple[str, int, Arrivals]]
    showers: dict[str, list[Shower]]
    values: dict[str, Mapping[str, Any]]
    tap: Tap
    edges: np.ndarray = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    bounds: np.ndarray = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    log: SpikeLog = field(default_factory=_no_log)

    @property
    def n(self) -> int:
        return self.run.population.n


@final
@dataclass(eq=False)
class Emitting:
    """A population of spike sources: given trains (`arrivals`), or a `shower` drawn in the loop."""

    name: str
    n: int
    arrivals: Arrivals
    shower: Shower | None
    edges: np.ndarray = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    bounds: np.ndarray = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    log: SpikeLog = field(default_factory=_no_log)


def group_cells(
    net: Network, engine: Clock, recordings: Mapping[str, Recording], seed: int, total: int, small: int
) -> list[Cells]:
    """Return the groups of a network; what has fewer than `small` neuron-steps runs as plain Python.

    Raises
    ------
    InputError
        If there are no neurons.
    """
    parts = net.populations
    cells = {name: part.model for name, part in parts.items() if isinstance(part.model, Neuron)}
    if not cells:
        raise InputError("the network has no neurons; add a population: net.add('E', 100, rb.LIF())")
    prepared = {
        name: prepare(model, dict(parts[name].values), seed, parts[name].n, name) for name, model in cells.items()
    }
    compiled = sum(p.n for p in prepared.values()) * total > small or engine.precision not in ("auto", "float64")
    return [_group(net, names, prepared, recordings, engine, total, compiled) for names in alike(prepared)]


def group_sources(net: Network, seed: int, dt: float, compiled: bool) -> list[Emitting]:
    """Return the spike sources of a network."""
    found = []
    for name, part in net.populations.items():
        if isinstance(part.model, SpikeSource):
            key = derive_key(seed, name, "source")
            drawn = shower(part.model, 0, part.n, dt, key) if compiled else None
            found.append(Emitting(name, part.n, part.model.on_grid(dt, part.n, key, True), drawn))
    return found


def _group(
    net: Network,
    names: list[str],
    prepared: Mapping[str, Population],
    recordings: Mapping[str, Recording],
    engine: Clock,
    total: int,
    compiled: bool,
) -> Cells:
    whole = merge([prepared[n] for n in names])
    neuron, dt = whole.neuron, engine.dt
    offsets = np.cumsum([0, *(prepared[n].n for n in names)]).tolist()
    used = {p.port for p in net.projections if p.target.name in names}
    used |= {port for n in names for port in prepared[n].sources}
    ports = tuple(p for p in neuron.ports if p in used)
    in_turn = frozenset(ports) - additive_ports(neuron)
    samples = {n: samples_of(n, recordings[n], dt, total) for n in names}
    tap = Tap(names, offsets, recordings, samples)
    late = frozenset(p for p in late_ports(neuron) if p in used and _is_sparse(net, names, prepared, p, whole.n, dt))
    run = ClockRun(whole, engine, Recording(), total, ports, compiled, tap.states, late)
    listed: list[tuple[str, int, Arrivals]] = []
    showers: dict[str, list[Shower]] = {}
    for n, o in zip(names, offsets, strict=False):
        p = prepared[n]
        for port, source in p.sources.items():
            key, turn = p.key("port", port), port in in_turn
            drawn = shower(source, o, p.n, dt, key) if compiled and not turn else None
            if drawn is None:
                listed.append((port, o, source.on_grid(dt, p.n, key, turn)))
            else:
                showers.setdefault(port, []).append(drawn)
    values = {n: prepared[n].values for n in names}
    return Cells(names, offsets, run, ports, in_turn, listed, showers, values, tap)


def _is_sparse(
    net: Network, names: list[str], prepared: Mapping[str, Population], port: str, n: int, dt: float
) -> bool:
    """Return whether all that arrives at a port comes through static synapses, and few neurons get any in a step."""
    onto = [p for p in net.projections if p.target.name in names and p.port == port]
    if any(p.is_plastic for p in onto) or any(port in prepared[name].sources for name in names):
        return False
    return sum(map(expect_synapses, onto)) / n * RATE * dt < FEW


def chosen_neurons(recording: Recording, n: int) -> np.ndarray:
    """Return the neurons whose states are recorded."""
    return np.arange(n) if recording.neurons is None else np.sort(recording.neurons)


def alike(prepared: Mapping[str, Population]) -> list[list[str]]:
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


def merge(parts: Sequence[Population]) -> Population:
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


def outside(cells: Cells, port: str, k0: int, k1: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (edges, neurons, weights) of listed events; those of part p at row r lie between edges[p, r], [p, r+1]."""
    parts = len(cells.bounds) - 1
    found = [(*arrivals(k0, k1), offset) for p, offset, arrivals in cells.listed if p == port]
    if not found:
        return np.zeros((parts, k1 - k0 + 1), dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    steps = np.concatenate([f[0] for f in found])
    hits = np.concatenate([f[1] + f[3] for f in found]).astype(np.int64)
    weights = np.concatenate([f[2] for f in found]).astype(float)
    part = np.searchsorted(cells.bounds, hits, side="right") - 1
    row = steps - (k0 + 1)
    order = np.argsort(part * (k1 - k0) + row, kind="stable")
    cell = (part * (k1 - k0) + row)[order]
    at = np.searchsorted(cell, np.arange(parts)[:, None] * (k1 - k0) + np.arange(k1 - k0 + 1)[None, :])
    return at, hits[order], weights[order]
