"""Stimuli as solutions of linear equations: what the exact engine needs of an input.

A step, a ramp, a sine and a decaying exponential all obey z' = S z with constant S between a few instants at
which z is set anew; the input is a linear reading of z. Appended to a neuron's states, they make the whole
system autonomous, and the exact flow of a neuron without input is the exact flow of one with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from rheobase.errors import InputError, NotExact
from rheobase.network.noise import Noise, frozen_key
from rheobase.network.stimulus import Constant, Product, Stimulus, Sum
from rheobase.network.waveforms import Decay, Pulses, Ramp, Sampled, Sine
from rheobase.random import neuron_keys, normals

__all__ = ["Generator", "generate"]


@final
@dataclass(frozen=True)
class Generator:
    """u(t) = reading . z(t); z' = matrix z; at times[m] z becomes values[m] (a row for all neurons, or one each).

    Attributes
    ----------
    matrix : array (k, k)
    reading : array (k,)
    times : array (n_breaks,)
        Rising; the first is 0.
    values : array (n_breaks, 1 or n, k)
    """

    matrix: np.ndarray
    reading: np.ndarray
    times: np.ndarray
    values: np.ndarray


def generate(stimulus: Stimulus, until: float, n: int, key: int, name: str) -> Generator:
    """Return the generator of a stimulus up to `until`.

    Raises
    ------
    NotExact
        If the stimulus is not made of constants, lines, sines and exponentials.
    """
    match stimulus:
        case Constant():
            return _pieces([0.0], [np.atleast_1d(np.asarray(stimulus.value.value, dtype=float))])
        case Pulses():
            return _pulses(stimulus, until)
        case Ramp():
            return _ramp(stimulus)
        case Sampled():
            return _sampled(stimulus, until)
        case Sine():
            return _sine(stimulus)
        case Decay():
            a = np.atleast_1d(np.asarray(stimulus.amplitude.value, dtype=float))[:, None]
            return Generator(np.array([[-1.0 / stimulus.tau]]), np.ones(1), *_from(stimulus.on, math.inf, a))
        case Noise():
            return _noise(stimulus, until, n, key)
        case Product():
            part = generate(stimulus.part, until, n, key, name)
            factor = np.atleast_1d(np.asarray(stimulus.factor.value, dtype=float))
            return Generator(part.matrix, part.reading, part.times, part.values * factor[None, :, None])
        case Sum():
            from rheobase.random import derive_key

            parts = [generate(s, until, n, derive_key(key, "part", i), name) for i, s in enumerate(stimulus.parts)]
            return join(parts)
    kind = type(stimulus).__name__
    raise NotExact(
        f"the input {name} is a {kind}, which is not made of constants, lines, sines and exponentials;"
        " run it with engine=rb.Clock(dt='0.1 ms')"
    )


def join(parts: Sequence[Generator]) -> Generator:
    """Return one generator whose reading is the sum of the parts' readings."""
    sizes = [len(p.reading) for p in parts]
    edges = np.cumsum([0, *sizes])
    matrix = np.zeros((edges[-1], edges[-1]))
    width = max(p.values.shape[1] for p in parts)
    times = np.unique(np.concatenate([p.times for p in parts]))
    values = np.full((len(times), width, edges[-1]), np.nan)
    for p, a, b in zip(parts, edges[:-1], edges[1:], strict=True):
        matrix[a:b, a:b] = p.matrix
        values[np.searchsorted(times, p.times), :, a:b] = p.values
    return Generator(matrix, np.concatenate([p.reading for p in parts]), times, values)  # NaN: goes on as it was


def _pieces(times: Sequence[float], rows: Sequence[np.ndarray]) -> Generator:
    """Return the generator of a piecewise constant input."""
    width = max(len(r) for r in rows)
    values = np.stack([np.broadcast_to(r, (width,)) for r in rows])[:, :, None]
    return Generator(np.zeros((1, 1)), np.ones(1), np.asarray(times, dtype=float), values)


