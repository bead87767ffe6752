"""No crossing is missed and none invented, for any time constants: by 50 digits and a sure search."""

import math
from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest

from rheobase.derive.crossing import (
    KERNELS,
    Crossing,
    first_crossing,
    layout_size,
    prepare_crossing,
    stack_crossings,
    table_size,
    work_size,
)
from rheobase.derive.kernels import compile_kernels
from rheobase.derive.modal import decompose

UNIT = 2.0**-53
SPECTRA = ("spread", "equal", "apart 1e-12", "apart 1e-6", "apart 1e-2", "thousandfold", "ramp", "chain")


def draw_rates(rng: np.random.Generator, kind: str, size: int) -> np.ndarray:
    """Return eigenvalues in 1/ms, the last one 0 (the constant)."""
    rates = -1.0 / 10 ** rng.uniform(-0.3, 2.0, size)
    if kind == "equal":
        rates[:] = rates[0]
    elif kind.startswith("apart"):
        rates = rates[0] * (1.0 + float(kind.split()[1]) * rng.normal(size=size))
    elif kind == "thousandfold":
        rates[0], rates[1] = -1.0, -1e-3
    elif kind == "chain":
        rates = rates[0] * 1.08 ** np.arange(size)
    elif kind == "ramp":
        rates[-2] = 0.0
    rates[-1] = 0.0
    return rates


def draw_cascade(rng: np.random.Generator, kind: str, size: int) -> np.ndarray:
    """Return the matrix of a voltage (state 0) driven by a random cascade; the last state is the constant."""
    matrix = np.diag(draw_rates(rng, kind, size))
    upper = np.triu(rng.normal(size=(size, size)), 1)
    upper *= (rng.random((size, size)) < 0.4) | (np.arange(size)[:, None] == 0)
    return matrix + upper


def flow_exactly(matrix: np.ndarray, x: np.ndarray, t: float) -> list[mp.mpf]:
    """Return exp(M t) x with 50 digits."""
    with mp.workdps(50):
        return list(mp.expm(mp.matrix(matrix.tolist()) * mp.mpf(t)) * mp.matrix(x.tolist()))


class Functional:
    """g(t) = c . exp(M t) x and its derivatives with 50 digits."""

    def __init__(self, matrix: np.ndarray, row: np.ndarray, x: np.ndarray) -> None:
        self.matrix, self.row, self.x = matrix, row, x

    def __call__(self, t: float | mp.mpf, order: int = 0) -> mp.mpf:
        with mp.workdps(50):
            m = mp.matrix(self.matrix.tolist())
            state = mp.expm(m * mp.mpf(t)) * mp.matrix(self.x.tolist())
            for _ in range(order):
                state = m * state
            return mp.fsum(mp.mpf(c) * s for c, s in zip(self.row.tolist(), state, strict=True))


@pytest.mark.parametrize("kind", SPECTRA)
def test_states_are_exact_up_to_their_condition(kind: str) -> None:
    rng = np.random.default_rng(SPECTRA.index(kind))
    for _ in range(12):
        size = int(rng.integers(3, 8))
        matrix = draw_cascade(rng, kind, size)
        shuffle = rng.permutation(size)
        matrix = matrix[np.ix_(shuffle, shuffle)]
        modal = decompose(matrix)
        x = rng.normal(size=size)
        for t in (1e-3, 0.7, 30.0):
            exact = flow_exactly(matrix, x, t)
            size_of_terms = modal.magnitude(x, t)
            fastest = float(np.abs(np.diag(matrix)).max())
            for value, true, terms in zip(modal.propagate(x, t), exact, size_of_terms, strict=True):
                assert abs(value - true) <= 40 * (4 + fastest * t) * UNIT * terms


def test_loops_with_complex_eigenvalues_are_exact() -> None:
    rng = np.random.default_rng(5)
    for eps in (0.0, 1e-13, 1e-9, 1e-4, 1e-1):
        w = float(rng.uniform(0.1, 1.0))
        oscillator, drive = [[-eps, w], [-w, -eps]], [[0.0, w * (1 + eps)], [-w * (1 + eps), 0.0]]
        matrix = np.zeros((5, 5))
        matrix[:2, :2], matrix[2:4, 2:4], matrix[0, 2], matrix[1, 4] = oscillator, drive, 0.3, 0.2
        modal = decompose(matrix)
        x = rng.normal(size=5)
        for t in (1e-3, 1.0, 40.0):
            error = np.abs(modal.propagate(x, t) - np.array([float(v) for v in flow_exactly(matrix, x, t)]))
            assert np.all(error <= 1e-14 * (1 + t) * modal.magnitude(x, t).max())


