"""Where the steps lie: each population's shift against the file's time, and the delay of each edge.

In the other programs a spike passes all layers within the step in which it was fired; here it arrives a step later.
A shift of whole steps a population ("retiming" of a synchronous circuit) makes the two the same: an edge on which the
file has m steps takes m + shift(target) - shift(source) here, which must be 1 or more. Round a cycle the shifts cancel,
so m steps in all must be as many as there are edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from rheobase.exchange.nir.convention import Convention
from rheobase.exchange.nir.plan import Plan

__all__ = ["Timing", "find_timing", "loops"]


@final
@dataclass(frozen=True)
class Timing:
    """Shift of each population, in steps; extra steps of edges, by (source, target, delay)."""

    shift: Mapping[str, int]
    extra: Mapping[tuple[str, str, float], int]

    def edges(self, plan: Plan, dt: float) -> dict[tuple[str, str, float], Any]:
        """Return (source, target, delay here in ms) -> matrix."""
        out = {}
        for target, flow in plan.flows.items():
            for (source, delay), matrix in flow.parts.items():
                steps = self.extra[source, target, delay] + self.shift[target] - self.shift[source]
                ms = float(f"{delay + steps * dt:.12g}") if steps else delay
                out[source, target, ms] = matrix
        return out


def find_timing(plan: Plan, fed: set[str], dt: float, convention: Convention, notes: list[str]) -> Timing:
    """Return the smallest shifts that leave a step to every edge; `fed` are the Inputs whose spikes travel."""
    whole: dict[tuple[str, str, float], int] = {}
    extra: dict[tuple[str, str, float], int] = {}
    for target, flow in plan.flows.items():
        for source, delay in flow.parts:
            key = (source, target, delay)
            extra[key] = convention.shift if source in plan.units else 0
            whole[key] = int(delay / dt + 1e-6) + extra[key]
    between = {k: m for k, m in whole.items() if k[0] in plan.units}
    ring = loops([(a, b) for (a, b, _), m in between.items() if m < 1])
    for key, m in between.items():
        if m < 1 and ring.get(key[0], -1) == ring.get(key[1], -2):
            extra[key] += 1
            between[key] += 1
    _tell(ring, dt, notes)
    shift = dict.fromkeys(plan.units, 1)
    for _ in range(len(shift) + 1):
        changed = False
        for (a, b, _), m in between.items():
            if shift[b] < shift[a] + 1 - m:
                shift[b], changed = shift[a] + 1 - m, True
        if not changed:
            break
    for name in plan.inputs:
        slack = [whole[k] + shift[k[1]] - 1 for k in whole if k[0] == name]
        shift[name] = max(0, min([1, *slack])) if name in fed else 0
    return Timing(shift, extra)


def _tell(ring: Mapping[str, int], dt: float, notes: list[str]) -> None:
    members: dict[int, list[str]] = {}
    for name, number in ring.items():
        members.setdefault(number, []).append(name)
    for names in members.values():
        if len(names) == 1:
            notes.append(
                f"'{names[0]}' is joined to itself without a Delay: its spikes come back one step ({dt:g} ms) later"
            )
        else:
            notes.append(
                f"cycle of {', '.join(sorted(names))} without a Delay: each edge between them takes one step"
                f" ({dt:g} ms); other programs put one step into the cycle, on an edge of their choice"
            )


def loops(edges: list[tuple[str, str]]) -> dict[str, int]:
    """Return name -> number of its cycle (strongly connected component), for names that lie on one.

    >>> loops([("a", "b"), ("b", "a"), ("b", "c"), ("d", "d")])
    {'a': 0, 'b': 0, 'd': 1}
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = sorted({n for e in edges for n in e})
    if not names:
        return {}
    place = {n: i for i, n in enumerate(names)}
    ends = np.array([[place[a], place[b]] for a, b in edges]).T
    graph = coo_array((np.ones(len(edges)), (ends[0], ends[1])), shape=(len(names), len(names))).tocsr()
    _, label = connected_components(graph, directed=True, connection="strong")
    itself = {a for a, b in edges if a == b}
    several = {int(x) for x, c in zip(*np.unique(label, return_counts=True), strict=True) if c > 1}
    order: dict[int, int] = {}
    out = {}
    for n in names:
        x = int(label[place[n]])
        if x in several or n in itself:
            out[n] = order.setdefault(x, len(order))
    return out
