"""Runs in the formats of other programs, read back by their libraries and as stimuli; and hostile files."""

import contextlib
import json
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import xarray
from tests.unit.written_run import run_network

import rheobase as rb
from rheobase.errors import InputError, NotRecorded


@pytest.fixture(scope="module")
def run() -> rb.NetworkRun:
    return run_network()


@pytest.fixture(scope="module")
def single() -> rb.Run:
    return rb.simulate(rb.LIFexp(), I=0.3, spikes=[20.0], until="80 ms", dt="0.1 ms", seed=1)


def check(source, run: rb.NetworkRun, exact: bool = True) -> None:
    for name in ("a", "source"):
        own = run[name].spikes if name == "a" else run[name]
        read = rb.read_spikes(source, name)
        np.testing.assert_allclose(read.times, own.times, rtol=0, atol=0 if exact else 1e-12)
        np.testing.assert_array_equal(read.neurons, own.neurons)


def check_trace(source, run: rb.NetworkRun, close: float = 0.0, name: str = "v") -> None:
    stimulus = rb.read_trace(source, name, population="a")
    np.testing.assert_allclose(stimulus.values.T, run["a"].v, rtol=0, atol=close)
    np.testing.assert_allclose(stimulus.times, run["a"].t, atol=1e-9)
    assert stimulus.dimension.unit == "mV"
    one = rb.read_trace(source, name, population="a", neurons=3)
    np.testing.assert_allclose(one.values, run["a"].v[1], rtol=0, atol=close)


# ------------------------------------------------------------------ each library reads what it should
def test_neo(run):
    block = run.to_neo()
    segment = block.segments[0]
    trains = {(t.annotations["population"], t.annotations["neuron"]): t for t in segment.spiketrains}
    assert len(trains) == 9
    for i in range(4):
        train = trains["a", i]
        assert str(train.units.dimensionality) == "ms"
        np.testing.assert_array_equal(train.magnitude, run["a"].spikes[i])
    signal = segment.analogsignals[0]
    assert str(signal.units.dimensionality) == "mV"
    assert float(signal.sampling_period.rescale("ms")) == pytest.approx(0.1)
    np.testing.assert_array_equal(signal.magnitude.T, run["a"].v)
    np.testing.assert_array_equal(signal.array_annotations["neuron"], [1, 3])
    assert {g.name for g in block.groups} == {"source", "a", "quiet"}
    check(block, run)
    check(segment, run)
    check_trace(block, run)


def test_xarray(run, single):
    tree = run.to_xarray()
    assert isinstance(tree, xarray.DataTree)
    data = tree["a"].to_dataset()
    np.testing.assert_array_equal(data.v, run["a"].v)
    assert data.v.attrs["units"] == "mV"
    assert data.time.attrs["units"] == "ms"
    np.testing.assert_array_equal(data.v.sel(neuron=3), run["a"].v[1])
    np.testing.assert_array_equal(data.spike_time, run["a"].spikes.times)
    check(tree, run)
    check_trace(tree, run)
    alone = single.to_xarray()
    assert isinstance(alone, xarray.Dataset)
    np.testing.assert_array_equal(alone.I_syn[0], single.I_syn)
    stimulus = rb.read_trace(alone.I_syn)
    np.testing.assert_array_equal(stimulus.values, single.I_syn)
    assert stimulus.dimension.unit == "nA"


def test_csv(run, tmp_path):
    path = run.to_csv(tmp_path / "spikes.csv")
    table = pandas.read_csv(path)
    assert [*table.columns] == ["population", "neuron", "time (ms)"]
    np.testing.assert_array_equal(np.sort(table["time (ms)"]), run.spikes.times)
    check(path, run)
    traces = run.to_csv(tmp_path / "v.csv", state="v")
    frame = pandas.read_csv(traces)
    assert [*frame.columns] == ["time (ms)", "a[1] v (mV)", "a[3] v (mV)"]
    np.testing.assert_array_equal(frame["a[3] v (mV)"], run["a"].v[1])
    check_trace(traces, run)
    check_trace(frame, run)


def test_pandas(run):
    check(run.to_pandas(), run)


def test_npz_and_recordings(run, single, tmp_path):
    path = single.save(tmp_path / "run.npz")
    np.testing.assert_array_equal(rb.read_spikes(path).times, single.spikes.times)
    stimulus = rb.read_trace(path, "I_syn")
    np.testing.assert_array_equal(stimulus.values, single.I_syn)
    assert stimulus.dimension.unit == "nA"
    net = rb.networks.cuba(100)
    kept = rb.simulate(net, until="30 ms", seed=1, record_to=tmp_path / "run.rheo", record={"E": "v"})
    for source in (tmp_path / "run.rheo", rb.convert_recording(tmp_path / "run.rheo", tmp_path / "all.npz")):
        np.testing.assert_array_equal(rb.read_spikes(source, "E").times, kept["E"].spikes.times)
        np.testing.assert_array_equal(rb.read_trace(source, "v", population="E").values.T, kept["E"].v)


