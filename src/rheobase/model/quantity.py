"""A value with its unit: what a parameter, an initial state or a held input is."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model.distribution import Distribution, parse_distribution
from rheobase.random import Numbers
from rheobase.units import DIMENSIONLESS, Dimension, parse_quantity, parse_unit, strip_units

MAX_TEXT: Final = 100_000

__all__ = ["Quantity", "quantity_from_dict", "read_quantity", "values_from_dict"]


@final
@dataclass(frozen=True, eq=False)
class Quantity:
    """A float, an array (one value a neuron) or a `Distribution`, in the coherent unit.

    `dimension` is None when no unit was given: then the rows decide what it is.
    """

    value: float | np.ndarray | Distribution
    dimension: Dimension | None = None
    text: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape if isinstance(self.value, np.ndarray) else ()

    @property
    def varies(self) -> bool:
        """Whether neurons differ in it."""
        return not isinstance(self.value, float)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quantity) or self.dimension != other.dimension:
            return NotImplemented if not isinstance(other, Quantity) else False
        if isinstance(self.value, np.ndarray) or isinstance(other.value, np.ndarray):
            return np.array_equal(self.value, other.value)  # type: ignore[arg-type]
        return self.value == other.value

    __hash__ = None  # type: ignore[assignment]

    def draw(self, n: int, rng: np.random.Generator | Numbers) -> float | np.ndarray:
        """Return the value for n neurons: a float if they share it, else shape (n,)."""
        if isinstance(self.value, Distribution):
            return self.value.sample(rng, n)
        return self.value

    def __str__(self) -> str:
        if self.text:
            return self.text
        if isinstance(self.value, Distribution):
            return str(self.value)
        unit = f" {self.dimension.unit}" if self.dimension is not None else ""
        if isinstance(self.value, np.ndarray):
            if self.value.size <= 20:
                return f"[{', '.join(repr(float(x)) for x in self.value)}]{unit}"
            return f"[{self.value.min():g} .. {self.value.max():g}]{unit} ({self.value.size} values)"
        return f"{self.value!r}{unit}".replace(".0 ", " ").removesuffix(".0")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready form."""
        out: dict[str, Any] = {}
        if isinstance(self.value, Distribution):
            out["distribution"] = str(self.value)
        elif isinstance(self.value, np.ndarray):
            out["value"] = self.value.tolist()
        else:
            out["value"] = self.value if math.isfinite(self.value) else repr(self.value)
        if self.dimension is not None:
            out["unit"] = self.dimension.unit
        if self.text:
            out["text"] = self.text
        return out


def quantity_from_dict(data: Any, name: str) -> Quantity:
    """Return the quantity that `Quantity.to_dict` wrote."""
    if not isinstance(data, dict) or not ({"value", "distribution"} & set(data)):
        raise InputError(f"{name}: not a quantity: {str(data)[:60]}")
    dimension = parse_unit(str(data["unit"]))[1] if "unit" in data else None
    if "distribution" in data:
        d = parse_distribution(str(data["distribution"]))
        if d is None:
            raise InputError(f"{name}: not a distribution: {str(data['distribution'])[:60]}")
        return Quantity(d, d.dimension)
    value = data["value"]
    if isinstance(value, str) and value not in ("inf", "-inf"):  # the two numbers that JSON cannot write
        raise InputError(f"{name}: not a number: {value[:60]!r}")
    q = read_quantity(float(value) if isinstance(value, str) else value, name)
    return Quantity(q.value, dimension, _agreeing(data.get("text"), q, dimension, name))


def values_from_dict(data: Mapping[str, Any], fields: Collection[str], what: str) -> dict[str, Quantity]:
    """Return the parameters and initial values that a neuron or a synapse wrote; `fields` are all that it may have."""
    for key in data:
        if key not in fields:
            raise InputError(f"'{key!s:.60}' is no part of a {what}.{nearest(str(key), fields)}")
    values: dict[str, Quantity] = {}
    for group in ("parameters", "initial"):
        part = data.get(group) or {}
        if not isinstance(part, Mapping):
            raise InputError(f"'{group}' must map names to values")
        values |= {str(n): quantity_from_dict(q, str(n)) for n, q in part.items()}
    clash = set(values) & {*fields, "self"}
    if clash:
        raise InputError(f"'{min(clash)}' cannot be the name of a parameter")
    return values


