"""Initialisation: layers of any neuron fire at the stated rate; theory comes near alone; what cannot be is said."""

import math

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase import learn  # noqa: E402
from rheobase.errors import InputError  # noqa: E402
from rheobase.learn.levels import answer, measure_levels, surrogate_width  # noqa: E402

LIF = rb.Neuron(
    evolve="tau dv/dt = -v", receive="v <- v + w_i", threshold="v > theta", reset="v <- v - theta", tau=10, theta=1.0
)


def spikes(n=50, batch=16, steps=100, rate="100 Hz", seed=1):
    x = torch.rand(batch, n, generator=torch.Generator().manual_seed(seed))
    return learn.encode.rate(x, steps, highest=rate, dt="1 ms", seed=seed)


def two_layers(neuron, **options):
    torch.manual_seed(0)
    one, two = (learn.Layer(neuron, dt="1 ms", size=n, backend="torch", **options) for n in (40, 30))
    return nn.Sequential(nn.Linear(50, 40), one, nn.Linear(40, 30), two)


@pytest.mark.parametrize(
    "neuron",
    [
        LIF,
        LIF.replace(tau=50, theta=0.2),
        rb.LIF(tau="10 ms"),
        rb.LIFexp(),
        rb.ALIF(),
        rb.EscapeLIF(),
        pytest.param(rb.AdEx(), marks=pytest.mark.slow),
        pytest.param(rb.Izhikevich(), marks=pytest.mark.slow),
        pytest.param(rb.QIF(), marks=pytest.mark.slow),
    ],
    ids=lambda n: n.name,
)
def test_layers_of_any_neuron_fire_at_the_stated_rate(neuron):
    net = two_layers(neuron)
    x = spikes()
    done = learn.initialise(net, rate="20 Hz", data=x, seed=1)
    with torch.no_grad():
        z1 = net[1](net[0](x))
        z2 = net[3](net[2](z1))
    tolerance = 0.15 if neuron.hazard else 0.05  # chance is drawn anew
    assert float(z1.mean()) == pytest.approx(0.02, rel=tolerance)
    assert float(z2.mean()) == pytest.approx(0.02, rel=tolerance)
    assert [r.name for r in done.layers] == ["1", "3"]
    assert [r.weights for r in done.layers] == ["0", "2"]
    assert done.layers[0].std == pytest.approx(float(net[0].weight.detach().std()), rel=1e-6)
    assert not net[0].bias.any()


@pytest.mark.parametrize(("tau", "theta", "n"), [(5, 1.0, 50), (20, 30.0, 50)])
def test_the_theory_alone_comes_near(tau, theta, n):
    """With the first layer's input, which is as the theory supposes."""
    net = nn.Sequential(nn.Linear(n, 200), learn.Layer(LIF.replace(tau=tau, theta=theta), dt="1 ms", backend="torch"))
    for wanted in (0.005, 0.02):
        done = learn.initialise(net, rate=wanted, data=spikes(n, steps=200), seed=2)
        assert 0.4 < done.layers[0].theory / wanted < 2.5


def test_the_answer_to_one_spike_is_the_membranes():
    layer = learn.Layer(LIF.replace(theta=2.0), dt="1 ms")
    e = answer(layer, 30)
    wanted = torch.exp(-torch.arange(30, dtype=torch.float64) / 10) / 2  # in units of theta
    assert torch.allclose(e, wanted, rtol=1e-6)
    synapse = learn.Layer(rb.LIFexp(tau_s="5 ms"), dt="1 ms")
    e = answer(synapse, 60)
    assert e[0] < e[5] > e[40] > 0
    assert answer(learn.Layer(rb.EscapeLIF(), dt="1 ms"), 10) is None  # chance decides


def test_recurrent_weights_are_drawn_with_their_share():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(50, 100), learn.Layer(LIF, dt="1 ms", size=100, recurrent=True, backend="torch"))
    shares = []
    for share in (0.1, 0.5):
        done = learn.initialise(net, rate=0.02, data=spikes(), recurrent_share=share, seed=1)
        assert done.layers[0].found == pytest.approx(0.02, rel=0.05)
        shares.append(float(net[1].recurrent.weight.detach().var() / net[0].weight.detach().var()))
    assert shares[1] / shares[0] == pytest.approx(9, rel=0.05)  # (0.5/0.5)/(0.1/0.9)