def test_npz_of_a_network(run, tmp_path):
    path = run.to_npz(tmp_path / "net.npz")
    with np.load(path, allow_pickle=False) as data:
        np.testing.assert_array_equal(data["a/spikes/times"], run["a"].spikes.times)
        assert data["a/traces/v"].shape == (601, 2)
    check(path, run)
    check_trace(path, run)


def test_sonata_by_its_layout(run, tmp_path):
    path = run.to_sonata(tmp_path / "spikes.h5")
    with h5py.File(path) as file:
        group = file["spikes/a"]
        np.testing.assert_array_equal(group["timestamps"], run["a"].spikes.times)
        np.testing.assert_array_equal(group["node_ids"], run["a"].spikes.neurons)
        assert group["timestamps"].attrs["units"] == "ms"
        assert h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype)["by_time"] == group.attrs["sorting"] == 2
    check(path, run)
    report = run.to_sonata(tmp_path / "v.h5", state="v")
    check_trace(report, run, close=1e-5, name="report")


def test_a_run_drives_another(run, tmp_path):
    """The spikes of a file, given to a network, act as the population they came from."""
    path = run.to_csv(tmp_path / "spikes.csv")
    spikes = []
    for source in (rb.spikes(run["source"]), rb.read_spikes(path, "source", n=3)):
        net = rb.Network()
        a = net.add("a", 4, rb.LIF(), I=[0.2, 0.25, 0.3, 0.35])
        net.connect(net.add("source", 3, source), a, all_to_all=True, weight="2 mV", delay="1 ms")
        spikes.append(rb.simulate(net, until="60 ms", dt="0.1 ms", seed=1)["a"].spikes.times)
    np.testing.assert_array_equal(spikes[0], spikes[1])
    np.testing.assert_array_equal(spikes[0], run["a"].spikes.times)


def test_a_current_drives_a_neuron_from_a_file(tmp_path):
    (tmp_path / "I.csv").write_text("time (ms),I (pA)\n0,0\n10,300\n50,0\n")
    read = rb.simulate(rb.LIF(), I=rb.read_trace(tmp_path / "I.csv"), until="60 ms", dt="0.1 ms").spikes[0]
    step = rb.simulate(rb.LIF(), I=rb.step("0.3 nA", on=10, off=50), until="60 ms", dt="0.1 ms").spikes[0]
    np.testing.assert_array_equal(read, step)


# ------------------------------------------------------------------ mistakes and hostile files
def test_files_are_not_overwritten_and_names_are_suggested(run, tmp_path):
    run.to_csv(tmp_path / "a.csv")
    for write in (run.to_csv, run.to_sonata):
        with pytest.raises(InputError, match="is there already"):
            write(tmp_path / "a.csv")
    with pytest.raises(InputError, match="no folder"):
        run.to_csv(tmp_path / "nowhere" / "a.csv")
    with pytest.raises(InputError, match="'u' was not recorded"):
        run.to_csv(tmp_path / "b.csv", state="u")
    with pytest.raises(InputError, match="name one"):
        rb.read_spikes(tmp_path / "a.csv")
    with pytest.raises(InputError, match="Did you mean 'source'"):
        rb.read_spikes(tmp_path / "a.csv", "surce")
    with pytest.raises(InputError, match="n = 1"):
        rb.read_spikes(tmp_path / "a.csv", "a", n=1)
    with pytest.raises(InputError, match="no trace 'u'"):
        rb.read_trace(run, "u")
    with pytest.raises(NotRecorded, match="no trace of neuron 0"):
        rb.read_trace(run, "v", neurons=0)
    with pytest.raises(InputError, match="holds no spikes"):
        rb.read_spikes(42)
    (tmp_path / "a.xyz").write_text("x")
    with pytest.raises(InputError, match="no format is known"):
        rb.read_spikes(tmp_path / "a.xyz")
    for name in ("no.csv", "no.nwb", "no.h5", "no.npz", "no.parquet"):
        with pytest.raises(InputError, match="there is no file"):
            rb.read_spikes(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line of different column names"),
        ("time,time\n1,2\n", "different column names"),
        ("population,neuron,time\na,0\n", "line 2: 2 columns"),
        ("population,neuron,time\na,0,x\n", "line 2: 'x' is no number"),
        ("population,neuron,time\na,0,nan\n", "NaN or infinite"),
        ("population,neuron,time\na,0.5,1\n", "numbered 0, 1, 2"),
        ("population,neuron,time\na,-1,1\n", "numbered 0, 1, 2"),
        ("population,neuron,time (furlong)\na,0,1\n", "wanted ms or s"),
        ("population,neuron\na,0\n", "wanted population, neuron, time"),
        ("time\n1\n", "nothing else"),
    ],
)
def test_bad_csv_names_the_place(text, said, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        rb.read_spikes(tmp_path / "a.csv")


def test_bad_npz(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, times=np.array([{}], dtype=object), neurons=np.zeros(1, dtype=int), allow_pickle=True)
    with pytest.raises(InputError, match="Python objects"):
        rb.read_spikes(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:  # a header that declares 8 TB
        head = np.lib.format.header_data_from_array_1_0(np.zeros(1))
        with archive.open("times.npy", "w") as file:
            np.lib.format.write_array_header_1_0(file, {**head, "shape": (1 << 40,)})
            file.write(b"0" * 100)
    with pytest.raises(InputError, match="declares the shape"):
        rb.read_spikes(path)
    np.savez(path, times=np.ones(3), neurons=np.zeros(2, dtype=int))
    with pytest.raises(InputError, match="are no spikes"):
        rb.read_spikes(path)
    np.savez(path, x=np.ones(3))
    with pytest.raises(InputError, match="wanted times and neurons"):
        rb.read_spikes(path)
    whole = path.read_bytes()
    for kept in (0, 10, len(whole) - 10):
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError, match="truncated"):
            rb.read_spikes(path)


def _sonata(path: Path, change) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("spikes/a")
        group["timestamps"], group["node_ids"] = np.array([1.0, 2.0]), np.array([0, 1], dtype="u8")
        change(file)
    return path


def _link(file):
    del file["spikes/a/timestamps"]
    file["spikes/a/timestamps"] = h5py.ExternalLink("other.h5", "/x")


def _large(file):
    del file["spikes/a/node_ids"]
    file.create_dataset("spikes/a/node_ids", (1 << 45,), "u8", chunks=(1024,))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_link, "link into another file"),
        (_large, "declares the shape"),
        (lambda f: f["spikes/a/node_ids"].__setitem__(0, 2**63), "numbers go up to"),
        (lambda f: f["spikes"].__delitem__("a"), "neither spikes nor a report"),
        (lambda f: f["spikes/a"].__delitem__("node_ids"), "lacks timestamps or node_ids"),
        (lambda f: f["spikes/a/timestamps"].attrs.__setitem__("units", "years"), "wanted ms or s"),
        (lambda f: f.create_dataset("report/a/data", data=np.ones((3, 2))), "lacks data or mapping"),
    ],
)
def test_bad_sonata(change, said, tmp_path):
    with pytest.raises(InputError, match=said):
        rb.read_spikes(_sonata(tmp_path / "a.h5", change))


