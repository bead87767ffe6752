"""Neurons shared out among threads: the same numbers as on one."""

from __future__ import annotations

import threading

import pytest
import torch

import rheobase as rb
from rheobase import learn
from rheobase.learn import team

#: 500 times 4,000 neurons: enough for several threads, and no multiple of what a thread takes
SHAPE = (500, 8, 500)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def outcome(layer, seed=0):
    torch.manual_seed(seed)
    x = (torch.rand(SHAPE) * 0.3).requires_grad_()
    z = layer(x)
    z.backward(torch.randn(SHAPE))
    return z.detach(), x.grad


def make():
    return learn.Layer(rb.LIF(theta=1.0, v_r=0.0, E_L=0.0), dt=1, to="spikes")


def test_threads_give_the_same_numbers(threads, monkeypatch):
    threads(1)
    one = outcome(make())
    assert one[0].sum() > 1000
    layer = make()
    for n in (2, 3, 1):
        threads(n)
        assert all(map(torch.equal, one, outcome(layer)))
    monkeypatch.setattr(team, "_openmp", lambda: None)
    threads(2)  # without OpenMP: threads of our own
    assert all(map(torch.equal, one, outcome(make())))


def test_one_layer_in_two_threads_at_a_time(threads):
    threads(1)
    layer, found = make(), {}
    expected = {seed: outcome(layer, seed)[0] for seed in (1, 2)}
    assert not torch.equal(*expected.values())

    def run(seed, x):
        found[seed] = [layer(x) for _ in range(5)]

    torch.manual_seed(1)
    inputs = {1: torch.rand(SHAPE) * 0.3}
    torch.manual_seed(2)
    inputs[2] = torch.rand(SHAPE) * 0.3
    workers = [threading.Thread(target=run, args=item) for item in inputs.items()]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(torch.equal(z, expected[seed]) for seed, zs in found.items() for z in zs)


@pytest.mark.parametrize("n", [1, 2])
def test_what_is_not_finite_is_told_from_any_neuron(threads, n):
    threads(n)
    x = torch.rand(SHAPE) * 0.1
    x[250, 7, 499] = torch.nan
    with pytest.raises(rb.InputError, match="time 250, batch 7, neuron \\[499\\]"):
        make()(x)
    # a spike has wiped the state out, but NaN has come in
    lif = rb.Neuron(evolve="tau dv/dt = -v", receive="v <- v + w_i", threshold="not v < 1", reset="v <- 0", tau=10.0)
    for backend in ("numba", "torch"):
        with pytest.raises(rb.InputError, match="time 250"):
            learn.Layer(lif, dt=1, backend=backend)(x)
