"""Synapses in the order in which they are delivered: a counting sort, compiled where there are many."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["MANY", "arrange", "per_word", "target_type"]

MANY: Final = 1_500_000  # synapses from which compiling the sort pays


def arrange(
    pre: np.ndarray,
    post: np.ndarray,
    column: np.ndarray,
    weight: np.ndarray,
    bounds: np.ndarray,
    shape: tuple[int, int],
    many: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (start, items): synapses by part, source, column; equal ones keep their order.

    Parameters
    ----------
    pre, post, column : integer arrays (n,)
        Source (from 0), target (in the whole group) and column of delay of each synapse.
    weight : array (n,)
        Or shape (0,) if synapses have no weights of their own.
    bounds : array (parts + 1,)
        Where the targets are cut into parts; a target counts from the beginning of its part.
    shape : (sources, columns)
    many : int
        How many synapses the whole network has: it is compiled where that pays.

    Returns
    -------
    start : int array (parts, sources, columns + 1)
        Where the items of a cell begin, and after the last column, where they end.
    items : array
        Targets. With weights: words of a weight's width; a cell has its weights, then its targets, `per_word` a word.
    """
    parts, (sources, columns) = len(bounds) - 1, shape
    narrow = target_type(bounds)
    k = per_word(weight.dtype, narrow) if len(weight) else 0
    part = np.repeat(np.arange(parts, dtype=np.uint8 if parts < 256 else np.int32), np.diff(bounds))
    start = np.zeros(parts * sources * columns + 1, dtype=np.int64)
    if many > MANY:
        module = _load()
        module.count_cells(pre, post, column, part, sources, columns, start)
        counts = start[1:].copy()
    else:
        cell = (part[post].astype(np.int64) * sources + pre) * columns + column
        counts = np.bincount(cell, minlength=len(start) - 1)
    np.cumsum(counts + -(-counts // k) if k else counts, out=start[1:])
    items = np.zeros(int(start[-1]), dtype=weight.dtype if k else narrow)
    targets = items.view(narrow)
    first = (k * (start[:-1] + counts) if k else start[:-1]).copy()  # where a cell's targets begin
    if many > MANY:
        module.place(
            pre, post, column, weight, bounds, part, sources, columns, start[:-1].copy(), first, items, targets
        )
    else:
        order: Any = slice(None) if (cell[1:] >= cell[:-1]).all() else np.argsort(cell, kind="stable")
        cell = cell[order]
        nth = np.arange(len(cell)) - (np.cumsum(counts) - counts)[cell]
        targets[first[cell] + nth] = (post - bounds[part[post]])[order]
        if k:
            items[start[cell] + nth] = weight[order]
    # one edge more a source: where its last column ends
    ends = start[1:].reshape(parts, *shape)
    return np.concatenate([start[:-1].reshape(parts, *shape)[:, :, :1], ends], axis=2), items


def target_type(bounds: np.ndarray) -> type[np.unsignedinteger[Any]]:
    """Return the type of targets that count from the beginning of their part."""
    return np.uint16 if int(np.diff(bounds).max()) <= 1 << 16 else np.uint32


def per_word(weight: Any, target: Any) -> int:
    """Return how many targets take the room of a weight.

    >>> per_word(np.float32, np.uint16), per_word(np.float64, np.uint16)
    (2, 4)
    """
    return np.dtype(weight).itemsize // np.dtype(target).itemsize


def count_cells(pre, post, column, part, sources, columns, start):  # type: ignore[no-untyped-def]
    """Count the synapses of each cell, one entry further."""
    for m in range(len(post)):
        start[1 + (np.int64(part[post[m]]) * sources + pre[m]) * columns + column[m]] += 1
    return len(post)


def place(pre, post, column, weight, bounds, part, sources, columns, start, first, items, targets):  # type: ignore[no-untyped-def]
    """Put each synapse where its cell has come to."""
    for m in range(len(post)):
        p = part[post[m]]
        cell = (np.int64(p) * sources + pre[m]) * columns + column[m]
        at = first[cell]
        first[cell] = at + 1
        targets[at] = post[m] - bounds[p]
        if len(weight) > 0:
            at = start[cell]
            start[cell] = at + 1
            items[at] = weight[m]
    return len(post)


@lru_cache(maxsize=1)
def _load() -> Any:
    from rheobase.emit.to_numba import compiled_module

    return compiled_module(Path(__file__), (), ("count_cells", "place"))
