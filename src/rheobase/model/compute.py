"""Numbers from text: the notation of the rows computed on arrays, node by node, never evaluated."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any, Final

import numpy as np

from rheobase.errors import RowError

__all__ = ["compute", "compute_text"]

#: the functions of `rheobase.model.expression.FUNCTIONS`, on arrays
_NUMPY: Final[dict[str, Callable[..., Any]]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "sign": np.sign,
    "floor": np.floor,
    "exprel": lambda x: np.where(np.equal(x, 0), 1.0, np.expm1(x) / np.where(np.equal(x, 0), 1.0, x)),
    "min": lambda *x: reduce(np.minimum, x),
    "max": lambda *x: reduce(np.maximum, x),
    "where": np.where,
}
_OPERATE: Final[dict[type, Callable[..., Any]]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
    ast.Not: np.logical_not,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}


def compute(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """Return the value of a checked tree (see `rheobase.model.expression`) on arrays."""
    match node:
        case ast.Constant(value=number):
            return np.float64(number)  # type: ignore[arg-type]
        case ast.Name(id="pi"):
            return np.float64(np.pi)
        case ast.Name(id=name):
            x = np.asarray(values[name])
            return x if x.dtype == np.longdouble else x.astype(float, copy=False)
        case ast.UnaryOp(op=op, operand=inner):
            return _OPERATE[type(op)](compute(inner, values))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATE[type(op)](compute(left, values), compute(right, values))
        case ast.BoolOp(op=op, values=parts):
            return reduce(_OPERATE[type(op)], [compute(p, values) for p in parts])
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _OPERATE[type(op)](compute(left, values), compute(right, values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _NUMPY[name](*(compute(a, values) for a in arguments))
    raise RowError("rate", f"{type(node).__name__} is not part of the notation")


@lru_cache(maxsize=4096)
def _read(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def compute_text(text: str, values: Mapping[str, Any]) -> Any:
    """Return the value of an expression that rheobase wrote (see `rheobase.derive.write`) on arrays.

    What is infinite or undefined comes out as inf or nan, without a warning.

    >>> float(compute_text("R*I + 1.0", {"R": 100.0, "I": 0.2}))
    21.0
    """
    with np.errstate(all="ignore"):
        return compute(_read(text), values)
