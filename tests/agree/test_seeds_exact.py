"""The numbers of the seed tutorials in continuous time, by the exact engine."""

import math
from typing import Any

import numpy as np
import pytest
from tests.agree.seed_models import (
    EVERY_10,
    SEEDS,
    adaptive,
    bucket,
    firing_bucket,
    numbers,
    page_if,
    page_lif,
    page_lifexp,
    textbook,
)

import rheobase as rb

pytest.importorskip("rheobase.engines.exact")


def _spikes(model: rb.Neuron, until: float, **given: Any) -> rb.Spikes:
    return rb.simulate(model, until, engine=rb.Exact(), record=False, **given).spikes


def test_bucket_fires() -> None:
    row = SEEDS["S000.fire"]
    model = firing_bucket(row)
    found = _spikes(model, 30_000, I=row["I"])[0]
    np.testing.assert_allclose(found, numbers(row["spikes_up_to_30000_ms"]), rtol=0, atol=row["abs_tol_ms"])
    np.testing.assert_allclose(np.diff(found), float(row["isi_ms"]), rtol=0, atol=row["abs_tol_ms"])
    # at I = theta it is reached in infinite time
    assert _spikes(model, 30_000, I=[99.0, 100.0 - 1e-9]).count.tolist() == [0, 0]


