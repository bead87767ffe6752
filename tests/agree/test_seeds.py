"""Every number of the seed tutorials that a clock can give, through the public surface.

Where a page's loop has another order of operations than ours, the test says how it is written in rows.
Numbers in
continuous time (spikes to 1e-9 ms) are in test_seeds_exact.py, Markov chains and artificial neurons in
test_markov.py.
"""

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

TAUS = ("500", "1000", "3000")


# 000: the leaky bucket ----------------------------------------------------------------------------


@pytest.mark.parametrize("tau", TAUS)
def test_bucket_drains(tau: str) -> None:
    row = SEEDS[f"S000.decay.tau{tau}"]
    run = rb.simulate(bucket(tau=row["tau_ms"], v=row["v0"]), 10_000, dt=100, I=0)
    at = np.array(row["t_ms"]) // 100
    np.testing.assert_allclose(run.v[at], numbers(row["v"]), rtol=row["rel_tol"])
    half = float(row["half_life_ms"])
    run = rb.simulate(bucket(tau=row["tau_ms"], v=row["v0"]), 2 * half, dt=half, I=0)
    np.testing.assert_allclose(run.v, [100, 50, 25], rtol=row["rel_tol"])


@pytest.mark.parametrize("tau", TAUS)
def test_bucket_fills(tau: str) -> None:
    row = SEEDS[f"S000.charge.tau{tau}"]
    run = rb.simulate(bucket(tau=row["tau_ms"], v=0), 50 * row["tau_ms"], dt=100, I=row["I"])
    np.testing.assert_allclose(run.v[np.array(row["t_ms"]) // 100], numbers(row["v"]), rtol=row["rel_tol"])
    assert run.v[-1] == pytest.approx(float(row["v_inf"]), rel=1e-12)
    slope = rb.simulate(bucket(tau=row["tau_ms"], v=0), 1, dt=1, method="euler", I=row["I"]).v[1]  # one step of 1 ms
    assert slope == pytest.approx(float(row["dv_dt_at_0"]), rel=1e-12)


def test_bucket_leaks_in_proportion_to_its_level_and_to_one_over_tau() -> None:
    taus = np.array([500.0, 1000.0, 3000.0])
    first = {v: rb.simulate(bucket(tau=taus), 1, dt=1, method="euler", I=0, v=v).v[:, 1] - v for v in (10.0, 20.0)}
    np.testing.assert_allclose(first[10.0] / first[10.0][2], [6, 3, 1], rtol=1e-12)
    np.testing.assert_allclose(first[20.0] / first[10.0], 2, rtol=1e-12)


def test_resistor_and_capacitor_are_the_same_bucket() -> None:
    circuit = rb.Neuron("C dv/dt = I - v/R", C=50.0, R=10.0, v=0.0)
    drive = rb.step(2.0, on=100, off=900)
    run = rb.simulate(circuit, 2000, dt=10, I=drive)
    np.testing.assert_allclose(
        run.v, rb.simulate(bucket(tau=500, v=0), 2000, dt=10, I=drive * 10.0).v, rtol=0, atol=1e-12
    )
    # I = I_R + I_C: C dv is what the current left over by the resistor brings in, here by the
    # trapezoidal rule's mean
    fine = rb.simulate(circuit, 50, dt=0.01, I=2.0)
    middle = (fine.v[1:] + fine.v[:-1]) / 2
    np.testing.assert_allclose(middle / 10 + 50 * np.diff(fine.v) / 0.01, 2.0, rtol=1e-9)


def test_bucket_fires_on_the_grid() -> None:
    row = SEEDS["S000.fire"]
    model = firing_bucket(row)
    found = rb.simulate(model, 30_000, dt=1, I=row["I"]).spikes[0]
    late = found - numbers(row["spikes_up_to_30000_ms"])
    assert len(found) == 6
    assert np.all((late >= 0) & (late <= 1 + np.arange(6)))  # each spike at the end of its step
    assert not len(rb.simulate(model, 30_000, dt=1, I=99.99).spikes[0])
    # equality fires: what arrives fills it exactly
    full = model.replace(receive="v <- v + w_i")
    assert rb.simulate(full, 10, dt=1, I=0, spikes=rb.spikes([5.0], weight=100)).spikes[0].tolist() == [5.0]


@pytest.mark.parametrize("tau", TAUS)
def test_page_bucket_filled_by_a_click(tau: str) -> None:
    """A click adds 25 in each of ten frames of 10 ms, up to 100; only in a frame without water it leaks."""
    row = SEEDS[f"S000.widget.tau{tau}"]
    model = rb.Neuron("tau dv/dt = -leak*v\nv <= 100", receive="v <- v + w_i", tau=float(tau), v=0.0)
    run = rb.simulate(
        model,
        3100,
        dt=row["frame_ms"],
        leak=rb.step(1, on=90),
        spikes=rb.spikes(np.arange(0, 100, 10), weight=25),
    )
    np.testing.assert_allclose(run.v[np.array(row["t_ms"]) // 10], row["level"], rtol=0, atol=row["abs_tol"])


def test_page_bucket_that_fires() -> None:
    row = SEEDS["S000.widget.fires"]
    model = rb.Neuron(
        "tau dv/dt = -leak*v\nv <= 100",
        receive="v <- v + w_i",
        threshold="v >= 100",
        reset="v <- 0",
        refractory=row["tref_ms"],
        tau=row["tau_ms"],
        v=0.0,
    )
    frames = np.concatenate([np.arange(c, c + 100, 10) for c in row["clicks_ms"]])
    leak = 1 - rb.pulses(1, starts=np.array(row["clicks_ms"]) - 10.0, width=100)
    run = rb.simulate(model, 6000, dt=row["frame_ms"], leak=leak, spikes=rb.spikes(frames, weight=25))
    assert run.spikes[0].tolist() == row["fire_times_ms"]
    # the same, one frame at a time
    cell = rb.live(model, dt=row["frame_ms"], v=25)  # the first frame of the first click
    cell_frames, fired = set(frames.tolist()), []
    for k in range(600):
        due = (k + 1) * 10 in cell_frames
        if cell.step(leak=0.0 if due else 1.0, spikes=25.0 if due else 0.0):
            fired.append((k + 1) * 10)
    assert fired == row["fire_times_ms"]


# 001: sinabs --------------------------------------------------------------------------------------


def _loop(**more: Any) -> rb.Neuron:
    return rb.Neuron(
        "tau dv/dt = -v + R*(I_syn + I_bias)",
        threshold="v >= 10",
        reset="v <- 0",
        R=1.0,
        v=0.0,
        **{"tau": 20.0} | more,
    )


def test_loop_prints_47_and_94() -> None:
    row = SEEDS["S001.loop"]
    run = rb.simulate(_loop(), row["t_sim"], dt=row["dt"], method="euler", I_syn=row["i_syn"], I_bias=0)
    assert run.spikes[0].tolist() == row["spikes"]
    assert len(run.v) == row["vmem_len"]
    np.testing.assert_allclose(run.v, row["vmem"], rtol=row["rel_tol"])
    assert run.v.max() == pytest.approx(row["max_vmem"], rel=1e-12)
    assert run.v[46] < 10
    np.testing.assert_allclose(run.v[:47], 11 * (1 - 0.95 ** np.arange(47)), rtol=1e-12)
    # s(t) is 1 exactly there; synapse and bias are one current
    np.testing.assert_array_equal(np.flatnonzero(np.isin(np.arange(101), run.spikes[0])), [47, 94])
    other = rb.simulate(_loop(), row["t_sim"], dt=row["dt"], method="euler", I_syn=6, I_bias=5)
    assert other.v.tobytes() == run.v.tobytes()


def test_loop_for_other_currents() -> None:
    rows = [r for r in SEEDS["S001.loop.sweep"]["rows"] if r["i_syn"] != 10]  # 10: whether v reaches 10 is rounding
    run = rb.simulate(_loop(), 999, dt=1, method="euler", I_syn=[r["i_syn"] for r in rows], I_bias=0)
    assert run.spikes.count.tolist() == [r["n"] for r in rows]
    assert [s[:3].tolist() for s in run.spikes] == [r["first"] for r in rows]


@pytest.mark.parametrize("row", SEEDS["S001.exact"]["euler_dt"], ids=lambda r: f"dt {r['dt']}")
def test_euler_converges_from_below(row: dict[str, Any]) -> None:
    run = rb.simulate(_loop(), 100, dt=row["dt"], method="euler", I_syn=11, I_bias=0, record=False)
    np.testing.assert_allclose(run.spikes[0], row["spikes"], rtol=0, atol=1e-9)


def test_exact_steps_of_1_ms() -> None:
    run = rb.simulate(_loop(), 100, dt=1, method="exact", I_syn=11, I_bias=0)
    assert run.spikes[0].tolist() == SEEDS["S001.exact"]["grid_dt1_threshold_at_end_of_step"]


def _iaf(reset: str) -> rb.Neuron:
    """sinabs' spiking layer: v + input - threshold for each spike, not below -1; c counts several spikes a
    step."""
    return rb.Neuron("dv/dt = b\ndc/dt = 0*c\nv >= -1", threshold="v >= 1", reset=reset, v=0.0, c=0.0)


@pytest.mark.parametrize("key", ["S001.iaf025.float32", "S001.iaf025.float64"])
def test_a_bias_of_0_025_gives_two_spikes(key: str) -> None:
    row = SEEDS[key]
    run = rb.simulate(_iaf("v <- v - 1"), row["steps"], dt=1, b=row["bias"])
    assert len(run.spikes[0]) == row["total"] == 2
    first, second = run.spikes[0] - 1  # a step is called by the number of its start there
    assert first in (39, 40)
    assert second in (79, 80)
    assert run.v[-1] == pytest.approx(0.5, abs=1e-12)
    between = [k for k in range(1, 100) if k not in (40, 41, 80, 81)]  # the page subtracts in the step after
    np.testing.assert_allclose(run.v[between], np.array(row["state"])[between], rtol=0, atol=3e-6)


def test_count_against_bias_is_a_rectified_line() -> None:
    row = SEEDS["S001.activation"]
    b = np.array(row["biases"])
    run = rb.simulate(_iaf("c <- c + floor(v); v <- v - floor(v)"), row["steps"], dt=1, b=b)
    count = run.final["c"]
    assert np.abs(count - row["ideal"]).max() <= 1
    assert np.abs(count - row["float64"]).max() <= 1
    assert np.corrcoef(count, np.maximum(b, 0))[0, 1] > 0.9999
    np.testing.assert_array_equal(run.final["v"][b < -0.1], -1)  # the lower bound
    single = rb.simulate(_iaf("v <- v - 1"), row["steps"], dt=1, b=b).spikes.count
    assert np.abs(single - row["single_spike_per_step"]).max() <= 1


def test_one_call_is_many_steps() -> None:
    """Item 14: the whole input at once, or one step at a time with the state carried on."""
    current = np.sin(np.arange(80) / 3) * 8 + 8
    run = rb.simulate(_loop(), 80, dt=1, method="euler", I_syn=rb.sampled(current, dt=1), I_bias=0)
    cell = rb.live(_loop(), dt=1, method="euler", I_bias=0)
    steps = []
    for k in range(80):
        fired = cell.step(I_syn=current[k])
        steps.append(cell.v)
        assert fired == (k + 1.0 in run.spikes[0])
    np.testing.assert_array_equal(run.v[1:], steps)


# 002: current, threshold and reset in units -------------------------------------------------------


def test_rate_against_current() -> None:
    rows = SEEDS["S002.fI"]["rows"]
    dt = 0.01
    run = rb.simulate(textbook(), 500, dt=dt, I=[r["I_pA"] * 1e-3 for r in rows], record=False)
    for train, row in zip(run.spikes, rows, strict=True):
        if row["isi_ms"] is None:
            assert len(train) == 0
            continue
        assert 0 <= train[0] - float(row["first_spike_ms"]) <= dt + 1e-9
        assert np.all(np.abs(np.diff(train) - float(row["isi_ms"])) <= dt + 1e-9)
        assert 1000 / np.diff(train).mean() == pytest.approx(float(row["rate_Hz"]), rel=2 * dt / float(row["isi_ms"]))


def test_units_are_understood() -> None:
    a = rb.simulate(textbook(), 100, dt=0.1, I="250 pA")
    b = rb.simulate(textbook(), "0.1 s", dt="100 us", I="0.25 nA")
    assert a.spikes[0].tobytes() == b.spikes[0].tobytes()
    assert a.V.tobytes() == b.V.tobytes()


def test_without_leak_any_current_fires() -> None:
    rows = SEEDS["S002.noleak"]["rows"]
    model = textbook(g_L="0 nS")
    for row in rows:
        found = rb.simulate(model, 3 * row["isi_ms"], dt=0.1, I=row["I_pA"] * 1e-3, record=False).spikes[0]
        assert np.all(np.abs(np.diff(found) - row["isi_ms"]) < 0.1 + 1e-9)
        assert len(found) >= 2
    assert not len(rb.simulate(model, 1000, dt=0.1, I=[0.0, -0.1], record=False).spikes.times)


def test_responses_add_below_threshold() -> None:
    one, two = rb.step("50 pA", on=10, off=60), rb.sine("40 pA", 30)
    model = textbook(V_L="0 mV", V_th="20 mV", V_reset="5 mV", V="0 mV")
    both = rb.simulate(model, 100, dt=0.1, I=one + two).V
    alone = [rb.simulate(model, 100, dt=0.1, I=I).V for I in (one, two)]
    assert both.max() < 20
    np.testing.assert_allclose(both, alone[0] + alone[1], rtol=0, atol=1e-12)


# 003: a separate step for firing ------------------------------------------------------------------


def _tensorflow(dt: float, **more: Any) -> rb.Neuron:
    """A potential above threshold is seen for a step, fires in the next, and rests for tau_rest after that:
    a dead time
    of tau_rest + dt from the crossing. The page's firing step is our spike + dt."""
    return rb.Neuron(
        "tau du/dt = r*I - u",
        threshold="u > 1",
        reset="u <- 0",
        refractory={"u": 4.0 + dt},
        **{"tau": 10.0, "r": 1.0, "u": 0.0} | more,
    )


@pytest.mark.parametrize("dt", [1, 0.5, 0.1])
def test_square_current(dt: float) -> None:
    """The page's step at t uses the current of t, so a pulse 10 < t < 30 is ours from 10 to 30 - dt."""
    row = SEEDS[f"S003.square.dt{dt:g}"]
    current = sum(
        (rb.step(a, on=on, off=off - dt) for a, on, off in ((1.2, 50, 100), (1.5, 120, 180))),
        rb.step(0.5, on=10, off=30 - dt),
    )
    run = rb.simulate(_tensorflow(dt), 200, dt=dt, method="euler", I=current)
    np.testing.assert_allclose(run.spikes[0], row["crossing_times_ms"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(run.spikes[0] + dt, row["fire_times_ms"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.diff(run.spikes[0]), row["isi"], rtol=0, atol=1e-9)
    assert run.u[: round(35 / dt)].max() == pytest.approx(row["max_u_first_pulse"], rel=1e-5)
    if row["U"]:
        expected = np.array(row["U"])
        keep = ~np.isin(np.arange(200), row["crossing_times_ms"])  # the page shows the potential above threshold there
        np.testing.assert_allclose(run.u[:200][keep], expected[keep], rtol=1e-5, atol=1e-9)
        assert np.all(expected[row["crossing_times_ms"]] > 1)


def test_random_current_drawn_once() -> None:
    row = SEEDS["S003.random.fixed"]
    run = rb.simulate(_tensorflow(1), 199, dt=1, method="euler", I=rb.sampled(row["I"][1:], dt=1))
    assert (run.spikes[0] + 1).tolist() == row["fire_steps"]
    keep = ~np.isin(np.arange(200), run.spikes[0])
    np.testing.assert_allclose(run.u[keep], np.array(row["U"])[keep], rtol=0, atol=row["abs_tol"])


def test_random_current_on_average() -> None:
    row = SEEDS["S003.random.stats"]
    n = 2000
    run = rb.simulate(
        _tensorflow(1),
        199,
        dt=1,
        method="euler",
        n=n,
        seed=1,
        I=rb.noise(1.5, 1, every=1, on=10, off=179),
        record=False,
    )
    assert run.spikes.count.mean() == pytest.approx(
        row["mean_spikes"], abs=5 * row["sd_spikes"] * math.sqrt(1 / n + 1 / row["n_seeds"])
    )
    assert run.spikes.count.std() == pytest.approx(row["sd_spikes"], rel=0.1)
    assert np.quantile(run.spikes.count, [0.01, 0.99]).tolist() == row["q01_q99"]
    gaps = np.concatenate([np.diff(s) for s in run.spikes])
    assert gaps.mean() == pytest.approx(row["isi_mean"], abs=5 * row["isi_sd"] * math.sqrt(1 / len(gaps) + 1 / 37_000))
    assert gaps.std() / gaps.mean() == pytest.approx(row["isi_cv"], rel=0.05)
    assert gaps.std() / gaps.mean() < 0.35
    assert gaps.min() > 5  # tau_rest + dt
    assert np.abs(np.quantile(gaps, [0.05, 0.5, 0.95]) - row["isi_quantiles_5_50_95"]).max() <= 1


def _synaptic() -> rb.Neuron:
    """The page's order: the current decays and takes what arrives in a step, then the neuron steps with it.
    So what arrives
    at t is given to us at t - dt, and the current's decay of a step is that of the exponential."""
    return rb.Neuron(
        "tau du/dt = I_syn - u\ndI_syn/dt = -k*I_syn",
        receive="I_syn <- I_syn + w_i*q/tau_s",
        threshold="u > 1",
        reset="u <- 0",
        refractory={"u": 5.0},
        tau=10.0,
        k=-math.expm1(-0.1),
        q=1.5,
        tau_s=10.0,
        u=0.0,
        I_syn=0.0,
    )


def test_synaptic_current_drawn_once() -> None:
    row = SEEDS["S003.synaptic.fixed"]
    times, synapse = np.array(row["spikes"]).T
    weights = np.array(row["W"])[synapse]
    run = rb.simulate(_synaptic(), 199, dt=1, method="euler", spikes=rb.spikes(times - 1.0, weight=weights))
    assert (run.spikes[0] + 1).tolist() == row["fire_steps"]
    np.testing.assert_allclose(run.I_syn[:199], row["I"][1:], rtol=0, atol=row["abs_tol"])
    keep = ~np.isin(np.arange(200), run.spikes[0])
    np.testing.assert_allclose(run.u[keep], np.array(row["U"])[keep], rtol=0, atol=row["abs_tol"])
    # the sum over remembered spikes is the same current, since all is linear
    age = np.arange(200)[:, None] - times
    remembered = np.where(age >= 0, weights * 0.15 * np.exp(-np.maximum(age, 0) / 10), 0).sum(axis=1)
    np.testing.assert_allclose(run.I_syn[:199], remembered[1:], rtol=0, atol=1e-12)
    # spikes come from coincidences: more inputs than on average in the 10 ms before one
    before = [np.sum((times > s - 10) & (times <= s)) for s in row["fire_steps"]]
    assert np.mean(before) > 10 * len(times) / 169


def test_charge_of_one_spike() -> None:
    model = rb.Neuron("dQ/dt = I\ntau_s dI/dt = -I", receive="I <- I + w_i*q/tau_s", tau_s=10.0, q=1.5, Q=0.0, I=0.0)
    run = rb.simulate(model, 400, dt=1, spikes=rb.spikes([0.0], weight=0.7))
    assert run.Q[-1] == pytest.approx(1.5 * 0.7, rel=1e-12)
    assert run.I[:-1].sum() / 1.5 / 0.7 == pytest.approx(1.0508331944775, rel=1e-12)


def test_synaptic_current_on_average() -> None:
    row = SEEDS["S003.synaptic.stats"]
    n, rng = 1500, np.random.default_rng(3)
    arrived = rng.random((n, 169, 25)) < 0.02
    weights = rng.normal(1.0, 0.5, (n, 1, 25)) * arrived
    neuron, step, synapse = np.nonzero(arrived)
    order = np.lexsort((neuron, step))
    neuron, step, synapse = neuron[order], step[order], synapse[order]
    table = rb.Spikes(step + 10.0, neuron, n)
    run = rb.simulate(
        _synaptic(),
        199,
        dt=1,
        method="euler",
        spikes=rb.spikes(table, weight=weights[neuron, step, synapse]),
        record="I_syn",
    )
    assert run.spikes.count.mean() == pytest.approx(
        row["mean_spikes"], abs=5 * row["sd_spikes"] * math.sqrt(1 / n + 1 / 3000)
    )
    assert np.mean(run.spikes.count == 0) == pytest.approx(
        row["frac_silent"], abs=5 * 0.46 * math.sqrt(1 / n + 1 / 3000)
    )
    assert arrived.sum() / n == pytest.approx(row["input_spikes_mean_theory"], rel=0.02)
    assert run.I_syn[:, 60:178].mean() == pytest.approx(row["mean_current_theory"], rel=0.03)


# 004: neuro4ml ------------------------------------------------------------------------------------


def test_integrate_and_fire() -> None:
    short, long = SEEDS["S004.IF"], SEEDS["S004.IF.long"]
    run = rb.simulate(page_if(), 1000, dt=0.1, spikes=rb.spikes(EVERY_10, weight=long["w"]))
    np.testing.assert_allclose(run.spikes[0], long["spikes_ms"], rtol=0, atol=1e-9)
    assert len(run.spikes[0]) == long["n"]
    assert run.spikes[0][:1].tolist() == short["spikes_ms"]
    after = [run.v[100 * k] for k in (1, 2, 3, 5)]
    np.testing.assert_allclose(after, [0.3, 0.6, 0.9, 0.3], rtol=1e-12)


@pytest.mark.parametrize(("threshold", "key"), [("v > 1", "strict"), ("v >= 1", "inclusive")])
def test_a_value_that_hits_the_threshold(threshold: str, key: str) -> None:
    run = rb.simulate(page_if(threshold), 100, dt=0.1, spikes=rb.spikes(EVERY_10[:10], weight=0.25))
    assert run.spikes[0].tolist() == SEEDS["S004.IF.edge"][key]


def test_leaky_integrate_and_fire() -> None:
    row, long = SEEDS["S004.LIF"], SEEDS["S004.LIF.long"]
    for method, rtol in (("exact", 1e-9), ("euler", 5e-3)):
        run = rb.simulate(page_lif(), 1000, dt=0.1, method=method, spikes=rb.spikes(EVERY_10, weight=row["w"]))
        np.testing.assert_allclose(run.spikes[0], long["spikes_ms"], rtol=0, atol=1e-9)
        assert len(run.spikes[0]) == long["n"]
        expected = numbers(row["v_just_after_input_before_reset"])
        np.testing.assert_allclose([run.v[100 * k] for k in (1, 2, 4, 5)], expected[[0, 1, 3, 4]], rtol=rtol)
        # the third is above threshold; without a threshold it is seen
        free = rb.simulate(
            page_lif().replace(threshold=None),
            40,
            dt=0.1,
            method=method,
            spikes=rb.spikes(EVERY_10[:3], weight=row["w"]),
        )
        assert free.v[300] == pytest.approx(expected[2], rel=rtol)


def test_smallest_weight_that_ever_fires() -> None:
    w = float(SEEDS["S004.LIF.critical_w"]["w"])
    run = rb.simulate(
        page_lif(),
        1000,
        dt=1,
        spikes=rb.spikes([EVERY_10] * 2, weight=np.array([w * (1 - 1e-9), w * (1 + 1e-9)])),
    )
    assert (run.spikes.count > 0).tolist() == [False, True]


def test_exponential_synapses_on_the_grid() -> None:
    row = SEEDS["S004.LIFexp.long"]
    run = rb.simulate(page_lifexp(), row["T_ms"], dt=0.01, spikes=rb.spikes(EVERY_10, weight=0.6), record=False)
    expected = numbers(row["spikes_ms"])
    assert len(run.spikes[0]) == row["n"]
    assert np.abs(run.spikes[0] - expected).max() < 0.1
    coarse = rb.simulate(page_lifexp(), 50, dt=0.1, method="euler", spikes=rb.spikes(EVERY_10, weight=0.6))
    assert coarse.spikes[0] == pytest.approx(numbers(SEEDS["S004.LIFexp"]["spikes_ms"]), abs=0.1)


def test_one_postsynaptic_potential() -> None:
    row = SEEDS["S004.LIFexp.psp"]
    run = rb.simulate(page_lifexp(None), 30, dt=0.001, spikes=rb.spikes([0.0], weight=0.6))
    k = int(run.v.argmax())
    assert run.t[k] == pytest.approx(float(row["t_peak_ms"]), abs=0.001)
    assert run.v[k] == pytest.approx(float(row["v_peak"]), rel=1e-7)


@pytest.mark.parametrize("jump", ["0", "0.4"])
def test_adaptive_threshold(jump: str) -> None:
    row = SEEDS[f"S004.ALIF.dvt{jump}"]
    model = adaptive(row)
    run = rb.simulate(model, 150, dt=0.1, I=0, spikes=rb.spikes(np.arange(2.0, 151.0, 2.0), weight=row["w"]))
    np.testing.assert_allclose(run.spikes[0], row["spikes_ms"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.diff(run.spikes[0]), row["isi"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        run.theta[np.rint(run.spikes[0] * 10).astype(int)], numbers(row["vT_after_spike"]), rtol=1e-12
    )
    if jump == "0.4":
        assert np.all(np.diff(np.rint(np.diff(run.spikes[0]))) >= 0)
        long = SEEDS["S004.ALIF.long"]
        run = rb.simulate(
            model, long["T_ms"], dt=1, I=0, spikes=rb.spikes(np.arange(2.0, 5001.0, 2.0), weight=row["w"])
        )
        gaps = np.diff(run.spikes[0])
        assert len(run.spikes[0]) == long["n"]
        assert gaps[-10:].tolist() == long["last_isis"]
        late = np.diff(run.spikes[0][run.spikes[0] > long["T_ms"] / 2])
        assert late.mean() == pytest.approx(long["mean_isi_second_half"], abs=0.05)


@pytest.mark.parametrize("kind", ["LIF", "IF"])
@pytest.mark.parametrize("drive", ["constant", "fluctuating"])
def test_reliability(kind: str, drive: str) -> None:
    """25 trials with noise of their own: a fluctuating current makes the leaky neuron reliable, and nothing
    else does."""
    from rheobase.analysis.similarity import schreiber

    row = SEEDS["S004.reliability"]["values"][f"{kind}_{drive}"]
    evolve = {
        "LIF": "tau dx/dt = 0.65*I - x + sigma*sqrt(2*tau)*xi",
        "IF": "tau dx/dt = 0.15*I + sigma*sqrt(2*tau)*xi",
    }[kind]
    model = rb.Neuron(
        evolve,
        threshold="x > 1",
        reset="x <- 0",
        refractory={"threshold": 5.0},
        tau=10.0,
        sigma=0.03,
        x=rb.uniform(0, 0.2),
    )
    current = rb.step(1.5, on=10, off=950) if drive == "constant" else rb.ou(1.5, 1, 3, frozen=True, on=10, off=950)
    found, counts = [], []
    for seed in range(12):
        run = rb.simulate(model, 1000, dt=0.1, method="euler", n=25, seed=seed, I=current, record=False)
        found.append(schreiber([*run.spikes], sigma=3, start=500, until=1000))
        counts.append(run.spikes.count.mean())
    # from one frozen current to another the count scatters by 4.4, the mean of twelve by 1.3
    assert np.mean(counts) == pytest.approx(row["spikes_per_trial"], rel=0.1)
    assert row["min"] - 0.02 < np.mean(found) < row["max"] + 0.02
    assert all(x > 0.8 if (kind, drive) == ("LIF", "fluctuating") else x < 0.4 for x in found)


def test_stationary_noise() -> None:
    row = SEEDS["S004.stationary_noise"]
    model = rb.Neuron("tau dx/dt = mu - x + sigma*sqrt(2*tau)*xi", tau=10.0, mu=0.5, sigma=0.03)
    x = rb.simulate(model, 100, dt=1, n=20_000, seed=3, record=False).final["x"]
    assert x.var() == pytest.approx(row["var_sigma_003"], rel=5 * math.sqrt(2 / 20_000))
    assert x.mean() == pytest.approx(0.5, abs=5 * 0.03 / math.sqrt(20_000))


def _escape(**more: Any) -> rb.Neuron:
    row = SEEDS["S004.escape"]
    return rb.Neuron(
        "tau du/dt = 0*u",
        hazard="rho_0*exp((u - theta)/Delta)",
        tau=1.0,
        rho_0=row["rho0_per_ms"],
        theta=row["theta"],
        Delta=row["Delta"],
        **more,
    )


@pytest.mark.parametrize("row", SEEDS["S004.escape"]["rows"], ids=lambda r: f"u {r['u']}")
def test_escape_noise_in_a_step(row: dict[str, Any]) -> None:
    p = float(row["p_step_dt1"])
    steps, n = 400, 1000
    count = len(rb.simulate(_escape(), steps, dt=1, n=n, seed=5, u=row["u"], record=False).spikes.times)
    assert count / (n * steps) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / (n * steps)))


@pytest.mark.parametrize("dead", [0.0, 20.0])
def test_escape_noise_has_exponential_intervals(dead: float) -> None:
    rho = float(SEEDS["S004.escape"]["rows"][2]["rate_per_ms"])
    run = rb.simulate(_escape(refractory={"threshold": dead}), 20_000, dt=0.1, n=20, seed=2, u=1.0, record=False)
    gaps = np.concatenate([np.diff(s) for s in run.spikes])
    assert gaps.mean() == pytest.approx(1 / rho + dead + 0.05, rel=5 / math.sqrt(len(gaps)) / (1 + rho * dead))
    assert gaps.std() / gaps.mean() == pytest.approx(1 / (1 + rho * dead), rel=5 / math.sqrt(len(gaps)))
    assert gaps.min() > dead
