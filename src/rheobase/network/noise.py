"""Which currents are random: a number held for a while, and the Ornstein-Uhlenbeck process; frozen or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.quantity import Quantity
from rheobase.network.stimulus import Sampler, Stimulus, as_row, same_dimension, same_size, window
from rheobase.random import derive_key, neuron_keys, normals
from rheobase.units import Dimension

__all__ = ["Noise", "OrnsteinUhlenbeck", "frozen_key"]


@final
@dataclass(frozen=True)
class Noise(Stimulus):
    """A Gaussian number held for `every` ms (the engine's step if None), then another."""

    mean: Quantity
    sd: Quantity
    every: float | None
    frozen: bool | int
    on: float
    off: float

    @property
    def dimension(self) -> Dimension | None:
        return same_dimension([self.mean.dimension, self.sd.dimension], "noise")

    @property
    def size(self) -> int | None:
        return same_size([*self.mean.shape[:1], *self.sd.shape[:1]], "noise")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        mean, sd = as_row(self.mean), as_row(self.sd)
        hold = 1 if self.every is None else round(self.every / dt)
        if hold < 1 or (self.every is not None and abs(hold * dt - self.every) > 1e-6 * dt):
            raise InputError(f"noise: every = {self.every} ms is not a whole number of steps of {dt} ms")
        key, count = frozen_key(self.frozen, key, n)
        keys = neuron_keys(key, 0, count)

        def take(k0: int, k1: int) -> np.ndarray:
            first = k0 // hold
            z = normals(key, keys, first, (k1 - 1) // hold + 1)
            out = mean + sd * z[np.arange(k0, k1) // hold - first]
            return np.where(window(np.arange(k0, k1) * dt, self.on, self.off, dt), out, 0.0)

        return take


@final
@dataclass(frozen=True)
class OrnsteinUhlenbeck(Stimulus):
    """tau dx/dt = mean - x + sd sqrt(2 tau) xi, started from its stationary distribution, exact at the grid points."""

    mean: Quantity
    sd: Quantity
    tau: float
    frozen: bool | int
    on: float
    off: float

    @property
    def dimension(self) -> Dimension | None:
        return same_dimension([self.mean.dimension, self.sd.dimension], "ou")

    @property
    def size(self) -> int | None:
        return same_size([*self.mean.shape[:1], *self.sd.shape[:1]], "ou")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        mean, sd = as_row(self.mean), as_row(self.sd)
        key, count = frozen_key(self.frozen, key, n)
        keys = neuron_keys(key, 0, count)
        decay = math.exp(-dt / self.tau)
        spread = math.sqrt(-math.expm1(-2 * dt / self.tau))
        state: dict[str, Any] = {"k": 0, "x": normals(derive_key(key, "start"), keys, 0, 1)[0]}

        def take(k0: int, k1: int) -> np.ndarray:
            if k0 < state["k"]:  # asked again for the past: begin anew, the numbers are the same
                state["k"], state["x"] = 0, normals(derive_key(key, "start"), keys, 0, 1)[0]
            out = np.empty((k1 - k0, count))
            x, begin = state["x"], state["k"]
            z = normals(key, keys, begin, k1)
            for k in range(begin, k1):
                if k >= k0:
                    out[k - k0] = x
                x = x * decay + spread * z[k - begin]
            state["k"], state["x"] = k1, x
            return np.where(window(np.arange(k0, k1) * dt, self.on, self.off, dt), mean + sd * out, 0.0)

        return take


def frozen_key(frozen: bool | int, key: int, n: int) -> tuple[int, int]:
    """Return key and number of realisations: one shared by all neurons if frozen, one each if not."""
    if frozen is False:
        return key, n
    return (derive_key(int(frozen), "frozen") if frozen is not True else key), 1
