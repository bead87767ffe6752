"""Surrogates: their formulas by hand, and no overflow."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

import rheobase as rb
from rheobase import learn

ALL = [
    learn.fast_sigmoid(25),
    learn.superspike(10),
    learn.arctan(2),
    learn.triangle(),
    learn.gaussian(),
    learn.multi_gaussian(),
    learn.straight_through(),
]


@pytest.mark.parametrize(
    ("made", "u", "h"),
    [
        (learn.fast_sigmoid(25), 0.1, 1 / 3.5**2),
        (learn.superspike(10), -0.1, 0.25),
        (learn.arctan(2), 0.5, 1 / (1 + (math.pi / 2) ** 2)),
        (learn.triangle(0.3, 2), 0.5, 0.3 * 0.75),
        (learn.triangle(0.3, 2), 3.0, 0.0),
        (learn.gaussian(0.5), 0.5, math.exp(-0.5) / (0.5 * math.sqrt(2 * math.pi))),
        (learn.straight_through(), 7.0, 1.0),
    ],
)
def test_slope(made, u, h):
    assert made.slope(torch.tensor([u], dtype=torch.float64)).item() == pytest.approx(h, rel=1e-12)


def test_multi_gaussian_is_negative_beside_its_peak():
    u = torch.linspace(-3, 3, 61, dtype=torch.float64)
    h = learn.multi_gaussian().slope(u)
    assert h.max() == h[30]
    assert h[0] < 0 < h[30]
    assert torch.allclose(h, h.flip(0))


@pytest.mark.parametrize("made", ALL, ids=repr)
def test_no_overflow(made):
    u = torch.tensor([-3e38, -65504.0, 0.0, 65504.0, 3e38])
    assert torch.isfinite(made.slope(u)).all()


@pytest.mark.parametrize("made", ALL, ids=repr)
def test_values(made):
    assert pickle.loads(pickle.dumps(made)) == made
    assert len({made, made}) == 1
    assert "(" in repr(made)
    assert "doi" in made.reference or "arXiv" in made.reference


def test_what_is_refused():
    with pytest.raises(rb.InputError, match="positive"):
        learn.fast_sigmoid(-1)
    with pytest.raises(rb.InputError, match="has no value"):
        learn.Surrogate("1/(1 + k*u**2)")
    with pytest.raises(rb.InputError, match="stands nowhere"):
        learn.Surrogate("1", k=2)
    with pytest.raises(rb.RowError):
        learn.Surrogate("__import__('os')")
    with pytest.raises(rb.InputError, match="a text is wanted, not None"):
        learn.Surrogate(None)


def test_every_surrogate_is_offered():
    from rheobase.learn.surrogate import SURROGATES

    for name in SURROGATES:
        assert isinstance(getattr(learn, name)(), learn.Surrogate)
    assert float(learn.fast_sigmoid(1).slope(1.0)) == 0.25
