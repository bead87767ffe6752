"""Modules and networks: the engines give the layers' spikes, step for step, one step later for each synapse."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase import learn  # noqa: E402

CLOCK = rb.Clock("1 ms")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def lif(**more):
    rows = dict(evolve="tau dv/dt = -v", receive="v <- v + w_i", threshold="v > theta", reset="v <- v - theta")
    return rb.Neuron(**rows | more.pop("rows", {}), tau="20 ms", theta=1.0, **more)


def raster(run, name, lag, steps):
    """Spikes of a population as [time, n], shifted back by its lag."""
    spikes = run[name].spikes
    out = np.zeros((steps, run[name].n))
    k = np.rint(spikes.times).astype(int) - 1 - lag
    out[k[k < steps], spikes.neurons[k < steps]] = 1
    return out


def compare(network, wanted, steps, engine=CLOCK):
    lags = learn.lags(network)
    run = rb.simulate(network, until=steps + max(lags.values()), engine=engine, seed=0)
    for name, z in wanted.items():
        z = z.detach().reshape(steps, -1).numpy()
        assert z.sum() > 10, f"{name} is too quiet to prove anything"
        np.testing.assert_array_equal(raster(run, name, lags[name], steps), z, err_msg=name)
    return run


def strong(net, factor=3.0):
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(factor)
    return net.double()


@pytest.mark.parametrize("engine", [CLOCK, rb.Exact()], ids=["clock", "exact"])
def test_recurrent_layers_with_biases(engine):
    cell = lif(rows={"reset": "v <- 0"})
    net = strong(nn.Sequential(
        nn.Linear(6, 20), learn.Layer(cell, "1 ms", size=20, recurrent=True),
        nn.Linear(20, 12), learn.Layer(cell, "1 ms"), nn.Linear(12, 3),
    ))  # fmt: skip
    x = (torch.rand(60, 1, 6) < 0.4).double()
    first = net[1](net[0](x))
    second = net[3](net[2](first))
    network = learn.to_network(net, x)
    run = compare(network, {"1": first, "3": second}, 60, engine)
    assert learn.lags(network) == {"input": 0, "bias": 0, "1": 1, "3": 2, "output": 3}
    np.testing.assert_allclose(run["output"].final["v"] / 60, net(x).mean(0)[0].detach(), rtol=1e-9, atol=1e-12)


def test_weighted_input_arrives_without_a_hop():
    net = strong(
        nn.Sequential(nn.Linear(5, 16), learn.Layer(lif(), "1 ms"), nn.Linear(16, 8), learn.Layer(lif(), "1 ms"))
    )
    x = torch.rand(50, 1, 5).double()
    first = net[1](net[0](x))
    network = learn.to_network(net, x)
    assert "input" not in network
    compare(network, {"1": first, "3": net[3](net[2](first))}, 50)
    assert learn.lags(network)["3"] == 1


class Skip(nn.Module):
    """A sum and a concatenation past a layer: paths of one and of two hops end in one place."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 10), nn.Linear(10, 10), nn.Linear(20, 8)
        self.first = learn.Layer(lif(), "1 ms")
        self.second = learn.Layer(lif(), "1 ms")
        self.third = learn.Layer(lif(), "1 ms")

    def forward(self, x):
        one = self.first(self.a(x))
        two = self.second(self.b(one) + one)
        return self.third(self.c(torch.cat([one, two], -1)))


def test_paths_of_different_length_are_given_delays_that_fit():
    net = strong(Skip(), 2.5)
    x = (torch.rand(60, 1, 6) < 0.5).double()
    one = net.first(net.a(x))
    two = net.second(net.b(one) + one)
    network = learn.to_network(net, x)
    compare(network, {"first": one, "second": two, "third": net(x)}, 60)
    assert learn.lags(network)["third"] == 3


@pytest.mark.parametrize("absorb", [True, False])
def test_converted_convolutions(absorb):
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 3),
    ).double().eval()  # fmt: skip
    x = torch.rand(20, 1, 8, 8).double()
    snn, _ = learn.convert(net, x, steps=16, absorb_scales=absorb)
    network = learn.to_network(snn, x[:1])
    run = compare(network, snn.record(x[:1]), 16)
    np.testing.assert_allclose(run["output"].final["v"] / 16, snn(x[:1])[0].detach(), rtol=1e-9, atol=1e-12)


def test_a_neuron_with_two_states_and_refractoriness():
    cell = rb.Neuron(
        "tau dv/dt = -v + I\ntau_s dI/dt = -I", "I <- I + w_i", "v > theta", "v <- 0", "3 ms",
        tau="20 ms", tau_s="5 ms", theta=1.0,
    )  # fmt: skip
    net = strong(nn.Sequential(nn.Linear(6, 20, bias=False), learn.Layer(cell, "1 ms"), nn.Linear(20, 5, bias=False),
                               learn.Layer(cell, "1 ms")), 8)  # fmt: skip
    x = (torch.rand(80, 1, 6) < 0.5).double()
    first = net[1](net[0](x))
    compare(learn.to_network(net, x), {"1": first, "3": net[3](net[2](first))}, 80)


