"""Numbers become spikes: by rate, by latency, by change, by a population.

Each takes ``x [batch, ...]`` (`delta`: ``[time, batch, ...]``) and returns spikes of 0 and 1, time first,
``[time, batch, ...]``, of the dtype and on the device of x. Chance takes ``seed=``: the same seed, the same spikes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from rheobase.errors import InputError, nearest
from rheobase.learn.trains import read_number, read_rate, read_seed, read_steps, read_time

__all__ = ["delta", "latency", "population", "rate", "regular"]


def rate(
    x: Tensor, steps: int, *, highest: Any = 1.0, dt: Any = None, several: bool = False, seed: Any = None
) -> Tensor:
    r"""Return random spikes whose probability in each step is the value.

    .. math:: P(z_k = 1) = r_{\max}\, x

    Parameters
    ----------
    x : Tensor [batch, ...]
        Values in [0, 1], such as brightness.
    steps : int
        Number of time steps.
    highest : float or str
        What x = 1 means: spikes per step, at most 1, or a rate such as ``"100 Hz"`` with `dt`.
    dt : time, optional
    several : bool
        Whether a step may hold several spikes: Poisson counts, whose mean has no bound of 1, in place of one draw.
    seed : int, torch.Generator or None
        None draws from torch's global generator.

    Raises
    ------
    InputError
        For values outside [0, 1], NaN, or a rate above one spike a step.

    References
    ----------
    Diehl & Cook, Frontiers in Computational Neuroscience 9:99 (2015), for images as Poisson trains.

    Examples
    --------
    >>> z = rate(torch.tensor([[0.0, 0.5, 1.0]]), steps=1000, seed=1)
    >>> z.shape, z.mean(0).round(decimals=1)
    (torch.Size([1000, 1, 3]), tensor([[0.0000, 0.5000, 1.0000]]))
    """
    x = _read_values(x)
    n = read_steps(steps)
    r = _read_highest(highest, dt, several)
    generator = read_seed(seed, x.device)
    shape = (n, *x.shape)
    if several:
        return torch.poisson((r * x).expand(shape).contiguous(), generator=generator)
    return (torch.rand(shape, dtype=x.dtype, device=x.device, generator=generator) < r * x).to(x.dtype)


def regular(x: Tensor, steps: int, *, highest: Any = 1.0, dt: Any = None, seed: Any = None) -> Tensor:
    r"""Return evenly spaced spikes at a rate that is the value: the code without chance.

    .. math:: z_k = \lfloor \varphi + (k + 1)\, r \rfloor - \lfloor \varphi + k\, r \rfloor, \qquad r = r_{\max} x

    so that any n steps in a row hold n r spikes, rounded up or down.

    Parameters
    ----------
    x : Tensor [batch, ...]
        Values in [0, 1].
    steps : int
    highest : float or str
        As in `rate`.
    seed : int, torch.Generator or None
        A seed draws the phase of each neuron from [0, 1); without one all are 1/2, and neurons of one value fire
        together.

    Examples
    --------
    >>> regular(torch.tensor([[0.5, 0.25]]), steps=8)[:, 0].T
    tensor([[1., 0., 1., 0., 1., 0., 1., 0.],
            [0., 1., 0., 0., 0., 1., 0., 0.]])
    """
    x = _read_values(x)
    n = read_steps(steps)
    r = _read_highest(highest, dt, several=False) * x.double()
    if seed is None:
        phase = torch.full_like(r, 0.5)
    else:
        phase = torch.rand(r.shape, dtype=r.dtype, device=r.device, generator=read_seed(seed, x.device))
    k = torch.arange(n + 1, dtype=r.dtype, device=r.device).reshape(-1, *[1] * x.ndim)
    # 1e-12: ten steps of 0.1 make one spike, whatever their sum in floating point
    return (phase + k * r + 1e-12).floor().diff(dim=0).to(x.dtype)


def latency(
    x: Tensor, steps: int, *, tau: Any = None, dt: Any = None, theta: float = 0.05, law: str = "linear"
) -> Tensor:
    r"""Return at most one spike each: the larger the value, the earlier.

    .. math:: t = (1 - x)\,(T - 1) \;\text{(linear)}, \qquad
        t = \tau \ln \frac{x}{x - \vartheta} \;\text{(logarithmic)}, \quad\text{in steps, rounded}

    The logarithmic law is when a LIF neuron under the current x reaches the threshold; in it the largest value
    fires first but not at once.

    Parameters
    ----------
    x : Tensor [batch, ...]
        Values in [0, 1].
    steps : int
        T.
    tau : float or time
        Of the logarithmic law: in steps, or ``"10 ms"`` with `dt`. By default so that the time of x = theta + 0.01 is
        the last step.
    theta : float
        Values up to it give no spike at all.
    law : ``"linear"`` or ``"log"``

    Raises
    ------
    InputError
        For values outside [0, 1] or an unknown law.

    References
    ----------
    Thorpe, Delorme & Van Rullen, Neural Networks 14, 715 (2001); the charging time, Cramer et al., PNAS 119 (2022).

    Examples
    --------
    >>> z = latency(torch.tensor([[1.0, 0.5, 0.0]]), steps=5)
    >>> z[:, 0].T
    tensor([[1., 0., 0., 0., 0.],
            [0., 0., 1., 0., 0.],
            [0., 0., 0., 0., 0.]])
    """
    x = _read_values(x)
    n, theta = read_steps(steps), read_number(theta, "theta")
    if not 0 <= theta < 1:
        raise InputError(f"theta = {theta!r} must be in [0, 1): values up to it do not fire")
    if law == "linear":
        if tau is not None:
            raise InputError("tau= belongs to law='log'; the linear law has none")
        when = (1 - x.double()) * (n - 1)
    elif law == "log":
        excess = (x.double() - theta).clamp(min=1e-30)
        when = _read_tau(tau, dt, theta, n) * (x.double() / excess).log()
    else:
        raise InputError(f"law = {law!r:.60} is neither 'linear' nor 'log'.{nearest(str(law), ('linear', 'log'))}")
    index = when.round()
    fires = (x > theta) & (index < n)
    z = torch.zeros((n, *x.shape), dtype=x.dtype, device=x.device)
    z.scatter_(0, index.clamp(0, n - 1).long()[None], fires.to(x.dtype)[None])
    return z


def delta(x: Tensor, theta: float, *, off: bool = True, baseline: Tensor | None = None) -> Tensor:
    r"""Return spikes where a signal has moved by theta since the last one: ON and OFF, as an event camera sends.

    Each input keeps the last level it told. When x is theta above it, ON fires and the level rises by theta; when it
    is theta below, OFF fires and the level falls. At most one event a step: what is left over is told in later steps.

    Parameters
    ----------
    x : Tensor [time, batch, ...]
        Signals.
    theta : float
        How much change is one spike, in the unit of x.
    off : bool
        Whether falls are told, too. Then the result has another axis, ``[time, batch, 2, ...]``: 0 is ON, 1 is OFF.
    baseline : Tensor [batch, ...], optional
        The level before the first step; by default x[0], so that the first step is silent.

    References
    ----------
    Lichtsteiner, Posch & Delbruck, IEEE Journal of Solid-State Circuits 43, 566 (2008).

    Examples
    --------
    >>> x = torch.tensor([0.0, 0.5, 1.0, 1.0, 0.0])[:, None]
    >>> delta(x, theta=0.5)[:, 0].T
    tensor([[0., 1., 1., 0., 0.],
            [0., 0., 0., 0., 1.]])
    """
    x, theta = _read_finite(x, "x", 2), read_number(theta, "theta")
    if not 0 < theta < math.inf:
        raise InputError(f"theta = {theta:g} must be positive: the change that one spike tells")
    level = x[0].clone() if baseline is None else _read_finite(baseline, "baseline", 1).to(x).clone()
    if level.shape != x.shape[1:]:
        raise InputError(f"baseline has shape {tuple(level.shape)}; one step of x has {tuple(x.shape[1:])}")
    on, down = torch.zeros_like(x), torch.zeros_like(x)
    step = theta * (1 - 1e-6)  # a change of theta counts, however its sum was rounded
    for k, value in enumerate(x.unbind(0)):
        change = value - level
        on[k], down[k] = change >= step, change <= -step
        level += theta * (on[k] - down[k])
    return torch.stack([on, down], 2) if off else on


def population(
    x: Tensor, steps: int, neurons: int, *, low: float = 0.0, high: float = 1.0, beta: float = 1.5, theta: float = 0.1
) -> Tensor:
    r"""Return each value as one spike in each of several neurons, whose Gaussian receptive fields overlap.

    .. math:: a_i = \exp\!\left(-\frac{(x - c_i)^2}{2 \sigma^2}\right), \quad
        c_i = x_{\rm low} + \frac{2i - 3}{2} \frac{x_{\rm high} - x_{\rm low}}{m - 2}, \quad
        \sigma = \frac{1}{\beta}\frac{x_{\rm high} - x_{\rm low}}{m - 2}

    for i = 1 .. m; the more a neuron is excited, the earlier it fires, as in `latency` with the linear law.

    Parameters
    ----------
    x : Tensor [batch, ...]
        Values in [low, high].
    steps : int
    neurons : int
        m, at least 3; the outermost two centres lie half a spacing outside [low, high].
    beta : float
        How narrow the fields are, 1 to 2.
    theta : float
        Activations up to it do not fire: far neurons stay silent.

    Returns
    -------
    Tensor [time, batch, ..., neurons]

    References
    ----------
    Bohte, Kok & La Poutré, Neurocomputing 48, 17 (2002), section 4.

    Examples
    --------
    >>> z = population(torch.tensor([[0.5]]), steps=11, neurons=5)
    >>> z.shape, z.argmax(0)[0, 0][z.sum(0)[0, 0] > 0]
    (torch.Size([11, 1, 1, 5]), tensor([7, 0, 7]))
    """
    if isinstance(neurons, bool) or not hasattr(neurons, "__index__") or neurons < 3:
        raise InputError(f"neurons = {neurons!r} must be at least 3: a line of receptive fields")
    low, high, beta = read_number(low, "low"), read_number(high, "high"), read_number(beta, "beta")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"low = {low:g} must be below high = {high:g}, both finite")
    if not 0 < beta < math.inf:
        raise InputError(f"beta = {beta:g} must be positive; 1.5 is usual")
    x = _read_values(x, low, high)
    spacing = (high - low) / (neurons - 2)
    centres = low + spacing * (torch.arange(1, neurons + 1, dtype=torch.float64, device=x.device) - 1.5)
    a = torch.exp(-0.5 * ((x.double()[..., None] - centres) / (spacing / beta)).square())
    return latency(a.to(x.dtype), steps, theta=theta)


# ------------------------------------------------------------------ reading
def _read_finite(x: Any, name: str, axes: int) -> Tensor:
    if not isinstance(x, Tensor):
        raise InputError(f"{name} must be a torch tensor, not {type(x).__name__}; torch.as_tensor(...) makes one")
    if x.ndim < axes:
        wanted = "[time, batch, ...]" if axes == 2 else "[batch, ...]"
        raise InputError(f"{name} has shape {tuple(x.shape)}; it must be {wanted}")
    if x.numel() == 0:
        raise InputError(f"{name} has shape {tuple(x.shape)}; there is nothing in it")
    if x.dtype == torch.bool or x.is_complex():
        raise InputError(f"{name} is of {x.dtype}; give real numbers, for example {name}.float()")
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    if not bool(torch.isfinite(x).all()):
        raise InputError(f"{name} holds NaN or infinity in {int((~torch.isfinite(x)).sum())} places; clean the data")
    return x


def _read_values(x: Any, low: float = 0.0, high: float = 1.0) -> Tensor:
    x = _read_finite(x, "x", 1)
    least, most = float(x.min()), float(x.max())
    if least < low or most > high:
        raise InputError(
            f"x goes from {least:g} to {most:g}, but values must be in [{low:g}, {high:g}];"
            " scale it, for example (x - x.min())/(x.max() - x.min())"
        )
    return x


def _read_highest(highest: Any, dt: Any, several: bool) -> float:
    r = read_rate(highest, "highest", dt)
    if r > 1 and not several:
        raise InputError(
            f"highest = {highest!r} is {r:g} spikes per step; one step holds one: shorten dt, or several=True in rate()"
        )
    return r


def _read_tau(tau: Any, dt: Any, theta: float, steps: int) -> float:
    """Return tau in steps."""
    if tau is None:
        return (steps - 1) / math.log((theta + 0.01) / 0.01) if theta > 0 else 1.0
    if isinstance(tau, str):
        if dt is None:
            raise InputError(f"tau = {tau!r} is a time; give dt= too, or a number of steps")
        return read_time(tau, "tau") / read_time(dt, "dt")
    if not (isinstance(tau, int | float) and 0 < tau < math.inf):
        raise InputError(f"tau = {tau!r} must be a positive number of steps, or a text such as '10 ms' with dt=")
    return float(tau)
