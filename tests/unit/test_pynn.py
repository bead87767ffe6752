"""The PyNN back end: what is described comes out, what changes on the way counts, mistakes are told."""

import numpy as np
import pytest

import rheobase as rb

pytest.importorskip("pyNN")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def sim():
    import rheobase.pynn as sim

    sim.setup(timestep=0.1)
    yield sim
    sim.end()


def trains(population):
    return [np.asarray(s.magnitude) for s in population.get_data().segments[-1].spiketrains]


def test_a_cell_fires_as_its_rows_do(sim):
    cell = sim.Population(2, sim.IF_curr_exp(i_offset=[0.8, 1.0]))
    cell.record(["spikes", "v"])
    sim.run(100.0)
    lif = rb.LIF(
        tau="20 ms", R="20 MOhm", E_L="-65 mV", theta="-50 mV", v_r="-65 mV", t_ref="0.1 ms", threshold="v >= theta"
    )
    expected = rb.simulate(lif, I=np.array([0.8, 1.0]), until="100 ms", dt="0.1 ms")
    for i, train in enumerate(trains(cell)):
        np.testing.assert_allclose(train, expected.spikes[i], atol=1e-9)
    np.testing.assert_allclose(cell.get_data().segments[0].analogsignals[0].magnitude, expected.v.T, atol=1e-9)


def test_runs_in_pieces_and_changes_between_them(sim):
    cell = sim.Population(1, sim.IF_curr_exp())
    source = sim.DCSource(amplitude=0.0)
    source.inject_into(cell)
    cell.record("v")
    for _ in range(3):
        sim.run(20.0)
        source.amplitude += 0.2
    v = cell.get_data().segments[0].analogsignals[0].magnitude[:, 0]
    assert v.shape == (601,)
    assert v[200] == -65.0
    steady = -65.0 + 20.0 * 0.2 * (1 - np.exp(-1.0))
    assert v[400] == pytest.approx(steady)
    assert sim.get_current_time() == pytest.approx(60.0)


def test_two_runs_are_one_run(sim):
    def build():
        sim.setup(timestep=0.1, rng_seed=5)
        noise = sim.Population(20, sim.SpikeSourcePoisson(rate=300.0))
        cells = sim.Population(10, sim.IF_cond_exp())
        sim.Projection(noise, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.01, delay=1.0))
        sim.Projection(cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.002, delay=3.0))
        cells.record(["spikes", "v", "gsyn_exc"])
        return cells

    whole = build()
    sim.run(200.0)
    expected, data = trains(whole), whole.get_data().segments[0]
    pieces = build()
    for _ in range(4):
        sim.run(50.0)
    again = pieces.get_data().segments[0]
    assert sum(map(len, expected)) > 50
    for a, b in zip(trains(pieces), expected, strict=True):
        assert np.array_equal(a, b)
    for name in ("v", "gsyn_exc"):
        assert np.array_equal(again.filter(name=name)[0].magnitude, data.filter(name=name)[0].magnitude)


def test_reset_begins_a_segment(sim):
    cell = sim.Population(1, sim.IF_curr_exp(i_offset=1.0))
    cell.record("spikes")
    sim.run(50.0)
    sim.reset()
    sim.run(50.0)
    first, second = cell.get_data().segments
    assert np.array_equal(first.spiketrains[0].magnitude, second.spiketrains[0].magnitude)


def test_weights_change_by_stdp_and_are_read_back(sim):
    pre = sim.Population(1, sim.SpikeSourceArray(spike_times=[10.0, 30.0, 50.0]))
    post = sim.Population(1, sim.IF_curr_exp(tau_refrac=1.0))
    drive = sim.Population(1, sim.SpikeSourceArray(spike_times=[13.0, 33.0, 53.0]))
    sim.Projection(drive, post, sim.AllToAllConnector(), sim.StaticSynapse(weight=30.0, delay=0.1))
    rule = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(A_plus=0.02, A_minus=0.01),
        weight_dependence=sim.AdditiveWeightDependence(w_max=1.0),
        weight=0.2,
        delay=0.5,
    )
    projection = sim.Projection(pre, post, sim.AllToAllConnector(), rule)
    sim.run(80.0)
    assert projection.get("weight", format="list", with_address=False)[0] > 0.21


def test_parameters_of_synapses_may_differ(sim):
    pre, post = sim.Population(3, sim.SpikeSourceArray(spike_times=[5.0, 15.0])), sim.Population(2, sim.IF_cond_exp())
    projection = sim.Projection(
        pre, post, sim.AllToAllConnector(), sim.TsodyksMarkramSynapse(U=0.5, weight=0.01, delay=0.2)
    )
    projection.set(U=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    post.record("gsyn_exc")
    sim.run(10.0)
    g = post.get_data().segments[0].analogsignals[0].magnitude
    assert g[52].tolist() == pytest.approx([0.01 * (0.1 + 0.3 + 0.5), 0.01 * (0.2 + 0.4 + 0.6)])


@pytest.mark.parametrize(
    "name", ["IF_cond_alpha", "EIF_cond_exp_isfa_ista", "IF_cond_exp_gsfa_grr", "HH_cond_exp", "Izhikevich"]
)
def test_other_cells_fire(sim, name):
    current = {"Izhikevich": 0.02, "HH_cond_exp": 1.0}.get(name, 1.5)
    cell = sim.Population(1, getattr(sim, name)(i_offset=current))
    cell.initialize(v=-65.0)
    cell.record("spikes")
    sim.run(200.0)
    assert 2 < len(trains(cell)[0]) < 400


def test_sources_with_dead_time(sim):
    sources = sim.Population(2, sim.SpikeSourcePoissonRefractory(rate=50.0, tau_refrac=[0.0, 10.0]))
    sources.record("spikes")
    sim.run(1000.0)
    sim.run(1000.0)
    free, dead = trains(sources)
    assert np.diff(dead).min() >= 10.0 - 1e-9
    assert np.diff(free).min() < 10.0
    assert 60 < len(dead) < 140


def test_mistakes_are_told(sim):
    from pyNN import errors

    cells = sim.Population(2, sim.IF_curr_exp())
    with pytest.raises(errors.ConnectionError, match="shorter than the time step"):
        sim.Projection(cells, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=1.0, delay=0.01))
    with pytest.raises(rb.InputError, match="dendritic_delay_fraction"):
        sim.STDPMechanism(
            timing_dependence=sim.SpikePairRule(),
            weight_dependence=sim.AdditiveWeightDependence(),
            dendritic_delay_fraction=0.5,
        )
    with pytest.raises(errors.InvalidParameterValueError):
        sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0, 2.0]))
    with pytest.raises(TypeError):
        sim.DCSource(amplitude=1.0).inject_into(sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0])))
    with pytest.raises(rb.InputError, match="timestep"):
        sim.setup(timestep=-1.0)


def test_pynn_finds_it_by_name(sim):
    import importlib

    assert importlib.import_module("pyNN.rheobase") is sim
    assert "IF_curr_exp" in sim.list_standard_models()
