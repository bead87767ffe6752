"""The phase plane of a neuron with two states: nullclines, fixed points, flow, trajectories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import sympy

from rheobase.analysis.equilibria import FixedPoint, describe, exact_numbers, fixed_points
from rheobase.analysis.setting import Setting, read_setting
from rheobase.derive.rest import is_current
from rheobase.errors import InputError, nearest
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron
from rheobase.simulation import Engine, simulate
from rheobase.units import to_number

__all__ = ["PhasePlane", "phase_plane"]

_GRID = 301


@final
@dataclass(frozen=True, eq=False)
class PhasePlane:
    """What the flow of two states looks like at constant inputs.

    Attributes
    ----------
    x, y : str
        The states on the axes.
    x_range, y_range : (float, float)
    nullclines : dict
        State -> list of branches, arrays (n_points, 2) of (x, y) on which its d/dt is zero. Branches that do
        not touch within the ranges are separate.
    fixed_points : tuple of FixedPoint
        All of them, sorted by x.
    """

    setting: Setting
    given: Mapping[str, Any]
    x: str
    y: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    nullclines: Mapping[str, list[np.ndarray]]
    fixed_points: tuple[FixedPoint, ...]

    def field(self, n: int = 21) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return X, Y, dx/dt, dy/dt on an n by n grid, shape (n, n) each."""
        X, Y = np.meshgrid(np.linspace(*self.x_range, n), np.linspace(*self.y_range, n))
        flow = _flow(self.setting, self.x, self.y, X, Y)
        return X, Y, flow[0], flow[1]

    def trajectory(
        self, start: Sequence[float], until: Any = "200 ms", dt: Any = "0.01 ms", engine: Engine | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return t, x, y of a run from `start` (x, y), resets included; shape (n_times,) each."""
        model = self.setting.neuron
        how: dict[str, Any] = {"engine": engine} if engine is not None else {"dt": dt}
        begin = {self.x: float(start[0]), self.y: float(start[1])}
        run = simulate(
            model,
            until=to_number(until, "ms", "until"),
            record=[self.x, self.y],
            seed=0,
            **how,
            **{**self.given, **begin},
        )
        return run.t, run[self.x], run[self.y]

    def plot(self, starts: Sequence[Sequence[float]] = (), until: Any = "200 ms", axes: Any = None) -> Any:
        """Draw nullclines, flow, fixed points and the trajectories from `starts`; return the axes."""
        from rheobase.plot import phase

        points = [(p[self.x], p[self.y], p.kind) for p in self.fixed_points]
        paths = [self.trajectory(s, until)[1:] for s in starts]
        unit = self.setting.neuron.unit
        return phase.plane(
            self.nullclines,
            points,
            self.field(),
            paths,
            (self.x, unit(self.x), self.x_range),
            (self.y, unit(self.y), self.y_range),
            self.setting.neuron.name,
            axes,
        )

    def __repr__(self) -> str:
        lines = "".join(f"\n  {p!r}" for p in self.fixed_points) or "\n  no fixed point"
        return f"phase plane of {self.setting.neuron.name}, {self.y} against {self.x}:{lines}"


def phase_plane(
    model: Neuron,
    x: str = "v",
    y: str | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    **given: Any,
) -> PhasePlane:
    """Return the phase plane of a neuron with two states at constant inputs.

    States that stay at rest by themselves (a synaptic current at which nothing arrives) do not count.

    Parameters
    ----------
    model : Neuron
    x, y : str
        The states on the axes; `y` is the other one if not given.
    ranges : dict, optional
        State -> (low, high). By default from the start, the reset, the threshold and the fixed points.
    **given
        Inputs (``I=``) and other values, as for `simulate`; currents are zero if not given.

    Raises
    ------
    InputError
        If the neuron has not two states, or there is no such state.

    References
    ----------
    Gerstner et al. (2014), Neuronal Dynamics, chapter 4; Izhikevich (2007), Dynamical Systems in
    Neuroscience, chapter 4.

    Examples
    --------
    >>> from rheobase.model.zoo import Izhikevich
    >>> phase_plane(Izhikevich(), I=0)
    phase plane of Izhikevich, u against v:
      stable node at v = -70, u = -14 (eigenvalues -0.02698, -0.593 /ms)
      saddle at v = -50, u = -10 (eigenvalues 0.9961, -0.01606 /ms)
    """
    setting = read_setting(_with_currents(model, given), given)
    if len(setting.states) != 2:
        setting = setting.reduce(x)
    if len(setting.states) != 2:
        raise InputError(
            f"{model.name} has {len(setting.states)} states that move"
            f" ({', '.join(setting.states)}); a phase plane has"
            " two. Hold some by giving them d/dt = 0"
        )
    if x not in setting.states:
        raise InputError(
            f"x = '{x}' is no moving state of {model.name}.{nearest(x, setting.states)} States:"
            f" {', '.join(setting.states)}"
        )
    other = next(s for s in setting.states if s != x)
    if y is not None and y != other:
        raise InputError(f"y = '{y}' must be the other state, {other}")
    wanted = dict(ranges or {})
    for s in wanted:
        if s not in setting.states:
            raise InputError(f"ranges: '{s}' is no moving state; there are {x} and {other}")
        if not wanted[s][0] < wanted[s][1]:
            raise InputError(f"ranges: {s} = {wanted[s]!r} must be (low, high)")
    full = {**_default_ranges(setting, x, other, wanted), **wanted}
    points = [describe(setting, p) for p in fixed_points(setting, full)]
    points = [p for p in points if all(low <= p[s] <= high for s, (low, high) in wanted.items())]
    for s in (x, other):
        inside = [p[s] for p in points]
        if s not in wanted and inside:
            low, high = min(full[s][0], *inside), max(full[s][1], *inside)
            if high - low < 4 * (full[s][1] - full[s][0]):
                pad = 0.08 * (high - low)
                full[s] = (low - pad * (low < full[s][0]), high + pad * (high > full[s][1]))
    lines = {s: _nullcline(setting, s, x, other, full) for s in (x, other)}
    ordered = tuple(sorted(points, key=lambda p: (p[x], p[other])))
    return PhasePlane(setting, dict(given), x, other, full[x], full[other], lines, ordered)


def _with_currents(model: Neuron, given: Mapping[str, Any]) -> Neuron:
    if not isinstance(model, Neuron):
        raise InputError(f"a Neuron is wanted, not {type(model).__name__}; write rb.Neuron(...) or take rb.AdEx()")
    missing = [n for n in model.inputs if n not in given and not is_current(n)]
    if missing:
        raise InputError(f"{model.name} needs the input {missing[0]}: give {missing[0]}=")
    return model


def _flow(setting: Setting, x: str, y: str, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = [X, Y] if setting.states == (x, y) else [Y, X]
    flow = setting.flow(np.stack(order, axis=-1))
    return flow[..., setting.states.index(x)], flow[..., setting.states.index(y)]


def _default_ranges(
    setting: Setting, x: str, y: str, wanted: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    neuron = setting.neuron
    places = [setting.start[x]]
    for j in neuron.rows.reset:
        value = neuron.rows.substitute(j.value)
        if j.state == x and not {s.name for s in value.free_symbols} & set(setting.states):
            places.append(float(setting.number(value)))
    if setting.threshold is not None:
        g, v = setting.threshold[0], symbol(x)
        slope = sympy.diff(g, v)
        if {s.name for s in g.free_symbols} & set(setting.states) == {x} and v not in slope.free_symbols:
            places.append(places[0] - float(setting.number(g, **{x: places[0]})) / float(setting.number(slope)))
    low, high = min(places), max(places)
    pad = 0.15 * (high - low) if high > low else 1.0 + abs(low)
    out = {x: (low - pad, high + pad / 3)}
    span = wanted.get(x, out[x])
    row = dict(zip(setting.states, setting.drift, strict=True))[y]
    slope = sympy.diff(row, symbol(y))
    begin = setting.start[y]
    if slope != 0 and symbol(y) not in slope.free_symbols:
        along = np.linspace(*span, 101)
        values = np.broadcast_to(setting.number(symbol(y) - row / slope, **{x: along, y: 0.0}), along.shape)
        values = values[np.isfinite(values)]
        low, high = min(begin, *np.percentile(values, [2, 98])), max(begin, *np.percentile(values, [2, 98]))
        pad = 0.25 * (high - low) if high > low else 1.0 + abs(low)
    else:
        low = high = begin
        pad = 1.0 + abs(begin)
    return {**out, y: (float(low - pad), float(high + pad))}


def _nullcline(
    setting: Setting, state: str, x: str, y: str, ranges: Mapping[str, tuple[float, float]]
) -> list[np.ndarray]:
    """Return the branches on which d state/dt = 0: contour lines of a grid, moved onto the curve."""
    from contourpy import contour_generator

    xs, ys = np.linspace(*ranges[x], _GRID), np.linspace(*ranges[y], _GRID)
    X, Y = np.meshgrid(xs, ys)
    cell = np.array([xs[1] - xs[0], ys[1] - ys[0]])
    out = []
    for factor in _factors(setting, state):
        values = np.broadcast_to(setting.number(factor, **{x: X, y: Y}), X.shape)
        scale = np.median(np.abs(values[np.isfinite(values)])) if np.isfinite(values).any() else 1.0
        tamed = np.ma.masked_invalid(np.arcsinh(values / (scale or 1.0)))
        for line in contour_generator(xs, ys, tamed).lines(0.0):
            points, good = _onto(setting, factor, x, y, np.asarray(line, dtype=float), cell)
            edges = np.flatnonzero(~good)
            out += [
                part[np.all(np.isfinite(part), axis=1)]
                for part in np.split(np.where(good[:, None], points, np.nan), edges)
            ]
    return [part for part in out if len(part) > 1]


def _factors(setting: Setting, state: str) -> list[Any]:
    """Return the factors of a row that can be zero: v*(1 - v - w) is two straight lines, not one bent one."""
    row = setting.drift[setting.states.index(state)].subs(exact_numbers(setting), simultaneous=True)
    moving = {symbol(s) for s in setting.states}
    parts = []
    for factor in sympy.Mul.make_args(sympy.factor(row)):
        inner, power = factor.as_base_exp()
        if inner.free_symbols & moving and not isinstance(inner, sympy.exp) and power.is_positive is not False:
            parts.append(inner if inner != sympy.E else factor)
    return parts


def _onto(
    setting: Setting, row: Any, x: str, y: str, points: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points moved onto the zero of a row along its gradient, and whether they got there."""
    slopes = [sympy.diff(row, symbol(s)) for s in (x, y)]
    place = points.copy()

    def look(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        here = {x: p[:, 0], y: p[:, 1]}
        f, *gradient = (np.broadcast_to(setting.number(e, **here), p.shape[:1]) for e in (row, *slopes))
        return f, np.stack(gradient, axis=-1) * cell

    with np.errstate(all="ignore"):
        for _ in range(12):
            f, gradient = look(place)
            move = f[:, None] * gradient / np.maximum((gradient**2).sum(1), 1e-300)[:, None]
            length = np.sqrt((move**2).sum(1))[:, None]
            place = place - np.nan_to_num(move / np.maximum(1.0, length)) * cell
        f, gradient = look(place)
        near = np.max(np.abs(place - points) / cell, axis=1) < 3.0
        there = np.abs(f) <= 1e-8 * np.sqrt((gradient**2).sum(1)) + 1e-300
    return place, near & there