@pytest.mark.parametrize(("make", "said"), [
    (lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), learn.Layer(lif(), "1 ms")), "1: a ReLU"),
    (lambda: nn.Sequential(nn.Linear(4, 4)), "no layer of neurons"),
    (lambda: nn.Sequential(nn.GELU(), learn.Layer(lif(), "1 ms")), "0: GELU"),
    (lambda: nn.Sequential(nn.Linear(4, 4), learn.Layer(lif(), "1 ms", read="v"), nn.Linear(4, 4),
                           learn.Layer(lif(), "1 ms")), "sends"),
    (lambda: nn.Sequential(nn.Linear(4, 4), learn.Layer(rb.LIF(), "1 ms", to="I")), "arrives at 'I'"),
    (lambda: nn.Sequential(nn.Linear(4, 4), learn.Layer(lif(), "1 ms"), nn.Linear(4, 4), learn.Layer(lif(), "2 ms")),
     "different steps"),
    (lambda: nn.Sequential(nn.Linear(4, 4), learn.Layer(lif(v=0.5), "1 ms")), "does not start at rest"),
])  # fmt: skip
def test_what_no_synapse_says_is_refused_by_name(make, said):
    with pytest.raises(rb.NotConvertible, match=said):
        learn.to_network(make().double(), (torch.rand(5, 1, 4) < 0.5).double())


def test_converted_networks_that_no_synapse_says():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2))
    x = torch.rand(10, 1, 8, 8)
    with pytest.raises(rb.NotConvertible, match="2: a maximum"):
        learn.to_network(learn.convert(net, x, steps=4)[0], x[:1])
    quantised = learn.quantise(nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU()), x, levels=4)
    with pytest.raises(rb.NotConvertible, match="delayed"):
        learn.to_network(learn.convert(quantised, x, steps=4, firing="delayed")[0], x[:1])
    with pytest.raises(rb.InputError, match="10 samples"):
        learn.to_network(learn.convert(quantised, x, steps=4)[0], x)


def test_a_recurrent_network_as_a_module():
    """Two populations that drive each other, several delays, and the spikes of the clock."""
    rng = np.random.default_rng(1)
    net = rb.Network()
    trains = [np.sort(rng.choice(np.arange(1, 80), 30, replace=False)).astype(float) for _ in range(5)]
    pre = net.add("pre", 5, rb.spikes(trains))
    E, I = net.add("E", 12, lif()), net.add("I", 6, lif())
    net.connect(pre, E, p=0.6, weight=0.5, delay="1 ms")
    net.connect(E, [E, I], p=0.4, weight=rb.uniform(0.1, 0.5), delay="2 ms")
    net.connect(I, E, all_to_all=True, weight=-0.3, delay=np.tile([1.0, 3.0], 36))
    module = learn.from_network(net, "1 ms", seed=5)
    z = module(module.given(80))
    run = rb.simulate(net, until="80 ms", engine=CLOCK, seed=5)
    for name in ("E", "I"):
        assert z[name].sum() > 20
        np.testing.assert_array_equal(raster(run, name, 0, 80), z[name][:, 0].detach().numpy())
    z["I"].sum().backward()
    assert all(w.grad is not None and bool(torch.isfinite(w.grad).all()) for w in module.weights)


def test_there_and_back_again():
    net = strong(
        nn.Sequential(nn.Linear(6, 20), learn.Layer(lif(), "1 ms"), nn.Linear(20, 12), learn.Layer(lif(), "1 ms"))
    )
    x = (torch.rand(60, 1, 6) < 0.4).double()
    network = learn.to_network(net, x)
    module = learn.from_network(network, "1 ms")
    z = module(module.given(62))
    first = net[1](net[0](x))
    for name, wanted in {"1": first, "3": net[3](net[2](first))}.items():
        lag = learn.lags(network)[name]
        assert torch.equal(z[name][lag : lag + 60], wanted)


def _one_population(**connect):
    net = rb.Network()
    pre = net.add("pre", 1, rb.spikes([[1.0]]))
    E = net.add("E", 1, lif())
    net.connect(pre, E, one_to_one=True, **{"weight": 0.5, "delay": "1 ms"} | connect)
    return net


@pytest.mark.parametrize(("make", "said"), [
    (lambda: _one_population(delay="1.5 ms"), "not whole numbers of steps"),
    (lambda: _one_population(synapse=rb.stdp(w_max=1.0)), "plastic"),
])  # fmt: skip
def test_networks_that_are_no_module(make, said):
    with pytest.raises(rb.NotConvertible, match=said):
        learn.from_network(make(), "1 ms")


def test_what_a_network_module_is_given():
    module = learn.from_network(_one_population(), "1 ms")
    with pytest.raises(rb.InputError, match="are missing"):
        module({})
    with pytest.raises(rb.InputError, match="Did you mean 'pre'"):
        module({"pred": torch.zeros(3, 1, 1)})
    with pytest.raises(rb.InputError, match=r"\[time, batch, 1\]"):
        module({"pre": torch.zeros(3, 1, 2)})
    poisson = rb.Network()
    poisson.add("noise", 2, rb.poisson("10 Hz"))
    E = poisson.add("E", 2, lif())
    poisson.connect("noise", E, one_to_one=True, weight=0.5, delay="1 ms")
    with pytest.raises(rb.NotConvertible, match="at random"):
        learn.from_network(poisson, "1 ms").given(5)
