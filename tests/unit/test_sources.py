"""Spikes from outside: when they act, their weights, Poisson statistics, and what cannot be."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import rheobase as rb
from rheobase.network.sources import SpikeSource, as_source, poisson_counts

COUNTER = rb.Neuron("tau dc/dt = 0*c", receive="c <- c + w_i", tau=1.0, c=0.0)


def _arrivals(source: SpikeSource, dt: float, steps: int, n: int = 1, key: int = 1) -> list[tuple[int, int, float]]:
    found = source.on_grid(dt, n, key)(-1, steps)
    return [(int(a), int(b), float(c)) for a, b, c in zip(*found, strict=True)]


@pytest.mark.parametrize("dt", [0.1, 0.05, 0.01, 1 / 3])
def test_a_spike_on_the_grid_acts_there(dt: float) -> None:
    times = np.arange(1, 2000) * dt  # k dt is not quite k dt
    steps = [k for k, _, _ in _arrivals(rb.spikes(times), dt, 3000)]
    assert steps == list(range(1, 2000))


def test_a_spike_between_grid_points_acts_at_the_next() -> None:
    assert _arrivals(rb.spikes([0.0, 0.1, 0.49, 0.5, 0.51]), 0.5, 5) == [
        (0, 0, 1),
        (1, 0, 1),
        (1, 0, 1),
        (1, 0, 1),
        (2, 0, 1),
    ]


def test_spikes_at_time_zero_act_on_the_start() -> None:
    run = rb.simulate(COUNTER, 3, dt=1, spikes=rb.spikes([0.0, 2.0], weight=2))
    assert run.c.tolist() == [2, 2, 4, 4]


def test_weights_of_trains() -> None:
    assert _arrivals(rb.spikes([2, 1], weight=[5, 7]), 1.0, 5) == [(1, 0, 7), (2, 0, 5)]
    each = rb.spikes([[1.0], [1.0, 2.0], []], weight=np.array([1.0, 2.0, 3.0]))
    assert each.size == 3
    assert _arrivals(each, 1.0, 5, n=3) == [(1, 0, 1), (1, 1, 2), (2, 1, 2)]
    assert _arrivals(rb.spikes([1, 2], weight=3), 1.0, 5, n=2) == [(1, 0, 3), (1, 1, 3), (2, 0, 3), (2, 1, 3)]
    assert _arrivals(rb.spikes("[1, 0.002] s"), 1.0, 2000) == [(2, 0, 1), (1000, 0, 1)]
    assert _arrivals(rb.spikes([]), 1.0, 5) == []
    assert rb.spikes([1], weight="2 nS").dimension is not None


def test_spikes_of_a_run_drive_another() -> None:
    first = rb.simulate(rb.LIF(), 100, dt=0.1, I=[0.3, 0.5])
    second = rb.simulate(COUNTER, 100, dt=0.1, spikes=rb.spikes(first.spikes, weight=2))
    assert second.final["c"].tolist() == (2 * first.spikes.count).tolist()
    assert second.c[0][round(first.spikes[0][0] * 10) - 1 :][:2].tolist() == [0, 2]


def test_a_bare_list_is_a_train_of_weight_one() -> None:
    assert rb.simulate(COUNTER, 5, dt=1, spikes=[1, 2, 3]).c[-1] == 3
    assert as_source(rb.spikes([1]), "spikes").size is None


def test_sums_keep_every_part() -> None:
    both = rb.spikes([1, 2], weight=1) + rb.spikes([2, 3], weight=10)
    assert _arrivals(both, 1.0, 5) == [(1, 0, 1), (2, 0, 1), (2, 0, 10), (3, 0, 10)]
    assert rb.simulate(COUNTER, 5, dt=1, spikes=both).c[-1] == 22
    noisy = rb.poisson(100, weight=1) + rb.poisson(100, weight=1)  # two parts, two streams
    counts = rb.simulate(COUNTER, 200, dt=1, spikes=noisy, n=2000, seed=1, record=False).final["c"]
    assert counts.var() == pytest.approx(40, rel=5 * math.sqrt(2 / 2000))  # one train twice would give 80


# Poisson ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "dt", "sources"), [(50, 0.1, 1), (500, 1.0, 1), (20, 1.0, 100), (9000, 5.0, 3)])
def test_counts_are_poisson(rate: float, dt: float, sources: int) -> None:
    expected = rate / 1000 * dt * sources
    steps, n = 100, 1000
    run = rb.simulate(COUNTER, steps * dt, dt=dt, n=n, seed=3, spikes=rb.poisson(rate, sources=sources), record="c")
    counts = np.diff(run.c, axis=1).ravel()
    assert counts.mean() == pytest.approx(expected, abs=5 * math.sqrt(expected / counts.size))
    assert counts.var() == pytest.approx(expected, rel=6 * math.sqrt((2 + 1 / expected) / counts.size))
    low, high = stats.poisson.ppf([1e-9, 1 - 1e-9], expected)
    assert low <= counts.min()
    assert counts.max() <= high
    # neurons and steps are independent
    assert abs(np.corrcoef(run.final["c"][:-1], run.final["c"][1:])[0, 1]) < 5 / math.sqrt(n)


def test_counts_by_inversion_are_the_quantiles() -> None:
    u = np.random.default_rng(0).random(2000)
    fine, bits = np.modf(u[None, :] * 65536)
    for mean in (0.0, 1e-3, 0.7, 12.0, 29.9, 30.1, 400.0):
        found = poisson_counts(np.array(mean), bits, lambda *at: fine[at])
        np.testing.assert_array_equal(found[0], stats.poisson.ppf(u, mean) if mean else 0)


def test_rates_in_all_forms() -> None:
    n = 3000
    given: list[tuple[Any, Any]] = [
        (100, 10),
        ("100 Hz", 10),
        ("0.1 kHz", 10),
        (rb.step(200, on=50), 10),
        (rb.step("200 Hz", on=50), 10),
        (lambda t: 100 + 100 * np.sin(2 * np.pi * t / 100), 10),
        (rb.ramp(0, 200, on=0, off=100), 10),
    ]
    for rate, expected in given:
        counts = rb.simulate(COUNTER, 100, dt=0.5, n=n, seed=2, spikes=rb.poisson(rate), record=False).final["c"]
        assert counts.mean() == pytest.approx(expected, abs=5 * math.sqrt(expected / n) + 0.06)
    each = rb.simulate(COUNTER, 10_000, dt=10, seed=2, spikes=rb.poisson([10, 100]), record=False).final["c"]
    assert np.all(np.abs(each - [100, 1000]) < 5 * np.sqrt([100, 1000]))


def test_rates_that_are_random_themselves() -> None:
    """An Ornstein-Uhlenbeck rate: counts are wider than Poisson's. It is asked from time zero on, not
    before."""
    n = 3000
    source = rb.poisson(rb.ou(500, 100, tau=20), weight=1)
    counts = rb.simulate(COUNTER, 100, dt=0.5, n=n, seed=2, spikes=source, record=False).final["c"]
    assert counts.mean() == pytest.approx(50, abs=5 * math.sqrt(150 / n))
    assert counts.var() > 1.3 * 50


def test_on_off_and_the_first_step() -> None:
    run = rb.simulate(COUNTER, 100, dt=1, n=500, seed=2, spikes=rb.poisson(1000, on=20, off=30))
    mean = run.c.mean(axis=0)
    assert mean[20] == 0  # a spike of the step that begins at 20 acts at 21
    assert mean[21] > 0.8
    assert mean[30] == mean[100] == pytest.approx(10, abs=5 * math.sqrt(10 / 500))
    assert np.all(rb.simulate(COUNTER, 5, dt=1, n=500, seed=2, spikes=rb.poisson(1000)).c[:, 0] == 0)


def test_fresh_and_frozen() -> None:
    def counts(source: SpikeSource, seed: int) -> np.ndarray:
        return rb.simulate(COUNTER, 100, dt=1, n=4, seed=seed, spikes=source).c

    fresh, trials, fixed = (rb.poisson(200, frozen=f) for f in (False, True, 7))
    assert len(np.unique(counts(fresh, 1)[:, -1])) > 1
    assert np.ptp(counts(trials, 1), axis=0).max() == 0
    assert not np.array_equal(counts(trials, 1), counts(trials, 2))
    np.testing.assert_array_equal(counts(fixed, 1), counts(fixed, 2))
    assert not np.array_equal(counts(fixed, 1), counts(rb.poisson(200, frozen=8), 1))


def test_weights_of_poisson_spikes() -> None:
    many = rb.simulate(COUNTER, 100, dt=1, seed=1, spikes=rb.poisson(100, weight=[1.0, -2.0, 0.0]), record=False).final[
        "c"
    ]
    assert many[0] > 0 > many[1]
    assert many[2] == 0
    drawn = rb.simulate(
        COUNTER,
        100,
        dt=1,
        seed=1,
        n=50,
        spikes=rb.poisson(100, weight=rb.uniform(1, 2), frozen=True),
        record=False,
    ).final["c"]
    ratio = drawn / drawn.min()
    assert 1.2 < ratio.max() < 2  # one weight for each neuron, drawn once


@pytest.mark.parametrize(
    "source", [rb.poisson(300, weight=2), rb.poisson(rb.sine(200, 20, offset=300)), rb.poisson(100, frozen=3)]
)
def test_arrivals_do_not_depend_on_how_they_are_asked(source: SpikeSource) -> None:
    whole = source.on_grid(0.5, 3, 5)(0, 100)
    take = source.on_grid(0.5, 3, 5)
    parts = [take(a, b) for a, b in ((0, 1), (1, 40), (40, 41), (41, 100))]
    for column, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(column, np.concatenate(pieces))


def test_one_by_one_or_summed() -> None:
    source = rb.poisson(5000, weight=2.0)
    summed, each = source.on_grid(1.0, 4, 5)(0, 50), source.on_grid(1.0, 4, 5, each=True)(0, 50)
    assert set(each[2]) == {2.0}
    assert each[2].sum() == summed[2].sum()
    assert len(each[2]) > len(summed[2])
    assert np.all(np.diff(each[0]) >= 0)


def test_in_continuous_time() -> None:
    times, neurons, weights = rb.poisson(200, weight=0.5, on=10, off=60).in_time(100.0, 400, 3)
    assert times.min() >= 10
    assert times.max() <= 60
    assert set(weights) == {0.5}
    assert len(times) / 400 == pytest.approx(10, abs=5 * math.sqrt(10 / 400))
    assert np.all(np.diff(neurons) >= 0)
    assert all(np.all(np.diff(times[neurons == i]) > 0) for i in range(5))
    counts = np.bincount(neurons, minlength=400)
    assert counts.var() == pytest.approx(10, rel=5 * math.sqrt(2 / 400))
    assert stats.kstest(times, stats.uniform(10, 50).cdf).pvalue > 1e-5
    risen = rb.poisson(rb.ramp(0, 400, on=0, off=100)).in_time(100.0, 400, 3)[0]
    assert stats.kstest(risen, lambda x: (x / 100) ** 2).pvalue > 1e-5
    given = rb.spikes([3.0, 1.0, 200.0], weight=[1, 2, 3]).in_time(100.0, 2, 3)
    assert [x.tolist() for x in given] == [[1, 3, 1, 3], [0, 0, 1, 1], [2, 1, 2, 1]]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: rb.spikes([1, np.nan]), "NaN"),
        (lambda: rb.spikes([1, np.inf]), "finite"),
        (lambda: rb.spikes([-1]), "not negative"),
        (lambda: rb.spikes([1, 2], weight=[1, 2, 3]), "3 weights for 2 spikes"),
        (lambda: rb.spikes([[1], [2]], weight=[1, 2, 3]), "3 weights for 2 spike trains"),
        (lambda: rb.spikes("[1] mV"), "times, in ms"),
        (lambda: rb.spikes(["a"]), "a"),
        (lambda: rb.spikes([1], weight="heavy"), "weight"),
        (lambda: rb.spikes([1], weight=float("nan")), "NaN"),
        (lambda: rb.poisson(-5), "negative"),
        (lambda: rb.poisson("5 mV"), "give Hz"),
        (lambda: rb.poisson(rb.step("5 mV")), "give Hz"),
        (lambda: rb.poisson(5, sources=0), "whole number"),
        (lambda: rb.poisson(5, sources=1.5), "whole number"),
        (lambda: rb.poisson(5, sources="many"), "whole number"),
        (lambda: rb.poisson(5, on=3, off=2), "not after"),
        (lambda: rb.poisson([1, 2], weight=[1, 2, 3]), "neurons"),
        (lambda: rb.poisson(rb.step(-5)), "rate is negative"),
        (lambda: rb.step(1), "port where spikes arrive, not a current"),
        (lambda: rb.spikes([1], weight="1 mV") + rb.spikes([1], weight="1 nA"), "mixes"),
        (lambda: rb.spikes([[1], [2]]) + rb.spikes([[1], [2], [3]]), "neurons"),
    ],
)
def test_sources_that_cannot_be(make: Any, says: str) -> None:
    with pytest.raises(rb.RheobaseError, match=says):
        rb.simulate(COUNTER, 10, dt=0.1, spikes=make())


def test_unit_of_the_weight() -> None:
    with pytest.raises(rb.UnitMismatch, match=r"weight at port .*spikes is in nA, but the rows want mV"):
        rb.simulate(rb.LIF(), 10, dt=0.1, spikes=rb.spikes([1], weight="1 nA"))
    assert rb.simulate(rb.LIF(), 10, dt=0.1, spikes=rb.spikes([1], weight="0.001 V")).v[10] == pytest.approx(-69)
