"""Recycled buffers: never while somebody holds them."""

from __future__ import annotations

import pytest
import torch

from rheobase.learn import memory

SHAPE = (600, 1000)


@pytest.fixture(autouse=True)
def _clean():
    memory.forget()
    yield
    memory.forget()


def test_a_buffer_is_used_again_when_nobody_holds_it():
    x = memory.empty(SHAPE, torch.float32)
    place = x.data_ptr()
    view = x[10:].t()
    del x
    assert memory.empty(SHAPE, torch.float32).data_ptr() != place  # the view holds it
    del view
    assert memory.idle_bytes() > 0


def test_autograd_holds_what_it_saved():
    x = memory.empty(SHAPE, torch.float32).fill_(2.0)
    w = torch.ones(SHAPE, requires_grad=True)
    y = (x * w).sum()
    del x
    memory.empty(SHAPE, torch.float32).fill_(7.0)
    y.backward()
    assert (w.grad == 2.0).all()


def test_idle_memory_can_be_given_back():
    del_me = memory.empty(SHAPE, torch.float64)
    del del_me
    assert memory.idle_bytes() >= 8 * 600_000
    memory.forget()
    assert memory.idle_bytes() == 0


def test_small_ones_are_torchs_own():
    assert memory.empty((3, 4), torch.int32).shape == (3, 4)
    assert memory.idle_bytes() == 0
