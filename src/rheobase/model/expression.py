"""Text -> checked mathematics: Python's syntax tree of a text, never an evaluation of it.

Here a text is read and its limits are checked; what its mathematics is, and whether it is allowed, is told by
`rheobase.model.algebra`, when it is asked for.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

from rheobase.errors import InputError, RowError

__all__ = ["FUNCTIONS", "RESERVED", "Clean", "Expression", "normalise", "parse_condition", "parse_number"]

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


#: name -> (number of arguments or None, value on floats)
FUNCTIONS: Final[dict[str, tuple[int | None, Callable[..., float]]]] = {
    "exp": (1, math.exp),
    "log": (1, math.log),
    "sqrt": (1, math.sqrt),
    "abs": (1, abs),
    "sin": (1, math.sin),
    "cos": (1, math.cos),
    "tan": (1, math.tan),
    "sinh": (1, math.sinh),
    "cosh": (1, math.cosh),
    "tanh": (1, math.tanh),
    "arctan": (1, math.atan),
    "sign": (1, lambda x: float((x > 0) - (x < 0))),
    "floor": (1, lambda x: float(math.floor(x))),
    "exprel": (1, lambda x: math.expm1(x) / x if x else 1.0),
    "min": (None, min),
    "max": (None, max),
    "where": (3, lambda c, a, b: a if c else b),
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
    if not isinstance(line, str):
        raise InputError(f"a text is wanted, not {line!r:.60} ({type(line).__name__})")
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
    """A piece of mathematics: the tree as typed, and, when asked for, the same as SymPy."""

    row: str
    clean: Clean
    tree: ast.expr
    boolean: bool

    @property
    def text(self) -> str:
        return self.clean.text

    @cached_property
    def names(self) -> frozenset[str]:
        """The names in it, but for those of functions and pi."""
        found: set[str] = set()
        rest: list[ast.AST] = [self.tree]
        while rest:
            node = rest.pop()
            if isinstance(node, ast.Name):
                found.add(node.id)
            rest.extend(node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node))
        return frozenset(found - {"pi"})

    @cached_property
    def value(self) -> Any:
        """The same as SymPy; a `RowError` if it is not part of the notation."""
        from rheobase.model.algebra import build

        return build(self)

    def fail(self, node: ast.AST, message: str) -> RowError:
        """Return the error with a caret under `node`."""
        start = self.clean.column(getattr(node, "col_offset", 0))
        stop = self.clean.column(getattr(node, "end_col_offset", start + 1) - 1) + 1
        return RowError(self.row, message, self.clean.line, start, stop - start)

    def fail_at(self, message: str, at: int = 0) -> RowError:
        """Return the error with a caret under one character of the text."""
        return _fail(self.clean, self.row, message, at)


def parse_number(clean: Clean, row: str, sound: bool = False) -> Expression:
    """Return the expression of a text whose value is a number, checked unless it is known to be `sound`."""
    return _parse(clean, row, False, sound)


def parse_condition(clean: Clean, row: str, sound: bool = False) -> Expression:
    """Return the expression of a text that is true or false, checked unless it is known to be `sound`."""
    return _parse(clean, row, True, sound)


def _fail(clean: Clean, row: str, message: str, at: int) -> RowError:
    return RowError(row, message, clean.line, clean.column(at), 1)


def _parse(clean: Clean, row: str, boolean: bool, sound: bool) -> Expression:
    e = Expression(row, clean, _read_tree(clean, row), boolean)
    if not sound:
        _ = e.value
    return e


def _read_tree(clean: Clean, row: str) -> ast.expr:
    """Return the syntax tree of a text within the limits."""
    text = clean.text

    def fail(message: str, at: int = 0) -> RowError:
        return _fail(clean, row, message, at)

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
    return tree


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
