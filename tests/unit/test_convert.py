"""learn.convert: what is folded, what is exact, what is refused by name."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase import learn  # noqa: E402
from rheobase.learn.conversion.firing import MaxOfSums  # noqa: E402


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def image(n=40, channels=1):
    return torch.rand(n, channels, 8, 8, dtype=torch.float64)


class Residual(nn.Module):
    """Functional and method ReLUs, one module used twice, a sum, a concatenation, both poolings, views."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Conv2d(8, 6, 3), nn.ReLU6(), nn.Dropout(0.5))])
        self.out = nn.Linear(24, 5)
        self.narrow = nn.Linear(5, 3)

    def forward(self, x):
        x = self.relu(self.norm(self.first(x)))
        y = self.second(x)
        y += x
        y = self.relu(y)
        z = torch.cat([functional.max_pool2d(y, 2), functional.avg_pool2d(x, 2)], 1)
        for block in self.blocks:
            z = block(z)
        z = functional.relu(z - 0.1).view(z.size(0), -1)
        z = functional.dropout(z, 0.2, self.training)
        return self.narrow(self.out(z).relu())


def trained_norms(net, x):
    net.train()
    for _ in range(5):
        net(x)
    return net.eval()


def test_a_network_with_everything_converges_to_the_relu_network():
    x = image()
    net = trained_norms(Residual().double(), x)
    before = copy.deepcopy(net.state_dict())
    snn, report = learn.convert(net, x, steps=96, threshold="error", correct="bias")
    wanted = net(x).detach()
    assert float((snn(x).detach() - wanted).abs().max() / wanted.std()) < 0.5
    assert report.error[-1] < 0.15
    assert report.error[-1] < 0.2 * report.error[3]
    assert len(report.layers) == 5
    assert {layer.name for layer in report.layers} >= {"relu", "relu (2)", "blocks.0.1"}
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())  # it is not changed
    assert any("norm" in note for note in report.notes)


def test_spikes_are_binary_and_scales_in_the_weights_change_nothing():
    x = image()
    net = trained_norms(Residual().double(), x)
    plain, _ = learn.convert(net, x, steps=12, absorb_scales=False, threshold="max", correct="bias")
    lean, _ = learn.convert(net, x, steps=12, threshold="max", correct="bias")
    torch.testing.assert_close(lean.run(x), plain.run(x), rtol=1e-9, atol=1e-9)
    for z in lean.record(x).values():
        assert set(z.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("net", [
    nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 4)),
    nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(),
                  nn.AvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)),
    nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(1), nn.Linear(36, 4), nn.ReLU()),
], ids=["mlp", "cnn", "max first"])  # fmt: skip
def test_quantised_network_and_spikes_say_exactly_the_same(net):
    """Zero mismatch: every count is the quantised activation, for every neuron and sample."""
    x = image(60)
    levels = 5
    quantised = learn.quantise(net.double(), x, levels=levels)
    acts = {}
    for name, module in quantised.named_modules():
        if isinstance(module, learn.QuantReLU):
            module.register_forward_hook(lambda m, i, o, name=name: acts.__setitem__(name, (o, m.theta)))
    wanted = quantised(x)
    snn, report = learn.convert(quantised, x, steps=levels, firing="delayed")
    counts = {name: z.sum(0) for name, z in snn.record(x).items()}
    assert len(counts) == len(acts) > 0
    for count, (a, theta) in zip(counts.values(), acts.values(), strict=True):
        mismatches = int((count != torch.round(a / theta * levels)).sum())
        assert mismatches == 0
    torch.testing.assert_close(snn(x), wanted, rtol=1e-12, atol=1e-12)
    assert snn.latency == levels * len(acts)
    assert report.agreement[-1] == 1


def test_firing_together_is_exact_in_the_first_layer_only():
    net = nn.Sequential(nn.Linear(6, 30), nn.ReLU(), nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 3)).double()
    x = torch.rand(200, 6, dtype=torch.float64)
    snn, _ = learn.convert(learn.quantise(net, x, levels=4), x, steps=4)
    exact, _ = learn.convert(learn.quantise(net, x, levels=4), x, steps=4, firing="delayed")
    first, second = snn.record(x).values()
    same_first, same_second = exact.record(x).values()
    assert torch.equal(first.sum(0), same_first.sum(0))
    assert not torch.equal(second.sum(0), same_second.sum(0))  # a spike cannot be taken back