def test_equal_and_nearly_equal_rates_are_the_same_to_first_order() -> None:
    for delta in (0.0, 1e-15, 1e-12, 1e-9):
        matrix = np.array([[-0.1, 1.0], [0.0, -0.1 * (1 + delta)]])
        assert decompose(matrix).propagate([0.0, 1.0], 10.0)[0] == pytest.approx(10 / math.e, rel=1e-14 + delta)


# ------------------------------------------------------------------------------------------ crossings


def certify(g: Functional, time: float, until: float, scale: float, strict: bool) -> None:
    """Assert with 50 digits that `time` is where g first holds: sampled below before, a root there."""
    noise = 400 * UNIT * scale
    end = min(time, until, 2000.0)
    for fraction in np.concatenate([np.linspace(0.01, 0.99, 9), 1.0 - np.logspace(-9, -3, 3)]):
        assert g(fraction * end) < noise, f"a crossing before {time} was missed"
    if time < math.inf:
        value, slope = g(time), g(time, 1)
        assert abs(value) <= 8 * UNIT * abs(slope) * time + noise
        if abs(slope) * time > 1e-6 * scale:  # transversal: to 4 ulp, or as far as rounding of g moves it
            with mp.workdps(50):
                root = mp.findroot(g, (mp.mpf(time) * (1 - mp.mpf(10) ** -9), mp.mpf(time)), tol=1e-40)
            assert abs(root - time) <= 8 * UNIT * time + noise / abs(slope)


@pytest.mark.parametrize("kind", SPECTRA)
def test_crossing_times_against_50_digits(kind: str) -> None:
    rng = np.random.default_rng(100 + SPECTRA.index(kind))
    seen = 0
    for case in range(14):
        size = int(rng.integers(3, 7))
        matrix = draw_cascade(rng, kind, size)
        row = np.zeros(size)
        row[0], row[-1] = 1.0, -rng.uniform(0.1, 3.0)
        x = np.concatenate([[rng.uniform(-1, 0)], rng.normal(size=size - 2), [1.0]])
        crossing = prepare_crossing(matrix, row)
        until = math.inf if case % 2 else float(10 ** rng.uniform(-1, 2.5))
        strict = bool(case % 3)
        time = crossing.first(x, until, strict)
        seen += 0.0 < time < math.inf
        scale = float(np.abs(row @ crossing.modal.from_modes) @ (np.abs(crossing.modal.to_modes) @ np.abs(x)))
        certify(Functional(matrix, row, x), time, until, scale, strict)
    assert seen >= 3


def test_oscillating_systems_against_a_dense_sampling() -> None:
    rng = np.random.default_rng(11)
    seen = 0
    for case in range(70):
        w, damping = float(rng.uniform(0.05, 2.0)), float(rng.choice([0.0, 0.01, 0.3]))
        matrix = np.array(
            [[-0.1, 1.0, 0.0, 0.3, 0.0], [0, -damping, w, 0, 0], [0, -w, -damping, 0, 0], [0, 0, 0, -0.25, 0],
             [0, 0, 0, 0, 0]], dtype=float
        )  # fmt: skip
        row = np.array([1.0, 0, 0, 0, -float(rng.uniform(0.1, 2.0))])
        x = np.array([rng.uniform(-1, 0), *rng.normal(size=3), 1.0])
        crossing = prepare_crossing(matrix, row)
        until = 60.0 if case % 2 else math.inf
        time = crossing.first(x, until)
        grid = np.linspace(0.0, 60.0 if case % 2 else 400.0, 6001 if case % 2 else 40001)
        z, vectors = np.linalg.eig(matrix)
        weights = (row @ vectors) * np.linalg.solve(vectors, x.astype(complex))
        g = np.real(np.exp(np.outer(grid, z)) @ weights)
        first = int(np.argmax(g >= 0.0)) if np.any(g[1:] >= 0.0) else None
        if time == math.inf:
            assert np.all(g < 1e-12)
            continue
        seen += 1
        assert abs(Functional(matrix, row, x)(time)) < 1e-13
        assert np.all(g[(grid > 0) & (grid < time * (1 - 1e-9))] < 1e-12)
        assert first is None or time <= grid[first]
    assert seen > 25


