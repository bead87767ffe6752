"""Checked text -> SymPy: the one place where a model's rows become symbols.

Nothing else in `rheobase.model` imports SymPy, which takes 0.3 s: rows that have been checked before (see
`rheobase.model.rows`) are read without it.

``sympify`` and ``parse_expr`` evaluate their text and read ``I``, ``E``, ``S``, ``beta`` as constants or
functions; a neuron's current is called ``I``. So Python's own ``ast`` is walked, node by node, and only
the kinds of node below get through.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Final, final

import sympy

from rheobase.errors import RowError, nearest
from rheobase.model.expression import FUNCTIONS, MAX_ARGUMENTS, MAX_DEPTH, MAX_NAME, MAX_POWER, Expression

__all__ = ["affine_parts", "build", "exprel", "has_equality", "latex", "symbol"]

latex = sympy.latex


@cache
def symbol(name: str) -> sympy.Symbol:
    """Return the one symbol of that name (two with different assumptions would be two symbols)."""
    return sympy.Symbol(name, real=True)


@final
class exprel(sympy.Function):  # noqa: N801  (the name is what gets printed)
    """(exp(x) - 1)/x, and 1 at x = 0: the rates of Hodgkin and Huxley without their removable singularity."""

    nargs = (1,)

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        x = self.args[0]
        return sympy.Piecewise((sympy.Rational(1, 2), sympy.Eq(x, 0)), ((sympy.exp(x) - self) / x, True))


def _where(condition: Any, yes: sympy.Expr, no: sympy.Expr) -> sympy.Expr:
    return sympy.Piecewise((yes, condition), (no, True))


#: name -> SymPy constructor, for the names of `FUNCTIONS`
_BUILD: Final[dict[str, Callable[..., Any]]] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "abs": sympy.Abs,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "arctan": sympy.atan,
    "sign": sympy.sign,
    "floor": sympy.floor,
    "exprel": exprel,
    "min": sympy.Min,
    "max": sympy.Max,
    "where": _where,
}


def build(e: Expression) -> Any:
    """Return an expression as SymPy, or raise the `RowError` that says why it cannot be one."""
    walker = _Walker(e)
    try:
        value = walker.condition(e.tree, 0) if e.boolean else walker.number(e.tree, 0)
    except (OverflowError, ZeroDivisionError, ValueError, RecursionError, TypeError) as error:
        if isinstance(error, RowError):
            raise
        raise e.fail_at(f"this cannot be computed ({error})") from None
    if value.has(sympy.I, sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):  # sqrt(-v**2)
        raise e.fail_at(
            "this is no real number: it holds a root or logarithm of something negative, or a division by zero"
        )
    if not all(math.isfinite(float(number)) for number in value.atoms(sympy.Number)):
        raise e.fail_at("a number in this is too large")
    return value


def has_equality(value: Any) -> bool:
    """Return whether == or != stands in a condition."""
    return bool(value.has(sympy.Eq) or value.has(sympy.Ne))


def affine_parts(value: Any, names: Collection[str]) -> tuple[dict[str, Any], Any] | None:
    """Return ({name: coefficient}, rest) of an expression that is linear in the names; None if it is not.

    >>> v, tau = symbol("v"), symbol("tau")
    >>> affine_parts((1 - v) / tau, ["v"])
    ({'v': -1/tau}, 1/tau)
    >>> affine_parts(v**2, ["v"]) is None
    True
    """
    own = {symbol(n) for n in names}
    kinks = (sympy.Piecewise, sympy.Min, sympy.Max, sympy.Abs, sympy.sign, sympy.floor)
    if any(e.free_symbols & own for e in value.atoms(*kinks)):
        return None
    factors = {n: sympy.simplify(value.diff(symbol(n))) for n in names if symbol(n) in value.free_symbols}
    if any(f.free_symbols & own for f in factors.values()):
        return None
    rest = sympy.simplify(value.subs(dict.fromkeys(own, 0)))
    return {n: f for n, f in factors.items() if f != 0}, rest


_COMPARE: Final = {
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
    ast.Eq: sympy.Eq,
    ast.NotEq: sympy.Ne,
}


@final
class _Walker:
    """Walks a tree; whatever it has no rule for is refused."""

    def __init__(self, where: Expression) -> None:
        self.where = where

    def fail(self, node: ast.AST, message: str) -> RowError:
        return self.where.fail(node, message)

    def number(self, node: ast.expr, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.fail(node, f"nested more than {MAX_DEPTH} deep")
        match node:
            case ast.Constant(value=bool()) | ast.Constant(value=complex()) | ast.Constant(value=str()):
                raise self.fail(node, f"{node.value!r} is not a number")
            case ast.Constant(value=int() as n) if abs(n) < 10**15:
                return sympy.Integer(n)
            case ast.Constant(value=int() | float() as x):
                if not math.isfinite(float(x)):
                    raise self.fail(node, "this number is too large")
                return sympy.Float(float(x))
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self.number(inner, depth + 1)
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self.number(inner, depth + 1)
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(node, self.number(left, depth + 1), op, self.number(right, depth + 1))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(node, name, arguments, depth)
            case ast.Compare() | ast.BoolOp():
                raise self.fail(node, "a comparison is not a number; use where(condition, yes, no)")
            case ast.IfExp():
                raise self.fail(node, "write where(condition, yes, no) in place of 'if ... else'")
        raise self.fail(node, f"{_describe(node)} not part of the notation")

    def condition(self, node: ast.expr, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.fail(node, f"nested more than {MAX_DEPTH} deep")
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                return _COMPARE[type(op)](self.number(left, depth + 1), self.number(right, depth + 1))
            case ast.Compare(ops=[_, _, *_]):
                raise self.fail(node, "compare two things at a time and join by 'and'")
            case ast.BoolOp(op=op, values=values):
                parts = [self.condition(v, depth + 1) for v in values]
                return (sympy.And if isinstance(op, ast.And) else sympy.Or)(*parts)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return sympy.Not(self.condition(inner, depth + 1))
        raise self.fail(node, "a condition is wanted here, for example v > theta")

    def _name(self, node: ast.AST, name: str) -> Any:
        if name == "pi":
            return sympy.Float(math.pi)
        if "__" in name or name.startswith("_"):
            raise self.fail(node, f"'{name:.60}' cannot be a name; names do not start with or contain '__'")
        if len(name) > MAX_NAME:
            raise self.fail(node, f"names have at most {MAX_NAME} characters")
        if name in FUNCTIONS:
            raise self.fail(node, f"'{name}' is a function; write {name}(...)")
        return symbol(name)

    def _binary(self, node: ast.expr, a: Any, op: ast.operator, b: Any) -> Any:
        constant = a.is_number and b.is_number
        match op:
            case ast.Add():
                out = a + b
            case ast.Sub():
                out = a - b
            case ast.Mult():
                out = a * b
            case ast.Div():
                if b.is_number and float(b) == 0.0:
                    raise self.fail(node, "division by zero")
                out = sympy.Float(float(a) / float(b)) if constant else a / b
            case ast.Pow():
                if b.is_number and abs(float(b)) > MAX_POWER:
                    raise self.fail(node, f"the power {float(b):g} is larger than {MAX_POWER}")
                if constant:  # as floats: SymPy would compute 9**9**9 exactly
                    power = float(a) ** float(b)
                    if isinstance(power, complex):
                        raise self.fail(node, "a root of a negative number")
                    out = sympy.Float(power)
                else:
                    out = a**b
                    if out.is_Pow and out.exp.is_number and abs(float(out.exp)) > MAX_POWER:  # (v**64)**64
                        raise self.fail(node, f"the power {float(out.exp):g} is larger than {MAX_POWER}")
            case ast.FloorDiv():
                raise self.fail(node, "'//' is not part of the notation; use floor(a/b)")
            case _:
                raise self.fail(node, "only + - * / ** are part of the notation")
        if out.is_number and not math.isfinite(float(out)):
            raise self.fail(node, "this number is too large")
        return out

    def _call(self, node: ast.expr, name: str, arguments: list[ast.expr], depth: int) -> Any:
        if name not in FUNCTIONS:
            raise self.fail(
                node,
                f"'{name:.60}' is not a function of the notation.{nearest(name, FUNCTIONS)}"
                f" Functions: {', '.join(FUNCTIONS)}",
            )
        count, numeric = FUNCTIONS[name]
        make = _BUILD[name]
        if len(arguments) != count if count is not None else not 2 <= len(arguments) <= MAX_ARGUMENTS:
            wanted = count if count is not None else f"2 to {MAX_ARGUMENTS}"
            raise self.fail(node, f"{name}() takes {wanted} argument(s), not {len(arguments)}")
        if name == "where":
            return make(self.condition(arguments[0], depth + 1), *(self.number(a, depth + 1) for a in arguments[1:]))
        values = [self.number(a, depth + 1) for a in arguments]
        if all(v.is_number for v in values):
            return sympy.Float(numeric(*(float(v) for v in values)))
        return make(*values)


def _describe(node: ast.AST) -> str:
    kinds: dict[type, str] = {
        ast.Attribute: "a dot after a name is",
        ast.Subscript: "an index in [ ] is",
        ast.Lambda: "'lambda' is",
        ast.Call: "this kind of call is",
        ast.Tuple: "a comma is",
        ast.NamedExpr: "':=' is",
    }
    return kinds.get(type(node), f"{type(node).__name__.lower()} is")
