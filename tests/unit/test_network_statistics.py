"""Statistics of populations: against trains whose statistics are known, and against the functions of trains."""

import numpy as np
import pytest

import rheobase as rb
from rheobase.analysis import rate
from rheobase.errors import InputError, NotRecorded
from rheobase.run import NetworkRun


def poisson_spikes(n, rate, until, seed):
    rng = np.random.default_rng(seed)
    trains = [np.sort(rng.uniform(0, until, rng.poisson(rate * until / 1e3))) for _ in range(n)]
    return rb.Spikes.from_table(np.concatenate(trains), np.repeat(np.arange(n), [len(t) for t in trains]), n)


@pytest.fixture(scope="module")
def run():
    """Two populations driven by Poisson spikes so strong that each is followed, and a silent one."""
    net = rb.Network()
    cell = rb.LIF(refractory="0.1 ms")
    follow = {"weight": "100 mV", "delay": "0.1 ms"}
    a, b, c = net.add("A", 200, cell), net.add("B", 50, cell), net.add("C", 3, cell)
    net.connect(net.add("each", 200, rb.poisson("20 Hz")), a, one_to_one=True, **follow)
    net.connect(net.add("one", 1, rb.poisson("50 Hz")), b, all_to_all=True, **follow)
    assert len(c) == 3
    return rb.simulate(net, until="5 s", dt="0.1 ms", seed=4, record=False)


def test_independent_identical_and_silent_neurons(run):
    s = rb.network_statistics(run, start=500)
    assert [*s] == ["A", "B", "C"]  # sources are left out
    a, b, c = s["A"], s["B"], s["C"]
    assert a.n == 200
    assert a.rate == pytest.approx(20, rel=0.03)
    assert a.rate_sd == pytest.approx(np.sqrt(20 / 4.5), rel=0.2)
    assert a.active == 1
    assert a.cv == pytest.approx(1, abs=0.05)
    assert a.correlation == pytest.approx(0, abs=0.003)
    assert a.fano == pytest.approx(1, abs=0.15)
    assert a.chi == pytest.approx(1 / np.sqrt(200), rel=0.15)
    assert (b.correlation, b.chi) == pytest.approx((1, 1))
    assert b.fano == pytest.approx(50, rel=0.15)
    assert b.rate_sd == pytest.approx(0, abs=1e-9)
    assert (c.rate, c.active) == (0, 0)
    assert np.isnan([c.cv, c.cv_sd, c.correlation, c.fano, c.chi, c.peak]).all()


def test_each_number_is_that_of_the_function_of_its_name(run):
    s, spikes = rb.network_statistics(run, 500, 3000, sample=60, seed=7), run["A"].spikes
    assert s["A"].rate == pytest.approx(rate(spikes, 3000, 500).mean())
    assert s["A"].cv == pytest.approx(np.nanmean(rb.cv(spikes, 500, 3000)[rate(spikes, 3000, 500) >= 2]))
    assert s["A"].correlation == rb.correlation(spikes, 5, 3000, 500, sample=60, seed=7)
    assert s["A"].fano == rb.synchrony(spikes, 3, 3000, 500)
    assert s["A"].chi == rb.chi(spikes, 5, 3000, 500)
    assert rb.network_statistics(run, 500, 3000, sample=60, seed=7)["A"] == s["A"]
    assert rb.network_statistics(run, 500, 3000, sample=60, seed=8)["A"].correlation != s["A"].correlation


def test_it_prints_as_a_table_and_turns_into_one(run):
    s = rb.network_statistics(run, start=500)
    lines = repr(s).splitlines()
    assert lines[0] == "Statistics from 500 to 5000 ms"
    assert lines[1].split() == ["n", "rate", "(Hz)", "active", "CV", "corr.", "Fano", "3", "ms", "chi", "peak", "(Hz)"]
    assert lines[2].split()[:2] == ["A", "200"]
    assert lines[4].split() == ["C", "3", "0.00", "±", "0.00", "0", "%", "-", "-", "-", "-", "-"]
    table = s.to_pandas()
    assert table.loc["A", "rate"] == s["A"].rate
    assert table.index.name == "population"
    assert table.shape == (3, 10)
    with pytest.raises(AttributeError):
        s["A"].rate = 3
    with pytest.raises(NotRecorded, match="no population 'a'"):
        s["a"]


