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


# ---- populations and weights ---------------------------------------------------------------------


@pytest.fixture
def three():
    rng = np.random.default_rng(1)
    return {
        name: (np.sort(rng.uniform(0, 1000, 40 * n)), rng.integers(0, n, 40 * n), n)
        for name, n in (("L4E", 1000), ("L4I", 200), ("L5E", 5))
    }


def test_populations_stand_in_bands_with_their_rates(three):
    raster, right, below = plot.populations(three, until=1000, start=200, most=300)
    assert [t.get_text() for t in raster.get_yticklabels()] == ["L4E", "L4I", "L5E"]
    colours = [t.get_color() for t in raster.get_yticklabels()]
    assert colours == [plot.COLOURS[0], plot.COLOURS[1], plot.COLOURS[0]]
    low, high = raster.get_ylim()
    assert low > high == 0  # the first population on top
    rows = [np.unique(line.get_ydata()) for line in raster.lines[:3]]
    assert len(rows[2]) == 5  # a small population is shown whole
    assert 200 < len(rows[0]) < 260
    assert rows[0].max() < rows[1].min()
    assert [t.get_text() for t in right.texts] == [f"{x:.3g} Hz" for x in _rates(three, 200, 1000)]
    assert raster.get_xlim() == below.get_xlim() == (200, 1000)
    assert len(below.patches) == 3  # one course each


def _rates(spikes, start, until):
    return [np.sum((t > start) & (t <= until)) / n / (until - start) * 1e3 for t, _, n in spikes.values()]


def test_of_many_populations_the_course_is_that_of_all(three):
    many = three | {f"P{i}": three["L4I"] for i in range(3)}
    _, _, below = plot.populations(many, until=1000)
    assert len(below.patches) == 1
    count = sum(np.histogram(t, bins=np.arange(0, 1001, 5))[0] for t, _, _ in many.values())
    n = sum(n for _, _, n in many.values())
    np.testing.assert_allclose(below.patches[0].get_data().values, count / n / 0.005)
    colours = plot.population_colours(["a", "b", "c"])
    assert [*colours.values()] == [*plot.COLOURS[:3]]


def test_rates_of_neurons_are_counted_in_whole_steps():
    values = np.arange(0, 12)[np.random.default_rng(0).integers(0, 12, 500)] / 0.7  # spikes in 0.7 s
    (ax,) = plot.rates({"E": values}, bins=30)
    count, edges, _ = ax.patches[0].get_data()
    np.testing.assert_allclose(np.diff(edges), 1 / 0.7)
    np.testing.assert_allclose(count.sum(), 100)
    assert ax.get_title(loc="left") == "E"
    axes = plot.rates({f"P{i}": values for i in range(5)})
    assert len(axes) == 5
    (ax,) = plot.rates({"silent": np.zeros(4)})
    assert ax.patches[0].get_data().values.sum() == pytest.approx(100)


def test_spectra_are_drawn_on_logarithmic_axes():
    f = np.arange(1.0, 5)
    ax = plot.spectrum({"E": (f, f**2), "I": (f, 0 * f)})
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), f**2)
    assert ax.get_legend() is not None


def test_weight_matrix_adds_synapses_of_a_pair_and_means_over_cells():
    ax = plot.weight_matrix(np.array([0, 0, 2]), np.array([1, 1, 0]), np.array([1.0, 2.0, -4.0]), (3, 2), unit="nA")
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 3], [0, 0], [-4, 0]])
    assert ax.images[0].get_clim() == (-4, 4)
    rng = np.random.default_rng(2)
    pre, post = rng.integers(0, 1000, 5000), rng.integers(0, 900, 5000)
    ax = plot.weight_matrix(pre, post, 0.5, (1000, 900))
    picture = ax.images[0].get_array()
    assert picture.shape == (400, 400)
    assert picture.min() >= 0


def test_weights_are_counted():
    ax = plot.weight_histogram({"E to E": np.full(10, 0.5), "I to E": np.linspace(-2, -1, 50)}, unit="nA")
    counts = [p.get_data().values.sum() for p in ax.patches]
    assert counts == [10, 10, 50, 50]  # filled, then outlined
    assert ax.get_xlabel() == "weight (nA)"
    ax = plot.weight_histogram({"one": 0.5})
    assert ax.patches[0].get_data().values.sum() == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot.populations({}, until=10), "no population is given"),
        (lambda: plot.populations({"E": (np.ones(1), np.zeros(1), 1)}, until=5, start=5), "must come after start"),
        (lambda: plot.populations({"E": (np.ones(1), np.zeros(1), 1)}, until=5, bin=0), "bin = 0 ms is not positive"),
        (lambda: plot.rates({"E": np.empty(0)}), "one neuron or more"),
        (lambda: plot.rates({"E": np.ones(3)}, axes=[None, None]), "2 axes for 1 populations"),
        (lambda: plot.spectrum({}), "no spectrum is given"),
        (lambda: plot.spectrum({"E": (np.ones(3), np.ones(2))}), "E: 3 frequencies but 2 powers"),
        (lambda: plot.weight_matrix(np.array([0]), np.array([3]), 1.0, (1, 3)), "do not lie within the shape"),
        (lambda: plot.weight_matrix(np.array([0]), np.array([1, 2]), 1.0, (1, 3)), "a synapse needs one each"),
        (lambda: plot.weight_histogram({}), "no projection with a synapse"),
    ],
)
def test_pictures_of_populations_name_what_is_wrong(call, words):
    with pytest.raises(rb.InputError, match=words):
        call()


def test_a_run_of_a_network_draws_its_populations_without_its_sources():
    net = rb.Network()
    E = net.add("E", 20, rb.LIFexp(), I="0.3 nA")
    outside = net.add("outside", 5, rb.poisson("20 Hz"))
    net.connect(outside, E, all_to_all=True, weight="0.1 nA", delay="1 ms")
    run = rb.simulate(net, until="100 ms", dt="0.1 ms", seed=1)
    raster, _, below = run.plot(20, title="test")
    assert [t.get_text() for t in raster.get_yticklabels()] == ["E"]
    assert below.get_xlim() == (20, 100)
