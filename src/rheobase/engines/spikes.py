"""Spikes of a run: one table sorted by time, then neuron; and each neuron's own times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from rheobase.errors import InputError, NotRecorded

__all__ = ["Spikes"]


@final
@dataclass(frozen=True, eq=False)
class Spikes:
    """Spike times (ms) and neurons of `n` neurons, sorted by time, then neuron.

    ``spikes[i]`` are neuron i's times, ``len(spikes)`` is the number of neurons. If those of some neurons only were
    recorded, `kept` has their numbers, and asking for another's is an error.

    >>> s = Spikes.from_table(np.array([2.0, 1.0, 1.0]), np.array([0, 1, 0]), 3)
    >>> s[0], s.count, s.times
    (array([1., 2.]), array([2, 1, 0]), array([1., 1., 2.]))
    """

    times: np.ndarray
    neurons: np.ndarray
    n: int
    kept: np.ndarray | None = None  # whose spikes were recorded, sorted; None: all

    @staticmethod
    def from_table(times: np.ndarray, neurons: np.ndarray, n: int, kept: np.ndarray | None = None) -> Spikes:
        """Return spikes from an unsorted table."""
        order = np.lexsort((neurons, times))
        times = np.ascontiguousarray(times[order], dtype=float)
        return Spikes(times, np.ascontiguousarray(neurons[order], dtype=np.int64), n, kept)

    @cached_property
    def _by_neuron(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.neurons, kind="stable")
        return self.times[order], np.searchsorted(self.neurons[order], np.arange(self.n + 1))

    @property
    def count(self) -> np.ndarray:
        """Number of spikes of each neuron, shape (n,); 0 for those that were not recorded."""
        return np.bincount(self.neurons, minlength=self.n)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> np.ndarray:
        if not isinstance(i, int | np.integer) or not -self.n <= i < self.n:
            raise (IndexError if isinstance(i, int | np.integer) else InputError)(
                f"there are neurons 0 to {self.n - 1}, not {i!r}"
            )
        times, edges = self._by_neuron
        i = int(i) % self.n
        if self.kept is not None and not np.any(self.kept == i):
            raise NotRecorded(f"the spikes of neuron {i} were not recorded; name it in rb.Record(spikes=...)")
        return times[edges[i] : edges[i + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(self.n))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.n != 1:
            raise InputError("the spikes of several neurons are no single array; use spikes[i], .times or .neurons")
        return np.array(self.times, dtype=dtype)

    def __repr__(self) -> str:
        if self.n == 1:
            return f"Spikes({len(self.times)} of one neuron: {np.array2string(self.times, threshold=20, precision=6)})"
        part = "" if self.kept is None else f"{len(self.kept)} of "
        return f"Spikes({len(self.times)} of {part}{self.n} neurons)"
