"""Scripts printed for Brian2 and PyNN: the spikes they gave there are those of the network here."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.errors import InputError, NotExportable

HERE = Path(__file__).parents[1] / "data" / "scripts"


def load():
    spec = importlib.util.spec_from_file_location("scripts", HERE / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MADE = load()
THEIRS = {k: v for f in ("brian2.json", "pynn.json") for k, v in json.loads((HERE / f).read_text()).items()}


@pytest.fixture(scope="module")
def printed():
    return dict(MADE.scripts())


@pytest.mark.parametrize("name", THEIRS)
def test_the_script_that_was_run_is_what_is_printed(name, printed):
    assert printed[name] == (HERE / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", THEIRS)
def test_its_spikes_are_those_of_the_network(name):
    """On the grid of 0.1 ms, the exact method on both sides; Brian2 2.9.0, PyNN 0.13.0 on NEST 3.10.0."""
    net = MADE.networks()[name.partition("_")[2]]
    run = rb.simulate(net, until=MADE.UNTIL, dt="0.1 ms", seed=MADE.SEED)
    for population, trains in THEIRS[name].items():
        assert sum(map(len, trains)) > 5
        for ours, theirs in zip(run[population].spikes, trains, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_long_arrays_are_kept_beside_the_script(tmp_path):
    net = rb.networks.cuba(200)
    with pytest.raises(InputError, match="give file="):
        rb.to_brian2(net, until="10 ms")
    for write, name in ((rb.to_brian2, "b"), (rb.to_pynn, "p")):
        text = write(net, tmp_path / f"{name}.py", until="10 ms", seed=1)
        assert (tmp_path / f"{name}.py").read_text() == text
        compile(text, name, "exec")
        with np.load(tmp_path / f"{name}.npz", allow_pickle=False) as data:
            assert len(data.files) >= 4
        with pytest.raises(InputError, match="is there already"):
            write(net, tmp_path / f"{name}.py", until="10 ms", seed=1)


def test_what_a_script_cannot_say_is_listed():
    net = rb.Network()
    a = net.add("a", 2, rb.IAF())
    b = net.add("b", 2, rb.LIF(), spikes=rb.poisson("10 Hz", weight="1 mV"))
    net.connect(a, b, all_to_all=True, weight="1 mV", delay="1 ms", synapse=rb.stdp(w_max="2 mV"))
    with pytest.raises(NotExportable, match=r"a: the bound of v; b: spikes given at port spikes.*plasticity"):
        rb.to_brian2(net)
    with pytest.raises(NotExportable, match=r"a: noise, a hazard or a bound; b: spikes given at port.*plasticity"):
        rb.to_pynn(net)
    with pytest.raises(NotExportable, match="none of PyNN's standard cells"):
        rb.to_pynn(rb.MAT().replace(refractory=None))
    with pytest.raises(InputError, match="no module of PyNN"):
        rb.to_pynn(rb.LIF(), simulator="import os")


def test_names_become_names_of_python():
    net = rb.Network()
    a = net.add("my cells; print(1)", 2, rb.LIF())
    net.connect(a, a, one_to_one=True, weight="1 mV", delay="1 ms")
    for text in (rb.to_brian2(net, until="10 ms"), rb.to_pynn(net, until="10 ms")):
        compile(text, "script", "exec")
        assert "my_cells__print_1_" in text
