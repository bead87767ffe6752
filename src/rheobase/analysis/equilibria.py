"""Where the flow of a neuron stands still, and how it leaves there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import sympy

from rheobase.analysis.setting import Setting
from rheobase.model.algebra import symbol

__all__ = ["FixedPoint", "describe", "exact_numbers", "fixed_points", "name_stability", "scan_roots"]

_SCAN = 8001
_STARTS = 41


@final
@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A state at which the flow is zero.

    Attributes
    ----------
    state : dict
        Its coordinates; ``point["v"]`` is one of them.
    eigenvalues : complex array (n_states,)
        Of the linearised flow, in 1/ms, the largest real part first.
    kind : str
        stable or unstable node, stable or unstable focus, saddle, center, saddle-node.
    """

    state: Mapping[str, float]
    eigenvalues: np.ndarray
    kind: str

    @property
    def stable(self) -> bool:
        """Whether small deviations die out."""
        return bool(self.eigenvalues.real.max() < 0)

    def __getitem__(self, name: str) -> float:
        return self.state[name]

    def __repr__(self) -> str:
        place = ", ".join(f"{s} = {x:.6g}" for s, x in self.state.items())
        values = ", ".join(f"{z.real:.4g}{z.imag:+.4g}i" if z.imag else f"{z.real:.4g}" for z in self.eigenvalues)
        return f"{self.kind} at {place} (eigenvalues {values} /ms)"


def name_stability(jacobian: np.ndarray) -> tuple[np.ndarray, str]:
    """Return eigenvalues, largest real part first, and the name of a fixed point with this linearisation.

    A zero is what lies below 1e-9 of the matrix: there the name is that of the bifurcation.
    """
    values = np.linalg.eigvals(jacobian).astype(complex)
    values = values[np.lexsort((-values.imag, -values.real))]
    tiny = 1e-9 * np.linalg.norm(jacobian)
    turning = np.abs(values.imag) > 0
    if np.any(np.abs(values) <= tiny) or (
        len(values) == 2 and abs(np.linalg.det(jacobian)) <= tiny * np.linalg.norm(jacobian)
    ):
        return values, "saddle-node"
    if turning.any() and np.all(np.abs(values.real[turning]) <= tiny):
        return values, "center"
    growing = values.real > 0
    if growing.any() and not growing.all():
        return values, "saddle"
    shape = "focus" if turning.any() else "node"
    return values, f"{'unstable' if growing.any() else 'stable'} {shape}"


def describe(setting: Setting, x: np.ndarray) -> FixedPoint:
    """Return the fixed point at states x."""
    values, kind = name_stability(setting.jacobian(x))
    return FixedPoint(dict(zip(setting.states, x.tolist(), strict=True)), values, kind)


def fixed_points(setting: Setting, ranges: Mapping[str, tuple[float, float]]) -> list[np.ndarray]:
    """Return all fixed points of a flow with two states, shape (2,) each, sorted.

    Where a row is linear in a state, the state is eliminated; the roots of what remains are found exactly if
    it is a polynomial (whatever the ranges), by a scan of twice the range if not. Else Newton's method runs
    from a grid of starts.
    """
    x, y = (symbol(s) for s in setting.states)
    numbers = exact_numbers(setting)
    rows = [e.subs(numbers, simultaneous=True) for e in setting.drift]
    for row, other in ((1, 0), (0, 1)):
        for gone, left in ((y, x), (x, y)):
            slope = sympy.diff(rows[row], gone)
            if slope == 0 or gone in slope.free_symbols:
                continue
            rest = sympy.expand(rows[row] - slope * gone)
            found = _at_roots(
                setting,
                sympy.together(rows[other].subs(gone, -rest / slope)),
                left,
                gone,
                -rest / slope,
                ranges,
            )
            # where the slope is zero the row says nothing about this state, and may hold all the same
            for r in _roots(setting, slope, left, ranges) if left in slope.free_symbols else []:
                if rest.subs(left, r) == 0 or abs(float(setting.number(rest, **{left.name: float(r)}))) < 1e-12:
                    found += _at_roots(setting, rows[other].subs(left, r), gone, left, r, ranges)
            return _polish(setting, found)
    return _polish(setting, _from_grid(setting, ranges))


def exact_numbers(setting: Setting) -> dict[sympy.Symbol, sympy.Rational]:
    """Return the values as rational numbers."""
    # 0.04 means four hundredths, not the nearest binary fraction: then double roots are double
    return {symbol(n): sympy.Rational(repr(float(v))) for n, v in setting.values.items()} | {
        symbol("t"): sympy.Integer(0)
    }


def _at_roots(
    setting: Setting,
    h: Any,
    along: sympy.Symbol,
    other: sympy.Symbol,
    value: Any,
    ranges: Mapping[str, tuple[float, float]],
) -> list[np.ndarray]:
    """Return the points at the roots of h(along), with `other` = value there."""
    out = []
    for r in _roots(setting, h, along, ranges):
        both = {along.name: float(r), other.name: float(setting.number(value, **{along.name: float(r)}))}
        point = np.array([both[s] for s in setting.states])
        if np.isfinite(point).all():
            out.append(point)
    return out


