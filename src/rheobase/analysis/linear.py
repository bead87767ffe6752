"""How an affine flow answers a current that is switched on, and which current lifts it to the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import sympy

from rheobase.analysis.setting import Setting
from rheobase.model.algebra import symbol

__all__ = ["Drive", "drive_of", "flow_matrix"]

_PER_DECADE = 40
_LATE = 45.0  # exp(-45) is below rounding
_MANY = 64


def flow_matrix(a: np.ndarray, columns: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return exp(A t) and the integral of exp(A s) over (0, t) times `columns`, for each t.

    Shapes (n_times, n, n) and (n_times, n, n_columns); one exponential of the augmented matrix, which stays
    accurate where eigenvalues coincide. Many times at once go through the eigenvectors where those are well
    apart: the same to about ten digits, and a hundred times faster.
    """
    from scipy.linalg import expm

    n, m = a.shape[0], columns.shape[1]
    t = np.atleast_1d(t)
    full = np.zeros((n + m, n + m))
    full[:n, :n], full[:n, n:] = a, columns
    if len(t) > _MANY:
        values, vectors = np.linalg.eig(full)
        if np.linalg.cond(vectors) < 1e5:
            e = ((vectors * np.exp(values * t[:, None])[:, None, :]) @ np.linalg.inv(vectors)).real
            return e[:, :n, :n], e[:, :n, n:]
        step = t[-1] / (len(t) - 1)
        if np.allclose(t, step * np.arange(len(t)), rtol=0, atol=1e-12 * t[-1]):
            e = _powers(expm(full * step), len(t))
            return e[:, :n, :n], e[:, :n, n:]
    e = expm(full * t[:, None, None])
    return e[:, :n, :n], e[:, :n, n:]


def _powers(p: np.ndarray, n: int) -> np.ndarray:
    """Return p**0 .. p**(n-1), by doubling."""
    out = np.eye(len(p))[None]
    while len(out) < n:
        out = np.concatenate([out, out @ p])
        p = p @ p
    return out[:n]


@final
@dataclass(frozen=True)
class Drive:
    """g(x) = k x + d along dx/dt = A x + b I + c from x0: at time t it is g0(t) + I h(t)."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    x0: np.ndarray
    k: np.ndarray
    d: float

    def parts(self, t: np.ndarray, width: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return g0 and h at times t for a current that is on from 0, until `width` if that is given."""
        t = np.atleast_1d(np.asarray(t, dtype=float))
        e, moved = flow_matrix(self.a, np.column_stack([self.b, self.c]), t)
        g0 = (e @ self.x0 + moved[:, :, 1]) @ self.k + self.d
        h = moved[:, :, 0] @ self.k
        if width is not None:
            after = t > width
            if after.any():
                _, end = flow_matrix(self.a, self.b[:, None], np.array([width]))
                later, _ = flow_matrix(self.a, self.b[:, None], t[after] - width)
                h[after] = later @ end[0, :, 0] @ self.k
        return g0, h

    def times(self, width: float | None = None) -> np.ndarray:
        """Return times at which everything that can happen is resolved."""
        eigenvalues = np.linalg.eigvals(self.a)
        speed = np.abs(eigenvalues)[np.abs(eigenvalues) > 1e-12]
        fast, slow = (speed.max(), speed.min()) if speed.size else (1.0, 1.0)
        low, high = np.log10(1e-3 / fast), np.log10(_LATE / slow)
        parts = [np.logspace(low, high, int((high - low) * _PER_DECADE) + 2)]
        for z in eigenvalues:
            if abs(z.imag) > 1e-12 * abs(z):
                decay = min(_LATE / max(abs(z.real), 1e-12), 400 * np.pi / abs(z.imag))
                parts.append(np.arange(0.0, decay, np.pi / 32 / abs(z.imag))[1:])
        t = np.unique(np.concatenate(parts))
        return t if width is None else np.unique(np.concatenate([t[t < width], [width], width + t]))

    @property
    def stable(self) -> bool:
        """Whether every mode decays."""
        return bool(np.linalg.eigvals(self.a).real.max() < -1e-12)

    def limit(self) -> float:
        """Return -g0/h for t to infinity: the current whose fixed point lies on g = 0."""
        if np.linalg.cond(self.a) < 1e12:
            at = np.linalg.solve(self.a, np.column_stack([self.b, self.c]))
            h, g0 = -self.k @ at[:, 0], self.d - self.k @ at[:, 1]
            return float(-g0 / h) if h > 0 else np.inf
        # a perfect integrator: both grow, and their ratio tends to that of their Laplace transforms at 0
        s = symbol("s")
        n = len(self.x0)
        m = s * sympy.eye(n) - sympy.Matrix(n, n, [sympy.Rational(float(x)) for x in self.a.ravel()])
        row = sympy.Matrix(1, n, [sympy.Rational(float(x)) for x in self.k])
        column = [sympy.Matrix([sympy.Rational(float(x)) for x in y]) for y in (self.b, self.c, self.x0)]
        down, whole = m.adjugate(), m.det()
        up = (row * down * column[0])[0]
        rest = (row * down * (column[2] * s + column[1]))[0] + sympy.Rational(self.d) * whole
        if sympy.expand(up) == 0:
            return float("inf")
        return float(sympy.limit(-rest / up, s, 0, "+"))

    def smallest(self, width: float | None = None) -> tuple[float, float]:
        """Return the smallest current with g > 0 at some time, and that time (inf: only in the limit).

        inf if no current of positive sign lifts g.
        """
        from scipy.optimize import minimize_scalar

        t = self.times(width)
        g0, h = self.parts(t, width)
        able = h > 1e-13 * max(float(np.abs(h).max()), 1e-300)
        ratio = np.where(able, -g0 / np.where(able, h, 1.0), np.inf)
        k = int(np.argmin(ratio))
        when = float(t[k])

        def at(time: float) -> float:
            g, r = self.parts(np.array([time]), width)
            return float(-g[0] / r[0]) if r[0] > 0 else np.inf

        best = at(when) if np.isfinite(ratio[k]) else np.inf
        corner = width is not None and when == width
        if 0 < k < len(t) - 1 and np.isfinite(best) and not corner:
            inside = minimize_scalar(at, bounds=(t[k - 1], t[k + 1]), method="bounded", options={"xatol": 1e-9 * t[k]})
            if inside.fun < best:
                best, when = float(inside.fun), float(inside.x)
        if width is None:
            final = self.limit()
            if np.isfinite(final) and final <= best + 1e-9 * abs(best) + 1e-300:
                return final, np.inf
        return best, when


def drive_of(setting: Setting) -> Drive | None:
    """Return the drive of the threshold row by the free input; None unless both are affine."""
    found, threshold = setting.affine(), setting.threshold
    if found is None or threshold is None or setting.free is None:
        return None
    g = threshold[0]
    if setting.free in {s.name for s in g.free_symbols}:
        return None
    k, rest = [], g
    for s in setting.states:
        slope = sympy.diff(g, symbol(s))
        if {x.name for x in slope.free_symbols} & {*setting.states, "t"}:
            return None
        k.append(float(setting.number(slope)))
        rest = rest - slope * symbol(s)
    rest = sympy.expand(rest)
    if {x.name for x in rest.free_symbols} & {*setting.states, "t"}:
        return None
    a, b, c = found
    return Drive(a, b, c, setting.x0, np.array(k), float(setting.number(rest)))