def _agreeing(text: Any, q: Quantity, dimension: Dimension | None, name: str) -> str:
    """Return the text as typed if it says the same as the value, so that what is printed is what is run."""
    if not isinstance(text, str) or not text:
        return ""
    try:
        said = read_quantity(text, name)
    except ValueError:
        return ""
    return said.text if said == Quantity(q.value, dimension) else ""


def read_quantity(value: Any, name: str) -> Quantity:
    """Return a `Quantity` from a number, a text with unit, a list, an array, a distribution or a unit library's object.

    Raises
    ------
    InputError
        If it is none of these, is NaN, or has more than one axis.

    Examples
    --------
    >>> read_quantity("20 ms", "tau").value, str(read_quantity(["1 s", "2 s"], "tau"))
    (20.0, '[1000.0, 2000.0] ms')
    """
    if isinstance(value, Quantity):
        return value
    if isinstance(value, Distribution):
        return Quantity(value, value.dimension)
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise InputError(f"{name} = '{value[:40]}...' has {len(value)} characters; give a long list as an array")
        text = value.strip()
        if text.startswith("["):
            return _read_list_text(text, name)
        distribution = parse_distribution(text)
        if distribution is not None:
            return Quantity(distribution, distribution.dimension)
        number, dimension = parse_quantity(text, name)
        return Quantity(number, dimension, " ".join(text.split()))
    if value is None or isinstance(value, bool):
        raise InputError(f"{name} = {value} is not a number; give a value such as 1.0 or '20 ms'")
    stripped = None if isinstance(value, int | float) else strip_units(value)
    if stripped is not None:
        magnitude, dimension = stripped
        dimension = dimension if dimension else DIMENSIONLESS
        return _from_array(np.asarray(magnitude, dtype=float), dimension, name)
    if isinstance(value, list | tuple) and any(isinstance(v, str) for v in value):
        parts = [read_quantity(v, name) for v in value]
        if not all(isinstance(p.value, float) for p in parts):
            raise InputError(f"{name}: each item of a list must be one number, with or without a unit")
        dimensions = {p.dimension for p in parts if p.dimension is not None}
        if len(dimensions) > 1:
            raise UnitMismatch(f"{name}: the list mixes {' and '.join(sorted(d.unit for d in dimensions))}")
        return _from_array(np.array([p.value for p in parts], dtype=float), next(iter(dimensions), None), name)
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last of torch, of what still has a gradient
        raise InputError(
            f"{name} = {value!r:.60} is not a number; give a value such as '20 ms', a list or an array"
        ) from None
    return _from_array(array, None, name)


def _read_list_text(text: str, name: str) -> Quantity:
    inner, closed, unit = text[1:].partition("]")
    if not closed:
        raise InputError(f"{name} = '{text[:40]}': a closing ] is missing")
    return read_quantity([f"{part.strip()} {unit.strip()}".strip() for part in inner.split(",")], name)


def _from_array(array: np.ndarray, dimension: Dimension | None, name: str) -> Quantity:
    if np.isnan(array).any():
        where = f" at index {int(np.flatnonzero(np.isnan(array))[0])}" if array.ndim else ""
        raise InputError(f"{name} is NaN{where}; give a number")
    if array.ndim == 0:
        return Quantity(float(array), dimension)
    if array.ndim > 1:
        raise InputError(f"{name} has shape {array.shape}; one value a neuron has one axis, (n_neurons,)")
    if array.size == 0:
        raise InputError(f"{name} is empty")
    array = array.copy()
    array.flags.writeable = False
    return Quantity(array, dimension)
