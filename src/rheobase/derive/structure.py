"""What kind of equation a neuron is: affine, linear in each state, polynomial, noisy, bounded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, final

import sympy

from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron
from rheobase.model.rows import Rows

__all__ = ["Structure", "analyse"]


@final
@dataclass(frozen=True)
class Structure:
    """The flow dx/dt = drift(x, u, t) + noise @ xi of a neuron, with derived names put in.

    `states` and `inputs` are the symbols x and u; everything else is a parameter.
    """

    states: tuple[sympy.Symbol, ...]
    inputs: tuple[sympy.Symbol, ...]
    noises: tuple[sympy.Symbol, ...]
    drift: tuple[sympy.Expr, ...]
    noise: tuple[tuple[sympy.Expr, ...], ...]

    @cached_property
    def timed(self) -> bool:
        """Whether t itself stands in the rows."""
        return any(symbol("t") in e.free_symbols for e in self.drift)

    @cached_property
    def affine(self) -> tuple[sympy.Matrix, sympy.Matrix, sympy.Matrix] | None:
        """A, B, c of drift = A x + B u + c with A, B, c free of x, u and t; None if the flow is not of that kind."""
        varying = {*self.states, *self.inputs, symbol("t")}
        kinks = (sympy.Piecewise, sympy.Min, sympy.Max, sympy.Abs, sympy.sign, sympy.floor)
        if any(e.free_symbols & varying for d in self.drift for e in d.atoms(*kinks)):
            return None
        f = sympy.Matrix(self.drift)
        a = f.jacobian(self.states) if self.states else sympy.zeros(0, 0)
        b = f.jacobian(self.inputs) if self.inputs else sympy.zeros(len(self.drift), 0)
        if (a.free_symbols | b.free_symbols) & varying:
            if _differs(a, varying) or _differs(b, varying):  # a plain no, where simplifying would take a second
                return None
            a, b = a.applyfunc(sympy.simplify), b.applyfunc(sympy.simplify)
            if (a.free_symbols | b.free_symbols) & varying:
                return None
        c = (
            f
            - a * sympy.Matrix(self.states)
            - (b * sympy.Matrix(self.inputs) if self.inputs else sympy.zeros(len(self.drift), 1))
        )
        c = c.applyfunc(sympy.expand)
        if c.free_symbols & varying:
            c = c.applyfunc(sympy.simplify)
            if c.free_symbols & varying:
                return None
        return a, b, c

    @cached_property
    def linear_in_own_state(self) -> bool:
        """Whether each dx_i/dt is linear in x_i itself, the other states held (conductances, gates)."""
        return all(x not in sympy.diff(e, x).free_symbols for x, e in zip(self.states, self.drift, strict=True))

    @cached_property
    def additive_noise(self) -> bool:
        """Whether the strength of the noise is free of states, inputs and time."""
        varying = {*self.states, *self.inputs, symbol("t")}
        return not any(g.free_symbols & varying for row in self.noise for g in row)


def _differs(matrix: sympy.Matrix, varying: set[sympy.Symbol]) -> bool:
    """Return whether an entry has different values at two places: then nothing frees it of the varying symbols."""
    symbols = sorted(matrix.free_symbols, key=str)
    places = []
    for shift in (0.0, 0.37):
        at = {s: 0.618 * i + (shift if s in varying else 0.0) for i, s in enumerate(symbols)}
        places.append({s: sympy.Float(0.5 + x % 1) for s, x in at.items()})
    for e in matrix:
        if e.free_symbols & varying:
            first, second = (e.subs(place) for place in places)
            if first.is_Float and second.is_Float and abs(first - second) > 1e-6 * (1 + abs(first)):
                return True
    return False


def analyse(neuron: Neuron, inputs: Collection[str]) -> Structure:
    """Return the structure of a neuron when `inputs` are the names that vary in time."""
    return _analyse(neuron.rows, tuple(sorted(inputs)))


@lru_cache(maxsize=256)
def _analyse(rows: Rows, inputs: tuple[str, ...]) -> Structure:
    states = tuple(symbol(s) for s in rows.states)
    flows = [rows.substitute(flow.value) for flow in rows.flows]
    there = {s.name for f in flows for s in f.free_symbols}
    noises = tuple(symbol(x) for x in rows.noises if x in there)
    drift, noise = [], []
    for f in flows:
        noise.append(tuple(sympy.diff(f, x) for x in noises))
        drift.append(f.subs(dict.fromkeys(noises, 0)))
    return Structure(states, tuple(symbol(u) for u in inputs), noises, tuple(drift), tuple(noise))


def threshold_function(neuron: Neuron) -> tuple[Any, bool] | None:
    """Return (g, strict) when the neuron fires where g > 0 (strict) or g >= 0; None for other conditions."""
    if neuron.rows.threshold is None:
        return None
    value = neuron.rows.substitute(neuron.rows.threshold.value)
    kinds = {
        sympy.StrictGreaterThan: (1, True),
        sympy.GreaterThan: (1, False),
        sympy.StrictLessThan: (-1, True),
        sympy.LessThan: (-1, False),
    }
    if type(value) not in kinds:
        return None
    sign, strict = kinds[type(value)]
    return sign * (value.lhs - value.rhs), strict
