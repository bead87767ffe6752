"""What the runs of a batch have in common: tables of synapses are built once, where nothing but weights changes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np

from rheobase.engines.plastic import Plastic
from rheobase.engines.synapses import Bundle, Table, build_table
from rheobase.model.quantity import Quantity
from rheobase.network.connect import Synapses, build
from rheobase.network.projection import Projection

__all__ = ["Shared", "fixed_parts", "same"]


def fixed_parts(p: Projection) -> tuple[Any, ...]:
    """Return what decides who is joined to whom and how late, apart from the seed: compared as objects."""
    ends = (x for part in (p.source, p.target) for x in (part.chosen, part.places))
    return (p.rule, p.delay, p.options, *ends)


def same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Return whether two sequences hold the same objects."""
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def _number(p: Projection) -> float | None:
    value = p.weight.value if isinstance(p.weight, Quantity) else None
    return value if isinstance(value, float) else None


@final
class Shared:
    """Tables and plastic synapses of the latest run, for the next one to take over what is the same.

    It is right for runs of networks that `Network.replace` made of one another: what was not changed is one object.

    Attributes
    ----------
    at_once : int
        How many of the runs go on at once, each on one thread.
    building : lock
        Held while a run is built and its code compiled: only what is computed then is done at once.
    """

    def __init__(self, at_once: int = 1) -> None:
        self.at_once, self.building = at_once, threading.RLock()
        self._tables: dict[Any, tuple[tuple[Any, ...], list[Any], Table]] = {}
        self._plastic: dict[int, tuple[tuple[Any, ...], list[Any], Plastic]] = {}
        self._synapses: dict[int, tuple[int, list[Any], Synapses]] = {}

    def table(
        self, slot: Any, bundles: Sequence[Bundle], sources: Sequence[int], n: int, bounds: np.ndarray, *how: Any
    ) -> Table:
        """Return `build_table(bundles, sources, n, bounds, *how)`, taken over where it can be."""
        rows = [r for b in bundles for r, _ in b.rows]
        key = (
            tuple((b.name, b.n, b.first, tuple((r.key, offset) for r, offset in b.rows)) for b in bundles),
            tuple(sources),
            n,
            bounds.tobytes(),
            how,
        )
        numbers = [_number(r.projection) for r in rows]
        plain = all(x is not None for x in numbers)
        each = plain and any(len({_number(p) for p in b.projections}) > 1 for b in bundles)
        fixed = [x for r in rows for x in fixed_parts(r.projection)]
        if not plain:
            fixed += [r.projection.weight for r in rows]
        slot = (*slot, plain, each)
        known = self._tables.get(slot)
        if known is None or known[0] != key or not same(known[1], fixed):
            built = build_table([_label(b, rows) for b in bundles] if each else bundles, sources, n, bounds, *how)
            known = self._tables[slot] = (key, fixed, built)
        table, kind = known[2], how[1]
        if each:
            weight, where = table.weight.copy(), _weight_places(table)
            weight[where] = np.array(numbers, dtype=kind)[weight[where].astype(np.int64)]
            return replace(table, weight=weight, target=weight.view(table.target.dtype))
        if plain:
            weight = np.zeros(n, dtype=kind)
            for b in bundles:
                weight[b.first : b.first + b.n] = _number(b.projections[0])
            return replace(table, weight=weight)
        return table

    def synapses(self, projection: Projection, key: int) -> Synapses:
        """Return `build(projection, key)`, taken over where it can be."""
        number = _number(projection)
        fixed = [*fixed_parts(projection), *([projection.weight] if number is None else [])]
        known = self._synapses.get(projection.index)
        if known is None or known[0] != key or not same(known[1], fixed):
            known = self._synapses[projection.index] = (key, fixed, build(projection, key))
        return known[2] if number is None else replace(known[2], weight=number)

    def plastic(self, projection: Projection, made: Any, *how: Any) -> Plastic:
        """Return `made()`, or the same synapses as in the latest run with other numbers."""
        fixed = list(fixed_parts(projection))
        simple = not (projection.synapse is not None and projection.synapse.varying)
        if _number(projection) is None or not simple:
            fixed += [projection.weight, projection.synapse]
        known = self._plastic.get(projection.index)
        if known is None or known[0] != how or not same(known[1], fixed):
            known = self._plastic[projection.index] = (how, fixed, made())
            return known[2]
        return known[2].again(projection)


def _weight_places(table: Table) -> np.ndarray:
    """Return where in `table.weight` weights stand, and not targets."""
    start = table.start.reshape(-1, table.stride).astype(np.int64)
    first, last = start[:, :-1].ravel(), start[:, 1:].ravel()
    step = np.zeros(len(table.weight) + 1, dtype=np.int32)
    np.add.at(step, first, 1)
    np.add.at(step, first + table.packed * (last - first) // (table.packed + 1), -1)
    return np.flatnonzero(np.cumsum(step[:-1]) > 0)


def _label(bundle: Bundle, rows: Sequence[Any]) -> Bundle:
    """Return a bundle whose weights are the numbers of its projections among all."""
    own = [(r.relabel(float(rows.index(r))), offset) for r, offset in bundle.rows]
    return replace(bundle, rows=tuple(own))
