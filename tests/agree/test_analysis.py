"""Rheobase, curves, responses, fixed points, spike times agree with independent values of 30 digits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

DATA = Path(__file__).parents[1] / "data"
ORACLE = json.loads((DATA / "closed_form.json").read_text())
SEEDS = json.loads((DATA / "seeds_values.json").read_text())


def column(rows: list[dict], name: str) -> np.ndarray:
    return np.array([np.nan if row[name] is None else float(row[name]) for row in rows])


def part(section: str, rows: str = "rows") -> pytest.MarkDecorator:
    table = ORACLE[section][rows]
    return pytest.mark.parametrize("row", table, ids=[str(i) for i in range(len(table))])


# ---- the library page's LIF


def test_f_i_table_of_the_library_page():
    table = SEEDS["S002.fI"]
    rows = table["rows"]
    lif = rb.LIF(
        C="200 pF",
        g_L="10 nS",
        E_L="-70 mV",
        theta="-50 mV",
        v_r="-65 mV",
        refractory="2 ms",
        threshold="v >= theta",
    )
    assert rb.rheobase(lif) * 1e3 == pytest.approx(table["rheobase_pA"], rel=1e-12)
    curve = rb.fi_curve(lif, currents=column(rows, "I_pA") * 1e-3, until="400 ms", engine=rb.Exact())
    assert curve.analytic == pytest.approx(column(rows, "rate_Hz"), rel=1e-9)
    assert curve.first == pytest.approx(column(rows, "first_spike_ms"), rel=1e-9, nan_ok=True)
    assert curve.interval == pytest.approx(column(rows, "isi_ms"), rel=1e-9, nan_ok=True)
    assert np.all(curve.f[~(curve.I > 0.2)] == 0)


def test_without_leak_every_current_fires():
    rows = SEEDS["S002.noleak"]["rows"]
    lif = rb.LIF(C="200 pF", g_L="0 nS", E_L="-70 mV", theta="-50 mV", v_r="-65 mV", refractory="2 ms")
    assert rb.rheobase(lif) == 0
    curve = rb.fi_curve(lif, currents=np.append(column(rows, "I_pA"), -1.0) * 1e-3, until="10 s", engine=rb.Exact())
    assert curve.interval[:-1] == pytest.approx(column(rows, "isi_ms"), rel=1e-9)
    assert 1e3 / curve.analytic[:-1] == pytest.approx(column(rows, "isi_ms"), rel=1e-12)
    assert curve.analytic[-1] == curve.f[-1] == 0


# ---- A: constant current, all rows in one run


@pytest.fixture(scope="module")
def constant() -> tuple[list[dict], dict]:
    rows = ORACLE["A_lif_constant"]["rows"]
    values = {
        "tau": "tau_m",
        "R": "R",
        "E_L": "v_rest",
        "theta": "v_thresh",
        "v_r": "v_reset",
        "t_ref": "t_ref",
        "I": "I",
    }
    return rows, {ours: column(rows, theirs) for ours, theirs in values.items()}


def test_constant_current_exactly(constant):
    rows, values = constant
    run = rb.simulate(rb.LIF(v=values["E_L"]), until="1200 ms", engine=rb.Exact(), record=False, **values)
    first = np.array([t[0] for t in run.spikes])
    interval = np.array([t[1] - t[0] for t in run.spikes])
    # how near the threshold v comes to rest decides how many digits are left
    assert first == pytest.approx(column(rows, "first_spike"), rel=1e-8)
    assert interval == pytest.approx(column(rows, "isi"), rel=1e-8)
    clear = (values["R"] * values["I"]) / (values["theta"] - values["E_L"]) > 1.001
    assert first[clear] == pytest.approx(column(rows, "first_spike")[clear], rel=1e-10)
    assert interval[clear] == pytest.approx(column(rows, "isi")[clear], rel=1e-10)


@pytest.mark.parametrize("dt", [0.25, 0.1])
def test_constant_current_on_a_grid(constant, dt):
    rows, values = constant
    values = dict(values)
    run = rb.simulate(rb.LIF(v=values["E_L"]), until="1200 ms", engine=rb.Clock(dt, "exact"), record=False, **values)
    first = np.array([t[0] for t in run.spikes]) - column(rows, "first_spike")
    interval = np.array([t[1] - t[0] for t in run.spikes]) - column(rows, "isi")
    tiny = 1e-6 * column(rows, "isi")
    for error in (first, interval):  # a spike is stamped with the end of its step
        assert np.all(error > -tiny)
        assert np.all(error <= dt + tiny)


def test_constant_current_by_theory(constant):
    rows, values = constant
    for k in range(0, len(rows), 13):
        one = {name: float(x[k]) for name, x in values.items()}
        current = one.pop("I")
        model = rb.LIF(
            tau=one["tau"],
            R=one["R"],
            E_L=one["E_L"],
            theta=one["theta"],
            v_r=one["v_r"],
            refractory=one["t_ref"],
        )
        curve = rb.fi_curve(model, currents=[current], until="1 ms", engine=rb.Clock("0.5 ms"))
        assert curve.analytic[0] == pytest.approx(float(rows[k]["rate_Hz"]), rel=1e-8)
        assert rb.rheobase(model) == pytest.approx((one["theta"] - one["E_L"]) / one["R"], rel=1e-12)


# ---- A2: below threshold


def test_gain_and_phase():
    rows = ORACLE["A2_lif_subthreshold"]["gain_phase"]
    found = rb.gain(rb.LIF(tau=20, R=10, E_L=0, theta=1, v_r=0), column(rows, "omega_per_ms") * 1e3 / (2 * np.pi))
    gain, phase = found
    assert gain == pytest.approx(column(rows, "gain"), rel=1e-12)
    assert phase == pytest.approx(column(rows, "phase_rad"), rel=1e-12)


def test_gain_of_a_sine_that_is_run():
    rows = ORACLE["A2_lif_subthreshold"]["gain_phase"]
    hertz = column(rows, "omega_per_ms") * 1e3 / (2 * np.pi)
    model = rb.LIF(tau=20, R=10, E_L=0, theta=1, v_r=0).replace(threshold=None)
    run = rb.simulate(model, I=rb.sine(1.0, hertz), until="500 ms", dt="0.02 ms", record="v", record_every="1 ms")
    late = run.t > 300
    for k, row in enumerate(rows):
        omega = float(row["omega_per_ms"])
        expected = float(row["gain"]) * np.sin(
            omega * (run.t[late] - 0.01) + float(row["phase_rad"])
        )  # held: half a step late
        assert run.v[k, late] == pytest.approx(expected, abs=1e-5 * float(row["gain"]))


# ---- B: postsynaptic potentials


@part("B_psp")
def test_psp(row):
    tau, C, w = (float(row[n]) for n in ("tau_m", "C", "w"))
    base = {"tau": tau, "R": tau / C, "E_L": 0, "theta": 1, "v_r": 0}
    if row["kind"] == "beta":
        model = rb.LIFbiexp(tau_r=float(row["tau_rise"]), tau_d=float(row["tau_decay"]), **base)
    else:
        make = {"exp": rb.LIFexp, "alpha": rb.LIFalpha}[row["kind"]]
        model = make(tau_s=float(row["tau_syn"]), **base)
    found = rb.psp(model, w, until=100, points=201)
    assert found.peak_time == pytest.approx(float(row["t_peak"]), rel=1e-10)
    assert found.peak == pytest.approx(float(row["v_peak"]), rel=1e-10)
    assert found.area == pytest.approx(float(row["integral"]), rel=1e-10)
    at = np.searchsorted(found.t, np.array(row["t"]) - 1e-9)
    assert found.t[at] == pytest.approx(row["t"])
    assert found.v[at] == pytest.approx(np.array(row["v"], dtype=float), rel=1e-9)


# ---- E: nonlinear neurons


@part("E_qif", "biophysical")
def test_qif(row):
    v_r, v_c, a, R, tau, I, reset, peak = (
        float(row[n]) for n in ("v_r", "v_c", "a", "R", "tau", "I", "v_reset", "v_peak")
    )
    model = rb.QIF(tau=tau, a=a, E_L=v_r, v_c=v_c, R=R, v_r=reset, v_peak=peak)
    assert rb.rheobase(model) == pytest.approx(float(row["rheobase"]), rel=1e-12)
    assert rb.bifurcation(model).current == pytest.approx(float(row["rheobase"]), rel=1e-12)
    rate = rb.fi_curve(model, currents=[I], until="1 ms").analytic[0]
    assert rate == (0 if row["isi"] is None else pytest.approx(1e3 / float(row["isi"]), rel=1e-9))


def test_eif():
    rows = ORACLE["E_eif"]["rows"]
    for row in rows:
        C, g, E, T, D, reset, peak = (
            float(row[n]) for n in ("C_pF", "gL_nS", "EL", "VT", "DeltaT", "v_reset", "v_peak")
        )
        model = rb.EIF(C=C * 1e-3, g_L=g * 1e-3, E_L=E, v_T=T, Delta_T=D, v_r=reset, v_peak=peak)
        assert rb.rheobase(model) * 1e3 == pytest.approx(float(row["rheobase_pA"]), rel=1e-10)
        rate = rb.fi_curve(model, currents=[float(row["I_pA"]) * 1e-3], until="1 ms").analytic[0]
        assert rate == (0 if row["isi_ms"] is None else pytest.approx(1e3 / float(row["isi_ms"]), rel=1e-8))


@part("E_adex_rheobase")
def test_adex_loses_its_rest(row):
    C, g, E, T, D, a, tau_w = (float(row[n]) for n in ("C", "gL", "EL", "VT", "DeltaT", "a", "tau_w"))
    found = rb.bifurcation(rb.AdEx(C=C * 1e-3, g_L=g * 1e-3, E_L=E, v_T=T, Delta_T=D, a=a * 1e-3, tau_w=tau_w))
    assert found.kind == row["bifurcation"]
    assert found.current * 1e3 == pytest.approx(float(row["I_rheobase_constant_pA"]), rel=1e-10)
    assert found.saddle_node * 1e3 == pytest.approx(float(row["I_saddle_node_pA"]), rel=1e-10)
    assert (found.hopf is None) == (row["I_hopf_pA"] is None)
    if found.hopf is not None:
        assert found.hopf * 1e3 == pytest.approx(float(row["I_hopf_pA"]), rel=1e-10)


# ---- F: spike times in continuous time


def _neuron(row: dict) -> tuple[rb.Neuron, float]:
    """Return the neuron of a row, and its current's unit in ours."""
    if "EL" not in row:
        v = float(row["v0"])
        return rb.Izhikevich(**{k: float(row[k]) for k in "abcd"}, v=v, u=float(row["b"]) * v), 1.0
    names = {"C": "C", "g_L": "gL", "a": "a", "b": "b"}
    milli = {ours: float(row[theirs]) * 1e-3 for ours, theirs in names.items()}
    plain = {
        ours: float(row[theirs])
        for ours, theirs in {
            "E_L": "EL",
            "v_T": "VT",
            "Delta_T": "DeltaT",
            "tau_w": "tau_w",
            "v_r": "V_reset",
            "v_peak": "V_peak",
        }.items()
    }
    return rb.AdEx(**milli, **plain, v=float(row["v0"]), w=float(row["w0"])), 1e-3


