"""Random numbers that depend on what they are for, not on when they are drawn.

Each number is a hash of (seed, stream, neuron, step), so a run gives the same bits for any number of
threads, any split into pieces, and with recording on or off. The hash is the finalizer of SplitMix64
(Steele, Lea & Flood 2014) over the sum of a neuron's key and a step's key; Gaussian numbers are made two
at a time from its 64 bits by Box and Muller's transform (1958), in arithmetic that vectorises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import numpy as np

__all__ = [
    "Fill",
    "Numbers",
    "derive_key",
    "mix",
    "neuron_keys",
    "normals",
    "step_key",
    "step_keys",
    "uniforms",
    "uniforms_at",
    "word_key",
    "words",
]

#: Writes what `normals` returns for keys `neuron_keys(key, 0, n)` and steps 2j, 2j + 1 into an array (2, n).
Fill = Callable[[int, int, np.ndarray], None]

_BLOCK: Final = 1 << 15  # numbers made at once: they stay in the cache
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
    steps = step_keys(key, k0, k1)[:, None]
    rows = max(1, _BLOCK // max(len(keys), 1))
    for a in range(0, k1 - k0, rows):
        h = _mix_array(keys + steps[a : a + rows])
        out[a : a + rows] = ((h >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return out


def uniforms_at(key: int, keys: np.ndarray, steps: np.ndarray, k0: int) -> np.ndarray:
    """Return what `uniforms` returns for pairs of a neuron's key and a step, k0 + `steps`; shape (len(keys),)."""
    last = int(steps.max(initial=-1)) + 1
    h = _mix_array(keys + step_keys(key, k0, k0 + last)[steps])
    return ((h >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def word_key(key: int) -> int:
    """Return the key of `words`, which shares no hash with `uniforms`."""
    return mix(key ^ 0x5851F42D4C957F2D)


def words(key: int, n: int, k0: int, k1: int) -> np.ndarray:
    """Return 16 random bits for steps k0..k1-1 and neurons 0..n-1, shape (k1 - k0, n), uint16.

    Neurons 4g..4g+3 share a hash, of which the first takes the lowest bits.
    """
    own = word_key(key)
    h = _mix_array(neuron_keys(own, 0, -(-n // 4)) + step_keys(own, k0, k1)[:, None])
    return h.astype("<u8", copy=False).view("<u2")[:, :n]


def normals(key: int, keys: np.ndarray, k0: int, k1: int) -> np.ndarray:
    """Return standard Gaussian numbers for steps k0..k1-1, shape (k1 - k0, len(keys)).

    Steps 2j and 2j+1 share a hash, whose upper half gives the radius r of Box and Muller, its lower half two
    coordinates on the unit circle: an angle within 45 degrees of the axis, whether to swap the two, a sign.
    """
    out = np.empty((k1 - k0, len(keys)))
    for j in range(k0 // 2, (k1 + 1) // 2):
        h = _mix_array(keys + np.uint64(step_key(key, j)))
        low = h & np.uint64(0xFFFFFFFF)
        r = np.sqrt(-2.0 * _log_unit((h >> np.uint64(32)).astype(np.float64) + 0.5))
        r = np.where((low & np.uint64(2)) != 0, -r, r)
        c, s = _cos_sin(((low >> np.uint64(2)).astype(np.float64) - HALF_TURN) * ANGLE)
        swap = (low & np.uint64(1)) != 0
        if k0 <= 2 * j < k1:
            out[2 * j - k0] = r * np.where(swap, s, c)
        if k0 <= 2 * j + 1 < k1:
            out[2 * j + 1 - k0] = r * np.where(swap, c, s)
    return out


@final
class Numbers:
    """The random numbers of one use, in the order in which they are asked for; Gaussian ones by `normals`.

    NumPy's generator takes ten times as long for those as the compiled `fill`, which writes the same bits.

    >>> Numbers(1).standard_normal(3) == Numbers(1).standard_normal(3)
    array([ True,  True,  True])
    """

    def __init__(self, key: int, fill: Fill | None = None) -> None:
        self._key, self._fill, self._asked = key, fill or _fill, 0
        rng = np.random.Generator(np.random.Philox(key=key))
        self.random, self.standard_exponential, self.standard_gamma = (
            rng.random,
            rng.standard_exponential,
            rng.standard_gamma,
        )

    def standard_normal(self, n: int) -> np.ndarray:
        """Return n Gaussian numbers of mean 0 and variance 1."""
        out = np.empty((2, -(-n // 2)))
        self._fill(self._key, self._asked, out)
        self._asked += 1
        return out.reshape(-1)[:n]


def _fill(key: int, j: int, out: np.ndarray) -> None:
    for lo in range(0, out.shape[1], _BLOCK):
        hi = min(lo + _BLOCK, out.shape[1])
        out[:, lo:hi] = normals(key, neuron_keys(key, lo, hi), 2 * j, 2 * j + 2)


# Shared with the compiled version, so that both round alike. The polynomials are those of FDLIBM's e_log.c,
# k_sin.c and k_cos.c (Sun Microsystems 1993), highest power first: errors below 2**-57.
LOG_TERMS: Final = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
    2.0,
)
SIN_TERMS: Final = (
    1.58969099521155010221e-10,
    -2.50507602534068634195e-08,
    2.75573137070700676789e-06,
    -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
    -1.66666666666666324348e-01,
    1.0,
)
COS_TERMS: Final = (
    -1.13596475577881948265e-11,
    2.08757232129817482790e-09,
    -2.75573143513906633035e-07,
    2.48015872894767294178e-05,
    -1.38888888888741095749e-03,
    4.16666666666666019037e-02,
    -0.5,
    1.0,
)
LN_2: Final = 0.6931471805599453
ROOT_HALF: Final = 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2)
SHIFT: Final = 0x3FF0000000000000 - ROOT_HALF
FRACTION: Final = (1 << 52) - 1
HALF_TURN: Final = 2.0**29 - 0.5
ANGLE: Final = 1.5707963267948966 * 2.0**-30


def _log_unit(x: np.ndarray) -> np.ndarray:
    """Return log(x / 2**32) for x in (0, 2**32), through a mantissa within a factor sqrt(2) of 1."""
    bits = x.view(np.int64) + SHIFT
    exponent = ((bits >> 52) - 1055).astype(np.float64)  # 1023 + 32
    m = ((bits & FRACTION) + ROOT_HALF).view(np.float64)
    f = (m - 1.0) / (m + 1.0)
    return exponent * LN_2 + f * _sum_powers(LOG_TERMS, f * f)


def _cos_sin(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cos(x) and sin(x) for angles within pi/4 of 0."""
    q = x * x
    return _sum_powers(COS_TERMS, q), _sum_powers(SIN_TERMS, q) * x


def _sum_powers(terms: tuple[float, ...], q: np.ndarray) -> np.ndarray:
    p = terms[0] * q + terms[1]
    for c in terms[2:]:
        p = p * q + c
    return p
