"""The random numbers of `rheobase.random` in compiled form, filled a block at a time; same bits."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import numpy as np

from rheobase import random
from rheobase.engines.compile import compile_functions
from rheobase.random import COS_TERMS, LN_2, LOG_TERMS, SIN_TERMS, SQRT_2, TWO_PI

__all__ = ["fill_normals", "fill_uniforms"]

_S27, _S30, _S31, _S32, _S12 = (np.uint64(s) for s in (27, 30, 31, 32, 12))
_M1, _M2, _LOW = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0xFFFFFFFF)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8, _L9 = LOG_TERMS
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7 = SIN_TERMS
_B0, _B1, _B2, _B3, _B4, _B5, _B6, _B7, _B8 = COS_TERMS


# Four short loops, each of which LLVM vectorises; in one loop the reuse of x as bits forbids it (2 -> 9 ns a number).


def _hash_row(keys, step, x, turn):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        h = keys[i] + step
        h = (h ^ (h >> _S30)) * _M1
        h = (h ^ (h >> _S27)) * _M2
        h = h ^ (h >> _S31)
        x[i] = np.float64(np.int64(h >> _S32)) + 0.5
        turn[i] = np.float64(np.int64(h & _LOW)) * 2.0**-32


def _split_row(bits, exponent):  # type: ignore[no-untyped-def]
    for i in range(len(bits)):
        b = bits[i]
        exponent[i] = np.float64((b >> 52) - 1055)
        bits[i] = (b & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000


def _radius_row(x, exponent, r):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        m = x[i]
        e = exponent[i]
        high = m > SQRT_2
        m = m * 0.5 if high else m
        e = e + 1.0 if high else e
        f = (m - 1.0) / (m + 1.0)
        q = f * f
        p = (
            (((((((_L0 * q + _L1) * q + _L2) * q + _L3) * q + _L4) * q + _L5) * q + _L6) * q + _L7) * q + _L8
        ) * q + _L9
        r[i] = np.sqrt(-2.0 * (e * LN_2 + f * p))


def _turn_row(turn, r, even, odd):  # type: ignore[no-untyped-def]
    for i in range(len(r)):
        quarter = np.floor(4.0 * turn[i] + 0.5)
        a = (turn[i] - quarter * 0.25) * TWO_PI
        q = a * a
        s = (((((((_A0 * q + _A1) * q + _A2) * q + _A3) * q + _A4) * q + _A5) * q + _A6) * q + _A7) * a
        c = (((((((_B0 * q + _B1) * q + _B2) * q + _B3) * q + _B4) * q + _B5) * q + _B6) * q + _B7) * q + _B8
        swap = quarter == 1.0 or quarter == 3.0
        cos = s if swap else c
        sin = c if swap else s
        cos = -cos if (quarter == 1.0 or quarter == 2.0) else cos
        sin = -sin if (quarter == 2.0 or quarter == 3.0) else sin
        even[i] = r[i] * cos
        odd[i] = r[i] * sin


def _normal_block(keys, steps, skip, rows, out, x, bits, turn, exponent, r, spare):  # type: ignore[no-untyped-def]
    for j in range(len(steps)):
        even = 2 * j - skip
        _hash_row(keys, steps[j], x, turn)
        _split_row(bits, exponent)
        _radius_row(x, exponent, r)
        _turn_row(turn, r, out[even] if even >= 0 else spare, out[even + 1] if even + 1 < rows else spare)


def _uniform_block(keys, steps, out):  # type: ignore[no-untyped-def]
    for k in range(len(steps)):
        _uniform_row(keys, steps[k], out[k])


def _uniform_row(keys, step, out):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        h = keys[i] + step
        h = (h ^ (h >> _S30)) * _M1
        h = (h ^ (h >> _S27)) * _M2
        h = h ^ (h >> _S31)
        out[i] = (np.float64(np.int64(h >> _S12)) + 0.5) * 2.0**-52


@lru_cache(maxsize=1)
def _compiled() -> tuple[Any, Any]:
    module = sys.modules[__name__]
    compile_functions(
        module,
        ("_hash_row", "_split_row", "_radius_row", "_turn_row", "_uniform_row"),
        ("_normal_block", "_uniform_block"),
    )
    return module._normal_block, module._uniform_block


def _step_keys(key: int, k0: int, k1: int) -> np.ndarray:
    return np.array([random.step_key(key, k) for k in range(k0, k1)], dtype=np.uint64)


def fill_normals(key: int, keys: np.ndarray, k0: int, k1: int, out: np.ndarray, compiled: bool) -> None:
    """Write the Gaussian numbers of steps k0..k1-1 into `out`, shape (at least k1 - k0, len(keys))."""
    if not compiled:
        out[: k1 - k0] = random.normals(key, keys, k0, k1)
        return
    x, turn, exponent, r, spare = (np.empty(len(keys)) for _ in range(5))
    steps = _step_keys(key, k0 // 2, (k1 + 1) // 2)
    _compiled()[0](keys, steps, k0 % 2, k1 - k0, out, x, x.view(np.int64), turn, exponent, r, spare)


def fill_uniforms(key: int, keys: np.ndarray, k0: int, k1: int, out: np.ndarray, compiled: bool) -> None:
    """Write the uniform numbers of steps k0..k1-1 into `out`, shape (at least k1 - k0, len(keys))."""
    if not compiled:
        out[: k1 - k0] = random.uniforms(key, keys, k0, k1)
        return
    _compiled()[1](keys, _step_keys(key, k0, k1), out)