def _from(on: float, off: float, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return times and values of something that is zero but from `on` to `off`; z has shape (1 or n, k)."""
    zero = np.zeros_like(z)
    times, values = ([0.0], [z]) if on <= 0.0 else ([0.0, on], [zero, z])
    if math.isfinite(off):
        times, values = [*times, off], [*values, zero]
    return np.array(times), np.stack(values)


def _pulses(s: Pulses, until: float) -> Generator:
    high = np.atleast_1d(np.asarray(s.amplitude.value, dtype=float))
    low = np.atleast_1d(np.asarray(s.base.value, dtype=float))
    inside = sorted((a, a + s.width) for a in s.starts if a <= until and a + s.width > 0)
    merged: list[list[float]] = []
    for a, b in inside:
        if merged and a <= merged[-1][1]:
            merged[-1][1] = max(b, merged[-1][1])
        else:
            merged.append([a, b])
    times, rows = [0.0], [low]
    for a, b in merged:
        if a <= 0.0:
            rows[-1] = high
        else:
            times.append(a)
            rows.append(high)
        if b <= until:
            times.append(b)
            rows.append(low)
    return _pieces(times, rows)


def _ramp(s: Ramp) -> Generator:
    first, last = np.broadcast_arrays(*(np.atleast_1d(np.asarray(q.value, dtype=float)) for q in (s.first, s.last)))
    slope = (last - first) / (s.off - s.on)
    zero = np.zeros_like(slope)
    out = (zero, zero) if not s.hold else (first, last)
    times, rows = [0.0], [np.stack([out[0], zero], axis=-1)]
    start = np.stack([first, slope], axis=-1)
    if s.on <= 0.0:
        rows[0] = np.stack([first - slope * s.on, slope], axis=-1)
    else:
        times.append(s.on)
        rows.append(start)
    times.append(s.off)
    rows.append(np.stack([out[1], zero], axis=-1))
    return Generator(np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([1.0, 0.0]), np.array(times), np.stack(rows))


def _sampled(s: Sampled, until: float) -> Generator:
    values = s.values if s.values.ndim == 2 else s.values[:, None]
    keep = s.times <= until
    times, values = s.times[keep], values[keep]
    if not s.linear:
        if not len(times) or times[0] > 0:
            times, values = np.concatenate([[0.0], times]), np.concatenate([np.zeros((1, values.shape[1])), values])
        return _pieces(times.tolist(), [*values])
    all_values = s.values if s.values.ndim == 2 else s.values[:, None]
    slopes = np.concatenate(
        [np.diff(all_values, axis=0) / np.diff(s.times)[:, None], np.zeros((1, all_values.shape[1]))]
    )[keep]
    rows = np.stack([values, slopes], axis=-1)
    if not len(times) or times[0] > 0:
        times, rows = np.concatenate([[0.0], times]), np.concatenate([np.zeros((1, *rows.shape[1:])), rows])
    return Generator(np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([1.0, 0.0]), times, rows)


def _sine(s: Sine) -> Generator:
    if s.frequency.shape:
        raise NotExact(
            "a sine with another frequency for each neuron is not run exactly; use one run a frequency, or rb.Clock()"
        )
    w = 2.0 * math.pi * float(np.asarray(s.frequency.value))
    a, b = np.broadcast_arrays(*(np.atleast_1d(np.asarray(q.value, dtype=float)) for q in (s.amplitude, s.offset)))
    late = max(0.0, -s.on) * w  # it began before 0
    z = np.stack([a * math.sin(s.phase + late), a * math.cos(s.phase + late), b], axis=-1)
    matrix = np.array([[0.0, w, 0.0], [-w, 0.0, 0.0], [0.0, 0.0, 0.0]])
    return Generator(matrix, np.array([1.0, 0.0, 1.0]), *_from(s.on, s.off, z))


def _noise(s: Noise, until: float, n: int, key: int) -> Generator:
    if s.every is None:
        raise NotExact(
            "noise that is drawn anew at each step has no meaning without steps; give every=, the time a value is"
            " held, or run with engine=rb.Clock(dt=...)"
        )
    key, count = frozen_key(s.frozen, key, n)
    steps = max(1, math.ceil(until / s.every))
    if steps * count > 50_000_000:
        raise InputError(f"noise: {steps} values for {count} neurons are too many to hold; use rb.Clock(dt=...)")
    z = normals(key, neuron_keys(key, 0, count), 0, steps)
    mean, sd = (np.atleast_1d(np.asarray(q.value, dtype=float)) for q in (s.mean, s.sd))
    times = np.arange(steps) * s.every
    inside = ((times >= s.on - 1e-9) & (times < s.off - 1e-9))[:, None]
    return _pieces(times.tolist(), [*np.where(inside, mean + sd * z, 0.0)])
