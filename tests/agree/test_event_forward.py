"""What an event-driven layer fires, against the exact engine on the same network; closed forms; readings."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

from rheobase import learn  # noqa: E402

CELL = rb.LIFexp(E_L=0, theta=1, v_r=0, R=1, tau="20 ms", tau_s="5 ms", refractory=None)


def load_cases():
    """Return the module with the random networks of the gradients' test."""
    import importlib.util

    path = Path(__file__).with_name("test_event_gradients.py")
    spec = importlib.util.spec_from_file_location("event_gradient_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def join_all(net, source, target, weight, delay):
    n_out, n_in = weight.shape
    pre, post = np.meshgrid(np.arange(n_in), np.arange(n_out))
    delay = np.broadcast_to(delay, weight.shape)
    net.connect(source, target, pairs=(pre.ravel(), post.ravel()), weight=weight.ravel(), delay=delay.ravel())


def as_network(layers, times, neurons):
    """Return the same layers as a Network, for one element of the batch."""
    net = rb.Network()
    n_in = layers[0].n_in
    trains = [times[neurons == i] for i in range(n_in)]
    before = net.add("in", n_in, rb.spikes(trains))
    for k, layer in enumerate(layers):
        values = {name: x for name, x in layer.values.numbers().items() if name in layer.cell.parameters}
        here = net.add(f"layer{k}", layer.n_out, layer.cell, **values)
        join_all(net, before, here, layer.weight.detach().numpy(), layer.delay.detach().numpy())
        if layer.recurrent:
            join_all(net, here, here, layer.recurrent_weight.detach().numpy(), layer.recurrent_delay.detach().numpy())
        before = here
    return net


@pytest.mark.parametrize("seed", range(12))
def test_spikes_are_those_of_the_exact_engine(seed):
    cases = load_cases()
    _, net, given, _ = cases.make_case(seed)
    for layer in net:  # a network's delays are longer than 0
        layer.delay.data.clamp_(min=0.05)
    with torch.no_grad():
        out = cases.run(net, given.times, given)
    for b in range(given.batch):
        times, neurons = (x.numpy() for x in given[b])
        run = rb.simulate(as_network(net, times, neurons), until="45 ms", engine=rb.Exact())
        for k, fired in enumerate(out):
            mine, who = fired[b]
            there = run[f"layer{k}"].spikes
            assert who.tolist() == there.neurons.tolist()
            np.testing.assert_allclose(mine.numpy(), there.times, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("w", "printed"), [(2.2, -5.2651), (3.0, -1.2201), (5.0, -0.2910), (10.0, -0.0590)])
def test_the_closed_form_of_one_spike(w, printed):
    # tau_mem = 2 tau_syn: theta = w (u - u^2) with u = exp(-t / tau_mem), so u = (1 + sqrt(1 - 4 theta / w)) / 2
    tau, theta = 10.0, 0.5
    cell = rb.LIFexp(E_L=0, theta=theta, v_r=0, R=1, tau=tau, tau_s=tau / 2, refractory=None)
    layer = learn.EventLayer(1, 1, cell)
    layer.weight.data.fill_(w)
    first = layer(learn.Spikes.from_lists([([0.0], [0])])).first()
    first.sum().backward()
    root = math.sqrt(1 - 4 * theta / w)
    u = (1 + root) / 2
    slope = -tau / u * theta / (w * w * root)
    assert float(first.detach()) == pytest.approx(-tau * math.log(u), rel=1e-13)
    assert float(layer.weight.grad) == pytest.approx(slope, rel=1e-12)
    assert slope == pytest.approx(printed, abs=6e-5)


@pytest.mark.parametrize("kind", ["LIF", "LIF, refractory", "v jumps", "two currents", "adaptive threshold", "perfect"])
def test_neurons_side_by_side_fire_what_each_fires_by_itself(kind):
    cases = load_cases()
    name = next(k for k in cases.KINDS if kind in k)
    cell = cases.KINDS[name](np.random.default_rng(3))
    rng = np.random.default_rng(4)
    given = learn.Spikes.from_lists([(rng.uniform(0, 30, 25), rng.integers(0, 4, 25)) for _ in range(3)], n=4)
    found = []
    for delays in (1.5, np.full((9, 4), 1.5)):  # one for all: every neuron hears the same; else each has a list
        torch.manual_seed(0)
        layer = learn.EventLayer(4, 9, cell, delays=delays, until="45 ms")
        layer.weight.data.mul_(1.5)
        out = layer(given)
        (out.times * torch.arange(1.0, len(out) + 1)).sum().backward()
        found.append((out.times.detach(), out.neurons, out.offsets, layer.weight.grad))
    together, alone = found
    assert len(together[0]) > 10
    for a, b in zip(together[:3], alone[:3], strict=True):
        assert torch.equal(a, b)
    torch.testing.assert_close(together[3], alone[3], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["LIF", "two currents", "adaptive threshold", "perfect"])
def test_the_maximum_does_not_depend_on_how_arrivals_are_gone_through(kind):
    cases = load_cases()
    name = next(k for k in cases.KINDS if kind in k)
    cell = cases.KINDS[name](np.random.default_rng(5)).replace(threshold=None, refractory=None)
    rng = np.random.default_rng(6)
    given = learn.Spikes.from_lists([(rng.uniform(0, 30, 25), rng.integers(0, 4, 25)) for _ in range(3)], n=4)
    found = []
    for delays in (1.5, np.full((9, 4), 1.5)):
        torch.manual_seed(0)
        layer = learn.EventLayer(4, 9, cell, delays=delays, until="45 ms", read="max v")
        out = layer(given)
        (out * torch.arange(1.0, 10.0)).sum().backward()
        found.append((out.detach(), layer.weight.grad))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_results_do_not_depend_on_the_number_of_threads():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    given = learn.Spikes.from_lists([(rng.uniform(0, 20, 9), rng.integers(0, 6, 9)) for _ in range(20)], n=6)
    found = []
    for threads in (1, 2):
        torch.manual_seed(1)
        layer = learn.EventLayer(6, 5, CELL, threads=threads)
        out = layer(given)
        out.times.sum().backward()
        found.append((out.times.detach().clone(), layer.weight.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("read", ["max v", "mean v", "last v", "v"])
@pytest.mark.parametrize("tau_s", [5.0, 20.0])
def test_readings_and_their_gradients(read, tau_s):
    torch.manual_seed(2)
    rng = np.random.default_rng(2)
    cell = CELL.replace(threshold=None, v=0.1, tau_s=tau_s)
    at = [10.0, 33.0] if read == "v" else None
    layer = learn.EventLayer(3, 2, cell, delays=0.5, train=("weight", "tau", "v"), until=50.0, read=read, at=at)
    layer.weight.data.normal_(0.3, 1.0)
    elements = [(np.sort(rng.uniform(0, 40, 9)), rng.integers(0, 3, 9)) for _ in range(2)]
    given = learn.Spikes.from_lists(elements, n=3)
    times = given.times.clone().requires_grad_()

    def value():
        return layer(learn.Spikes(times, given.neurons, given.offsets, 3))

    out = value()
    factors = torch.from_numpy(rng.normal(size=tuple(out.shape)))
    (factors * out).sum().backward()
    for x in (times, *layer.parameters()):
        direction = torch.from_numpy(np.asarray(rng.normal(size=tuple(x.shape))))
        before, slopes = x.detach().clone(), []
        for h in (1e-3, 1e-4, 1e-5):
            values = []
            for k in (-2, -1, 1, 2):
                with torch.no_grad():
                    x.copy_(before + k * h * direction)
                    values.append(float((factors * value()).sum()))
                    x.copy_(before)
            slopes.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h))
        expected = float((x.grad * direction).sum())
        size = float((x.grad * direction).abs().sum())
        assert min(abs(s - expected) for s in slopes) < 1e-6 * max(size, 1e-2)


def test_the_maximum_is_above_all_values_and_near_the_largest():
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    cell = CELL.replace(threshold=None)
    given = learn.Spikes.from_lists([(np.sort(rng.uniform(0, 40, 12)), rng.integers(0, 3, 12))], n=3)
    top = learn.EventLayer(3, 4, cell, until=50.0, read="max v")
    top.weight.data.normal_(0.0, 1.0)
    dense = learn.EventLayer(3, 4, cell, until=50.0, read="v", at=np.linspace(0, 50, 2001))
    dense.weight.data.copy_(top.weight.data)
    with torch.no_grad():
        gap = top(given) - dense(given).amax(1)
    assert float(gap.min()) >= -1e-14
    assert float(gap.max()) < 1e-3


def test_readings_are_those_of_the_exact_engine():
    torch.manual_seed(4)
    cell = CELL.replace(threshold=None)
    times = np.array([1.0, 4.0, 9.5, 12.0])
    layer = learn.EventLayer(1, 1, cell, until=20.0, read="v", at=[5.0, 10.0, 20.0], train=())
    layer.weight.data.fill_(0.7)
    port = cell.ports[0]
    run = rb.simulate(
        cell,
        until="20 ms",
        engine=rb.Exact(),
        record=["v"],
        record_every="1 ms",
        **{port: rb.spikes(times, weight=0.7)},
    )
    got = layer(learn.Spikes.from_lists([(times, np.zeros(4, dtype=int))]))[0, :, 0]
    np.testing.assert_allclose(got.numpy(), np.asarray(run.v)[[5, 10, 20]], rtol=0, atol=1e-13)
