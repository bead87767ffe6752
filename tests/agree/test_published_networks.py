"""Published networks: rates, irregularity, correlation and rhythm in their published ranges.

The ranges are those of the papers, or 15 % around independent runs where a paper gives none; both stand in
`data/published_networks.json` and `data/network_stats.json` with their sources. In the daily tests there is one
seed each, and the circuit is small; `make test-all` takes five seeds, and the circuit's in-degrees at full size.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.networks import brunel, coba, cuba, microcircuit, sparse_brain

DATA = Path(__file__).parents[1] / "data"
PUBLISHED = json.loads((DATA / "published_networks.json").read_text())
LAYERS = PUBLISHED["microcircuit"]["populations"]

FIRST = [1]
ALL = [pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3, 4, 5)]


def run(net: rb.Network, until: float, seed: int) -> rb.NetworkRun:
    return rb.simulate(net, until=until, engine=rb.Clock(dt="0.1 ms"), seed=seed, record=False)


def inside(value: float, limits: list[float]) -> bool:
    return limits[0] <= value <= limits[1]


@pytest.mark.parametrize("seed", [*FIRST, *ALL])
@pytest.mark.parametrize("make", [cuba, coba], ids=["cuba", "coba"])
def test_vogels_abbott(make: Callable[[], rb.Network], seed: int) -> None:
    """Brette et al. 2007, benchmarks 2 and 1: irregular, hardly correlated, and still active after a second."""
    known = PUBLISHED[make.__name__]
    done = run(make(), 1000, seed)
    s = rb.network_statistics(done, start=300)
    assert inside((4 * s["E"].rate + s["I"].rate) / 5, known["rate"])
    assert inside((4 * s["E"].cv + s["I"].cv) / 5, known["cv"])
    assert s["E"].correlation < known["correlation_below"]
    assert inside(rb.synchrony(done.spikes, 3, 1000, 300), known["fano"])
    assert done.spikes.times[-1] > 990


@pytest.mark.parametrize("seed", [*FIRST, *ALL])
def test_brunel_ai(seed: int) -> None:
    """Brunel 2000, Fig. 8C and Table 1: 37.7 Hz in simulation, 38.0 Hz in theory; no order."""
    until = 300 if seed == 1 else 1000
    s = rb.network_statistics(run(brunel("AI"), until, seed), start=100 if seed == 1 else 200)
    known = PUBLISHED["brunel"]["AI"]
    assert inside(s["E"].rate, known["rate"])
    assert s["I"].rate == pytest.approx(s["E"].rate, rel=0.05)  # model A: equal neurons
    assert inside(s["E"].cv, known["cv"])
    assert s["E"].correlation < known["correlation_below"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("regime", ["SR", "SI fast", "SI slow"])
def test_brunel_synchronous(regime: str, seed: int) -> None:
    """Brunel 2000, Fig. 8A, B, D and Table 1."""
    done = run(brunel(regime, multapses=seed % 2 == 0), 1000, seed)  # both ways of drawing give the same state
    s, known = rb.network_statistics(done, start=200), PUBLISHED["brunel"][regime]
    assert inside(s["E"].rate, known["rate"])
    if regime == "SR":  # a clock that all share: in bins of half a millisecond almost all or almost none
        assert s["E"].cv < known["cv"][1]
        _, course = rb.psth(done["E"], bin=0.5, start=200)
        assert np.mean((course < 0.2 * course.max()) | (course > 0.8 * course.max())) > 0.75
    else:
        assert inside(s["E"].peak, known["peak"])
        assert s["E"].rate < s["E"].peak / 2  # cells skip most of the waves


def test_the_driven_brain_is_as_active_as_the_benchmark() -> None:
    """17,000 spikes a second among 127,000 neurons: here a tenth of both."""
    done = run(sparse_brain(12_700, synapses=1_500_000, driven=11), 300, seed=1)
    spikes = sum(np.sum(done[name].spikes.times > 100) for name in "EI") / 0.2
    assert spikes == pytest.approx(1700, rel=0.25)
    assert np.mean(done["E"].spikes.count > 0) < 0.05


@pytest.mark.parametrize("seed", FIRST)
def test_microcircuit_at_a_tenth_in_a_second(seed: int) -> None:
    """The reduction of van Albada et al. 2015 in NEST: the same rates."""
    done, known = run(microcircuit(0.1), 800, seed), PUBLISHED["microcircuit"]
    mean = np.array([done.rate(start=200)[name] for name in LAYERS])
    np.testing.assert_allclose(mean, np.mean([r["rate"] for r in known["nest_10_percent"]], axis=0), rtol=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_microcircuit_at_a_tenth(seed: int) -> None:
    """Ten seconds: rates, CVs and Fano factors as in NEST."""
    done, known = run(microcircuit(0.1), 10_500, seed), PUBLISHED["microcircuit"]["nest_10_percent"]
    s = rb.network_statistics(done, start=500)
    for i, name in enumerate(LAYERS):
        nest = {what: np.mean([r[what][i] for r in known]) for what in ("rate", "cv", "fano")}
        assert s[name].rate == pytest.approx(nest["rate"], rel=0.08)
        assert s[name].cv == pytest.approx(nest["cv"], abs=0.03)
        assert s[name].fano == pytest.approx(nest["fano"], rel=0.2)
        assert s[name].correlation < 0.02


@pytest.mark.slow
def test_microcircuit_with_all_its_synapses() -> None:
    """All synapses of a neuron, 30 % of the neurons: within the spread of the published full-scale runs."""
    done = run(microcircuit(0.3, indegree_scale=1.0), 1300, seed=2)
    known = np.array([PUBLISHED["microcircuit"]["full_scale"][k] for k in ("pd14_repository", "romaro_2021")])
    mean = np.array([done.rate(start=300)[name] for name in LAYERS])
    np.testing.assert_allclose(mean, known.mean(axis=0), rtol=0.25)
    assert {*np.argsort(mean)[:2]} == {0, 6}  # L2/3E and L6E are the quiet ones


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_microcircuit_at_full_scale(seed: int) -> None:
    """77,169 neurons and 299 million synapses: the published rates, hardly correlated (4 GB, half a minute each)."""
    engine = rb.Clock(dt="0.1 ms", precision="mixed")
    done = rb.simulate(microcircuit(), until=1300, engine=engine, seed=seed, record=False)
    known = np.array([PUBLISHED["microcircuit"]["full_scale"][k] for k in ("pd14_repository", "romaro_2021")])
    s = rb.network_statistics(done, start=300)
    mean = np.array([s[name].rate for name in LAYERS])
    np.testing.assert_allclose(mean, known.mean(axis=0), rtol=0.12)
    assert max(s[name].correlation for name in LAYERS) < 0.01
    assert {*np.argsort(mean)[:2]} == {0, 6}  # L2/3E and L6E are the quiet ones


@pytest.mark.slow
def test_microcircuit_for_a_minute() -> None:
    """The published irregularity; in ten seconds the quiet populations fire too few spikes for it."""
    engine = rb.Clock(dt="0.1 ms", precision="mixed")
    done = rb.simulate(microcircuit(), until=61_000, engine=engine, seed=1, record=False)
    s = rb.network_statistics(done, start=1000)
    cvs = PUBLISHED["microcircuit"]["full_scale"]["romaro_2021_cv"]
    np.testing.assert_allclose([s[name].cv for name in LAYERS], cvs, atol=0.03)


def test_down_scaled_and_driven_by_direct_current_it_falls_silent_as_in_nest() -> None:
    done, known = run(microcircuit(0.1, drive="dc"), 1000, seed=1), PUBLISHED["microcircuit"]["nest_10_percent_dc"]
    np.testing.assert_allclose([done.rate(start=400)[name] for name in LAYERS], known["rate"], atol=0.1)
