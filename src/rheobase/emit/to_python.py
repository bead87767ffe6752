"""Expressions -> Python text that runs as it is and compiles with Numba.

The four rows become four functions; an engine's loop calls them. The text uses only + - * /, comparisons,
conditional expressions and functions of `math`, so that plain Python and compiled code round alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, final

import sympy
from sympy.printing.pycode import PythonCodePrinter

from rheobase.derive.integrate import Step
from rheobase.derive.near import NEAR
from rheobase.model.neuron import Neuron

__all__ = ["print_expression", "row_functions"]

_MATH: Final = {
    "exp": "exp",
    "log": "log",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "atan": "atan",
    "Abs": "abs",
    "floor": "floor",
    "exprel": "exprel",
    "exprel_near": "_exprel_near",
    "exprel_slope": "exprel_slope",
}


@final
class _Printer(PythonCodePrinter):
    """SymPy's Python printer with products for small powers and plain function names; `number` writes the numbers."""

    def __init__(self, number: Callable[[float], str] = repr) -> None:
        super().__init__({"fully_qualified_modules": False, "strict": False})
        self.number = number

    def _print_Float(self, e: Any) -> str:
        return self.number(float(e))

    _print_Rational = _print_Integer = _print_Float

    _print_Zero = _print_One = _print_NegativeOne = _print_Half = _print_Float

    def _print_Pow(self, e: Any, rational: bool = False) -> str:
        base, power = e.args
        if power.is_Float and float(2 * power).is_integer():  # v**2.0 and v**0.5 as v**2 and sqrt(v)
            power = sympy.Rational(int(2 * power), 2)
        if power.is_Integer and (power == 2 or (2 <= int(power) <= 4 and base.is_Symbol)):
            return "(" + "*".join([self.parenthesize(base, 60)] * int(power)) + ")"
        if base.is_Number and base > 0 and math.frexp(float(base))[0] == 0.5:  # LLVM makes exp2 of 2**x
            return f"exp({self.number(math.log(float(base)))}*({self._print(power)}))"
        if power == -1:
            return f"({self.number(1.0)}/{self.parenthesize(base, 60)})"
        if power == sympy.Rational(1, 2):
            return f"sqrt({self._print(base)})"
        if power == sympy.Rational(-1, 2):
            return f"({self.number(1.0)}/sqrt({self._print(base)}))"
        if power.is_Integer:  # not **3: compiled code multiplies it out, Python calls pow, and the last bits differ
            return f"({self._print(base)})**{self.number(float(power))}"
        return f"({self._print(base)})**({self._print(power)})"

    def _print_Function(self, e: Any) -> str:
        name = type(e).__name__
        if name not in _MATH:
            raise TypeError(f"no way to print {name}")
        return f"{_MATH[name]}({self._print(e.args[0])})"

    _print_exp = _print_log = _print_Abs = _print_floor = _print_Function
    _print_sin = _print_cos = _print_tan = _print_sinh = _print_cosh = _print_tanh = _print_atan = _print_Function

    def _print_sign(self, e: Any) -> str:
        x = self._print(e.args[0])
        zero, one = self.number(0.0), self.number(1.0)
        return f"({one} if ({x}) > {zero} else (-{one} if ({x}) < {zero} else {zero}))"

    def _print_Piecewise(self, e: Any) -> str:
        text = f"({self._print(e.args[-1][0])})"
        for value, condition in reversed(e.args[:-1]):
            text = f"(({self._print(value)}) if ({self._print(condition)}) else {text})"
        return text

    def _pick(self, e: Any, sign: str) -> str:
        text = self._print(e.args[0])
        for a in e.args[1:]:
            other = self._print(a)
            text = f"(({text}) if ({text}) {sign} ({other}) else ({other}))"
        return text

    def _print_Min(self, e: Any) -> str:
        return self._pick(e, "<")

    def _print_Max(self, e: Any) -> str:
        return self._pick(e, ">")


_PRINTER: Final = _Printer()


def print_expression(e: Any, number: Callable[[float], str] | None = None) -> str:
    """Return the Python text of a SymPy expression or condition; `number` says how a number is written.

    >>> from rheobase.model.algebra import symbol
    >>> print_expression(symbol("v") ** 2 / 2)
    '(0.5)*(v*v)'
    """
    printer = _PRINTER if number is None else _Printer(number)
    return str(printer.doprint(sympy.sympify(e, strict=True)))


