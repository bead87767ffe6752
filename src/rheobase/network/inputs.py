"""Currents that drive a neuron: `step`, `pulses`, `ramp`, `sine`, `zap`, `decay`, `sampled`, `noise`, `ou`.

Each returns a `Stimulus` with its own time base; add stimuli with ``+``, scale them with ``*``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rheobase.errors import InputError, UnitMismatch
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.network.noise import Noise, OrnsteinUhlenbeck
from rheobase.network.stimulus import Stimulus
from rheobase.network.waveforms import Decay, Pulses, Ramp, Sampled, Sine, Zap
from rheobase.units import parse_unit, to_number

__all__ = [
    "decay",
    "frequency_in_khz",
    "interval",
    "noise",
    "ou",
    "pulses",
    "ramp",
    "read_current",
    "sampled",
    "sine",
    "step",
    "zap",
]


def _time(value: Any, name: str) -> float:
    return math.inf if value is None else to_number(value, "ms", name)


def interval(on: Any, off: Any) -> tuple[float, float]:
    """Return when something begins and ends, in ms; no end is infinity."""
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
    return Pulses(
        read_quantity(amplitude, "amplitude"),
        tuple(map(float, np.atleast_1d(np.asarray(begins.value, dtype=float)))),
        duration,
        read_quantity(base, "base"),
    )


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


def sine(
    amplitude: Any, frequency: Any, phase: float = 0.0, offset: Any = 0.0, on: Any = 0.0, off: Any = None
) -> Stimulus:
    """Return offset + amplitude sin(2 pi frequency (t - on) + phase); `frequency` in Hz."""
    return Sine(
        read_quantity(amplitude, "amplitude"),
        frequency_in_khz(frequency),
        float(phase),
        read_quantity(offset, "offset"),
        *interval(on, off),
    )


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
    f0, f1 = frequency_in_khz(low), frequency_in_khz(high)
    if f0.shape or f1.shape:
        raise InputError("zap: low and high are one frequency each, in Hz, the same for all neurons")
    return Zap(
        read_quantity(amplitude, "amplitude"), float(np.asarray(f0.value)), float(np.asarray(f1.value)), begin, end
    )


def frequency_in_khz(value: Any) -> Quantity:
    """Return a frequency in kHz; a plain number is in Hz, as everywhere at the public surface."""
    q = read_quantity(value, "frequency")
    if q.dimension is None:
        return replace(
            q, value=np.asarray(q.value) / 1000.0 if q.shape else float(np.asarray(q.value)) / 1000.0, text=""
        )
    if q.dimension != parse_unit("Hz")[1]:
        raise UnitMismatch(f"frequency = {q} is in {q.dimension.unit}; give Hz")
    return q


def sampled(
    values: Any, dt: Any = None, times: Any = None, interpolate: str = "hold", unit: str = "", start: Any = 0.0
) -> Stimulus:
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
    if data.ndim == 1 or (data.ndim == 2 and data.shape[1] == 1) or dt is not None:
        if dt is None:
            raise InputError(f"{path} has one column; give dt=, the time between values")
        return sampled(
            data[:, 0] if data.ndim == 2 and data.shape[1] == 1 else data, dt=dt, unit=unit, interpolate=interpolate
        )
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


def noise(
    mean: Any, sd: Any, every: Any = None, frozen: bool | int = False, on: Any = 0.0, off: Any = None
) -> Stimulus:
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
    return Noise(
        read_quantity(mean, "mean"),
        _spread(sd),
        None if every is None else to_number(every, "ms", "every"),
        frozen,
        *interval(on, off),
    )


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
