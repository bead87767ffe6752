"""One exponential filter over time, with its gradient: the trace of a spike train."""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import Tensor

__all__ = ["leaky_sum"]


@final
class _LeakySum(torch.autograd.Function):
    """y[k] = a y[k-1] + x[k]; its adjoint is the same filter, run backwards in time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: float) -> Tensor:
        ctx.a = a
        return _run(x, a, range(x.shape[0]))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (g,) = gradients
        return _run(g, ctx.a, range(g.shape[0] - 1, -1, -1)), None


def _run(x: Tensor, a: float, steps: range) -> Tensor:
    y = torch.empty_like(x)
    before = torch.zeros_like(x[0])
    for k in steps:  # on plain tensors: no graph, so indexing is cheap
        torch.add(x[k], before, alpha=a, out=y[k])
        before = y[k]
    return y


def leaky_sum(x: Tensor, ratio: float) -> Tensor:
    r"""Return the trace :math:`y_k = e^{-\Delta t/\tau} y_{k-1} + x_k` of ``x [time, ...]``; `ratio` is dt/tau.

    Examples
    --------
    >>> x = torch.tensor([1.0, 0.0, 0.0])
    >>> leaky_sum(x, 1.0)
    tensor([1.0000, 0.3679, 0.1353])
    """
    return _LeakySum.apply(x, math.exp(-ratio))
