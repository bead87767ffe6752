"""Poisson spikes drawn inside the compiled loop: the same bits as `Poisson.on_grid`, without lists of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import numpy as np

from rheobase.engines.parts import Parts
from rheobase.network.sources import COARSE, Poisson, SpikeSource
from rheobase.network.stimulus import Constant
from rheobase.random import derive_key, neuron_keys, step_keys

__all__ = ["BLOCK", "Rain", "Shower", "shower"]

BLOCK: Final = 1024  # neurons drawn for together
_MOST: Final = 500  # counts, as in `poisson_counts`
_RARE: Final = 1e-5  # counts this rare are looked for one by one
_LARGE: Final = 30.0  # above it `poisson_counts` asks SciPy


@final
@dataclass(frozen=True, eq=False)
class Shower:
    """A constant Poisson process onto n neurons, the first of which is neuron `first` of a group."""

    first: int
    n: int
    key: int
    expected: np.ndarray  # (n,), spikes a step
    weight: float
    on: float
    off: float


def shower(source: SpikeSource, first: int, n: int, dt: float, key: int) -> Shower | None:
    """Return a source as a shower, or None if it must come as a list of events."""
    if not isinstance(source, Poisson) or source.frozen is not False or not isinstance(source.rate, Constant):
        return None
    if not isinstance(source.weight.value, float):
        return None
    expected = np.broadcast_to(source.rate.start(dt, n, derive_key(key, "rate"))(0, 1)[0] * (dt * source.sources), (n,))
    if expected.min() < 0 or expected.max() > _LARGE or np.count_nonzero(np.diff(expected)) > n // 64:
        return None
    return Shower(first, n, key, expected, source.weight.value, source.on, source.off)


@final
class Rain:
    """Showers onto one port of a group (or from one spike source), as arrays for the loop.

    A piece is (first neuron, the one after its last, row of `limits`, shower): neurons of one rate, in one part.
    """

    def __init__(self, showers: Sequence[Shower], bounds: np.ndarray, dt: float, parts: Parts | None = None) -> None:
        self.showers, self.dt = showers, dt
        parts = parts or Parts(len(bounds) - 1)
        own = int(bounds[parts.first]), int(bounds[parts.last])
        rates: list[float] = []
        self.keys = np.zeros(int(bounds[-1]), dtype=np.uint64)
        pieces: list[tuple[int, int, int, int]] = []
        found: dict[float, int] = {}
        for s, x in enumerate(showers):
            lo, hi = max(own[0], x.first), min(own[1], x.first + x.n)
            if lo < hi:
                self.keys[lo:hi] = neuron_keys(x.key, lo - x.first, hi - x.first)
            cuts = {0, x.n, *(np.flatnonzero(np.diff(x.expected)) + 1).tolist()}
            cuts |= {int(b) - x.first for b in bounds if x.first < b < x.first + x.n}
            edges = sorted(cuts)
            for a, b in pairwise(edges):
                rate = float(x.expected[a])
                if rate not in found:
                    found[rate] = len(rates)
                    rates.append(rate)
                if own[0] <= x.first + a < own[1]:  # the cuts are at the ends of parts
                    pieces += [(x.first + i, x.first + min(i + BLOCK, b), found[rate], s) for i in range(a, b, BLOCK)]
        pieces.sort()
        self.pieces = np.array(pieces, dtype=np.int64).reshape(-1, 4)
        self.of = np.searchsorted(self.pieces[:, 0], bounds).astype(np.int64)
        self.limits, self.fine, self.few = _limits(np.array(rates))
        self.weight = np.array([x.weight for x in showers])
        self.mean = float(sum(x.expected.sum() for x in showers))

    @property
    def arguments(self) -> dict[str, np.ndarray]:
        """What the loop reads, but for what changes from chunk to chunk."""
        return {a: getattr(self, a) for a in ("pieces", "of", "keys", "limits", "fine", "few")}

    def steps(self, k0: int, k1: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (keys of the steps, whether it rains), shapes (k1 - k0, showers)."""
        keys = np.stack([step_keys(x.key, k0, k1) for x in self.showers], axis=1)
        t = np.arange(k0, k1) * self.dt
        edge = 1e-6 * self.dt
        inside = np.stack([(t >= x.on - edge) & (t < x.off - edge) for x in self.showers], axis=1)
        return keys, inside


def _limits(expected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (limits, fine, few): a count is how many limits are not above a neuron's random bits.

    A limit is the cumulative distribution in units of the last bit, rounded so that the comparison of integers is
    that of `poisson_counts`: 31 bits (`limits`), or 52 (`fine`) for small means, which have few = 0. The first `few`
    limits reach all but rare counts.
    """
    p = np.exp(-expected)
    total = p.copy()
    totals = [total.copy()]
    for k in range(1, _MOST):
        p = p * expected / k
        total += p
        totals.append(total.copy())
    table = np.ascontiguousarray(np.array(totals).T)  # in C order: compiled code is not kept for others
    limits = np.minimum(np.floor(table * 2.0**31 + 0.5), 2.0**31 - 1).astype(np.int32)
    few = np.minimum((table < 1.0 - _RARE).sum(axis=1) + 4, _MOST) // 4 * 4
    few[expected < COARSE] = 0
    return limits, np.floor(table * 2.0**52 + 0.5).astype(np.int64), few.astype(np.int64)
