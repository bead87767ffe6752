"""Threads that run one compiled loop together and wait for each other at every step.

They are Python threads, each in a compiled function without the interpreter's lock; they meet at a counter in shared
memory (0.2 us; starting threads anew each step would take 100 us).
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from time import perf_counter
from typing import Any, Final, final

import numpy as np

from rheobase.emit.intrinsics import ask_ahead

__all__ = ["PLAIN", "Team", "cores", "intrinsics"]

#: What the loop calls where it runs as plain Python, on one thread.
PLAIN: Final[dict[str, Callable[..., Any]]] = {
    "_arrive": lambda barrier: 0,
    "_seen": lambda barrier: 0,
    "_pause": lambda: None,
    "_give_way": lambda: None,
    "_prefetch": lambda array, i: None,
    "_as_row": lambda array: array.reshape((1, len(array))),
    "_call_out": lambda address, word: called(address, word),
    "_call_words": lambda address, words: 1,  # plain Python goes by _call_out
    "_ticks": lambda: 0,
}
_TRIAL: Final = 2  # chunks with one thread and chunks with all, before the quicker way is kept
_AGAIN: Final = 60  # chunks until both are tried again: other programs come and go


def called(address: int, word: int) -> int:
    """Return what the C function at an address, ``int64 f(int64)``, makes of a number."""
    return int(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(int(address))(int(word)))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def intrinsics() -> dict[str, Any]:
    """Return what Numba lacks: an atomic counter, a pause, giving way to others, fetching memory ahead, views."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic
    from numba.np.arrayobj import populate_array

    bit32, bit64 = ir.IntType(32), ir.IntType(64)

    def data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
        return context.make_array(kind)(context, builder, array).data

    @intrinsic
    def arrive(typing: Any, barrier: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            at = data(context, builder, signature.args[0], args[0])
            return builder.atomic_rmw("add", at, bit64(1), "acq_rel")

        return types.int64(barrier), write

    @intrinsic
    def seen(typing: Any, barrier: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load_atomic(data(context, builder, signature.args[0], args[0]), "acquire", 8)

        return types.int64(barrier), write

    def call_without_arguments(name: str, result: Any) -> Any:
        @intrinsic
        def function(typing: Any) -> Any:
            def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                if name:
                    kind = ir.FunctionType(result, [])
                    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
                return context.get_dummy_value()

            return types.none(), write

        return function

    @intrinsic
    def prefetch(typing: Any, array: Any, i: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            ask_ahead(builder, builder.gep(data(context, builder, signature.args[0], args[0]), [args[1]]), False, 2)
            return context.get_dummy_value()

        return types.none(array, i), write

    @intrinsic
    def as_row(typing: Any, array: Any) -> Any:
        # not reshape: that asks Numba's runtime, which code that is loaded without Numba does not have
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            column = context.make_array(signature.args[0])(context, builder, args[0])
            row = context.make_array(signature.return_type)(context, builder)
            (length,) = cgutils.unpack_tuple(builder, column.shape)
            one, size = length.type(1), column.itemsize
            populate_array(row, column.data, [one, length], [builder.mul(length, size), size], size, None)
            return row._getvalue()

        return types.Array(array.dtype, 2, "C")(array), write

    @intrinsic
    def call_out(typing: Any, address: Any, word: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(bit64, [bit64]).as_pointer()
            return builder.call(builder.inttoptr(args[0], kind), [args[1]])

        return types.int64(address, types.int64), write

    @intrinsic
    def call_words(typing: Any, address: Any, words: Any) -> Any:
        # a C function is given eight words; one that takes fewer does not look at the rest
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            at = data(context, builder, signature.args[1], args[1])
            given = [builder.load(builder.gep(at, [bit64(i)])) for i in range(8)]
            kind = ir.FunctionType(bit32, [bit64] * 8).as_pointer()
            return builder.sext(builder.call(builder.inttoptr(args[0], kind), given), bit64)

        return types.int64(types.int64, words), write

    @intrinsic
    def ticks(typing: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            if not x86:  # elsewhere it may not be allowed
                return bit64(0)
            kind = ir.FunctionType(bit64, [])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.readcyclecounter"), [])

        return types.int64(), write

    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return {
        "_arrive": arrive,
        "_seen": seen,
        "_pause": call_without_arguments("llvm.x86.sse2.pause" if x86 else "", ir.VoidType()),
        "_give_way": call_without_arguments("" if sys.platform == "win32" else "sched_yield", bit32),
        "_prefetch": prefetch,
        "_as_row": as_row,
        "_call_out": call_out,
        "_call_words": call_words,
        "_ticks": ticks,
    }


@final
class Team:
    """Up to `most` threads: one or all, whichever turns out to be quicker.

    Results do not depend on how many there are, so that the choice may follow the load of the machine: where others
    compute, threads that wait for each other at every step are many times slower than one.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.barrier = np.zeros(8, dtype=np.int64)
        self._pool = ThreadPoolExecutor(most - 1) if most > 1 else None
        self._spent: dict[int, list[float]] = {1: [], most: []}
        self._chosen = 0 if most > 1 else 1
        self._chunks = 0

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def is_trying(self) -> bool:
        """Whether it has yet to see what is quicker; its chunks should be short."""
        return self._chosen == 0

    @property
    def size(self) -> int:
        """How many threads the next chunk takes."""
        return self._chosen or min(self._spent, key=lambda size: (len(self._spent[size]), -size))

    def run(self, work: Callable[[int, int], None], steps: int) -> None:
        """Call work(i, size) for each thread i at once, for a chunk of so many steps."""
        size = self.size
        self.barrier[:] = 0
        begin = perf_counter()
        jobs = [self._pool.submit(work, i, size) for i in range(1, size)] if self._pool is not None else []
        work(0, size)
        for job in jobs:
            job.result()
        if self.most > 1:
            self._learn(size, (perf_counter() - begin) / steps)

    def _learn(self, size: int, seconds: float) -> None:
        self._chunks += 1
        if self._chosen:
            if self._chunks >= _AGAIN:
                self._chosen, self._chunks, self._spent = 0, 0, {1: [], self.most: []}
            return
        self._spent[size].append(seconds)
        if all(len(s) >= _TRIAL for s in self._spent.values()):
            self._chosen, self._chunks = min(self._spent, key=lambda size: min(self._spent[size])), 0
