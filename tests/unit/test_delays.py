"""Trainable delays: shifts, interpolation, gradients, and that they are learnt."""

from __future__ import annotations

import pytest
import torch

import rheobase as rb
from rheobase import learn


def one(delay, **more):
    made = learn.Delays(1, 1, dt="1 ms", longest="8 ms", **{"kernel": "triangle", **more})
    made.set(weight=1.0, delay=delay)
    return made


def pulse(at=0, steps=12):
    x = torch.zeros(steps, 1, 1)
    x[at] = 1.0
    return x


def test_a_whole_delay_is_a_shift_and_a_half_one_is_shared():
    assert torch.allclose(one("3 ms")(pulse()), pulse(3), atol=1e-5)
    assert one(2.25)(pulse())[2:4, 0, 0].tolist() == pytest.approx([0.75, 0.25], abs=1e-5)


def test_evaluation_rounds_and_a_narrow_gaussian_agrees():
    made = one(2.3, kernel="gaussian", sigma=0.05)
    assert torch.allclose(made(pulse()), made.eval()(pulse()), atol=1e-5)


@pytest.mark.parametrize("kernel", ["gaussian", "triangle"])
def test_gradients(kernel):
    made = learn.Delays(2, 3, dt=1, longest=5, kernel=kernel, bias=True).double()
    x = torch.rand(7, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: made(x), (x, *made.parameters()))


def test_a_delay_is_learnt():
    made = one(1.0, kernel="gaussian", sigma=2.0)
    optimiser = torch.optim.Adam([made.place], lr=0.1)
    for epoch in range(60):
        made.sigma = max(0.3, 2.0 * 0.95**epoch)
        optimiser.zero_grad()
        (made(pulse()) - pulse(5)).square().sum().backward()
        optimiser.step()
    assert made.delay.item() == pytest.approx(5.0, abs=0.2)


def test_batch_first():
    made = learn.Delays(2, 3, dt=1, longest=4)
    turned = learn.Delays(2, 3, dt=1, longest=4, batch_first=True)
    turned.load_state_dict(made.state_dict())
    x = torch.rand(6, 4, 2)
    assert torch.allclose(made(x), turned(x.transpose(0, 1)).transpose(0, 1), atol=1e-6)


def test_what_is_refused():
    with pytest.raises(rb.InputError, match="at least one step"):
        learn.Delays(1, 1, dt=1, longest=0.5)
    with pytest.raises(rb.InputError, match="Did you mean 'triangle'"):
        learn.Delays(1, 1, dt=1, longest=5, kernel="triangular")
    with pytest.raises(rb.InputError, match=r"\[time, batch, 1\] is wanted"):
        one(1.0)(torch.rand(3, 2))
    with pytest.raises(rb.InputError, match="between 0 and longest"):
        one(9.0)
