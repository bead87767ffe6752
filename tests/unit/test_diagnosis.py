"""Diagnosis: each kind of dead network is named, with a remedy that works."""

import math

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase import learn  # noqa: E402
from rheobase.errors import InputError  # noqa: E402

LIF = rb.Neuron(
    evolve="tau dv/dt = -v", receive="v <- v + w_i", threshold="v > theta", reset="v <- v - theta", tau=10, theta=1.0
)
Y = torch.arange(16) % 5


def spikes(n=50, batch=16, steps=60, seed=1):
    x = torch.rand(batch, n, generator=torch.Generator().manual_seed(seed))
    return learn.encode.rate(x, steps, highest=0.2, seed=seed)


def make(neuron=LIF, hidden=40, **options):
    torch.manual_seed(0)
    options = {"backend": "torch", **options}
    return nn.Sequential(
        nn.Linear(50, hidden), learn.Layer(neuron, dt="1 ms", **options),
        nn.Linear(hidden, 5), learn.Layer(neuron, dt="1 ms", **options),
    )  # fmt: skip


def loss(z):
    return learn.losses.rate(z, Y)


def whats(found):
    return [f.what for f in found.findings]


@pytest.fixture
def healthy():
    net = make(gradient=learn.fast_sigmoid(5))
    learn.initialise(net, rate={"1": 0.1, "3": 0.3}, data=spikes(), seed=1)
    return net


def test_a_healthy_network_has_nothing_to_change(healthy):
    found = learn.diagnose(healthy, spikes(), loss)
    assert found.healthy, repr(found)
    assert repr(found).splitlines()[0].split()[:3] == ["layer", "neurons", "Hz"]
    assert repr(found).endswith("Nothing to change.")
    assert found.loss == pytest.approx(float(loss(healthy(spikes())).detach()), rel=1e-6)
    one, two = found.layers
    assert (one.name, one.neurons, one.steps, one.dt) == ("1", 40, 60, 1.0)
    assert one.rate == pytest.approx(0.1, rel=0.05)
    assert one.hertz == pytest.approx(100, rel=0.05)
    assert len(one.through_time) == 60
    assert math.sqrt(sum(g * g for g in one.through_time)) == pytest.approx(one.gradient, rel=1e-4)
    assert two.gradient > 0


def test_it_leaves_weights_gradients_and_random_numbers_alone(healthy):
    healthy[0].weight.grad = torch.ones_like(healthy[0].weight)
    before = {k: v.clone() for k, v in healthy.state_dict().items()}
    random = torch.get_rng_state()
    layer = healthy[1]
    kept = (layer.backend, layer.gradient, layer.detach_reset)
    learn.diagnose(healthy, spikes(), loss)
    assert all(torch.equal(v, before[k]) for k, v in healthy.state_dict().items())
    assert (healthy[0].weight.grad == 1).all()
    assert healthy[2].weight.grad is None
    assert torch.equal(torch.get_rng_state(), random)
    assert (layer.backend, layer.gradient, layer.detach_reset) == kept
    with pytest.raises(AttributeError):
        learn.diagnose(healthy, spikes()).loss = 3


def test_a_silent_layer_is_named_with_a_factor_that_wakes_it():
    net = make()
    with torch.no_grad():
        net[0].weight.mul_(0.1)
        net[0].bias.zero_()
    found = learn.diagnose(net, spikes(), loss)
    first = next(f for f in found.findings if f.where == "layer 1")
    assert first.what == "silent: none of its 40 neurons fires"
    assert first.severity == 3
    factor = float(first.change.split("by ")[1].split(",")[0])
    with torch.no_grad():
        net[0].weight.mul_(1.05 * factor)
    assert learn.diagnose(net, spikes()).layers[0].rate > 0
    assert found.layers[0].dead == 1


def test_a_layer_that_is_given_nothing_is_told_from_a_weak_one():
    net = nn.Sequential(learn.Layer(LIF, dt="1 ms", backend="torch"))
    (finding,) = [f for f in learn.diagnose(net, torch.zeros(20, 2, 3)).findings if "silent" in f.what]
    assert finding.change.startswith("Nothing arrives")


def test_a_saturated_layer_is_named():
    net = make()
    with torch.no_grad():
        net[0].bias.fill_(5.0)
    found = learn.diagnose(net, spikes(), loss)
    assert "saturated: 100% of its neurons fire in nearly every step that they could" in whats(found)
    refractory = make(LIF.replace(refractory="3 ms"))
    with torch.no_grad():
        refractory[0].bias.fill_(5.0)
    assert learn.diagnose(refractory, spikes()).layers[0].saturated == 1  # every fourth step is all they can


def test_dead_neurons_are_counted(healthy):
    with torch.no_grad():
        healthy[0].weight[:12] = 0
    found = learn.diagnose(healthy, spikes(), loss)
    assert found.layers[0].dead == pytest.approx(0.3, abs=0.05)
    assert any("never fire in this batch" in w for w in whats(found))
    assert any("rate_bounds(z, lower=...)" in f.change for f in found.findings)


