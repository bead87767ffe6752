"""Figures: what is on the axes, not how it looks."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import rheobase as rb
from rheobase import plot


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def t():
    return np.arange(0, 100, 0.1)


def test_traces_are_labelled_and_stacked(t):
    axes = plot.traces(t, {"v": (np.sin(t), "mV"), "I_syn": (np.cos(t), "nA")}, title="cell")
    assert axes.shape == (2,)
    assert axes[0].get_ylabel() == "v (mV)"
    assert "syn" in axes[1].get_ylabel()
    assert axes[1].get_ylabel().endswith("(nA)")
    assert [ax.get_xlabel() for ax in axes] == ["", "time (ms)"]
    assert axes[0].get_title(loc="left") == "cell"
    np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), np.sin(t))


def test_spikes_are_ticks_above_the_threshold(t):
    (ax,) = plot.traces(t, {"v": (np.sin(t), "mV")}, spikes=[np.array([5.0, 50.0])], threshold=("v", 1.0))
    ticks = ax.collections[0].get_segments()
    assert sorted(s[0, 0] for s in ticks) == [5.0, 50.0]
    assert all(s[:, 1].min() > 1.0 for s in ticks)
    assert all(s[:, 1].max() < ax.get_ylim()[1] for s in ticks)


def test_twenty_of_many_neurons_are_drawn_and_it_says_so(t):
    (ax,) = plot.traces(t, {"v": (np.arange(100)[:, None] + 0 * t, "")})
    assert len(ax.lines) == 20
    assert "20 of 100" in ax.get_title(loc="left")
    assert ax.lines[0].get_ydata()[0] == 0
    assert ax.lines[-1].get_ydata()[0] == 99


def test_long_lines_keep_their_peaks():
    t = np.arange(1_000_000) * 0.1
    v = np.zeros(len(t))
    v[[123_456, 999_999]] = 30.0
    v[500_001] = -7.0
    (ax,) = plot.traces(t, {"v": (v, "mV")})
    x, y = ax.lines[0].get_data()
    assert len(x) < 40_000
    assert np.all(np.diff(x) > 0)
    assert (y.min(), np.sum(y == 30.0)) == (-7.0, 2)
    assert t[123_456] in x


def test_given_axes_are_used(t):
    ax = plt.figure().subplots()
    (back,) = plot.traces(t, {"v": (t, "mV")}, axes=ax)
    assert back is ax
    with pytest.raises(rb.InputError, match="1 axes for 2 panels"):
        plot.traces(t, {"v": (t, ""), "w": (t, "")}, axes=ax)


@pytest.mark.parametrize(("panels", "message"), [({}, "empty"), ({"v": (np.zeros(3), "")}, "shape")])
def test_traces_refuse_what_does_not_fit(t, panels, message):
    with pytest.raises(rb.InputError, match=message):
        plot.traces(t, panels)


def test_raster_marks_every_spike():
    times, neurons = np.array([1.0, 2.0, 2.0]), np.array([0, 2, 1])
    ax = plot.raster(times, neurons, 3, until=10.0)
    x, y = ax.lines[0].get_data()
    assert (x.tolist(), y.tolist()) == ([1.0, 2.0, 2.0], [0, 2, 1])
    assert ax.get_xlim() == (0, 10)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "neuron")
    assert plot.raster(times, neurons, 3, until=10, color="red", marker="o").lines[0].get_color() == "red"


def test_raster_needs_a_neuron_for_every_spike():
    with pytest.raises(rb.InputError, match="2 spike times but 3 neurons"):
        plot.raster(np.zeros(2), np.zeros(3), 3, until=10)


@pytest.mark.parametrize("n_spikes", [0, 100, 5_000, 100_000])
def test_raster_of_any_size(n_spikes, tmp_path):
    rng = np.random.default_rng(0)
    ax = plot.raster(rng.uniform(0, 100, n_spikes), rng.integers(0, 500, n_spikes), 500, until=100)
    assert plot.save(ax.figure, tmp_path / "raster.png").stat().st_size > 2_000


def test_run_draws_itself():
    run = rb.simulate(rb.ALIF(), spikes=rb.spikes(np.arange(2, 100, 2), weight=0.3), until=100)
    assert [ax.get_ylabel() for ax in run.plot()] == ["v", "θ"]
    assert len(run.plot("v")) == 1
    assert len(run.raster().lines[0].get_xdata()) == len(run.spikes.times)


def test_table_shows_every_row_of_the_printed_one():
    ax = plot.table(str(rb.ALIF()))
    shown = " ".join(text.get_text() for text in ax.texts)
    for line in str(rb.ALIF()).splitlines():
        for word in line.split():
            assert word in shown
    assert "tau = 15 ms" in shown
    some = [text.get_text() for text in plot.table(str(rb.ALIF()), rows=["reset"]).texts]
    assert some == ["ALIF: LIF, adaptive threshold", "reset", "v <- v_r", "theta <- theta + delta"]
    with pytest.raises(rb.InputError, match="no table"):
        plot.table("LIF")


def test_buckets_are_as_full_as_said():
    ax = plot.buckets([25, 100], ["a", "b"], leaks=[1, 2])
    texts = [text.get_text() for text in ax.texts]
    assert {"25", "fired", "a", "b"} <= {*texts}
    assert [round(p.get_xy()[:, 1].max(), 1) for p in ax.patches] == [0.2, 1.0]
    with pytest.raises(rb.InputError, match="1 names for 2 buckets"):
        plot.buckets([1, 2], ["a"])
    with pytest.raises(rb.InputError, match="cannot hold -1"):
        plot.buckets([-1])


def test_save_says_what_is_wrong(tmp_path):
    figure, _ = plot.new_axes()
    with pytest.raises(rb.InputError, match=r"end the name in \.png"):
        plot.save(figure, tmp_path / "figure.xyz")
    (tmp_path / "file").write_text("")
    with pytest.raises(rb.InputError, match="cannot write"):
        plot.save(figure, tmp_path / "file" / "figure.png")
    assert plot.save(figure, tmp_path / "new" / "figure.svg").exists()


def test_settings_of_matplotlib_are_left_alone(t):
    before = dict(mpl.rcParams)
    plot.traces(t, {"v": (t, "mV")})
    plot.raster(np.zeros(3), np.zeros(3, int), 2, until=1)
    plot.table(str(rb.LIF()))
    plot.buckets([1])
    assert dict(mpl.rcParams) == before
