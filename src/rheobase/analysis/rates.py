"""Which closed form gives a neuron's rate under constant current, read off its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import sympy

from rheobase.analysis import theory
from rheobase.analysis.equilibria import exact_numbers
from rheobase.analysis.setting import Setting
from rheobase.model.algebra import symbol

__all__ = ["OneState", "one_state", "rate_in_theory"]


@final
@dataclass(frozen=True)
class OneState:
    """dx/dt = flow(x, u) from x_r up to theta, held at x_r for t_ref after each spike."""

    setting: Setting
    x: sympy.Symbol
    u: sympy.Symbol
    flow: sympy.Expr
    theta: float
    x_r: float
    t_ref: float

    def number(self, expression: Any, u: np.ndarray | None = None) -> Any:
        """Return the value of an expression free of x, shape of u if it depends on it."""
        return self.setting.number(expression, **({} if u is None else {self.u.name: u}))


def one_state(setting: Setting) -> OneState | None:
    """Return the neuron as a flow from a reset to a threshold; None if it is not of that kind."""
    small, neuron = setting.reduce(), setting.neuron
    if (
        len(small.states) != 1
        or small.threshold is None
        or small.free is None
        or small.structure.timed
        or neuron.noises
    ):
        return None
    name = small.states[0]
    x, u = symbol(name), symbol(small.free)
    g = small.threshold[0]
    slope = sympy.diff(g, x)
    if {x, u} & slope.free_symbols or u in g.free_symbols or float(small.number(slope)) <= 0:
        return None
    theta = float(small.x0[0]) - float(small.number(g, **{name: small.x0[0]})) / float(small.number(slope))
    jumps = [j for j in neuron.rows.reset if j.state == name]
    if len(jumps) != 1 or set(neuron.refractory) - {name}:
        return None
    x_r = float(small.number(neuron.rows.substitute(jumps[0].value), **{name: theta}))
    for bound in neuron.rows.bounds:
        edge = float(small.number(bound.right.value))
        if bound.state == name and (x_r < edge if bound.side == ">=" else theta > edge):
            return None
    if x_r >= theta:
        return None
    t_ref = small.values[neuron.refractory[name]] if name in neuron.refractory else 0.0
    return OneState(small, x, u, small.drift[0], theta, x_r, t_ref)


def rate_in_theory(setting: Setting, currents: np.ndarray) -> np.ndarray | None:
    """Return rates in Hz in the limit of a long run, shape of `currents`; None where no closed form is known.

    Linear flows (leaky and perfect integrators), quadratic ones, and linear plus exponential ones are known.
    """
    one = one_state(setting)
    if one is None:
        return None
    currents = np.asarray(currents, dtype=float)
    try:
        powers = sympy.Poly(sympy.expand(one.flow), one.x).all_coeffs()[::-1]
    except sympy.PolynomialError:
        return _exponential(one, currents)
    if len(powers) == 2:
        return _linear(one, powers, currents)
    if len(powers) == 1:
        speed = np.broadcast_to(np.asarray(one.number(powers[0], currents), float), currents.shape)
        return _perfect(one, speed)
    if len(powers) == 3 and one.u not in powers[2].free_symbols | powers[1].free_symbols:
        return _quadratic(one, powers, currents)
    return None


def _perfect(one: OneState, speed: np.ndarray) -> np.ndarray:
    moving = speed > 0
    interval = one.t_ref + (one.theta - one.x_r) / np.where(moving, speed, 1.0)
    return np.where(moving, 1e3 / interval, 0.0)


def _linear(one: OneState, powers: list[Any], currents: np.ndarray) -> np.ndarray | None:
    if one.u in powers[1].free_symbols:
        return None
    slope = float(one.number(powers[1]))
    if slope == 0:
        return _perfect(one, _exactly(one, powers[0], currents))
    if slope > 0:
        return None
    # the current of the formula is the speed at the threshold: E_L = theta, R = tau
    tau, speed = (
        -1 / slope,
        _exactly(one, one.flow.subs(one.x, sympy.Rational(repr(float(one.theta)))), currents),
    )
    return np.asarray(theory.lif_rate(speed, tau, tau, one.theta, one.theta, one.x_r, one.t_ref))


def _exactly(one: OneState, expression: Any, currents: np.ndarray) -> np.ndarray:
    """Return the value at each current, in rational numbers: at the rheobase itself, zero is zero."""
    held = {s: value for s, value in exact_numbers(one.setting).items() if s != one.u}
    inner = expression.subs(held, simultaneous=True)
    return np.array([float(inner.subs(one.u, sympy.Rational(repr(float(i))))) for i in currents])


def _quadratic(one: OneState, powers: list[Any], currents: np.ndarray) -> np.ndarray | None:
    a, p = float(one.number(powers[2])), float(one.number(powers[1]))
    if a <= 0:
        return None
    # a x^2 + p x + c = a (x + p/2a)^2 + (c - p^2/4a)
    middle = -p / (2 * a)
    bottom = _exactly(one, powers[0] - powers[1] ** 2 / (4 * powers[2]), currents)
    interval = theory.qif_isi(bottom, 1.0, one.x_r, one.theta, a=a, E_L=middle, v_c=middle)
    return np.asarray(1e3 / (one.t_ref + np.asarray(interval)))


def _exponential(one: OneState, currents: np.ndarray) -> np.ndarray | None:
    """Return the rate for p0(u) - p1 x + q exp(s x), written as an EIF with E_L = 0 and C = 1."""
    flow = sympy.expand(one.flow.rewrite(sympy.exp))
    terms = [e for e in sympy.Add.make_args(flow) if e.has(sympy.exp) and one.x in e.free_symbols]
    rest = flow - sympy.Add(*terms)
    found: dict[Any, list[Any]] = {}
    for e in terms:
        s = sympy.simplify(sympy.diff(e, one.x) / e)
        if {one.x, one.u} & s.free_symbols or one.u in e.free_symbols:
            return None
        found.setdefault(s, []).append(sympy.simplify(e * sympy.exp(-s * one.x)))
    slope = sympy.diff(rest, one.x)
    if len(found) != 1 or {one.x, one.u} & slope.free_symbols:
        return None
    (s, heads), g = next(iter(found.items())), -float(one.number(slope))
    sharp, q = float(one.number(s)), float(one.number(sympy.Add(*heads)))
    if g <= 0 or sharp <= 0 or q <= 0:
        return None
    constant = np.broadcast_to(np.asarray(one.number(rest - slope * one.x, currents), float), currents.shape)
    delta = 1 / sharp
    v_T = -delta * float(np.log(q / (g * delta)))
    interval = theory.eif_isi(constant, 1.0, g, 0.0, v_T, delta, one.x_r, one.theta, one.t_ref)
    return np.asarray(1e3 / np.asarray(interval))
