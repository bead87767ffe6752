"""The random numbers of `rheobase.random` in compiled form, filled a block at a time; same bits."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np

from rheobase import random
from rheobase.emit.to_numba import compile_functions
from rheobase.random import ANGLE, COS_TERMS, FRACTION, HALF_TURN, LN_2, LOG_TERMS, ROOT_HALF, SHIFT, SIN_TERMS

__all__ = ["fill_normals", "fill_run", "fill_uniforms"]

_AT_ONCE: Final = 1024  # keys that stay in the first cache

_S1, _S2, _S12, _S27, _S30, _S31, _S32 = (np.uint64(s) for s in (1, 2, 12, 27, 30, 31, 32))
_M1, _M2, _LOW = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0xFFFFFFFF)
_GOLDEN, _STEP, _0 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03), np.uint64(0)
_ONE = np.uint64(1)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7 = LOG_TERMS
_A0, _A1, _A2, _A3, _A4, _A5, _A6 = SIN_TERMS
_B0, _B1, _B2, _B3, _B4, _B5, _B6, _B7 = COS_TERMS


def _mix(z):  # type: ignore[no-untyped-def]
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


def _normal_pair(keys, step, even, odd):  # type: ignore[no-untyped-def]
    # one loop, which LLVM vectorises: nothing is kept in memory on the way, not even to read a float as bits
    for i in range(len(keys)):
        h = _mix(keys[i] + step)
        bits = _to_bits(np.float64(np.int64(h >> _S32)) + 0.5) + SHIFT  # type: ignore[name-defined]  # noqa: F821
        e = np.float64((bits >> 52) - 1055)
        m = _to_float((bits & FRACTION) + ROOT_HALF)  # type: ignore[name-defined]  # noqa: F821
        f = (m - 1.0) / (m + 1.0)
        q = f * f
        p = ((((((_L0 * q + _L1) * q + _L2) * q + _L3) * q + _L4) * q + _L5) * q + _L6) * q + _L7
        r = np.sqrt(-2.0 * (e * LN_2 + f * p))
        low = h & _LOW
        r = -r if (low & _S2) != _0 else r
        x = (np.float64(np.int64(low >> _S2)) - HALF_TURN) * ANGLE
        q = x * x
        s = ((((((_A0 * q + _A1) * q + _A2) * q + _A3) * q + _A4) * q + _A5) * q + _A6) * x
        c = ((((((_B0 * q + _B1) * q + _B2) * q + _B3) * q + _B4) * q + _B5) * q + _B6) * q + _B7
        swap = (low & _S1) != _0
        even[i] = r * (s if swap else c)
        odd[i] = r * (c if swap else s)


def _normal_block(key, keys, k0, k1, out, spare):  # type: ignore[no-untyped-def]
    for j in range(k0 // 2, (k1 + 1) // 2):
        even = 2 * j - k0
        step = _mix((key ^ _STEP) + np.uint64(j + 1) * _GOLDEN)
        _normal_pair(keys, step, out[even] if even >= 0 else spare, out[even + 1] if 2 * j + 1 < k1 else spare)


def _normal_run(key, j, out, keys):  # type: ignore[no-untyped-def]
    step = _mix((key ^ _STEP) + (j + _ONE) * _GOLDEN)
    for lo in range(0, out.shape[1], len(keys)):
        n = min(len(keys), out.shape[1] - lo)
        _number_keys(key, np.uint64(lo), keys[:n])
        _normal_pair(keys[:n], step, out[0, lo : lo + n], out[1, lo : lo + n])


def _number_keys(key, lo, keys):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        keys[i] = _mix(key + (lo + np.uint64(i) + _ONE) * _GOLDEN)


def _uniform_block(key, keys, k0, k1, out):  # type: ignore[no-untyped-def]
    for k in range(k0, k1):
        _uniform_row(keys, _mix((key ^ _STEP) + np.uint64(k + 1) * _GOLDEN), out[k - k0])


def _uniform_row(keys, step, out):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        out[i] = (np.float64(np.int64(_mix(keys[i] + step) >> _S12)) + 0.5) * 2.0**-52


def _bit_casts() -> Mapping[str, Any]:
    """Return the functions that read a float as bits and bits as a float, for Numba to build in."""
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    def to_bits(typing: Any, x: Any) -> Any:
        return types.int64(types.float64), lambda context, build, sig, args: build.bitcast(args[0], ir.IntType(64))

    def to_float(typing: Any, x: Any) -> Any:
        return types.float64(types.int64), lambda context, build, sig, args: build.bitcast(args[0], ir.DoubleType())

    return {"_to_bits": intrinsic(to_bits), "_to_float": intrinsic(to_float)}


@lru_cache(maxsize=1)
def _compiled() -> tuple[Any, Any, Any]:
    module = sys.modules[__name__]
    inner = ("_mix", "_normal_pair", "_number_keys", "_uniform_row")
    compile_functions(module, inner, ("_normal_block", "_uniform_block", "_normal_run"), _bit_casts)
    return module._normal_block, module._uniform_block, module._normal_run


def fill_normals(key: int, keys: np.ndarray, k0: int, k1: int, out: np.ndarray, compiled: bool) -> None:
    """Write the Gaussian numbers of steps k0..k1-1 into `out`, shape (at least k1 - k0, len(keys))."""
    if not compiled:
        out[: k1 - k0] = random.normals(key, keys, k0, k1)
        return
    spare = np.empty(len(keys)) if (k0 | k1) & 1 else out[0]
    _compiled()[0](np.uint64(key), keys, k0, k1, out, spare)


def fill_uniforms(key: int, keys: np.ndarray, k0: int, k1: int, out: np.ndarray, compiled: bool) -> None:
    """Write the uniform numbers of steps k0..k1-1 into `out`, shape (at least k1 - k0, len(keys))."""
    if not compiled:
        out[: k1 - k0] = random.uniforms(key, keys, k0, k1)
        return
    _compiled()[1](np.uint64(key), keys, k0, k1, out)


def fill_run(key: int, j: int, out: np.ndarray) -> None:
    """Write the Gaussian numbers of `rheobase.random.Numbers`, compiled; see `rheobase.random.Fill`."""
    _compiled()[2](np.uint64(key), np.uint64(j), out, np.empty(min(_AT_ONCE, out.shape[1]), dtype=np.uint64))
