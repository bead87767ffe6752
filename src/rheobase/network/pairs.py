"""Pairs of neurons drawn at random, numbered pre * n_post + post.

The time grows with the number of synapses, not with the number of pairs.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

_CHUNK: Final = 1 << 20

__all__ = ["draw_total", "fixed_degree", "skip", "sort_pairs", "split", "unsigned"]


def unsigned(limit: int) -> type[np.unsignedinteger[Any]]:
    """Return the smaller of the types that hold numbers below `limit`: half the bytes, half the time."""
    return np.uint32 if limit < 1 << 32 else np.uint64


def split(flat: np.ndarray, n_post: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (pre, post) of sorted pair numbers pre * n_post + post."""
    n = flat.dtype.type(n_post)
    pre = flat // n
    post = flat - pre * n
    return pre.astype(np.int32), post.astype(np.int32)


def sort_pairs(pre: np.ndarray, post: np.ndarray, n_pre: int, n_post: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (pre, post), sorted and flat."""
    kind = unsigned(n_pre * n_post)
    flat = (pre.astype(kind, copy=False) * kind(n_post) + post.astype(kind, copy=False)).ravel()
    flat.sort()
    return split(flat, n_post)


def fixed_degree(
    rng: np.random.Generator, n: int, others: int, k: int, own: np.ndarray | None, multapses: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return (each, other), each[i] = i in a column and other[i] its k ends, shape (n, k); never own[i]."""
    each = np.arange(n, dtype=np.uint32)[:, None]
    if own is None:
        return each, _rows(rng, n, others, k, multapses)
    other = np.empty((n, k), dtype=np.uint32)
    has = own >= 0
    other[~has] = _rows(rng, int(np.sum(~has)), others, k, multapses)
    drawn = _rows(rng, int(np.sum(has)), others - 1, k, multapses)
    drawn += drawn >= own[has, None].astype(np.uint32)  # the others without oneself are a gap in the numbers
    other[has] = drawn
    return each, other


def _rows(rng: np.random.Generator, n: int, m: int, k: int, multapses: bool) -> np.ndarray:
    if n * k == 0:
        return np.empty((n, k), dtype=np.uint32)
    if multapses:
        return rng.integers(0, m, size=(n, k), dtype=np.uint32)
    return _distinct(rng, n, m, k).astype(np.uint32)


def _distinct(rng: np.random.Generator, n: int, m: int, k: int) -> np.ndarray:
    """Return n rows of k different numbers below m, each set of k equally likely; sorted within a row.

    What was drawn before is drawn again, as many as are missing, which favours no set; of more than half, the
    numbers left out are drawn.
    """
    kind = unsigned(n * m)
    if 2 * k > m:
        out = np.ones((n, m), dtype=bool)
        if k < m:
            np.put_along_axis(out, _distinct(rng, n, m, m - k).astype(np.int64), False, axis=1)
        return np.nonzero(out)[1].reshape(n, k)
    flat = rng.integers(0, m, size=(n, k), dtype=kind)
    flat += np.arange(n, dtype=kind)[:, None] * kind(m)
    flat = flat.ravel()
    flat.sort()
    again = _repeats(flat)
    kept, more, missing = flat[~again], np.empty(0, dtype=kind), flat[again] // kind(m)
    while len(missing):
        new = missing * kind(m) + rng.integers(0, m, size=len(missing), dtype=kind)
        new.sort()
        known = _repeats(new) | _among(new, kept) | _among(new, more)
        more = np.sort(np.concatenate([more, new[~known]]))
        missing = new[known] // kind(m)
    flat = np.concatenate([kept, more])
    flat.sort()
    return flat.reshape(n, k) % kind(m)


def _repeats(rising: np.ndarray) -> np.ndarray:
    out = np.zeros(len(rising), dtype=bool)
    out[1:] = rising[1:] == rising[:-1]
    return out


def _among(values: np.ndarray, rising: np.ndarray) -> np.ndarray:
    if not len(rising):
        return np.zeros(len(values), dtype=bool)
    return rising[np.minimum(np.searchsorted(rising, values), len(rising) - 1)] == values


def draw_total(rng: np.random.Generator, pairs: int, count: int, own: np.ndarray, multapses: bool) -> np.ndarray:
    """Return the sorted numbers of `count` pairs; `own`, sorted, are pairs that must not be among them."""
    kind = unsigned(pairs)
    if count == 0:
        return np.empty(0, dtype=kind)
    allowed = pairs - len(own)
    if multapses:
        flat = rng.integers(0, allowed, size=count, dtype=kind)
        flat.sort()
    else:
        flat = _distinct(rng, 1, allowed, count).ravel().astype(kind)
    if len(own):  # what must not be drawn is a gap in the numbers
        flat += np.searchsorted((own - np.arange(len(own))).astype(kind), flat, side="right").astype(kind)
    return flat


def skip(rng: np.random.Generator, p: float, pairs: int) -> np.ndarray:
    """Return the numbers below `pairs` chosen each with probability p, in order.

    From one to the next it is a geometrically distributed way, the whole part of an exponential one, so that
    pairs that are not chosen cost nothing.
    """
    kind = unsigned(pairs)
    if p == 0.0:
        return np.empty(0, dtype=kind)
    if p == 1.0:
        return np.arange(pairs, dtype=kind)
    rate, at, found = -np.log1p(-p), -1, []
    while at < pairs:
        expected = (pairs - at) * p
        count = min(int(expected + 4.0 * np.sqrt(expected)) + 16, 4 * _CHUNK)
        with np.errstate(over="ignore"):  # a p near 0 skips everything
            ways = np.minimum(rng.standard_exponential(count) / rate, float(pairs))
        steps = ways.astype(np.int64)
        steps += 1
        np.cumsum(steps, out=steps)
        steps += at
        at = int(steps[-1])
        found.append(steps[: np.searchsorted(steps, pairs)].astype(kind))
    return np.concatenate(found)
