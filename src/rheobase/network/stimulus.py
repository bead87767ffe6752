"""What a stimulus is: a frozen description of an input as a function of time, sampled by whoever runs it.

`Stimulus.start` gives a `Sampler` for one step size and a number of neurons, which hands out the values held on
[t_k, t_k+1). Edges lie on the nearest instant: a step that is on at 20 ms holds from the step that begins at 20 ms.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.random import derive_key, neuron_keys, normals
from rheobase.units import Dimension

__all__ = [
    "Constant",
    "Decay",
    "Function",
    "Noise",
    "OrnsteinUhlenbeck",
    "Product",
    "Pulses",
    "Ramp",
    "Sampled",
    "Sampler",
    "Sine",
    "Stimulus",
    "Sum",
    "Zap",
    "as_stimulus",
    "frozen_key",
]

#: Hands out the values for steps k0..k1-1, shape (k1 - k0, 1) or (k1 - k0, n).
Sampler = Callable[[int, int], np.ndarray]
_EDGE = 1e-6  # of a step: an edge this close to a grid point lies on it


class Stimulus(ABC):
    """A current (or any other input) as a function of time; add stimuli with ``+``, scale them with ``*``."""

    __array_ufunc__ = None  # an array times a stimulus is one stimulus, not an array of them

    @property
    @abstractmethod
    def dimension(self) -> Dimension | None:
        """The dimension of the values, or None if no unit was given."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many neurons it describes; None if all get the same."""

    @abstractmethod
    def start(self, dt: float, n: int, key: int) -> Sampler:
        """Return the sampler for a step `dt` (ms), `n` neurons and a 64-bit random key."""

    @final
    def __add__(self, other: Any) -> Stimulus:
        return Sum((self, as_stimulus(other, "the other part")))

    __radd__ = __add__

    @final
    def __sub__(self, other: Any) -> Stimulus:
        return Sum((self, as_stimulus(other, "the other part") * -1.0))

    @final
    def __rsub__(self, other: Any) -> Stimulus:
        return Sum((as_stimulus(other, "the other part"), self * -1.0))

    @final
    def __neg__(self) -> Stimulus:
        return self * -1.0

    @final
    def __mul__(self, factor: float) -> Stimulus:
        return Product(self, read_quantity(factor, "factor"))

    __rmul__ = __mul__


def as_stimulus(value: Any, name: str) -> Stimulus:
    """Return `value` as a stimulus: itself, or a constant."""
    if isinstance(value, Stimulus):
        return value
    if callable(value):
        return Function(value)
    array = np.asarray(value) if not isinstance(value, str | Quantity) and not hasattr(value, "sample") else None
    if array is not None and array.ndim == 2:
        raise InputError(f"{name} has shape {array.shape}; a current over time is rb.sampled(values, dt=...)")
    return Constant(read_quantity(value, name))


def _same(parts: list[Dimension | None], what: str) -> Dimension | None:
    known = {d for d in parts if d is not None}
    if len(known) > 1:
        raise UnitMismatch(f"{what} mixes {' and '.join(sorted(d.unit for d in known))}")
    return next(iter(known), None)


def _same_size(parts: list[int | None], what: str) -> int | None:
    known = {s for s in parts if s is not None}
    if len(known) > 1:
        raise InputError(f"{what} describes {' and '.join(map(str, sorted(known)))} neurons; lengths must agree")
    return next(iter(known), None)


def _row(q: Quantity) -> np.ndarray:
    if not isinstance(q.value, float | np.ndarray):
        raise InputError(f"{q}: draw it first; a stimulus needs numbers")
    return np.atleast_1d(np.asarray(q.value, dtype=float))[None, :]


def _after(t: np.ndarray, edge: float, dt: float) -> np.ndarray:
    return t >= edge - _EDGE * dt


def _window(t: np.ndarray, on: float, off: float, dt: float) -> np.ndarray:
    return (_after(t, on, dt) & ~_after(t, off, dt))[:, None]


