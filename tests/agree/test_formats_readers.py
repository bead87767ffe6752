"""What each format's own library makes of the files: pynwb, libsonata, pyarrow, and PyLEMS of the NeuroML cells.

These packages are heavy; `make test-all` installs them (the extra `readers`), and a missing one is a failure.
"""

import importlib.resources
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.unit.written_run import run_network

import rheobase as rb
from rheobase.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run() -> rb.NetworkRun:
    return run_network()


def test_pynwb(run, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of hdmf, about its own columns
        import pynwb

        path = run.to_nwb(tmp_path / "run.nwb", session_description="a test")
        with pynwb.NWBHDF5IO(str(path), "r") as io:
            file = io.read()
            assert file.session_description == "a test"
            table = file.units.to_dataframe()
            assert len(table) == 9
            for _, row in table[table.population == "a"].iterrows():
                np.testing.assert_allclose(row.spike_times * 1000, run["a"].spikes[int(row.neuron)], rtol=1e-14)
            series = file.acquisition["a_v"]
            assert (series.unit, series.conversion, series.rate) == ("volts", 1e-3, 10_000.0)
            np.testing.assert_allclose(series.data[:].T, run["a"].v, rtol=0)
        read = rb.read_spikes(path, "a")
        np.testing.assert_allclose(read.times, run["a"].spikes.times, rtol=1e-14)
        np.testing.assert_array_equal(read.neurons, run["a"].spikes.neurons)
        stimulus = rb.read_trace(path)
        assert stimulus.dimension.unit == "mV"
        np.testing.assert_allclose(stimulus.values.T, run["a"].v, rtol=1e-14)
        pynwb.validate(path=str(path))


def test_libsonata(run, tmp_path):
    import libsonata

    reader = libsonata.SpikeReader(str(run.to_sonata(tmp_path / "spikes.h5")))
    assert set(reader.get_population_names()) == {"source", "a", "quiet"}
    found = reader["a"].get()
    np.testing.assert_array_equal([t for _, t in found], run["a"].spikes.times)
    np.testing.assert_array_equal([i for i, _ in found], run["a"].spikes.neurons)
    assert reader["a"].sorting == "by_time"
    report = libsonata.SomaReportReader(str(run.to_sonata(tmp_path / "v.h5", state="v")))["a"]
    assert (report.data_units, report.time_units, list(report.get_node_ids())) == ("mV", "ms", [1, 3])
    data = report.get()
    np.testing.assert_allclose(data.data.T, run["a"].v.astype(np.float32), rtol=0)
    np.testing.assert_allclose(data.times, run["a"].t, atol=1e-9)


def test_pyarrow(run, tmp_path):
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(run.to_parquet(tmp_path / "spikes.parquet")).to_pandas()
    own = table[table.population == "a"]
    np.testing.assert_array_equal(own["time (ms)"], run["a"].spikes.times)
    np.testing.assert_array_equal(own.neuron, run["a"].spikes.neurons)
    np.testing.assert_array_equal(rb.read_spikes(tmp_path / "spikes.parquet", "a").times, run["a"].spikes.times)
    traces = run.to_parquet(tmp_path / "v.parquet", state="v")
    stimulus = rb.read_trace(traces)
    assert stimulus.dimension.unit == "mV"
    np.testing.assert_array_equal(stimulus.values.T, run["a"].v)
    whole = traces.read_bytes()
    for kept in (0, 4, 100, len(whole) - 8):
        (tmp_path / "cut.parquet").write_bytes(whole[:kept])
        with pytest.raises(InputError, match="truncated or no Parquet"):
            rb.read_trace(tmp_path / "cut.parquet")


# ------------------------------------------------------------------ PyLEMS
@pytest.fixture(scope="module")
def core_types(tmp_path_factory) -> Path:
    """The component types of NeuroML 2, which come within pyNeuroML."""
    folder = tmp_path_factory.mktemp("lems")
    jar = next(p for p in importlib.resources.files("pyneuroml.lib").iterdir() if p.name.endswith(".jar"))
    with zipfile.ZipFile(str(jar)) as archive:
        for name in archive.namelist():
            if name.startswith("NeuroML2CoreTypes/") and name.endswith(".xml"):
                (folder / Path(name).name).write_bytes(archive.read(name))
    return folder


def lems_voltage(text: str, folder: Path, until: float, dt: float) -> np.ndarray:
    """Return the voltage (mV) that PyLEMS computes of the document, one value a step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lems.model.model import Model
        from lems.sim.build import SimulationBuilder

        cells = text.split("\n", 2)[2].rsplit("</neuroml>", 1)[0]
        out = '<OutputFile id="o" fileName="o.dat"><OutputColumn id="v" quantity="cells[0]/v"/></OutputFile>'
        includes = "".join(f'<Include file="{x}.xml"/>' for x in ("Cells", "Networks", "Simulation"))
        simulation = f'<Simulation id="sim" length="{until}ms" step="{dt}ms" target="net">{out}</Simulation>'
        (folder / "sim.xml").write_text(f'<Lems><Target component="sim"/>{includes}{cells}{simulation}</Lems>')
        model = Model()
        model.add_include_directory(str(folder))
        model.import_from_file(str(folder / "sim.xml"))
        simulation = SimulationBuilder(model.resolve()).build()
        simulation.run()
        recorder = next(r for name in simulation.runnables for r in _recorders(simulation.runnables[name]))
        return np.array([v for _, v in recorder.values]) * 1000


def _recorders(runnable):
    yield from getattr(runnable, "recorded_variables", [])
    for child in [*runnable.children.values(), *getattr(runnable, "array", [])]:
        yield from _recorders(child)


CASES = {
    "iafCell": (rb.LIF(refractory=None), 0.3, None, 1e-9),
    "iafCell, conductance": (rb.LIF(form="conductance", refractory=None), 0.3, None, 1e-9),
    "iafRefCell": (rb.LIF(refractory="2.02 ms"), 0.3, "2.05 ms", 1e-9),  # held until t > 2.02 ms after the spike
    "adExIaFCell": (rb.AdEx(), 0.8, "0.05 ms", 1.0),  # the last step of the upstroke amplifies rounding
    "izhikevich2007Cell": (rb.Izhikevich2007(), 0.15, None, 1e-6),
}


@pytest.mark.parametrize("name", CASES)
def test_pylems_computes_our_cells(name, core_types):
    """Forward Euler on both sides; PyLEMS has a current one step earlier, so its trace is one step ahead."""
    cell, current, wait, close = CASES[name]
    dt, stimulus = 0.05, rb.step(current, on=20)
    theirs = lems_voltage(rb.to_neuroml(cell, I=stimulus), core_types, 200, dt)
    neuron = cell if wait is None else cell.replace(refractory=wait)
    ours = rb.simulate(neuron, I=stimulus, until=200, dt=dt, method="euler")
    count = min(len(theirs), len(ours.v)) - 1
    np.testing.assert_allclose(theirs[:count], ours.v[1 : count + 1], atol=close)
    jumps = [np.flatnonzero(np.diff(v) < -10) for v in (theirs[:count], ours.v[1 : count + 1])]
    assert len(jumps[0]) == len(ours.spikes[0]) >= 4
    np.testing.assert_array_equal(*jumps)
