"""What a network's run keeps: what the user asks for, taken out of the loop piece by piece, and held in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, final

import numpy as np

from rheobase.engines.clock import ClockRun
from rheobase.engines.result import Recording, Result
from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError

__all__ = [
    "Memory",
    "Piece",
    "Samples",
    "Sink",
    "Tap",
    "check_exact",
    "pick_spikes",
    "reduce_samples",
    "samples_of",
    "start_piece",
    "trim",
]

_ROOM: Final = 64e6  # bytes of samples that are taken out of the loop at once


@final
@dataclass(frozen=True, eq=False)
class Piece:
    """What happened in steps k0+1..k1, or, with k0 = -1, up to k1.

    Attributes
    ----------
    spikes : mapping
        Population -> (steps, neurons), int32, in the order of steps.
    traces : mapping
        Population -> state -> array (n_samples, n_kept); n_kept is 1 for a mean.
    """

    k0: int
    k1: int
    spikes: Mapping[str, tuple[np.ndarray, np.ndarray]]
    traces: Mapping[str, Mapping[str, np.ndarray]]


class Sink(Protocol):
    """Where the pieces of a run go, in their order."""

    def add(self, piece: Piece) -> None:
        """Take the next piece; its arrays may be overwritten afterwards."""
        ...


@final
@dataclass(frozen=True)
class Samples:
    """The steps at which the states of a population are kept: first, first + every, ... up to `last`."""

    first: int
    every: int
    last: int

    def count(self, k: int) -> int:
        """How many of them are not after step k.

        >>> samples = Samples(10, 5, 22)
        >>> [samples.count(k) for k in (9, 10, 14, 15, 100)]
        [0, 1, 1, 2, 3]
        """
        return max(0, (min(k, self.last) - self.first) // self.every + 1)

    def steps(self, k0: int, k1: int) -> np.ndarray:
        """Return those in k0+1..k1.

        >>> Samples(10, 5, 22).steps(10, 50)
        array([15, 20])
        """
        return self.first + self.every * np.arange(self.count(k0), self.count(k1))


def samples_of(name: str, recording: Recording, dt: float, total: int) -> Samples:
    """Return the steps at which the states of a population are kept.

    Raises
    ------
    InputError
        If the times are not whole numbers of steps.
    """
    if not recording.states:
        return Samples(0, 1, -1)
    every = 1 if recording.every is None else _whole(f"{name}: record_every", recording.every, dt)
    if every < 1:
        raise InputError(f"{name}: record_every = {recording.every:g} ms is not a positive time")
    first = _whole(f"{name}: start of recording", recording.start, dt)
    last = total if math.isinf(recording.stop) else min(total, math.floor(recording.stop / dt + 1e-6))
    return Samples(first, every, last)


def _whole(what: str, time: float, dt: float) -> int:
    steps = round(time / dt)
    if abs(steps * dt - time) > 1e-6 * dt:
        raise InputError(f"{what} = {time:g} ms is not a whole number of steps of {dt:g} ms; give a multiple of dt")
    return steps


@final
class Tap:
    """Where the loop of a group writes samples: buffers for one chunk, of which each population takes its own.

    All steps that any population of the group asks for, and all states and neurons, go into the same buffers.
    """

    def __init__(
        self,
        names: Sequence[str],
        offsets: Sequence[int],
        recordings: Mapping[str, Recording],
        samples: Mapping[str, Samples],
    ) -> None:
        self.recordings = {n: recordings[n] for n in names if recordings[n].states}
        self.samples = samples
        self.states = tuple(dict.fromkeys(s for r in self.recordings.values() for s in r.states))
        chosen, self.columns, at = [np.empty(0, dtype=np.int64)], {}, 0
        for name, lo, hi in zip(names, offsets, offsets[1:], strict=False):
            r = recordings[name]
            if r.states:
                mine = np.arange(lo, hi) if r.neurons is None else r.neurons + lo
                chosen.append(mine)
                self.columns[name] = slice(at, at + len(mine))
                at += len(mine)
        self.chosen = np.concatenate(chosen)
        self.buffers = {s: np.empty((1, len(self.chosen))) for s in self.states}
        self.steps = np.empty(0, dtype=np.int64)

    def fit(self, chunk: int) -> int:
        """Return how many steps of a chunk fit into the buffers."""
        per_step = sum(1.0 / self.samples[n].every for n in self.recordings) if len(self.recordings) else 0.0
        bytes_per_step = min(per_step, 1.0) * 8.0 * len(self.states) * len(self.chosen)
        return int(np.clip(_ROOM // max(bytes_per_step, 1.0), min(chunk, 16), chunk))

    def make_room(self, chunk: int) -> None:
        """Make buffers for chunks of up to so many steps."""
        rows = min(chunk, sum(-(-chunk // self.samples[n].every) for n in self.recordings))
        self.buffers = {s: np.empty((max(rows, 1), len(self.chosen))) for s in self.states}

    def rows(self, k0: int, k1: int) -> np.ndarray:
        """Return which row of the buffers each of the steps k0+1..k1 is written into; -1 for none."""
        wanted = np.zeros(k1 - k0, dtype=np.bool_)
        for name in self.recordings:
            wanted[self.samples[name].steps(k0, k1) - (k0 + 1)] = True
        self.steps = np.flatnonzero(wanted) + k0 + 1
        out = np.full(k1 - k0, -1, dtype=np.int64)
        out[wanted] = np.arange(len(self.steps))
        return out

    def take(self, k0: int, k1: int) -> dict[str, dict[str, np.ndarray]]:
        """Return the samples of the chunk that `rows` was asked for last: population -> state -> array."""
        out = {}
        for name, r in self.recordings.items():
            at: Any = np.searchsorted(self.steps, self.samples[name].steps(k0, k1))
            if len(at) == len(self.steps):  # no copy
                at = slice(0, len(at))
            out[name] = {s: reduce_samples(self.buffers[s][at, self.columns[name]], r) for s in r.states}
        return out

    def start(self, run: ClockRun) -> dict[str, dict[str, np.ndarray]]:
        """Return the samples at t = 0."""
        out = {}
        for name, r in self.recordings.items():
            take = self.chosen[self.columns[name]] if self.samples[name].count(0) else np.empty(0, dtype=np.int64)
            rows = min(self.samples[name].count(0), 1)
            shape = (rows, len(self.chosen[self.columns[name]]))
            out[name] = {s: reduce_samples(run.states[s][take].astype(float).reshape(shape), r) for s in r.states}
        return out


def reduce_samples(block: np.ndarray, recording: Recording) -> np.ndarray:
    """Return samples as they are kept; a row's mean is taken by itself, so that it is the same in any chunk."""
    if recording.reduce is None:
        return np.ascontiguousarray(block)
    return np.array([[np.add.reduce(np.ascontiguousarray(row)) / len(row)] for row in block]).reshape(-1, 1)