@final
@dataclass(frozen=True)
class Constant(Stimulus):
    """A value that does not change in time."""

    value: Quantity

    @property
    def dimension(self) -> Dimension | None:
        return self.value.dimension

    @property
    def size(self) -> int | None:
        return self.value.shape[0] if self.value.shape else None

    def start(self, dt: float, n: int, key: int) -> Sampler:
        drawn = self.value.draw(n, np.random.Generator(np.random.Philox(key=key)))
        row = np.atleast_1d(np.asarray(drawn, dtype=float))[None, :]
        return lambda k0, k1: np.broadcast_to(row, (k1 - k0, row.shape[1]))


@final
@dataclass(frozen=True)
class Sum(Stimulus):
    """Several stimuli at once."""

    parts: tuple[Stimulus, ...]

    def __post_init__(self) -> None:
        _same([p.dimension for p in self.parts], "a sum of stimuli")
        _same_size([p.size for p in self.parts], "a sum of stimuli")

    @property
    def dimension(self) -> Dimension | None:
        return _same([p.dimension for p in self.parts], "a sum of stimuli")

    @property
    def size(self) -> int | None:
        return _same_size([p.size for p in self.parts], "a sum of stimuli")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        samplers = [p.start(dt, n, derive_key(key, "part", i)) for i, p in enumerate(self.parts)]

        def take(k0: int, k1: int) -> np.ndarray:
            total = samplers[0](k0, k1)
            for s in samplers[1:]:
                total = total + s(k0, k1)
            return total

        return take


@final
@dataclass(frozen=True)
class Product(Stimulus):
    """A stimulus times a number."""

    part: Stimulus
    factor: Quantity

    @property
    def dimension(self) -> Dimension | None:
        d, f = self.part.dimension, self.factor.dimension
        return d if f is None else (f if d is None else d * f)

    @property
    def size(self) -> int | None:
        return _same_size([self.part.size, *self.factor.shape[:1]], "a product")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        sampler, factor = self.part.start(dt, n, key), _row(self.factor)
        return lambda k0, k1: sampler(k0, k1) * factor


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
        return _same([self.amplitude.dimension, None if zero else self.base.dimension], "amplitude and base")

    @property
    def size(self) -> int | None:
        return _same_size([*self.amplitude.shape[:1], *self.base.shape[:1]], "amplitude and base")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        high, low = _row(self.amplitude), _row(self.base)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            inside = np.zeros((k1 - k0, 1), dtype=bool)
            for begin in self.starts:
                if begin <= t[-1] + dt and begin + self.width >= t[0] - dt:
                    inside |= _window(t, begin, begin + self.width, dt)
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
        return _same([q.dimension for q in (self.first, self.last) if q.value is not None], "a ramp")

    @property
    def size(self) -> int | None:
        return _same_size([*self.first.shape[:1], *self.last.shape[:1]], "a ramp")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        a, b = _row(self.first), _row(self.last)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            share = np.clip((t - self.on) / (self.off - self.on), 0.0, 1.0)[:, None]
            out = a + (b - a) * share
            return out if self.hold else np.where(_window(t, self.on, self.off, dt), out, 0.0)

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
        return _same([self.amplitude.dimension, None if zero else self.offset.dimension], "a sine")

    @property
    def size(self) -> int | None:
        return _same_size([s for q in (self.amplitude, self.frequency, self.offset) for s in q.shape[:1]], "a sine")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        a, f, b = _row(self.amplitude), _row(self.frequency), _row(self.offset)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            wave = b + a * np.sin(2 * math.pi * f * (t - self.on)[:, None] + self.phase)
            return np.where(_window(t, self.on, self.off, dt), wave, 0.0)

        return take


@final
@dataclass(frozen=True)
class Decay(Stimulus):
    """amplitude exp(-(t - on)/tau) from `on`, 0 before."""

    amplitude: Quantity
    tau: float
    on: float

    @property
    def dimension(self) -> Dimension | None:
        return self.amplitude.dimension

    @property
    def size(self) -> int | None:
        return self.amplitude.shape[0] if self.amplitude.shape else None

    def start(self, dt: float, n: int, key: int) -> Sampler:
        a = _row(self.amplitude)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            wave = np.exp(-np.maximum(t - self.on, 0.0) / self.tau)[:, None]
            return np.where(_window(t, self.on, math.inf, dt), a * wave, 0.0)

        return take


