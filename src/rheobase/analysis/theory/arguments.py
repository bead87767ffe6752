"""What a formula's arguments may be, and the quadrature that several formulas share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheobase.errors import InputError

__all__ = ["CUT", "SQRT_PI", "Floats", "above", "integrate", "legendre", "numbers", "plain", "positive"]

Floats = NDArray[np.floating[Any]]

SQRT_PI = float(np.sqrt(np.pi))
CUT = 40.0  # exp(-40) is below rounding


def numbers(name: str, value: ArrayLike, unit: str) -> Floats:
    """Return an argument as an array of numbers."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} = {value!r:.60} must be a plain number, or an array of them, in {unit}.") from None


def positive(name: str, value: ArrayLike, unit: str, zero: bool = False) -> Floats:
    """Return an argument as an array, checked to be positive (or zero) and finite."""
    array = numbers(name, value, unit)
    if not np.all(np.isfinite(array) & ((array >= 0) if zero else (array > 0))):
        kind = "zero or positive" if zero else "positive"
        raise InputError(f"{name} = {value!r} must be {kind} and finite, in {unit}.")
    return array


def above(name: str, high: ArrayLike, below: str, low: ArrayLike) -> None:
    """Refuse `high` that is not above `low`."""
    if not np.all(np.asarray(high, dtype=np.float64) > np.asarray(low, dtype=np.float64)):
        raise InputError(f"{name} = {high!r} must be above {below} = {low!r}; swap them or lower {below}.")


def plain(value: Any) -> Any:
    """Return a float for a scalar, else the array."""
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array


@cache
def legendre(n: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of Gauss-Legendre quadrature on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(n)
    return (x + 1) / 2, w / 2


def integrate(f: Callable[[float], float], edges: Sequence[float]) -> float:
    """Return the integral of f over the joined pieces between the edges."""
    from scipy.integrate import quad

    pieces = [(low, high) for low, high in pairwise(edges) if high > low]
    return float(sum(quad(f, low, high, epsabs=0, epsrel=1e-12, limit=400)[0] for low, high in pieces))
