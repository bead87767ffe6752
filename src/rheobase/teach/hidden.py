"""A neuron whose parameters are hidden: it can be experimented with, as in the laboratory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.simulation import simulate
from rheobase.units import to_number

__all__ = ["Experiment", "HiddenNeuron"]


@final
@dataclass(frozen=True, eq=False)
class Experiment:
    """What was measured: `t` (ms), `v` (mV), the `spikes` (ms), and the current that was injected."""

    t: np.ndarray
    v: np.ndarray
    spikes: np.ndarray
    label: str

    def rate(self) -> float:
        """Return spikes per second."""
        return float(len(self.spikes) / self.t[-1] * 1000.0)

    def plot(self, axes: Any = None) -> Any:
        """Draw the potential, with spikes; return the axes."""
        from rheobase import plot

        return plot.traces(self.t, {"v": (self.v[None, :], "mV")}, spikes=[self.spikes], title=self.label, axes=axes)

    def __repr__(self) -> str:
        return f"{self.label}: v from {self.v.min():.3f} to {self.v.max():.3f} mV, {len(self.spikes)} spikes"


@final
class HiddenNeuron:
    """A leaky integrate-and-fire neuron that does not tell its parameters.

    >>> from rheobase.teach import exercise
    >>> cell = exercise("hidden neuron", seed=1).neuron
    >>> cell.inject("0 nA", until="50 ms").spikes
    array([], dtype=float64)
    """

    __slots__ = ("_neuron", "count")

    def __init__(self, neuron: Neuron) -> None:
        self._neuron = neuron
        self.count = 0

    def inject(self, I: Any, until: Any = "200 ms") -> Experiment:
        """Return what the neuron does under a current: a number (nA), a text, or a stimulus such as `rheobase.step`.

        Raises
        ------
        InputError
            If `until` is longer than 10 s, the length of a day in this laboratory.
        """
        if to_number(until, "ms", "until") > 10_000:
            raise InputError("until is longer than 10 s; the cell does not live that long")
        run = simulate(self._neuron, I=I, until=until, dt="0.01 ms", record="v", record_every="0.1 ms")
        self.count += 1
        told = I if isinstance(I, str) else f"{I:g} nA" if isinstance(I, int | float) else "a current"
        return Experiment(run.t, run.v, run.spikes[0], f"experiment {self.count}, I = {told}")

    def __repr__(self) -> str:
        return f"a neuron in a dish, after {self.count} experiments; inject(I, until=) makes another"
