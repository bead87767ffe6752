"""What differs between two ways of running the same neuron, and how the error falls with the step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import numpy as np

from rheobase.engines.clock import Clock
from rheobase.engines.exact import Exact
from rheobase.engines.precise import Precise
from rheobase.errors import InputError, NotExact
from rheobase.model.neuron import Neuron
from rheobase.run import Run
from rheobase.simulate import Engine, simulate
from rheobase.units import to_number

__all__ = ["Comparison", "Convergence", "Difference", "check_dt", "compare"]

_SAME = 1e-9  # ms: times closer than this are equal
_ROUNDING = 1e-11  # of a state's range: below it an error is rounding
_DTS = (0.4, 0.2, 0.1, 0.05, 0.025, 0.0125)
_FINER = 64


@final
@dataclass(frozen=True)
class Difference:
    """How run `b` differs from run `a`.

    Attributes
    ----------
    a, b : str
        The engines.
    matched, missed, invented : int
        Spikes of both runs, of a alone, of b alone.
    largest, median : float
        Of the absolute time differences of matched spikes, in ms; nan if there are none.
    first : (neuron, time in a, time in b) or None
        The first spike that differs at all; nan for a time without partner.
    trace : dict
        State -> largest absolute difference at common times until the first spike that differs.
    """

    a: str
    b: str
    matched: int
    missed: int
    invented: int
    largest: float
    median: float
    first: tuple[int, float, float] | None
    trace: dict[str, float]


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """Every pair of engines compared; print it for a table, iterate over it for the differences."""

    differences: tuple[Difference, ...]
    runs: tuple[Run, ...]
    model: str
    tolerance: float

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.differences)

    def __getitem__(self, i: int) -> Difference:
        return self.differences[i]

    def __repr__(self) -> str:
        states = list(self.differences[0].trace)
        head = ["a", "b", "matched", "missed", "invented", "largest (ms)", "median (ms)", "first differs at", *(f"|d{s}|" for s in states)]
        rows = [head]
        for d in self.differences:
            first = "-" if d.first is None else f"{np.nanmin(d.first[1:]):.6g} ms (neuron {d.first[0]})"
            rows.append([d.a, d.b, str(d.matched), str(d.missed), str(d.invented), f"{d.largest:.3g}", f"{d.median:.3g}", first,
                         *(f"{d.trace[s]:.3g}" for s in states)])  # fmt: skip
        width = [max(len(r[k]) for r in rows) for k in range(len(head))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, width, strict=True)).rstrip() for r in rows]
        return f"{self.model}, spikes matched within {self.tolerance:g} ms\n" + "\n".join(lines)


def compare(
    model: Neuron,
    engines: Sequence[Engine] | None = None,
    until: Any = None,
    tolerance: Any = "1 ms",
    seed: int = 0,
    **inputs: Any,
) -> Comparison:
    """Return what differs between runs of the same neuron on several engines, for each pair.

    Parameters
    ----------
    model : Neuron
    engines : list of engines, optional
        Two or more; ``[Exact(), Clock("0.1 ms")]`` if not given.
    until : time
        How long.
    tolerance : time
        Spikes up to this far apart count as the same one; a smaller one than half the shortest interval is unambiguous.
    seed : int
        The same for all.
    **inputs
        As for `simulate`.

    Raises
    ------
    InputError
        If there are fewer than two engines.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> found = compare(LIF(), [Exact(), Clock("0.1 ms")], until="100 ms", I="0.3 nA")
    >>> found[0].matched, found[0].missed, found[0].invented, round(found[0].largest, 6)
    (4, 0, 0, 0.110982)
    """
    chosen = [Exact(), Clock("0.1 ms")] if engines is None else [*engines]
    if len(chosen) < 2:
        raise InputError(f"{len(chosen)} engine to compare; give two or more, as in engines=[rb.Exact(), rb.Clock('0.1 ms')]")
    near = to_number(tolerance, "ms", "tolerance")
    if near < 0:
        raise InputError(f"tolerance = {near:g} ms is negative")
    step = max([getattr(e, "dt", 0.0) for e in chosen]) or 0.1
    runs = tuple(simulate(model, until=until, engine=e, seed=seed, record=True, record_every=step, **inputs) for e in chosen)
    pairs = tuple(_differ(a, b, near) for a, b in combinations(runs, 2))
    return Comparison(pairs, runs, model.name, near)


def _differ(a: Run, b: Run, tolerance: float) -> Difference:
    gaps, missed, invented = [], 0, 0
    first: tuple[float, int, float, float] | None = None
    for i in range(a.n):
        ia, ib = _match(a.spikes[i], b.spikes[i], tolerance)
        one, other = a.spikes[i], b.spikes[i]
        gap = other[ib] - one[ia]
        gaps.append(gap)
        alone_a, alone_b = np.setdiff1d(np.arange(len(one)), ia), np.setdiff1d(np.arange(len(other)), ib)
        missed, invented = missed + len(alone_a), invented + len(alone_b)
        off = np.abs(gap) > _SAME
        found = [(float(min(x, y)), i, float(x), float(y)) for x, y in zip(one[ia][off][:1], other[ib][off][:1], strict=True)]
        found += [(float(x), i, float(x), float("nan")) for x in one[alone_a][:1]] + [(float(y), i, float("nan"), float(y)) for y in other[alone_b][:1]]
        for candidate in found:
            if first is None or candidate[0] < first[0]:
                first = candidate
    every = np.abs(np.concatenate(gaps)) if gaps else np.empty(0)
    trace = _trace_difference(a, b, np.inf if first is None else first[0])
    return Difference(a.engine, b.engine, every.size, missed, invented, float(every.max()) if every.size else float("nan"),
                      float(np.median(every)) if every.size else float("nan"), first[1:] if first else None, trace)  # fmt: skip


def _match(a: np.ndarray, b: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of partners, each spike with one at most, in order of time."""
    i = j = 0
    left, right = [], []
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= tolerance + _SAME:
            left.append(i)
            right.append(j)
            i, j = i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return np.array(left, dtype=int), np.array(right, dtype=int)


