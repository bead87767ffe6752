"""The dimension check: each row must be a sentence about quantities of the same kind.

Names given with a unit are known; states, inputs, weights and plain numbers are unknowns that the rows
determine. A dimension is a vector of exponents, so every ``+``, comparison and assignment is a linear
equation, solved by elimination as the walk meets it: the first contradiction is the place of the mistake.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, final

from rheobase.errors import UnitMismatch
from rheobase.errors import point_at as _point_at
from rheobase.model.expression import Expression, normalise
from rheobase.units import DIMENSIONLESS, Dimension, parse_unit

__all__ = ["Inference", "Monomial"]

_MS: Final = parse_unit("ms")[1]
_PURE: Final = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan", "floor", "exprel"}


@final
@dataclass(frozen=True)
class Monomial:
    """A known dimension times powers of unknown ones."""

    known: Dimension = DIMENSIONLESS
    unknown: tuple[tuple[str, Fraction], ...] = ()

    def __mul__(self, other: Monomial) -> Monomial:
        powers = dict(self.unknown)
        for name, p in other.unknown:
            powers[name] = powers.get(name, Fraction(0)) + p
        return Monomial(self.known * other.known, tuple(sorted((n, p) for n, p in powers.items() if p)))

    def __pow__(self, power: int | Fraction) -> Monomial:
        return Monomial(self.known**power, tuple((n, p * power) for n, p in self.unknown))


@final
@dataclass
class Inference:
    """Collects what the rows say about dimensions; `names` holds the known ones."""

    names: dict[str, Dimension]
    solved: dict[str, Monomial] = field(default_factory=dict)
    fresh: int = 0

    def of(self, name: str) -> Monomial:
        if name == "t":
            return Monomial(_MS)
        if name == "xi" or name.startswith("xi_"):
            return Monomial(_MS ** Fraction(-1, 2))
        if name == "pi":
            return Monomial()
        if name in self.names:
            return Monomial(self.names[name])
        return self.reduce(Monomial(unknown=((name, Fraction(1)),)))

    def reduce(self, m: Monomial) -> Monomial:
        while any(name in self.solved for name, _ in m.unknown):
            out = Monomial(m.known)
            for name, p in m.unknown:
                out = (
                    out * (self.solved[name] if name in self.solved else Monomial(unknown=((name, Fraction(1)),))) ** p
                )
            m = out
        return m

    def equal(self, a: Monomial, b: Monomial) -> bool:
        """Record that a and b have the same dimension; False if that is impossible."""
        ratio = self.reduce(a * b**-1)
        if not ratio.unknown:
            return not ratio.known
        name, power = ratio.unknown[-1]
        rest = ratio * Monomial(unknown=((name, -power),))
        self.solved[name] = rest ** (Fraction(-1) / power)
        return True

    def resolve(self, name: str) -> Dimension | None:
        """Return what is known of a name's dimension by now."""
        m = self.of(name)
        return m.known if not m.unknown else None

    def unit(self, m: Monomial) -> str:
        m = self.reduce(m)
        return m.known.unit if not m.unknown else "an undetermined unit"

    def walk(self, e: Expression, node: ast.AST | None = None) -> Monomial:
        """Return the dimension of an expression, recording every equation on the way."""
        node = e.tree if node is None else node
        match node:
            case ast.Constant(value=value):
                if value == 0:  # 0 mV and 0 nA are both 0
                    self.fresh += 1
                    return Monomial(unknown=((f"0#{self.fresh}", Fraction(1)),))
                return Monomial()
            case ast.Name(id=name):
                return self.of(name)
            case ast.UnaryOp(operand=inner):
                return self.walk(e, inner)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
                a, b = self.walk(e, left), self.walk(e, right)
                if not self.equal(a, b):
                    verb = "add" if isinstance(node.op, ast.Add) else "subtract"
                    raise self.mismatch(e, right, f"cannot {verb} {self.unit(b)} and {self.unit(a)}", left, a, right, b)
                return self.reduce(a)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self.reduce(self.walk(e, left) * self.walk(e, right))
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self.reduce(self.walk(e, left) * self.walk(e, right) ** -1)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self._power(e, left, right)
            case ast.Compare(left=left, comparators=[right]):
                a, b = self.walk(e, left), self.walk(e, right)
                if not self.equal(a, b):
                    raise self.mismatch(
                        e, right, f"cannot compare {self.unit(a)} with {self.unit(b)}", left, a, right, b
                    )
                return Monomial()
            case ast.BoolOp(values=values):
                for v in values:
                    self.walk(e, v)
                return Monomial()
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._call(e, name, arguments)
        return Monomial()

    def _power(self, e: Expression, left: ast.expr, right: ast.expr) -> Monomial:
        base = self.walk(e, left)
        try:
            power = Fraction(ast.literal_eval(right)).limit_denominator(1000)
        except (ValueError, TypeError):
            exponent = self.walk(e, right)
            if not self.equal(exponent, Monomial()):
                raise self.mismatch(
                    e, right, f"an exponent is in {self.unit(exponent)}; it must be a plain number"
                ) from None
            if not self.equal(base, Monomial()):
                raise self.mismatch(
                    e, left, f"a base in {self.unit(base)} needs an exponent that is a number"
                ) from None
            return Monomial()
        return self.reduce(base**power)

    def _call(self, e: Expression, name: str, arguments: list[ast.expr]) -> Monomial:
        values = [self.walk(e, a) for a in arguments]
        if name in _PURE:
            if not self.equal(values[0], Monomial()):
                raise self.mismatch(
                    e,
                    arguments[0],
                    f"the argument of {name}() is in {self.unit(values[0])}; it must be a"
                    " plain number, so divide by a quantity of the same kind",
                )
            return Monomial()
        if name == "sqrt":
            return self.reduce(values[0] ** Fraction(1, 2))
        if name == "sign":
            return Monomial()
        first = 1 if name == "where" else 0
        for node, value in zip(arguments[first + 1 :], values[first + 1 :], strict=True):
            if not self.equal(values[first], value):
                raise self.mismatch(e, node, f"{name}() mixes {self.unit(values[first])} and {self.unit(value)}")
        return self.reduce(values[first])

    def mismatch(self, e: Expression, node: ast.AST, message: str, *sides: ast.AST | Monomial) -> UnitMismatch:
        """Return the error with a caret under `node` and the unit of each name that is involved."""
        start = e.clean.column(getattr(node, "col_offset", 0))
        stop = e.clean.column(getattr(node, "end_col_offset", start + 1) - 1) + 1
        names = sorted({*re.findall(r"[A-Za-z]\w*", normalise(e.clean.line).text)})
        units = ", ".join(f"{n}: {d.unit}" for n in names if (d := self.resolve(n)) is not None)
        number = any(isinstance(s, ast.Constant) for s in sides)
        advice = "\n    a number in a row has no unit; make it a parameter, as in E_L='-70 mV'" if number else ""
        return UnitMismatch(
            f"{e.row} row: {message}\n{_point_at(e.clean.line, start, stop - start)}\n    units: {units}{advice}"
        )