def test_maximum_of_sums_is_the_maximum_of_counts_and_stays_binary():
    z = (torch.rand(30, 4, 3, 8, 8) < 0.3).double()
    y = MaxOfSums(nn.MaxPool2d(2))(z)
    assert set(y.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(y.sum(0), nn.functional.max_pool2d(z.sum(0), 2))


def test_quantrelu_rounds_clips_and_passes_the_gradient():
    q = learn.QuantReLU(levels=4, theta=2.0)
    x = torch.tensor([-1.0, 0.2, 0.3, 1.9, 5.0], requires_grad=True)
    y = q(x)
    assert y.tolist() == [0, 0, 0.5, 2, 2]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    assert q.theta.grad is not None


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        return torch.relu(self.a(x)) if x.sum() > 0 else self.a(x)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return functional.softmax(self.q(x) @ self.k(x).transpose(-1, -2), -1) @ torch.relu(x)


def wrap(layer):
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), layer, nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize(("net", "named"), [
    (wrap(nn.LayerNorm(4)), ["2: LayerNorm", "BatchNorm"]),
    (wrap(nn.GELU()), ["2: GELU", "nn.ReLU"]),
    (wrap(nn.Sigmoid()), ["2: Sigmoid"]),
    (wrap(nn.Tanh()), ["2: Tanh"]),
    (wrap(nn.LeakyReLU()), ["2: LeakyReLU"]),
    (wrap(nn.Softmax(1)), ["2: Softmax", "behind the last ReLU"]),
    (wrap(nn.BatchNorm1d(4, track_running_stats=False)), ["2: BatchNorm1d without running statistics"]),
    (wrap(nn.Sequential(nn.GELU(), nn.LayerNorm(4))), ["2.0: GELU", "2.1: LayerNorm"]),
    (nn.Sequential(nn.LSTM(4, 4)), ["LSTM", "recurrent"]),
    (nn.Sequential(nn.Linear(4, 4), learn.Layer(rb.IF(), "1 ms")), ["spiking neurons already"]),
    (Attention(), ["matmul", "softmax", "product of two signals"]),
    (Branches(), ["branches or loops on the data"]),
    (nn.Sequential(nn.Linear(4, 2)), ["no ReLU"]),
])  # fmt: skip
def test_what_spikes_cannot_say_is_refused_by_name(net, named):
    with pytest.raises(rb.NotConvertible) as error:
        learn.convert(net, torch.rand(20, 4))
    for part in named:
        assert part in str(error.value)


def test_softmax_at_the_end_is_taken_of_the_mean():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(1)).double()
    x = torch.rand(50, 4, dtype=torch.float64)
    snn, _ = learn.convert(net, x, steps=200)
    torch.testing.assert_close(snn(x), net(x), atol=0.02, rtol=0)
    torch.testing.assert_close(snn(x).sum(1), torch.ones(50, dtype=torch.float64))


class Mixes(nn.Module):
    def forward(self, x):
        return torch.relu(x - x.mean(0))


class OneSize(nn.Module):
    def forward(self, x):
        return torch.relu(x).view(2, 4)


@pytest.mark.parametrize(("net", "said"), [(Mixes(), "other samples"), (OneSize(), "one batch size")])
def test_samples_must_be_independent(net, said):
    with pytest.raises(rb.NotConvertible, match=said):
        learn.convert(net, torch.rand(2, 4))


@pytest.mark.parametrize(("neuron", "said"), [
    (rb.LIF(), "does not keep what it receives|one state v"),
    (rb.IF(I=0.1), "does not keep"),
    (rb.ALIF(), "one state v"),
    (rb.IF(refractory="2 ms"), "no refractory time"),
])  # fmt: skip
def test_a_neuron_whose_rate_is_no_relu_is_refused(neuron, said):
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with pytest.raises(rb.NotConvertible, match=said):
        learn.convert(net, torch.rand(20, 4), neuron=neuron)


def test_the_book_neuron_gets_a_reset_by_subtraction():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    x = torch.rand(50, 4, dtype=torch.float64)
    snn, report = learn.convert(net, x, neuron=rb.IF(theta=3.0), steps=16)
    other, _ = learn.convert(net, x, steps=16)
    torch.testing.assert_close(snn(x), other(x), rtol=1e-9, atol=1e-9)
    assert any("v <- v - theta" in note for note in report.notes)
    assert next(iter(snn.neurons.values())).layer.neuron().reset == "v <- v - theta"