def pick_spikes(
    steps: np.ndarray, neurons: np.ndarray, lo: int, hi: int, n: int, kept: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (steps, neurons) of neurons lo..hi-1 of n, numbered from 0; of those `kept` only.

    >>> pick_spikes(np.array([1, 1, 2]), np.array([0, 5, 6]), 5, 10, 10, np.array([1, 2]))
    (array([2]), array([1]))
    """
    if hi - lo != n:
        inside = (neurons >= lo) & (neurons < hi)
        steps, neurons = steps[inside], neurons[inside] - lo
    if kept is not None:
        wanted = np.zeros(hi - lo, dtype=np.bool_)
        wanted[kept] = True
        steps, neurons = steps[wanted[neurons]], neurons[wanted[neurons]]
    return steps, neurons


def check_exact(recordings: Mapping[str, Recording]) -> None:
    """Refuse what the exact engine cannot record: it samples all populations at multiples of one time."""
    asked = [r for r in recordings.values() if r.states]
    if len({r.every for r in asked}) > 1:
        raise InputError("Exact records all populations equally often; give one every= for all, or run on rb.Clock()")
    for r in asked:
        every = r.every or 0.1
        if abs(round(r.start / every) * every - r.start) > 1e-9:
            raise InputError(f"Exact records at multiples of {every:g} ms; start = {r.start:g} ms is none")


def trim(result: Result, recording: Recording) -> Result:
    """Return what is asked for, of a result in which whole populations were recorded from beginning to end."""
    spikes, t, states = result.spikes, result.t, recording.states
    if recording.spikes is not None:
        inside = np.isin(spikes.neurons, recording.spikes)
        spikes = Spikes(spikes.times[inside], spikes.neurons[inside], spikes.n, recording.spikes)
    inside = (t > recording.start - 1e-9) & (t < recording.stop + 1e-9)
    traces = {s: reduce_samples(result.traces[s].T[inside], recording).T for s in states if s in result.traces}
    return replace(result, spikes=spikes, t=t[inside], traces=traces)


def start_piece(
    taps: Sequence[Tap], runs: Sequence[ClockRun], spikes: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Piece:
    """Return what there is at t = 0: the states, and the spikes that sources send there."""
    traces = {name: own for tap, run in zip(taps, runs, strict=True) for name, own in tap.start(run).items()}
    return Piece(-1, 0, spikes, traces)


@final
class Memory:
    """The pieces of a run, kept in memory."""

    def __init__(self, sizes: Mapping[str, int], recordings: Mapping[str, Recording], samples: Mapping[str, Samples]):
        self._spikes: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in sizes}
        self._samples, self._done = samples, -1
        self._traces: dict[str, dict[str, np.ndarray]] = {}
        for name, r in recordings.items():
            width = r.count(sizes[name]) if r.reduce is None else 1
            if r.states and width:
                shape = (samples[name].count(samples[name].last), width)
                self._traces[name] = {s: np.empty(shape) for s in r.states}

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        for name, (steps, neurons) in piece.spikes.items():
            self._spikes[name].append((steps, neurons))
        for name, own in self._traces.items():
            begin, end = (self._samples[name].count(k) for k in (piece.k0, piece.k1))
            for s, x in own.items():
                x[begin:end] = piece.traces[name][s]
        self._done = piece.k1

    def spikes(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return (steps, neurons) of a population so far, in the order of steps."""
        none = np.empty(0, dtype=np.int64)
        pieces = self._spikes[name]
        return np.concatenate([none, *(s for s, _ in pieces)]), np.concatenate([none, *(i for _, i in pieces)])

    def steps(self, name: str) -> np.ndarray:
        """Return the steps of a population's samples so far."""
        return self._samples[name].steps(-1, self._done)

    def traces(self, name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the steps of a population's samples so far, and state -> array (n_samples, n_kept)."""
        if name not in self._traces:
            return np.empty(0, dtype=np.int64), {}
        steps = self.steps(name)
        return steps, {s: x[: len(steps)] for s, x in self._traces[name].items()}
