"""Mistakes of somebody new, across the public names: each is told by what it is called, with what to write instead."""

from __future__ import annotations

import re

import numpy as np
import pytest

import rheobase as rb


@pytest.fixture(scope="module")
def run() -> rb.Run:
    return rb.simulate(rb.LIF(), I="0.3 nA", until="100 ms")


@pytest.fixture(scope="module")
def network() -> rb.NetworkRun:
    net = rb.Network()
    net.add("E", 2, rb.LIF(), I="0.3 nA")
    return rb.simulate(net, until="50 ms", seed=1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: rb.Neuron("tau dv/dt = -v", treshold="v > 1", reset="v <- 0", tau=20), "Did you mean 'threshold'"),
        (lambda: rb.Neuron("tau dv/dt = -v", evolv="dw/dt = -w", tau=20), "Did you mean 'evolve'"),
        (lambda: rb.Synapse(on_prre="w <- w"), "Did you mean 'on_pre'"),
        (lambda: rb.simulate(rb.LIF(), until=50, I=None), "I = None is not a number"),
        (lambda: rb.simulate(rb.LIF(), until=50, I=[[0.1], [0.1, 0.2]]), "is no array of numbers"),
        (lambda: rb.simulate(rb.LIF(), until=50, engine=rb.Exact), "engine = Exact is no engine; give for example"),
        (lambda: rb.simulate(rb.LIF(), until=50, engine="exact"), "or rb.Exact()"),
        (lambda: rb.Precise("a"), "rtol = 'a' must lie in"),
        (lambda: rb.uniform(None, 1), "uniform: None is not a number"),
        (lambda: rb.normal([1], 1), "normal: [1] is not a number"),
        (lambda: rb.forecast(rb.LIF(), until=50), "forecast wants a Network, not Neuron"),
        (lambda: rb.compare(rb.LIF(), rb.Exact(), until=50), "engines = Exact(threads=None) must be a list"),
        (lambda: rb.compare(rb.LIF(), "exact", until=50), "engines = 'exact' must be a list"),
        (lambda: rb.check_dt(rb.LIF(), until=50, engine=rb.Exact()), "engine= cannot be given here"),
        (lambda: rb.check_dt(rb.LIF(), until=50, seed=1), "seed= cannot be given here"),
        (lambda: rb.check_dt(rb.LIF(), until=50, dts=[]), "dts is empty"),
        (lambda: rb.fi_curve(rb.LIF(), [0.1, 0.3]), "must be the name of what varies"),
        (lambda: rb.siegert("a", 1, 10, 20, 0), "mu = 'a' must be a plain number"),
        (lambda: rb.siegert(10, "1 mV", 10, 20, 0), "sigma = '1 mV' must be a plain number"),
    ],
)  # fmt: skip
def test_it_is_named(call, said):
    with pytest.raises(rb.RheobaseError, match=re.escape(said)):
        call()


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (lambda run: rb.cv(run, until="a"), "until = 'a' must be a plain number of ms"),
        (lambda run: rb.cv2(run, start="10 ms"), "start = '10 ms' must be a plain number of ms, as in start=10"),
        (lambda run: rb.fano(run, None), "window = None must be a plain number"),
        (lambda run: rb.psth(run, bin=[10]), "bin = [10] must be a plain number"),
        (lambda run: rb.van_rossum(run, run, tau="10 ms"), "tau = '10 ms' must be a plain number"),
        (lambda run: run.rate(None), "start = None is not a number"),
    ],
)
def test_windows_are_plain_numbers(run, measure, said):
    with pytest.raises(rb.InputError, match=re.escape(said)):
        measure(run)


def test_rates_take_times_with_units(run, network):
    assert run.rate("50 ms") == run.rate(50)
    assert network.rate("10 ms") == network.rate(10.0)


def test_a_population_is_no_attribute(network):
    with pytest.raises(AttributeError, match=re.escape("reached by its name: run['E']")):
        _ = network.E
    with pytest.raises(AttributeError, match="Did you mean 'resume'"):
        _ = network.resum
    assert not hasattr(network, "__array__")


def test_a_tensor_with_a_gradient_says_detach():
    torch = pytest.importorskip("torch")
    with pytest.raises(rb.InputError, match=re.escape("x.detach()")):
        rb.simulate(rb.LIF(), until=50, I=torch.tensor(0.3, requires_grad=True))
    tau = torch.tensor([20.0, 30.0])
    assert rb.LIF(tau=tau).size == 2
    with pytest.raises(rb.InputError, match="tau = "):
        rb.LIF(tau=tau.requires_grad_())


def test_numbers_of_numpy_are_numbers():
    run = rb.simulate(
        rb.LIF(), I=np.int64(1), until=np.float32(50), dt=np.float64(0.1), n=np.int64(2), seed=np.int64(1)
    )
    assert run.n == 2
