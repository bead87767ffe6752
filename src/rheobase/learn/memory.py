"""Large buffers, used again: what a program gives back is handed out once more, with its pages already in place.

A new tensor of 131 MB costs four times as long as the arithmetic that fills it, since the system has to find and wipe
each page. A buffer is free again when the last tensor that shares its memory is gone; until then nobody else gets it.
"""

from __future__ import annotations

import math
import mmap
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor

__all__ = ["empty", "forget", "idle_bytes"]

_SMALL: Final = 1 << 18  # bytes; below, torch's own memory is as quick
_HUGE: Final = 1 << 21  # bytes of a large page
_LINE: Final = 64  # bytes of a cache line: a vector that lies across two takes twice as long
_MOST: Final = 1 << 31  # idle bytes that are kept
_LOCK: Final = threading.RLock()
_idle: dict[int, list[Any]] = {}
_kinds: Final = {torch.float32: np.float32, torch.float64: np.float64, torch.int32: np.int32}


@final
class _Loan(np.ndarray):
    """An array over a block, which goes back when the last tensor over the array is gone."""

    block: Any = None  # a view of the array has none

    def __del__(self) -> None:
        if self.block is not None and _give_back is not None:  # None while the interpreter ends
            _give_back(self.block)


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return a tensor whose values are undefined, over memory that was used before where there is some.

    Examples
    --------
    >>> x = empty((1000, 1000), torch.float32)
    >>> place = x.data_ptr()
    >>> del x
    >>> empty((1000, 1000), torch.float32).data_ptr() == place
    True
    """
    size = math.prod(shape) * dtype.itemsize
    if size < _SMALL:
        return torch.empty(shape, dtype=dtype)
    room = -(-size // _HUGE) * _HUGE if size >= _HUGE else 1 << (size - 1).bit_length()
    with _LOCK:
        free = _idle.get(room)
        block = free.pop() if free else None
    if block is None:
        block = _new_block(room)
    loan = _Loan(tuple(shape), _kinds[dtype], block)
    loan.block = block
    return torch.from_numpy(loan)


def _new_block(room: int) -> Any:
    """Return fresh memory, in large pages where the system has them."""
    if room < _HUGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        flat, step = np.empty(room + _LINE, dtype=np.uint8), _LINE
    else:
        whole, step = mmap.mmap(-1, room + _HUGE), _HUGE
        with suppress(OSError):
            whole.madvise(mmap.MADV_HUGEPAGE)
        flat = np.frombuffer(whole, dtype=np.uint8)
    begin = -flat.ctypes.data % step
    return flat[begin : begin + room]


def _give_back(block: Any) -> None:
    with _LOCK:
        if idle_bytes() + block.size <= _MOST:
            _idle.setdefault(block.size, []).append(block)


def idle_bytes() -> int:
    """Return how many bytes are held for the next call."""
    with _LOCK:
        return sum(room * len(blocks) for room, blocks in _idle.items())


def forget() -> None:
    """Give all idle memory back to the system."""
    with _LOCK:
        _idle.clear()
