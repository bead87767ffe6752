"""Losses: values by hand, gradients by finite differences, wrong input by name."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rheobase.errors import InputError, UnitMismatch  # noqa: E402
from rheobase.learn import losses  # noqa: E402


def train(*spikes, steps=10, batch=1, n=2):
    z = torch.zeros(steps, batch, n, dtype=torch.float64)
    for t, b, k in spikes:
        z[t, b, k] = 1
    return z


@pytest.fixture
def random():
    return torch.Generator().manual_seed(1)


# ------------------------------------------------------------------ rate
def test_rate_is_the_cross_entropy_of_counts(random):
    z = (torch.rand(20, 4, 5, generator=random) < 0.3).double()
    y = torch.tensor([0, 1, 4, 2])
    n = z.sum(0).numpy()
    wanted = np.mean([np.log(np.exp(n[b]).sum()) - n[b, y[b]] for b in range(4)])
    assert float(losses.rate(z, y)) == pytest.approx(wanted, rel=1e-12)
    assert losses.rate(z, y, reduction="none").shape == (4,)
    assert float(losses.rate(z, y, reduction="sum")) == pytest.approx(4 * wanted, rel=1e-12)
    half = losses.rate(z, y, scale=0.5)
    assert float(half) == pytest.approx(float(torch.nn.functional.cross_entropy(0.5 * z.sum(0), y)), rel=1e-12)


def test_rate_error_takes_wanted_rates_and_hertz():
    z = train(*[(t, 0, 1) for t in range(5)])
    assert float(losses.rate_error(z, torch.tensor([1]), right=0.5, wrong=0)) == 0
    assert float(losses.rate_error(z, torch.tensor([1]), right="500 Hz", wrong="0 Hz", dt="1 ms")) == 0
    assert float(losses.rate_error(z, torch.tensor([[0.1, 0.5]], dtype=torch.float64))) == pytest.approx(0.005)
    with pytest.raises(InputError, match=r"right = 0\.1 must be above wrong = 0\.5"):
        losses.rate_error(z, torch.tensor([1]), right=0.1, wrong=0.5)
    with pytest.raises(InputError, match="give dt= too"):
        losses.rate_error(z, torch.tensor([1]), right="500 Hz", wrong=0)
    with pytest.raises(InputError, match=r"target rates have shape \(2,\); they must be \(1, 2\)"):
        losses.rate_error(z, torch.zeros(2))


# ------------------------------------------------------------------ first spike
def test_first_spike_time_is_the_first_index(random):
    z = (torch.rand(12, 3, 4, generator=random) < 0.2).double()
    t = losses.first_spike_time(z, dt="0.5 ms")
    for b in range(3):
        for k in range(4):
            when = z[:, b, k].nonzero()
            assert float(t[b, k]) == (0.5 * (int(when[0]) + 1) if len(when) else 0.5 * 13)


def test_gradient_of_the_first_spike_time_says_what_a_spike_more_or_less_would_do():
    z = train((3, 0, 0), (7, 0, 0), n=1).requires_grad_()
    losses.first_spike_time(z, dt="1 ms").sum().backward()
    g = z.grad[:, 0, 0]
    assert g[:3].tolist() == [1 - 4, 2 - 4, 3 - 4]  # a spike there would make the time 1, 2, 3 instead of 4
    assert float(g[3]) == 4 - 8  # without it the second, at 8, would be the first
    assert g[4:].tolist() == [0] * 6


def test_first_spike_loss_agrees_on_the_grid_and_on_times():
    z = train((1, 0, 0), (4, 0, 1), (6, 0, 0))
    grid = losses.first_spike(z, [0], tau="3 ms", dt="1 ms")
    times = losses.first_spike(torch.tensor([[2.0, 5.0]], dtype=torch.float64), [0], tau="3 ms")
    assert float(grid) == pytest.approx(float(times), rel=1e-12) == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-12)
    early = losses.first_spike(z, [0], tau="3 ms", dt="1 ms", early=0.1)
    assert float(early - grid) == pytest.approx(0.1 * math.expm1(2 / 3), rel=1e-12)


def test_silent_neurons_need_an_end():
    times = torch.tensor([[2.0, torch.inf]])
    with pytest.raises(InputError, match="give until="):
        losses.first_spike(times, [0], tau="3 ms")
    assert torch.isfinite(losses.first_spike(times, [1], tau="3 ms", until="20 ms"))
    late = losses.first_spike(torch.tensor([[1e6, 3.0]]), [0], tau="1 ms", until="20 ms", early=1.0)
    assert torch.isfinite(late)


def test_first_spike_loss_has_the_gradient_of_finite_differences():
    times = torch.tensor([[2.0, 5.0, 3.0], [4.0, 1.0, 6.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: losses.first_spike(t, [0, 2], tau="3 ms", early=0.1), times)


# ------------------------------------------------------------------ van Rossum
def integrate(a, b, tau, until=400.0, h=1e-3):
    """D**2 by the trapezoidal rule, from the definition."""
    t = np.arange(0, until, h)
    f = sum(np.where(t >= s, np.exp(-np.clip(t - s, 0, None) / tau), 0) for s in a)
    g = sum(np.where(t >= s, np.exp(-np.clip(t - s, 0, None) / tau), 0) for s in b)
    return np.trapezoid((f - g) ** 2, dx=h) / tau


@pytest.mark.parametrize("tau", [1.0, 5.0, 50.0])
def test_van_rossum_is_its_integral_on_the_grid_and_on_times(tau):
    a, b = [3.0, 10.0, 11.0, 40.0], [4.0, 11.0]
    wanted = integrate(a, b, tau, until=60 + 20 * tau)
    z, y = torch.zeros(50, 1, 1, dtype=torch.float64), torch.zeros(50, 1, 1, dtype=torch.float64)
    z[[2, 9, 10, 39], 0, 0] = 1
    y[[3, 10], 0, 0] = 1
    grid = float(losses.van_rossum(z, y, tau=tau, dt="1 ms"))
    times = losses.van_rossum(torch.tensor([[a]]).double(), torch.tensor([[b]]).double(), tau=tau)
    assert grid == pytest.approx(float(times), rel=1e-12)
    assert grid == pytest.approx(wanted, rel=2e-3)


def test_van_rossum_of_times_is_the_sum_over_pairs(random):
    a = 100 * torch.rand(2, 3, 7, generator=random, dtype=torch.float64)
    b = 100 * torch.rand(2, 3, 4, generator=random, dtype=torch.float64)
    a[0, 0, 3:] = torch.inf
    a[1, 1] = torch.inf
    b[1, 1] = torch.nan
    got = losses.van_rossum(a, b, tau="10 ms", reduction="none")
    for i in range(2):
        total = 0.0
        for k in range(3):
            x, y = (s[i, k][torch.isfinite(s[i, k])].numpy() for s in (a, b))
            t, s = np.concatenate([x, y]), np.concatenate([np.ones(len(x)), -np.ones(len(y))])
            total += 0.5 * (s[:, None] * s * np.exp(-np.abs(t[:, None] - t) / 10)).sum()
        assert float(got[i]) == pytest.approx(total, rel=1e-10)


def test_van_rossum_gradients_are_those_of_finite_differences(random):
    a = (100 * torch.rand(1, 2, 5, generator=random, dtype=torch.float64)).requires_grad_()
    b = 100 * torch.rand(1, 2, 4, generator=random, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda t: losses.van_rossum(t, b, tau="10 ms"), a)
    padded = torch.cat([a.detach(), torch.full((1, 2, 2), torch.inf, dtype=torch.float64)], 2).requires_grad_()
    losses.van_rossum(padded, b, tau="10 ms").backward()
    assert torch.isfinite(padded.grad).all()
    z = torch.rand(8, 2, 3, generator=random, dtype=torch.float64).requires_grad_()
    y = torch.rand(8, 2, 3, generator=random, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: losses.van_rossum(x, y, tau="3 ms", dt="1 ms"), z)


def test_van_rossum_of_nothing_is_zero():
    empty = torch.zeros(2, 3, 0)
    assert losses.van_rossum(empty, empty, tau=5, reduction="none").tolist() == [0, 0]


# ------------------------------------------------------------------ traces, regulariser
def test_trace_losses_read_what_their_names_say(random):
    v = torch.randn(9, 4, 3, generator=random, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 0])
    ce = torch.nn.functional.cross_entropy
    assert losses.max_v(v, y) == ce(v.amax(0), y)
    assert losses.mean_v(v, y, scale=2) == ce(2 * v.mean(0), y)
    assert losses.last_v(v, y) == ce(v[-1], y)
    with pytest.raises(InputError, match="read out already"):
        losses.max_v(v[0], y)


def test_rate_bounds_are_zero_inside_and_quadratic_outside():
    z = train(*[(t, 0, 1) for t in range(6)])  # rates 0 and 0.6
    assert float(losses.rate_bounds(z, lower=0, upper=0.6)) == 0
    assert float(losses.rate_bounds(z, lower=0.1)) == pytest.approx(0.01 / 2)
    assert float(losses.rate_bounds(z, upper=0.5, reduction="sum")) == pytest.approx(0.01)
    assert float(losses.rate_bounds(z, upper=0.2, per="layer")) == pytest.approx(0.01)
    both = train(*[(t, 0, 0) for t in range(10)], batch=2, n=1)  # one sample at 1, one silent
    assert float(losses.rate_bounds(both, lower=0.5, upper=0.5, per="neuron")) == 0
    assert float(losses.rate_bounds(both, lower=0.5, upper=0.5, per="sample")) == pytest.approx(0.25)
    with pytest.raises(InputError, match="give lower=, upper= or both"):
        losses.rate_bounds(z)
    with pytest.raises(InputError, match="Did you mean 'neuron'"):
        losses.rate_bounds(z, lower=0.1, per="neurons")
    with pytest.raises(InputError, match="is below lower"):
        losses.rate_bounds(z, lower=0.2, upper=0.1)


def test_rate_bounds_push_silent_neurons_up():
    z = train((3, 0, 1)).requires_grad_()
    losses.rate_bounds(z, lower=0.05).backward()
    assert (z.grad[:, 0, 0] < 0).all()
    assert (z.grad[:, 0, 1] == 0).all()


# ------------------------------------------------------------------ wrong input
@pytest.mark.parametrize(
    ("z", "y", "message"),
    [
        (np.zeros((4, 1, 2)), [0], "must be a torch tensor"),
        (torch.zeros(4, 2), [0], r"z has shape \(4, 2\); it must be \[time, batch, n\]"),
        (torch.zeros(0, 1, 2), [0], "there is nothing in it"),
        (torch.zeros(4, 1, 2, dtype=torch.long), [0], r"z\.float\(\)"),
        (torch.full((4, 1, 2), torch.nan), [0], "first at time step 0"),
        (torch.full((4, 1, 2), -1.0), [0], "spikes are 0 or 1. Is this a trace of v"),
        (torch.zeros(4, 1, 2), [2], "target holds class 2, but there are 2 outputs"),
        (torch.zeros(4, 1, 2), [-1], "target holds class -1"),
        (torch.zeros(4, 1, 2), [0, 1, 1, 0], "target has 4 entries for a batch of 1; is the time axis first"),
        (torch.zeros(4, 1, 2), [0.5], "class numbers"),
        (torch.zeros(4, 1, 2), [[0]], "class numbers"),
    ],
)
def test_wrong_input_is_named(z, y, message):
    with pytest.raises(InputError, match=message):
        losses.rate(z, torch.tensor(y))


def test_wrong_arguments_are_named():
    z = torch.zeros(4, 1, 2)
    with pytest.raises(InputError, match="Did you mean 'mean'"):
        losses.rate(z, [0], reduction="men")
    with pytest.raises(InputError, match="scale = None must be a number"):
        losses.rate(z, [0], scale=None)
    with pytest.raises(InputError, match="scale = 'a' must be a number"):
        losses.max_v(z, [0], scale="a")
    with pytest.raises(InputError, match=r"target = 'one' must be class numbers \[batch\]"):
        losses.rate(z, "one")
    with pytest.raises(InputError, match="dt = -1 must be a positive time"):
        losses.first_spike_time(z, dt=-1)
    with pytest.raises(UnitMismatch, match="dt"):
        losses.first_spike_time(z, dt="1 mV")
    with pytest.raises(InputError, match="is before the end of the train"):
        losses.first_spike_time(z, dt=1, silent=2)
    with pytest.raises(InputError, match=r"spike times \[batch, n, spikes\]"):
        losses.van_rossum(z[..., 0], z[..., 0], tau=5)
    with pytest.raises(InputError, match="target has shape"):
        losses.van_rossum(z, z[:2], tau=5, dt=1)
    with pytest.raises(InputError, match="tau = 0 must be a positive time"):
        losses.van_rossum(z, z, tau=0, dt=1)


def test_a_scale_may_be_trained():
    scale = torch.tensor(2.0, requires_grad=True)
    losses.max_v(torch.rand(4, 1, 2), [0], scale=scale).backward()
    assert scale.grad is not None


def test_losses_work_in_half_precision_and_keep_the_graph():
    z = torch.zeros(4, 2, 3, dtype=torch.bfloat16)
    z[1] = 1
    z.requires_grad_()
    for loss in (losses.rate(z, [0, 1]), losses.rate_bounds(z, upper=0.1), losses.first_spike(z, [0, 1], tau=2, dt=1)):
        (g,) = torch.autograd.grad(loss, z, retain_graph=True)
        assert torch.isfinite(g).all()
