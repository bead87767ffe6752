"""Spikes that arrive from outside: given trains and Poisson processes, with their weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.network.inputs import frequency_in_khz, interval
from rheobase.network.stimulus import Constant, Stimulus, as_stimulus
from rheobase.random import derive_key, neuron_keys, uniforms_at, words
from rheobase.units import Dimension, parse_unit

__all__ = ["Poisson", "SpikeSource", "SpikeSum", "SpikeTrains", "as_source", "poisson", "spikes"]

#: Hands out (steps, neurons, weights) of the arrivals due at steps k0+1..k1, sorted by step then neuron.
Arrivals = Callable[[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]]


class SpikeSource(ABC):
    """Spikes arriving at a port; add sources with ``+``."""

    @property
    @abstractmethod
    def dimension(self) -> Dimension | None:
        """The dimension of the weights, or None if no unit was given."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many neurons it describes; None if all get the same."""

    @abstractmethod
    def on_grid(self, dt: float, n: int, key: int, each: bool = False) -> Arrivals:
        """Return the arrivals for a step `dt`: a spike acts at the first grid point not before its time.

        With `each`, spikes of one step come one by one; otherwise their weights may be given as a sum.
        """

    @abstractmethod
    def in_time(self, until: float, n: int, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (times, neurons, weights) up to `until` in continuous time, sorted by neuron, then time."""

    @final
    def __add__(self, other: SpikeSource) -> SpikeSource:
        return SpikeSum((self, other))


def _weights(q: Quantity, n: int, key: int) -> np.ndarray:
    drawn = q.draw(n, np.random.Generator(np.random.Philox(key=key)))
    return np.broadcast_to(np.asarray(drawn, dtype=float), (n,))


def _sorted(steps: np.ndarray, neurons: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = np.lexsort((neurons, steps))  # stable: equal (step, neuron) keep their order
    return steps[order], neurons[order], weights[order]


@final
@dataclass(frozen=True)
class SpikeSum(SpikeSource):
    """Several sources at one port."""

    parts: tuple[SpikeSource, ...]

    @property
    def dimension(self) -> Dimension | None:
        known = {p.dimension for p in self.parts if p.dimension is not None}
        if len(known) > 1:
            raise UnitMismatch(f"a sum of spike sources mixes {' and '.join(sorted(d.unit for d in known))}")
        return next(iter(known), None)

    @property
    def size(self) -> int | None:
        known = {p.size for p in self.parts if p.size is not None}
        if len(known) > 1:
            raise InputError(f"a sum of spike sources describes {' and '.join(map(str, sorted(known)))} neurons")
        return next(iter(known), None)

    def on_grid(self, dt: float, n: int, key: int, each: bool = False) -> Arrivals:
        parts = [p.on_grid(dt, n, derive_key(key, "part", i), each) for i, p in enumerate(self.parts)]

        def take(k0: int, k1: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            found = [p(k0, k1) for p in parts]
            return _sorted(*(np.concatenate(column) for column in zip(*found, strict=True)))

        return take

    def in_time(self, until: float, n: int, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = [p.in_time(until, n, derive_key(key, "part", i)) for i, p in enumerate(self.parts)]
        times, neurons, weights = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((times, neurons))
        return times[order], neurons[order], weights[order]


@final
@dataclass(frozen=True, eq=False)
class SpikeTrains(SpikeSource):
    """Given spike times; `neurons` None means that every neuron gets all of them."""

    times: np.ndarray
    neurons: np.ndarray | None
    weights: np.ndarray
    unit: Dimension | None
    count: int | None

    @property
    def dimension(self) -> Dimension | None:
        return self.unit

    @property
    def size(self) -> int | None:
        return self.count

    def _all(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.neurons is not None:
            return self.times, self.neurons, self.weights
        return np.tile(self.times, n), np.repeat(np.arange(n), len(self.times)), np.tile(self.weights, n)

    def on_grid(self, dt: float, n: int, key: int, each: bool = False) -> Arrivals:
        times, neurons, weights = self._all(n)
        steps = np.ceil(times / dt - 1e-6).astype(np.int64)
        steps, neurons, weights = _sorted(steps, neurons, weights)

        def take(k0: int, k1: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            a, b = np.searchsorted(steps, [k0 + 1, k1 + 1])
            return steps[a:b], neurons[a:b], weights[a:b]

        return take

    def in_time(self, until: float, n: int, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        times, neurons, weights = self._all(n)
        inside = times <= until
        times, neurons, weights = times[inside], neurons[inside], weights[inside]
        order = np.lexsort((times, neurons))
        return times[order], neurons[order], weights[order]


@final
@dataclass(frozen=True, eq=False)
class Poisson(SpikeSource):
    """Independent Poisson spikes for each neuron (or one train for all if frozen).

    `rate` is in kHz, constant or a stimulus (an inhomogeneous process); `sources` many processes arrive
    together, each spike with `weight`.
    """

    rate: Stimulus
    weight: Quantity
    sources: int
    frozen: bool | int
    on: float
    off: float

    @property
    def dimension(self) -> Dimension | None:
        return self.weight.dimension

    @property
    def size(self) -> int | None:
        sizes = {s for s in (self.rate.size, *self.weight.shape[:1]) if s is not None}
        if len(sizes) > 1:
            raise InputError(f"poisson: rate and weight describe {' and '.join(map(str, sorted(sizes)))} neurons")
        return next(iter(sizes), None)

    def _key(self, key: int) -> int:
        return key if isinstance(self.frozen, bool) else derive_key(int(self.frozen), "frozen")

    def on_grid(self, dt: float, n: int, key: int, each: bool = False) -> Arrivals:
        key = self._key(key)
        count = n if self.frozen is False else 1
        keys = neuron_keys(key, 0, count)
        weights = _weights(self.weight, n, derive_key(key, "weight"))
        rates = self.rate.start(dt, n, derive_key(key, "rate"))

        def take(k0: int, k1: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            if k1 <= 0:  # nothing arrives at the very beginning
                return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
            expected = rates(k0, k1) * (dt * self.sources)
            if expected.size and expected.min() < 0:
                raise InputError("poisson: the rate is negative")
            t = np.arange(k0, k1) * dt
            inside = (t >= self.on - 1e-6 * dt) & (t < self.off - 1e-6 * dt)

            def fine(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
                return uniforms_at(key, keys[columns if count > 1 else 0 * columns], rows, k0)

            counts = poisson_counts(np.where(inside[:, None], expected, 0.0), words(key, count, k0, k1), fine)
            counts = np.broadcast_to(counts, (k1 - k0, n))
            steps, neurons = np.nonzero(counts)
            if each:
                many = counts[steps, neurons]
                return np.repeat(steps + (k0 + 1), many), np.repeat(neurons, many), np.repeat(weights[neurons], many)
            return steps + (k0 + 1), neurons, counts[steps, neurons] * weights[neurons]

        return take

    def in_time(self, until: float, n: int, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        key = self._key(key)
        count = n if self.frozen is False else 1
        weights = _weights(self.weight, n, derive_key(key, "weight"))
        grid = 0.1
        rows = 1 if isinstance(self.rate, Constant) else max(1, math.ceil(until / grid))
        rate = self.rate.start(grid, n, derive_key(key, "rate"))(0, rows)
        expected = np.broadcast_to(rate * self.sources, (rows, n))
        if expected.min() < 0:
            raise InputError("poisson: the rate is negative")
        trains = []
        for i in range(count):  # thinning under the largest rate (Lewis & Shedler 1979)
            rng = np.random.Generator(np.random.Philox(key=derive_key(key, "train", i)))
            peak, end = float(expected[:, i].max()), min(until, self.off)
            times = (
                self.on
                + np.cumsum(
                    rng.standard_exponential(int(peak * (end - self.on) * 1.2 + 10 * math.sqrt(peak * until + 1) + 20))
                    / peak
                )
                if peak > 0 and end > self.on
                else np.empty(0)
            )
            times = times[times <= end]
            keep = (
                rng.random(len(times)) * peak < expected[np.minimum((times / grid).astype(int), len(expected) - 1), i]
            )
            trains.append(times[keep])
        if self.frozen is not False:
            trains = trains * n
        neurons = np.repeat(np.arange(n), [len(x) for x in trains])
        return np.concatenate(trains) if trains else np.empty(0), neurons, weights[neurons]


def poisson_counts(expected: np.ndarray, bits: np.ndarray, fine: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Any:
    """Return Poisson counts with mean `expected` by inversion of the cumulative distribution, shape (rows, n).

    The distribution is asked at (bits + fine)/65536, `bits` being whole numbers below 65536. `fine(rows, columns)` has
    numbers in (0, 1), and is called only where they matter. Above a mean of 30 the quantile is found by SciPy.
    """
    expected, bits = np.broadcast_arrays(expected, bits)
    out = np.zeros(bits.shape, dtype=np.int64)
    p = np.exp(-expected)
    total, large = p.copy(), expected > 30
    left = ~large
    for k in range(500):
        whole, rest = np.divmod(total * 65536.0, 1.0)
        more = left & (bits > whole)
        tied = np.nonzero(left & (bits == whole))
        if len(tied[0]):
            more[tied] = fine(*tied) > rest[tied]
        left = more
        if not left.any():
            break
        p = p * expected / (k + 1)
        total += p
        out[left] = k + 1
    if large.any():
        from scipy.stats import poisson as law

        at = np.nonzero(large)
        out[at] = law.ppf((bits[at] + fine(*at)) / 65536.0, expected[at]).astype(np.int64)
    return out


def spikes(times: Any, weight: Any = 1.0) -> SpikeSource:
    """Return spikes at given times (ms).

    Parameters
    ----------
    times : array (n_spikes,), list of arrays, or the spikes of a run
        A list of arrays gives each neuron its own train; one array goes to every neuron.
    weight : number, str or array
        One for all, or with a single train one for each spike.

    Examples
    --------
    >>> source = spikes([10, 20, 30], weight="0.3 mV")
    >>> source.on_grid(0.1, 1, 0)(0, 250)[0]
    array([100, 200])
    """
    q = read_quantity(weight, "weight")
    if hasattr(times, "times") and hasattr(times, "neurons"):  # the spikes of a run
        t, neurons, count = np.asarray(times.times, float), np.asarray(times.neurons), len(times)
        return _trains(t, neurons, np.broadcast_to(np.asarray(q.value, float), t.shape), q.dimension, count)
    nested = (
        isinstance(times, Sequence)
        and not isinstance(times, str)
        and any(np.ndim(x) == 1 or isinstance(x, list | tuple) for x in times)
    )
    if nested:
        parts = [_read_times(x) for x in times]
        neurons = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
        values = np.asarray(q.value, dtype=float)
        if values.ndim == 1 and values.shape[0] != len(parts):
            raise InputError(f"{values.shape[0]} weights for {len(parts)} spike trains")
        return _trains(
            np.concatenate(parts), neurons, np.broadcast_to(values, (len(parts),))[neurons], q.dimension, len(parts)
        )
    t = _read_times(times)
    values = np.asarray(q.value, dtype=float)
    if values.ndim == 1 and values.shape != t.shape:
        raise InputError(f"{values.shape[0]} weights for {len(t)} spikes")
    return _trains(t, None, np.broadcast_to(values, t.shape), q.dimension, None)


def _read_times(times: Any) -> np.ndarray:
    if not isinstance(times, np.ndarray) and np.ndim(times) == 1 and len(times) == 0:
        return np.empty(0)
    q = (
        read_quantity(times if np.ndim(times) or isinstance(times, str) else [times], "spike times")
        if np.size(times)
        else Quantity(np.empty(0))
    )
    if q.dimension is not None and q.dimension != parse_unit("ms")[1]:
        raise UnitMismatch(f"spike times are in {q.dimension.unit}; they are times, in ms")
    return np.atleast_1d(np.asarray(q.value, dtype=float))


def _trains(
    t: np.ndarray, neurons: np.ndarray | None, weights: np.ndarray, unit: Dimension | None, count: int | None
) -> SpikeTrains:
    if t.size and (not np.all(np.isfinite(t)) or t.min() < 0):
        raise InputError("spike times must be finite and not negative")
    return SpikeTrains(t, neurons, np.ascontiguousarray(weights), unit, count)


def poisson(
    rate: Any, weight: Any = 1.0, sources: int = 1, frozen: bool | int = False, on: Any = 0.0, off: Any = None
) -> SpikeSource:
    """Return Poisson spikes.

    Parameters
    ----------
    rate : number, str, array, stimulus or function
        Hz for each source; an array makes a rate for each neuron, a stimulus or a function of t (ms) an
        inhomogeneous process.
    weight : number, str, array or distribution
        The weight of every spike.
    sources : int
        How many such processes arrive.
    frozen : bool or int
        False: fresh spikes for each neuron; True: the same for all neurons; an integer: the same in every run.
    """
    if isinstance(rate, Stimulus) or callable(rate):
        given = as_stimulus(rate, "rate")
        d = given.dimension
        if d is not None and d != parse_unit("Hz")[1]:
            raise UnitMismatch(f"poisson: the rate is in {d.unit}; give Hz")
        process = given * 1e-3 if d is None else given
    else:
        q = frequency_in_khz(rate)
        if np.any(np.asarray(q.value) < 0):
            raise InputError(f"poisson: rate = {rate!r} is negative")
        process = as_stimulus(q, "rate")
    if not isinstance(sources, int | float | np.integer | np.floating) or sources < 1 or float(sources) % 1:
        raise InputError(f"poisson: sources = {sources!r:.60} must be a whole number from 1")
    return Poisson(process, read_quantity(weight, "weight"), int(sources), frozen, *interval(on, off))


def as_source(value: Any, name: str) -> SpikeSource:
    """Return `value` as a spike source: itself, or given times with weight 1."""
    if isinstance(value, SpikeSource):
        return value
    if isinstance(value, Stimulus):
        raise InputError(f"{name} is a port where spikes arrive, not a current; give rb.spikes(...) or rb.poisson(...)")
    return spikes(value)
