"""learn.Spikes: the table, its checks, and the ways to and from it."""

from __future__ import annotations

import math

import pytest

from rheobase import InputError

torch = pytest.importorskip("torch")

from rheobase.learn import Spikes  # noqa: E402


def test_from_lists_sorts_by_time_then_neuron():
    s = Spikes.from_lists([([3.0, 1.0, 1.0], [0, 2, 1]), ([], []), ([0.5], [2])])
    assert s.times.tolist() == [1.0, 1.0, 3.0, 0.5]
    assert s.neurons.tolist() == [1, 2, 0, 2]
    assert s.offsets.tolist() == [0, 3, 3, 4]
    assert (s.n, s.batch, len(s)) == (3, 3, 4)
    assert [len(t) for t, _ in s] == [3, 0, 1]


def test_dense_and_back():
    torch.manual_seed(0)
    dense = (torch.rand(7, 3, 5) < 0.3).float()
    dense[2, 1, 4] = 2.0
    s = Spikes.from_dense(dense, dt="0.1 ms")
    assert torch.equal(s.to_dense("0.1 ms", 7), dense)
    assert torch.equal(s.counts(), dense.sum(0).long())
    first = s.first()
    for b in range(3):
        for i in range(5):
            steps = dense[:, b, i].nonzero()
            wanted = (float(steps[0]) + 1) * 0.1 if len(steps) else math.inf
            assert float(first[b, i]) == pytest.approx(wanted)
    assert float(Spikes.from_dense(dense, dt=1, at="start").times.min()) == 0.0


def test_times_carry_gradients():
    t = torch.tensor([2.0, 1.0, 4.0], dtype=torch.float64, requires_grad=True)
    s = Spikes.from_lists([(t, [0, 0, 1])])
    (s.first(silent=9.0) * torch.tensor([[1.0, 10.0]])).sum().backward()
    assert t.grad.tolist() == [0.0, 1.0, 10.0]
    assert s.nth(1, silent=7.0).tolist() == [[2.0, 7.0]]
    assert not s.detach().times.requires_grad


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (([math.nan], [0]), "NaN"),
        (([-1.0], [0]), ">= 0"),
        (([1.0], [5]), "neurons are 0 to 2"),
        (([1.0], [-1]), "not there"),
        (([1.0, 2.0], [0]), "2 times but 1 neurons"),
        (([1.0], [0.5]), "whole numbers"),
        ((["soon"], [0]), "numbers of ms"),
        ((torch.tensor([1]), [0]), "floating"),
        ("ab", "pair"),
    ],
)
def test_bad_elements_are_named(pair, message):
    with pytest.raises(InputError, match=message):
        Spikes.from_lists([pair], n=3)


def test_bad_tables_are_named():
    t, i, o = torch.tensor([2.0, 1.0]).double(), torch.tensor([0, 0]), torch.tensor([0, 2])
    with pytest.raises(InputError, match="not sorted"):
        Spikes(t, i, o, 1)
    Spikes(t, i, torch.tensor([0, 1, 2]), 1)  # of two elements
    with pytest.raises(InputError, match="float64"):
        Spikes(t.float(), i, o, 1)
    with pytest.raises(InputError, match="rise from 0"):
        Spikes(t, i, torch.tensor([0, 3]), 1)
    with pytest.raises(InputError, match="batch"):
        Spikes.from_lists([])
    with pytest.raises(InputError, match="number of neurons"):
        Spikes(t, i, o, 0)


@pytest.mark.parametrize("bad", [torch.full((3, 2, 2), 0.5), torch.full((3, 2, 2), math.nan), torch.zeros(3, 2)])
def test_bad_dense_is_named(bad):
    with pytest.raises(InputError, match="dense"):
        Spikes.from_dense(bad, dt=1)


def test_dt_must_be_a_time():
    with pytest.raises(InputError, match="dt"):
        Spikes.from_dense(torch.zeros(3, 2, 2), dt=0)
    with pytest.raises(InputError, match="steps"):
        Spikes.from_lists([([1.0], [0])]).to_dense(1, 0)
