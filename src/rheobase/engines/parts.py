"""How neurons are cut: into ranges for threads, and, where several processes share a network, for these first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

__all__ = ["Parts", "cut", "share"]


@final
@dataclass(frozen=True)
class Parts:
    """The parts of a network as one process sees them.

    Each of `ranks` processes has `each` parts of every group, neighbouring neurons with the synapses onto them. A
    process that is not alone holds two parts more, in which spikes are kept and nothing is computed: all neurons
    before its own, and all after them.

    Examples
    --------
    >>> edges = cut(100, 6)
    >>> Parts(6).bounds(edges)
    array([  0,  16,  48,  64,  80,  96, 100])
    >>> Parts(2, rank=1, ranks=3).bounds(edges)
    array([  0,  48,  64,  80, 100])
    >>> Parts(2, rank=1, ranks=3).own(edges)
    (48, 80)
    """

    each: int
    rank: int = 0
    ranks: int = 1

    @property
    def first(self) -> int:
        """The first of its own parts."""
        return 1 if self.ranks > 1 else 0

    @property
    def last(self) -> int:
        """The one after the last of its own parts."""
        return self.first + self.each

    @property
    def count(self) -> int:
        """How many parts it sees."""
        return self.last + self.first

    @property
    def everywhere(self) -> int:
        """How many parts all processes have."""
        return self.each * self.ranks

    def bounds(self, edges: np.ndarray) -> np.ndarray:
        """Return the ends of the parts that this process sees, shape (count + 1,), of those of all processes."""
        if self.ranks == 1:
            return edges
        own = edges[self.rank * self.each : (self.rank + 1) * self.each + 1]
        return np.concatenate([[0], own, edges[-1:]]).astype(np.int64)

    def own(self, edges: np.ndarray) -> tuple[int, int]:
        """Return the first neuron that is this process's own, and the one after its last."""
        at = self.bounds(edges)
        return int(at[self.first]), int(at[self.last])

    def widest(self, bounds: np.ndarray) -> int:
        """Return how many neurons the largest of its own parts has."""
        return int(np.diff(bounds[self.first : self.last + 1]).max())


def share(parts: int, size: int, i: int) -> tuple[int, int]:
    """Return the first part of thread i of `size`, and the one after its last."""
    return parts * i // size, parts * (i + 1) // size


def cut(n: int, parts: int, cost: np.ndarray | None = None) -> np.ndarray:
    """Return where n neurons are cut into parts, shape (parts + 1,); multiples of 16, so that no two share a line.

    Parts are of equal size, or of about equal `cost`, (n,).

    >>> cut(100, 2), cut(100, 2, np.repeat([3.0, 1.0], 50))
    (array([  0,  64, 100]), array([  0,  48, 100]))
    """
    at = np.arange(parts + 1) * n // parts
    if cost is not None:
        spent = np.cumsum(cost)
        at[1:-1] = np.searchsorted(spent, spent[-1] * np.arange(1, parts) / parts)
    at = (at + 15) // 16 * 16
    at[0], at[-1] = 0, n
    return np.minimum(at, n).astype(np.int64)
