"""Synapses in the order in which they are delivered: a counting sort, compiled where there are many."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["arrange"]

_MANY: Final = 1_500_000  # synapses from which compiling the sort pays


def arrange(
    pre: np.ndarray,
    post: np.ndarray,
    column: np.ndarray,
    weight: np.ndarray,
    bounds: np.ndarray,
    shape: tuple[int, int],
    many: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (start, target, weight): synapses by part, source, column; equal ones keep their order.

    Parameters
    ----------
    pre, post, column : integer arrays (n,)
        Source (from 0), target (in the whole group) and column of delay of each synapse.
    weight : array (n,)
        Or shape (0,) if synapses have no weights of their own.
    bounds : array (parts + 1,)
        Where the targets are cut into parts; `target` counts from the beginning of its part.
    shape : (sources, columns)
    many : int
        How many synapses the whole network has: it is compiled where that pays.
    """
    parts = len(bounds) - 1
    width = int(np.diff(bounds).max())
    start = np.zeros(parts * shape[0] * shape[1] + 1, dtype=np.int64)
    target = np.empty(len(post), dtype=np.uint16 if width <= 1 << 16 else np.uint32)
    out = np.empty_like(weight)
    part = np.repeat(np.arange(parts, dtype=np.uint8 if parts < 256 else np.int32), np.diff(bounds))
    if many > _MANY:
        place = _load()
        place(pre, post, column, weight, bounds, part, shape[0], shape[1], start, target, out)
    else:
        cell = (part[post].astype(np.int64) * shape[0] + pre) * shape[1] + column
        start[1:] = np.cumsum(np.bincount(cell, minlength=len(start) - 1))
        order: Any = slice(None) if (cell[1:] >= cell[:-1]).all() else np.argsort(cell, kind="stable")
        target[:] = (post - bounds[part[post]])[order]
        if len(weight):
            out[:] = weight[order]
    # one edge more a source: where its last column ends
    ends = start[1:].reshape(parts, *shape)
    return np.concatenate([start[:-1].reshape(parts, *shape)[:, :, :1], ends], axis=2), target, out


def place(pre, post, column, weight, bounds, part, sources, columns, start, target, out):  # type: ignore[no-untyped-def]
    """Count the synapses of each cell, then put each where its cell begins."""
    n = len(post)
    for m in range(n):
        start[1 + (np.int64(part[post[m]]) * sources + pre[m]) * columns + column[m]] += 1
    for c in range(1, len(start)):
        start[c] += start[c - 1]
    for m in range(n):
        p = part[post[m]]
        cell = (np.int64(p) * sources + pre[m]) * columns + column[m]
        at = start[cell]
        start[cell] = at + 1
        target[at] = post[m] - bounds[p]
        if len(weight) > 0:
            out[at] = weight[m]
    for c in range(len(start) - 1, 0, -1):  # each has moved to where the next began
        start[c] = start[c - 1]
    start[0] = 0
    return n


@lru_cache(maxsize=1)
def _load() -> Any:
    from rheobase.emit.to_numba import compiled_module

    return compiled_module(Path(__file__), (), ("place",)).place
