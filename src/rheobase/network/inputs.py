"""Currents that drive a neuron: each a frozen description with its own time base.

A stimulus is sampled by whoever runs it: `Stimulus.start` gives a `Sampler` for one step size and a number
of neurons, which hands out the values held on [t_k, t_k+1). Edges lie on the nearest instant: a step that is
on at 20 ms holds from the step that begins at 20 ms.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.random import derive_key, neuron_keys, normals
from rheobase.units import Dimension, parse_unit, to_number

__all__ = ["Constant", "Decay", "Noise", "OrnsteinUhlenbeck", "Product", "Pulses", "Ramp", "Sampled", "Sampler", "Sine", "Stimulus",
           "Sum", "Zap", "decay", "noise", "ou", "pulses", "ramp", "read_current", "sampled", "sine", "step", "zap"]  # fmt: skip

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
    """From `first` to `last` between `on` and `off`, linearly; `first` before, `last` after (or 0 with `hold` false)."""

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
                raise InputError(f"the function of t failed for an array of times ({error}); write it with NumPy, for example"
                                 " lambda t: np.where(t > 5, 0.3, 0)") from None  # fmt: skip
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


def _time(value: Any, name: str) -> float:
    return math.inf if value is None else to_number(value, "ms", name)


def interval(on: Any, off: Any) -> tuple[float, float]:
    begin, end = to_number(on, "ms", "on"), _time(off, "off")
    if end <= begin:
        raise InputError(f"off = {end:g} ms is not after on = {begin:g} ms")
    return begin, end


def step(amplitude: Any, on: Any = 0.0, off: Any = None, base: Any = 0.0) -> Stimulus:
    """Return a current that is `amplitude` from `on` to `off` and `base` elsewhere.

    Parameters
    ----------
    amplitude, base : number, str, array
        An array of shape (n,) makes n neurons.
    on, off : time
        `off` None means until the end.

    Examples
    --------
    >>> step("0.3 nA", on="20 ms", off="120 ms").start(10.0, 1, 0)(0, 4).ravel()
    array([0. , 0. , 0.3, 0.3])
    """
    begin, end = interval(on, off)
    return Pulses(read_quantity(amplitude, "amplitude"), (begin,), end - begin, read_quantity(base, "base"))


def pulses(amplitude: Any, starts: Any, width: Any, base: Any = 0.0) -> Stimulus:
    """Return rectangles of `amplitude` and `width` (ms) that begin at each of `starts` (ms)."""
    begins = read_quantity([starts] if np.isscalar(starts) and not isinstance(starts, str) else starts, "starts")
    if begins.dimension is not None and begins.dimension != parse_unit("ms")[1]:
        raise UnitMismatch(f"starts = {begins} is in {begins.dimension.unit}; times are in ms")
    duration = to_number(width, "ms", "width")
    if duration <= 0:
        raise InputError(f"width = {duration:g} ms is not positive")
    return Pulses(read_quantity(amplitude, "amplitude"), tuple(map(float, np.atleast_1d(np.asarray(begins.value, dtype=float)))),
                  duration, read_quantity(base, "base"))  # fmt: skip


def ramp(first: Any, last: Any, on: Any, off: Any, hold: bool = True) -> Stimulus:
    """Return a current that goes linearly from `first` at `on` to `last` at `off`.

    Before it is `first` and after it `last`; with ``hold=False`` it is 0 outside.

    >>> ramp(0, 10, on=0, off=10).start(2.5, 1, 0)(0, 5).ravel()
    array([ 0. ,  2.5,  5. ,  7.5, 10. ])
    """
    begin, end = interval(on, off)
    if math.isinf(end):
        raise InputError("a ramp needs an end: give off=")
    return Ramp(read_quantity(first, "first"), read_quantity(last, "last"), begin, end, bool(hold))


def sine(amplitude: Any, frequency: Any, phase: float = 0.0, offset: Any = 0.0, on: Any = 0.0, off: Any = None) -> Stimulus:
    """Return offset + amplitude sin(2 pi frequency (t - on) + phase); `frequency` in Hz."""
    return Sine(read_quantity(amplitude, "amplitude"), _frequency(frequency), float(phase), read_quantity(offset, "offset"), *interval(on, off))


def decay(amplitude: Any, tau: Any, on: Any = 0.0) -> Stimulus:
    """Return a current that jumps to `amplitude` at `on` and decays with time constant `tau`."""
    constant, begin = to_number(tau, "ms", "tau"), to_number(on, "ms", "on")
    if constant <= 0:
        raise InputError(f"decay: tau = {constant:g} ms is not positive")
    if begin < 0:
        raise InputError(f"decay: on = {begin:g} ms lies before the run")
    return Decay(read_quantity(amplitude, "amplitude"), constant, begin)


def zap(amplitude: Any, low: Any, high: Any, on: Any = 0.0, off: Any = None) -> Stimulus:
    """Return a sine whose frequency rises from `low` to `high` (Hz) between `on` and `off` (a chirp)."""
    begin, end = interval(on, off)
    if math.isinf(end):
        raise InputError("a zap needs an end: give off=")
    f0, f1 = _frequency(low), _frequency(high)
    if f0.shape or f1.shape:
        raise InputError("zap: low and high are one frequency each, in Hz, the same for all neurons")
    return Zap(read_quantity(amplitude, "amplitude"), float(np.asarray(f0.value)), float(np.asarray(f1.value)), begin, end)


def _frequency(value: Any) -> Quantity:
    """Return a frequency in kHz; a plain number is in Hz, as everywhere at the public surface."""
    q = read_quantity(value, "frequency")
    if q.dimension is None:
        return replace(q, value=np.asarray(q.value) / 1000.0 if q.shape else float(np.asarray(q.value)) / 1000.0, text="")
    if q.dimension != parse_unit("Hz")[1]:
        raise UnitMismatch(f"frequency = {q} is in {q.dimension.unit}; give Hz")
    return q


def sampled(values: Any, dt: Any = None, times: Any = None, interpolate: str = "hold", unit: str = "", start: Any = 0.0) -> Stimulus:
    """Return a current given by its values.

    Parameters
    ----------
    values : array (n_times,) or (n_times, n_neurons)
        Zero before the first time, the last value after the last.
    dt : time, optional
        Step of the values, which begin at `start`; or give `times`.
    times : array (n_times,), optional
        Rising times in ms.
    interpolate : {"hold", "linear"}
        Hold each value until the next, or join them by straight lines.
    unit : str
        Unit of the values; empty for the coherent one.

    Examples
    --------
    >>> sampled([1, 2, 3], dt="1 ms").start(0.5, 1, 0)(0, 5).ravel()
    array([1., 1., 2., 2., 3.])
    """
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError("sampled: values must be numbers, (n_times,) or (n_times, n_neurons)") from None
    if array.ndim not in (1, 2) or array.shape[0] == 0:
        raise InputError(f"sampled: values of shape {array.shape}; wanted (n_times,) or (n_times, n_neurons)")
    if np.isnan(array).any():
        raise InputError(f"sampled: the value at time index {int(np.argwhere(np.isnan(array))[0][0])} is NaN")
    if (dt is None) == (times is None):
        raise InputError("sampled: give dt= (a regular time base) or times=, one of them")
    if dt is not None:
        width = to_number(dt, "ms", "dt")
        if width <= 0:
            raise InputError(f"sampled: dt = {width:g} ms is not positive")
        t = to_number(start, "ms", "start") + width * np.arange(len(array))
    else:
        try:
            t = np.array(times, dtype=float)
        except (TypeError, ValueError):
            raise InputError("sampled: times must be numbers, in ms") from None
        if t.shape != array.shape[:1]:
            raise InputError(f"sampled: {len(np.atleast_1d(t))} times for {len(array)} values")
        if np.isnan(t).any() or (np.diff(t) <= 0).any():
            raise InputError("sampled: times must rise")
    if interpolate not in ("hold", "linear"):
        raise InputError(f"sampled: interpolate = {interpolate!r}; it is 'hold' or 'linear'")
    if interpolate == "linear" and len(t) < 2:
        raise InputError("sampled: linear interpolation needs two times or more")
    factor, dimension = parse_unit(unit)
    return Sampled(t, array * float(factor), interpolate == "linear", dimension if unit else None)


def read_current(path: Any, dt: Any = None, unit: str = "", interpolate: str = "hold", column: int = 1) -> Stimulus:
    """Return a current read from a ``.npy`` or ``.csv`` file.

    A CSV file has a time column (ms) and value columns, or, with `dt`, value columns alone; a header line is
    skipped. An NPY file holds values (with `dt`) or two columns, time and value.

    Raises
    ------
    InputError
        If the file is missing, truncated or not numeric; the line is named.
    """
    path = Path(path)
    try:
        if path.suffix == ".npy":
            data = np.load(path, allow_pickle=False)
        else:
            data = _read_csv(path)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as numbers: {error}") from None
    if data.ndim == 1 or data.ndim == 2 and data.shape[1] == 1 or dt is not None:
        if dt is None:
            raise InputError(f"{path} has one column; give dt=, the time between values")
        return sampled(data[:, 0] if data.ndim == 2 and data.shape[1] == 1 else data, dt=dt, unit=unit, interpolate=interpolate)
    if data.ndim != 2 or data.shape[1] <= column:
        raise InputError(f"{path} has shape {data.shape}; wanted a time column and column {column}")
    return sampled(data[:, column], times=data[:, 0], unit=unit, interpolate=interpolate)


def _read_csv(path: Path) -> np.ndarray:
    rows: list[list[float]] = []
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            parts = [p for p in line.replace(";", ",").replace("\t", ",").split(",") if p.strip()]
            try:
                row = [float(p) for p in parts]
            except ValueError:
                if not rows and number <= 2:
                    continue  # a header
                raise InputError(f"{path}, line {number}: '{line[:60]}' is not numbers") from None
            if rows and len(row) != len(rows[0]):
                raise InputError(f"{path}, line {number}: {len(row)} columns where the first row has {len(rows[0])}")
            rows.append(row)
    if not rows:
        raise InputError(f"{path} holds no numbers")
    return np.array(rows)


def noise(mean: Any, sd: Any, every: Any = None, frozen: bool | int = False, on: Any = 0.0, off: Any = None) -> Stimulus:
    """Return a Gaussian current: a new N(mean, sd) value each `every` (each step of the engine if None).

    Parameters
    ----------
    mean, sd : number, str or array
    every : time, optional
        How long a value is held. White noise of a given strength in the limit of small steps is written
        with ``xi`` in the evolve row instead: this current's effect depends on `every`.
    frozen : bool or int
        False: fresh numbers for each neuron. True: one realisation for all neurons (trials). An integer: the
        same realisation in every run, whatever its seed.
    on, off : time
        0 outside.
    """
    return Noise(read_quantity(mean, "mean"), _spread(sd), None if every is None else to_number(every, "ms", "every"),
                 frozen, *interval(on, off))  # fmt: skip


def ou(mean: Any, sd: Any, tau: Any, frozen: bool | int = False, on: Any = 0.0, off: Any = None) -> Stimulus:
    """Return an Ornstein-Uhlenbeck current with that mean, standard deviation and correlation time.

    tau dx/dt = mean - x + sd sqrt(2 tau) xi, stationary from the start; `frozen` as in `noise`.
    """
    correlation = to_number(tau, "ms", "tau")
    if correlation <= 0:
        raise InputError(f"ou: tau = {correlation:g} ms is not positive")
    return OrnsteinUhlenbeck(read_quantity(mean, "mean"), _spread(sd), correlation, frozen, *interval(on, off))


def _spread(sd: Any) -> Quantity:
    q = read_quantity(sd, "sd")
    if np.any(np.asarray(q.value) < 0):
        raise InputError(f"sd = {q} is negative")
    return q
