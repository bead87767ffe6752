"""Which shapes a current may have in time: pulses, ramps, sines, decays, chirps, given samples.

The functions that make them are in `rheobase.network.inputs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from rheobase.model.quantity import Quantity
from rheobase.network.stimulus import EDGE, Sampler, Stimulus, as_row, same_dimension, same_size, window
from rheobase.units import Dimension

__all__ = ["Decay", "Pulses", "Ramp", "Sampled", "Sine", "Zap"]


@final
@dataclass(frozen=True)
class Pulses(Stimulus):
    """Rectangles: `amplitude` from each of `starts` for `width`, `base` elsewhere."""

    amplitude: Quantity
    starts: tuple[float, ...]
    width: float
    base: Quantity

    @property
    def dimension(self) -> Dimension | None:
        zero = self.base.value == 0.0 if isinstance(self.base.value, float) else False
        return same_dimension([self.amplitude.dimension, None if zero else self.base.dimension], "amplitude and base")

    @property
    def size(self) -> int | None:
        return same_size([*self.amplitude.shape[:1], *self.base.shape[:1]], "amplitude and base")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        high, low = as_row(self.amplitude), as_row(self.base)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            inside = np.zeros((k1 - k0, 1), dtype=bool)
            for begin in self.starts:
                if begin <= t[-1] + dt and begin + self.width >= t[0] - dt:
                    inside |= window(t, begin, begin + self.width, dt)
            return np.where(inside, high, low)

        return take


@final
@dataclass(frozen=True)
class Ramp(Stimulus):
    """From `first` to `last` between `on` and `off`, linearly; `first` before, `last` after (0 unless `hold`)."""

    first: Quantity
    last: Quantity
    on: float
    off: float
    hold: bool

    @property
    def dimension(self) -> Dimension | None:
        return same_dimension([q.dimension for q in (self.first, self.last) if q.value is not None], "a ramp")

    @property
    def size(self) -> int | None:
        return same_size([*self.first.shape[:1], *self.last.shape[:1]], "a ramp")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        a, b = as_row(self.first), as_row(self.last)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            share = np.clip((t - self.on) / (self.off - self.on), 0.0, 1.0)[:, None]
            out = a + (b - a) * share
            return out if self.hold else np.where(window(t, self.on, self.off, dt), out, 0.0)

        return take


@final
@dataclass(frozen=True)
class Sine(Stimulus):
    """offset + amplitude sin(2 pi frequency (t - on) + phase) from `on` to `off`, 0 elsewhere."""

    amplitude: Quantity
    frequency: Quantity  # kHz
    phase: float
    offset: Quantity
    on: float
    off: float

    @property
    def dimension(self) -> Dimension | None:
        zero = isinstance(self.offset.value, float) and self.offset.value == 0.0
        return same_dimension([self.amplitude.dimension, None if zero else self.offset.dimension], "a sine")

    @property
    def size(self) -> int | None:
        return same_size([s for q in (self.amplitude, self.frequency, self.offset) for s in q.shape[:1]], "a sine")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        a, f, b = as_row(self.amplitude), as_row(self.frequency), as_row(self.offset)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            wave = b + a * np.sin(2 * math.pi * f * (t - self.on)[:, None] + self.phase)
            return np.where(window(t, self.on, self.off, dt), wave, 0.0)

        return take


@dataclass(frozen=True)
class _Scaled(Stimulus):
    """A waveform times an amplitude, which alone has a dimension, and a value for each neuron."""

    amplitude: Quantity

    @property
    def dimension(self) -> Dimension | None:
        return self.amplitude.dimension

    @property
    def size(self) -> int | None:
        return self.amplitude.shape[0] if self.amplitude.shape else None


@final
@dataclass(frozen=True)
class Decay(_Scaled):
    """amplitude exp(-(t - on)/tau) from `on`, 0 before."""

    tau: float
    on: float

    def start(self, dt: float, n: int, key: int) -> Sampler:
        a = as_row(self.amplitude)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            wave = np.exp(-np.maximum(t - self.on, 0.0) / self.tau)[:, None]
            return np.where(window(t, self.on, math.inf, dt), a * wave, 0.0)

        return take


@final
@dataclass(frozen=True)
class Zap(_Scaled):
    """A sine whose frequency rises linearly from `low` to `high` (kHz) between `on` and `off`."""

    low: float
    high: float
    on: float
    off: float

    def start(self, dt: float, n: int, key: int) -> Sampler:
        a = as_row(self.amplitude)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            s = t - self.on
            phase = 2 * math.pi * (self.low * s + (self.high - self.low) * s * s / (2 * (self.off - self.on)))
            return np.where(window(t, self.on, self.off, dt), a * np.sin(phase)[:, None], 0.0)

        return take


@final
@dataclass(frozen=True, eq=False)
class Sampled(Stimulus):
    """Given values on a time base of their own: held from each time to the next, or joined by lines."""

    times: np.ndarray
    values: np.ndarray  # (n_times,) or (n_times, n)
    linear: bool
    unit: Dimension | None

    @property
    def dimension(self) -> Dimension | None:
        return self.unit

    @property
    def size(self) -> int | None:
        return self.values.shape[1] if self.values.ndim == 2 else None

    def start(self, dt: float, n: int, key: int) -> Sampler:
        values = self.values if self.values.ndim == 2 else self.values[:, None]

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            i = np.searchsorted(self.times, t + EDGE * dt, side="right") - 1
            out = np.where((i >= 0)[:, None], values[np.clip(i, 0, None)], 0.0)
            if self.linear:
                j = np.clip(i, 0, len(self.times) - 2)
                share = np.clip((t - self.times[j]) / (self.times[j + 1] - self.times[j]), 0.0, 1.0)[:, None]
                out = np.where((i >= 0)[:, None], values[j] + (values[j + 1] - values[j]) * share, 0.0)
            return out

        return take
