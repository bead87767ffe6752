"""One PyNN script on rheobase and on NEST: the same spikes for the linear cells.

Run as a script with pyNN.nest installed, this file writes what NEST does: python tests/agree/test_pynn.py
"""

import json
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "data" / "pynn_nest.json"
WEIGHTS = {"IF_curr_exp": 1.2, "IF_curr_alpha": 2.0, "IF_curr_delta": 6.0, "IF_cond_exp": 0.03}


def script(sim, **setup):
    """Three cells of each kind, driven by given spikes, inhibiting each other."""
    sim.setup(timestep=0.1, min_delay=0.1, max_delay=5.0, **setup)
    times = [(np.arange(5.0 + i, 200.0, 7.0 + i)).round(1).tolist() for i in range(4)]
    cells = {}
    for name, weight in WEIGHTS.items():
        values = {"tau_m": [10.0, 15.0, 20.0], "i_offset": [0.0, 0.1, 0.2], "cm": 0.5, "tau_refrac": 2.0}
        kind = getattr(sim, name)(**values, v_rest=-70.0, v_reset=-70.0, v_thresh=-55.0)
        p = sim.Population(3, kind)
        p.initialize(v=-70.0)
        source = sim.Population(4, sim.SpikeSourceArray(spike_times=times))
        sim.Projection(source, p, sim.AllToAllConnector(), sim.StaticSynapse(weight=weight, delay=1.5))
        inhibition = weight if name == "IF_cond_exp" else -0.4 * weight
        sim.Projection(
            p,
            p,
            sim.AllToAllConnector(allow_self_connections=False),
            sim.StaticSynapse(weight=inhibition, delay=0.5),
            receptor_type="inhibitory",
        )
        p.record("spikes")
        cells[name] = p
    sim.run(200.0)
    return {n: [[float(t) for t in s] for s in p.get_data().segments[0].spiketrains] for n, p in cells.items()}


@pytest.fixture(scope="module")
def spikes():
    import rheobase.pynn as sim

    return script(sim)


@pytest.fixture(scope="module")
def known():
    return json.loads(DATA.read_text())["spikes"]


@pytest.mark.parametrize("name", ["IF_curr_exp", "IF_curr_alpha", "IF_curr_delta"])
def test_linear_cells_fire_as_in_nest(spikes, known, name):
    for ours, theirs in zip(spikes[name], known[name], strict=True):
        assert len(theirs) > 10
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_conductances_fire_nearly_as_in_nest(spikes, known):
    """NEST integrates adaptively, rheobase by exponential Euler: as many spikes, the first within a step."""
    for ours, theirs in zip(spikes["IF_cond_exp"], known["IF_cond_exp"], strict=True):
        assert len(ours) == len(theirs)
        assert abs(ours[0] - theirs[0]) < 0.11


if __name__ == "__main__":
    import pyNN.nest as nest

    found = script(nest, spike_precision="on_grid")
    made = "tests/agree/test_pynn.py as a script, on pyNN.nest"
    DATA.write_text(json.dumps({"made_by": made, "spikes": {k: [sorted(x) for x in v] for k, v in found.items()}}))
