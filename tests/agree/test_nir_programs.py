"""NIR against other programs: files they wrote, files they read, the traces they published, each by its convention."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.exchange.nir.exporting import to_nir_graph

HERE = Path(__file__).parents[1] / "data"

#: program -> (convention, what its voltage is multiplied by to be the file's, how close it comes)
PUBLISHED = {
    "norse": ("norse", 1.0, 3e-8),
    "snntorch": ("snntorch", 0.04, 5e-8),
    "spinnaker2": ("spinnaker2", 0.04, 3e-5),
    "lava_cpu_float": ("lava", 1.0, 5e-8),
    "nengo": ("nengo", 0.1, 2e-9),
    "sinabs": ("sinabs", 1.0, 2e-8),
    "rockpool": ("rockpool", 1.0, 2e-8),
    "spyx": ("spyx", 1.0, 6e-8),
    "exact": ("exact subtract", 1.0, 7e-4),
}


@pytest.mark.parametrize("program", PUBLISHED)
@pytest.mark.parametrize("mode", ["values", "spikes"])
def test_a_published_trace_is_that_of_the_programs_convention(program, mode):
    """The single LIF of the NIR paper, 1000 steps of 0.1 ms (Pedersen et al. 2024, Nature Communications 15, 8122)."""
    convention, scale, close = PUBLISHED[program]
    x, v, z = np.loadtxt(HERE / "nir_lif" / f"lif_{program}.csv", delimiter=",").T
    fed = (x != 0).astype(float)  # sinabs' own file has the input times 0.04
    given = fed[:, None] if mode == "values" else [np.flatnonzero(fed) * 0.1]
    made = rb.import_nir(HERE / "nir_lif" / "lif_norse.nir", dt="0.1 ms", convention=convention, inputs=given)
    run = rb.simulate(made.network, until="100.5 ms", dt="0.1 ms", record={"1": "v"})
    spikes, trace = made.raster(run, "output", 1000)[:, 0], made.trace(run, "output", 1000)[:, 0]
    np.testing.assert_array_equal(spikes, z)
    late = made.convention.shift
    if program == "spyx":  # its voltage is that before the reset, and not late as its spikes are
        crossed = np.append(spikes[1:], 0)
        trace, late = trace + crossed * 0.1 / (1 - 0.04), 0
    shifted = np.concatenate([np.zeros(late), trace[: 1000 - late]])
    assert np.abs(shifted - v * scale).max() < close


WRITTEN = sorted(p.stem for p in (HERE / "nir").glob("*.nir"))


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("mode", ["values", "spikes"])
def test_a_file_by_another_program_gives_that_programs_spikes(name, mode):
    """Norse, snnTorch, SpikingJelly: layers, a convolution, recurrence, synaptic currents (tests/data/nir/make.py)."""
    with np.load(HERE / "nir" / f"{name}.npz") as data:
        x, z, dt = data["x"], data["z"], float(data["dt"]) * 1000
    switches = {"reset": "late subtract"} if name.endswith("subtract") else {}
    given = x if mode == "values" else [np.flatnonzero(c) * dt for c in x.reshape(len(x), -1).T]
    made = rb.import_nir(HERE / "nir" / f"{name}.nir", dt, name.partition("_")[0], given, **switches)
    run = rb.simulate(made.network, until=(len(x) + 5) * dt, dt=dt)
    np.testing.assert_array_equal(made.raster(run, next(iter(made.outputs)), len(x)), z.reshape(len(x), -1))


def our_cases():
    spec = importlib.util.spec_from_file_location("ours", HERE / "nir" / "ours.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.networks()


@pytest.mark.parametrize(("name", "program", "dt", "x", "net"), [*our_cases()], ids=[c[0] for c in our_cases()])
def test_another_program_gives_our_spikes_of_a_file_of_ours(name, program, dt, x, net):
    """Their spikes were made by tests/data/nir/ours.py from the file that is written here."""
    with np.load(HERE / "nir" / "ours.npz") as data:
        z = data[f"{name}/z"]
        kept = {k.partition("/")[2]: data[k] for k in data.files if k.startswith(f"{name}/")}
        np.testing.assert_array_equal(data[f"{name}/x"], x)
    graph = to_nir_graph(net, dt=dt, convention=program)
    for node in ("source_to_a", "a_to_b_1"):
        np.testing.assert_allclose(graph.nodes[node].fields["weight"], kept[node], rtol=1e-12)
    run = rb.simulate(net, until=(len(z) + 6) * dt, dt=dt)
    spikes = run["b"].spikes
    ours = np.zeros((len(z) + 7, 5), dtype=np.int8)
    ours[np.rint(spikes.times / dt).astype(int), spikes.neurons] = 1
    late = 4 if name.endswith("exp") else 2  # in the other programs a spike passes both layers in one step
    assert z.sum() > 15
    np.testing.assert_array_equal(ours[late : late + len(z)], z)
