"""A network's synapses as the loop takes them: a table for each port of each group, and the plastic ones."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from rheobase.emit.network_loop import Feed
from rheobase.emit.synapse_loop import Rule
from rheobase.engines.groups import Cells, Emitting
from rheobase.engines.mpi import World
from rheobase.engines.noise import fill_run
from rheobase.engines.parts import Parts
from rheobase.engines.plastic import Plastic, make_plastic
from rheobase.engines.precision import RATE
from rheobase.engines.shared import Shared
from rheobase.engines.sorting import MANY
from rheobase.engines.synapses import Bundle, Table, build_table
from rheobase.network.connect import Rows, expect_synapses
from rheobase.network.network import Network
from rheobase.network.projection import Projection
from rheobase.random import derive_key

__all__ = ["Wiring", "expect_cost", "wire"]

_EVENT: Final = 0.3  # time of an arrival over that of a neuron's step


@final
@dataclass(frozen=True, eq=False)
class Wiring:
    """What joins the neurons of a network.

    Attributes
    ----------
    feeds, tables, firsts : list
        For each port that static synapses reach: where it stands in the loop, its synapses, and the table's row at
        which each source begins.
    plastic, rules : list
        The plastic projections, and the rules of these.
    """

    feeds: list[Feed]
    tables: list[Table]
    firsts: list[np.ndarray]
    plastic: list[Plastic]
    rules: list[Rule]

    def reach(self, members: Sequence[int], world: World | None) -> tuple[dict[int, int], int]:
        """Return how many steps back each member's spikes are needed, and the shortest delay of all, in steps.

        Members are groups (0, 1, ...) and, as -1, -2, ..., sources; of several ranks it is the same on all.
        """
        past = dict.fromkeys(members, 1)
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
        if world is not None:
            past = dict(zip(past, world.largest(*past.values()), strict=True))
            (shortest,) = world.smallest(shortest)
        return past, shortest

    def room(self, g: int, port: str, bounds: np.ndarray) -> np.ndarray:
        """Return how many synapses each part has at a port of a group."""
        out = np.zeros(len(bounds) - 1, dtype=np.int64)
        for feed, table in zip(self.feeds, self.tables, strict=True):
            if (feed.target, feed.port) == (g, port):
                ends = table.start.reshape(len(out), -1, table.stride)
                out += (ends[:, :, -1].astype(np.int64) - ends[:, :, 0]).sum(axis=1) * 2
        for synapses in self.plastic:
            if (synapses.plan.target, synapses.plan.port) == (g, port):
                out += synapses.room(bounds) * 2
        return out

    def arguments(self) -> dict[str, Any]:
        """Return what the loop reads and writes, by name."""
        values: dict[str, Any] = {}
        for j, (table, first) in enumerate(zip(self.tables, self.firsts, strict=True)):
            own: dict[str, Any] = {
                "due": table.due,
                "start": table.start,
                "target": table.target,
                "weight": table.weight,
            }
            own |= {"first": first, "stride": table.stride, "cells": table.cells}
            values |= {f"f{j}_{a}": x for a, x in own.items()}
        for y, synapses in enumerate(self.plastic):
            values |= synapses.arguments(y)
        return values


def expect_cost(net: Network, cells: Cells, dt: float) -> np.ndarray:
    """Return what a step of each neuron of a group costs, by the synapses onto it, next to one without."""
    cost = np.ones(cells.n)
    offsets = dict(zip(cells.names, cells.offsets, strict=False))
    for p in net.projections:
        if p.target.name in offsets and len(p.target):
            each = _EVENT * RATE * dt * expect_synapses(p) / len(p.target)
            if p.target.is_whole:
                cost[offsets[p.target.name] : offsets[p.target.name] + p.target.n] += each
            else:
                cost[p.target.indices + offsets[p.target.name]] += each
    return cost


def wire(
    net: Network,
    groups: Sequence[Cells],
    sources: Sequence[Emitting],
    parts: Parts,
    *,
    dt: float,
    kind: type[np.floating[Any]],
    seed: int,
    threads: int,
    shared: Shared | None = None,
    world: World | None = None,
) -> Wiring:
    """Return the synapses of a network; of several ranks, those onto this one's neurons.

    Parameters
    ----------
    dt : float
        The step in ms.
    kind : type
        Of the weights.
    shared : Shared, optional
        What an earlier run of a sweep has built.
    """
    place = {n: (g, o) for g, cells in enumerate(groups) for n, o in zip(cells.names, cells.offsets, strict=False)}
    place |= {x.name: (-1 - s, 0) for s, x in enumerate(sources)}
    fed: dict[tuple[int, str], dict[int, list[Projection]]] = {}
    for p in net.projections:
        if not p.is_plastic:
            by_source = fed.setdefault((place[p.target.name][0], p.port), {})
            by_source.setdefault(place[p.source.name][0], []).append(p)
    expected = sum(map(expect_synapses, net.projections))
    fill = fill_run if groups[0].run.compiled and expected > MANY else None
    feeds, tables, starts = list[Feed](), list[Table](), list[np.ndarray]()
    for (target, port), by_source in fed.items():
        bundles, which, firsts, at = list[Bundle](), list[int](), list[int](), 0
        for i, (source, projections) in enumerate(by_source.items()):
            firsts.append(at)
            for name in dict.fromkeys(p.source.name for p in projections):
                rows = [
                    (Rows(p, derive_key(seed, "projection", p.index), fill), place[p.target.name][1])
                    for p in projections
                    if p.source.name == name
                ]
                bundles.append(Bundle(name, net.populations[name].n, at + place[name][1], tuple(rows)))
                which.append(i)
            at += (groups[source] if source >= 0 else sources[-1 - source]).n
        edges = tuple(groups[target].edges.tolist())
        how = (bundles, which, at, groups[target].bounds, dt, kind, threads, parts, edges, world)
        table = build_table(*how) if shared is None else shared.table((target, port), *how)
        tables.append(table)
        starts.append(np.array(firsts, dtype=np.int64))
        feeds.append(Feed(target, port, tuple(by_source), table.packed))
    plastic = [p for p in net.projections if p.is_plastic]
    take_over = shared and shared.plastic
    made = make_plastic(plastic, place, [g.bounds for g in groups], parts, dt, seed, take_over, world)
    if expected > MANY:
        _give_back()
    return Wiring(feeds, tables, starts, *made)


def _give_back() -> None:
    """Give the system the memory that building took for a while, a tenth of what the synapses take."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # only the C library of GNU keeps it
        ctypes.CDLL(None).malloc_trim(0)