def _current(row: dict, unit: float) -> object:
    times, values = zip(*row["I_steps"], strict=True)
    return rb.sampled(np.array(values, dtype=float) * unit, times=np.array(times, dtype=float))


CONTINUOUS = [*ORACLE["F_izhikevich_exact"]["rows"], *ORACLE["F_adex_exact"]["rows"]]


@pytest.mark.parametrize("row", CONTINUOUS, ids=lambda row: row["name"])
def test_spikes_converge_to_continuous_time(row):
    model, unit = _neuron(row)
    spikes = np.array(row["spikes"], dtype=float)
    until = float(row["T"])
    last = "w_end" if "w_end" in row else "u_end"
    error = {}
    for dt in (0.02, 0.005):
        run = rb.simulate(model, I=_current(row, unit), until=until, dt=dt, method="rk4", record=False)
        assert len(run.spikes[0]) == len(spikes)
        # every reset waits for the end of its step, and the delays add up
        error[dt] = np.abs(run.spikes[0] - spikes)
        assert np.all(error[dt] <= 2 * dt * (1 + np.arange(len(spikes))))
        if not len(spikes):
            assert run.final["v"][0] == pytest.approx(float(row["v_end"]), abs=1e-8)
            assert run.final[last[0]][0] / unit == pytest.approx(float(row[last]), rel=1e-8)
    if len(spikes) > 3:
        assert error[0.005].max() < 0.6 * error[0.02].max()


