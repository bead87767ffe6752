"""Every example runs, states only numbers that come out, and writes its pictures."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.py"))


def load(path: Path):
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_examples_are_there():
    assert len(EXAMPLES) >= 14


#: thousands of neurons, or training: minutes
SLOW = {"08_published_networks", "09_digits_stdp", "10_relu_to_spikes", "12_digits_surrogate"}


@pytest.mark.parametrize(
    "path", [pytest.param(p, marks=[pytest.mark.slow] * (p.stem in SLOW), id=p.stem) for p in EXAMPLES]
)
def test_example_draws_its_figures(path, tmp_path):
    try:
        module = load(path)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs {error.name}")
    if not hasattr(module, "FIGURES"):
        pytest.skip("not a gallery of figures")
    for needs in getattr(module, "NEEDS", {}).values():
        for name in needs:
            pytest.importorskip(name)
    written = module.main(tmp_path)
    assert [p.stem for p in written] == [*module.FIGURES]
    for picture in written:
        assert picture.read_bytes()[:4] == b"\x89PNG"
        assert picture.stat().st_size > 5_000
    assert {*tmp_path.iterdir()} == {*written}
    assert all(draw.__doc__ for draw in module.FIGURES.values())


def test_relu_to_spikes_draws_the_staircase_without_torch():
    module = load(next(p for p in EXAMPLES if p.stem == "10_relu_to_spikes"))
    figure, runs = module.FIGURES["10_staircase"]()
    assert len(figure.axes) == 2
    assert len(runs) == 2
    assert "10_staircase" not in module.NEEDS


def test_published_networks_draw_the_first_figure():
    module = load(next(p for p in EXAMPLES if p.stem == "08_published_networks"))
    figure, runs = module.FIGURES["08_cuba"]()
    assert len(figure.axes) == 3
    assert runs[0].n == 3200


def test_example_runs_as_a_script(tmp_path):
    path = next(p for p in EXAMPLES if p.stem == "03_three_phase")
    done = subprocess.run([sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "03_square.png").exists()


@pytest.fixture
def three_phases():
    return load(next(p for p in EXAMPLES if p.stem == "03_three_phase"))


@pytest.fixture
def seeds(data):
    return json.loads((data / "seeds_values.json").read_text())


def test_three_phase_rows_give_the_reference_trace(three_phases, seeds):
    """The rule written as rows against the trace and spikes made independently, for the square current."""
    known = seeds["S003.square.dt1"]
    t = np.arange(200)
    current = 0.5 * ((t > 10) & (t < 30)) + 1.2 * ((t > 50) & (t < 100)) + 1.5 * ((t > 120) & (t < 180))
    run = three_phases.drive(current)
    assert run.spikes[0].tolist() == known["fire_times_ms"]
    np.testing.assert_allclose(run.u, known["U"], rtol=1e-5, atol=1e-7)  # that reference is in float32


def test_three_phase_rows_follow_the_fixed_random_current(three_phases, seeds):
    known = seeds["S003.random.fixed"]
    run = three_phases.drive(np.array(known["I"]))
    assert run.spikes[0].tolist() == known["fire_steps"]
    np.testing.assert_allclose(run.u, known["U"], rtol=0, atol=1e-12)


def test_three_phase_rows_follow_the_fixed_synaptic_spikes(three_phases, seeds):
    known = seeds["S003.synaptic.fixed"]
    when, which = np.array(known["spikes"]).T
    neuron = three_phases.three_phases.replace(
        evolve="tau du/dt = R*I - u\nh dp/dt = u - p\nh_s dI/dt = -I",
        receive="I <- I + q/tau_s*w_i",
        h_s=1 / -np.expm1(-0.1),
        tau_s=10,
        q=1.5,
        I=0,
    )
    incoming = rb.spikes(when - 1.0, weight=np.array(known["W"])[which])
    run = rb.simulate(neuron, spikes=incoming, until=199, dt=1, method="euler")
    assert run.spikes[0].tolist() == known["fire_steps"]
    np.testing.assert_allclose(run.u, known["U"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.I[:-1], known["I"][1:], rtol=0, atol=1e-12)


def test_loop_agrees_with_the_reference_in_every_value(seeds):
    module = load(next(p for p in EXAMPLES if p.stem == "01_sinabs_loop"))
    known = seeds["S001.loop"]
    run = rb.simulate(module.lif, I=11, until=100, dt=1, method="euler")
    assert run.spikes[0].tolist() == known["spikes"]
    np.testing.assert_allclose(run.v, known["vmem"], rtol=1e-12)
