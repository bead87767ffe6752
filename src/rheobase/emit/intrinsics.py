"""What generated loops call that Python has no word for; in plain Python their modules' own functions stand there."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from rheobase.emit.to_numba import jit

__all__ = ["ask_ahead", "power_of_two", "prefetch", "row_adder"]


@lru_cache(maxsize=2)
def power_of_two(real: str = "float64") -> Any:
    """Return ``_two_to(k)`` compiled: a float with that exponent and nothing else, by writing its bits."""
    if real == "float32":

        def two_to(k):  # type: ignore[no-untyped-def]
            return np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
    else:

        def two_to(k):  # type: ignore[no-untyped-def]
            return np.int64((np.int64(np.int32(k)) + 1023) << 52).view(np.float64)

    return jit(two_to, inline=True)


def ask_ahead(build: Any, place: Any, write: bool, keep: int) -> None:
    """Print that the cache line at an address will be read or written; `keep` is 0 (once) to 3 (again and again)."""
    from llvmlite import ir
    from numba.core.cgutils import get_or_insert_function

    pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
    function = get_or_insert_function(build.module, kind, "llvm.prefetch.p0i8")
    build.call(function, [build.bitcast(place, pointer), number(int(write)), number(keep), number(1)])


@lru_cache(maxsize=2)
def prefetch(write: bool) -> Callable[..., Any]:
    """Return ``_fetch(rows, k, i)`` or, to be written, ``_claim(rows, k, i)``: asks for a cache line early.

    The processor does so by itself along a row, but not from one row to the next, which lies elsewhere in memory.
    """
    from numba.core import types
    from numba.core.cgutils import get_item_pointer
    from numba.extending import intrinsic

    @intrinsic
    def touch(context, rows, k, i):  # type: ignore[no-untyped-def]
        def generate(target, build, signature, arguments):  # type: ignore[no-untyped-def]
            kind = signature.args[0]
            array = target.make_array(kind)(target, build, arguments[0])
            ask_ahead(build, get_item_pointer(target, build, kind, array, arguments[1:]), write, 3)
            return target.get_dummy_value()

        return types.none(rows, types.intp, types.intp), generate

    return touch


@lru_cache(maxsize=4)
def row_adder(width: int) -> Callable[..., Any]:
    """Return ``_add_rows(out, r, i, rows, k, listed, l, count)``: a part of a row gets that of others.

    ``out[r, i:i+width] += sum of rows[listed[l, q], k:k+width] over q < count``. The sum stays in registers until it is
    whole; loops over rows and columns would write and read it again for each row.
    """
    from llvmlite import ir
    from numba.core import types
    from numba.core.cgutils import alloca_once_value, for_range, get_item_pointer, unpack_tuple
    from numba.extending import intrinsic

    @intrinsic
    def add(context, out, r, i, rows, k, listed, l, count):  # type: ignore[no-untyped-def]
        def generate(target, build, signature, arguments):  # type: ignore[no-untyped-def]
            kinds = signature.args
            arrays = {n: target.make_array(kinds[n])(target, build, arguments[n]) for n in (0, 3, 5)}

            def place(n, *at):  # type: ignore[no-untyped-def]
                return get_item_pointer(target, build, kinds[n], arrays[n], at)

            word, size = ir.IntType(64), kinds[0].dtype.bitwidth // 8
            lanes = min(64 // size, width)
            vector = ir.VectorType(ir.FloatType() if size == 4 else ir.DoubleType(), lanes)
            goal = build.bitcast(place(0, arguments[1], arguments[2]), vector.as_pointer())
            corner = build.bitcast(place(3, word(0), arguments[4]), ir.IntType(8).as_pointer())
            names = place(5, arguments[6], word(0))
            pitch = unpack_tuple(build, arrays[3].strides, 2)[0]
            sums = [alloca_once_value(build, ir.Constant(vector, None)) for _ in range(width // lanes)]
            for s in sums:
                build.store(ir.Constant(vector, None), s)
            with for_range(build, arguments[7]) as loop:
                row = build.zext(build.load(build.gep(names, [loop.index])), word)
                source = build.bitcast(build.gep(corner, [build.mul(row, pitch)]), vector.as_pointer())
                for n, s in enumerate(sums):
                    part = build.load(build.gep(source, [word(n)]), align=size)
                    build.store(build.fadd(build.load(s), part), s)
            for n, s in enumerate(sums):
                there = build.gep(goal, [word(n)])
                build.store(build.fadd(build.load(there, align=size), build.load(s)), there, align=size)
            return target.get_dummy_value()

        return types.none(out, types.intp, types.intp, rows, types.intp, listed, types.intp, types.intp), generate

    return add