@pytest.mark.parametrize("row", CONTINUOUS, ids=lambda row: row["name"])
def test_spikes_of_the_adaptive_engine(row):
    model, unit = _neuron(row)
    run = rb.simulate(model, I=_current(row, unit), until=float(row["T"]), engine=rb.Precise(1e-12), record=False)
    assert run.spikes[0] == pytest.approx(np.array(row["spikes"], dtype=float), abs=1e-6)


def test_check_dt_names_the_order_of_an_adex_run():
    row = ORACLE["F_adex_exact"]["rows"][1]
    model, unit = _neuron(row)
    found = rb.check_dt(model, until="150 ms", I=_current(row, unit), dts=[0.2, 0.1, 0.05, 0.025])
    assert found.truth.startswith("Precise")
    assert found.order["w"] == pytest.approx(4, abs=0.7)
    assert found.order["spikes"] == pytest.approx(1, abs=0.5)
    assert np.all(found.count_error == 0)


# ---- G: fixed points


@part("G_izhikevich_fixed_points")
def test_fixed_points(row):
    model = rb.Izhikevich(a=float(row["a"]), b=float(row["b"]))
    found = rb.phase_plane(model, I=float(row["I"])).fixed_points
    expected = sorted(row["fixed_points"], key=lambda p: float(p["v"]))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["v"] == pytest.approx(float(theirs["v"]), rel=1e-10)
        assert ours["u"] == pytest.approx(float(theirs["u"]), rel=1e-10)
        values = np.array([complex(*map(float, z)) for z in theirs["eigenvalues"]])
        assert np.sort_complex(ours.eigenvalues) == pytest.approx(np.sort_complex(values), rel=1e-10)
        assert ours.stable is theirs["stable"]
    lost = rb.bifurcation(model)
    assert lost.saddle_node == pytest.approx(float(row["I_saddle_node"]), rel=1e-10)
    assert (lost.hopf is not None) is row["hopf"]
    if row["hopf"]:
        assert lost.hopf == pytest.approx(float(row["I_hopf"]), rel=1e-10)