def test_a_rhythm_is_found():
    rng = np.random.default_rng(0)
    beat = np.arange(1, 80) * 25.0  # 40 Hz
    trains = [np.sort(t + rng.normal(0, 2, len(t))) for t in (beat[rng.random(79) < 0.3] for _ in range(100))]
    spikes = rb.Spikes.from_table(np.concatenate(trains), np.repeat(np.arange(100), [len(t) for t in trains]), 100)
    frequency, power = rb.spectrum(spikes, 2000, segments=9, method="welch")
    low = frequency < 60
    assert frequency[low][np.argmax(power[low])] == pytest.approx(40, abs=3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run: rb.network_statistics(run["A"]), "run of a network, not of Run"),
        (lambda run: rb.network_statistics(run, start=6000), "must come after start"),
        (lambda run: rb.network_statistics(run, until=6000), "leaves the run, which is from 0 to 5000 ms"),
        (lambda run: rb.network_statistics(run, start=-5), "leaves the run"),
        (lambda run: rb.network_statistics(run, bin=0), "bin = 0 must be a positive"),
        (lambda run: rb.network_statistics(run, fano_bin=-1), "fano_bin = -1 must be a positive"),
        (lambda run: rb.network_statistics(run, sample=1), "sample = 1 must be a whole number"),
    ],
)
def test_a_wrong_argument_is_named(run, call, words):
    assert isinstance(run, NetworkRun)
    with pytest.raises(InputError, match=words):
        call(run)


# ---- runs in place of lists of trains --------------------------------------------------------------


def test_a_run_brings_its_end_and_its_spikes(run):
    spikes = run["A"].spikes
    trains = [*spikes]
    np.testing.assert_array_equal(rate(run["A"]), rate(trains, until=5000))
    np.testing.assert_allclose(rate(spikes, until=5000), run["A"].rate())
    assert rb.synchrony(run["A"], 3) == rb.synchrony(trains, 3, 5000)
    np.testing.assert_array_equal(rb.cv(spikes), rb.cv(trains))
    assert rb.cv(rb.simulate(rb.LIF(), I="0.3 nA", until="200 ms", dt="0.1 ms")) == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match="give until= in ms"):
        rate(spikes)


def test_windows_leave_out_intervals_that_begin_before():
    train = np.array([10.0, 20, 40, 50, 90])
    assert rb.isi(train, start=15).tolist() == [20, 10, 40]
    assert rb.isi(train, start=10, until=50).tolist() == [20, 10]
    assert rb.isi(train, until=40).tolist() == [10, 20]
    for f in (rb.cv, rb.cv2, rb.lv):
        assert f(train, 15, 50) == f(train[1:4])
    with pytest.raises(InputError, match="must come after start"):
        rb.isi(train, start=50, until=40)


def test_correlation_of_a_sample_is_that_of_its_trains():
    spikes = poisson_spikes(50, 30, 2000, 1)
    whole = rb.correlation(spikes, 5, 2000)
    assert rb.correlation(spikes, 5, 2000, sample=50) == whole
    some = rb.correlation(spikes, 5, 2000, sample=10, seed=3, matrix=True)
    assert some.shape == (10, 10)
    chosen = np.sort(np.random.default_rng(3).choice(50, 10, replace=False))
    np.testing.assert_allclose(some, rb.correlation([spikes[i] for i in chosen], 5, 2000, matrix=True))


# ---- chi and Welch --------------------------------------------------------------------------------


def test_chi_of_voltages_and_of_counts():
    rng = np.random.default_rng(5)
    own, shared = rng.standard_normal((400, 5000)), rng.standard_normal(5000)
    assert rb.chi(own) == pytest.approx(1 / np.sqrt(400), rel=0.1)
    assert rb.chi(own + shared) == pytest.approx(np.sqrt(0.5), rel=0.05)
    assert rb.chi(np.broadcast_to(shared, (9, 5000))) == pytest.approx(1)
    assert np.isnan(rb.chi(np.ones((3, 10))))
    spikes = poisson_spikes(100, 20, 20_000, 2)
    assert rb.chi(spikes, bin=5, until=20_000) == pytest.approx(0.1, rel=0.1)
    count = np.array([np.histogram(t, bins=np.arange(0, 20_001, 5))[0] for t in spikes])
    assert rb.chi(spikes, bin=5, until=20_000) == pytest.approx(rb.chi(count), rel=1e-6)
    for wrong, words in ((np.ones(4), "of shape"), ([[1.0, np.nan]], "finite"), (spikes, "give bin= in ms")):
        with pytest.raises(InputError, match=words):
            rb.chi(wrong)


def test_welch_gives_the_same_level_as_bartlett():
    spikes = poisson_spikes(100, 20, 20_000, 3)
    for method in ("bartlett", "welch"):
        f, power = rb.spectrum(spikes, 20_000, segments=39, method=method)
        assert power.mean() == pytest.approx(20 / 100, rel=0.05)
        assert f[-1] == pytest.approx(500, rel=0.01)
        assert np.all(np.diff(f) > 0)
    with pytest.raises(InputError, match="method = 'burg' must be"):
        rb.spectrum(spikes, 20_000, method="burg")