@final
@dataclass(frozen=True)
class Zap(Stimulus):
    """A sine whose frequency rises linearly from `low` to `high` (kHz) between `on` and `off`."""

    amplitude: Quantity
    low: float
    high: float
    on: float
    off: float

    @property
    def dimension(self) -> Dimension | None:
        return self.amplitude.dimension

    @property
    def size(self) -> int | None:
        return self.amplitude.shape[0] if self.amplitude.shape else None

    def start(self, dt: float, n: int, key: int) -> Sampler:
        a = _row(self.amplitude)

        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            s = t - self.on
            phase = 2 * math.pi * (self.low * s + (self.high - self.low) * s * s / (2 * (self.off - self.on)))
            return np.where(_window(t, self.on, self.off, dt), a * np.sin(phase)[:, None], 0.0)

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
            i = np.searchsorted(self.times, t + _EDGE * dt, side="right") - 1
            out = np.where((i >= 0)[:, None], values[np.clip(i, 0, None)], 0.0)
            if self.linear:
                j = np.clip(i, 0, len(self.times) - 2)
                share = np.clip((t - self.times[j]) / (self.times[j + 1] - self.times[j]), 0.0, 1.0)[:, None]
                out = np.where((i >= 0)[:, None], values[j] + (values[j + 1] - values[j]) * share, 0.0)
            return out

        return take


@final
@dataclass(frozen=True, eq=False)
class Function(Stimulus):
    """A Python function of t (ms), called with an array of times."""

    function: Callable[[np.ndarray], Any]

    @property
    def dimension(self) -> Dimension | None:
        return None

    @property
    def size(self) -> int | None:
        return None

    def start(self, dt: float, n: int, key: int) -> Sampler:
        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            try:
                out = np.asarray(self.function(t), dtype=float)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"the function of t failed for an array of times ({error}); write it with NumPy, for example"
                    " lambda t: np.where(t > 5, 0.3, 0)"
                ) from None
            if out.shape not in ((), (k1 - k0,)):
                raise InputError(f"the function of t returned shape {out.shape} for {k1 - k0} times")
            if np.isnan(out).any():
                raise InputError("the function of t returned NaN")
            return np.broadcast_to(out, (k1 - k0,))[:, None]

        return take


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
        return _same([self.mean.dimension, self.sd.dimension], "noise")

    @property
    def size(self) -> int | None:
        return _same_size([*self.mean.shape[:1], *self.sd.shape[:1]], "noise")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        mean, sd = _row(self.mean), _row(self.sd)
        hold = 1 if self.every is None else round(self.every / dt)
        if hold < 1 or (self.every is not None and abs(hold * dt - self.every) > 1e-6 * dt):
            raise InputError(f"noise: every = {self.every} ms is not a whole number of steps of {dt} ms")
        key, count = frozen_key(self.frozen, key, n)
        keys = neuron_keys(key, 0, count)

        def take(k0: int, k1: int) -> np.ndarray:
            first = k0 // hold
            z = normals(key, keys, first, (k1 - 1) // hold + 1)
            out = mean + sd * z[np.arange(k0, k1) // hold - first]
            return np.where(_window(np.arange(k0, k1) * dt, self.on, self.off, dt), out, 0.0)

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
        return _same([self.mean.dimension, self.sd.dimension], "ou")

    @property
    def size(self) -> int | None:
        return _same_size([*self.mean.shape[:1], *self.sd.shape[:1]], "ou")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        mean, sd = _row(self.mean), _row(self.sd)
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
            return np.where(_window(np.arange(k0, k1) * dt, self.on, self.off, dt), mean + sd * out, 0.0)

        return take


def frozen_key(frozen: bool | int, key: int, n: int) -> tuple[int, int]:
    """Return key and number of realisations: one shared by all neurons if frozen, one each if not."""
    if frozen is False:
        return key, n
    return (derive_key(int(frozen), "frozen") if frozen is not True else key), 1
