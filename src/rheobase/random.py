"""Random numbers that depend on what they are for, not on when they are drawn.

Each number is a hash of (seed, stream, neuron, step), so a run gives the same bits for any number of
threads, any split into pieces, and with recording on or off. The hash is the finalizer of SplitMix64
(Steele, Lea & Flood 2014) over the sum of a neuron's key and a step's key; Gaussian numbers are made two
at a time from its 64 bits by Box and Muller's transform (1958), in arithmetic that vectorises.
"""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["derive_key", "mix", "neuron_keys", "normals", "step_key", "step_keys", "uniforms"]

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_M1: Final = 0xBF58476D1CE4E5B9
_M2: Final = 0x94D049BB133111EB


def mix(z: int) -> int:
    """Return 64 well-mixed bits of a 64-bit integer (a bijection)."""
    z = ((z ^ (z >> 30)) * _M1) & _MASK
    z = ((z ^ (z >> 27)) * _M2) & _MASK
    return z ^ (z >> 31)


def derive_key(seed: int, *names: str | int) -> int:
    """Return a 64-bit key for a seed and a path of names, such as (7, "E", "initial", "v").

    >>> derive_key(1, "noise") == derive_key(1, "noise") != derive_key(2, "noise")
    True
    """
    key = mix((seed + _GOLDEN) & _MASK)
    for name in names:
        data = name.to_bytes(9, "little", signed=True) if isinstance(name, int) else name.encode()
        for i in range(0, max(len(data), 1), 8):
            key = mix((key + _GOLDEN) & _MASK ^ int.from_bytes(data[i : i + 8], "little"))
        key = mix((key + len(data)) & _MASK)
    return key


def _mix_array(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_M1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_M2)
    return z ^ (z >> np.uint64(31))


def neuron_keys(key: int, start: int, stop: int) -> np.ndarray:
    """Return the keys of neurons start..stop-1, shape (stop - start,), uint64."""
    index = np.arange(start, stop, dtype=np.uint64)
    return _mix_array(np.uint64(key) + (index + np.uint64(1)) * np.uint64(_GOLDEN))


def step_key(key: int, step: int) -> int:
    """Return the key of a step, to be added to a neuron's key."""
    return mix((key ^ 0xD1B54A32D192ED03) + (step + 1) * _GOLDEN & _MASK)


def step_keys(key: int, k0: int, k1: int) -> np.ndarray:
    """Return the keys of steps k0..k1-1, shape (k1 - k0,), uint64."""
    steps = np.arange(k0 + 1, k1 + 1, dtype=np.uint64)
    return _mix_array(np.uint64(key ^ 0xD1B54A32D192ED03) + steps * np.uint64(_GOLDEN))


def uniforms(key: int, keys: np.ndarray, k0: int, k1: int) -> np.ndarray:
    """Return numbers in (0, 1) for steps k0..k1-1 and each neuron key, shape (k1 - k0, len(keys))."""
    out = np.empty((k1 - k0, len(keys)))
    for k in range(k0, k1):
        h = _mix_array(keys + np.uint64(step_key(key, k)))
        out[k - k0] = ((h >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return out


def normals(key: int, keys: np.ndarray, k0: int, k1: int) -> np.ndarray:
    """Return standard Gaussian numbers for steps k0..k1-1, shape (k1 - k0, len(keys)).

    Steps 2j and 2j+1 share a hash: r cos(phi) and r sin(phi).
    """
    out = np.empty((k1 - k0, len(keys)))
    for j in range(k0 // 2, (k1 + 1) // 2):
        h = _mix_array(keys + np.uint64(step_key(key, j)))
        r = np.sqrt(-2.0 * _log_unit((h >> np.uint64(32)).astype(np.float64) + 0.5))
        c, s = _cos_sin((h & np.uint64(0xFFFFFFFF)).astype(np.float64) * 2.0**-32)
        if k0 <= 2 * j < k1:
            out[2 * j - k0] = r * c
        if k0 <= 2 * j + 1 < k1:
            out[2 * j + 1 - k0] = r * s
    return out


# Coefficients shared with the compiled version, so that both round alike.
LOG_TERMS: Final = tuple(2.0 / (2 * i + 1) for i in range(9, -1, -1))
SIN_TERMS: Final = (
    -7.647163731819816e-13,
    1.6059043836821613e-10,
    -2.505210838544172e-08,
    2.7557319223985893e-06,
    -0.0001984126984126984,
    0.008333333333333333,
    -0.16666666666666666,
    1.0,
)
COS_TERMS: Final = (
    4.779477332387385e-14,
    -1.1470745597729725e-11,
    2.08767569878681e-09,
    -2.755731922398589e-07,
    2.48015873015873e-05,
    -0.001388888888888889,
    0.041666666666666664,
    -0.5,
    1.0,
)
LN_2: Final = 0.6931471805599453
SQRT_2: Final = 1.4142135623730951
TWO_PI: Final = 6.283185307179586


def _log_unit(x: np.ndarray) -> np.ndarray:
    """Return log(x / 2**32) for x in (0, 2**32)."""
    bits = x.view(np.int64)
    exponent = (bits >> 52) - 1055.0  # 1023 + 32
    m = ((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
    high = m > SQRT_2
    m = np.where(high, m * 0.5, m)
    exponent = np.where(high, exponent + 1.0, exponent)
    f = (m - 1.0) / (m + 1.0)
    q = f * f
    p = np.full_like(q, LOG_TERMS[0])
    for c in LOG_TERMS[1:]:
        p = p * q + c
    return exponent * LN_2 + f * p


def _cos_sin(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cos and sin of `a` turns, a in [0, 1)."""
    quarter = np.floor(4.0 * a + 0.5)
    x = (a - quarter * 0.25) * TWO_PI
    q = x * x
    s = np.full_like(q, SIN_TERMS[0])
    for c in SIN_TERMS[1:]:
        s = s * q + c
    s = s * x
    co = np.full_like(q, COS_TERMS[0])
    for c in COS_TERMS[1:]:
        co = co * q + c
    n = quarter.astype(np.int64)
    swap = (n & 1) == 1
    cos, sin = np.where(swap, s, co), np.where(swap, co, s)
    return np.where(((n + 1) & 2) != 0, -cos, cos), np.where((n & 2) != 0, -sin, sin)
