"""How the error of a run falls with the step, and which step to take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.analysis.compare import SAME, trace_difference
from rheobase.analysis.view import View, take_view
from rheobase.engines.clock import Clock
from rheobase.engines.exact import Exact
from rheobase.engines.precise import Precise
from rheobase.errors import InputError, NotExact
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network
from rheobase.simulation import Engine
from rheobase.units import to_number

__all__ = ["Convergence", "check_dt"]

_ROUNDING = 1e-11  # of a state's range: below it an error is rounding
_DTS = (0.4, 0.2, 0.1, 0.05, 0.025, 0.0125)
_FINER = 64


@final
@dataclass(frozen=True, eq=False)
class Convergence:
    """Errors against the step, the order with which they fall, and the step to take.

    Attributes
    ----------
    dts : array (n_steps,)
        ms, the coarsest first.
    spike_error : array (n_steps,)
        Largest difference of the k-th spike's time from the truth's, in ms.
    count_error : int array (n_steps,)
        Spikes too many, or too few.
    state_error : dict
        State -> array (n_steps,), largest difference before the first spike.
    order : dict
        "spikes" and each state -> slope of log error over log dt by least squares; inf where the error is
        rounding at every step (an exact method), nan where there is none to measure.
    recommended : float or None
        The largest dt with all spikes there and their times within the tolerance; None if no step reaches it.
    truth, method : str
        What it was compared with, and the clock's formula.
    """

    dts: np.ndarray
    spike_error: np.ndarray
    count_error: np.ndarray
    state_error: dict[str, np.ndarray]
    order: dict[str, float]
    recommended: float | None
    tolerance: float
    truth: str
    method: str
    model: str

    def plot(self, axes: Any = None) -> Any:
        """Draw the errors against dt; return the axes."""
        from rheobase.plot import curves

        errors = {"spikes": self.spike_error, **self.state_error}
        return curves.convergence(self.dts, errors, self.order, self.recommended, f"{self.model}, {self.method}", axes)

    def __repr__(self) -> str:
        states = list(self.state_error)
        rows = [["dt (ms)", "spikes", "spike times (ms)", *(f"|d{s}|" for s in states)]]
        for k, dt in enumerate(self.dts):
            rows.append(
                [
                    f"{dt:g}",
                    f"{self.count_error[k]:+d}",
                    "-" if np.isnan(self.spike_error[k]) else f"{self.spike_error[k]:.3g}",
                    *(f"{self.state_error[s][k]:.3g}" for s in states),
                ]
            )
        rows.append(["order", "", *(_say_order(self.order[s]) for s in ("spikes", *states))])
        width = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, width, strict=True)).rstrip() for r in rows]
        advice = (
            f"dt = {self.recommended:g} ms"
            if self.recommended
            else f"no step here reaches {self.tolerance:g} ms; give smaller dts="
        )
        lines = [f"{self.model}, {self.method}, against {self.truth}", *lines, *self._explain()]
        return "\n".join([*lines, f"recommended: {advice}"])

    def _explain(self) -> list[str]:
        """Return what is to be said where errors are rounding alone, and no order can be measured."""
        exact = [s for s, order in self.order.items() if order == np.inf]
        if not exact:
            return []
        states = [s for s in exact if s != "spikes"]
        rest = [s for s in self.state_error if s not in states]
        if states and not rest:
            kept = f"the method is exact here: dt does not matter for {', '.join(states)}"
        else:
            kept = f"exact: dt does not matter for {', '.join(exact)}"
        late = "spikes" not in exact and bool(np.any(np.isfinite(self.spike_error)))
        return [kept + ("; spikes lie on steps, so an interval is off by up to one dt" if late else "")]


def _say_order(order: float) -> str:
    return "exact" if order == np.inf else "-" if np.isnan(order) else f"{order:.2f}"


def check_dt(
    model: Neuron | Network,
    until: Any = None,
    dts: Any = None,
    tolerance: Any = "0.1 ms",
    method: str = "auto",
    truth: Engine | None = None,
    **inputs: Any,
) -> Convergence:
    r"""Return the error of spike times and states against the step of the clock engine.

    The order p is the slope of :math:`\log E = p \log dt + c` by least squares, over the steps whose error is
    not yet rounding. The truth is the exact engine where it can run the rows, an adaptive method of order 8
    where they are smooth, else a clock 64 times finer than the finest step.

    Parameters
    ----------
    model : Neuron or Network
        Of a network only the time before its chaos has grown tells the order: keep `until` short.
    until : time
        How long.
    dts : array, optional
        Steps in ms; 0.4, 0.2, ... 0.0125 if not given, of a network those that no delay is shorter than.
    tolerance : time
        What the recommended step must reach.
    method : str
        The clock's method.
    truth : engine, optional
        Compare with this engine.
    **inputs
        As for `simulate`.

    Raises
    ------
    InputError
        If a step is not positive, or the rows hold noise: then runs with different steps differ by chance.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> found = check_dt(LIF(), until="100 ms", I="0.3 nA", dts=[0.4, 0.2, 0.1, 0.05], method="euler")
    >>> round(found.order["v"], 1), found.truth
    (1.0, 'Exact()')
    """
    if not isinstance(model, Neuron | Network):
        raise InputError(f"check_dt wants a Neuron or a Network, not {type(model).__name__}")
    for cell in [model] if isinstance(model, Neuron) else [p.model for p in model.populations.values()]:
        if isinstance(cell, Neuron) and (cell.noises or cell.hazard is not None):
            raise InputError(
                f"{cell.name} has noise in its rows, and runs with different steps would differ"
                f" by chance; take out"
                f" {'the hazard' if cell.hazard is not None else ', '.join(cell.noises)}"
            )
    chosen = [d for d in _DTS if d <= _shortest_delay(model)] if dts is None else np.atleast_1d(dts)
    steps = np.sort(np.unique([to_number(d, "ms", "dts") for d in chosen]))[::-1]
    if dts is not None and not len(steps):
        raise InputError("dts is empty; give the steps to try in ms, such as dts=[0.2, 0.1, 0.05]")
    if not len(steps):
        raise InputError(f"delays of {_shortest_delay(model):g} ms are shorter than all steps tried; give dts=")
    if steps.min() <= 0:
        raise InputError(f"dts: {steps.min():g} ms is not positive")
    goal = to_number(tolerance, "ms", "tolerance")
    every = float(steps[0])
    best = _truth(model, until, every, float(steps[-1]), method, truth, inputs)
    runs = [take_view(model, Clock(d, method), until, every, 0, inputs) for d in steps]
    times = np.full(len(steps), np.nan)
    counts, wrong = np.zeros(len(steps), dtype=int), np.zeros(len(steps), dtype=bool)
    for k, run in enumerate(runs):
        gaps = [
            np.abs(a[: min(len(a), len(b))] - b[: min(len(a), len(b))])
            for a, b in zip(best.spikes, run.spikes, strict=True)
        ]
        pooled = np.concatenate(gaps) if gaps else np.empty(0)
        times[k] = pooled.max() if pooled.size else np.nan
        late = best.until - (goal + float(steps[k]) + (times[k] if np.isfinite(times[k]) else 0.0))
        extra = [_extra(a, b, late) for a, b in zip(best.spikes, run.spikes, strict=True)]
        counts[k], wrong[k] = sum(extra), any(extra)
    before = min([float(s.times[0]) for s in (best.spikes, *(r.spikes for r in runs)) if s.times.size], default=np.inf)
    errors = {s: np.array([trace_difference(best, r, before)[s] for r in runs]) for s in best.traces}
    span = {s: float(np.abs(best.traces[s]).max(initial=0.0)) for s in best.traces}
    order = {"spikes": _slope(steps, np.where(wrong, np.nan, times), SAME)} | {
        s: _slope(steps, errors[s], _ROUNDING * span[s]) for s in errors
    }
    if best.spikes.times.size:
        fine = ~wrong & (times <= goal)
    else:
        fine = ~wrong & np.all([e <= 1e-3 * (float(np.ptp(best.traces[s])) or 1.0) for s, e in errors.items()], axis=0)
    # a coarse step that is good by luck is not recommended: all finer ones must be good too
    good = np.logical_and.accumulate(fine[::-1])[::-1]
    recommended = float(steps[int(np.argmax(good))]) if good.any() else None
    name = getattr(model, "name", "network")
    return Convergence(steps, times, counts, errors, order, recommended, goal, best.engine, runs[-1].method, name)


def _shortest_delay(model: Neuron | Network) -> float:
    """Return the smallest delay that is given as a number, in ms; those that are drawn are rounded to steps."""
    given = [getattr(p.delay, "value", None) for p in ([] if isinstance(model, Neuron) else model.projections)]
    return min((float(np.min(d)) for d in given if isinstance(d, float | np.ndarray)), default=np.inf)


def _extra(a: np.ndarray, b: np.ndarray, late: float) -> int:
    """Return how many spikes b has more than a, without those so late that they may slip over the end."""
    n = min(len(a), len(b))
    return int(np.sum(b[n:] < late)) - int(np.sum(a[n:] < late))


def _truth(
    model: Neuron | Network,
    until: Any,
    every: float,
    finest: float,
    method: str,
    given: Engine | None,
    inputs: dict[str, Any],
) -> View:
    smooth: list[Engine] = [Precise(1e-12)] if isinstance(model, Neuron) else []
    choices: list[Engine] = [given] if given is not None else [Exact(), *smooth]
    for engine in choices:
        try:
            return take_view(model, engine, until, every, 0, inputs)
        except NotExact:
            if given is not None:
                raise
    return take_view(model, Clock(finest / _FINER, method), until, every, 0, inputs)


def _slope(dts: np.ndarray, error: np.ndarray, rounding: float) -> float:
    known = np.isfinite(error)
    if not known.any():
        return float("nan")
    good = known & (error > rounding)
    if not good.any():
        return float("inf")
    if good.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(dts[good]), np.log(error[good]), 1)[0])
