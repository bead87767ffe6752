"""ReLU with a few levels: what a neuron that counts spikes can say exactly."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from rheobase.errors import InputError

__all__ = ["QuantReLU", "read_count"]


@final
class _Floor(torch.autograd.Function):
    """Round down; the gradient passes straight through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.floor()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


@final
class QuantReLU(nn.Module):
    """ReLU that is clipped at a trainable threshold and rounded to `levels` steps.

    ``y = theta/L * clip(floor(L*x/theta + 1/2), 0, L)``, what an integrate-and-fire neuron says in L steps of
    time. The gradient passes the rounding unchanged; that with respect to x stops outside 0 < x < theta.

    Parameters
    ----------
    levels : int
        L, how many steps there are above 0: the steps of time of the network it will be converted to.
    theta : float or tensor
        Where it is clipped; a tensor broadcasts against ``x[0]``, such as ``[channels, 1, 1]``.

    Raises
    ------
    InputError
        If levels is no whole number from 1, or theta is not positive and finite.

    References
    ----------
    Bu, Fang, Ding, Dai, Yu & Huang (2022) "Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency
    spiking neural networks", ICLR (quantisation clip-floor-shift); Bengio, Leonard & Courville (2013)
    arXiv:1308.3432 (straight-through gradient).

    Examples
    --------
    >>> import torch
    >>> from rheobase import learn
    >>> learn.QuantReLU(levels=4, theta=2.0)(torch.tensor([-1.0, 0.2, 0.3, 1.1, 5.0]))
    tensor([0.0000, 0.0000, 0.5000, 1.0000, 2.0000], grad_fn=<MulBackward0>)
    """

    def __init__(self, levels: int = 8, theta: float | Tensor = 1.0) -> None:
        super().__init__()
        self.levels = read_count(levels, "levels")
        value = theta if isinstance(theta, Tensor) else torch.tensor(theta, dtype=torch.get_default_dtype())
        if not bool((torch.isfinite(value) & (value > 0)).all()):
            raise InputError(f"theta = {theta!r:.60} must be positive and finite; it is where the ReLU is clipped")
        self.theta = nn.Parameter(value.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return the rounded, clipped values, in the shape of x."""
        y = torch.clamp(x / self.theta, 0.0, 1.0)
        return _Floor.apply(y * self.levels + 0.5) * (self.theta / self.levels)

    def extra_repr(self) -> str:
        """Return what `print` shows between the brackets."""
        return f"levels={self.levels}, theta of shape {list(self.theta.shape)}"


def read_count(given: Any, what: str, least: int = 1) -> int:
    """Return a whole number from `least`."""
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise InputError(f"{what} = {given!r:.40} must be a whole number from {least}")
    return given