def test_convolutions_and_what_stands_between():
    net = nn.Sequential(
        nn.Flatten(0, 1), nn.Conv2d(1, 4, 3), nn.Unflatten(0, (30, 8)), learn.Layer(LIF, dt="1 ms", backend="torch"),
        nn.Flatten(2), nn.Linear(4 * 36, 20), nn.Dropout(0.2), learn.Layer(LIF, dt="1 ms", backend="torch"),
    )  # fmt: skip
    x = (torch.rand(30, 8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    done = learn.initialise(net, rate={"3": 0.1, "7": 0.05}, data=x, seed=1)
    assert [r.found for r in done.layers] == pytest.approx([0.1, 0.05], rel=0.05)


def test_batch_first_states_of_the_network_and_random_numbers_stay():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = nn.Linear(50, 40)
            self.norm = nn.BatchNorm1d(100)
            self.cells = learn.Layer(LIF, dt="1 ms", batch_first=True, backend="torch")
            self.out = learn.Layer(
                LIF.replace(threshold=None, reset=None), dt="1 ms", read="max v", batch_first=True, backend="torch"
            )

        def forward(self, x, scale):
            return self.out(self.cells(scale * self.norm(self.inside(x))))

    net = Net()
    before = net.norm.running_mean.clone(), torch.get_rng_state()
    done = learn.initialise(net, rate=0.03, data=(spikes().transpose(0, 1), 0.5), seed=3)
    assert torch.equal(net.norm.running_mean, before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert done.layers[0].note == ""
    assert done.layers[0].found == pytest.approx(0.03, rel=0.05)
    assert "never fires: left as it is" in repr(done)


def test_given_weights_are_scaled_and_a_seed_decides():
    net = two_layers(LIF)[:2]
    old = net[0].weight.detach().clone()
    learn.initialise(net, rate=0.05, data=spikes(), draw=False)
    ratio = net[0].weight.detach() / old
    assert torch.allclose(ratio, ratio[0, 0].expand_as(ratio), rtol=1e-4)
    assert net[0].bias.any()
    drawn = []
    for seed in (1, 1, 2):
        learn.initialise(net, rate=0.05, data=spikes(), seed=seed)
        drawn.append(net[0].weight.detach().clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_what_cannot_be_is_said():
    net, x = two_layers(rb.LIF(refractory="2 ms")), spikes()
    with pytest.raises(InputError, match=r"cannot fire at 0\.5 spikes per step: refractoriness and dt allow 0\.333"):
        learn.initialise(net, rate=0.5, data=x)
    with pytest.raises(InputError, match="recurrent_share = 'a' must be a number"):
        learn.initialise(net, rate=0.01, data=x, recurrent_share="a")
    with pytest.raises(InputError, match="the data are missing"):
        learn.initialise(net, rate=0.01, data=None)
    with pytest.raises(InputError, match="all that '0' before it is given is zero"):
        learn.initialise(net, rate=0.01, data=torch.zeros_like(x))
    with pytest.raises(InputError, match="must be positive"):
        learn.initialise(net, rate=0, data=x)
    with pytest.raises(InputError, match=r"there is no layer '2'\. Did you mean|there is no layer '2'"):
        learn.initialise(net, rate={"2": 0.1}, data=x)
    with pytest.raises(InputError, match="layer '3' has none; name all"):
        learn.initialise(net, rate={"1": 0.1}, data=x)
    with pytest.raises(InputError, match=r"has no learn\.Layer"):
        learn.initialise(nn.Linear(2, 2), rate=0.1, data=x)
    with pytest.raises(InputError, match="a torch module"):
        learn.initialise("net", rate=0.1, data=x)
    with pytest.raises(InputError, match="recurrent_share = 1"):
        learn.initialise(net, rate=0.1, data=x, recurrent_share=1)
    alone = nn.Sequential(learn.Layer(LIF, dt="1 ms", backend="torch"))
    assert "fed without weights" in repr(learn.initialise(alone, rate=0.1, data=x))


# ------------------------------------------------------------------ how far from threshold
def test_levels_are_what_the_surrogate_sees():
    layer = learn.Layer(LIF.replace(theta=2.0), dt="1 ms", gradient=learn.triangle(width=0.5))
    x = torch.full((3, 1, 1), 0.5)
    z, levels = measure_levels(layer, x, None)
    v = [0.5 * sum(math.exp(-k / 10) for k in range(n)) for n in (1, 2, 3)]
    u = [(s - 2.0) / 2.0 for s in v]
    assert not z.any()
    assert levels.mean == pytest.approx(sum(u) / 3, rel=1e-5)
    assert levels.largest == pytest.approx(u[-1], rel=1e-5)
    assert levels.middle == pytest.approx(abs(u[1]), rel=1e-5)
    assert levels.reached == pytest.approx(sum(1 - abs(s) / 0.5 >= 0.1 for s in u) / 3)


def test_width_is_where_a_tenth_is_left():
    assert surrogate_width(learn.triangle(width=2.0)) == pytest.approx(1.8, rel=1e-2)
    assert surrogate_width(learn.straight_through()) == math.inf
    assert surrogate_width(learn.gaussian(0.5)) == pytest.approx(0.5 * math.sqrt(2 * math.log(10)), rel=1e-2)
