"""simulate(): what may be given and in which forms, what comes back, and the typical mistakes with their
messages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rheobase as rb

LIF = rb.LIF()


# what comes back ----------------------------------------------------------------------------------


def test_shapes_of_one_and_of_many() -> None:
    one = rb.simulate(LIF, 50, dt=0.1, I=0.3)
    assert (one.v.shape, one.t.shape, one.single, one.n) == ((501,), (501,), True, 1)
    assert one.t[[0, 1, -1]].tolist() == [0, 0.1, 50]
    assert isinstance(one.rate(), float)
    many = rb.simulate(LIF, 50, dt=0.1, I=[0.3, 0.1, 0.5])
    assert (many.v.shape, many.n, len(many.spikes)) == ((3, 501), 3, 3)
    assert many.rate().shape == (3,)
    np.testing.assert_array_equal(many.v[0], one.v)
    assert rb.simulate(LIF, 50, dt=0.1, I=[0.3]).v.shape == (1, 501)  # an array of one is an array
    assert rb.simulate(LIF, 50, dt=0.1, I=0.3, n=2).v.shape == (2, 501)


def test_tables_of_spikes() -> None:
    run = rb.simulate(LIF, 100, dt=0.1, I=[0.5, 0.3, 0.5])
    assert np.all(np.diff(run.spikes.times) >= 0)
    tied = run.spikes.times == run.spikes.times[0]
    assert run.spikes.neurons[tied].tolist() == [0, 2]
    np.testing.assert_array_equal(run.table["time"], run.spikes.times)
    assert run.rate().tolist() == (run.spikes.count / 0.1).tolist()
    assert run.rate(50)[0] == np.sum(run.spikes[0] > 50) / 0.05
    frame = run.to_pandas()
    assert [*frame.columns] == ["population", "neuron", "time"]
    assert len(frame) == len(run.spikes.times)


def test_account_of_the_method() -> None:
    run = rb.simulate(LIF, 50, dt=0.1, I=0.3, seed=7)
    assert (run.engine, run.method, run.order, run.seed) == ("Clock(dt=0.1 ms)", "exact", "exact", 7)
    assert rb.simulate(rb.HH(), 5, dt=0.01).method == "exponential euler"
    assert rb.simulate(rb.Izhikevich(), 5, dt=0.1).method == "rk4"
    assert rb.simulate(LIF, 5, dt=0.1, I=0.3, method="euler").order == "1"
    assert rb.simulate(LIF, 5, I=0.3).engine.startswith("Exact")
    assert rb.simulate(rb.HH(), 5).engine.startswith("Clock")
    assert "one neuron" in repr(run)
    assert "exact" in repr(run)


def test_states_by_name_and_derived_quantities() -> None:
    model = rb.Neuron("g = a*v**2\ntau dv/dt = 1 - g", tau=5.0, a=2.0, v=0.0)
    run = rb.simulate(model, 5, dt=0.1)
    np.testing.assert_allclose(run.g, 2 * run.v**2)
    np.testing.assert_array_equal(run["v"], run.v)
    with pytest.raises(rb.NotRecorded, match=r"no 'vv'.*Did you mean 'v'"):
        run.vv  # noqa: B018
    with pytest.raises(rb.NotRecorded, match="run with record='v'"):
        rb.simulate(model, 5, dt=0.1, record=False).v  # noqa: B018


def test_recording() -> None:
    model = rb.LIFexp()
    full = rb.simulate(model, 20, dt=0.1, I=[0.3] * 4)
    part = rb.simulate(model, 20, dt=0.1, I=[0.3] * 4, record="v", record_every="1 ms", record_neurons=[2, 0])
    assert [*part.traces] == ["v"]
    np.testing.assert_array_equal(part.v, full.v[[0, 2], ::10])
    np.testing.assert_array_equal(part.t, full.t[::10])
    assert [*rb.simulate(model, 20, dt=0.1, record=["spikes"]).traces] == []
    assert [*rb.simulate(model, 20, dt=0.1, record=True).traces] == ["v", "I_syn"]
    large = rb.simulate(model, 100, dt=0.1, n=2000)  # two million values and more are kept only when asked for
    assert not large.traces


def test_saved_runs_come_back(tmp_path: Path) -> None:
    run = rb.simulate(LIF, 50, dt=0.1, I=[0.3, 0.5], seed=3)
    back = rb.load(run.save(tmp_path / "run"))
    assert back.v.tobytes() == np.ascontiguousarray(run.v).tobytes()
    assert back.spikes.times.tobytes() == run.spikes.times.tobytes()
    assert (back.model, back.seed, back.method, back.until) == (run.model, 3, "exact", 50)
    whole = (tmp_path / "run.npz").read_bytes()
    for bad in (whole[: len(whole) // 2], b"", b"garbage" * 100):
        (tmp_path / "bad.npz").write_bytes(bad)
        with pytest.raises(rb.InputError, match="truncated or no file"):
            rb.load(tmp_path / "bad.npz")


# what may be given --------------------------------------------------------------------------------


def test_other_values_of_parameters_and_states() -> None:
    run = rb.simulate(LIF, 50, dt=0.1, I="300 pA", tau="10 ms", v="-60 mV")
    assert run.v[0] == -60
    same = rb.simulate(rb.LIF(tau="10 ms", v="-60 mV"), "0.05 s", dt="100 us", I=0.3)
    assert run.v.tobytes() == same.v.tobytes()
    assert rb.simulate(LIF, 50, dt=0.1, I=0.3, tau=[10, 20]).spikes.count.tolist() == [4, 2]
    assert rb.simulate(LIF, 50, dt=0.1, I=0.3, t_ref=["1 ms", "20 ms"]).spikes.count.tolist() == [2, 1]


def test_a_parameter_may_vary_in_time() -> None:
    run = rb.simulate(LIF, 50, dt=0.1, I=0.19, theta=rb.step("-10 mV", on=30, base="0 mV") + "-50 mV")
    assert run.spikes[0][0] == pytest.approx(30.1)
    with pytest.raises(rb.InputError, match="refractory time; it cannot vary"):
        rb.simulate(LIF, 50, dt=0.1, I=0.3, t_ref=rb.step(1))


def test_seeds() -> None:
    noisy = rb.NoisyLIF()
    a, b, c = (rb.simulate(noisy, 20, dt=0.1, I=0.2, seed=s).v for s in (1, 1, 2))
    assert a.tobytes() == b.tobytes() != c.tobytes()
    drawn = rb.simulate(noisy, 20, dt=0.1, I=0.2)
    assert rb.simulate(noisy, 20, dt=0.1, I=0.2, seed=drawn.seed).v.tobytes() == drawn.v.tobytes()


def test_distributions_give_each_neuron_its_own() -> None:
    run = rb.simulate(
        LIF, 10, dt=0.1, I=0.3, n=500, seed=1, tau=rb.uniform("10 ms", "20 ms"), v=rb.normal("-65 mV", "2 mV")
    )
    assert run.v[:, 0].mean() == pytest.approx(-65, abs=0.5)
    assert len(np.unique(run.v[:, 0])) == 500


def test_refractory_time_is_counted_in_whole_steps() -> None:
    for t_ref, steps in ((2.0, 20), (2.04, 20), (2.05, 21), (2.06, 21), (0.04, 0), (0.3, 3), (0.1 + 0.2, 3)):
        run = rb.simulate(LIF, 60, dt=0.1, I=0.5, t_ref=t_ref)
        clamped = np.sum(run.v == -70) - 1  # the start
        fired = np.rint(run.spikes[0] * 10).astype(int)
        assert np.all(np.diff(fired) == np.diff(fired)[0])
        assert np.diff(fired)[0] == 103 + steps
        assert clamped == sum(min(steps, 600 - k) + 1 for k in fired)


# the typical mistakes -----------------------------------------------------------------------------

EULER = {"dt": 30, "method": "euler"}


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"I": float("nan")}, rb.InputError, "I is NaN; give a number"),
        ({"I": [0.1, float("nan")]}, rb.InputError, "I is NaN at index 1"),
        (
            {"I": [0.1, 0.2], "tau": [10, 20, 30]},
            rb.InputError,
            "I has 2 values, but tau has 3; arrays need one value a neuron",
        ),
        ({"I": [0.1, 0.2], "n": 5}, rb.InputError, "I has 2 values, but there are 5 neurons"),
        ({"I": np.ones((3, 100))}, rb.InputError, r"rb.sampled\(values, dt=...\)"),
        ({"Ie": 0.3}, rb.InputError, "'Ie' is no input.* Did you mean 'I'"),
        ({"tua": 10}, rb.InputError, "Did you mean 'tau'"),
        ({"I": "0.3 mV"}, rb.UnitMismatch, "I is in mV, but the rows want nA"),
        ({"I": "0.3 nApm"}, rb.RheobaseError, "nA"),
        ({"tau": "20 mV"}, rb.UnitMismatch, "tau is in mV, but the rows want ms"),
        ({"v": "-70 ms"}, rb.UnitMismatch, "v is in ms"),
        (
            {"I": 0.3, **EULER},
            rb.InputError,
            "dt = 30 ms is larger than tau = 20 ms.*choose dt below tau/10, or method='auto'",
        ),
        ({"I": "a lot"}, rb.InputError, "I"),
        ({"I": None}, rb.InputError, "I"),
        ({"I": True}, rb.InputError, "I = True is not a number"),
        ({"I": {"a": 1}}, rb.InputError, "is not a number"),
        ({"v": rb.step(1)}, rb.InputError, "initial value is a number, not a current"),
        ({"spikes": rb.step(1)}, rb.InputError, "port where spikes arrive"),
        ({"exc": [1, 2]}, rb.InputError, "no port.* It has: spikes"),
        ({"I": rb.spikes([1, 2])}, rb.InputError, "I"),
        ({"tau": -5}, rb.InputError, "tau = .* is not positive; tau multiplies d/dt"),
        ({"tau": [10.0, 0.0]}, rb.InputError, "tau = .* is not positive"),
        ({"I": float("inf")}, rb.InputError, "I = inf is not finite|I = .*not finite"),
        ({"t_ref": -1.0}, rb.InputError, "refractory time t_ref .* is negative; give 0 or more"),
        ({"v": float("inf")}, rb.InputError, "initial value v"),
        ({"dt": 0}, rb.InputError, "dt = 0 ms is not positive"),
        ({"dt": -0.1}, rb.InputError, "not positive"),
        ({"dt": "0.1 mV"}, rb.UnitMismatch, "dt is measured in ms"),
        ({"dt": float("nan")}, rb.InputError, "dt"),
        ({"dt": 0.1, "engine": rb.Clock(0.1)}, rb.InputError, "either engine= or dt="),
        ({"engine": "exact"}, rb.InputError, r"rb.Clock\(dt='0.1 ms'\)"),
        ({"dt": 0.1, "method": "rk5"}, rb.InputError, "unknown.* Did you mean 'rk4'"),
        ({"seed": -1}, rb.InputError, "whole number from 0"),
        ({"seed": "x"}, rb.InputError, "whole number from 0"),
        ({"n": 0}, rb.InputError, "whole number from 1"),
        ({"n": 2.5}, rb.InputError, "whole number from 1"),
        ({"record": "u"}, rb.InputError, "record = 'u' is no state.* States: v"),
        ({"record": 5}, rb.InputError, "name of a state"),
        ({"record_every": 0}, rb.InputError, "not positive"),
        ({"dt": 0.1, "record_every": 0.25}, rb.InputError, "give a multiple of dt"),
        ({"record_neurons": [1]}, rb.InputError, "numbers from 0 to 0"),
        ({"record_neurons": [0.5]}, rb.InputError, "numbers from 0 to 0"),
    ],
)
def test_mistakes_name_the_fix(given: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=f"(?s){says}"):
        rb.simulate(LIF, 50, **given)


@pytest.mark.parametrize(
    ("until", "says"),
    [
        (-5, "until = -5 ms lies in the past"),
        (0, "give a positive time"),
        (None, "until='1 s'"),
        (float("nan"), "until"),
        (float("inf"), "never"),
        ("50 mV", "until"),
        ("soon", "until"),
        ([1], "until"),
    ],
)
def test_until_must_be_a_time_to_come(until: Any, says: str) -> None:
    with pytest.raises(rb.RheobaseError, match=says):
        rb.simulate(LIF, until, I=0.3)


def test_until_shorter_than_a_step() -> None:
    with pytest.raises(rb.InputError, match="shorter than one step"):
        rb.simulate(LIF, 0.04, dt=0.1, I=0.3)


def test_missing_input_is_named_with_its_unit() -> None:
    model = rb.Neuron("tau dv/dt = E_L - v + R*J", tau="20 ms", R="100 MOhm", E_L="-70 mV")
    with pytest.raises(rb.InputError, match=r"needs the input J \(in nA\): give J=..., for example J=rb.step"):
        rb.simulate(model, 50)


@pytest.mark.parametrize("model", [None, "LIF", rb.LIF, 3])
def test_model_of_the_wrong_type(model: Any) -> None:
    with pytest.raises(rb.InputError, match=r"rb.Neuron\(...\)"):
        rb.simulate(model, 50)


def test_thresholds_that_can_never_be_reached() -> None:
    with pytest.raises(rb.InputError, match="never reached is threshold=None"):
        rb.LIF(theta=float("inf"))
    with pytest.raises(rb.RowError, match="never be reached or always is"):
        rb.LIF().replace(threshold="theta > v_r")
    # one that the input does not reach is no mistake: the run says that nothing fired
    assert "0 spikes" in repr(rb.simulate(LIF, 50, dt=0.1, I=0.1))


def test_input_that_turns_nan_on_the_way() -> None:
    with pytest.raises(rb.InputError, match="NaN"):
        rb.simulate(LIF, 50, dt=0.1, I=lambda t: np.sqrt(np.where(t > 20, np.nan, t)))


def test_drawn_time_constants_must_be_positive() -> None:
    with pytest.raises(rb.InputError, match=r"tau.*not positive; bound it with low="):
        rb.simulate(LIF, 50, dt=0.1, I=0.3, n=200, seed=1, tau=rb.normal(5, 5))