def test_nan_is_found_in_data_weights_and_on_the_way(healthy):
    x = spikes()
    x[3, 1, 2] = torch.nan
    (one,) = learn.diagnose(healthy, x).findings
    assert (one.where, one.what) == ("the batch", "NaN or infinite in 1 of 48000 places")
    with torch.no_grad():
        healthy[2].weight[0, 0] = torch.inf
    (one,) = learn.diagnose(healthy, spikes()).findings
    assert one.where == "parameter 2.weight"

    class Divides(nn.Module):
        def forward(self, x):
            return x / x

    net = nn.Sequential(
        nn.Linear(50, 5), Divides(), nn.Unflatten(2, (5,)), nn.ReLU(), learn.Layer(LIF, dt="1 ms", backend="torch")
    )
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].bias.zero_()
    (one,) = learn.diagnose(net, spikes()).findings
    assert "NaN or infinite at time 0" in one.what


def test_a_time_constant_below_dt_is_named():
    with pytest.warns(UserWarning, match="not above the step"):
        net = nn.Sequential(nn.Linear(50, 5), learn.Layer(LIF.replace(tau=0.02), dt="1 ms", backend="torch"))
    found = learn.diagnose(net, spikes())
    assert any("tau = 0.02 ms is below dt = 1 ms" in w for w in whats(found))
    slow = nn.Sequential(nn.Linear(50, 5), learn.Layer(LIF.replace(tau=1e6), dt="1 ms", backend="torch"))
    assert any("nothing moves in it" in w for w in whats(learn.diagnose(slow, spikes())))
    rests = nn.Sequential(nn.Linear(50, 5), learn.Layer(LIF.replace(refractory="1 s"), dt="1 ms", backend="torch"))
    assert any("v is refractory for 1000 ms" in w for w in whats(learn.diagnose(rests, spikes())))


def test_a_narrow_surrogate_is_named_and_the_advice_widens_it():
    net = make(gradient=learn.gaussian(0.0005))
    learn.initialise(net, rate=0.1, data=spikes(), seed=1)
    found = learn.diagnose(net, spikes(), loss)
    advice = next(f for f in found.findings if "too narrow" in f.what and f.where == "layer 1")
    sigma = float(advice.change.split("sigma=")[1].split(")")[0])
    net[1].gradient = net[3].gradient = learn.gaussian(sigma)
    again = learn.diagnose(net, spikes(), loss)
    assert not any("too narrow" in w for w in whats(again))
    assert again.layers[0].levels.reached > 0.3


def test_gradients_that_vanish_between_layers_or_through_time_are_named(healthy):
    healthy[3].gradient = learn.Surrogate("where(abs(u) < 1e-9, 1, 0)", name="slit")
    found = learn.diagnose(healthy, spikes(), loss)
    assert any("no gradient arrives" in w for w in whats(found))

    reader = LIF.replace(threshold=None, reset=None, tau=2.0)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(50, 5), learn.Layer(reader, dt="1 ms", read="last v", backend="torch"))
    found = learn.diagnose(net, spikes())
    what = next(w for w in whats(found) if "does not reach further back" in w)
    assert "28 of 60 ms" in what  # 2 ms ln(1e6)
    assert math.isnan(found.layers[0].rate)


def test_gradients_that_explode_through_time_are_named():
    grow = rb.Neuron(evolve="tau dv/dt = v", receive="v <- v + w_i", tau=3.0, v=0.0)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(50, 5), learn.Layer(grow, dt="1 ms", read="last v", backend="torch"))
    found = learn.diagnose(net, spikes())
    assert any("explodes through time" in w for w in whats(found))


def test_weights_far_too_large_are_named(healthy):
    with torch.no_grad():
        healthy[0].weight.mul_(100)
    found = learn.diagnose(healthy, spikes(), loss)
    assert any("times the distance from rest to threshold to and fro" in w for w in whats(found))


def test_other_ways_of_calling():
    net = make(batch_first=True, detach_reset=True)
    found = learn.diagnose(net, (spikes().transpose(0, 1),), lambda z: learn.losses.rate(z.transpose(0, 1), Y))
    assert found.layers[0].steps == 60
    assert len(found.layers[0].through_time) == 60

    class ByHand(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = learn.Layer(LIF, dt="1 ms", size=50)

        def forward(self, x):
            state = self.layer.start(x.shape[1])
            for step in x:
                z, state = self.layer.step(step, state)
            return z

    with pytest.raises(InputError, match="loss = 'mse' must be a function"):
        learn.diagnose(ByHand(), spikes(), loss="mse")
    with pytest.raises(InputError, match="stepped by hand"):
        learn.diagnose(ByHand(), spikes())
    with pytest.raises(InputError, match=r"has no learn\.Layer"):
        learn.diagnose(nn.Linear(2, 2), spikes())
    found = learn.diagnose(make(), spikes(), lambda z: z)
    assert found.findings[0].what.startswith("loss= must return one number")


def test_neurons_of_chance_and_without_threshold_are_measured():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(50, 20), learn.Layer(rb.EscapeLIF(), dt="1 ms", backend="torch"))
    found = learn.diagnose(net, spikes())
    assert math.isnan(found.layers[0].levels.mean)
    assert found.layers[0].rate >= 0
