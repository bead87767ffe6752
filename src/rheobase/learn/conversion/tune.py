"""Training a network with the rounding that spikes will bring, a few epochs on the calibration data."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, fx, nn

from rheobase.errors import InputError
from rheobase.learn.conversion.quantise import read_count
from rheobase.learn.conversion.samples import Samples

__all__ = ["choose_epochs", "tune_body"]

_EPOCHS: Final = 10
_RATE: Final = 1e-3
_BATCH: Final = 64
_ENOUGH: Final = 500  # labelled samples, from which on "auto" trains
_EACH: Final = 20  # of each class
_WORK: Final = 2e8  # parameters times samples: seconds to a minute on one core


def choose_epochs(given: Any, body: fx.GraphModule, samples: Samples) -> int:
    """Return for how many epochs to train: as given, or for "auto" 10 where there are labels enough and it is quick."""
    if given != "auto":
        return read_count(given, "tune", 0)
    if not _has_classes(samples):
        return 0
    assert samples.y is not None
    each = torch.bincount(samples.y - samples.y.min())
    enough = len(samples.x) >= _ENOUGH and int(each[each > 0].min()) >= _EACH
    work = sum(p.numel() for p in body.parameters()) * len(samples.x)
    return _EPOCHS if enough and work <= _WORK else 0


def tune_body(body: fx.GraphModule, samples: Samples, epochs: int) -> str:
    """Train a graph with `QuantReLU` in it, in place; return what was done.

    The loss is cross-entropy with the labels, or their mean squared error where they are numbers. Adam, its rate
    falling to 0 linearly; batches are drawn alike in every call.
    """
    goal = samples.y
    if goal is None:
        raise InputError("tune= without labels has nothing to learn from; give calibrate=(x, y)")
    loss = nn.functional.cross_entropy if _has_classes(samples) else _mean_square
    parameters = [p.requires_grad_(True) for p in body.parameters()]
    optimiser = torch.optim.Adam(parameters, _RATE)
    generator = torch.Generator().manual_seed(0)
    total, done = epochs * -(-len(samples.x) // _BATCH), 0
    with torch.enable_grad():
        for _ in range(epochs):
            for chosen in torch.randperm(len(samples.x), generator=generator).split(_BATCH):
                for group in optimiser.param_groups:
                    group["lr"] = _RATE * (1 - done / total)
                optimiser.zero_grad()
                loss(body(samples.x[chosen]), goal[chosen]).backward()
                optimiser.step()
                done += 1
    return (
        f"weights were trained, {epochs} epochs on the {len(samples.x)} labelled samples, with activations rounded to T"
        " levels; tune=0 leaves them as they are"
    )


def _has_classes(samples: Samples) -> bool:
    y = samples.y
    return y is not None and y.dim() == 1 and not y.is_floating_point() and y.dtype != torch.bool


def _mean_square(out: Tensor, wanted: Tensor) -> Tensor:
    return nn.functional.mse_loss(out, wanted.reshape(out.shape).to(out))
