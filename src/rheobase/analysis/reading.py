"""What counts as a spike train, which spikes lie in a window or a bin, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheobase.errors import InputError

__all__ = [
    "Flat",
    "Floats",
    "Integers",
    "Trains",
    "bin_counts",
    "bin_index",
    "count_bins",
    "count_moments",
    "inside_span",
    "positive",
    "read_span",
    "read_train",
    "read_trains",
]

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Trains = ArrayLike | Iterable[ArrayLike]

_EDGE = 1e-9  # ms; k*dt is off by rounding, far less than this


@final
@dataclass(frozen=True)
class Flat:
    """All spikes of some trains in one table, by train and then by time."""

    times: Floats  # (n_spikes,) ms
    owner: Integers  # (n_spikes,) index of the train
    n: int  # number of trains
    one: bool  # the caller gave one train, not a list

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
    """Return one or many trains as one table."""
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
    if not (np.ndim(value) == 0 and np.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value!r} must be a positive number of {unit}.")
    return float(value)


def read_span(until: float, start: float) -> float:
    """Return the length of the window (start, until] in ms."""
    if not (np.isfinite(until) and np.isfinite(start)):
        raise InputError(f"until = {until!r} and start = {start!r} must be finite times in ms.")
    if until <= start:
        raise InputError(f"until = {until!r} ms must come after start = {start!r} ms; swap them or give a later until.")
    return float(until) - float(start)


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