@pytest.mark.parametrize("tau", ["500", "1000", "3000"])
def test_bucket_drains_and_fills(tau: str) -> None:
    for key, I in (("decay", 0.0), ("charge", 60.0)):
        row = SEEDS[f"S000.{key}.tau{tau}"]
        model = bucket(tau=row["tau_ms"], v=row.get("v0", 0.0))
        run = rb.simulate(model, 10_000, engine=rb.Exact(), I=I, record="v", record_every=100)
        np.testing.assert_allclose(
            run.v[np.array(row["t_ms"]) // 100], numbers(row["v"]), rtol=row["rel_tol"], atol=1e-13
        )


def test_interval_of_20_log_11() -> None:
    row = SEEDS["S001.exact"]
    model = rb.Neuron(
        "tau dv/dt = -v + R*(I_syn + I_bias)", threshold="v >= 10", reset="v <- 0", tau=20.0, R=1.0, v=0.0
    )
    found = _spikes(model, 1000, I_syn=11, I_bias=0)[0]
    np.testing.assert_allclose(found[:2], numbers(row["spikes_100"]), rtol=0, atol=1e-11)
    np.testing.assert_allclose(np.diff(found), float(row["isi_ms"]), rtol=0, atol=1e-11)
    assert _spikes(model, 100, I_syn=6, I_bias=5)[0].tolist() == _spikes(model, 100, I_syn=11, I_bias=0)[0].tolist()


def test_rate_against_current() -> None:
    rows = SEEDS["S002.fI"]["rows"]
    model = textbook()
    run = _spikes(model, 1000, I=[r["I_pA"] * 1e-3 for r in rows])
    for train, row in zip(run, rows, strict=True):
        if row["isi_ms"] is None:
            assert len(train) == 0
        else:
            assert train[0] == pytest.approx(float(row["first_spike_ms"]), rel=1e-9)
            np.testing.assert_allclose(np.diff(train), float(row["isi_ms"]), rtol=1e-9)
    idle = model.replace(g_L="0 nS")
    for row in SEEDS["S002.noleak"]["rows"]:
        np.testing.assert_allclose(
            np.diff(_spikes(idle, 4 * row["isi_ms"], I=row["I_pA"] * 1e-3)[0]), row["isi_ms"], rtol=1e-9
        )
    assert not len(_spikes(idle, 1000, I=[0.0, -0.1]).times)
    # a huge current: the rate goes to 1/t_ref
    assert _spikes(model, 1000, I="1000 nA")[0].size == pytest.approx(500, abs=2)


def test_intervals_for_square_currents() -> None:
    row = SEEDS["S003.square.exact"]
    model = rb.Neuron(
        "tau du/dt = r*I - u",
        threshold="u > 1",
        reset="u <- 0",
        refractory={"u": 4.0},
        tau=10.0,
        r=1.0,
        u=0.0,
    )
    for entry, train in zip(row["isi"], _spikes(model, 200, I=[float(e["I"]) for e in row["isi"]]), strict=True):
        if entry["isi_ms"] is None:
            assert len(train) == 0
        else:
            np.testing.assert_allclose(np.diff(train), float(entry["isi_ms"]), rtol=1e-12)
    run = rb.simulate(model, 19, engine=rb.Exact(), I=0.5)
    assert run.final["u"][0] == pytest.approx(float(row["u_end_of_first_pulse_19ms"]), rel=1e-12)


@pytest.mark.parametrize(("threshold", "key"), [("v > 1", "strict"), ("v >= 1", "inclusive")])
def test_a_value_that_hits_the_threshold(threshold: str, key: str) -> None:
    model = page_if(threshold)
    assert _spikes(model, 100, spikes=rb.spikes(EVERY_10[:10], weight=0.25))[0].tolist() == SEEDS["S004.IF.edge"][key]


def test_regular_input() -> None:
    row = SEEDS["S004.LIF.long"]
    model = page_lif()
    assert _spikes(model, 1000, spikes=rb.spikes(EVERY_10, weight=0.6))[0].tolist() == row["spikes_ms"]
    w = float(SEEDS["S004.LIF.critical_w"]["w"])
    pair = rb.spikes([EVERY_10] * 2, weight=np.array([w * (1 - 1e-12), w * (1 + 1e-12)]))
    assert (_spikes(model, 1000, spikes=pair).count > 0).tolist() == [False, True]


def test_exponential_synapses() -> None:
    row, long = SEEDS["S004.LIFexp"], SEEDS["S004.LIFexp.long"]
    model = page_lifexp()
    found = _spikes(model, 1000, spikes=rb.spikes(EVERY_10, weight=0.6))[0]
    np.testing.assert_allclose(found, numbers(long["spikes_ms"]), rtol=0, atol=1e-9)
    # at 50 ms the fifth input has just come: the number for I has it in it
    end = rb.simulate(model, 50, engine=rb.Exact(), spikes=rb.spikes(EVERY_10[:4], weight=0.6)).final
    assert end["v"][0] == pytest.approx(float(row["v_end_just_before_50"]), rel=1e-9)
    assert end["I"][0] + 0.6 == pytest.approx(float(row["I_end_just_before_50"]), rel=1e-9)


def test_one_postsynaptic_potential() -> None:
    row = SEEDS["S004.LIFexp.psp"]
    peak = float(row["t_peak_ms"])
    run = rb.simulate(
        page_lifexp(threshold=None),
        2 * peak,
        engine=rb.Exact(),
        spikes=rb.spikes([0.0], weight=0.6),
        record="v",
        record_every=peak,
    )
    assert run.v[1] == pytest.approx(float(row["v_peak"]), rel=1e-12)


@pytest.mark.parametrize("jump", ["0", "0.4"])
def test_adaptive_threshold(jump: str) -> None:
    row = SEEDS[f"S004.ALIF.dvt{jump}"]
    model = adaptive(row)
    given = {"I": 0, "spikes": rb.spikes(np.arange(2.0, 5001.0, 2.0), weight=row["w"])}
    found = _spikes(model, 150, **given)[0]
    assert found.tolist() == row["spikes_ms"]
    if jump == "0.4":
        long = SEEDS["S004.ALIF.long"]
        found = _spikes(model, 5000, **given)[0]
        assert len(found) == long["n"]
        assert np.diff(found)[-10:].tolist() == long["last_isis"]


def test_half_life() -> None:
    model = bucket(tau=500.0, v=100.0)
    assert rb.simulate(model, 500 * math.log(2), engine=rb.Exact(), I=0).final["v"][0] == pytest.approx(50, rel=1e-13)


def test_what_arrives_at_the_very_end_counts() -> None:
    """As on a clock: delivered, tested, recorded and part of the final state."""
    model = rb.Neuron("tau dv/dt = -v", receive="v <- v + w_i", threshold="v > 1", reset="v <- 0.5", tau=10.0, v=0.0)
    for weight in (0.6, 1.5):
        given = {
            "spikes": rb.spikes([3.0, 5.0, 5.0], weight=[0.0, weight / 2, weight / 2]),
            "record": "v",
            "record_every": 1,
        }
        exact = rb.simulate(model, 5, engine=rb.Exact(), **given)
        clock = rb.simulate(model, 5, engine=rb.Clock(0.5), **given)
        assert exact.spikes[0].tolist() == clock.spikes[0].tolist() == ([5.0] if weight > 1 else [])
        np.testing.assert_allclose(exact.v, clock.v, rtol=1e-13)
        np.testing.assert_allclose(exact.final["v"], clock.final["v"], rtol=1e-13)


def test_names_of_pythons_own_functions() -> None:
    model = rb.Neuron(
        "tau dv/dt = len - v",
        receive="v <- v + w_i*range",
        threshold="v > 1",
        reset="v <- len*range - 1",
        tau=10.0,
        len=1.5,
        range=0.5,
        v=0.0,
    )
    found = _spikes(model, 20, spikes=rb.spikes([5.0], weight=[0.1]))[0]
    assert found == pytest.approx(
        rb.simulate(model, 20, dt=0.01, spikes=rb.spikes([5.0], weight=0.1)).spikes[0], abs=0.04
    )
