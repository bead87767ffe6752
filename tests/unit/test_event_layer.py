"""learn.EventLayer: what it takes, what it refuses, and what stays legal while it is trained."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rheobase as rb
from rheobase import InputError, NotExact

torch = pytest.importorskip("torch")

from rheobase.learn import EventLayer, Spikes  # noqa: E402

CELL = rb.LIFexp(E_L=0, theta=1, v_r=0, R=1, tau="20 ms", tau_s="5 ms", refractory=None)
ONE = Spikes.from_lists([([0.0, 1.0], [0, 1])])


def layer(**options):
    torch.manual_seed(0)
    made = EventLayer(2, 3, CELL, **options)
    made.weight.data.fill_(4.0)
    return made


def test_elements_without_spikes_and_silent_neurons():
    given = Spikes.from_lists([([], []), ([0.0, 1.0], [0, 1]), ([], [])], n=2)
    lif = layer()
    lif.weight.data[2] = -1.0
    out = lif(given)
    assert out.counts().tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]] or int(out.counts()[1, 2]) == 0
    assert out.counts()[0].sum() == out.counts()[2].sum() == 0
    out.first(silent=50.0).sum().backward()
    assert torch.isfinite(lif.weight.grad).all()
    assert lif.weight.grad[2].abs().sum() == 0
    assert lif.silent.tolist() == [False, False, True]
    before = lif.weight.detach().clone()
    assert lif.wake(0.5) == 1
    assert torch.equal(lif.weight[:2], before[:2])
    assert bool((lif.weight[2] > before[2]).all())


def test_a_batch_without_any_spike():
    given = Spikes.from_lists([([], []), ([], [])], n=2)
    lif = layer()
    out = lif(given)
    assert len(out) == 0
    assert out.batch == 2
    out.times.sum().backward()
    assert lif.weight.grad.abs().sum() == 0


def test_what_arrives_after_the_end_has_no_effect():
    lif = layer(until=10.0)
    late = Spikes.from_lists([([0.0, 1.0, 10.5], [0, 1, 0])])
    times = late.times.clone().requires_grad_()
    out = lif(Spikes(times, late.neurons, late.offsets, 2))
    assert torch.equal(out.times, lif(ONE).times)
    out.times.sum().backward()
    assert times.grad[2] == 0
    assert float(out.times.max().detach()) <= 10.0


def test_float32_weights_get_float32_gradients():
    lif = layer().float()
    out = lif(ONE)
    assert out.times.dtype == torch.float64
    out.times.sum().backward()
    assert lif.weight.grad.dtype == torch.float32


def test_layers_stack_and_are_saved():
    net = torch.nn.Sequential(layer(), EventLayer(3, 2, CELL, train=("weight", "tau", "delay"), delays=0.5))
    again = torch.nn.Sequential(layer(), EventLayer(3, 2, CELL, train=("weight", "tau", "delay"), delays=0.7))
    again.load_state_dict(net.state_dict())
    assert torch.equal(net(ONE).times, again(ONE).times)
    assert float(net[1].tau.detach()) == pytest.approx(20.0)


def test_numbers_stay_legal_under_a_wild_optimiser():
    cell = CELL.replace(refractory="1 ms")
    lif = EventLayer(2, 3, cell, recurrent=True, delays=0.3, train=("weight", "delay", "tau", "t_ref"), until=30.0)
    with torch.no_grad():
        lif.weight.fill_(1.0)
        lif.recurrent_weight.zero_()
        lif.delay.fill_(-2.0)
        lif.recurrent_delay.fill_(-2.0)
        lif.values.value_t_ref.fill_(-1.0)
        lif.values.log_tau.fill_(0.5)
    lif(ONE)
    assert float(lif.delay.detach()) == 0.0
    assert float(lif.recurrent_delay.detach()) == pytest.approx(0.1)
    assert float(lif.t_ref.detach()) == 0.0
    assert float(lif.tau.detach()) == pytest.approx(math.exp(0.5))
    lif.weight.data[0, 0] = math.nan
    with pytest.raises(InputError, match="weights hold NaN"):
        lif(ONE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": -1.0}, "not positive"),
        ({"tau": [1.0, 2.0]}, "3 neurons"),
        ({"tau": math.nan}, "tau"),
        ({"tua": 1.0}, "Did you mean 'tau'"),
        ({"train": ("taw",)}, "Did you mean 'tau'"),
        ({"delays": -1.0}, "finite times >= 0"),
        ({"delays": np.zeros((2, 3))}, r"\(3, 2\)"),
        ({"until": 0}, "until"),
        ({"until": math.nan}, "until"),
        ({"recurrent": True}, "needs an end"),
        ({"recurrent_delays": 1.0}, "not recurrent"),
        ({"recurrent": True, "until": 10, "recurrent_delays": 0.0}, "wait for itself"),
        ({"port": "exc"}, "port"),
        ({"read": "max v", "until": 10}, "threshold=None"),
        ({"read": "min v", "until": 10}, "unknown"),
        ({"read": "last v"}, "needs an end"),
        ({"read": "v"}, "needs times"),
        ({"read": "v", "at": [-1.0]}, "needs times"),
        ({"at": [1.0]}, "give read="),
        ({"threads": 0}, "threads"),
    ],
)
def test_what_cannot_be_meant_is_named(options, message):
    with pytest.raises(InputError, match=message):
        EventLayer(2, 3, CELL, **options)


def test_sizes_and_cells_are_checked():
    with pytest.raises(InputError, match="n_in"):
        EventLayer(0, 3, CELL)
    with pytest.raises(InputError, match="must be a neuron"):
        EventLayer(2, 3, "LIF")
    with pytest.raises(InputError, match="no receive row"):
        EventLayer(2, 3, CELL.replace(receive=None))
    with pytest.raises(InputError, match="say which"):
        EventLayer(2, 3, rb.LIFexp(tau_e="2 ms", tau_i="5 ms"))
    with pytest.raises(NotExact):
        EventLayer(2, 3, rb.EIF())
    with pytest.raises(NotExact, match="quadratic"):
        EventLayer(2, 3, rb.QIF())
    lif = layer()
    with pytest.raises(InputError, match="n_in = 2"):
        lif(Spikes.from_lists([([1.0], [0])], n=3))
    with pytest.raises(InputError, match="from_dense"):
        lif(torch.zeros(3, 2, 2))


def test_firing_without_end_is_an_error():
    driven = EventLayer(2, 3, CELL, I=2.0)
    with pytest.raises(InputError, match="until"):
        driven(ONE)
    stuck = EventLayer(2, 3, CELL.replace(reset="v <- 2*theta"), until=10.0)
    stuck.weight.data.fill_(4.0)
    with pytest.raises(InputError, match="without end"):
        stuck(ONE)


def test_a_second_derivative_is_refused():
    lif = layer()
    (g,) = torch.autograd.grad(lif(ONE).times.sum(), lif.weight, create_graph=True)
    with pytest.raises(RuntimeError):
        g.sum().backward()
