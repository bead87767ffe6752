"""What counts as a spike train, which spikes lie in a window or a bin, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError
from rheobase.run import Run

__all__ = [
    "Flat",
    "Floats",
    "Integers",
    "Trains",
    "bin_counts",
    "bin_index",
    "count_bins",
    "count_moments",
    "crop",
    "draw_trains",
    "inside_span",
    "positive",
    "read_span",
    "read_train",
    "read_trains",
    "read_until",
]

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Trains = ArrayLike | Iterable[ArrayLike] | Spikes | Run

_EDGE = 1e-9  # ms; k*dt is off by rounding, far less than this


@final
@dataclass(frozen=True)
class Flat:
    """All spikes of some trains in one table, by train and then by time."""

    times: Floats  # (n_spikes,) ms
    owner: Integers  # (n_spikes,) index of the train
    n: int  # number of trains
    one: bool  # the caller gave one train, not a list
    until: float | None = None  # ms; the end of the run they are from, if it is known

    def answer(self, values: Floats) -> Any:
        """Return one number for one train, the array for a list."""
        return float(values[0]) if self.one else values


def read_train(times: ArrayLike, name: str) -> Floats:
    """Return one train as a sorted array of times in ms."""
    flat = read_trains(times, name)
    if not flat.one:
        raise InputError(f"{name} must be one train, a 1-D array of times in ms; got {flat.n} trains. Pass {name}[0]?")
    return flat.times


def read_trains(trains: Any, name: str = "trains") -> Flat:
    """Return one or many trains, or all of a run, as one table."""
    if isinstance(trains, Run | Spikes):
        spikes = trains.spikes if isinstance(trains, Run) else trains
        order = np.argsort(spikes.neurons, kind="stable")
        until = trains.until if isinstance(trains, Run) else None
        owner, n = spikes.neurons[order], spikes.n
        if spikes.kept is not None:  # the trains are those that were recorded
            owner, n = np.searchsorted(spikes.kept, owner), len(spikes.kept)
            if n == 0:
                raise InputError(f"{name}: no spikes were recorded; name neurons in rb.Record(spikes=...)")
        return Flat(spikes.times[order], owner, n, isinstance(trains, Run) and trains.single, until)
    pieces: list[Any]
    if isinstance(trains, np.ndarray) and trains.ndim == 1 and trains.dtype != object:
        pieces, one = [trains], True
    elif isinstance(trains, str) or not isinstance(trains, Iterable):
        raise InputError(f"{name} must be a 1-D array of spike times in ms or a list of them, not {trains!r}.")
    else:
        pieces = list(trains)
        if not pieces:
            raise InputError(f"{name} is an empty list: it holds no train. A train without spikes is np.array([]).")
        one = np.ndim(pieces[0]) == 0
        pieces = [pieces] if one else pieces
    try:
        arrays = [np.asarray(piece, dtype=np.float64) for piece in pieces]
    except (TypeError, ValueError):
        raise InputError(f"{name} must hold plain numbers, spike times in ms, in one array per train.") from None
    for i, array in enumerate(arrays):
        if array.ndim != 1:
            raise InputError(f"{_label(name, i, one)} must be a 1-D array of times in ms; its shape is {array.shape}.")
    flat = Flat(
        np.concatenate(arrays),
        np.repeat(np.arange(len(arrays)), [array.size for array in arrays]),
        len(arrays),
        one,
    )
    _check_order(flat, name)
    return flat


def _check_order(flat: Flat, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(flat.times))
    if bad.size:
        where = _label(name, int(flat.owner[bad[0]]), flat.one)
        raise InputError(f"{where} contains {flat.times[bad[0]]}; remove it: {name}[np.isfinite({name})].")
    bad = np.flatnonzero((np.diff(flat.times) < 0) & (np.diff(flat.owner) == 0))
    if bad.size:
        k, where = int(bad[0]), _label(name, int(flat.owner[bad[0]]), flat.one)
        raise InputError(f"{where} is not sorted ({flat.times[k]} before {flat.times[k + 1]} ms); use np.sort first.")


def _label(name: str, i: int, one: bool) -> str:
    return name if one else f"{name}[{i}]"


def positive(name: str, value: float, unit: str = "ms") -> float:
    """Return a checked positive number."""
    _check_number(name, value, unit)
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value!r} must be a positive number of {unit}.")
    return float(value)


def _check_number(name: str, value: Any, unit: str = "ms") -> None:
    if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "iuf":
        raise InputError(f"{name} = {value!r:.60} must be a plain number of {unit}, as in {name}=10.")


def read_span(until: float, start: float) -> float:
    """Return the length of the window (start, until] in ms."""
    _check_number("until", until)
    _check_number("start", start)
    if not (np.isfinite(until) and np.isfinite(start)):
        raise InputError(f"until = {until!r} and start = {start!r} must be finite times in ms.")
    if until <= start:
        raise InputError(f"until = {until!r} ms must come after start = {start!r} ms; swap them or give a later until.")
    return float(until) - float(start)


def read_until(flat: Flat, until: float | None) -> float:
    """Return the end of the window in ms: what was given, or the end of the run."""
    if until is not None:
        return until
    if flat.until is None:
        raise InputError("when does the window end? give until= in ms (a run, in place of its spikes, brings its own)")
    return flat.until


def crop(flat: Flat, until: float | None, start: float) -> Flat:
    """Return the spikes in the window; without `until` all that come after `start`."""
    if until is None and start == 0:
        return flat
    _check_number("start", start)
    end = float("inf") if until is None else until
    _check_number("until", end)
    if not (np.isfinite(start) and start < end):
        raise InputError(f"until = {until!r} ms must come after start = {start!r} ms; swap them or give a later until.")
    inside = inside_span(flat.times, end, start)
    return replace(flat, times=flat.times[inside], owner=flat.owner[inside])


def draw_trains(flat: Flat, sample: int, seed: int) -> Flat:
    """Return `sample` of the trains, drawn at random without replacement, in their order; all, if there are no more."""
    if sample != int(sample) or sample < 2:
        raise InputError(f"sample = {sample!r} must be a whole number of trains, 2 or more.")
    if sample >= flat.n:
        return flat
    chosen = np.sort(np.random.default_rng(seed).choice(flat.n, int(sample), replace=False))
    place = np.full(flat.n, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    keep = place[flat.owner] >= 0
    return replace(flat, times=flat.times[keep], owner=place[flat.owner[keep]], n=len(chosen), one=False)


def inside_span(times: Floats, until: float, start: float) -> NDArray[np.bool_]:
    """Return which times lie in the window; time 0 belongs to the first."""
    first = times >= -_EDGE if start == 0 else times > start + _EDGE
    return first & (times <= until + _EDGE)


def count_bins(bin: float, until: float, start: float, name: str = "bin", least: int = 1) -> int:
    """Return how many whole bins fit in the window."""
    span = read_span(until, start)
    n_bins = int(np.floor(span / positive(name, bin) + 1e-9))
    if n_bins < least:
        need = "one whole bin" if least == 1 else f"{least} whole bins"
        raise InputError(f"{name} = {bin!r} ms leaves less than {need} between start and until; make {name} smaller.")
    return n_bins


def bin_index(flat: Flat, bin: float, n_bins: int, start: float) -> tuple[Integers, Integers]:
    """Return (train, bin) of every spike inside the bins."""
    tolerance = min(_EDGE / bin, 1e-3)
    k = np.ceil((flat.times - start) / bin - tolerance) - 1
    if start == 0:
        k[(k == -1) & (flat.times >= -_EDGE)] = 0
    inside = (k >= 0) & (k < n_bins)
    return flat.owner[inside], k[inside].astype(np.int64)


def bin_counts(flat: Flat, bin: float, n_bins: int, start: float) -> tuple[Integers, Integers, Floats]:
    """Return (train, bin, count) for every bin that is not empty: memory grows with spikes, not with bins."""
    owner, k = bin_index(flat, bin, n_bins, start)
    key = owner * n_bins + k  # sorted, because the table is
    first = np.flatnonzero(np.diff(key, prepend=-1))
    count = np.diff(first, append=key.size).astype(np.float64)
    return owner[first], k[first], count


def count_moments(owner: Integers, count: Floats, n: int, n_bins: int) -> tuple[Floats, Floats]:
    """Return mean and variance of the count of each train over all bins, empty ones included."""
    mean = np.bincount(owner, weights=count, minlength=n) / n_bins
    square = np.bincount(owner, weights=(count - mean[owner]) ** 2, minlength=n)
    empty = n_bins - np.bincount(owner, minlength=n)
    return mean, (square + empty * mean**2) / n_bins
