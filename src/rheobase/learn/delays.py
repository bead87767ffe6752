"""Weights with delays of their own, both trainable: what a layer's input goes through."""

from __future__ import annotations

import math
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from rheobase.errors import InputError, nearest
from rheobase.units import to_number

__all__ = ["Delays"]

KERNELS: Final = ("gaussian", "triangle")


@final
class Delays(nn.Module):
    """A Linear whose every synapse has a delay: y[k] = sum over i of w_oi x_i[k - d_oi/dt].

    A delay that lies between steps is spread over the steps around it by a kernel, through which its gradient passes:
    a Gaussian of width `sigma` steps, to be narrowed while training goes on, or a triangle, linear interpolation
    between the two nearest steps. In evaluation (``net.eval()``) delays are rounded to whole steps, as the paper does:
    the output changes by that, so narrow `sigma` to about half a step, and let the last epochs run in ``eval()``, where
    the weights still learn and settle on the rounded delays (which then stand still).

    Parameters
    ----------
    inputs, outputs : int
        How many senders and receivers.
    dt : time
        The step of the sequence.
    longest : time
        Delays stay between 0 and this.
    kernel : {"gaussian", "triangle"}
        How a delay is spread.
    sigma : float
        The Gaussian's width in steps; an attribute that a training loop may lower.
    bias : bool
        Whether a constant is added.
    batch_first : bool
        Whether time is the second axis.

    References
    ----------
    Hammouamri, Khalfaoui-Hassani & Masquelier (2024) Learning delays in spiking neural networks using dilated
    convolutions with learnable spacings, ICLR, arXiv:2306.17670.

    Examples
    --------
    >>> import torch
    >>> from rheobase import learn
    >>> late = learn.Delays(1, 1, dt="1 ms", longest="10 ms", kernel="triangle")
    >>> late.set(weight=1.0, delay="2 ms")
    >>> x = torch.zeros(5, 1, 1)
    >>> x[0] = 1.0
    >>> late(x).flatten().round(decimals=4).abs().tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dt: Any,
        longest: Any,
        *,
        kernel: str = "gaussian",
        sigma: float = 2.0,
        bias: bool = False,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        self.dt, self.longest = to_number(dt, "ms", "dt"), to_number(longest, "ms", "longest")
        if not 0 < self.dt <= self.longest < math.inf:
            raise InputError(f"longest = {self.longest:g} ms must be at least one step, dt = {self.dt:g} ms > 0")
        if kernel not in KERNELS:
            raise InputError(f"kernel = {kernel!r:.60} is unknown.{nearest(str(kernel), KERNELS)} Choose of: {KERNELS}")
        self.inputs, self.outputs, self.kernel = int(inputs), int(outputs), kernel
        self.sigma, self.batch_first = float(sigma), bool(batch_first)
        linear = nn.Linear(self.inputs, self.outputs, bias)
        self.weight, self.bias = linear.weight, linear.bias
        self.place = nn.Parameter(torch.empty(self.outputs, self.inputs).uniform_(-2.0, 2.0))

    @property
    def delay(self) -> Tensor:
        """The delays in ms, ``[outputs, inputs]``: longest times the logistic function of what is trained."""
        return self.longest * torch.sigmoid(self.place)

    def set(self, *, weight: Any = None, delay: Any = None) -> None:
        """Set weights, and delays in ms or as text, to numbers or tensors ``[outputs, inputs]``."""
        with torch.no_grad():
            if weight is not None:
                self.weight.copy_(torch.as_tensor(weight).expand(self.weight.shape))
            if delay is not None:
                ms = to_number(delay, "ms", "delay") if isinstance(delay, str) else delay
                part = torch.as_tensor(ms, dtype=torch.float64) / self.longest
                if bool((part < 0).any() or (part > 1).any() or part.isnan().any()):
                    raise InputError(f"delay: between 0 and longest = {self.longest:g} ms, please")
                self.place.copy_(torch.logit(part, eps=1e-7).expand(self.place.shape))

    def taps(self) -> Tensor:
        """Return how much arrives after each number of steps, ``[outputs, inputs, steps + 1]``."""
        last = math.ceil(self.longest / self.dt - 1e-9)
        steps = torch.arange(last + 1, dtype=self.weight.dtype, device=self.weight.device)
        at = (self.delay / self.dt).unsqueeze(-1)
        if not self.training:
            part = (steps == at.round()).to(self.weight.dtype)
        elif self.kernel == "triangle":
            part = (1.0 - (steps - at).abs()).clamp(min=0)
        else:
            part = torch.softmax(-0.5 * ((steps - at) / max(self.sigma, 1e-3)) ** 2, -1)
        return self.weight.unsqueeze(-1) * part

    def forward(self, x: Tensor) -> Tensor:
        """Return what arrives, ``[time, batch, outputs]``, of ``[time, batch, inputs]``."""
        if x.dim() != 3 or x.shape[-1] != self.inputs:
            axes = "[batch, time, " if self.batch_first else "[time, batch, "
            raise InputError(f"x has the shape {list(x.shape)}; {axes}{self.inputs}] is wanted")
        rows = x.permute(0, 2, 1) if self.batch_first else x.permute(1, 2, 0)
        taps = self.taps()
        y = nn.functional.conv1d(nn.functional.pad(rows, (taps.shape[-1] - 1, 0)), taps.flip(-1), self.bias)
        return y.permute(0, 2, 1) if self.batch_first else y.permute(2, 0, 1)

    def extra_repr(self) -> str:
        """Return what `print` shows between the brackets."""
        return f"{self.inputs}, {self.outputs}, dt={self.dt:g} ms, longest={self.longest:g} ms, {self.kernel}"