def _roots(setting: Setting, h: Any, z: sympy.Symbol, ranges: Mapping[str, tuple[float, float]]) -> list[Any]:
    """Return the real roots of h(z): exactly for polynomials, else by a scan of twice the range."""
    head, _ = sympy.fraction(sympy.together(h))
    try:
        poly = sympy.Poly(sympy.expand(head), z)
        if all(c.is_Rational for c in poly.coeffs()):
            if poly.is_zero or poly.degree() < 1:
                return []
            return [r if r.is_Rational else r.evalf(30) for r in dict.fromkeys(sympy.real_roots(poly))]
    except (sympy.PolynomialError, sympy.CoercionFailed):
        pass
    low, high = ranges[z.name]
    wide = high - low
    found = scan_roots(
        lambda x: np.broadcast_to(setting.number(h, **{z.name: x}), np.shape(x)), low - wide, high + wide
    )
    return [sympy.Float(r) for r in found]


def scan_roots(h: Callable[[Any], Any], low: float, high: float, n: int = _SCAN) -> list[float]:
    """Return the roots of h: changes of sign, and pairs hidden between two points of the scan."""
    from scipy.optimize import brentq, minimize_scalar

    z = np.linspace(low, high, n)
    with np.errstate(all="ignore"):
        values = np.asarray(h(z), dtype=float)
    ok = np.isfinite(values)
    zero = values == 0
    alone = ~(np.roll(zero, 1) | np.roll(zero, -1))  # a stretch of zeros is underflow
    roots = [float(r) for r in z[ok & zero & alone]]

    def one(r: float) -> float:
        return float(h(np.asarray(r)))

    change = np.flatnonzero(ok[:-1] & ok[1:] & (values[:-1] * values[1:] < 0))
    for k in change:
        r = brentq(one, z[k], z[k + 1], xtol=1e-15 * (1 + abs(z[k])), rtol=1e-15)
        if abs(one(r)) <= 1e-6 * max(abs(values[k]), abs(values[k + 1])):  # a pole changes its sign too
            roots.append(float(r))
    size = np.abs(values)
    a, b, c = size[:-2], size[1:-1], size[2:]
    with np.errstate(all="ignore"):  # the lowest point of the parabola through three: most dips stay far from zero
        lowest = b - (c - a) ** 2 / (8 * (a - 2 * b + c))
        near = (
            (b <= a)
            & (b <= c)
            & (lowest < 0.3 * b)
            & (values[:-2] * values[1:-1] > 0)
            & (values[1:-1] * values[2:] > 0)
        )
    dip = np.flatnonzero(near) + 1
    for k in dip:
        side = np.sign(values[k])
        found = minimize_scalar(
            lambda r, side=side: side * one(r),
            bounds=(z[k - 1], z[k + 1]),
            method="bounded",
            options={"xatol": 1e-12 * (1 + abs(z[k]))},
        )
        depth = max(size[k - 1], size[k + 1])
        if found.fun < -1e-13 * depth:
            roots += [
                float(brentq(one, z[k - 1], found.x, xtol=1e-15)),
                float(brentq(one, found.x, z[k + 1], xtol=1e-15)),
            ]
        elif found.fun <= 1e-11 * depth:
            roots.append(float(found.x))
    return sorted(roots)


def _from_grid(setting: Setting, ranges: Mapping[str, tuple[float, float]]) -> list[np.ndarray]:
    """Newton's method from a grid of starts over twice the ranges, all at once."""
    axes = []
    for s in setting.states:
        low, high = ranges[s]
        axes.append(np.linspace(low - 0.5 * (high - low), high + 0.5 * (high - low), _STARTS))
    x = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=-1)
    width = np.array([ranges[s][1] - ranges[s][0] for s in setting.states])
    for _ in range(60):
        with np.errstate(all="ignore"):
            f, j = setting.flow(x), setting.jacobian(x)
        good = (
            np.isfinite(f).all(-1)
            & np.isfinite(j).all((-1, -2))
            & (np.abs(np.linalg.det(np.where(np.isfinite(j), j, 0))) > 1e-300)
        )
        x, f, j = x[good], f[good], j[good]
        if not len(x):
            return []
        move = np.linalg.solve(j, f[..., None])[..., 0]
        size = np.max(np.abs(move) / width, axis=-1, keepdims=True)
        x = x - move / np.maximum(1.0, 4 * size)  # at most a quarter of the range in a step
    with np.errstate(all="ignore"):
        f, j = setting.flow(x), setting.jacobian(x)
    scale = np.abs(j) @ width
    return [*x[np.all(np.abs(f) <= 1e-9 * (scale + 1e-300), axis=-1)]]


def _polish(setting: Setting, points: list[np.ndarray]) -> list[np.ndarray]:
    """Return the points after a few steps of Newton's method, each once, sorted."""
    out: list[np.ndarray] = []
    for point in points:
        x = point
        for _ in range(4):
            f, j = setting.flow(x), setting.jacobian(x)
            if not np.isfinite(j).all() or np.linalg.cond(j) > 1e10:
                break
            moved = x - np.linalg.solve(j, f)
            if np.abs(setting.flow(moved)).max() >= np.abs(f).max():
                break
            x = moved
        if not np.isfinite(setting.flow(x)).all():
            continue
        if not any(np.all(np.abs(x - y) <= 1e-7 * (1e-3 + np.abs(y))) for y in out):
            out.append(x)
    return sorted(out, key=lambda p: tuple(p))
