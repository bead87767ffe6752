"""SymPy -> text in the notation of the rows, which `rheobase.model.compute` turns into the numbers of `evaluate`."""

from __future__ import annotations

from typing import Any, Final

import sympy

from rheobase.derive.facts import ZERO
from rheobase.model.algebra import exprel

__all__ = ["write_expression"]

_LONG: Final = 32  # terms; a longer chain would nest deeper than Python reads

_FUNCTIONS: Final[dict[type, str]] = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.tanh: "tanh",
    sympy.atan: "arctan",
    sympy.Abs: "abs",
    sympy.sign: "sign",
    sympy.floor: "floor",
    exprel: "exprel",
    sympy.Min: "min",
    sympy.Max: "max",
}
_COMPARE: Final[dict[type, str]] = {
    sympy.StrictGreaterThan: ">",
    sympy.GreaterThan: ">=",
    sympy.StrictLessThan: "<",
    sympy.LessThan: "<=",
    sympy.Equality: "==",
    sympy.Unequality: "!=",
}
_SUM, _PRODUCT, _ATOM = 0, 1, 2


def write_expression(expression: Any) -> str:
    """Return the text of a SymPy expression or condition; floats are written with all their digits.

    >>> from rheobase.model.algebra import symbol
    >>> write_expression((symbol("v") + 0.1) ** 2 / symbol("tau"))
    'tau**-1.0*(0.1 + v)**2.0'
    """
    return _write(sympy.sympify(expression, strict=True), _SUM)


def _write(e: Any, place: int) -> str:
    """Return the text of e, in brackets where it binds less than its place asks for."""
    if e.is_Symbol:
        return str(e.name)
    if e.is_Number or e.is_NumberSymbol:
        text = repr(float(e)) if e != 0 else ZERO
        return f"({text})" if place == _ATOM and text.startswith("-") else text
    if isinstance(e, sympy.Add):
        return _brackets(_chain([_write(a, _SUM) for a in e.args], " + "), place > _SUM)
    if isinstance(e, sympy.Mul):
        return _brackets(_chain([_write(a, _PRODUCT) for a in e.args], "*"), place > _PRODUCT)
    if isinstance(e, sympy.Pow):
        power = _write(e.exp, _PRODUCT if e.exp.is_Number else _ATOM)  # v**-1.0
        return _brackets(f"{_write(e.base, _ATOM)}**{power}", place == _ATOM)
    if isinstance(e, sympy.Piecewise):
        text = _write(e.args[-1][0], _SUM)
        for value, condition in reversed(e.args[:-1]):
            text = f"where({_write(condition, _SUM)}, {_write(value, _SUM)}, {text})"
        return text
    if isinstance(e, sympy.Heaviside):  # the slope of min and max
        x = _write(e.args[0], _SUM)
        return f"where({x} > 0.0, 1.0, where({x} < 0.0, 0.0, 0.5))"
    if isinstance(e, sympy.DiracDelta):  # the slope of sign
        return ZERO
    if isinstance(e, sympy.And | sympy.Or):
        return "(" + (" and " if isinstance(e, sympy.And) else " or ").join(_write(a, _SUM) for a in e.args) + ")"
    if isinstance(e, sympy.Not):
        return f"(not {_write(e.args[0], _SUM)})"
    if e in (sympy.true, sympy.false):
        return "1.0 > 0.0" if e == sympy.true else "1.0 < 0.0"
    if type(e) in _COMPARE:
        a, b = (_write(x, _SUM) for x in e.args)
        return f"{a} {_COMPARE[type(e)]} {b}"
    if type(e) in _FUNCTIONS:
        return f"{_FUNCTIONS[type(e)]}({', '.join(_write(a, _SUM) for a in e.args)})"
    raise TypeError(f"no way to write {type(e).__name__}")


def _chain(terms: list[str], sign: str) -> str:
    while len(terms) > _LONG:
        parts = [terms[i : i + _LONG] for i in range(0, len(terms), _LONG)]
        terms = [f"({sign.join(part)})" for part in parts]
    return sign.join(terms)


def _brackets(text: str, needed: bool) -> str:
    return f"({text})" if needed else text
