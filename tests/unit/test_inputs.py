"""Currents over time: their values at the edges, on any step; their randomness; files; what cannot be."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rheobase as rb
from rheobase.network.stimulus import Stimulus, as_stimulus


def _values(stimulus: Stimulus, dt: float, steps: int, n: int = 1, key: int = 1) -> np.ndarray:
    out = stimulus.start(dt, n, key)(0, steps)
    return out.ravel() if out.shape[1] == 1 else out


DTS = [0.1, 0.125, 0.25, 0.5, 1.0, 1 / 3]


@pytest.mark.parametrize("dt", DTS)
def test_step_holds_from_on_and_ends_at_off(dt: float) -> None:
    values = _values(rb.step("0.3 nA", on="20 ms", off="120 ms", base="-10 pA"), dt, round(150 / dt))
    t = np.arange(len(values)) * dt
    inside = (t > 20 - 1e-6) & (t < 120 - 1e-6)
    np.testing.assert_array_equal(values, np.where(inside, 0.3, -0.01))
    assert inside.sum() * dt == pytest.approx(100)  # the charge does not depend on dt


@pytest.mark.parametrize("dt", [0.1, 0.01, 0.05, 0.001])
def test_edges_survive_the_rounding_of_k_dt(dt: float) -> None:
    """k dt is a little below or above on; the edge is on the grid point all the same."""
    for on in (0.3, 0.7, 1.1, 100.1, 12345.6):
        k = round(on / dt)
        take = rb.step(1, on=on, off=on + 5 * dt).start(dt, 1, 0)
        assert take(k - 2, k + 7).ravel().tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]


def test_edge_between_grid_points_takes_the_next() -> None:
    assert _values(rb.step(1, on=0.25, off=1.0), 0.5, 4).tolist() == [0, 1, 0, 0]


def test_step_without_end_and_before_the_start() -> None:
    assert _values(rb.step(2, on=1), 1.0, 4).tolist() == [0, 2, 2, 2]
    assert _values(rb.step(2, on=-5, off=2), 1.0, 4).tolist() == [2, 2, 0, 0]


@pytest.mark.parametrize("dt", DTS)
def test_pulses(dt: float) -> None:
    values = _values(rb.pulses("1 nA", starts="[1, 4, 5] ms", width="1 ms", base=0.5), dt, round(8 / dt))
    t = np.arange(len(values)) * dt + 1e-6
    inside = ((t >= 1) & (t < 2)) | ((t >= 4) & (t < 6))
    np.testing.assert_array_equal(values, np.where(inside, 1.0, 0.5))


def test_pulses_of_one_start_and_in_seconds() -> None:
    assert _values(rb.pulses(1, starts=2.0, width=1), 1.0, 5).tolist() == [0, 0, 1, 0, 0]
    assert _values(rb.pulses(1, starts=["0.002 s"], width="0.001 s"), 1.0, 5).tolist() == [0, 0, 1, 0, 0]


def test_ramp_and_its_ends() -> None:
    assert _values(rb.ramp(1, 3, on=2, off=6), 1.0, 8).tolist() == [1, 1, 1, 1.5, 2, 2.5, 3, 3]
    assert _values(rb.ramp(1, 3, on=2, off=6, hold=False), 1.0, 8).tolist() == [0, 0, 1, 1.5, 2, 2.5, 0, 0]
    up, down = rb.ramp("0 nA", "1 nA", on=0, off=10), rb.ramp("1 nA", "0 nA", on=0, off=10)
    np.testing.assert_allclose(_values(up + down, 0.1, 100), 1, rtol=1e-15)


def test_sine_and_zap() -> None:
    t = np.arange(400) * 0.5
    wave = _values(rb.sine("2 nA", "10 Hz", phase=0.3, offset="1 nA", on=50, off=150), 0.5, 400)
    np.testing.assert_allclose(
        wave,
        np.where((t >= 50) & (t < 150), 1 + 2 * np.sin(2 * np.pi * 0.01 * (t - 50) + 0.3), 0),
        atol=1e-14,
    )
    np.testing.assert_array_equal(_values(rb.sine(1, 10), 0.5, 400), _values(rb.sine(1, "0.01 kHz"), 0.5, 400))
    # a chirp's instantaneous frequency rises linearly: its zeros come at the times the integral says
    chirp = _values(rb.zap(1, 0, 20, on=0, off=1000), 0.01, 100_000)
    zeros = np.flatnonzero(np.diff(np.signbit(chirp[1:]))) * 0.01
    np.testing.assert_allclose(zeros[:19], np.sqrt(np.arange(1, 20) * 1000 / 0.02), atol=0.02)
    assert len(zeros) in (19, 20)  # the twentieth is the end


def test_decay() -> None:
    values = _values(rb.decay("2 nA", tau=5, on=3), 1.0, 10)
    np.testing.assert_allclose(values, [0, 0, 0, *2 * np.exp(-np.arange(7) / 5)], rtol=1e-14)


@pytest.mark.parametrize("dt", [0.1, 0.25, 0.5, 1.0])
def test_sampled_keeps_its_own_time_base(dt: float) -> None:
    values = _values(rb.sampled([1, 2, 3], dt="1 ms", start="1 ms"), dt, round(6 / dt))
    expected = np.repeat([0, 1, 2, 3, 3, 3], round(1 / dt))  # 0 before, the last value after
    np.testing.assert_array_equal(values, expected)


def test_sampled_at_given_times_held_or_joined() -> None:
    held = rb.sampled([1, 5, 2], times=[1, 3, 4])
    assert _values(held, 0.5, 10).tolist() == [0, 0, 1, 1, 1, 1, 5, 5, 2, 2]
    line = rb.sampled([1, 5, 2], times=[1, 3, 4], interpolate="linear")
    assert _values(line, 0.5, 10).tolist() == [0, 0, 1, 2, 3, 4, 5, 3.5, 2, 2]
    two = rb.sampled([[1, 10], [2, 20]], dt=1)
    assert two.size == 2
    assert _values(two, 1.0, 3, n=2).tolist() == [[1, 10], [2, 20], [2, 20]]
    assert _values(rb.sampled([100, 200], dt=1, unit="pA"), 1.0, 2).tolist() == [0.1, 0.2]


def test_sampled_copies_what_it_is_given() -> None:
    mine = np.array([1.0, 2.0])
    stimulus = rb.sampled(mine, dt=1)
    mine[:] = 7
    assert _values(stimulus, 1.0, 2).tolist() == [1, 2]


def test_functions_of_time() -> None:
    run = rb.simulate(rb.LIF(), 10, dt=0.5, I=lambda t: 0.1 * np.exp(-t / 5))
    same = rb.simulate(rb.LIF(), 10, dt=0.5, I=rb.decay(0.1, tau=5))
    np.testing.assert_allclose(run.v, same.v, rtol=1e-14)
    np.testing.assert_array_equal(_values(as_stimulus(lambda t: 3.0, "I"), 0.5, 4), 3)  # one number for all times


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda t: 1.0 if t > 5 else 0.0, "write it with NumPy"),
        (lambda t: np.array([1.0, 2.0]), "shape"),
        (lambda t: np.where(t > 2, np.nan, 0), "NaN"),
        (lambda t: "much", "write it with NumPy"),
    ],
)
def test_functions_that_are_none(function: Any, says: str) -> None:
    with pytest.raises(rb.InputError, match=says):
        rb.simulate(rb.LIF(), 10, dt=0.5, I=function)


# arithmetic ---------------------------------------------------------------------------------------


def test_sums_differences_and_products() -> None:
    a, b = rb.step("1 nA", on=1), rb.step("0.5 nA", on=2)
    assert _values(a + b, 1.0, 4).tolist() == [0, 1, 1.5, 1.5]
    assert _values(a - b, 1.0, 4).tolist() == [0, 1, 0.5, 0.5]
    assert _values(-a, 1.0, 3).tolist() == [0, -1, -1]
    assert _values(2 * a, 1.0, 3).tolist() == _values(a * 2, 1.0, 3).tolist() == [0, 2, 2]
    assert _values(0.1 + a, 1.0, 3).tolist() == _values("100 pA" + a, 1.0, 3).tolist() == [0.1, 1.1, 1.1]
    assert _values(1 - rb.step(1, on=1), 1.0, 3).tolist() == [1, 0, 0]
    assert sum([a, b], start=rb.step(0)).start(1.0, 1, 0)(3, 4).item() == 1.5


def test_arrays_make_a_current_for_each_neuron() -> None:
    levels = np.array([1.0, 2.0, 3.0])
    for stimulus in (
        rb.step(levels, on=1),
        levels * rb.step(1, on=1),
        rb.step(1, on=1) * levels,
        rb.step(0) + levels * rb.step(1, on=1),
    ):
        assert stimulus.size == 3
        assert _values(stimulus, 1.0, 2, n=3).tolist() == [[0, 0, 0], [1, 2, 3]]
    run = rb.simulate(rb.LIF(), 100, dt=0.1, I=rb.step([0.1, 0.3, 0.5], on=20))
    assert run.v.shape == (3, 1001)
    assert run.spikes.count.tolist() == [0, 3, 6]
    assert rb.sine([1, 2], [10, 20]).size == 2
    assert rb.ramp([0, 1], 2, on=0, off=5).size == 2


def test_units_are_checked_in_sums() -> None:
    with pytest.raises(rb.UnitMismatch, match="mixes"):
        rb.step("1 nA") + rb.step("1 mV")
    with pytest.raises(rb.UnitMismatch, match="amplitude and base mixes"):
        rb.simulate(rb.LIF(), 10, I=rb.step("1 nA", base="1 mV"))
    with pytest.raises(rb.UnitMismatch, match="I is in mV"):
        rb.simulate(rb.LIF(), 10, I=rb.step("1 mV"))
    with pytest.raises(rb.InputError, match="lengths must agree"):
        rb.step([1, 2]) + rb.step([1, 2, 3])
    # a number with a unit times a plain current
    assert rb.simulate(rb.LIF(), 1, dt=0.1, I=rb.step(1) * "0.1 nA").v[1] > -70


# randomness ---------------------------------------------------------------------------------------

NOISES = {
    "noise": lambda **more: rb.noise(1, 0.5, every=0.5, **more),
    "ou": lambda **more: rb.ou(1, 0.5, 3, **more),
}


@pytest.mark.parametrize("kind", NOISES)
def test_fresh_and_frozen(kind: str) -> None:
    make = NOISES[kind]
    fresh = make().start(0.5, 3, 1)(0, 50)
    assert fresh.shape == (50, 3)
    assert len(np.unique(fresh[10])) == 3
    assert not np.array_equal(fresh, make().start(0.5, 3, 2)(0, 50))
    trials = make(frozen=True).start(0.5, 3, 1)(0, 50)
    assert trials.shape == (50, 1)  # one for all
    assert not np.array_equal(trials, make(frozen=True).start(0.5, 3, 2)(0, 50))
    fixed = make(frozen=4).start(0.5, 3, 1)(0, 50)
    np.testing.assert_array_equal(fixed, make(frozen=4).start(0.5, 3, 2)(0, 50))
    assert not np.array_equal(fixed, make(frozen=5).start(0.5, 3, 2)(0, 50))


@pytest.mark.parametrize("kind", NOISES)
def test_random_currents_do_not_depend_on_how_they_are_asked(kind: str) -> None:
    whole = NOISES[kind]().start(0.5, 2, 9)(0, 60)
    take = NOISES[kind]().start(0.5, 2, 9)
    parts = [take(0, 1), take(0, 7), take(7, 8), take(8, 60)]
    np.testing.assert_array_equal(np.concatenate(parts[1:]), whole)
    np.testing.assert_array_equal(take(3, 5), whole[3:5])  # again, from the past
    np.testing.assert_array_equal(take(20, 30), whole[20:30])  # and with a gap


def test_noise_has_its_mean_spread_and_hold() -> None:
    values = rb.noise("1 nA", "200 pA", every="1 ms").start(0.25, 500, 3)(0, 800)
    np.testing.assert_array_equal(values.reshape(200, 4, 500).std(axis=1), 0)
    assert values.mean() == pytest.approx(1, abs=5 * 0.2 / math.sqrt(1e5))
    assert values.std() == pytest.approx(0.2, rel=5 / math.sqrt(2e5))
    # the same numbers on a finer grid
    np.testing.assert_array_equal(
        rb.noise(0, 1, every=1).start(0.125, 2, 3)(0, 80)[::4],
        rb.noise(0, 1, every=1).start(0.5, 2, 3)(0, 20),
    )
    assert _values(rb.noise(1, 0.2, on=2, off=3), 0.5, 8)[[0, 3, 6, 7]].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("dt", [0.1, 2.0])
def test_ou_is_stationary_on_any_grid(dt: float) -> None:
    values = rb.ou("0.5 nA", "100 pA", tau="5 ms").start(dt, 4000, 3)(0, 40)
    for k in (0, 1, 39):
        assert values[k].mean() == pytest.approx(0.5, abs=5 * 0.1 / math.sqrt(4000))
        assert values[k].std() == pytest.approx(0.1, rel=5 / math.sqrt(8000))
    lag = np.corrcoef(values[3], values[8])[0, 1]
    assert lag == pytest.approx(math.exp(-5 * dt / 5), abs=5 / math.sqrt(4000))


# files --------------------------------------------------------------------------------------------


def _write(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "time,current\n0,0.1\n1,0.2\n2.5,0.3\n",
        "0;0.1\n1;0.2\n2.5;0.3",
        "0\t0.1\n1\t0.2\n2.5\t0.3\n",
        "\ufeff# ms, nA\n0, 0.1\n\n1, 0.2 # kick\n2.5, 0.3\n",
    ],
)
def test_csv_with_times(tmp_path: Path, text: str) -> None:
    stimulus = rb.read_current(_write(tmp_path, "i.csv", text))
    assert _values(stimulus, 0.5, 7).tolist() == [0.1, 0.1, 0.2, 0.2, 0.2, 0.3, 0.3]


def test_csv_without_times_and_with_units(tmp_path: Path) -> None:
    path = _write(tmp_path, "i.csv", "100\n200\n300\n")
    assert _values(rb.read_current(path, dt=1, unit="pA"), 1.0, 3).tolist() == [0.1, 0.2, 0.3]
    assert _values(rb.read_current(str(path), dt="0.5 ms", interpolate="linear"), 0.25, 3).tolist() == [
        100,
        150,
        200,
    ]
    path = _write(tmp_path, "j.csv", "0,1,10\n1,2,20\n")
    assert _values(rb.read_current(path, column=2), 1.0, 2).tolist() == [10, 20]


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([1.0, 2.0]))
    np.save(tmp_path / "b.npy", np.array([[0.0, 1.0], [2.0, 5.0]]))
    assert _values(rb.read_current(tmp_path / "a.npy", dt=1), 1.0, 2).tolist() == [1, 2]
    assert _values(rb.read_current(tmp_path / "b.npy"), 1.0, 3).tolist() == [1, 1, 5]


def _npy(array: Any, cut: int | None = None) -> bytes:
    import io

    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()[:cut]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("i.csv", "0,0.1\n1,0.2\n2,", "line 3: 1 columns where the first row has 2"),
        ("i.csv", "0,0.1\n1,zap\n", "line 2: '1,zap' is not numbers"),
        ("i.csv", "a,b\nc,d\ne,f\n", "line 3"),
        ("i.csv", "", "no numbers"),
        ("i.csv", "1\n2\n", "one column; give dt="),
        ("i.csv", "0,1\n0,2\n", "times must rise"),
        ("i.csv", "0,1\n1,nan\n", "NaN"),
        ("i.csv", b"\x00\xff\xfe\x01" * 40, "i.csv"),
        ("i.npy", b"", "cannot be read"),
        ("i.npy", b"\x93NUMPY garbage", "cannot be read"),
        ("i.npy", _npy(np.arange(100.0), cut=200), "cannot be read"),
        ("i.npy", _npy(np.array([{"a": 1}], dtype=object)), "cannot be read"),
        ("i.npy", _npy(np.zeros((2, 2, 2))), "shape"),
        ("i.npy", _npy(np.array(["a", "b"])), "numbers|one column"),
    ],
)
def test_files_that_hold_no_current(tmp_path: Path, name: str, text: str | bytes, says: str) -> None:
    with pytest.raises(rb.InputError, match=says):
        rb.read_current(_write(tmp_path, name, text))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(rb.InputError, match="there is no file"):
        rb.read_current(tmp_path / "i.csv")
    with pytest.raises(rb.InputError, match="cannot be read"):
        rb.read_current(tmp_path)


# what cannot be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: rb.step(float("nan")), "amplitude is NaN"),
        (lambda: rb.step(1, on=5, off=5), "off = 5 ms is not after on = 5 ms"),
        (lambda: rb.step(1, on="1 mV"), "mV"),
        (lambda: rb.step("much"), "amplitude"),
        (lambda: rb.step(np.ones((2, 2))), "one axis"),
        (lambda: rb.step(None), "amplitude"),
        (lambda: rb.pulses(1, starts=[1], width=0), "width = 0 ms is not positive"),
        (lambda: rb.pulses(1, starts="[1, 2] mV", width=1), "mV"),
        (lambda: rb.pulses(1, starts=[np.nan], width=1), "NaN"),
        (lambda: rb.ramp(0, 1, on=3, off=None), "needs an end"),
        (lambda: rb.ramp(0, 1, on=3, off=2), "not after"),
        (lambda: rb.zap(1, 1, 5), "needs an end"),
        (lambda: rb.zap(1, [1, 2], 5, off=10), "one frequency each"),
        (lambda: rb.sine(1, "10 mV"), "give Hz"),
        (lambda: rb.decay(1, tau=0), "not positive"),
        (lambda: rb.decay(1, tau=1, on=-1), "before the run"),
        (lambda: rb.sampled([1, 2]), "give dt= .* or times="),
        (lambda: rb.sampled([1, 2], dt=1, times=[0, 1]), "one of them"),
        (lambda: rb.sampled([], dt=1), "shape"),
        (lambda: rb.sampled([[[1]]], dt=1), "shape"),
        (lambda: rb.sampled(["a"], dt=1), "must be numbers"),
        (lambda: rb.sampled([1, np.nan], dt=1), "time index 1 is NaN"),
        (lambda: rb.sampled([1, 2], dt=0), "not positive"),
        (lambda: rb.sampled([1, 2], times=[0, 1, 2]), "3 times for 2 values"),
        (lambda: rb.sampled([1, 2], times=[1, 0]), "must rise"),
        (lambda: rb.sampled([1, 2], times=["a", "b"]), "times must be numbers"),
        (lambda: rb.sampled([1, 2], dt=1, interpolate="cubic"), "'hold' or 'linear'"),
        (lambda: rb.sampled([1], dt=1, interpolate="linear"), "two times"),
        (lambda: rb.sampled([1], dt=1, unit="nAmp"), "nAmp"),
        (lambda: rb.noise(0, -1), "negative"),
        (lambda: rb.noise(0, 1, every=-1), "every|positive"),
        (lambda: rb.ou(0, 1, 0), "not positive"),
        (lambda: rb.ou(0, 1, "3 mV"), "mV"),
        (lambda: rb.noise("1 nA", "1 mV"), "mixes"),
    ],
)
def test_currents_that_cannot_be(make: Any, says: str) -> None:
    with pytest.raises(rb.RheobaseError, match=says):
        rb.simulate(rb.LIF(), 10, dt=0.1, I=make())


def test_noise_must_fit_the_grid() -> None:
    with pytest.raises(rb.InputError, match="whole number of steps"):
        rb.simulate(rb.LIF(), 10, dt=0.5, I=rb.noise(0, 1, every=0.75))
