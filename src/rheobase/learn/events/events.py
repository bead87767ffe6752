"""Events: times and addresses of one recording; cut, coarsened, and binned into a dense tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor

from rheobase.errors import InputError
from rheobase.learn.trains import read_time
from rheobase.units import to_number

__all__ = ["Events"]

_MOST_BYTES: Final = 4 * 2**30  # of one dense recording


@final
@dataclass(frozen=True, eq=False, repr=False)
class Events:
    """When and where something happened, in order of time.

    Attributes
    ----------
    times : array (n_events,)
        In ms, from the start of the recording, never falling.
    units : array (n_events,)
        Flat addresses: index into `shape` in C order.
    shape : tuple of int
        ``(2, height, width)`` of a camera (polarity 0 is OFF, 1 is ON), ``(channels,)`` of an ear.

    Examples
    --------
    >>> e = Events.of([0.5, 1.2, 1.4], [0, 2, 2], shape=(3,))
    >>> e.dense(dt="1 ms")
    tensor([[1., 0., 0.],
            [0., 0., 2.]])
    """

    times: np.ndarray
    units: np.ndarray
    shape: tuple[int, ...]

    @staticmethod
    def of(times: Any, units: Any, shape: tuple[int, ...]) -> Events:
        """Return checked events, sorted by time; events of one time keep their order.

        Raises
        ------
        InputError
            If lengths differ, a time is negative or NaN, or an address is outside `shape`.
        """
        t, u = np.asarray(times, dtype=np.float64), np.asarray(units)
        if t.ndim != 1 or t.shape != u.shape:
            raise InputError(f"{t.size} times but {u.size} addresses; an event needs both")
        if u.size and not np.issubdtype(u.dtype, np.integer):
            raise InputError(f"addresses must be whole numbers, not {u.dtype}")
        u = u.astype(np.int64)
        if t.size:
            if not np.isfinite(t).all() or t.min() < 0:
                k = int(np.argmin(np.isfinite(t) & (t >= 0)))
                raise InputError(f"event {k} is at {t[k]} ms; times must be zero or positive")
            if u.min() < 0 or u.max() >= math.prod(shape):
                k = int(np.argmax((u < 0) | (u >= math.prod(shape))))
                raise InputError(f"event {k} has address {u[k]}, but there are {math.prod(shape)}: {shape}")
            if (np.diff(t) < 0).any():
                order = np.argsort(t, kind="stable")
                t, u = t[order], u[order]
        t.flags.writeable = u.flags.writeable = False
        return Events(t, u, tuple(int(n) for n in shape))

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        until = f"{self.times[-1]:g} ms" if len(self) else "0 ms"
        return f"Events({len(self)} in {until}, shape={self.shape})"

    @property
    def polarity(self) -> np.ndarray:
        """0 for OFF, 1 for ON."""
        return self._coordinate(0)

    @property
    def y(self) -> np.ndarray:
        """Row, from the top."""
        return self._coordinate(1)

    @property
    def x(self) -> np.ndarray:
        """Column."""
        return self._coordinate(2)

    def _coordinate(self, axis: int) -> np.ndarray:
        if len(self.shape) != 3:
            raise InputError(f"events of shape {self.shape} have no {('polarity', 'y', 'x')[axis]}; see .units")
        return np.unravel_index(self.units, self.shape)[axis]

    def window(self, start: Any, stop: Any) -> Events:
        """Return the events from `start` (included) to `stop` (not included), with times counted from `start`.

        >>> Events.of([0.5, 1.2, 1.4], [0, 2, 2], shape=(3,)).window("1 ms", "1.3 ms")
        Events(1 in 0.2 ms, shape=(3,))
        """
        a, b = to_number(start, "ms", "start"), to_number(stop, "ms", "stop")
        if not a < b:
            raise InputError(f"start = {start!r} must be before stop = {stop!r}")
        i, j = np.searchsorted(self.times, [a, b])
        return Events(self.times[i:j] - a, self.units[i:j], self.shape)

    def coarser(self, factor: int) -> Events:
        """Return the events of a camera with `factor` times `factor` pixels joined, or of an ear with channels joined.

        >>> Events.of([0.5], [699], shape=(700,)).coarser(5).shape
        (140,)
        """
        if isinstance(factor, bool) or not hasattr(factor, "__index__") or factor < 1:
            raise InputError(f"factor = {factor!r} must be a whole number, at least 1")
        head, tail = (self.shape[:1], self.shape[1:]) if len(self.shape) == 3 else ((), self.shape)
        shape = (*head, *(-(-n // factor) for n in tail))
        where = np.unravel_index(self.units, self.shape)
        moved = (*where[: len(head)], *(w // factor for w in where[len(head) :]))
        return Events(self.times, np.ravel_multi_index(moved, shape), shape)

    def dense(self, dt: Any, until: Any = None, *, clip: bool = False, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return counts of events in bins of time, ``[time, *shape]``: bin k holds [k dt, (k + 1) dt).

        Parameters
        ----------
        dt : time
        until : time, optional
            Later events are left out, a shorter recording ends in silence. By default the bin of the last event is
            the last one.
        clip : bool
            Whether several events in one bin and address count as one.

        Raises
        ------
        InputError
            If the tensor would have more than 4 GiB.
        """
        h = read_time(dt, "dt")
        end = float("nan") if until is None else read_time(until, "until")
        bins = np.floor(self.times / h + 1e-9)  # a time that is a multiple of dt but for rounding begins its bin
        steps = (bins[-1] + 1 if len(self) else 1) if until is None else max(1, math.ceil(end / h - 1e-9))
        size = math.prod(self.shape)
        if steps * size * torch.empty(0, dtype=dtype).element_size() > _MOST_BYTES:
            raise InputError(
                f"{steps:.0f} steps of {size} addresses need {steps * size * 4 / 2**30:.1f} GiB;"
                " give until=, a longer dt, or coarser(...) events"
            )
        n = int(steps)
        keep = bins < n
        if until is not None:
            keep &= self.times < end
        flat = bins[keep].astype(np.int64) * size + self.units[keep]
        # counts in the size of the result alone: bincount would make int64 of it
        out = torch.zeros(n * size, dtype=dtype)
        where = torch.from_numpy(flat)
        if clip:
            out[where] = 1
        else:
            out.index_add_(0, where, torch.ones(1, dtype=dtype).expand(len(flat)))
        return out.reshape(n, *self.shape)
