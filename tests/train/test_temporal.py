"""What a rate code cannot solve: classes that differ in the times of their spikes alone.

In both tasks every channel sends the same number of spikes in every sample, whatever its class, so that counts say
nothing.
"""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import rheobase as rb  # noqa: E402
from rheobase import learn  # noqa: E402

CELL = rb.Neuron(
    evolve="tau dv/dt = -v", receive="v <- v + w_i", threshold="v > theta", reset="v <- v - theta", tau=5.0, theta=1.0
)
READER = CELL.replace(threshold=None, reset=None, tau=20.0)
GRADIENT = learn.fast_sigmoid(5)


@pytest.fixture(autouse=True)
def one_thread():
    """These networks are small: on a busy machine two threads wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def timing_xor(n, rng):
    """Three spikes of one channel; the class is whether one of the two intervals is long, but not both."""
    long = torch.randint(0, 2, (n, 2), generator=rng)
    gap = torch.where(long == 1, 20, 8) + torch.randint(-1, 2, (n, 2), generator=rng)
    first = torch.randint(1, 6, (n,), generator=rng)
    times = torch.stack([first, first + gap[:, 0], first + gap.sum(1)])
    x = torch.zeros(55, n, 1)
    x.scatter_(0, times[:, :, None], 1.0)
    return x, long[:, 0] ^ long[:, 1]


def sweeps(n, rng, channels=20, steps=60):
    """Spectra as an artificial ear sends them: two peaks that move; four classes of up and down, 2 spikes a channel."""
    k = torch.arange(channels) / (channels - 1)
    rises = torch.stack([torch.stack([a, b]) for a in (k, 1 - k) for b in (k, 1 - k)])  # [class, peak, channel]
    y = torch.randint(0, 4, (n,), generator=rng)
    when = rises[y] * 22 + torch.tensor([2.0, 31.0])[:, None]
    when = when + torch.randint(0, 5, (n, 1, 1), generator=rng) + torch.randn(when.shape, generator=rng)
    x = torch.zeros(steps, n, channels)
    x.scatter_add_(0, when.round().long().clamp(0, steps - 1).transpose(0, 1), torch.ones(2, n, channels))
    return x, y


def fit(net, make, updates, rate=5e-3, batch=128, seed=0):
    """Return the accuracy on 2,000 new samples after training."""
    rng = torch.Generator().manual_seed(seed)
    late = [m for m in net.modules() if isinstance(m, learn.Delays)]
    places = {id(m.place) for m in late}
    rates = [{"params": [p for p in net.parameters() if id(p) not in places], "lr": rate}]
    rates += [{"params": [m.place for m in late], "lr": 10 * rate}] if late else []
    optimiser = torch.optim.Adam(rates)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    for k in range(updates):
        for m in late:  # from wide kernels, which see far, to narrow ones; then whole steps, to which weights adapt
            m.sigma = 3.0 * (0.4 / 3.0) ** (k / updates)
            m.train(k < 0.7 * updates)
        x, y = make(batch, rng)
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    net.eval()  # delays are whole steps from here on
    with torch.no_grad():
        x, y = make(2000, rng)
        return float((net(x).argmax(1) == y).float().mean())


def network(inputs, outputs, recurrent, n=64):
    torch.manual_seed(0)
    layer = learn.Layer(CELL, dt="1 ms", size=n, recurrent=recurrent or None, gradient=GRADIENT)
    net = nn.Sequential(
        nn.Linear(inputs, n), layer, nn.Linear(n, outputs), learn.Layer(READER, dt="1 ms", read="mean v")
    )
    if recurrent:
        nn.init.normal_(layer.recurrent.weight, 0, 0.5 / n**0.5)
    return net


class Counts(nn.Module):
    """The best that a rate code can do: any function of the counts of spikes."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, outputs))

    def forward(self, x):
        return self.net(x.sum(0))


@pytest.mark.parametrize("make", [timing_xor, sweeps])
def test_counts_are_the_same_in_every_sample(make):
    x, y = make(200, torch.Generator().manual_seed(0))
    assert (x.sum(0) == x.sum(0)[0]).all()
    assert len(y.unique()) == (2 if make is timing_xor else 4)


@pytest.mark.train
@pytest.mark.parametrize("recurrent", [True, False])
def test_timing_xor_needs_recurrence(recurrent):
    net = network(1, 2, recurrent)
    with torch.no_grad():
        net[0].weight.uniform_(0.3, 1.6)  # the only channel must be heard
        net[0].bias.uniform_(-0.05, 0.1)
    found = fit(net, timing_xor, 300)
    assert found > 0.98 if recurrent else found < 0.95, found


@pytest.mark.train
def test_counts_solve_neither():
    assert fit(Counts(1, 2), timing_xor, 200) < 0.55
    assert fit(Counts(20, 4), sweeps, 200) < 0.30


@pytest.mark.train
def test_moving_spectra_are_told_apart_with_recurrence():
    net = network(20, 4, True)
    learn.initialise(net, rate=0.05, data=sweeps(128, torch.Generator().manual_seed(1))[0], seed=0)
    assert fit(net, sweeps, 150) > 0.97


class Copies(nn.Module):
    """The only channel, four times: each can be delayed otherwise."""

    def forward(self, x):
        return x.repeat(1, 1, 4)


@pytest.mark.train
@pytest.mark.parametrize("delays", [True, False])
def test_timing_xor_is_solved_with_learnt_delays(delays):
    """Without recurrence, by coincidences of spikes that were sent up to 35 ms apart to neurons that forget in 2."""
    torch.manual_seed(0)
    first = learn.Delays(4, 64, dt="1 ms", longest="35 ms") if delays else nn.Linear(4, 64)
    with torch.no_grad():
        first.weight.uniform_(0.1, 1.0)
    start = first.delay.detach().clone() if delays else None
    net = nn.Sequential(
        Copies(), first, learn.Layer(CELL.replace(tau=2.0), dt="1 ms", gradient=learn.fast_sigmoid(3)),
        nn.Linear(64, 2), learn.Layer(READER, dt="1 ms", read="mean v"),
    )  # fmt: skip
    found = fit(net, timing_xor, 400, rate=1e-2)
    assert found > 0.95 if delays else found < 0.8, found
    if delays:
        assert float((first.delay.detach() - start).abs().mean()) > 1  # ms
