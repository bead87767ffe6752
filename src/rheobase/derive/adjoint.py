"""The backward step of a layer: reverse differentiation of its statements by SymPy.

For each statement y = f(a, b), last first, the adjoint of y times df/da is added to the adjoint of a. Where a spike
is chosen, the slope of the surrogate stands for the derivative of the threshold; where a state is chosen by the
spike (the reset), a change of the spike moves the state from one value to the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import sympy

from rheobase.derive.layer_step import FIRED, LayerStep
from rheobase.model.algebra import exprel, symbol
from rheobase.model.expression import normalise, parse_number

__all__ = ["SENT", "Adjoint", "derive_adjoint", "exprel_slope", "slope_of", "surrogate_slope"]

#: The gradient that comes from outside to the spikes of this step.
SENT: Final = "_d_fired"


@final
class exprel_slope(sympy.Function):  # noqa: N801  (the name is what gets printed)
    """The derivative of (exp(x) - 1)/x, 1/2 at 0; printed as a function of its own, since its quotient cancels."""

    nargs = (1,)


@final
class _Exprel(sympy.Function):
    """`exprel` with a derivative that keeps its digits."""

    nargs = (1,)

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return exprel_slope(self.args[0])


@final
class _Raised(sympy.Function):
    """A power whose exponent is a symbol, with derivatives that are finite at 0: SymPy's is v**n n/v."""

    nargs = (2,)

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        base, power = self.args
        if argindex == 1:
            return power * base ** (power - 1)
        return sympy.Piecewise((0, sympy.Eq(base, 0)), (base**power * sympy.log(base), True))


@final
@dataclass(frozen=True)
class Adjoint:
    """The statements of the backward step, in order, and the names under which its results stand.

    ``_d_<state>`` is what comes in: the gradient with respect to a state after the step. `states`, `fed` and
    `constants` map a name to its gradient: that of a state before the step, of what is fed, of a constant.
    """

    statements: tuple[tuple[str, Any], ...]
    states: Mapping[str, Any]
    fed: Mapping[str, Any]
    constants: Mapping[str, Any]


def derive_adjoint(step: LayerStep, wanted: Collection[str], slope: Any, detach_reset: bool) -> Adjoint:
    """Return the backward step.

    Parameters
    ----------
    wanted : collection of str
        What besides the states needs a gradient: fed names and constants.
    slope : SymPy expression
        The slope of the spike at its threshold function ``_level``, ready to be multiplied.
    detach_reset : bool
        Whether the reset does not see the gradient of the spike.
    """
    active = {symbol(s) for s in step.states} | {symbol(f"_x_{f}") for f in step.fed if f in wanted}
    active |= {symbol(c) for c in step.constants if c in wanted}
    for s in step.statements:
        parts = [s.value, *([] if s.otherwise is None else [s.otherwise])]
        if s.otherwise is not None and symbol(FIRED) in active and not detach_reset:
            active.add(symbol(s.name))
        if any(e.free_symbols & active for e in parts):
            active.add(symbol(s.name))
    gathered: dict[Any, list[Any]] = {}
    for name in step.states:
        gathered.setdefault(symbol(step.final[name]), []).append(symbol(f"_d_{name}"))
    if step.fires:
        gathered.setdefault(symbol(FIRED), []).append(symbol(SENT))
    out: list[tuple[str, Any]] = []
    for s in reversed(step.statements):
        terms = gathered.pop(symbol(s.name), [])
        if not terms or symbol(s.name) not in active:
            continue
        bar = terms[0] if len(terms) == 1 and terms[0].is_Symbol else None
        if bar is None:
            bar = symbol(f"_b{s.name}" if s.name.startswith("_") else f"_b_{s.name}")
            out.append((bar.name, sum(terms)))

        def give(factor: Any, to: Any, bar: Any = bar) -> None:
            if factor != 0:
                gathered.setdefault(to, []).append(bar * factor)

        if s.condition is not None:
            for a in sorted(s.value.free_symbols & active, key=str):
                give(sympy.Piecewise((slope * slope_of(s.value, a), s.ready), (0, True)), a)
            continue
        if s.otherwise is None:
            for a in sorted(s.value.free_symbols & active, key=str):
                give(slope_of(s.value, a), a)
            continue
        fired = symbol(FIRED) > 0
        for a in sorted((s.value.free_symbols | s.otherwise.free_symbols) & active, key=str):
            yes, no = slope_of(s.value, a), slope_of(s.otherwise, a)
            give(yes if yes == no else sympy.Piecewise((yes, fired), (no, True)), a)
        if symbol(FIRED) in active and not detach_reset:
            give(s.value - s.otherwise, symbol(FIRED))

    def total(name: str) -> Any:
        return sum(gathered.get(symbol(name), []), start=sympy.Integer(0))

    return Adjoint(
        tuple(out),
        {s: total(s) for s in step.states},
        {f: total(f"_x_{f}") for f in step.fed if f in wanted},
        {c: total(c) for c in step.constants if c in wanted},
    )


def slope_of(e: Any, x: Any) -> Any:
    """Return de/dx; where e has a kink, the slope of the branch that holds."""
    e = e.replace(exprel, _Exprel)
    e = e.replace(lambda a: isinstance(a, sympy.Pow) and not a.exp.is_number, lambda a: _Raised(*a.args))
    e = e.replace(lambda a: isinstance(a, sympy.Min | sympy.Max), _pieces)
    out = sympy.diff(e, x)
    out = out.replace(lambda a: isinstance(a, sympy.Derivative | sympy.Subs | sympy.DiracDelta), lambda a: sympy.S.Zero)
    out = out.replace(sympy.Heaviside, lambda a, *more: sympy.Piecewise((1, a > 0), (0, True)))
    return out.replace(_Exprel, exprel).replace(_Raised, sympy.Pow)


def _pieces(e: Any) -> Any:
    """Return a minimum or maximum as a choice."""
    out = e.args[0]
    for a in e.args[1:]:
        out = sympy.Piecewise((out, out < a if isinstance(e, sympy.Min) else out > a), (a, True))
    return out


def surrogate_slope(text: str, names: Collection[str], chance: bool) -> Any:
    """Return the slope of the spike at ``_level``; its numbers are called ``_h_<name>``, and ``_per_scale`` 1/scale."""
    if chance:
        return sympy.Integer(1)
    per_scale = symbol("_per_scale")
    places: dict[Any, Any] = {symbol(n): symbol(f"_h_{n}") for n in names}
    places[symbol("u")] = symbol("_level") * per_scale
    return parse_number(normalise(text), "gradient").value.subs(places, simultaneous=True) * per_scale
