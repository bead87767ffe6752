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
    >>> Parts(2).bounds(100), Parts(2, rank=1, ranks=3).bounds(100)
    (array([  0,  64, 100]), array([  0,  48,  64,  80, 100]))
    >>> Parts(2, rank=1, ranks=3).own(100)
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

    def everywhere(self, n: int) -> np.ndarray:
        """Return where n neurons are cut into the parts of all processes."""
        return cut(n, self.each * self.ranks)

    def bounds(self, n: int) -> np.ndarray:
        """Return where n neurons are cut into the parts that this process sees, shape (count + 1,)."""
        at = self.everywhere(n)
        if self.ranks == 1:
            return at
        own = at[self.rank * self.each : (self.rank + 1) * self.each + 1]
        return np.concatenate([[0], own, [n]]).astype(np.int64)

    def own(self, n: int) -> tuple[int, int]:
        """Return the first of n neurons that is this process's own, and the one after its last."""
        at = self.bounds(n)
        return int(at[self.first]), int(at[self.last])

    def widest(self, bounds: np.ndarray) -> int:
        """Return how many neurons the largest of its own parts has."""
        return int(np.diff(bounds[self.first : self.last + 1]).max())


def share(parts: int, size: int, i: int) -> tuple[int, int]:
    """Return the first part of thread i of `size`, and the one after its last."""
    return parts * i // size, parts * (i + 1) // size


def cut(n: int, parts: int) -> np.ndarray:
    """Return where n neurons are cut into parts, shape (parts + 1,); multiples of 16, so that no two share a line."""
    at = (np.arange(parts + 1) * n // parts + 15) // 16 * 16
    at[0], at[-1] = 0, n
    return np.minimum(at, n).astype(np.int64)
