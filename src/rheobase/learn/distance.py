"""How far spike trains lie apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rheobase.errors import InputError
from rheobase.learn.filters import leaky_sum
from rheobase.learn.trains import read_dt, read_time, read_train, reduce

__all__ = ["van_rossum"]


def van_rossum(
    z: Tensor,
    target: Tensor,
    *,
    tau: Any,
    dt: Any = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Return the van Rossum distance between spike trains, squared, summed over neurons.

    .. math:: D^2 = \frac{1}{\tau} \int_0^\infty [f(t) - g(t)]^2\, dt, \qquad
        f(t) = \sum_i H(t - t_i)\, e^{-(t - t_i)/\tau}

    The integral is exact, the tail after the last spike included: between spikes both traces decay by one exponential.
    One spike against none is 1/2, so is, nearly, a spike far from its partner, twice.

    Parameters
    ----------
    z, target : Tensor [time, batch, n], or spike times [batch, n, spikes] in ms
        On a grid with `dt`; otherwise times, padded with infinity (or NaN), sorted or not. Gradients reach the times.
    tau : time
        Short: coincidences are counted; long: numbers of spikes.

    References
    ----------
    van Rossum, Neural Computation 13, 751 (2001); by filters in a time that grows with spikes, not with their pairs:
    Houghton & Kreuz, Network 23, 48 (2012).

    Examples
    --------
    >>> a, b = torch.tensor([[[10.0]]]), torch.tensor([[[torch.inf]]])
    >>> float(van_rossum(a, b, tau="5 ms"))
    0.5
    >>> round(float(van_rossum(a, a + 5, tau="5 ms")), 6)  # 1 - exp(-1)
    0.632121
    """
    scale = read_time(tau, "tau")
    if dt is not None:
        z, target = read_train(z).flatten(2), read_train(target, "target").flatten(2)
        if z.shape != target.shape:
            raise InputError(f"target has shape {tuple(target.shape)}, z {tuple(z.shape)}; they must be the same")
        return reduce(_distance_on_grid(z - target.to(z.dtype), read_dt(dt) / scale).sum(1), reduction)
    for train, name in ((z, "z"), (target, "target")):
        if not isinstance(train, Tensor) or train.ndim != 3 or not train.is_floating_point():
            raise InputError(f"{name} must be spike times [batch, n, spikes], padded with inf; or give dt= for a grid")
        if bool((train == -torch.inf).any()):
            raise InputError(f"{name} holds a spike at -infinity; padding is +infinity")
    if z.shape[:2] != target.shape[:2]:
        raise InputError(f"target is for {tuple(target.shape[:2])} trains, z for {tuple(z.shape[:2])}")
    return reduce(_distance_of_times(z / scale, target.to(z.dtype) / scale).sum(1), reduction)


def _distance_on_grid(difference: Tensor, ratio: float) -> Tensor:
    """Return D**2 ``[batch, n]`` of spikes at grid points; `ratio` is dt/tau."""
    d2 = leaky_sum(difference, ratio).square()
    # of each step the integral of exp(-2 t/tau), and from the last grid point to infinity
    return 0.5 * (-torch.expm1(torch.tensor(-2 * ratio, dtype=torch.float64)).item() * d2[:-1].sum(0) + d2[-1])


def _distance_of_times(a: Tensor, b: Tensor) -> Tensor:
    """Return D**2 ``[batch, n]`` from spike times in units of tau."""
    times = torch.cat([a, b], 2)
    if times.shape[2] == 0:
        return times.new_zeros(times.shape[:2])
    signs = torch.cat([torch.ones_like(a), -torch.ones_like(b)], 2).detach()
    there = torch.isfinite(times)
    times, order = torch.where(there, times, torch.full_like(times, torch.inf)).sort(2)
    signs = torch.where(there, signs, torch.zeros_like(signs)).gather(2, order)
    there = there.gather(2, order)
    # padding stands at the last spike, where a sign of 0 changes nothing
    last = torch.where(there, times, torch.full_like(times, -torch.inf)).amax(2, keepdim=True)
    times = torch.where(there, times, torch.where(torch.isfinite(last), last, torch.zeros_like(last)).expand_as(times))
    gaps = times.diff(dim=2)
    d = signs[..., 0]
    total = torch.zeros_like(d)
    for gap, sign in zip(gaps.unbind(2), signs[..., 1:].unbind(2), strict=True):
        total = total - d.square() * torch.expm1(-2 * gap)
        d = d * torch.exp(-gap) + sign
    return 0.5 * (total + d.square())
