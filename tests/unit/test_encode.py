"""Encoders: shapes, statistics, laws, seeds, wrong input by name."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rheobase.errors import InputError  # noqa: E402
from rheobase.learn import encode  # noqa: E402

X = torch.linspace(0, 1, 11)[None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "code",
    [
        lambda x: encode.rate(x, 7, seed=1),
        lambda x: encode.regular(x, 7),
        lambda x: encode.latency(x, 7),
        lambda x: encode.latency(x, 7, law="log"),
    ],
)
def test_shape_is_time_first_and_values_are_spikes(code, dtype):
    x = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    z = code(x)
    assert z.shape == (7, 3, 2, 4)
    assert z.dtype == dtype
    assert set(z.unique().tolist()) <= {0.0, 1.0}


def test_rate_has_the_stated_probability():
    z = encode.rate(X, 20_000, seed=3)
    p = X.numpy()
    np.testing.assert_allclose(z.mean(0).numpy(), p, atol=4 * 0.5 / math.sqrt(20_000))
    assert z[:, 0, 0].sum() == 0
    assert z[:, 0, -1].sum() == 20_000
    slow = encode.rate(X, 20_000, highest="100 Hz", dt="1 ms", seed=3)
    np.testing.assert_allclose(slow.mean(0).numpy(), 0.1 * p, atol=0.01)


def test_steps_are_independent():
    z = encode.rate(torch.tensor([[0.5]]), 20_000, seed=1)[:, 0, 0] - 0.5
    assert abs(float((z[1:] * z[:-1]).mean())) < 0.25 * 4 / math.sqrt(20_000)


def test_several_spikes_a_step_are_poisson_counts():
    z = encode.rate(torch.ones(1, 5000), 20, highest=2.5, several=True, seed=1)
    assert float(z.mean()) == pytest.approx(2.5, abs=0.03)
    assert float(z.var()) == pytest.approx(2.5, abs=0.06)


def test_seed_decides_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b, c = (encode.rate(X, 50, seed=s) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), before)
    encode.rate(X, 50)
    assert not torch.equal(torch.get_rng_state(), before)
    g = torch.Generator().manual_seed(1)
    assert torch.equal(encode.rate(X, 50, seed=g), a)


@pytest.mark.parametrize("seed", [None, 4])
def test_regular_trains_have_exact_counts_in_every_window(seed):
    z = encode.regular(X, 100, seed=seed)[:, 0]
    for start in (0, 13, 50):
        count = z[start : start + 50].sum(0)
        assert ((count - 50 * X[0]).abs() < 1).all()
    if seed is None:
        assert z.sum(0).tolist() == [10 * k for k in range(11)]


def test_latency_is_linear_and_theta_silences():
    z = encode.latency(X, 11, theta=0.15)[:, 0]
    assert z.sum(0).tolist() == [0, 0, *[1] * 9]
    assert z.argmax(0)[2:].tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_log_latency_is_the_charging_time_of_a_lif():
    tau, theta = 8.0, 0.2
    z = encode.latency(X, 60, tau=tau, theta=theta, law="log")[:, 0]
    for k in range(11):
        x = float(X[0, k])
        t = tau * math.log(x / (x - theta)) if x > theta + 1e-6 else math.inf
        assert float(z[:, k].sum()) == (round(t) < 60 if t < 1e9 else 0)
        if z[:, k].any():
            assert int(z[:, k].argmax()) == round(t)
    same = encode.latency(X, 60, tau="4 ms", dt="0.5 ms", theta=theta, law="log")[:, 0]
    assert torch.equal(same, z)


def test_delta_events_rebuild_the_signal():
    t = torch.linspace(0, 4 * math.pi, 400, dtype=torch.float64)
    x = torch.stack([t.sin(), 0.5 * (2 * t).cos()], 1)[:, :, None]  # [time, batch 2, 1]
    z = encode.delta(x, theta=0.05)
    assert z.shape == (400, 2, 2, 1)
    rebuilt = x[0] + 0.05 * (z[:, :, 0] - z[:, :, 1]).cumsum(0)
    assert float((rebuilt - x).abs().max()) < 0.05 * (1 + 1e-9)
    assert torch.equal(encode.delta(x, theta=0.05, off=False), z[:, :, 0])
    jump = encode.delta(torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0, 1.0])[:, None], theta=0.25)[:, 0, 0]
    assert jump.tolist() == [0, 1, 1, 1, 1, 0]  # what one step cannot tell, the next do
    first = encode.delta(torch.ones(2, 1), theta=0.5, baseline=torch.zeros(1))[:, 0, 0]
    assert first.tolist() == [1, 1]


def test_population_fires_nearest_first():
    x = torch.tensor([[0.0, 0.3, 1.0]])
    z = encode.population(x, 21, 8)
    assert z.shape == (21, 1, 3, 8)
    centres = (np.arange(1, 9) - 1.5) / 6
    for k in range(3):
        a = np.exp(-0.5 * ((float(x[0, k]) - centres) * 6 * 1.5) ** 2)
        for i in range(8):
            train = z[:, 0, k, i]
            assert float(train.sum()) == (a[i] > 0.1)
            if a[i] > 0.1:
                assert int(train.argmax()) == pytest.approx((1 - a[i]) * 20, abs=0.5001)
    shifted = encode.population(10 * x - 5, 21, 8, low=-5, high=5)
    assert torch.equal(shifted, z)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encode.rate([0.5], 5), "x must be a torch tensor, not list"),
        (lambda: encode.rate(torch.tensor(0.5), 5), r"x has shape \(\); it must be \[batch, ...\]"),
        (lambda: encode.rate(torch.zeros(1, 0), 5), "nothing in it"),
        (lambda: encode.rate(torch.tensor([[torch.nan, 0.0]]), 5), "NaN or infinity in 1 places"),
        (
            lambda: encode.rate(torch.tensor([[-0.5, 255.0]]), 5),
            r"x goes from -0.5 to 255, but values must be in",
        ),
        (lambda: encode.rate(torch.tensor([[0, 255]], dtype=torch.uint8), 5), "goes from 0 to 255"),
        (lambda: encode.rate(torch.ones(1, 1, dtype=torch.bool), 5), "torch.bool"),
        (lambda: encode.rate(X, 0), "steps = 0 must be a whole number"),
        (lambda: encode.rate(X, 2.5), "steps = 2.5 must be a whole number"),
        (lambda: encode.rate(X, 10**9), "more than memory holds"),
        (lambda: encode.rate(X, 5, highest="100 Hz"), "give dt= too"),
        (lambda: encode.rate(X, 5, highest="5 kHz", dt="1 ms"), "5 spikes per step; one step holds one"),
        (lambda: encode.rate(X, 5, highest=-1), "highest = -1 must be zero or positive"),
        (lambda: encode.rate(X, 5, seed="a"), "seed = 'a' must be a whole number"),
        (lambda: encode.latency(X, 5, law="exp"), "neither 'linear' nor 'log'"),
        (lambda: encode.latency(X, 5, law="liner"), "Did you mean 'linear'"),
        (lambda: encode.latency(X, 5, theta="5 mV"), "theta = '5 mV' must be a number, without a unit"),
        (lambda: encode.delta(X, None), "theta = None must be a number"),
        (lambda: encode.population(X, 5, 5, low="a"), "low = 'a' must be a number"),
        (lambda: encode.latency(X, 5, theta=1.0), r"theta = 1.0 must be in \[0, 1\)"),
        (lambda: encode.latency(X, 5, tau=3), "belongs to law='log'"),
        (lambda: encode.latency(X, 5, tau="3 ms", law="log"), "give dt= too"),
        (lambda: encode.latency(X, 5, tau=-3, law="log"), "must be a positive number of steps"),
        (lambda: encode.delta(X[0], 0.1), r"it must be \[time, batch, ...\]"),
        (lambda: encode.delta(X, 0), "theta = 0 must be positive"),
        (
            lambda: encode.delta(X, 0.1, baseline=torch.zeros(3)),
            r"baseline has shape \(3,\); one step of x",
        ),
        (lambda: encode.population(X, 5, 2), "at least 3"),
        (lambda: encode.population(X, 5, 5, low=1, high=0), "must be below high"),
        (lambda: encode.population(X, 5, 5, beta=0), "beta = 0 must be positive"),
        (lambda: encode.population(2 * X, 5, 5), r"values must be in \[0, 1\]"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