def _common(a: Run, b: Run, before: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the times that both runs recorded, up to `before`."""
    ka, kb = (np.rint(r.t / 1e-6).astype(np.int64) for r in (a, b))
    _, ia, ib = np.intersect1d(ka, kb, return_indices=True)
    inside = a.t[ia] < before - _SAME
    return ia[inside], ib[inside]


def _trace_difference(a: Run, b: Run, before: float) -> dict[str, float]:
    ia, ib = _common(a, b, before)
    return {s: float(np.abs(a.traces[s][:, ia] - b.traces[s][:, ib]).max(initial=0.0)) for s in a.traces if s in b.traces}


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
        "spikes" and each state -> slope of log error over log dt by least squares; inf where the error is rounding at
        every step (an exact method), nan where there is none to measure.
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
            rows.append([f"{dt:g}", f"{self.count_error[k]:+d}", f"{self.spike_error[k]:.3g}",
                         *(f"{self.state_error[s][k]:.3g}" for s in states)])  # fmt: skip
        rows.append(["order", "", *(f"{self.order[s]:.2f}" for s in ("spikes", *states))])
        width = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, width, strict=True)).rstrip() for r in rows]
        advice = f"dt = {self.recommended:g} ms" if self.recommended else f"no step here reaches {self.tolerance:g} ms; give smaller dts="
        return f"{self.model}, {self.method}, against {self.truth}\n" + "\n".join(lines) + f"\nrecommended: {advice}"


def check_dt(
    model: Neuron,
    until: Any = None,
    dts: Any = None,
    tolerance: Any = "0.1 ms",
    method: str = "auto",
    truth: Engine | None = None,
    **inputs: Any,
) -> Convergence:
    r"""Return the error of spike times and states against the step of the clock engine.

    The order p is the slope of :math:`\log E = p \log dt + c` by least squares, over the steps whose error is not yet
    rounding. The truth is the exact engine where it can run the rows, an adaptive method of order 8 where they are smooth, else a clock
    64 times finer than the finest step.

    Parameters
    ----------
    model : Neuron
    until : time
        How long.
    dts : array, optional
        Steps in ms; 0.4, 0.2, ... 0.0125 if not given.
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
    (1.0, 'Exact')
    """
    if not isinstance(model, Neuron):
        raise InputError(f"check_dt wants a Neuron, not {type(model).__name__}")
    if model.noises or model.hazard is not None:
        raise InputError(f"{model.name} has noise in its rows, and runs with different steps would differ by chance; take out"
                         f" {'the hazard' if model.hazard is not None else ', '.join(model.noises)}")  # fmt: skip
    steps = np.sort(np.unique([to_number(d, "ms", "dts") for d in (_DTS if dts is None else np.atleast_1d(dts))]))[::-1]
    if steps.min() <= 0:
        raise InputError(f"dts: {steps.min():g} ms is not positive")
    goal = to_number(tolerance, "ms", "tolerance")
    every = float(steps[0])
    best = _truth(model, until, every, float(steps[-1]), method, truth, inputs)
    runs = [simulate(model, until=until, engine=Clock(d, method), seed=0, record=True, record_every=every, **inputs) for d in steps]
    times = np.full(len(steps), np.nan)
    counts, wrong = np.zeros(len(steps), dtype=int), np.zeros(len(steps), dtype=bool)
    for k, run in enumerate(runs):
        gaps = [np.abs(a[: min(len(a), len(b))] - b[: min(len(a), len(b))]) for a, b in zip(best.spikes, run.spikes, strict=True)]
        pooled = np.concatenate(gaps) if gaps else np.empty(0)
        times[k] = pooled.max() if pooled.size else np.nan
        late = best.until - (goal + float(steps[k]) + (times[k] if np.isfinite(times[k]) else 0.0))
        extra = [_extra(a, b, late) for a, b in zip(best.spikes, run.spikes, strict=True)]
        counts[k], wrong[k] = sum(extra), any(extra)
    before = min([float(s.times[0]) for s in (best.spikes, *(r.spikes for r in runs)) if s.times.size], default=np.inf)
    errors = {s: np.array([_trace_difference(best, r, before)[s] for r in runs]) for s in best.traces}
    span = {s: float(np.abs(best.traces[s]).max(initial=0.0)) for s in best.traces}
    order = {"spikes": _slope(steps, np.where(wrong, np.nan, times), _SAME)} | {s: _slope(steps, errors[s], _ROUNDING * span[s]) for s in errors}
    if best.spikes.times.size:
        fine = ~wrong & (times <= goal)
    else:
        fine = ~wrong & np.all([e <= 1e-3 * (float(np.ptp(best.traces[s])) or 1.0) for s, e in errors.items()], axis=0)
    # a coarse step that is good by luck is not recommended: all finer ones must be good too
    good = np.logical_and.accumulate(fine[::-1])[::-1]
    recommended = float(steps[int(np.argmax(good))]) if good.any() else None
    return Convergence(steps, times, counts, errors, order, recommended, goal, best.engine, runs[-1].method, model.name)


def _extra(a: np.ndarray, b: np.ndarray, late: float) -> int:
    """Return how many spikes b has more than a (or less); one so late that it may have slipped over the end does not count."""
    n = min(len(a), len(b))
    return int(np.sum(b[n:] < late)) - int(np.sum(a[n:] < late))


def _truth(model: Neuron, until: Any, every: float, finest: float, method: str, given: Engine | None, inputs: dict[str, Any]) -> Run:
    choices: list[Engine] = [given] if given is not None else [Exact(), Precise(1e-12)]
    for engine in choices:
        try:
            return simulate(model, until=until, engine=engine, seed=0, record=True, record_every=every, **inputs)
        except NotExact:
            if given is not None:
                raise
    return simulate(model, until=until, engine=Clock(finest / _FINER, method), seed=0, record=True, record_every=every, **inputs)


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
