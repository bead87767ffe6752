"""Rates of transitions: read from a number, a unit text or an expression, checked, and computed on arrays."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model.compute import compute
from rheobase.model.dimensions import Inference, Monomial
from rheobase.model.distribution import Distribution
from rheobase.model.expression import RESERVED, Expression, normalise, parse_number
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.units import DIMENSIONLESS, Dimension, parse_unit

__all__ = ["Rate", "evaluate_rates", "find_inputs", "infer_dimensions", "print_rate", "read_rate", "read_value"]

Rate = Quantity | Expression

_KHZ: Final = parse_unit("kHz")[1]
#: a number with a unit and nothing else, so that a misspelt unit is called that
_PLAIN: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*[A-Za-z][\w/*^]*\s*")


def read_value(value: Any, name: str) -> Quantity:
    """Return a value as a quantity: finite, a number or an array."""
    q = read_quantity(value, name)
    if isinstance(q.value, Distribution):
        raise InputError(f"{name} = {q}: draw the values first and give an array, one value a neuron")
    if not np.all(np.isfinite(q.value)):
        raise InputError(f"{name} = {q} is not finite")
    return q


def read_rate(rate: Any, key: str, parameters: Mapping[str, Quantity]) -> Rate:
    """Return the rate of the transition `key`: a quantity in kHz, or a checked expression.

    A text is a number with a unit if it can be read so (``"0.2/ms"``) and names no parameter; else it is an
    expression (``"0.2/tau"``).
    """
    row = f"'{key}'"
    q: Quantity | None = None
    if isinstance(rate, str):
        clean = normalise(rate)
        if not {*re.findall(r"[^\W\d]\w*", clean.text)} & set(parameters):
            try:
                q = read_value(rate, f"the rate of {row}")
            except InputError:
                if _PLAIN.fullmatch(rate):
                    raise
        if q is None:
            return parse_number(clean.part(0, len(clean.text)), row)
    else:
        q = read_value(rate, f"the rate of {row}")
    if q.shape:
        raise InputError(f"the rate of {row} has {q.shape[0]} values; write a name, and give the values as a parameter")
    if q.dimension is not None and q.dimension != _KHZ:
        raise UnitMismatch(f"the rate of {row} = {q} is in {q.dimension.unit}; a rate is per time, such as '50 Hz'")
    if q.value < 0:  # type: ignore[operator]
        raise InputError(f"the rate of {row} = {q} is negative; a rate is 0 or more")
    return q


def find_inputs(rates: Mapping[str, Rate], parameters: Mapping[str, Quantity]) -> tuple[str, ...]:
    """Return the names in the rates that no parameter gives a value, in the order of the rates."""
    found: dict[str, None] = {}
    for rate in rates.values():
        if isinstance(rate, Quantity):
            continue
        called = {id(n.func) for n in ast.walk(rate.tree) if isinstance(n, ast.Call)}
        nodes = [n for n in ast.walk(rate.tree) if isinstance(n, ast.Name) and id(n) not in called and n.id != "pi"]
        for node in sorted(nodes, key=lambda n: n.col_offset):
            if node.id == "t":
                raise rate.fail(
                    node,
                    "a rate cannot name t; write an input, u, and give simulate_markov u as a function of t",
                )
            if node.id in RESERVED or node.id in ("e", "inf", "nan", "p0"):
                raise rate.fail(node, f"'{node.id}' cannot be used as a name in a rate")
            found[node.id] = None
    for name in parameters:
        if name not in found:
            raise InputError(
                f"'{name}' stands in no rate.{nearest(name, found)} The rates use: {', '.join(found) or 'numbers only'}"
            )
    sizes = {q.shape[0]: n for n, q in parameters.items() if q.shape}
    if len(sizes) > 1:
        (a, first), (b, second) = [*sizes.items()][:2]
        raise InputError(
            f"{first} has {a} values and {second} has {b}; arrays need one value a neuron, of the same length"
        )
    return tuple(n for n in found if n not in parameters)


def infer_dimensions(rates: Mapping[str, Rate], parameters: Mapping[str, Quantity]) -> dict[str, Dimension | None]:
    """Return the dimension of every parameter and input, as far as the rates determine it."""
    given = {n: q.dimension for n, q in parameters.items() if q.dimension is not None}
    inputs = find_inputs(rates, parameters)
    if not given:
        return dict.fromkeys([*parameters, *inputs])
    infer = Inference(given)
    for rate in rates.values():
        if isinstance(rate, Expression):
            found = infer.walk(rate)
            if not infer.equal(found, Monomial(_KHZ)):
                raise infer.mismatch(rate, rate.tree, f"a rate is per time (kHz), this is in {infer.unit(found)}")
    out = {n: infer.resolve(n) for n in (*parameters, *inputs)}
    return {n: DIMENSIONLESS if d is None and n in parameters else d for n, d in out.items()}


def evaluate_rates(rates: Mapping[str, Rate], parameters: Mapping[str, Any], inputs: Mapping[str, Any]) -> np.ndarray:
    """Return every rate in kHz, shape (..., n_rates), for plain values; refuse one that is negative or not finite."""
    every = dict(parameters) | dict(inputs)
    columns = []
    for key, rate in rates.items():
        try:
            with np.errstate(all="ignore"):
                value = rate.value if isinstance(rate, Quantity) else compute(rate.tree, every)
            r = np.asarray(value, dtype=float)
        except ValueError:
            raise _misfit(every) from None
        wrong = ~((r >= 0) & np.isfinite(r))
        if wrong.any():
            raise _refuse_rate(key, r, wrong, inputs)
        columns.append(r)
    try:
        return np.stack(np.broadcast_arrays(*columns), axis=-1)
    except ValueError:
        raise _misfit(every) from None


def _misfit(values: Mapping[str, Any]) -> InputError:
    sizes = ", ".join(f"{n} has {np.shape(v)[-1]}" for n, v in values.items() if np.size(v) > 1)
    return InputError(f"inputs and parameters that are arrays need the same number of values; {sizes}")


def _refuse_rate(key: str, r: np.ndarray, wrong: np.ndarray, values: Mapping[str, Any]) -> InputError:
    bad = float(r[wrong].flat[0])
    first = tuple(np.argwhere(wrong)[0])
    # a rate that does not depend on an input has fewer axes than the input
    at = [f"{n} = {np.broadcast_to(v, r.shape)[first]:g}" for n, v in values.items() if np.ndim(v) <= r.ndim]
    fix = "max(0, ...)" if bad < 0 else "min(..., 100), or a smaller input"
    where = f" for {', '.join(at)}" if at else ""
    return InputError(f"the rate of '{key}' is {bad:g} kHz{where}; a rate is finite and not negative: use {fix}")


def print_rate(rate: Rate) -> str:
    """Return the rate as text."""
    if isinstance(rate, Expression):
        return rate.text
    return str(rate) if rate.dimension is not None else f"{rate.value!r} kHz".replace(".0 ", " ")
