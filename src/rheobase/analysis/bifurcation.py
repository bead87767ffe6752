"""At which constant current a neuron loses its rest, and how."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import numpy as np
import sympy

from rheobase.analysis.equilibria import scan_roots
from rheobase.analysis.setting import Setting, pick_input, read_setting
from rheobase.errors import DidNotConverge, InputError
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron

__all__ = ["Bifurcation", "Bifurcations", "bifurcation"]


@final
@dataclass(frozen=True, eq=False)
class Bifurcation:
    """A current at which fixed points meet or change stability.

    Attributes
    ----------
    kind : str
        "saddle-node" or "Andronov-Hopf".
    current : float
        In the unit of the input.
    state : dict
        Where it happens.
    frequency : float
        Of the oscillation that is born, in Hz; 0 at a saddle-node.
    loses_rest : bool
        Whether the fixed point was stable below.
    """

    kind: str
    current: float
    state: dict[str, float]
    frequency: float
    loses_rest: bool

    def __repr__(self) -> str:
        place = ", ".join(f"{s} = {x:.6g}" for s, x in self.state.items())
        return f"{self.kind} at {self.current:.10g} ({place}{f', {self.frequency:.4g} Hz' if self.frequency else ''})"


@final
@dataclass(frozen=True, eq=False)
class Bifurcations:
    """The bifurcations along the curve of fixed points, in the order of the main state.

    Attributes
    ----------
    points : tuple of Bifurcation
    current, kind : float, str
        Where and how rest is lost as the current grows.
    saddle_node, hopf : float or None
        Currents of the first of each kind.
    """

    points: tuple[Bifurcation, ...]
    model: str
    input: str
    unit: str

    def _first(self, kind: str) -> float | None:
        return next((p.current for p in self.points if p.kind == kind), None)

    @property
    def lost(self) -> Bifurcation:
        """The bifurcation at which rest is lost."""
        return next((p for p in self.points if p.loses_rest), self.points[0])

    @property
    def current(self) -> float:
        """The current at which rest is lost."""
        return self.lost.current

    @property
    def kind(self) -> str:
        """How rest is lost."""
        return self.lost.kind

    @property
    def saddle_node(self) -> float | None:
        """Current of the first saddle-node."""
        return self._first("saddle-node")

    @property
    def hopf(self) -> float | None:
        """Current of the first Andronov-Hopf bifurcation."""
        return self._first("Andronov-Hopf")

    def __repr__(self) -> str:
        lines = "".join(f"\n  {p!r}" for p in self.points)
        return f"bifurcations of {self.model} in {self.input}{f' ({self.unit})' if self.unit else ''}:{lines}"


def bifurcation(
    model: Neuron,
    input: str | None = None,
    state: str = "v",
    range: tuple[float, float] | None = None,
    **given: Any,
) -> Bifurcations:
    r"""Return the currents at which fixed points meet (saddle-node) or begin to oscillate (Andronov-Hopf).

    The fixed points form a curve over one state: the others follow from their own rows, the current from the
    row in which it stands, :math:`I(v) = -f_0(v)/b(v)`. On that curve a saddle-node is a zero of the
    determinant of the Jacobian, a Hopf point a zero of the product of the sums of two eigenvalues, taken by a
    complex pair.

    Parameters
    ----------
    model : Neuron
    input : str, optional
        Which input is the current; I, or the only one, if not given.
    state : str
        The state along which the curve is followed.
    range : (low, high), optional
        Where to look; from as far below the start as the threshold lies above it, up to the threshold.
    **given
        Other inputs and values.

    Raises
    ------
    InputError
        If the current does not stand in exactly one row, linearly, or another row is not linear in the other
        states.
    DidNotConverge
        If there is no bifurcation in the range.

    References
    ----------
    Izhikevich (2007), Dynamical Systems in Neuroscience, chapters 4 and 6; Touboul & Brette (2008), Biol.
    Cybern. 99:319, for the AdEx.

    Examples
    --------
    >>> from rheobase.model.zoo import Izhikevich
    >>> found = bifurcation(Izhikevich())
    >>> found.kind, round(found.hopf, 9), round(found.saddle_node, 9)
    ('Andronov-Hopf', 3.7975, 4.0)
    """
    name = pick_input(model, input)
    setting = read_setting(model, given, name).reduce()
    main = state if state in setting.states else setting.states[0]
    curve = _Curve.of(setting, main)
    low, high = _default_range(setting, main) if range is None else (float(range[0]), float(range[1]))
    if not low < high:
        raise InputError(f"range = {range!r} must be (low, high)")
    i = setting.states.index(main)
    meeting = scan_roots(lambda z: np.linalg.det(curve.jacobian(z)), low, high)
    points = [(v, "saddle-node", 0.0) for v in meeting]
    if len(setting.states) > 1:
        for v in scan_roots(lambda z: _pair_product(curve.jacobian(z)), low, high):
            values = np.linalg.eigvals(curve.jacobian(np.asarray(v)))
            a, _ = min(combinations(values, 2), key=lambda pair: abs(pair[0] + pair[1]))
            if abs(a.imag) > 1e-7 * np.abs(values).max():
                points.append((v, "Andronov-Hopf", float(abs(a.imag) / (2 * np.pi) * 1e3)))
    if not points:
        raise DidNotConverge(
            f"{model.name}: no bifurcation for {main} from {low:g} to {high:g} {model.unit(main)}; give"
            f" range=(low, high)"
        )
    out = []
    edges = [low, *sorted(p[0] for p in points)]
    for v, kind, frequency in sorted(points):
        before = edges[edges.index(v) - 1]
        inside = np.asarray(before + 0.5 * (v - before))
        stable = bool(np.linalg.eigvals(curve.jacobian(inside)).real.max() < 0)
        x = curve.states(np.asarray(v))
        place = dict(zip(setting.states, x.tolist(), strict=True))
        place[main] = float(x[i])
        out.append(Bifurcation(kind, float(curve.current(np.asarray(v))), place, frequency, stable))
    return Bifurcations(tuple(out), model.name, name, model.unit(name))


def _pair_product(jacobian: np.ndarray) -> np.ndarray:
    """Return the product over all pairs of eigenvalues of their sum, a real number."""
    values = np.linalg.eigvals(jacobian)
    product = np.ones(values.shape[:-1], dtype=complex)
    for a, b in combinations(np.arange(values.shape[-1]), 2):
        product = product * (values[..., a] + values[..., b])
    return product.real


def _default_range(setting: Setting, main: str) -> tuple[float, float]:
    begin = float(setting.start[main])
    end = begin + 100.0
    if setting.threshold is not None:
        g, x = setting.threshold[0], symbol(main)
        slope = sympy.diff(g, x)
        names = {s.name for s in g.free_symbols} & set(setting.states)
        if names == {main} and x not in slope.free_symbols:
            end = begin - float(setting.number(g, **{main: begin})) / float(setting.number(slope))
    span = abs(end - begin) or 100.0
    return begin - span, begin + span


@final
@dataclass(frozen=True, eq=False)
class _Curve:
    """The fixed points over the main state v: the other states y(v) and the current I(v)."""

    setting: Setting
    main: str
    others: tuple[str, ...]
    matrix: sympy.Matrix  # matrix(v) y = right(v)
    right: sympy.Matrix
    row: sympy.Expr  # row0(v, y) + strength(v, y) I = 0
    strength: sympy.Expr

    @staticmethod
    def of(setting: Setting, main: str) -> _Curve:
        free = symbol(setting.free or "")
        holding = [s for s, e in zip(setting.states, setting.drift, strict=True) if free in e.free_symbols]
        if holding != [main]:
            where = " and ".join(f"d{s}/dt" for s in holding) or "no row"
            raise InputError(
                f"{setting.free} stands in {where}; a bifurcation is looked for in a current"
                f" that enters d{main}/dt"
                " alone. Give input= or state="
            )
        flow = dict(zip(setting.states, setting.drift, strict=True))
        strength = sympy.diff(flow[main], free)
        if free in strength.free_symbols:
            raise InputError(f"d{main}/dt is not linear in {setting.free}; give another input=")
        others = tuple(s for s in setting.states if s != main)
        ys = [symbol(s) for s in others]
        rows = sympy.Matrix([flow[s] for s in others])
        matrix = rows.jacobian(ys) if others else sympy.zeros(0, 0)
        if matrix.free_symbols & set(ys):
            raise InputError(
                f"the rows of {', '.join(others)} are not linear in these states, so {main}"
                f" does not determine the fixed"
                " point; phase_plane finds fixed points at a given current"
            )
        right = -rows.subs(dict.fromkeys(ys, 0)) if others else sympy.zeros(0, 1)
        return _Curve(setting, main, others, matrix, right, flow[main].subs(free, 0), strength)

    def states(self, v: np.ndarray) -> np.ndarray:
        """Return all states at the fixed point, shape (..., n_states)."""
        shape, m = np.shape(v), len(self.others)
        here = {self.main: v}
        y = np.zeros((*shape, 0))
        if m:
            a = np.stack([np.broadcast_to(self.setting.number(e, **here), shape) for e in self.matrix], -1).reshape(
                *shape, m, m
            )
            r = np.stack([np.broadcast_to(self.setting.number(e, **here), shape) for e in self.right], -1)
            y = np.linalg.solve(a, r[..., None])[..., 0]
        parts = {s: y[..., k] for k, s in enumerate(self.others)} | {self.main: np.asarray(v, float)}
        return np.stack([parts[s] for s in self.setting.states], axis=-1)

    def current(self, v: np.ndarray) -> np.ndarray:
        """Return the current for which v belongs to a fixed point."""
        x = self.states(v)
        here = {s: x[..., k] for k, s in enumerate(self.setting.states)}
        return -np.asarray(self.setting.number(self.row, **here)) / np.asarray(
            self.setting.number(self.strength, **here)
        )

    def jacobian(self, v: Any) -> np.ndarray:
        """Return the Jacobian at the fixed point, shape (..., n_states, n_states)."""
        v = np.asarray(v, dtype=float)
        j = self.setting.jacobian(self.states(v), **{self.setting.free or "": self.current(v)})
        return np.where(np.isfinite(j), j, 0.0)
