"""Pairs that a function joins, of their numbers or of their distance, and values that a distance gives.

All pairs are asked, a block at a time; with `reach` those only that k-d trees find near enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.network.projection import Projection
from rheobase.network.rule import Distance
from rheobase.network.values import DistanceFunction

__all__ = ["Found", "ask_all", "ask_near", "ask_pairs", "values_of_distance"]

Found = Iterator[tuple[np.ndarray, np.ndarray]]
_BLOCK: Final = 1 << 20  # pairs looked at in one go


def _blocks(n_pre: int, n_post: int, most: int = _BLOCK) -> Found:
    """Yield all pairs (i, j), sorted, some rows at a time."""
    rows = max(1, most // n_post)
    for a in range(0, n_pre, rows):
        b = min(a + rows, n_pre)
        yield np.repeat(np.arange(a, b), n_post), np.tile(np.arange(n_post), b - a)


def ask_pairs(
    function: Callable[[np.ndarray, np.ndarray], Any],
    rng: np.random.Generator,
    n_pre: int,
    n_post: int,
    what: str,
) -> Found:
    """Yield the pairs that a function of their numbers joins, ``where(i, j)``."""
    for i, j in _blocks(n_pre, n_post):
        keep = _decide(function(i, j), rng, len(i), f"{what}: where(i, j)")
        yield i[keep], j[keep]


def ask_all(projection: Projection, rule: Distance, rng: np.random.Generator, what: str) -> Found:
    """Yield the pairs that a function of their distance joins, all of them asked."""
    a, b = _positions(projection)
    for i, j in _blocks(len(a), len(b)):
        d = _distances(a[i], b[j], projection.options.periodic)
        keep = _decide(rule.function(d), rng, len(i), f"{what}: distance(d)")
        yield i[keep], j[keep]


def ask_near(projection: Projection, rule: Distance, rng: np.random.Generator, what: str) -> Found:
    """Yield the pairs chosen among those within reach, found by k-d trees."""
    from scipy.spatial import cKDTree

    (a, b), extent = _positions(projection), projection.options.periodic
    assert rule.reach is not None
    box = None if extent is None else np.array(extent)
    wrapped = [x if box is None else np.where((y := np.mod(x, box)) < box, y, 0.0) for x in (a, b)]
    tree = cKDTree(wrapped[1], boxsize=box)
    for start in range(0, len(a), 4096):
        near = cKDTree(wrapped[0][start : start + 4096], boxsize=box).sparse_distance_matrix(
            tree, rule.reach * (1.0 + 1e-9), output_type="ndarray"
        )
        near = near[np.lexsort((near["j"], near["i"]))]
        i, j = near["i"] + start, near["j"]
        d = _distances(a[i], b[j], extent)
        i, j, d = i[d <= rule.reach], j[d <= rule.reach], d[d <= rule.reach]
        keep = _decide(rule.function(d), rng, len(i), f"{what}: distance(d)")
        yield i[keep], j[keep]


def _positions(projection: Projection) -> tuple[np.ndarray, np.ndarray]:
    a, b = projection.source.positions, projection.target.positions
    assert a is not None  # connect has seen to it
    assert b is not None
    return a, b


def _decide(answer: Any, rng: np.random.Generator, n: int, what: str) -> np.ndarray:
    """Return which of n pairs are joined: as a function said, or drawn with the probability it gave."""
    values = np.asarray(answer)
    if values.dtype.kind not in "bifu" or values.shape not in ((), (n,)):
        raise InputError(
            f"{what} returned {values.dtype} of shape {values.shape}; it must return True or"
            f" False or a probability for each of the {n} pairs"
        )
    if values.dtype == bool:
        return np.broadcast_to(values, (n,))
    out = np.atleast_1d(~((values >= 0) & (values <= 1)))
    if out.any():
        raise InputError(
            f"{what} returned {np.atleast_1d(values)[out][0]:g}, which is no probability; return numbers from 0 to 1"
        )
    return rng.random(n) < values


def _distances(a: np.ndarray, b: np.ndarray, extent: tuple[float, ...] | None) -> np.ndarray:
    """Return the distances of points a and b, shape (n,); the shortest way around where space is periodic."""
    square = np.zeros(len(a))
    for axis in range(a.shape[1]):
        way = np.abs(a[:, axis] - b[:, axis])
        if extent is not None:
            way = np.mod(way, extent[axis])
            way = np.minimum(way, extent[axis] - way)
        square += way * way
    return np.sqrt(square)


def values_of_distance(
    projection: Projection,
    function: DistanceFunction,
    pre: np.ndarray,
    post: np.ndarray,
    read: Callable[[Any], Any],
) -> np.ndarray:
    """Return a value a synapse, such as its delay, as a function of distance gives it, shape (n_synapses,)."""
    a, b = projection.source.places, projection.target.places
    assert a is not None  # connect has seen to it
    assert b is not None
    out = np.empty(len(pre))
    for start in range(0, len(pre), _BLOCK):
        part = slice(start, start + _BLOCK)
        d = _distances(a[pre[part]], b[post[part]], projection.options.periodic)
        q = read(function(d))
        if q.shape not in ((), d.shape):
            raise InputError(
                f"a function of distance returned {q.shape[0]} values for {len(d)} synapses; it must return one each"
            )
        out[part] = q.value
    return out
