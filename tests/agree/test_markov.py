"""Markov neurons against values made elsewhere: formulas to 1e-12, simulation to 4 standard errors."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rheobase.engines.markov import simulate_markov
from rheobase.model.artificial import ArtificialNeuron
from rheobase.model.markov import MarkovNeuron

DATA = Path(__file__).parent.parent / "data"
SEEDS = json.loads((DATA / "seeds_values.json").read_text())
CLOSED = json.loads((DATA / "closed_form.json").read_text())
EXACT = {"rel": 1e-12, "abs": 0}


def numbers(values):
    return np.array([float(v) for v in values])


def three_states():
    given = SEEDS["S004.markov3"]["rates_per_ms"]
    rates = {
        "rest -> spike": given["rest_to_spike"],
        "spike -> ref": given["spike_to_ref"],
        "ref -> rest": given["ref_to_rest"],
    }
    return MarkovNeuron(("rest", "spike", "ref"), rates, spike="spike", start="rest")


def potassium():
    given = SEEDS["S004.markov_K"]
    names = ("C0", "C1", "C2", "C3", "O")
    forward = {f"{names[k]} -> {names[k + 1]}": f"{4 - k}*alpha" for k in range(4)}
    back = {f"{names[k + 1]} -> {names[k]}": f"{k + 1}*beta" for k in range(4)}
    return MarkovNeuron(names, forward | back, spike="O", start="C0", alpha=given["alpha"], beta=given["beta"])


def test_three_states_stationary_and_rate():
    m, want = three_states(), SEEDS["S004.markov3"]
    assert m.stationary() == pytest.approx(numbers(want["stationary"]), **EXACT)
    assert m.rate() == pytest.approx(1000 * float(want["spike_rate_per_ms"]), **EXACT)


def test_three_states_intervals():
    m, want = three_states(), SEEDS["S004.markov3"]
    assert m.isi().mean == pytest.approx(float(want["isi_mean_ms"]), **EXACT)
    assert m.isi().variance == pytest.approx(float(want["isi_var"]), **EXACT)
    assert m.isi().cv == pytest.approx(float(want["isi_cv"]), **EXACT)


def test_three_states_master_equation():
    m, want = three_states(), SEEDS["S004.markov3"]
    assert m.master(5.0) == pytest.approx(numbers(want["P_5ms_from_rest"]), **EXACT)


def test_three_states_simulated():
    m, want = three_states(), SEEDS["S004.markov3"]
    n, until = 1000, 4000.0
    run = simulate_markov(m, until, n=n, seed=4, every="5 ms")
    # only intervals that begin 500 ms before the end: none of them is cut off, so their mean is not biased
    gaps = np.concatenate([np.diff(s)[s[:-1] < until - 500] for s in run.spikes])
    mean, sd = float(want["isi_mean_ms"]), float(want["isi_var"]) ** 0.5
    assert abs(gaps.mean() - mean) < 4 * sd / np.sqrt(len(gaps))
    assert gaps.std() / gaps.mean() == pytest.approx(float(want["isi_cv"]), abs=0.01)
    p5 = numbers(want["P_5ms_from_rest"])
    assert np.all(np.abs(run.occupancy[:, 1] - p5) < 4 * np.sqrt(p5 * (1 - p5) / n))


def test_three_states_in_the_long_run():
    m, p = three_states(), numbers(SEEDS["S004.markov3"]["stationary"])
    m = m.replace(start=dict(zip(m.states, m.stationary(), strict=True)))
    share = simulate_markov(m, 1000.0, n=1000, seed=4).time_in() / 1000.0  # one independent mean a neuron
    assert np.all(np.abs(share.mean(axis=0) - p) < 4 * share.std(axis=0) / np.sqrt(1000))


def test_potassium_channel_exactly():
    m, want = potassium(), SEEDS["S004.markov_K"]
    p = m.stationary()
    assert p == pytest.approx(numbers(want["stationary"]), **EXACT)
    assert p[-1] == pytest.approx(float(want["p_open"]), **EXACT)
    assert -1 / m.generator()[-1, -1] == pytest.approx(float(want["mean_open_time_ms"]), **EXACT)
    assert 1000 * p[-1] * (1 - p[-1]) == pytest.approx(float(want["variance_of_open_count_N1000"]), **EXACT)


def test_potassium_channel_simulated():
    m, want = potassium(), SEEDS["S004.markov_K"]
    m = m.replace(start=dict(zip(m.states, m.stationary(), strict=True)))
    run = simulate_markov(m, 2400.0, n=1000, seed=5, every=12.0)
    count = 1000 * run.occupancy[-1]
    variance, k = float(want["variance_of_open_count_N1000"]), len(count)  # 12 ms apart: correlation 0.005
    assert abs(count.mean() - 1000 * float(want["p_open"])) < 4 * np.sqrt(variance / k)
    assert abs(count.var(ddof=1) - variance) < 4 * variance * np.sqrt(2 / (k - 1))
    stay = []
    for i in range(50):
        when, state = run.path(i)
        stay.append(np.diff(when)[state[:-1] == 4])
    stay = np.concatenate(stay)
    assert abs(stay.mean() - float(want["mean_open_time_ms"])) < 4 * stay.mean() / np.sqrt(len(stay))


@pytest.mark.parametrize("row", CLOSED["H_other"]["poisson_dead_time"]["rows"])
def test_poisson_with_dead_time(row):
    lam, d, stages = float(row["lam"]), float(row["d"]), 40
    if d == 0:
        m = MarkovNeuron(["free"], {"free -> free": lam}, spike="free -> free", start="free")
        extra = 0.0
    else:  # a dead time in 40 stages has the variance d^2/40, all else is as with a fixed one
        names = ["free", *(f"dead {k}" for k in range(stages))]
        rates = {f"{a} -> {b}": stages / d for a, b in pairwise(names[1:])}
        rates |= {"free -> dead 0": lam, f"{names[-1]} -> free": stages / d}
        m = MarkovNeuron(names, rates, spike="free -> dead 0", start="free")
        extra = (d**2 / stages) * float(row["rate"]) ** 2
    assert m.rate() == pytest.approx(1000 * float(row["rate"]), **EXACT)
    assert m.isi().cv == pytest.approx(np.sqrt(float(row["cv"]) ** 2 + extra), **EXACT)
    run = simulate_markov(m, 2000.0, n=200, seed=6)
    expected = float(row["rate"]) * 2000 * 200
    assert abs(sum(map(len, run.spikes)) - expected) < 4 * float(row["cv"]) * np.sqrt(expected) + 200


def test_constant_escape_rate():
    row = CLOSED["H_escape"]["rows"][0]
    values = {"rho_0": float(row["rho0"]), "theta": float(row["theta"]), "Delta": float(row["Delta"])}
    m = MarkovNeuron(
        ("silent", "fired"),
        {"silent -> fired": "rho_0*exp((u - theta)/Delta)"},
        start="silent",
        spike="fired",
        **values,
    )
    u = float(row["u"])
    assert m.generator(u=u)[0, 1] == pytest.approx(float(row["hazard"]), **EXACT)
    assert m.master(0.1, u=u)[1] == pytest.approx(float(row["p_dt_0p1"]), rel=1e-12)
    assert m.master(float(row["median_isi"]), u=u)[1] == pytest.approx(0.5, rel=1e-12)
    again = MarkovNeuron(["on"], {"on -> on": "rho_0*exp((u - theta)/Delta)"}, start="on", spike="on -> on", **values)
    assert again.isi(u=u).mean == pytest.approx(float(row["mean_isi"]), **EXACT)
    assert again.isi(u=u).cv == pytest.approx(1.0, **EXACT)


def test_escape_from_a_charging_membrane_by_thinning():
    row = {k: float(v) for k, v in CLOSED["H_escape"]["rows"][1].items() if k != "model"}
    m = MarkovNeuron(
        ("silent", "fired"),
        {"silent -> fired": "rho_0*exp((u - theta)/Delta)"},
        start="silent",
        spike="fired",
        rho_0=row["rho0"],
        theta=row["theta"],
        Delta=row["Delta"],
    )
    ceiling = row["rho0"] * np.exp((row["u_inf"] - row["theta"]) / row["Delta"])
    run = simulate_markov(
        m,
        500.0,
        n=20_000,
        seed=7,
        bound={"silent": ceiling},
        inputs={"u": lambda t: -row["u_inf"] * np.expm1(-t / row["tau"])},
    )
    first = np.array([s[0] for s in run.spikes])
    assert abs(first.mean() - row["mean_isi"]) < 4 * first.std() / np.sqrt(len(first))
    assert first.std() / first.mean() == pytest.approx(row["cv"], rel=0.02)


def test_artificial_neuron():
    want = SEEDS["S001.AN"]
    x = np.array(want["x"])
    layer = ArtificialNeuron(want["W"], want["b"], "linear")
    assert layer(x) == pytest.approx(want["z"], rel=want["rel_tol"])
    for f in ("relu", "sigmoid", "tanh"):
        layer = ArtificialNeuron(want["W"], want["b"], f)
        assert layer(x) == pytest.approx(want[f], rel=want["rel_tol"])
        assert np.array_equal(layer(x), layer(x))  # no state