def _body(statements: Any, results: tuple[str, ...], indent: str) -> list[str]:
    lines = [f"{indent}{name} = {print_expression(e)}" for name, e in statements]
    return [*lines, f"{indent}return {', '.join(results)}" + ("," if len(results) == 1 else "")]


def _names(expressions: Any, own: set[str]) -> list[str]:
    return sorted({s.name for e in expressions for s in sympy.sympify(e, strict=True).free_symbols} - own)


def _bound_lines(neuron: Neuron, values: Mapping[str, str], indent: str) -> list[str]:
    lines = []
    for b in neuron.rows.bounds:
        target = values[b.state]
        limit = print_expression(neuron.rows.substitute(b.right.value))
        sign = "<" if b.side == ">=" else ">"
        lines.append(f"{indent}{target} = {limit} if {target} {sign} {limit} else {target}")
    return lines


def row_functions(
    neuron: Neuron, step: Step, near: tuple[Step, tuple[Any, ...]] | None = None
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the source lines of _flow*, _receive_*, _fires, _hazard and _reset, and each one's arguments.

    Every function takes the states first, in their order, and returns all states (``_fires`` a truth value,
    ``_hazard`` a rate). Names of our own begin with an underscore, which no user's name does. With `near` (see
    `rheobase.derive.near`) there are _near_flow* and _is_near, too.
    """
    rows, states = neuron.rows, list(neuron.states)
    source: list[str] = []
    arguments: dict[str, list[str]] = {}

    def define(name: str, doc: str, more: list[str], body: list[str]) -> None:
        arguments[name] = [*states, *more]
        source.extend(["", "", f"def {name}({', '.join(arguments[name])}):", f'    """{doc}"""', *body])

    bounds = [rows.substitute(b.right.value) for b in rows.bounds]
    for prefix, taken in ({"": step} | ({"_near": near[0]} if near else {})).items():
        for clamped, statements in taken.branches.items():
            own = {*states, *(n for n, _ in statements)}
            tail = "_clamped_" + "__".join(sorted(clamped)) if clamped else ""
            new = {s: f"_new_{s}" for s in states}
            lines = _body(statements, tuple(new.values()), "    ")
            lines[-1:-1] = _bound_lines(neuron, new, "    ")
            define(
                f"{prefix}_flow{tail}",
                f"One step by the method '{step.method}'"
                + (f", {', '.join(sorted(clamped))} clamped." if clamped else "."),
                _names([*(e for _, e in statements), *bounds], own),
                lines,
            )
    if near is not None:
        sides = [sympy.fraction(sympy.together(e)) for e in near[1]]  # no division: it takes as long as all the rest
        tests = " and ".join(f"abs({print_expression(a)}) < abs({print_expression(NEAR * b)})" for a, b in sides)
        define(
            "_is_near",
            "Whether _near_flow gives what _flow gives.",
            _names(near[1], set(states)),
            [f"    return {tests}"],
        )
    for port, jumps in rows.receive.items():
        values = [rows.substitute(j.value) for j in jumps]
        lines = [f"    {j.state} = {print_expression(e)}" for j, e in zip(jumps, values, strict=True)]
        lines += _bound_lines(neuron, {s: s for s in states}, "    ")
        define(
            f"_receive_{port}",
            f"On a presynaptic spike at port {port}.",
            ["w_i", *(n for n in _names([*values, *bounds], set(states)) if n != "w_i")],
            [*lines, f"    return {', '.join(states)}" + ("," if len(states) == 1 else "")],
        )
    if rows.threshold is not None:
        e = rows.substitute(rows.threshold.value)
        define(
            "_fires",
            "Whether the threshold row holds.",
            _names([e], set(states)),
            [f"    return {print_expression(e)}"],
        )
    if rows.hazard is not None:
        e = rows.substitute(rows.hazard.value)
        define(
            "_hazard", "The rate of firing, per ms.", _names([e], set(states)), [f"    return {print_expression(e)}"]
        )
    values = [rows.substitute(j.value) for j in rows.reset]
    lines = [f"    {j.state} = {print_expression(e)}" for j, e in zip(rows.reset, values, strict=True)]
    define(
        "_reset",
        "After a spike.",
        _names(values, set(states)),
        [*lines, f"    return {', '.join(states)}" + ("," if len(states) == 1 else "")],
    )
    return source, arguments
