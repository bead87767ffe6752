"""What an engine hands back: spikes, traces, and how they were computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from rheobase.engines.spikes import Spikes

__all__ = ["Recording", "Result"]


@final
@dataclass(frozen=True)
class Recording:
    """Which states to keep, of which neurons, how often, from when to when; and whose spikes.

    `every`, `start` and `stop` are in ms (`every` None: each step of the engine); `neurons` and `spikes` are sorted
    numbers of neurons, None keeps all; `reduce` "mean" keeps the mean over `neurons` in their place.
    """

    states: tuple[str, ...] = ()
    every: float | None = None
    neurons: np.ndarray | None = None
    start: float = 0.0
    stop: float = math.inf
    reduce: str | None = None
    spikes: np.ndarray | None = None

    def count(self, n: int) -> int:
        """How many neurons of n have their states kept."""
        return n if self.neurons is None else len(self.neurons)


@final
@dataclass(frozen=True, eq=False)
class Result:
    """Spikes, times (n_times,), traces (n_neurons, n_times), final states (n,), and the account of the method."""

    spikes: Spikes
    t: np.ndarray
    traces: Mapping[str, np.ndarray]
    final: Mapping[str, np.ndarray]
    engine: str
    method: str
    order: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float | np.ndarray] = field(default_factory=dict)
