"""What differs between two ways of running the same neuron or network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import numpy as np

from rheobase.analysis.view import View, take_view
from rheobase.engines.clock import Clock
from rheobase.engines.exact import Exact
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network
from rheobase.simulation import Engine
from rheobase.units import to_number

__all__ = ["SAME", "Comparison", "Difference", "compare", "trace_difference"]

SAME = 1e-9  # ms: times closer than this are equal


@final
@dataclass(frozen=True)
class Difference:
    """How run `b` differs from run `a`.

    Attributes
    ----------
    a, b : str
        The engines.
    matched, missed, invented : int
        Spikes of both runs, of a alone, of b alone.
    largest, median : float
        Of the absolute time differences of matched spikes, in ms; nan if there are none.
    first : (neuron, time in a, time in b) or None
        The first spike that differs at all; nan for a time without partner.
    trace : dict
        State -> largest absolute difference at common times until the first spike that differs.
    """

    a: str
    b: str
    matched: int
    missed: int
    invented: int
    largest: float
    median: float
    first: tuple[int, float, float] | None
    trace: dict[str, float]


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """Every pair of engines compared; print it for a table, iterate over it for the differences."""

    differences: tuple[Difference, ...]
    runs: tuple[View, ...]
    model: str
    tolerance: float

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.differences)

    def __getitem__(self, i: int) -> Difference:
        return self.differences[i]

    def __repr__(self) -> str:
        states = list(self.differences[0].trace)
        head = [
            "a",
            "b",
            "matched",
            "missed",
            "invented",
            "largest (ms)",
            "median (ms)",
            "first differs at",
            *(f"|d{s}|" for s in states),
        ]
        rows = [head]
        for d in self.differences:
            first = "-" if d.first is None else f"{np.nanmin(d.first[1:]):.6g} ms (neuron {d.first[0]})"
            rows.append(
                [
                    d.a,
                    d.b,
                    str(d.matched),
                    str(d.missed),
                    str(d.invented),
                    f"{d.largest:.3g}",
                    f"{d.median:.3g}",
                    first,
                    *(f"{d.trace[s]:.3g}" for s in states),
                ]
            )
        width = [max(len(r[k]) for r in rows) for k in range(len(head))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, width, strict=True)).rstrip() for r in rows]
        return f"{self.model}, spikes matched within {self.tolerance:g} ms\n" + "\n".join(lines)


def compare(
    model: Neuron | Network,
    engines: Sequence[Engine] | None = None,
    until: Any = None,
    tolerance: Any = "1 ms",
    seed: int = 0,
    **inputs: Any,
) -> Comparison:
    """Return what differs between runs of the same neuron or network on several engines, for each pair.

    A recurrent network amplifies any difference: what counts there is `first`, and how long the runs agree.

    Parameters
    ----------
    model : Neuron or Network
        A network's neurons are numbered through, in the order of its populations.
    engines : list of engines, optional
        Two or more; ``[Exact(), Clock("0.1 ms")]`` if not given.
    until : time
        How long.
    tolerance : time
        Spikes up to this far apart count as the same one; a smaller one than half the shortest interval is
        unambiguous.
    seed : int
        The same for all.
    **inputs
        As for `simulate`.

    Raises
    ------
    InputError
        If there are fewer than two engines.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> found = compare(LIF(), [Exact(), Clock("0.1 ms")], until="100 ms", I="0.3 nA")
    >>> found[0].matched, found[0].missed, found[0].invented, round(found[0].largest, 6)
    (4, 0, 0, 0.111017)
    """
    if engines is not None and (isinstance(engines, str) or not isinstance(engines, Iterable)):
        raise InputError(f"engines = {engines!r:.60} must be a list, such as engines=[rb.Exact(), rb.Clock('0.1 ms')]")
    chosen: list[Engine] = [Exact(), Clock("0.1 ms")] if engines is None else [*engines]
    if len(chosen) < 2:
        raise InputError(
            f"{len(chosen)} engine to compare; give two or more, as in engines=[rb.Exact(), rb.Clock('0.1 ms')]"
        )
    near = to_number(tolerance, "ms", "tolerance")
    if near < 0:
        raise InputError(f"tolerance = {near:g} ms is negative")
    step = max([getattr(e, "dt", 0.0) for e in chosen]) or 0.1
    runs = tuple(take_view(model, e, until, step, seed, inputs) for e in chosen)
    pairs = tuple(_differ(a, b, near) for a, b in combinations(runs, 2))
    return Comparison(pairs, runs, getattr(model, "name", "network"), near)


def _differ(a: View, b: View, tolerance: float) -> Difference:
    gaps, missed, invented = [], 0, 0
    first: tuple[float, int, float, float] | None = None
    for i in range(a.n):
        ia, ib = _match(a.spikes[i], b.spikes[i], tolerance)
        one, other = a.spikes[i], b.spikes[i]
        gap = other[ib] - one[ia]
        gaps.append(gap)
        alone_a, alone_b = np.setdiff1d(np.arange(len(one)), ia), np.setdiff1d(np.arange(len(other)), ib)
        missed, invented = missed + len(alone_a), invented + len(alone_b)
        off = np.abs(gap) > SAME
        found = [
            (float(min(x, y)), i, float(x), float(y)) for x, y in zip(one[ia][off][:1], other[ib][off][:1], strict=True)
        ]
        found += [(float(x), i, float(x), float("nan")) for x in one[alone_a][:1]] + [
            (float(y), i, float("nan"), float(y)) for y in other[alone_b][:1]
        ]
        for candidate in found:
            if first is None or candidate[0] < first[0]:
                first = candidate
    every = np.abs(np.concatenate(gaps)) if gaps else np.empty(0)
    trace = trace_difference(a, b, np.inf if first is None else first[0])
    return Difference(
        a.engine,
        b.engine,
        every.size,
        missed,
        invented,
        float(every.max()) if every.size else float("nan"),
        float(np.median(every)) if every.size else float("nan"),
        first[1:] if first else None,
        trace,
    )


def _match(a: np.ndarray, b: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of partners, each spike with one at most, in order of time."""
    i = j = 0
    left, right = [], []
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= tolerance + SAME:
            left.append(i)
            right.append(j)
            i, j = i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return np.array(left, dtype=int), np.array(right, dtype=int)


def _common(a: View, b: View, before: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the times that both runs recorded, up to `before`."""
    ka, kb = (np.rint(r.t / 1e-6).astype(np.int64) for r in (a, b))
    _, ia, ib = np.intersect1d(ka, kb, return_indices=True)
    inside = a.t[ia] < before - SAME
    return ia[inside], ib[inside]


def trace_difference(a: View, b: View, before: float) -> dict[str, float]:
    """Return the largest difference of each state at common times up to `before`."""
    ia, ib = _common(a, b, before)
    return {
        s: float(np.abs(a.traces[s][:, ia] - b.traces[s][:, ib]).max(initial=0.0)) for s in a.traces if s in b.traces
    }
