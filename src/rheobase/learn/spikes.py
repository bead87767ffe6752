"""Spikes as a flat table: what event-driven layers hand to each other, with times that carry gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from rheobase.errors import InputError
from rheobase.units import to_number

__all__ = ["Spikes"]


@final
@dataclass(frozen=True, eq=False)
class Spikes:
    """The spikes of a batch: one table, sorted by batch element, then time, then neuron.

    Element b has the entries ``offsets[b]`` to ``offsets[b + 1]``. Memory grows with the number of spikes. Times may
    carry a gradient; which neurons fire, and how often, does not.

    Parameters
    ----------
    times : Tensor [spikes], float64
        In ms, >= 0.
    neurons : Tensor [spikes], int64
    offsets : Tensor [batch + 1], int64
    n : int
        How many neurons there are.

    Raises
    ------
    InputError
        For times that are NaN, negative or out of order, neurons that are not there, or offsets that do not fit.

    Examples
    --------
    >>> s = Spikes.from_lists([([1.0, 2.5], [0, 2]), ([], [])], n=3)
    >>> s
    Spikes(2 spikes, batch 2, 3 neurons)
    >>> s.counts()
    tensor([[1, 0, 1],
            [0, 0, 0]])
    >>> s.first(silent=10.0)[0]
    tensor([ 1.0000, 10.0000,  2.5000], dtype=torch.float64)
    """

    times: Tensor
    neurons: Tensor
    offsets: Tensor
    n: int

    def __post_init__(self) -> None:
        _check_table(self.times, self.neurons, self.offsets, self.n)

    @staticmethod
    def _trusted(times: Tensor, neurons: Tensor, offsets: Tensor, n: int) -> Spikes:
        """Return spikes that a layer has found, without looking at them again."""
        out = object.__new__(Spikes)
        for name, value in (("times", times), ("neurons", neurons), ("offsets", offsets), ("n", n)):
            object.__setattr__(out, name, value)
        return out

    @staticmethod
    def from_lists(elements: Sequence[tuple[Any, Any]], n: int | None = None) -> Spikes:
        """Return the spikes of a batch given as one pair (times, neurons) an element, in any order.

        Parameters
        ----------
        elements : sequence of pairs
            Times in ms (sequence, array or tensor; a tensor's gradient is kept) and neuron numbers of equal length.
        n : int, optional
            How many neurons there are; as many as are seen if not given.
        """
        if len(elements) == 0:
            raise InputError("an empty batch; give one pair (times, neurons) for each element, ([], []) for silence")
        times, neurons = [], []
        for b, pair in enumerate(elements):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise InputError(f"element {b} must be a pair (times, neurons), not {type(pair).__name__}")
            t, i = _as_times(pair[0], f"times of element {b}"), _as_neurons(pair[1], f"neurons of element {b}")
            if len(t) != len(i):
                raise InputError(f"element {b} has {len(t)} times but {len(i)} neurons; give one neuron for each time")
            order = torch.from_numpy(np.lexsort((i.numpy(), t.detach().numpy())))
            times.append(t[order])
            neurons.append(i[order])
        flat = torch.cat(neurons)
        seen = int(flat.max()) + 1 if len(flat) else 1
        sizes = [0, *(len(t) for t in times)]
        return Spikes(torch.cat(times), flat, torch.from_numpy(np.cumsum(sizes)), seen if n is None else n)

    @staticmethod
    def from_dense(dense: Tensor, dt: Any, at: str = "end") -> Spikes:
        """Return the spikes of a tensor ``[time, batch, n]`` of 0 and 1 (or counts): step k is the time ``(k + 1) dt``.

        That is the time `learn.Layer` means by ``z[k]`` (what holds at the end of the step).

        Parameters
        ----------
        dt : time
            The step, in ms or as ``"1 ms"``.
        at : str
            "end" of the step, or its "start", ``k dt``.
        """
        if at not in ("end", "start"):
            raise InputError(f"at = {at!r:.40} must be 'end' or 'start' of the step")
        step = _read_step(dt)
        if not isinstance(dense, Tensor) or dense.ndim != 3:
            what = tuple(dense.shape) if isinstance(dense, Tensor) else type(dense).__name__
            raise InputError(f"dense must be a tensor [time, batch, n], not {what}")
        values = dense.detach().cpu()
        whole = values.round()
        if bool(((values != whole) | (values < 0)).any()):  # also where NaN
            raise InputError("dense holds values that are not 0, 1 or a count; spikes are whole numbers >= 0")
        place = whole.permute(1, 0, 2).nonzero()
        repeat = whole.permute(1, 0, 2)[tuple(place.T)].long()
        place = place.repeat_interleave(repeat, 0)
        times = (place[:, 1] + (at == "end")).double() * step
        offsets = torch.zeros(dense.shape[1] + 1, dtype=torch.int64)
        offsets[1:] = torch.bincount(place[:, 0], minlength=dense.shape[1]).cumsum(0)
        return Spikes(times, place[:, 2].contiguous(), offsets, dense.shape[2])

    @property
    def batch(self) -> int:
        """How many elements the batch has."""
        return len(self.offsets) - 1

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return (self[b] for b in range(self.batch))

    def __getitem__(self, b: int) -> tuple[Tensor, Tensor]:
        """Return (times, neurons) of element b."""
        if not -self.batch <= b < self.batch:
            raise IndexError(f"element {b} of a batch of {self.batch}")
        low, high = int(self.offsets[b % self.batch]), int(self.offsets[b % self.batch + 1])
        return self.times[low:high], self.neurons[low:high]

    def __repr__(self) -> str:
        grad = ", with gradient" if self.times.requires_grad else ""
        return f"Spikes({len(self)} spikes, batch {self.batch}, {self.n} neurons{grad})"

    @property
    def elements(self) -> Tensor:
        """The batch element of each spike, ``[spikes]``."""
        return torch.repeat_interleave(torch.arange(self.batch), self.offsets.diff())

    def counts(self) -> Tensor:
        """Return how often each neuron fires, ``[batch, n]``; it has no gradient."""
        place = self.elements * self.n + self.neurons
        return torch.bincount(place, minlength=self.batch * self.n).reshape(self.batch, self.n)

    def first(self, silent: float = math.inf) -> Tensor:
        """Return each neuron's first spike time, ``[batch, n]``, with its gradient.

        Parameters
        ----------
        silent : float
            What stands for a neuron that does not fire; it has no gradient.
        """
        return self.nth(0, silent)

    def nth(self, k: int, silent: float = math.inf) -> Tensor:
        """Return the time of each neuron's spike number k (from 0), ``[batch, n]``, with its gradient."""
        if not isinstance(k, int) or k < 0:
            raise InputError(f"k = {k!r} must be a number of a spike: 0, 1, ...")
        place = (self.elements * self.n + self.neurons).numpy()
        order = np.argsort(place, kind="stable")
        kept = place[order]
        begin = np.searchsorted(kept, kept)  # where the spikes of the same neuron begin
        chosen = torch.from_numpy(order[np.arange(len(kept)) - begin == k])
        out = torch.full((self.batch * self.n,), float(silent), dtype=torch.float64)
        out = out.index_put((torch.from_numpy(place)[chosen],), self.times[chosen])
        return out.reshape(self.batch, self.n)

    def to_dense(self, dt: Any, steps: int | None = None) -> Tensor:
        """Return spike counts on a grid, ``[time, batch, n]``: step k holds the spikes in ``(k dt, (k + 1) dt]``.

        Spikes after the last step are left out; a spike at 0 is in step 0. There is no gradient.

        Parameters
        ----------
        dt : time
        steps : int, optional
            As many as hold all spikes if not given.
        """
        step = _read_step(dt)
        place = torch.clamp(torch.ceil(self.times.detach() / step - 1e-9).long() - 1, min=0)
        if steps is None:
            steps = int(place.max()) + 1 if len(place) else 1
        if not isinstance(steps, int) or steps < 1:
            raise InputError(f"steps = {steps!r} must be a number of time steps, at least 1")
        inside = place < steps
        flat = (place * self.batch + self.elements) * self.n + self.neurons
        counts = torch.bincount(flat[inside], minlength=steps * self.batch * self.n)
        return counts.reshape(steps, self.batch, self.n).to(torch.get_default_dtype())

    def detach(self) -> Spikes:
        """Return the same spikes without gradient."""
        return Spikes._trusted(self.times.detach(), self.neurons, self.offsets, self.n)


def _read_step(dt: Any) -> float:
    step = to_number(dt, "ms", "dt")
    if not (math.isfinite(step) and step > 0):
        raise InputError(f"dt = {dt!r:.60} must be a time > 0, in ms or as '1 ms'")
    return step


def _as_times(given: Any, name: str) -> Tensor:
    if isinstance(given, Tensor):
        if not given.is_floating_point() and given.numel():
            raise InputError(f"{name} are of {given.dtype}; give floating numbers of ms, such as {name}.double()")
        return given.reshape(-1).to("cpu", torch.float64)
    try:
        return torch.from_numpy(np.asarray(given, dtype=np.float64).reshape(-1).copy())
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers of ms, not {given!r:.60}") from None


def _as_neurons(given: Any, name: str) -> Tensor:
    array = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} must be whole numbers, not {array.dtype}")
    return torch.from_numpy(array.reshape(-1).astype(np.int64))


