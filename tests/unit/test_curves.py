"""Rheobase, f-I curve, strength-duration, transfer: closed forms by a second road, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.analysis.linear import Drive
from rheobase.analysis.rheobase import find_onset

# ---- rheobase


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (rb.LIF(), 0.2),
        (rb.LIF(form="conductance"), 0.2),
        (rb.LIF(form="dimensionless"), 1.0),
        (rb.LIF(theta="-40 mV", R="50 MOhm"), 0.6),
        (rb.LIF(I=None), 0.2),
        (rb.LIF(I="5 nA"), 0.2),  # a default current does not count
        (rb.LIF(theta="-75 mV", v_r="-80 mV"), -0.05),  # fires by itself
        (rb.LIF(g_L=0), 0.0),
        (rb.IF(), 0.0),
        (rb.LIFexp(), 0.2),
        (rb.LIFalpha(), 0.2),
        (rb.ALIF(R=4, theta_0=1), 0.25),
        (rb.LIFsfa(), 0.2),
        (rb.MAT(), (-51 + 70) / 50),
        (rb.COBA(), 0.1),  # synapses at rest leave a LIF
        (rb.QIF(form="canonical"), 0.0),
        (rb.QIF(), 0.04 * 15**2 / (4 * 100)),
        (rb.EIF(), 0.03 * (-50.4 + 70.6 - 2)),
    ],
    ids=lambda x: x.name if hasattr(x, "name") else "",
)
def test_rheobase_in_closed_form(model, expected):
    assert rb.rheobase(model) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_leak_folds_into_the_rheobase_of_a_perfect_integrator():
    assert rb.rheobase(rb.IAF(v_leak=0.1, R=2), input="I_bias") == pytest.approx(0.05, rel=1e-12)
    assert rb.rheobase(rb.IAF(v_leak=0.1, R=2), input="I_bias", I_syn=0.02) == pytest.approx(0.03, rel=1e-12)


def test_rheobase_with_an_overshoot_lies_below_the_fixed_points():
    # theta follows v: the steady state reaches the threshold only at 2 nA, the overshoot at less
    model = rb.MihalasNiebur(a="0.005/ms", I_1=0, I_2=0)
    found = rb.rheobase(model)
    assert 1.0 < found < 2.0
    for factor, fires in [(1 - 1e-6, False), (1 + 1e-6, True)]:
        run = rb.simulate(model, I=found * factor, until="2 s", engine=rb.Exact())
        assert (len(run.spikes[0]) > 0) is fires


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (rb.LIF(R=0), "R = 0"),
        (rb.LIF().replace(threshold=None), "threshold row"),
        (rb.EscapeLIF(), "hazard"),
        (rb.NoisyLIF(), "white noise"),
        (rb.LIF(evolve="tau dv/dt = E_L - v - R*I"), "away from the threshold"),
        (rb.LIF(v="-40 mV"), "at the start"),
    ],
)
def test_no_rheobase_says_why(model, message):
    with pytest.raises(rb.DidNotConverge, match=message):
        rb.rheobase(model)


def test_which_current_must_be_clear():
    with pytest.raises(rb.InputError, match=r"I_syn, I_bias.*give input="):
        rb.rheobase(rb.IAF())
    with pytest.raises(rb.InputError, match=r"no input or parameter of LIF\. Did you mean 'I'"):
        rb.rheobase(rb.LIF(), input="i")
    with pytest.raises(rb.InputError, match="R of LIF is an array"):
        rb.rheobase(rb.LIF(R=[1.0, 2.0]))


@pytest.mark.parametrize("edge", [3e-6, 0.2, 0.7310585786, 421.0, -0.03, -55.0])
def test_search_finds_an_edge_of_any_size_and_sign(edge):
    found = find_onset(lambda x: x >= edge, 1e-10, "I", "")
    assert found == pytest.approx(edge, rel=1e-9)
    assert found >= edge


def test_search_that_finds_nothing_says_where_it_looked():
    with pytest.raises(rb.DidNotConverge, match="no spike within a moment at every I from 0 to"):
        find_onset(lambda x: np.zeros(len(x), bool), 1e-6, "I", "within a moment")
    with pytest.raises(rb.DidNotConverge, match="spikes here at every I from 0 to -"):
        find_onset(lambda x: np.ones(len(x), bool), 1e-6, "I", "here")


def test_rheobase_by_runs_approaches_the_saddle_node_from_above():
    model = rb.AdEx(a=0, b=0)  # w stays zero: an EIF, but two states in the rows
    edge = rb.rheobase(rb.EIF())
    quick, patient = (rb.rheobase(model, until=u, rtol=1e-7) for u in ("200 ms", "2 s"))
    assert patient > edge
    assert quick > patient
    # near the saddle-node C dv/dt = (I - I_r) + g_L x^2/(2 Delta_T),
    # which takes T = pi C sqrt(2 Delta_T/(g_L (I - I_r)))
    assert patient - edge == pytest.approx(2 * 2.0 * (np.pi * 0.281 / 2000) ** 2 / 0.03, rel=0.05)


def test_drive_through_eigenvectors_equals_the_matrix_exponential():
    rng = np.random.default_rng(1)
    a = -np.diag([0.1, 0.5, 2.0]) + 0.05 * rng.normal(size=(3, 3))
    drive = Drive(a, rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), 0.3)
    t = np.linspace(0.01, 30, 200)
    many = drive.parts(t, width=7.0)
    for k in (0, 40, 120, 199):
        one = drive.parts(t[k : k + 1], width=7.0)
        assert [m[k] for m in many] == pytest.approx([o[0] for o in one], rel=1e-8)


# ---- f-I curve


def test_default_currents_span_three_times_the_rheobase():
    curve = rb.fi_curve(rb.LIF(), until="200 ms")
    I, f = curve
    assert I[0] == 0
    assert I[-1] == pytest.approx(0.6)
    assert np.all(f[I <= 0.2] == 0)
    assert np.all(np.diff(f) >= 0)
    assert f[-1] > 90


@pytest.mark.parametrize(
    ("model", "currents"),
    [
        (rb.LIF(v_r="-60 mV", refractory="3 ms"), [0.15, 0.22, 0.5]),
        (rb.LIF(form="dimensionless", refractory="1 ms"), [0.5, 1.2, 3.0]),
        (rb.IF(reset="v <- v - theta"), [0.0, 0.01, 0.05]),
        (rb.IAF(v_leak=0.01, I_syn=0.005), [0.0, 0.02, 0.1]),
        (rb.LIFexp(refractory="5 ms"), [0.1, 0.25, 0.4]),
        (rb.QIF(refractory="2 ms"), [0.01, 0.05, 0.2]),
        (rb.EIF(refractory="1 ms"), [0.4, 0.7, 1.5]),
    ],
    ids=lambda x: x.name if hasattr(x, "name") else "",
)
def test_closed_form_of_the_rate_is_what_a_run_shows(model, currents):
    name = "I_bias" if "I_bias" in model.parameters else "I"
    engine = rb.Precise(1e-10) if model.name in ("QIF", "EIF") else rb.Exact()
    if model.name == "IAF":  # bounded below, so only a clock runs it
        engine = rb.Clock("0.001 ms")
    curve = rb.fi_curve(model, name, currents, until="600 ms", engine=engine)
    assert curve.analytic[0] == 0
    assert curve.f[0] == 0
    assert 1e3 / curve.analytic[1:] == pytest.approx(curve.interval[1:], rel=1e-4 if model.name == "IAF" else 1e-6)


def test_no_closed_form_where_none_is_known():
    assert rb.fi_curve(rb.AdEx(), currents=[0.5], until="50 ms").analytic is None
    assert rb.fi_curve(rb.LIFsfa(), currents=[0.5], until="50 ms").analytic is None
    assert rb.fi_curve(rb.LIF(refractory={"threshold": "2 ms"}), currents=[0.5], until="50 ms").analytic is None


def test_currents_may_carry_a_unit_and_must_carry_the_right_one():
    curve = rb.fi_curve(rb.LIF(), currents=["250 pA", "0.3 nA"], until="100 ms")
    assert pytest.approx([0.25, 0.3]) == curve.I
    with pytest.raises(rb.InputError, match="currents are in mV"):
        rb.fi_curve(rb.LIF(), currents=["1 mV"])
    with pytest.raises(rb.InputError, match="start = 2000 ms"):
        rb.fi_curve(rb.LIF(), start="2 s")


# ---- strength and duration


def test_strength_duration_of_a_lif_is_lapicques():
    found = rb.strength_duration(rb.LIF(), [0.5, 2, 8, 40])
    assert found.analytic == pytest.approx(0.2 / -np.expm1(-found.durations / 20), rel=1e-12)
    assert found.amplitudes == pytest.approx(found.analytic, rel=2e-6)
    assert found.chronaxie == pytest.approx(20 * np.log(2), rel=1e-9)
    assert found.weiss[0] == pytest.approx(0.2 * (1 + 20 * np.log(2) / 0.5))


def test_strength_duration_of_a_nonlinear_neuron():
    found = rb.strength_duration(rb.QIF(), [0.3, 1, 3, 10, 30, 100], rtol=1e-4)
    assert np.all(np.diff(found.amplitudes) < 0)
    assert found.amplitudes[-1] > found.rheobase
    # a short pulse is a charge: it must lift v to the unstable fixed point, 15 mV above rest
    assert found.amplitudes[0] * 0.3 == pytest.approx(10 / 100 * 15, rel=0.01)
    assert 3 < found.chronaxie < 100


def test_strength_duration_refuses():
    with pytest.raises(rb.InputError, match="not positive"):
        rb.strength_duration(rb.LIF(), [0, 1])
    with pytest.raises(rb.DidNotConverge, match="positive rheobase"):
        rb.strength_duration(rb.IF(), [1])


# ---- spikes in, spikes out


def test_a_counter_of_two_halves_the_rate():
    # every second spike fires; reset is soft, so nothing is lost
    rate_in, rate_out = rb.input_output(
        rb.IF(reset="v <- v - theta", threshold="v > 0.99*theta"),
        [0, 50, 200],
        weight=0.5,
        trials=40,
        until="2 s",
        engine=rb.Clock("0.1 ms"),
    )
    assert rate_out[0] == 0
    assert rate_out[1:] / rate_in[1:] == pytest.approx([0.5, 0.5], abs=0.02)


def test_input_output_refuses():
    with pytest.raises(rb.InputError, match="receive row"):
        rb.input_output(rb.Neuron(evolve="dv/dt = I", threshold="v > 1", reset="v <- 0", I=0), weight=1)
    with pytest.raises(rb.InputError, match="trials = 0"):
        rb.input_output(rb.LIF(), weight=1, trials=0)


# ---- one spike, one sine


def test_psp_of_a_jump_and_of_a_conductance():
    found = rb.psp(rb.LIF(), "2 mV")
    assert (found.peak, found.peak_time, found.rise) == (2.0, 0.0, 0.0)
    assert found.half_width == pytest.approx(20 * np.log(2), rel=1e-9)
    assert found.area == pytest.approx(40.0)
    # a conductance is not affine: compare with a fine run
    model = rb.COBA()
    port = model.ports[0]
    found = rb.psp(model, 0.002, port, until="30 ms", points=301)
    run = rb.simulate(
        model.replace(threshold=None),
        until="30 ms",
        engine=rb.Precise(1e-11),
        record_every="0.1 ms",
        **{port: rb.spikes([0.0], weight=0.002)},
    )
    assert found.v == pytest.approx(run.v - run.model.parameters["E_L"].value, abs=1e-7)


def test_psp_is_linear_where_the_rows_are():
    one, many = rb.psp(rb.LIFalpha(), 0.1), rb.psp(rb.LIFalpha(), -3.0)
    assert many.peak == pytest.approx(-30 * one.peak, rel=1e-12)
    assert many.peak_time == pytest.approx(one.peak_time, rel=1e-9)
    assert many.half_width == pytest.approx(one.half_width, rel=1e-9)


def test_psp_refuses():
    with pytest.raises(rb.InputError, match="no port of LIF"):
        rb.psp(rb.LIF(), 1, port="exc")
    with pytest.raises(rb.InputError, match="weight = 1 nA is in nA"):
        rb.psp(rb.LIF(), "1 nA")
    with pytest.raises(rb.DidNotConverge, match="does not move w"):
        rb.psp(rb.LIFsfa(), "1 mV", state="w")


def test_gain_of_hodgkin_and_huxley_is_what_a_small_sine_shows():
    model = rb.HH().replace(threshold=None)
    hertz = np.array([20.0, 67.0, 150.0])
    found = rb.gain(rb.HH(), hertz)
    sine = rb.sine(1e-3, hertz)
    run = rb.simulate(model, I=sine, until="300 ms", dt="0.02 ms", method="rk4", record="v", record_every="0.1 ms")
    for k, f in enumerate(hertz):
        late = run.t > 300 - 1e3 / f * 2
        wave = np.exp(-2j * np.pi * 1e-3 * f * run.t[late])
        v = run.v[k, late] - run.v[k, late].mean()
        answer = 2j * np.mean(v * wave) / 1e-3
        # the clock holds the sine over a step: half a step late
        answer *= np.exp(2j * np.pi * 1e-3 * f * 0.01)
        assert abs(answer / found.impedance[k] - 1) < 0.01
    assert rb.gain(rb.HH(), np.arange(10, 200)).resonance == pytest.approx(67, abs=3)


def test_gain_refuses_where_there_is_no_rest():
    with pytest.raises(rb.DidNotConverge, match="no stable rest"):
        rb.gain(rb.EIF(), [10], I="1 nA")
    assert np.isinf(rb.gain(rb.IF(), [0.0]).gain[0])
    assert rb.gain(rb.IF(), [1e3 / (2 * np.pi)]).gain[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "found",
    [
        lambda: rb.fi_curve(rb.LIF(), currents=[0.1, 0.3], until="100 ms"),
        lambda: rb.strength_duration(rb.LIF(), [1, 10], rtol=0.01),
        lambda: rb.input_output(rb.LIF(), [10, 100], weight="3 mV", trials=2),
        lambda: rb.psp(rb.LIFexp(), 0.1),
        lambda: rb.gain(rb.LIF(), [1, 100]),
        lambda: rb.phase_plane(rb.AdEx(), I=0.5),
        lambda: rb.check_dt(rb.LIF(), until="50 ms", I=0.3, dts=[0.2, 0.1]),
    ],
)
def test_every_result_draws_itself(found):
    import matplotlib.pyplot as plt

    axes = np.ravel(found().plot())
    assert all(ax.lines for ax in axes)
    assert axes[-1].get_xlabel()
    axes[0].figure.canvas.draw()
    plt.close("all")