def _nwb(path: Path, change) -> Path:
    with h5py.File(path, "w") as file:
        units = file.create_group("units")
        units["spike_times"], units["spike_times_index"] = np.array([0.001, 0.002, 0.003]), np.array([2, 3])
        series = file.create_group("acquisition/x")
        series["data"] = np.ones(4)
        series["data"].attrs["unit"], series["data"].attrs["conversion"] = "amperes", 1e-12
        series["starting_time"] = 0.0
        series["starting_time"].attrs["rate"] = 1000.0
        series.attrs["comments"] = json.dumps({"population": "a"})
        change(file)
    return path


def test_nwb_of_others_is_read_without_pynwb(tmp_path):
    path = _nwb(tmp_path / "a.nwb", lambda f: None)
    read = rb.read_spikes(path, "units")
    assert (read.times.tolist(), read.neurons.tolist()) == ([1.0, 2.0, 3.0], [0, 0, 1])
    trace = rb.read_trace(path)
    assert trace.dimension.unit == "nA"
    np.testing.assert_allclose(trace.values, 1e-3)
    np.testing.assert_allclose(trace.times, [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f["units/spike_times_index"].__setitem__(1, 99), "does not fit spike_times"),
        (lambda f: f["units/spike_times_index"].__setitem__(0, -1), "does not fit spike_times"),
        (lambda f: f["acquisition/x/starting_time"].attrs.__setitem__("rate", -1.0), "a rate of -1"),
        (lambda f: f["acquisition/x"].__delitem__("starting_time"), "neither timestamps nor a rate"),
        (lambda f: f.__setitem__("away", h5py.ExternalLink("other.nwb", "/")), "link into another file"),
        (lambda f: [f.__delitem__(k) for k in [*f]], "neither units nor an acquisition"),
    ],
)
def test_bad_nwb(change, said, tmp_path):
    with pytest.raises(InputError, match=said):
        rb.read_spikes(_nwb(tmp_path / "a.nwb", change))


def test_damaged_hdf5_never_does_more_than_fail(tmp_path):
    data = _nwb(tmp_path / "a.nwb", lambda f: None).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 30):
            broken[place] = rng.integers(0, 256)
        (tmp_path / "b.nwb").write_bytes(broken)
        with contextlib.suppress(rb.RheobaseError):
            rb.read_spikes(tmp_path / "b.nwb", "units")


def test_a_missing_package_is_named_with_its_extra(run, monkeypatch):
    for package, call in (("neo", run.to_neo), ("xarray", run.to_xarray)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=rf"rheobase\[{package}\]"):
            call()
