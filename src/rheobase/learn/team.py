"""Two or more cores for one compiled loop: its neurons are shared out among threads.

They are the threads that torch itself computes with, where it has them from OpenMP: threads of our own would have to
share the cores with torch's, which go on spinning for a while after each operation.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, final

import torch

from rheobase.emit.native import RAISED, team_function
from rheobase.emit.to_numba import Compiled
from rheobase.learn.memory import empty

__all__ = ["Launch"]

_WORTH: Final = 150_000  # neuron-steps times states from which another thread pays: a tenth of a millisecond
_WORTH_ALONE: Final = 1_000_000  # the same for threads of our own, which take longer to wake
_HEAD: Final = 5  # words before the arguments (see `rheobase.emit.native.team_function`)
_PIECES: Final = 4  # that a thread's share is cut into, if each is a block or more


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="rheobase")


@lru_cache(maxsize=1)
def _openmp() -> tuple[Callable[..., Any], int] | None:
    """Return GNU OpenMP's start of a team, as torch has loaded it, and the function that all threads are given."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        try:
            library = ctypes.CDLL(str(path))
            number = ctypes.cast(library.omp_get_thread_num, ctypes.c_void_p).value
            start = library.GOMP_parallel
        except (OSError, AttributeError):
            continue
        start.restype = None
        start.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        return start, team_function(int(number or 0))
    return None


@lru_cache(maxsize=256)
def _entry(address: int) -> Callable[[int], int]:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)


@final
class Launch:
    """A loop over `width` neurons, ready to be called for any steps ``k0..k1-1``.

    Parameters
    ----------
    function : callable
        The loop; its first four arguments are ``_lo, _hi, _k0, _k1``.
    wanted : sequence of str
        The names of its arguments, in order.
    known : mapping
        The arguments by name, but for those four and scratch memory.
    width, work : int
        How many neurons, and the work of each in one call.
    """

    def __init__(
        self, function: Callable[..., int], wanted: Sequence[str], known: Mapping[str, Any], width: int, work: int
    ) -> None:
        self.function, self.width = function, width
        team = _openmp() if isinstance(function, Compiled) and torch.get_num_threads() > 1 else None
        worth = _WORTH if isinstance(function, Compiled) and team is not None else _WORTH_ALONE
        self.threads = max(1, min(torch.get_num_threads(), width * work // worth, width // 64))
        self.parts = [_arguments(wanted, known) for _ in range(self.threads)]
        self.buffers: list[Any] = []
        codes = [function.machine_code(*part) for part in self.parts] if isinstance(function, Compiled) else [None]
        if any(code is None for code in codes) or (self.threads > 1 and team is None):
            return
        self.start = team
        self.counter = ctypes.c_int64(0)
        piece = -(-width // self.threads)
        piece = min(piece, max(known["_block"], -(-piece // _PIECES)))
        head = (0, ctypes.addressof(self.counter), -(-piece // 64) * 64, width)
        for address, words in (code for code in codes if code is not None):
            words = struct.pack("=5q", address, *head) + words
            self.buffers.append(ctypes.create_string_buffer(words, len(words)))
            self.address = address
        self.places = (ctypes.c_void_p * self.threads)(*(ctypes.addressof(x) for x in self.buffers))

    def __call__(self, k0: int, k1: int) -> int:
        """Return the bits that the loop returned for any neuron."""
        if not self.buffers:
            return self._by_functions(k0, k1)
        for buffer in self.buffers:
            struct.pack_into("=q", buffer, 8, 0)
            struct.pack_into("=4q", buffer, 8 * _HEAD, 0, self.width, k0, k1)
        if self.threads == 1:
            found = _entry(self.address)(ctypes.addressof(self.buffers[0]) + 8 * _HEAD)
        else:
            assert self.start is not None
            start, every = self.start
            self.counter.value = 0
            start(every, self.places, self.threads, 0)
            found = 0
            for buffer in self.buffers:
                found |= struct.unpack_from("=q", buffer, 8)[0]
        if found < 0:
            assert found & RAISED
            raise RuntimeError("a compiled loop raised an exception")
        return int(found)

    def _by_functions(self, k0: int, k1: int) -> int:
        n, threads = self.width, self.threads
        cuts = [n * i // threads // 16 * 16 for i in range(threads)] + [n]
        calls = [[cuts[i], cuts[i + 1], k0, k1, *part[4:]] for i, part in enumerate(self.parts)]
        jobs = [_pool(torch.get_num_threads()).submit(self.function, *call) for call in calls[1:]]
        found = self.function(*calls[0])
        for job in jobs:
            found |= job.result()
        return found


def _arguments(wanted: Sequence[str], known: Mapping[str, Any]) -> list[Any]:
    """Return the arguments of one thread, with its own memory for the states between two that were kept."""
    assert tuple(wanted[:4]) == ("_lo", "_hi", "_k0", "_k1")
    out: list[Any] = [0, 0, 0, 0]
    for a in wanted[4:]:
        if a.startswith("_was_"):
            like = known["_keep_" + a.removeprefix("_was_")]
            kind = torch.from_numpy(like[:0]).dtype
            out.append(empty((known["_every"], known["_block"]), kind).numpy())
        else:
            out.append(known[a])
    return out