def _check_table(times: Any, neurons: Any, offsets: Any, n: Any) -> None:
    for name, x, dtype in (("times", times, torch.float64), ("neurons", neurons, torch.int64)):
        if not isinstance(x, Tensor) or x.ndim != 1 or x.dtype != dtype:
            got = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise InputError(f"{name} must be a flat tensor of {dtype}, not {got}; Spikes.from_lists takes lists")
    if not isinstance(offsets, Tensor) or offsets.ndim != 1 or offsets.dtype != torch.int64 or len(offsets) < 2:
        raise InputError("offsets must be a flat tensor of int64 with batch + 1 entries, for at least one element")
    if not isinstance(n, int) or n < 1:
        raise InputError(f"n = {n!r} must be a number of neurons, at least 1")
    if len(times) != len(neurons):
        raise InputError(f"{len(times)} times but {len(neurons)} neurons; give one neuron for each time")
    if int(offsets[0]) != 0 or int(offsets[-1]) != len(times) or bool((offsets.diff() < 0).any()):
        raise InputError(f"offsets must rise from 0 to the number of spikes, {len(times)}")
    if len(times) == 0:
        return
    with torch.no_grad():
        if not bool(torch.isfinite(times).all()):
            raise InputError("times hold NaN or infinity; a neuron that does not fire has no entry")
        if float(times.min()) < 0:
            raise InputError(f"times hold {float(times.min()):g}; spike times are >= 0, in ms")
        if int(neurons.min()) < 0 or int(neurons.max()) >= n:
            wrong = int(neurons.min()) if int(neurons.min()) < 0 else int(neurons.max())
            raise InputError(f"neuron {wrong} is not there: neurons are 0 to {n - 1}")
        falls = times.diff() < 0
        falls[offsets[1:-1][(offsets[1:-1] > 0) & (offsets[1:-1] < len(times))] - 1] = False
        if bool(falls.any()):
            raise InputError("times are not sorted within an element; Spikes.from_lists sorts them")