def draw_loop(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Return a voltage with an oscillating drive, a synapse, and an adaptation loop or a (near) resonance."""
    w, damping = float(rng.uniform(0.05, 2.0)), float(rng.choice([0.0, 0.01, 0.3]))
    m = np.zeros((6, 6))
    m[0, 0], m[4, 4] = -(10 ** rng.uniform(-2, 0)), -(10 ** rng.uniform(-1.5, 0.5))
    m[0, 1], m[0, 4] = rng.normal(size=2)
    m[1:3, 1:3] = [[-damping, w], [-w * rng.uniform(0.1, 3.0), -damping]]
    if kind == "adaptation":
        m[0, 3], m[3, 0], m[3, 3] = -rng.uniform(0, 0.3), rng.uniform(0, 0.3), -(10 ** rng.uniform(-2, 0))
    elif kind == "resonance":
        near = w * (1.0 + 1e-10)
        m[0, 0] = m[3, 3] = -damping
        m[0, 3], m[3, 0] = w, -w
        m[1:3, 1:3] = [[-damping, near], [-near, -damping]]
    return m


@pytest.mark.parametrize("kind", ["drive", "adaptation", "resonance"])
def test_grazes_of_oscillating_systems_are_told_apart(kind: str) -> None:
    rng = np.random.default_rng(len(kind))
    seen = {True: 0, False: 0}
    until, cells = 80.0, 4096
    while min(seen.values()) < 12:
        matrix, x = draw_loop(rng, kind), rng.normal(size=6)
        x[0], x[5] = -abs(x[0]), 1.0
        modal = decompose(matrix)
        states, power = x[None, :], np.stack([modal.propagate(e, until / cells) for e in np.eye(6)], axis=1)
        while len(states) <= cells:
            states, power = np.concatenate([states, states @ power.T]), power @ power
        v = states[: cells + 1, 0]
        highest = np.maximum.accumulate(v)
        records = np.flatnonzero((v[1:-1] > highest[:-2]) & (v[1:-1] >= v[2:]) & (v[1:-1] > x[0] + 1e-3)) + 1
        if len(records) == 0:
            continue
        at = int(rng.choice(records))
        t = at * until / cells
        for _ in range(6):
            slope = matrix @ modal.propagate(x, t)
            t -= slope[0] / (matrix @ slope)[0]
        top = modal.propagate(x, min(max(t, 0.0), until))[0]
        sides = [highest[at - 2], v[min(at + 2, cells)]]
        if abs(t - at * until / cells) > until / cells or top - max(sides) < 1e-4 * (1.0 + abs(top)):
            continue
        excess = float(rng.choice([-1.0, 1.0]) * 10 ** rng.uniform(-11.5, -5.5)) * (1.0 + float(np.abs(v).max()))
        row = np.array([1.0, 0, 0, 0, 0, excess - top])
        time = prepare_crossing(matrix, row).first(x, until)
        seen[excess > 0] += 1
        if excess > 0:
            assert t - 2 * until / cells < time < t + 1e-6
            assert abs(modal.propagate(x, time)[0] + row[5]) < 1e-12 * (1.0 + np.abs(v).max())
        else:
            assert time > t + 0.4 * until / cells


def alpha_peak() -> tuple[Crossing, float]:
    """A current with the membrane's own time constant: v = a t exp(-t/10), v_max = 10 a / e at t = 10."""
    matrix = [[-0.1, 1.0, 0.0], [0.0, -0.1, 0.0], [0.0, 0.0, 0.0]]
    return prepare_crossing(matrix, [1.0, 0.0, -1.0]), math.e / 10.0


@pytest.mark.parametrize("excess", [-1e-6, -1e-9, -1e-12, -1e-14, 1e-14, 1e-12, 1e-9, 1e-6])
@pytest.mark.parametrize("until", [math.inf, 1e3, 11.0])
def test_built_grazes_are_told_apart(excess: float, until: float) -> None:
    crossing, amplitude = alpha_peak()
    time = crossing.first([0.0, amplitude * (1.0 + excess), 1.0], until)
    assert (time < math.inf) == (excess > 0.0)
    if excess > 0.0:
        early = 10.0 - 10.0 * math.sqrt(2.0 * excess)
        assert time == pytest.approx(early, abs=20.0 * excess + 2e-15 / math.sqrt(excess) * 10)


def test_tolerance_counts_a_near_touch() -> None:
    crossing, amplitude = alpha_peak()
    state = [0.0, amplitude * (1.0 - 1e-10), 1.0]
    assert crossing.first(state, tolerance=1e-9) == pytest.approx(10.0, abs=1e-3)
    assert crossing.first(state, tolerance=1e-11) == math.inf
    state[1] = 0.5 * amplitude
    assert crossing.first(state, tolerance=0.51) == pytest.approx(10.0, abs=1e-3)
    assert crossing.first(state, tolerance=0.49) == math.inf


def test_start_on_the_threshold() -> None:
    rise = [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    crossing = prepare_crossing(rise, [1.0, 0.0, -1.0])
    assert crossing.first([1.0, 0.5, 1.0], strict=True) == 0.0
    assert crossing.first([1.0, 0.0, 1.0], strict=True) == math.inf
    assert crossing.first([1.0, 0.0, 1.0], strict=False) == 0.0
    assert crossing.first([1.0, -0.5, 1.0], strict=True) == math.inf
    assert crossing.first([1.0, -0.5, 1.0], strict=False) == 0.0
    curved = prepare_crossing([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0.0]], [1.0, 0.0, 0.0, -1.0])
    assert curved.first([1.0, 0.0, 2.0, 1.0], strict=True) == 0.0
    assert curved.first([1.0, -1.0, 2.0, 1.0], strict=True) == pytest.approx(1.0, rel=1e-14)  # (t - 1) t
    turning = prepare_crossing([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [1.0, 0.0, -1.0])
    assert turning.first([1.0, 0.1, 1.0], strict=True) == 0.0
    assert turning.first([1.0, 0.0, 1.0], strict=True) == math.inf
    assert turning.first([1.0, -0.1, 1.0], strict=True) == pytest.approx(2 * math.pi - 2 * math.atan(0.1), rel=1e-14)


def test_asymptote_below_and_above() -> None:
    lif = prepare_crossing([[-0.05, 0.05, 0.0], [0, 0, 0], [0, 0, 0]], [1.0, 0.0, -15.0])
    assert lif.first([0.0, 15.0 - 1e-9, 1.0]) == math.inf
    assert lif.first([0.0, 15.0 + 1e-9, 1.0]) == pytest.approx(20 * math.log(15e9 + 1), rel=1e-7)


def test_wrong_arguments_are_named() -> None:
    crossing, _ = alpha_peak()
    with pytest.raises(ValueError, match="x = "):
        crossing.first([0.0, 1.0])
    with pytest.raises(ValueError, match="until"):
        crossing.first([0.0, 1.0, 1.0], until=-1.0)
    with pytest.raises(ValueError, match="row"):
        prepare_crossing([[-1.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match="square"):
        decompose([[1.0, 2.0]])


# ------------------------------------------------------------------- against a certified dense search


def draw_batch(rng: np.random.Generator, rates: np.ndarray, count: int) -> np.ndarray:
    """Return amplitudes (count, K) of ``g = sum a_k exp(l_k t)`` with g(0) < 0; a third are built grazes."""
    a = rng.normal(size=(count, len(rates))) * 10 ** rng.uniform(-1, 1, (count, 1))
    a[:, -1] = -np.abs(a[:, -1])
    a[a.sum(axis=1) > 0.0] *= -1.0
    fine = np.concatenate([[0.0], np.geomspace(1e-2, 40.0 / -rates[-2], 300)])
    graze = np.arange(0, count, 3)
    values = a[graze, :-1] @ np.exp(np.outer(rates[:-1], fine))
    peak = values.argmax(axis=1)
    t = fine[peak]
    for _ in range(30):  # Newton to the maximum of the part without the constant
        e = np.exp(rates[:-1] * t[:, None]) * a[graze, :-1]
        curve = (e * rates[:-1] ** 2).sum(axis=1)
        with np.errstate(all="ignore"):
            t = np.where((curve < 0) & (peak > 0), t - (e * rates[:-1]).sum(axis=1) / curve, t)
    top = (np.exp(rates[:-1] * t[:, None]) * a[graze, :-1]).sum(axis=1)
    good = (peak > 0) & (peak < 299) & np.isfinite(top) & (np.abs(t - fine[peak]) < 0.3 * fine[peak])
    offset = rng.choice([-1e-6, -1e-9, -1e-12, 1e-12, 1e-9, 1e-6], size=len(graze))
    a[graze, -1] = np.where(good, -top + offset * np.abs(a[graze]).sum(axis=1), a[graze, -1])
    a[a.sum(axis=1) >= 0.0, -1] -= 20.0
    return a


def search_densely(rates: np.ndarray, a: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return per case the cell [low, high] of the first crossing (inf: none), and whether that is sure.

    On a cell g < max of its ends + h^2/8 max|g''|, and |g''| <= sum |a| l^2 exp(l t), largest at the left.
    """
    slow = -rates[rates < 0].max()
    grid = np.concatenate([[0.0], np.geomspace(1e-4 / -rates.min(), 60.0 / slow, cells)])
    decay = np.exp(np.outer(rates, grid))
    g = a @ decay
    bend = np.abs(a) @ (decay * rates[:, None] ** 2)
    noise = 1e-13 * np.abs(a).sum(axis=1, keepdims=True)
    bump = bend[:, :-1] * np.diff(grid) ** 2 / 8.0
    below = np.maximum(g[:, :-1], g[:, 1:]) + bump < -noise
    crosses = (g[:, :-1] < -noise) & (g[:, 1:] > noise)
    open_cell = ~below
    first = np.where(open_cell.any(axis=1), open_cell.argmax(axis=1), cells)
    rows = np.arange(len(a))
    none = first == cells
    last = np.minimum(first, cells - 1)
    sure = none | crosses[rows, last]
    low = np.where(none, np.inf, grid[last])
    high = np.where(none, np.inf, grid[last + 1])
    return low, high, sure


def decide_surely(rates: np.ndarray, a: np.ndarray) -> tuple[float, float, float]:
    """Return (low, high, summit) by bisection with 40 digits: where g first crosses, its top if a graze."""
    with mp.workdps(40):
        l, c = [mp.mpf(float(r)) for r in rates], [mp.mpf(float(v)) for v in a]

        def g(t: mp.mpf, order: int = 0) -> mp.mpf:
            return mp.fsum(v * r**order * mp.exp(r * t) for v, r in zip(c, l, strict=True))

        slow = -max(r for r in l if r < 0)
        stack = [(mp.mpf(0), 100 / slow)]
        while stack:
            low, high = stack.pop()
            h = high - low
            if (
                h * h / 8 * mp.fsum(abs(v) * r * r * mp.exp(r * low) for v, r in zip(c, l, strict=True))
                + max(g(low), g(high))
                < 0
            ):
                continue
            if g(low) >= 0 or h < mp.mpf(10) ** -18 * high:
                return float(low), float(high), float(max(g(low), g(high)))
            if g(high) > 0 and g(low) < 0:
                spread = mp.fsum(abs(v) * r * r * mp.exp(r * low) for v, r in zip(c, l, strict=True)) * h
                if g(low, 1) > spread:
                    return float(low), float(high), math.nan
            stack += [((low + high) / 2, high), (low, (low + high) / 2)]
    return math.inf, math.inf, math.nan


def write_as_chain(rates: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return M, c and states of the same g as a chain ``x_k' = l_k x_k + x_{k+1}``: close rates share one."""
    newton, product = np.zeros((len(rates), len(rates))), np.ones(len(rates))
    for k, rate in enumerate(rates):
        newton[k] = product
        product = product * (rates - rate)
    matrix = np.diag(rates) + np.diag(np.ones(len(rates) - 1), 1)
    return matrix, np.eye(len(rates))[0], a @ newton.T


def run_batches(
    first: Callable[[Crossing, np.ndarray], np.ndarray], kinds: int, count: int, seed: int
) -> dict[str, int]:
    """Return how many crossings were seen, missed and invented over `kinds` spectra of `count` cases each."""
    rng = np.random.default_rng(seed)
    tally = {"cases": 0, "crossings": 0, "hard": 0, "missed": 0, "invented": 0, "misplaced": 0}
    for kind in range(kinds):
        size = int(rng.integers(3, 6))
        taus = 10 ** rng.uniform(-0.5, 1.5, size - 1)
        if kind % 4 == 1:
            taus[1:] = taus[0] * (1.0 + 10 ** rng.uniform(-3, -1) * np.arange(1, size - 1))
        if kind % 4 == 2:
            taus[-1] = 1000.0 * taus[0]
        if kind % 4 == 3:
            taus = taus[0] * (1.0 + np.cumsum(rng.uniform(0.01, 0.09, size - 1)))
        rates = np.append(np.sort(-1.0 / taus), 0.0)
        a = draw_batch(rng, rates, count)
        low, high, sure = search_densely(rates, a, 600)
        matrix, row, states = write_as_chain(rates, a) if kind % 4 == 3 else (np.diag(rates), np.ones(size), a)
        times = first(prepare_crossing(matrix, row), states)
        tally["cases"] += count
        for i in np.flatnonzero(~sure):
            tally["hard"] += 1
            low[i], high[i], summit = decide_surely(rates, a[i])
            if abs(summit) < 100 * UNIT * np.abs(a[i]).sum():
                times[i] = low[i] = high[i] = np.inf  # within rounding of a touch: either is right
        found, true = times < np.inf, low < np.inf
        tally["crossings"] += int(true.sum())
        tally["missed"] += int((true & ~found).sum())
        tally["invented"] += int((found & ~true).sum())
        both = true & found
        slack = 1e-7 * high[both]
        tally["misplaced"] += int(np.sum((times[both] < low[both] - slack) | (times[both] > high[both] + slack)))
    return tally


def assert_nothing_lost(tally: dict[str, int]) -> None:
    assert tally["crossings"] > tally["cases"] // 10
    assert tally["hard"] > 0
    assert (tally["missed"], tally["invented"], tally["misplaced"]) == (0, 0, 0), tally


def test_three_thousand_cases_miss_and_invent_nothing() -> None:
    assert_nothing_lost(run_batches(lambda crossing, states: np.array([crossing.first(x) for x in states]), 32, 100, 1))


@pytest.mark.slow
def test_a_million_cases_miss_and_invent_nothing() -> None:
    numba = pytest.importorskip("numba")
    search = compile_kernels(numba.njit, KERNELS)["first_crossing"]

    @numba.njit
    def sweep(states, f, p, w):  # type: ignore[no-untyped-def]
        out = np.empty(len(states))
        for i in range(len(states)):
            out[i] = search(states[i], np.inf, False, 0.0, f, 0, p, 0, w)
        return out

    def first(crossing: Crossing, states: np.ndarray) -> np.ndarray:
        return sweep(states, crossing.numbers, crossing.layout, np.zeros(work_size(states.shape[1])))

    assert_nothing_lost(run_batches(first, 100, 10_000, 2))


def test_stacked_kinds_give_what_single_ones_give() -> None:
    rng = np.random.default_rng(3)
    crossings = []
    for kind in SPECTRA:
        row = np.zeros(5)
        row[0], row[-1] = 1.0, -1.0
        crossings.append(prepare_crossing(draw_cascade(rng, kind, 5), row))
    numbers, layout = stack_crossings(crossings)
    assert numbers.shape == (len(SPECTRA), table_size(5))
    assert layout.shape == (len(SPECTRA), layout_size(5))
    w = np.zeros(work_size(5))
    for k, crossing in enumerate(crossings):
        for _ in range(20):
            x = np.append(rng.normal(size=4), 1.0)
            x[0] = -abs(x[0])
            place = (k * table_size(5), layout.ravel(), k * layout_size(5))
            assert first_crossing(x, 50.0, False, 0.0, numbers.ravel(), *place, w) == crossing.first(x, 50.0)
