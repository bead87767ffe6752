"""Values drawn at random, one for each neuron or synapse."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch
from rheobase.random import Numbers
from rheobase.units import Dimension, parse_quantity, strip_units

__all__ = ["Distribution", "exponential", "gamma", "lognormal", "normal", "parse_distribution", "uniform"]


def _scale(x: np.ndarray, mean: float, sd: float) -> np.ndarray:
    """Return mean + sd x in the memory of x."""
    x *= sd
    x += mean
    return x


_DRAW: Final[dict[str, Callable[..., np.ndarray]]] = {
    "uniform": lambda rng, n, a, b: a + (b - a) * rng.random(n),
    "normal": lambda rng, n, mean, sd: _scale(rng.standard_normal(n), mean, sd),
    "lognormal": lambda rng, n, mu, sigma: np.exp(mu + sigma * rng.standard_normal(n)),
    "exponential": lambda rng, n, mean: mean * rng.standard_exponential(n),
    "gamma": lambda rng, n, shape, scale: scale * rng.standard_gamma(shape, n),
}


@final
@dataclass(frozen=True)
class Distribution:
    """A random value; `sample` draws it. Values outside [low, high] are drawn again."""

    kind: str
    arguments: tuple[float, ...]
    dimension: Dimension | None = None
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.arguments)):
            raise InputError(f"{self}: the arguments of a distribution must be finite numbers")

    @property
    def lowest(self) -> float:
        """No draw is below this; -inf for an unbounded Gaussian."""
        least = {"uniform": self.arguments[0], "normal": -np.inf}
        return max(self.low, least.get(self.kind, math.ulp(0.0)))  # the others are positive

    @property
    def highest(self) -> float:
        """No draw is above this; inf for all but a uniform or bounded one."""
        return min(self.high, self.arguments[1] if self.kind == "uniform" else np.inf)

    def sample(self, rng: np.random.Generator | Numbers, n: int) -> np.ndarray:
        """Return `n` draws, shape (n,), in the coherent unit."""
        out = _DRAW[self.kind](rng, n, *self.arguments)
        for _ in range(1000):
            outside = self._outside(out)
            if not len(outside):
                return out
            out[outside] = _DRAW[self.kind](rng, len(outside), *self.arguments)
        raise InputError(f"{self}: fewer than one draw in a thousand falls between {self.low:g} and {self.high:g}")

    def _outside(self, x: np.ndarray) -> np.ndarray:
        """Return where values are out of bounds; what has no bound is not asked, of hundreds of millions."""
        if self.low == -np.inf and self.high == np.inf:
            return np.empty(0, dtype=np.int64)
        if self.high == np.inf or self.low == -np.inf:
            return np.flatnonzero(x < self.low if self.high == np.inf else x > self.high)
        return np.flatnonzero((x < self.low) | (x > self.high))

    def __str__(self) -> str:
        unit = f" {self.dimension.unit}" if self.dimension else ""
        inner = [f"{a!r}{unit}" for a in self.arguments]
        if self.kind in ("lognormal", "gamma"):  # the first is a number without unit
            inner[0] = repr(self.arguments[0])
        if self.kind == "lognormal":
            inner = [repr(a) for a in self.arguments]
            inner += [f"unit={self.dimension.unit}"] if self.dimension else []
        inner += [f"low={self.low!r}{unit}"] if np.isfinite(self.low) else []
        inner += [f"high={self.high!r}{unit}"] if np.isfinite(self.high) else []
        return f"{self.kind}({', '.join(inner)})"


def _read(values: list[Any], name: str) -> tuple[list[float], Dimension | None]:
    numbers, dimension = [], None
    for value in values:
        stripped = None if isinstance(value, str | int | float) else strip_units(value)
        if isinstance(value, str):
            number, d = parse_quantity(value, name)
        elif stripped is not None:
            number, d = float(stripped[0]), stripped[1]
        else:
            try:
                number, d = float(value), None
            except (TypeError, ValueError):
                raise InputError(
                    f"{name}: {value!r:.60} is not a number; give one, or a text such as '20 ms'"
                ) from None
        if d is not None:
            if dimension is not None and d != dimension:
                raise UnitMismatch(f"{name}: {value!r} is in {d.unit}, another argument in {dimension.unit}")
            dimension = d
        if np.isnan(number):
            raise InputError(f"{name}: an argument is NaN")
        numbers.append(number)
    return numbers, dimension


def _bounded(kind: str, numbers: list[float], dimension: Dimension | None, low: Any, high: Any) -> Distribution:
    bounds, d = _read([b for b in (low, high) if b is not None], kind)
    if d is not None and dimension is not None and d != dimension:
        raise UnitMismatch(f"{kind}: low and high are in {d.unit}, the values in {dimension.unit}")
    lower = bounds.pop(0) if low is not None else -np.inf
    upper = bounds.pop(0) if high is not None else np.inf
    if lower >= upper:
        raise InputError(f"{kind}: low = {lower:g} must be below high = {upper:g}")
    return Distribution(kind, tuple(numbers), dimension or d, lower, upper)


def uniform(low: Any, high: Any) -> Distribution:
    """Return a value between `low` and `high`, all equally likely.

    >>> print(uniform("-60 mV", "-50 mV"))
    uniform(-60.0 mV, -50.0 mV)
    """
    numbers, dimension = _read([low, high], "uniform")
    if numbers[0] > numbers[1]:
        raise InputError(f"uniform: low = {numbers[0]:g} is above high = {numbers[1]:g}")
    return Distribution("uniform", tuple(numbers), dimension)


def normal(mean: Any, sd: Any, low: Any = None, high: Any = None) -> Distribution:
    """Return a Gaussian value with `mean` and standard deviation `sd`; outside [low, high] it is redrawn.

    >>> print(normal("1.5 ms", "0.75 ms", low="0.1 ms"))
    normal(1.5 ms, 0.75 ms, low=0.1 ms)
    """
    numbers, dimension = _read([mean, sd], "normal")
    if numbers[1] < 0:
        raise InputError(f"normal: the standard deviation {numbers[1]:g} is negative")
    return _bounded("normal", numbers, dimension, low, high)


def lognormal(mu: float, sigma: float, unit: str = "1", low: Any = None, high: Any = None) -> Distribution:
    """Return exp(mu + sigma z), z Gaussian, in `unit`."""
    if sigma < 0:
        raise InputError(f"lognormal: sigma = {sigma:g} is negative")
    factor, dimension = parse_quantity(f"1 {unit}", "lognormal")
    return _bounded("lognormal", [mu + float(np.log(factor)), sigma], dimension if dimension else None, low, high)


def exponential(mean: Any, low: Any = None, high: Any = None) -> Distribution:
    """Return an exponentially distributed value with that mean."""
    numbers, dimension = _read([mean], "exponential")
    if numbers[0] <= 0:
        raise InputError(f"exponential: the mean {numbers[0]:g} must be positive")
    return _bounded("exponential", numbers, dimension, low, high)


def gamma(shape: float, scale: Any, low: Any = None, high: Any = None) -> Distribution:
    """Return a gamma distributed value; its mean is shape * scale."""
    numbers, dimension = _read([scale], "gamma")
    if shape <= 0 or numbers[0] <= 0:
        raise InputError(f"gamma: shape = {shape:g} and scale = {numbers[0]:g} must be positive")
    return _bounded("gamma", [float(shape), *numbers], dimension, low, high)


_CALL: Final = re.compile(r"\s*(uniform|normal|lognormal|exponential|gamma)\(([^()]*)\)\s*")


def parse_distribution(text: str) -> Distribution | None:
    """Return the distribution that `str` printed, or None if the text is something else.

    >>> parse_distribution("uniform(-60.0 mV, -50.0 mV)") == uniform("-60 mV", "-50 mV")
    True
    """
    match = _CALL.fullmatch(text) if len(text) < 300 else None
    if match is None:
        return None
    positional, named = [], {}
    for part in match[2].split(","):
        key, equals, value = part.partition("=")
        if equals:
            named[key.strip()] = value.strip()
        else:
            positional.append(part.strip())
    makers: dict[str, Callable[..., Distribution]] = {
        "uniform": uniform,
        "normal": normal,
        "exponential": exponential,
        "lognormal": lambda mu, sigma, **k: lognormal(float(mu), float(sigma), **k),
        "gamma": lambda shape, scale, **k: gamma(float(shape), scale, **k),
    }
    try:
        return makers[match[1]](*positional, **named)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError | UnitMismatch):
            raise
        raise InputError(f"cannot read '{text}'") from None
