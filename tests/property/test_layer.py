"""Laws of a layer: pieces make the whole, in values and gradients, and samples do not see each other."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

import rheobase as rb
from rheobase import learn

LAYER = learn.Layer(rb.LIFexp(), dt="0.5 ms", train=("tau", "tau_s"), gradient=learn.arctan(), backend="torch")


def inputs(seed):
    torch.manual_seed(seed)
    return torch.rand(12, 3, 2, dtype=torch.float64) * 0.8


@given(seed=st.integers(0, 1000), cuts=st.sets(st.integers(1, 11), max_size=4))
def test_pieces_make_the_whole(seed, cuts):
    found = []
    edges = [0, *sorted(cuts), 12]
    for pieces in ([0, 12], edges):
        LAYER.zero_grad()
        x, state, out = inputs(seed).requires_grad_(), None, []
        for a, b in pairwise(pieces):
            z, state = LAYER(x[a:b], state, return_state=True)
            out.append(z)
        z = torch.cat(out)
        (z.sum() + state.v.sum()).backward()
        found.append((z.detach(), x.grad, *(p.grad.clone() for p in LAYER.parameters())))
    assert torch.equal(found[0][0], found[1][0])
    for a, b in zip(found[0][1:], found[1][1:], strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-12)


@given(seed=st.integers(0, 1000), i=st.integers(0, 2))
def test_samples_and_neurons_do_not_see_each_other(seed, i):
    x = inputs(seed)
    assert torch.equal(LAYER(x)[:, i : i + 1], LAYER(x[:, i : i + 1]))
    assert torch.equal(LAYER(x)[:, :, :1], LAYER(x[:, :, :1]))
