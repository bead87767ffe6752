"""Spikes on their way: what each group fired, step by step, as far back as the longest delay."""

from __future__ import annotations

from itertools import pairwise
from typing import final

import numpy as np

__all__ = ["SpikeLog"]


@final
class SpikeLog:
    """The spikes of a group in the last `past` steps, and room for those of the next `rows` steps.

    Part p writes neurons into ``log[base[p]:]``; those of the r-th step kept lie between ``edge[p, r]`` and
    ``edge[p, r + 1]``, counted from there. Row `past` is the first step of the chunk that is being run.
    Memory that is never written costs nothing.
    """

    def __init__(self, room: np.ndarray, past: int, rows: int) -> None:
        self.past, self.rows = past, rows
        self.base = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
        self.log = np.empty(int(self.base[-1]), dtype=np.int32)
        self.edge = np.zeros((len(room), past + rows + 1), dtype=np.int64)

    @property
    def arguments(self) -> dict[str, np.ndarray | int]:
        """What the loop reads and writes."""
        return {"log": self.log, "base": self.base, "edge": self.edge, "past": self.past}

    def fill(self, row: int, bounds: np.ndarray, rows: np.ndarray, neurons: np.ndarray) -> None:
        """Write given spikes, sorted by row, from row `row` on; no row before has spikes from here on."""
        for p, (lo, hi) in enumerate(pairwise(bounds)):
            inside = (neurons >= lo) & (neurons < hi)
            begin = self.edge[p, row]
            found = np.searchsorted(rows[inside], np.arange(row, self.past + self.rows + 1))
            self.edge[p, row:] = begin + found
            at = self.base[p] + begin
            self.log[at : at + int(found[-1])] = neurons[inside][: int(found[-1])]

    def table(self, begin: int, end: int, parts: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Return (rows, neurons) of rows begin..end-1 of some parts, sorted by row, part, order of writing."""
        rows = np.arange(begin, end)
        edges, bases = self.edge[parts], self.base[:-1][parts]
        each = [np.repeat(rows, np.diff(e[begin : end + 1])) for e in edges]
        neurons = [self.log[b + e[begin] : b + e[end]] for b, e in zip(bases, edges, strict=True)]
        if len(each) == 1:
            return each[0], neurons[0].copy()
        row = np.concatenate(each)
        order = np.argsort(row, kind="stable")
        return row[order], np.concatenate(neurons)[order]

    def shift(self, steps: int) -> None:
        """Forget the oldest `steps` rows, so that the chunk after one of `steps` steps can begin."""
        for b, e in zip(self.base, self.edge, strict=False):
            first, last = int(e[steps]), int(e[steps + self.past])
            self.log[b : b + last - first] = self.log[b + first : b + last].copy()
            e[: self.past + 1] = e[steps : steps + self.past + 1] - first
            e[self.past + 1 :] = e[self.past]
