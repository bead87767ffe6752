"""learn.energy: operations counted by hand, chips as data, what is unknown said."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase import learn  # noqa: E402


def test_dense_network_by_hand():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    x = torch.tensor([[1.0, 0.5, 0, 0], [0, 0, 0, 2.0]])
    account = learn.energy(net, x)
    first, last = account.entries
    assert first.dense == 32
    assert first.mac == (2 + 1) * 8 / 2
    assert last.dense == 16
    assert account.samples == 2
    assert account.steps == 1
    chip = learn.chips()["cmos45"]
    assert first.joules(chip) == pytest.approx(12 * chip.mac + 12 * 4 * chip.byte)
    assert account.total("weight_bytes") == 4 * (account.total("mac") + account.total("ac"))


def test_convolution_counts_only_weights_over_the_image():
    conv = nn.Conv2d(2, 3, 3, padding=1)
    x = torch.zeros(1, 2, 4, 4)
    x[0, 0, 0, 0] = 0.3  # a corner: 4 places of the output see it
    x[0, 1, 1, 1] = 0.7  # inside: 9 places
    account = learn.energy(nn.Sequential(conv), x)
    assert account.total("dense") == 3 * 16 * 2 * 9
    assert account.total("mac") == (4 + 9) * 3


def test_grouped_and_strided_convolution():
    x = (torch.rand(5, 4, 9, 9) < 0.4).float()
    conv = nn.Conv2d(4, 8, 3, stride=2, groups=2)
    account = learn.energy(nn.Sequential(conv), x)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.bias.zero_()
    assert account.total("ac") == pytest.approx(float(conv(x).detach().sum()) / 5)
    assert account.total("mac") == 0


def test_spiking_layers_over_time():
    net = nn.Sequential(nn.Linear(5, 6), learn.Layer(rb.IF(), "1 ms", size=6, recurrent=True), nn.Linear(6, 2))
    x = (torch.rand(7, 3, 5) < 0.5).float()
    z = net[1](net[0](x))
    account = learn.energy(net, x)
    inputs, neurons, outputs = account.entries
    assert account.steps == 7
    assert account.samples == 3
    assert inputs.ac == pytest.approx(float(x.sum()) * 6 / 3)
    assert inputs.dense == 7 * 30
    assert neurons.updates == 7 * 6
    assert neurons.spikes == pytest.approx(float(z.detach().sum()) / 3)
    assert neurons.ac == pytest.approx(float(z.detach().sum()) * 6 / 3)  # recurrent weights
    assert neurons.dense == 7 * 36
    assert neurons.state_bytes == 2 * 7 * 6 * 4
    assert outputs.ac == pytest.approx(float(z.detach().sum()) * 2 / 3)


def test_converted_network_and_its_relu_network():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    x = torch.rand(20, 4)
    snn, report = learn.convert(net, x, steps=10)
    account = learn.energy(snn, x)
    first, neurons, last = account.entries
    spikes = float(next(iter(snn.record(x).values())).detach().sum()) / 20
    assert first.mac == 32  # the held input is multiplied once
    assert neurons.spikes == pytest.approx(spikes)
    assert neurons.updates == 80
    assert last.ac == pytest.approx(2 * spikes)
    assert last.mac == 0
    assert report.spikes == pytest.approx(spikes)
    text = str(account)
    for part in ("Horowitz (2014)", "not known, so not in the joules: spike", "10 steps", "AC"):
        assert part in text


def test_a_simulated_network():
    net = rb.Network()
    pre = net.add("pre", 3, rb.spikes([[1.0, 2.0], [3.0], []]))
    E = net.add("E", 4, rb.IF())
    net.connect(pre, E, pairs=([0, 0, 1], [0, 1, 2]), weight=1.5, delay="1 ms")
    run = rb.simulate(net, until="10 ms", dt="1 ms", seed=1)
    account = learn.energy(net, run)
    source, cells, synapses = account.entries
    assert source.spikes == 3
    assert cells.spikes == 5
    assert cells.updates == 40
    assert cells.state_bytes == 2 * 40 * 4
    assert synapses.ac == 2 * 2 + 1
    assert synapses.dense == 30
    exact = learn.energy(net, rb.simulate(net, until="10 ms", engine=rb.Exact(), seed=1))
    assert exact.entries[1].updates == 5  # arrivals
    with pytest.raises(rb.InputError, match="must be its run"):
        learn.energy(net, torch.rand(3, 4))
    with pytest.raises(rb.InputError, match="another network"):
        learn.energy(_other(), run)


def _other():
    net = rb.Network()
    net.add("I", 4, rb.IF())
    return net


def test_every_chip_states_its_source_and_what_it_leaves_out():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    for name, chip in learn.chips().items():
        account = learn.energy(net, torch.rand(3, 4), chip=name)
        assert account.joules > 0
        assert chip.source
        assert chip.assumptions
        assert chip.source in str(account)
        assert chip.synaptic_op is not None or chip.mac is not None
    dear = learn.energy(net, torch.zeros(3, 4), chip="cpu")
    assert dear.entries[0].joules(dear.chip) > 0  # a processor multiplies zeros, too
    assert learn.energy(net, torch.zeros(3, 4), chip="loihi").entries[0].joules(learn.chips()["loihi"]) == 0


def test_own_chip():
    mine = learn.Chip("mine", "my chip", "measured", ("none",), mac=1.0, ac=1.0, update=0.0)
    net = nn.Sequential(nn.Linear(4, 8))
    assert learn.energy(net, torch.ones(3, 4), chip=mine).joules == 32
    assert learn.energy(net, torch.ones(3, 4)).on(mine).joules == 32
    assert dataclasses.replace(mine, mac=2.0).mac == 2.0


@pytest.mark.parametrize(("call", "said"), [
    (lambda n, x: learn.energy(n, x, chip="lohi"), "Did you mean 'loihi'"),
    (lambda n, x: learn.energy(n, x, weight_bytes=0), "weight_bytes"),
    (lambda n, x: learn.energy(n, torch.full((2, 4), float("inf"))), "infinite"),
    (lambda n, x: learn.energy("net", x), "Module or a Network"),
    (lambda n, x: learn.energy(nn.Sequential(nn.LSTM(4, 4)), x), "LSTM"),
    (lambda n, x: learn.energy(n, x).total("joule"), "no such column"),
])  # fmt: skip
def test_what_cannot_be_counted(call, said):
    with pytest.raises(rb.InputError, match=said):
        call(nn.Sequential(nn.Linear(4, 8)), torch.rand(3, 4))
