"""MarkovRun: what `simulate_markov` returns, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.markov import MarkovNeuron

__all__ = ["MarkovRun", "count_states", "split_spikes"]


@final
@dataclass(frozen=True, eq=False, repr=False)
class MarkovRun:
    """Spikes, paths and occupancy of a run.

    Attributes
    ----------
    model : MarkovNeuron
        What was run.
    until : float
        Length in ms.
    spikes : tuple of ndarray
        ``spikes[i]``: the spike times of neuron i, ms.
    t : ndarray, shape (n_times,)
        The grid 0, every, 2 every, ...; empty without `every`.
    occupancy : ndarray, shape (n_states, n_times)
        The fraction of neurons in each state at those times.
    """

    model: MarkovNeuron
    until: float
    spikes: tuple[np.ndarray, ...]
    t: np.ndarray
    occupancy: np.ndarray
    _begin: np.ndarray  # state of each neuron at t = 0, (n,)
    _offsets: np.ndarray  # neuron i's jumps are _offsets[i] : _offsets[i + 1]
    _times: np.ndarray
    _jumps: np.ndarray  # index into model.transitions

    @property
    def n(self) -> int:
        """How many neurons were run."""
        return len(self._begin)

    @property
    def n_jumps(self) -> int:
        """How many jumps there were in all."""
        return len(self._times)

    def rate(self) -> np.ndarray:
        """Return spikes per second of each neuron, Hz, shape (n,)."""
        return np.array([len(s) for s in self.spikes]) * (1000.0 / self.until)

    def path(self, i: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return jump times (the first is 0) and the states from then on, of neuron i, both (n_jumps + 1,).

        States are numbers, the index into ``model.states``.
        """
        if not -self.n <= i < self.n:
            raise InputError(f"there is no neuron {i}; there are {self.n}, numbered from 0")
        part = slice(self._offsets[i % self.n], self._offsets[i % self.n + 1])
        target = np.array([b for _, b in self.model.transitions])
        return np.append(0.0, self._times[part]), np.append(self._begin[i], target[self._jumps[part]])

    def states_at(self, t: Any) -> np.ndarray:
        """Return the state (a number) of every neuron at times t in ms, shape (n, n_times)."""
        times = np.atleast_1d(np.asarray(t, dtype=float))
        if not np.all((times >= 0) & (times <= self.until)):
            raise InputError(f"t must lie within the run, 0 to {self.until:g} ms")
        out = np.empty((self.n, len(times)), dtype=np.intp)
        for i in range(self.n):
            when, state = self.path(i)
            out[i] = state[np.searchsorted(when, times, side="right") - 1]
        return out

    def time_in(self) -> np.ndarray:
        """Return how long each neuron was in each state, ms, shape (n, n_states)."""
        source, target = np.array(self.model.transitions).T
        n, S = self.n, len(self.model.states)
        counts = np.diff(self._offsets)
        neuron = np.repeat(np.arange(n), counts)
        # each jump ends one stay and begins another: it adds its time to the state left and takes it from the
        # state entered; the last stay ends with the run
        flat = np.bincount(neuron * S + source[self._jumps], self._times, n * S)
        flat -= np.bincount(neuron * S + target[self._jumps], self._times, n * S)
        last = self._begin.copy()
        some = counts > 0
        last[some] = target[self._jumps[self._offsets[1:][some] - 1]]
        flat[np.arange(n) * S + last] += self.until
        return flat.reshape(n, S)

    def __repr__(self) -> str:
        spikes = sum(len(s) for s in self.spikes)
        size = f"{self.n} neuron(s), {self.until:g} ms"
        return f"MarkovRun of {self.model.name}: {size}, {self.n_jumps} jumps, {spikes} spikes (exact)"


def split_spikes(
    model: MarkovNeuron, n: int, where: np.ndarray, t: np.ndarray, jumps: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return the spike times of each neuron, from the times of all jumps."""
    fires = np.array(model.spiking)[jumps]
    before = np.append(0, np.cumsum(fires))[where]
    times = t[fires]
    return tuple(times[before[i] : before[i + 1]] for i in range(n))


def count_states(
    model: MarkovNeuron, begin: np.ndarray, t: np.ndarray, jumps: np.ndarray, grid: np.ndarray
) -> np.ndarray:
    """Return the fraction in each state on the grid; each jump adds one and takes one from then on."""
    S, G = len(model.states), len(grid)
    if not G:
        return np.empty((S, 0))
    source, target = np.array(model.transitions).T
    at = np.searchsorted(grid, t, side="left")
    change = np.bincount(target[jumps] * (G + 1) + at, minlength=S * (G + 1))
    change -= np.bincount(source[jumps] * (G + 1) + at, minlength=S * (G + 1))
    change = change.reshape(S, G + 1)[:, :G]
    change[:, 0] += np.bincount(begin, minlength=S)
    return np.cumsum(change, axis=1) / len(begin)
