"""Expressions as JavaScript: translated, node by node, from the Python text that rheobase has printed of them.

So every floating-point operation comes in the same order and grouping in both languages.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

__all__ = ["Namer", "mangle", "translate", "translate_node"]

#: Words that cannot be names of variables in JavaScript, and globals whose loss would be felt.
_TAKEN: Final = frozenset(
    "abstract arguments async await boolean break byte case catch char class const continue debugger default delete do"  # noqa: SIM905
    " double else enum eval export extends false final finally float for function get goto if implements import in"
    " instanceof int interface let long native new null of package private protected public return set short static"
    " super switch synchronized this throw throws transient true try typeof undefined var void volatile while with"
    " yield NaN Infinity Math Array Float64Array Object Number isNaN globalThis self window".split()
)

#: functions of the notation and of generated Python -> what the page's engine calls them (see page/arithmetic.js)
_FUNCTIONS: Final = {
    "exp": "$exp",
    "exprel": "$exprel",
    "log": "Math.log",
    "sqrt": "Math.sqrt",
    "abs": "Math.abs",
    "sin": "Math.sin",
    "cos": "Math.cos",
    "tan": "Math.tan",
    "sinh": "Math.sinh",
    "cosh": "Math.cosh",
    "tanh": "Math.tanh",
    "atan": "Math.atan",
    "arctan": "Math.atan",
    "sign": "$sign",
    "floor": "Math.floor",
    "min": "Math.min",
    "max": "Math.max",
}
_OPERATORS: Final[dict[type, tuple[str, int]]] = {
    ast.Add: ("+", 11),
    ast.Sub: ("-", 11),
    ast.Mult: ("*", 12),
    ast.Div: ("/", 12),
}
_COMPARE: Final[dict[type, str]] = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "===",
    ast.NotEq: "!==",
}
_CHOICE, _OR, _AND, _EQUAL, _UNARY, _ATOM = 2, 3, 4, 8, 14, 18

Namer = Callable[[str], str]


def mangle(name: str) -> str:
    """Return a name as a variable of JavaScript."""
    return f"{name}$" if name in _TAKEN else name


def translate(text: str, rename: Namer = mangle) -> str:
    """Return a Python expression that rheobase wrote as JavaScript, grouped as it is.

    >>> translate("(0.5)*(v*v) if v > -1.0 else exp(-(v + 1.0)/2.0)")
    'v > -1.0 ? 0.5 * (v * v) : $exp(-(v + 1.0) / 2.0)'
    """
    return translate_node(ast.parse(text, mode="eval").body, rename)[0]


def translate_node(node: ast.expr, rename: Namer) -> tuple[str, int]:
    """Return the text of a node and how strongly it binds."""

    def at(child: ast.expr, least: int) -> str:
        text, binds = translate_node(child, rename)
        return text if binds >= least else f"({text})"

    match node:
        case ast.Constant(value=bool(truth)):
            return ("true" if truth else "false"), _ATOM
        case ast.Constant(value=int() | float() as number):
            return repr(float(number)), _ATOM
        case ast.Name(id="pi"):
            return "Math.PI", _ATOM
        case ast.Name(id="True" | "False" as name):
            return name.lower(), _ATOM
        case ast.Name(id=name):
            return rename(name), _ATOM
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return f"-{at(inner, _UNARY + 1)}", _UNARY
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return translate_node(inner, rename)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return f"!{at(inner, _UNARY)}", _UNARY
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"Math.pow({at(left, 0)}, {at(right, 0)})", _ATOM
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            sign, binds = _OPERATORS[type(op)]
            return f"{at(left, binds)} {sign} {at(right, binds + 1)}", binds
        case ast.BoolOp(op=op, values=parts):
            sign, binds = ("&&", _AND) if isinstance(op, ast.And) else ("||", _OR)
            return f" {sign} ".join(at(p, binds + 1) for p in parts), binds
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return f"{at(left, _EQUAL + 2)} {_COMPARE[type(op)]} {at(right, _EQUAL + 2)}", _EQUAL
        case ast.IfExp(test=test, body=yes, orelse=no):
            return f"{at(test, _CHOICE + 1)} ? {at(yes, _CHOICE + 1)} : {at(no, _CHOICE)}", _CHOICE
        case ast.Call(func=ast.Name(id="where"), args=[test, yes, no]):
            return f"{at(test, _CHOICE + 1)} ? {at(yes, _CHOICE + 1)} : {at(no, _CHOICE)}", _CHOICE
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            return f"{_FUNCTIONS[name]}({', '.join(at(a, 0) for a in arguments)})", _ATOM
    raise TypeError(f"no way to write {ast.dump(node):.80} in JavaScript")
