"""What a stimulus is: a frozen description of an input as a function of time, sampled by whoever runs it.

`Stimulus.start` gives a `Sampler` for one step size and a number of neurons, which hands out the values held on
[t_k, t_k+1). Edges lie on the nearest instant: a step that is on at 20 ms holds from the step that begins at 20 ms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.random import derive_key
from rheobase.units import Dimension

__all__ = [
    "EDGE",
    "Constant",
    "Function",
    "Product",
    "Sampler",
    "Stimulus",
    "Sum",
    "as_row",
    "as_stimulus",
    "same_dimension",
    "same_size",
    "window",
]

#: Hands out the values for steps k0..k1-1, shape (k1 - k0, 1) or (k1 - k0, n).
Sampler = Callable[[int, int], np.ndarray]
EDGE: Final = 1e-6  # of a step: an edge this close to a grid point lies on it


class Stimulus(ABC):
    """A current (or any other input) as a function of time; add stimuli with ``+``, scale them with ``*``."""

    __array_ufunc__ = None  # an array times a stimulus is one stimulus, not an array of them

    @property
    @abstractmethod
    def dimension(self) -> Dimension | None:
        """The dimension of the values, or None if no unit was given."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many neurons it describes; None if all get the same."""

    @abstractmethod
    def start(self, dt: float, n: int, key: int) -> Sampler:
        """Return the sampler for a step `dt` (ms), `n` neurons and a 64-bit random key."""

    @final
    def __add__(self, other: Any) -> Stimulus:
        return Sum((self, as_stimulus(other, "the other part")))

    __radd__ = __add__

    @final
    def __sub__(self, other: Any) -> Stimulus:
        return Sum((self, as_stimulus(other, "the other part") * -1.0))

    @final
    def __rsub__(self, other: Any) -> Stimulus:
        return Sum((as_stimulus(other, "the other part"), self * -1.0))

    @final
    def __neg__(self) -> Stimulus:
        return self * -1.0

    @final
    def __mul__(self, factor: float) -> Stimulus:
        return Product(self, read_quantity(factor, "factor"))

    __rmul__ = __mul__


def as_stimulus(value: Any, name: str) -> Stimulus:
    """Return `value` as a stimulus: itself, or a constant."""
    if isinstance(value, Stimulus):
        return value
    if callable(value):
        return Function(value)
    if not isinstance(value, str | Quantity) and not hasattr(value, "sample"):
        try:
            shape = np.asarray(value).shape
        except (ValueError, RuntimeError):  # lists of different lengths; torch, of what still has a gradient
            raise InputError(f"{name} = {value!r:.60} is no array of numbers; of a tensor give x.detach()") from None
        if len(shape) == 2:
            raise InputError(f"{name} has shape {shape}; a current over time is rb.sampled(values, dt=...)")
    return Constant(read_quantity(value, name))


def same_dimension(parts: list[Dimension | None], what: str) -> Dimension | None:
    """Return the one dimension of several parts, None if none has any; refuse two."""
    known = {d for d in parts if d is not None}
    if len(known) > 1:
        raise UnitMismatch(f"{what} mixes {' and '.join(sorted(d.unit for d in known))}")
    return next(iter(known), None)


def same_size(parts: list[int | None], what: str) -> int | None:
    """Return how many neurons several parts describe, None if none says; refuse two answers."""
    known = {s for s in parts if s is not None}
    if len(known) > 1:
        raise InputError(f"{what} describes {' and '.join(map(str, sorted(known)))} neurons; lengths must agree")
    return next(iter(known), None)


def as_row(q: Quantity) -> np.ndarray:
    """Return a quantity as a row, (1, 1) or (1, n)."""
    if not isinstance(q.value, float | np.ndarray):
        raise InputError(f"{q}: draw it first; a stimulus needs numbers")
    return np.atleast_1d(np.asarray(q.value, dtype=float))[None, :]


def _after(t: np.ndarray, edge: float, dt: float) -> np.ndarray:
    return t >= edge - EDGE * dt


def window(t: np.ndarray, on: float, off: float, dt: float) -> np.ndarray:
    """Return which times lie in [on, off), as a column; an edge lies on the nearest instant."""
    return (_after(t, on, dt) & ~_after(t, off, dt))[:, None]


@final
@dataclass(frozen=True)
class Constant(Stimulus):
    """A value that does not change in time."""

    value: Quantity

    @property
    def dimension(self) -> Dimension | None:
        return self.value.dimension

    @property
    def size(self) -> int | None:
        return self.value.shape[0] if self.value.shape else None

    def start(self, dt: float, n: int, key: int) -> Sampler:
        drawn = self.value.draw(n, np.random.Generator(np.random.Philox(key=key)))
        row = np.atleast_1d(np.asarray(drawn, dtype=float))[None, :]
        return lambda k0, k1: np.broadcast_to(row, (k1 - k0, row.shape[1]))


@final
@dataclass(frozen=True)
class Sum(Stimulus):
    """Several stimuli at once."""

    parts: tuple[Stimulus, ...]

    def __post_init__(self) -> None:
        same_dimension([p.dimension for p in self.parts], "a sum of stimuli")
        same_size([p.size for p in self.parts], "a sum of stimuli")

    @property
    def dimension(self) -> Dimension | None:
        return same_dimension([p.dimension for p in self.parts], "a sum of stimuli")

    @property
    def size(self) -> int | None:
        return same_size([p.size for p in self.parts], "a sum of stimuli")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        samplers = [p.start(dt, n, derive_key(key, "part", i)) for i, p in enumerate(self.parts)]

        def take(k0: int, k1: int) -> np.ndarray:
            total = samplers[0](k0, k1)
            for s in samplers[1:]:
                total = total + s(k0, k1)
            return total

        return take


@final
@dataclass(frozen=True)
class Product(Stimulus):
    """A stimulus times a number."""

    part: Stimulus
    factor: Quantity

    @property
    def dimension(self) -> Dimension | None:
        d, f = self.part.dimension, self.factor.dimension
        return d if f is None else (f if d is None else d * f)

    @property
    def size(self) -> int | None:
        return same_size([self.part.size, *self.factor.shape[:1]], "a product")

    def start(self, dt: float, n: int, key: int) -> Sampler:
        sampler, factor = self.part.start(dt, n, key), as_row(self.factor)
        return lambda k0, k1: sampler(k0, k1) * factor


@final
@dataclass(frozen=True, eq=False)
class Function(Stimulus):
    """A Python function of t (ms), called with an array of times."""

    function: Callable[[np.ndarray], Any]

    @property
    def dimension(self) -> Dimension | None:
        return None

    @property
    def size(self) -> int | None:
        return None

    def start(self, dt: float, n: int, key: int) -> Sampler:
        def take(k0: int, k1: int) -> np.ndarray:
            t = np.arange(k0, k1) * dt
            try:
                out = np.asarray(self.function(t), dtype=float)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"the function of t failed for an array of times ({error}); write it with NumPy, for example"
                    " lambda t: np.where(t > 5, 0.3, 0)"
                ) from None
            if out.shape not in ((), (k1 - k0,)):
                raise InputError(f"the function of t returned shape {out.shape} for {k1 - k0} times")
            if np.isnan(out).any():
                raise InputError("the function of t returned NaN")
            return np.broadcast_to(out, (k1 - k0,))[:, None]

        return take
