"""Text -> checked mathematics: an allow-list walk over Python's syntax tree, never an evaluation.

``sympify`` and ``parse_expr`` evaluate their text and read ``I``, ``E``, ``S``, ``beta`` as constants or
functions; a neuron's current is called ``I``. So Python's own ``ast`` is walked, node by node, and only
the kinds of node below get through.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, final

import sympy

from rheobase.errors import InputError, RowError, nearest

__all__ = ["FUNCTIONS", "RESERVED", "Clean", "Expression", "normalise", "parse_condition", "parse_number", "symbol"]

MAX_TEXT: Final = 10_000
MAX_DEPTH: Final = 60
MAX_NODES: Final = 2_000
MAX_POWER: Final = 64
MAX_NAME: Final = 60
MAX_ARGUMENTS: Final = 16

#: Names with a meaning of their own: time, white noise, the weight of the arriving synapse.
RESERVED: Final = {"t", "xi", "w_i", "dt", "pi"}

_OPERATORS: Final = {
    "−": "-",
    "–": "-",
    "·": "*",
    "×": "*",
    "÷": "/",
    "^": "**",
    "²": "**2",
    "³": "**3",
    "≥": ">=",
    "≤": "<=",
    "←": "<-",
    "′": "'",
    "’": "'",
}


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


#: name -> (number of arguments or None, SymPy constructor, value on floats)
FUNCTIONS: Final[dict[str, tuple[int | None, Callable[..., Any], Callable[..., float]]]] = {
    "exp": (1, sympy.exp, math.exp),
    "log": (1, sympy.log, math.log),
    "sqrt": (1, sympy.sqrt, math.sqrt),
    "abs": (1, sympy.Abs, abs),
    "sin": (1, sympy.sin, math.sin),
    "cos": (1, sympy.cos, math.cos),
    "tan": (1, sympy.tan, math.tan),
    "sinh": (1, sympy.sinh, math.sinh),
    "cosh": (1, sympy.cosh, math.cosh),
    "tanh": (1, sympy.tanh, math.tanh),
    "arctan": (1, sympy.atan, math.atan),
    "sign": (1, sympy.sign, lambda x: float((x > 0) - (x < 0))),
    "floor": (1, sympy.floor, lambda x: float(math.floor(x))),
    "exprel": (1, exprel, lambda x: math.expm1(x) / x if x else 1.0),
    "min": (None, sympy.Min, min),
    "max": (None, sympy.Max, max),
    "where": (3, _where, lambda c, a, b: a if c else b),
}


@final
@dataclass(frozen=True)
class Clean:
    """A line in plain ASCII operators and names, with the column each character came from."""

    text: str
    columns: tuple[int, ...]
    line: str

    def part(self, start: int, stop: int) -> Clean:
        """Return the piece from `start` to `stop`, stripped of blanks, still pointing into the line."""
        raw = self.text[start:stop]
        start += len(raw) - len(raw.lstrip())
        stop = start + len(raw.strip())
        return Clean(self.text[start:stop], (*self.columns[start:stop], self.column(stop)), self.line)

    def column(self, index: int) -> int:
        """Return the column in the line as typed, for an index into the clean text."""
        return self.columns[index] if index < len(self.columns) else len(self.line)


def normalise(line: str) -> Clean:
    """Return a line with Greek letters spelled out and typographic operators made plain.

    >>> normalise("τ_m dv/dt ← −v²").text
    'tau_m dv/dt <- -v**2'
    """
    if len(line) > MAX_TEXT:
        raise InputError(f"'{line[:30]}...' has {len(line)} characters; {MAX_TEXT} are the most that are read")
    text: list[str] = []
    columns: list[int] = []
    for i, char in enumerate(line):
        out = char
        if not char.isascii():
            name = unicodedata.name(char, "")
            if char in _OPERATORS:
                out = _OPERATORS[char]
            elif name.startswith("GREEK SMALL LETTER ") and name.count(" ") == 3:
                out = name.rsplit(" ", 1)[1].lower().replace("lamda", "lambda_")
            elif name.startswith("GREEK CAPITAL LETTER ") and name.count(" ") == 3:
                out = name.rsplit(" ", 1)[1].capitalize()
            elif name.startswith("SUBSCRIPT ") and unicodedata.digit(char, None) is not None:
                out = str(unicodedata.digit(char))
        elif char in _OPERATORS:
            out = _OPERATORS[char]
        text.append(out)
        columns.extend([i] * len(out))
    return Clean("".join(text), tuple(columns), line)


@final
@dataclass(frozen=True)
class Expression:
    """A checked piece of mathematics: the tree as typed, and the same as SymPy."""

    row: str
    clean: Clean
    tree: ast.expr
    value: Any

    @property
    def text(self) -> str:
        return self.clean.text

    def fail(self, node: ast.AST, message: str) -> RowError:
        """Return the error with a caret under `node`."""
        start = self.clean.column(getattr(node, "col_offset", 0))
        stop = self.clean.column(getattr(node, "end_col_offset", start + 1) - 1) + 1
        return RowError(self.row, message, self.clean.line, start, stop - start)


def parse_number(clean: Clean, row: str) -> Expression:
    """Return the checked expression of a text whose value is a number."""
    return _parse(clean, row, boolean=False)


def parse_condition(clean: Clean, row: str) -> Expression:
    """Return the checked expression of a text that is true or false."""
    return _parse(clean, row, boolean=True)


def _parse(clean: Clean, row: str, boolean: bool) -> Expression:
    text = clean.text

    def fail(message: str, at: int = 0, width: int = 1) -> RowError:
        return RowError(row, message, clean.line, clean.column(at), width)

    if not text:
        raise fail("nothing is written here; an expression is missing")
    if len(text) > MAX_TEXT:
        raise RowError(row, f"{len(text)} characters are more than the {MAX_TEXT} a row may have")
    depth = 0
    for i, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if depth > MAX_DEPTH:
            raise fail(f"brackets are nested more than {MAX_DEPTH} deep", i)
        if not char.isascii() or (not char.isprintable() and char != "\t"):
            raise fail(f"the character {char!r} is not part of the notation", i)
        if char in '[]{}@$`\\"?;:&|~%!' and not text.startswith("!=", i):
            raise fail(_forbidden(char), i)
    if run := re.search(r"(?:[-+]\s*){9,}|(?:\bnot\b\s*){5,}", text):
        raise fail("too many signs in a row", run.start())
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        at = min(max((error.offset or 1) - 1, 0), max(len(text) - 1, 0))
        raise fail(_syntax_advice(text, at), at) from None
    except (ValueError, RecursionError, MemoryError, OverflowError):
        raise fail("this is nested too deeply or too long to be a row of a neuron") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise fail(f"more than {MAX_NODES} terms; no row of a neuron is that long")
    shell = Expression(row, clean, tree, None)
    try:
        value = _Walker(shell).condition(tree, 0) if boolean else _Walker(shell).number(tree, 0)
    except (OverflowError, ZeroDivisionError, ValueError, RecursionError, TypeError) as error:
        if isinstance(error, RowError):
            raise
        raise fail(f"this cannot be computed ({error})") from None
    if value.has(sympy.I, sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):  # sqrt(-v**2)
        raise fail("this is no real number: it holds a root or logarithm of something negative, or a division by zero")
    if not all(math.isfinite(float(number)) for number in value.atoms(sympy.Number)):
        raise fail("a number in this is too large")
    return Expression(row, clean, tree, value)


def _forbidden(char: str) -> str:
    if char == "%":
        return "'%' is not part of the notation; only + - * / ** and functions are"
    if char in "[]{}":
        return f"'{char}' is not part of the notation; use round brackets ( )"
    return f"'{char}' is not part of the notation"


def _syntax_advice(text: str, at: int) -> str:
    if re.search(r"(?<![<>=!])=(?!=)", text):
        return "'=' cannot stand here; compare with >, >=, <, <= or =="
    if re.search(r"[\w)]\s+[\w(]", text):
        return "two terms stand side by side; write * between them"
    if re.search(r"\d[A-Za-z_(]", text):
        return "a number is followed directly by a name; write * between them"
    if text.count("(") != text.count(")"):
        return f"brackets do not match: {text.count('(')} opened, {text.count(')')} closed"
    return "this is not a formula; write for example (E_L - v)/tau + R*I"


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
        count, build, numeric = FUNCTIONS[name]
        if len(arguments) != count if count is not None else not 2 <= len(arguments) <= MAX_ARGUMENTS:
            wanted = count if count is not None else f"2 to {MAX_ARGUMENTS}"
            raise self.fail(node, f"{name}() takes {wanted} argument(s), not {len(arguments)}")
        if name == "where":
            return build(self.condition(arguments[0], depth + 1), *(self.number(a, depth + 1) for a in arguments[1:]))
        values = [self.number(a, depth + 1) for a in arguments]
        if all(v.is_number for v in values):
            return sympy.Float(numeric(*(float(v) for v in values)))
        return build(*values)


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
