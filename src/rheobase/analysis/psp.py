"""The answer of a neuron to one spike: its postsynaptic potential."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.analysis.linear import flow_matrix
from rheobase.analysis.setting import Setting, read_setting
from rheobase.errors import DidNotConverge, InputError, nearest
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import read_quantity
from rheobase.units import to_number

__all__ = ["PostsynapticPotential", "psp"]

_POINTS = 1001


@final
@dataclass(frozen=True, eq=False)
class PostsynapticPotential:
    """The way of a state away from rest and back after one spike at time 0; unpacks as ``t, v``.

    Attributes
    ----------
    t : array (n_times,)
        ms.
    v : array (n_times,)
        Deviation of the state from rest.
    rest : float
        The state at rest.
    peak, peak_time : float
        Largest deviation, with its sign, and when.
    rise : float
        Time from 10 % to 90 % of the peak, in ms.
    half_width : float
        How long it is above half the peak, in ms; nan if it does not come back within `t`.
    area : float
        Integral of the deviation, in unit times ms; nan if it does not decay.
    """

    t: np.ndarray
    v: np.ndarray
    rest: float
    peak: float
    peak_time: float
    rise: float
    half_width: float
    area: float
    model: str
    state: str
    unit: str

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self.t
        yield self.v

    def plot(self, axes: Any = None) -> Any:
        """Draw the course with its peak; return the axes."""
        from rheobase.plot import curves

        return curves.course(self.t, self.v, self.peak_time, self.peak, self.state, self.unit, self.model, axes)

    def __repr__(self) -> str:
        return (
            f"PSP of {self.model}: peak {self.peak:.6g} {self.unit} at {self.peak_time:.6g} ms,"
            f" rise {self.rise:.4g} ms, half width {self.half_width:.4g} ms"
        )


def psp(
    model: Neuron,
    weight: Any = 1.0,
    port: str | None = None,
    state: str = "v",
    until: Any = None,
    points: int = _POINTS,
    **given: Any,
) -> PostsynapticPotential:
    r"""Return the answer of a neuron at rest to one spike, as if it had no threshold.

    For affine rows, :math:`x(t) - x_{rest} = e^{At}(x^+ - x_{rest})` with :math:`x^+` the state just after
    the spike; peak, rise and width are roots of that, good to about 1e-12. Other rows are integrated by an
    explicit Runge-Kutta method of order 8 with relative tolerance 1e-11.

    Parameters
    ----------
    model : Neuron
    weight : number or str
        Weight w_i of the spike.
    port : str, optional
        Where it arrives; the first port if not given.
    state : str
        Which state to look at.
    until : time, optional
        How long; until it has decayed to a thousandth of its peak if not given.
    points : int
        Number of times, evenly spaced.
    **given
        Inputs and other values, as for `simulate`; currents are zero if not given.

    Raises
    ------
    InputError
        If there is no such port or state.
    DidNotConverge
        If the neuron has no rest, or the spike does not reach the state.

    References
    ----------
    Rotter & Diesmann (1999), Biol. Cybern. 81:381.

    Examples
    --------
    >>> from rheobase.model.zoo import LIFexp
    >>> found = psp(LIFexp(), weight="0.1 nA")
    >>> round(found.peak, 6), round(found.peak_time, 6)
    (1.574901, 9.241962)
    """
    setting = read_setting(model, given)
    if state not in model.states:
        raise InputError(
            f"state = '{state}' is no state of {model.name}.{nearest(state, model.states)}"
            f" States: {', '.join(model.states)}"
        )
    if int(points) != points or points < 2:
        raise InputError(f"points = {points!r} must be a whole number from 2")
    x = setting.x0
    still = np.all(np.abs(setting.flow(x)) <= 1e-13 * (1 + np.abs(x)))
    rest = x if still else setting.rest()
    kick = _arrive(setting, rest, weight, port) - rest
    i = model.states.index(state)
    found = setting.affine()
    limit = None if until is None else to_number(until, "ms", "until")
    if limit is not None and not 0 < limit < np.inf:
        raise InputError(f"until = {limit:g} ms is not positive")
    if found is not None:
        at, slope, area = _affine(found[0], kick, i)
    else:
        at, slope, area = _integrated(setting, rest, kick, i, limit)
    return _measure(at, slope, area, model, state, float(rest[i]), limit, points, _scale(setting, rest))


def _arrive(setting: Setting, rest: np.ndarray, weight: Any, port: str | None) -> np.ndarray:
    """Return the state just after a spike that finds the neuron at rest."""
    model = setting.neuron
    if not model.ports:
        raise InputError(f"{model.name} has no receive row, so no spike arrives; give receive='v <- v + w_i'")
    name = model.ports[0] if port is None else port
    if name not in model.ports:
        raise InputError(
            f"port = '{name}' is no port of {model.name}.{nearest(name, model.ports)} Ports: {', '.join(model.ports)}"
        )
    q = read_quantity(weight, "weight")
    wanted = model.dimensions.get(f"w_i:{name}")
    if q.dimension is not None and wanted is not None and q.dimension != wanted:
        raise InputError(f"weight = {q} is in {q.dimension.unit}, but the weight at port {name} is in {wanted.unit}")
    if not isinstance(q.value, float):
        raise InputError(f"weight = {q} must be one number")
    env: dict[str, Any] = dict(zip(model.states, rest.tolist(), strict=True))
    for j in model.rows.receive[name]:
        env[j.state] = float(setting.number(model.rows.substitute(j.value), **env, w_i=q.value))
    return np.array([env[s] for s in model.states])


def _scale(setting: Setting, rest: np.ndarray) -> tuple[float, float]:
    """Return the fastest and the slowest rate of decay at rest."""
    speed = np.abs(np.linalg.eigvals(setting.jacobian(rest)))
    speed = speed[speed > 1e-12]
    return (float(speed.max()), float(speed.min())) if speed.size else (0.1, 0.1)


Course = Callable[[np.ndarray], np.ndarray]


def _affine(a: np.ndarray, kick: np.ndarray, i: int) -> tuple[Course, Course, float]:
    nothing = np.zeros((len(kick), 0))

    def whole(t: np.ndarray) -> np.ndarray:
        return flow_matrix(a, nothing, t)[0] @ kick

    stable = np.linalg.eigvals(a).real.max() < -1e-12
    area = float(-np.linalg.solve(a, kick)[i]) if stable else float("nan")
    return (lambda t: whole(t)[:, i]), (lambda t: (whole(t) @ a.T)[:, i]), area


def _integrated(
    setting: Setting, rest: np.ndarray, kick: np.ndarray, i: int, until: float | None
) -> tuple[Course, Course, float]:
    from scipy.integrate import solve_ivp

    fast, slow = _scale(setting, rest)
    end = 45 / slow if until is None else until

    def slopes(_: float, y: np.ndarray) -> np.ndarray:
        return np.append(setting.flow(y[:-1]), y[i] - rest[i])

    done = solve_ivp(
        slopes,
        (0, end),
        np.append(rest + kick, 0.0),
        method="DOP853",
        rtol=1e-11,
        atol=1e-14 * (1 + np.abs(kick).max()),
        dense_output=True,
        first_step=min(1e-3 / fast, end),
        max_step=end / 50,
    )
    if not done.success:
        raise DidNotConverge(
            f"{setting.neuron.name}: without its threshold the state runs away after this"
            f" spike ({done.message});"
            " try a smaller weight"
        )
    course = done.sol
    area = float(done.y[-1, -1]) if until is None else float("nan")
    return (
        lambda t: course(np.atleast_1d(t))[i] - rest[i],
        lambda t: setting.flow(course(np.atleast_1d(t))[:-1].T)[:, i],
        area,
    )


def _measure(
    at: Course,
    slope: Course,
    area: float,
    model: Neuron,
    state: str,
    rest: float,
    until: float | None,
    points: int,
    scale: tuple[float, float],
) -> PostsynapticPotential:
    from scipy.optimize import brentq

    fast, slow = scale
    last = until if until is not None else 44.0 / slow
    t = np.concatenate([[0.0], np.geomspace(min(1e-3 / fast, last / 10), last, 240)])
    v = at(t)
    k = int(np.argmax(np.abs(v)))
    if v[k] == 0 or not np.isfinite(v).all():
        raise DidNotConverge(f"a spike at this port does not move {state} of {model.name}; looked until {last:g} ms")
    when = float(t[k])
    if 0 < k < len(t) - 1:
        low, high = float(t[k - 1]), float(t[k + 1])
        d0, d1 = float(slope(np.array([low]))[0]), float(slope(np.array([high]))[0])
        if d0 * d1 < 0:
            when = float(brentq(lambda z: float(slope(np.array([z]))[0]), low, high, xtol=1e-14, rtol=1e-14))
    peak = float(at(np.array([when]))[0])
    share = np.append(v / peak, 1.0)
    order = np.argsort(np.append(t, when), kind="stable")
    times, share = np.append(t, when)[order], share[order]

    def crossing(level: float, after: bool) -> float:
        """Return the time nearest the peak at which the course has the given share of it."""
        side = np.flatnonzero((times >= when if after else times <= when) & (share < level))
        if not side.size:
            return float("nan") if after else 0.0
        j = int(side[0] if after else side[-1])
        low, high = sorted([float(times[j]), float(times[j - 1 if after else j + 1])])
        return float(brentq(lambda z: float(at(np.array([z]))[0]) / peak - level, low, high, xtol=1e-13))

    rise = crossing(0.9, after=False) - crossing(0.1, after=False)
    width = crossing(0.5, after=True) - crossing(0.5, after=False)
    end = last
    if until is None:
        above = np.flatnonzero(share > 1e-3)
        end = float(times[min(int(above[-1]) + 1, len(times) - 1)])
        end = end if share[-1] < 1e-3 else 100.0
    grid = np.linspace(0.0, end, points)
    return PostsynapticPotential(
        grid, at(grid), rest, peak, when, rise, width, area, model.name, state, model.unit(state)
    )
