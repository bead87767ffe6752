"""Poisson spikes drawn inside the compiled loop: the same bits as `Poisson.on_grid`, without lists of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import numpy as np

from rheobase.engines.parts import Parts
from rheobase.network.sources import Poisson, SpikeSource
from rheobase.network.stimulus import Constant
from rheobase.random import derive_key, neuron_keys, step_keys, word_key

__all__ = ["BLOCK", "Rain", "Shower", "shower"]

BLOCK: Final = 1024  # neurons drawn for together
_MOST: Final = 500  # counts, as in `poisson_counts`
_RARE: Final = 1e-3  # counts this rare are looked for one by one
_SELDOM: Final = 2e-4  # and so are all of such a mean
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

    A piece is (first neuron, the one after its last, row of `limits`, shower, first of its `keys`, neurons of that key
    which lie before it): neurons of one rate, in one part. Four neighbours share a key, see `rheobase.random.words`.
    """

    def __init__(self, showers: Sequence[Shower], bounds: np.ndarray, dt: float, parts: Parts | None = None) -> None:
        self.showers, self.dt = showers, dt
        parts = parts or Parts(len(bounds) - 1)
        own = int(bounds[parts.first]), int(bounds[parts.last])
        rates: list[float] = []
        keys: list[np.ndarray] = []
        pieces: list[tuple[int, ...]] = []
        found: dict[float, int] = {}
        for s, x in enumerate(showers):
            lo, hi = max(own[0] - x.first, 0) // 4, -(-min(own[1] - x.first, x.n) // 4)
            at = sum(map(len, keys)) - lo
            keys.append(neuron_keys(word_key(x.key), lo, max(lo, hi)))
            cuts = {0, x.n, *(np.flatnonzero(np.diff(x.expected)) + 1).tolist()}
            cuts |= {int(b) - x.first for b in bounds if x.first < b < x.first + x.n}
            edges = sorted(cuts)
            for a, b in pairwise(edges):
                rate = float(x.expected[a])
                if rate not in found:
                    found[rate] = len(rates)
                    rates.append(rate)
                if own[0] <= x.first + a < own[1]:  # the cuts are at the ends of parts
                    for i in range(a, b, BLOCK):
                        end = min(i + BLOCK, b)
                        pieces.append((x.first + i, x.first + end, found[rate], s, at + i // 4, i % 4))
        pieces.sort()
        self.keys = np.concatenate([np.empty(0, dtype=np.uint64), *keys])
        self.own = np.array([x.key for x in showers], dtype=np.uint64)
        self.first = np.array([x.first for x in showers], dtype=np.int64)
        self.pieces = np.array(pieces, dtype=np.int64).reshape(-1, 6)
        self.of = np.searchsorted(self.pieces[:, 0], bounds).astype(np.int64)
        self.limits, self.fine, self.few = _limits(np.array(rates))
        self.weight = np.array([x.weight for x in showers])
        self.mean = float(sum(x.expected.sum() for x in showers))

    @property
    def arguments(self) -> dict[str, np.ndarray]:
        """What the loop reads, but for what changes from chunk to chunk."""
        return {a: getattr(self, a) for a in ("pieces", "of", "keys", "own", "first", "limits", "fine", "few")}

    def steps(self, k0: int, k1: int) -> dict[str, np.ndarray]:
        """Return what the loop reads that changes: keys of the steps, and whether it rains, each (k1 - k0, showers)."""
        keys = np.stack([step_keys(word_key(x.key), k0, k1) for x in self.showers], axis=1)
        finer = np.stack([step_keys(x.key, k0, k1) for x in self.showers], axis=1)
        t = np.arange(k0, k1) * self.dt
        edge = 1e-6 * self.dt
        inside = np.stack([(t >= x.on - edge) & (t < x.off - edge) for x in self.showers], axis=1)
        return {"steps": keys, "finer": finer, "inside": inside}


def _limits(expected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (limits, fine, few): the cumulative distribution, in units of 2**-16, and 52 bits more.

    A count is how many limits are below a neuron's random numbers, with integers that decide as `poisson_counts` does.
    The first `few` limits reach all but rare counts; for a small mean, of which nearly all counts are 0, `few` is 0.
    """
    p = np.exp(-expected)
    total = p.copy()
    totals = [total.copy()]
    for k in range(1, _MOST):
        p = p * expected / k
        total += p
        totals.append(total.copy())
    table = np.ascontiguousarray(np.array(totals).T)  # in C order: compiled code is not kept for others
    whole, rest = np.divmod(table * 65536.0, 1.0)
    never = whole > 65535.0  # rounded to 1
    few = np.minimum((table < 1.0 - _RARE).sum(axis=1) + 4, _MOST) // 4 * 4
    few[expected < _SELDOM] = 0
    fine = np.where(never, 2.0**52, np.floor(rest * 2.0**52 + 0.5))
    return np.where(never, 65535, whole).astype(np.uint16), fine.astype(np.int64), few.astype(np.int64)
