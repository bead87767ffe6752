"""Numbers from symbols: a SymPy expression over floats or arrays, without generating code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import sympy

from rheobase.model.algebra import exprel

__all__ = ["evaluate"]


def _exprel(x: Any) -> Any:
    x = np.asarray(x, dtype=float)
    return np.where(x == 0, 1.0, np.expm1(x) / np.where(x == 0, 1.0, x))


_FUNCTIONS: Final[dict[type, Any]] = {
    sympy.exp: np.exp,
    sympy.log: np.log,
    sympy.sin: np.sin,
    sympy.cos: np.cos,
    sympy.tan: np.tan,
    sympy.sinh: np.sinh,
    sympy.cosh: np.cosh,
    sympy.tanh: np.tanh,
    sympy.atan: np.arctan,
    sympy.Abs: np.abs,
    sympy.sign: np.sign,
    sympy.floor: np.floor,
    exprel: _exprel,
    # slopes of min, max, abs and sign
    sympy.Heaviside: lambda x: np.heaviside(x, 0.5),
    sympy.DiracDelta: lambda x: np.zeros_like(x, dtype=float),
}
_COMPARE: Final[dict[type, Any]] = {
    sympy.StrictGreaterThan: np.greater,
    sympy.GreaterThan: np.greater_equal,
    sympy.StrictLessThan: np.less,
    sympy.LessThan: np.less_equal,
    sympy.Equality: np.equal,
    sympy.Unequality: np.not_equal,
}


def evaluate(expression: Any, values: Mapping[str, Any]) -> Any:
    """Return the value of a SymPy expression; names stand for floats or arrays that broadcast.

    >>> from rheobase.model.algebra import symbol
    >>> float(evaluate(symbol("R") * symbol("I") + 1, {"R": 100.0, "I": 0.2}))
    21.0
    """
    e = expression
    if e.is_Symbol:
        return values[e.name]
    if e.is_Number or e.is_NumberSymbol:
        return float(e)
    if isinstance(e, sympy.Add):
        return sum((evaluate(a, values) for a in e.args[1:]), start=evaluate(e.args[0], values))
    if isinstance(e, sympy.Mul):
        return math.prod((evaluate(a, values) for a in e.args[1:]), start=evaluate(e.args[0], values))
    if isinstance(e, sympy.Pow):
        base, power = (evaluate(a, values) for a in e.args)
        with np.errstate(all="ignore"):
            return np.power(np.asarray(base, dtype=float), power)
    if isinstance(e, sympy.Piecewise):
        with np.errstate(all="ignore"):
            out = evaluate(e.args[-1][0], values)
            for value, condition in reversed(e.args[:-1]):
                out = np.where(evaluate(condition, values), evaluate(value, values), out)
        return out
    if isinstance(e, sympy.Min | sympy.Max):
        pick = np.minimum if isinstance(e, sympy.Min) else np.maximum
        parts = [evaluate(a, values) for a in e.args]
        return pick.reduce(np.broadcast_arrays(*parts))
    if isinstance(e, sympy.And | sympy.Or):
        join = np.logical_and if isinstance(e, sympy.And) else np.logical_or
        return join.reduce(np.broadcast_arrays(*(evaluate(a, values) for a in e.args)))
    if isinstance(e, sympy.Not):
        return np.logical_not(evaluate(e.args[0], values))
    if e in (sympy.true, sympy.false):
        return bool(e)
    if type(e) in _COMPARE:
        return _COMPARE[type(e)](*(evaluate(a, values) for a in e.args))
    if type(e) in _FUNCTIONS:
        with np.errstate(all="ignore"):
            return _FUNCTIONS[type(e)](evaluate(e.args[0], values))
    raise TypeError(f"no rule to evaluate {type(e).__name__}")