@pytest.mark.parametrize(("data", "said"), [
    (torch.full((5, 4), float("nan")), "NaN"),
    (torch.rand(0, 4), "one axis for the samples"),
    (torch.rand(4), "one axis for the samples"),
    (torch.rand(5, 3), "cannot be given"),
    (iter([]), "is empty"),
    ("digits", "holds no samples"),
    ((torch.rand(5, 4), torch.zeros(4)), "5 inputs and 4 labels"),
    ([{"x": 1}], "a loader must give tensors"),
])  # fmt: skip
def test_calibration_data_that_cannot_be_used(data, said):
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with pytest.raises(rb.InputError, match=said):
        learn.convert(net, data)


@pytest.mark.parametrize(("options", "said"), [
    ({"steps": 0}, "steps = 0"),
    ({"steps": 2.5}, "steps = 2.5"),
    ({"threshold": "errors"}, "Did you mean 'error'"),
    ({"threshold": "20%"}, "percentile"),
    ({"correct": "weights"}, "correct = 'weights'"),
    ({"firing": "delay"}, "Did you mean 'delayed'"),
    ({"tune": -1}, "tune = -1"),
    ({"tune": 3}, "without labels"),
    ({"neuron": "IF"}, "no Neuron"),
])  # fmt: skip
def test_options_that_cannot_be_used(options, said):
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with pytest.raises(rb.InputError, match=said):
        learn.convert(net, torch.rand(20, 4), **options)


def test_input_that_cannot_be_run():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    snn, _ = learn.convert(net, torch.rand(20, 4), steps=4)
    with pytest.raises(rb.InputError, match="NaN"):
        snn(torch.full((2, 4), float("nan")))
    with pytest.raises(rb.InputError, match="one sample or more"):
        snn(torch.rand(4))
    fixed, _ = learn.convert(learn.quantise(net, torch.rand(20, 4), 4), torch.rand(20, 4), steps=4, firing="delayed")
    with pytest.raises(rb.InputError, match="convert again with steps=8"):
        fixed.run(torch.rand(2, 4), steps=8)


def test_a_loader_with_labels_and_the_bill(tmp_path):
    torch.manual_seed(1)
    x = torch.rand(300, 4)
    y = (x[:, 0] + x[:, 1] > 1).long()
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        functional.cross_entropy(net(x), y).backward()
        optimiser.step()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=64)
    _, report = learn.convert(net, loader, steps=32, tune=0)
    assert report.samples == 300
    assert report.accuracy_ann == pytest.approx(float((net(x).argmax(1) == y).double().mean()))
    assert report.accuracy.shape == (32,)
    assert report.accuracy[-1] >= report.accuracy_ann - 0.01
    first = report.steps_for(0.9)
    assert first is not None
    assert np.all(report.accuracy[first - 1 :] >= 0.9)
    assert report.steps_for(1.0) is None or report.accuracy_ann == 1
    text = str(report)
    for part in ("accuracy", "spikes/step", "ReLU network", "T=32", "recipe"):
        assert part in text
    figure = report.plot()
    assert len(figure.axes) == 2
    rb.plot.save(figure, tmp_path / "bill.png") if hasattr(rb, "plot") else figure.savefig(tmp_path / "bill.png")


def test_tuning_is_for_labels_and_told():
    x = torch.rand(500, 4)
    y = (x[:, 0] + x[:, 1] > 1).long()
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    other, plain = learn.convert(net, (x, y), steps=4, tune=0)
    snn, tuned = learn.convert(net, (x, y), steps=4, correct="none")
    assert not any("weights were trained" in n for n in plain.notes)
    assert any("weights were trained, 10 epochs on the 500" in n for n in tuned.notes)
    assert functional.cross_entropy(snn(x), y) < functional.cross_entropy(other(x), y)  # it was not trained at all
    once, again = (learn.convert(net, (x, y), steps=4, tune=1, correct="none")[0] for _ in range(2))
    assert torch.equal(once(x), again(x))
    _, few = learn.convert(net, (x[:100], y[:100]), steps=4, threshold="max", correct="none")
    assert not any("weights were trained" in n for n in few.notes)


def test_a_converted_network_is_a_module():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    x = torch.rand(30, 4, dtype=torch.float64)
    snn, _ = learn.convert(net, x, steps=8)
    again = copy.deepcopy(snn)
    assert torch.equal(again(x), snn(x))
    assert torch.equal(snn.run(x, steps=3)[-1], snn(x, steps=3))
    loss = snn(x).square().sum()
    loss.backward()
    assert all(p.grad is not None for p in snn.parameters() if p.requires_grad)
