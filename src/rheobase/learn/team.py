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
from torch import Tensor

from rheobase.emit.native import Views, team_function
from rheobase.emit.to_numba import Compiled
from rheobase.learn.memory import empty

__all__ = ["Launch"]

_WORTH: Final = 150_000  # neuron-steps times states from which another thread pays: a tenth of a millisecond
_WORTH_ALONE: Final = 1_000_000  # the same for threads of our own, which take longer to wake
_RESULT: Final = 8  # bytes before what a thread's calls returned (see `rheobase.emit.native.team_function`)
_ARGUMENTS: Final = 40  # and before the arguments
_LEAST: Final = 1024  # neurons, unless a thread's share is smaller


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


@final
class Launch:
    """A loop over `width` neurons, ready to be given other memory and called for any steps ``k0..k1-1``.

    Parameters
    ----------
    function : callable
        The loop; its first four arguments are ``_lo, _hi, _k0, _k1``.
    wanted : sequence of str
        The names of its arguments, in order.
    known : mapping
        The arguments by name, but for those four and scratch memory: numbers, and tensors in C order.
    shapes : mapping
        The shape of each tensor, as the loop sees it.
    width, work : int
        How many neurons, and the work of each in one call.
    unit, pieces : int
        Neurons that one thread does together, and pieces that its share is cut into, if each is a block or more.

    Attributes
    ----------
    threads, piece : int
        How many threads there are, and how many neurons one of them takes at once.
    """

    def __init__(
        self,
        function: Callable[..., int],
        wanted: Sequence[str],
        known: Mapping[str, Any],
        shapes: Callable[[str, Tensor], tuple[int, ...]],
        width: int,
        work: int,
        unit: int = 64,
        pieces: int = 4,
    ) -> None:
        assert tuple(wanted[:4]) == ("_lo", "_hi", "_k0", "_k1")
        self.function, self.wanted, self.width, self.shapes = function, wanted[4:], width, shapes
        self.team = _openmp() if isinstance(function, Compiled) and torch.get_num_threads() > 1 else None
        worth = _WORTH_ALONE if self.team is None else _WORTH
        self.threads = max(1, min(torch.get_num_threads(), width * work // worth, width // unit))
        piece = -(-width // self.threads)
        self.piece = -(-min(piece, max(_LEAST, -(-piece // pieces))) // unit) * unit
        self.own = [a for a in self.wanted if a.startswith("_was_")]
        self.scratch = [(known["_every"], known["_block"]) for _ in self.own]
        self.kinds = [known["_keep_" + a.removeprefix("_was_")].dtype for a in self.own]
        self.buffers: list[Any] = []
        self.place(known)
        found = function.machine_code(0, width, 0, 1, *self._arrays(0)) if isinstance(function, Compiled) else None
        if found is not None and (self.threads == 1 or self.team is not None):
            self._prepare(*found)
            self.place(known)

    def _prepare(self, address: int, format: str) -> None:
        """Lay out the words of each thread."""
        self.names = [a for a in self.wanted if isinstance(self.known.get(a), Tensor)]
        self.numbers = [(i, a) for i, a in enumerate(self.wanted) if a not in self.names and a not in self.own]
        shapes = [self.shapes(a, self.known[a]) for a in self.names]
        self.views = Views(shapes + self.scratch * self.threads)
        self.entry, self.words = (
            ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address),
            struct.Struct("=" + format[5:]),
        )
        self.counter = ctypes.c_int64(0)
        head = struct.pack("=5q", address, 0, ctypes.addressof(self.counter), self.piece, self.width)
        size = len(head) + 32 + self.words.size
        self.buffers = [ctypes.create_string_buffer(head, size) for _ in range(self.threads)]
        self.places = (ctypes.c_void_p * self.threads)(*(ctypes.addressof(x) for x in self.buffers))
        self.values: list[list[Any]] = []
        for i in range(self.threads):
            begin = len(self.names) + i * len(self.own)
            where = dict(zip(self.names, self.views.words, strict=False))
            where |= dict(zip(self.own, self.views.words[begin:], strict=False))
            self.values.append([where.get(a, 0) for a in self.wanted])

    def place(self, known: Mapping[str, Any]) -> None:
        """Take other numbers, and other tensors of the same shapes and types."""
        self.known = known
        self.memory = [
            [empty(s, kind) for s, kind in zip(self.scratch, self.kinds, strict=True)] for _ in range(self.threads)
        ]
        if not self.buffers:
            return
        data = [known[a].data_ptr() for a in self.names]
        self.views.place(data + [x.data_ptr() for part in self.memory for x in part])
        for values, buffer in zip(self.values, self.buffers, strict=True):
            for i, a in self.numbers:
                values[i] = known[a]
            self.words.pack_into(buffer, _ARGUMENTS + 32, *values)

    def release(self) -> None:
        """Let go of the memory."""
        self.known, self.memory = {}, []

    def __call__(self, k0: int, k1: int) -> int:
        """Return the bits that the loop returned for any neuron."""
        if not self.buffers:
            return self._by_functions(k0, k1)
        for buffer in self.buffers:
            struct.pack_into("=q", buffer, _RESULT, 0)
            struct.pack_into("=4q", buffer, _ARGUMENTS, 0, self.width, k0, k1)
        if self.threads == 1:
            found = self.entry(self.places[0] + _ARGUMENTS)
        else:
            assert self.team is not None
            start, every = self.team
            self.counter.value = 0
            start(every, self.places, self.threads, 0)
            found = 0
            for buffer in self.buffers:
                found |= struct.unpack_from("=q", buffer, _RESULT)[0]
        if found < 0:
            raise RuntimeError("a compiled loop raised an exception")
        return int(found)

    def _arrays(self, thread: int) -> list[Any]:
        """Return the arguments after the first four as numbers and NumPy arrays."""
        scratch = dict(zip(self.own, self.memory[thread], strict=True))
        out: list[Any] = []
        for a in self.wanted:
            x = scratch[a] if a in scratch else self.known[a]
            shape = self.shapes(a, x) if isinstance(x, Tensor) and a not in scratch else None
            out.append(x if not isinstance(x, Tensor) else x.detach().numpy().reshape(shape or x.shape))
        return out

    def _by_functions(self, k0: int, k1: int) -> int:
        n, threads = self.width, self.threads
        share = self.piece * -(-n // (self.piece * threads))
        cuts = [min(i * share, n) for i in range(threads)] + [n]
        calls = [[cuts[i], cuts[i + 1], k0, k1, *self._arrays(i)] for i in range(threads)]
        jobs = [_pool(torch.get_num_threads()).submit(self.function, *call) for call in calls[1:]]
        found = self.function(*calls[0])
        for job in jobs:
            found |= job.result()
        return found
