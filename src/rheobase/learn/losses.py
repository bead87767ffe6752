"""What is to be made small: losses on spikes, on spike times and on traces of v.

All take time first, ``[time, batch, n]``, return a scalar (``reduction="none"``: one value a sample), and check
their input: a wrong time axis, NaN or a class that does not exist is an error, not a strange number.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from rheobase.errors import InputError, nearest
from rheobase.learn.distance import van_rossum
from rheobase.learn.trains import (
    read_dt,
    read_number,
    read_rate,
    read_reduction,
    read_targets,
    read_time,
    read_trace,
    read_train,
    reduce,
)

__all__ = [
    "first_spike",
    "first_spike_time",
    "last_v",
    "max_v",
    "mean_v",
    "rate",
    "rate_bounds",
    "rate_error",
    "van_rossum",
]


def rate(z: Tensor, target: Any, *, scale: float = 1.0, reduction: str = "mean") -> Tensor:
    r"""Return the cross-entropy of classes told by spike counts.

    .. math:: L = -\log \frac{\exp(s\, n_{y})}{\sum_k \exp(s\, n_k)}, \qquad n_k = \sum_t z_k(t)

    Parameters
    ----------
    z : Tensor [time, batch, n]
        Output spikes, one neuron a class.
    target : Tensor [batch]
        Class numbers.
    scale : float
        s. The default takes counts as logits; with many time steps, ``scale=10/steps`` keeps the softmax soft.
    reduction : ``"mean"``, ``"sum"`` or ``"none"``
        Over the batch.

    Raises
    ------
    InputError
        For another shape, NaN, or a class that does not exist.

    References
    ----------
    Counts as logits: Neftci, Mostafa & Zenke, IEEE Signal Processing Magazine 36, 51 (2019).

    Examples
    --------
    >>> z = torch.zeros(10, 1, 2)
    >>> z[:3, 0, 1] = 1
    >>> round(float(rate(z, torch.tensor([1]))), 4)
    0.0486
    """
    z = read_train(z)
    target = _classes(z, target)
    return F.cross_entropy(z.flatten(2).sum(0) * _factor(scale), target, reduction=read_reduction(reduction))


def rate_error(
    z: Tensor, target: Any, *, right: Any = 0.8, wrong: Any = 0.1, dt: Any = None, reduction: str = "mean"
) -> Tensor:
    r"""Return the mean squared distance of firing rates from wanted ones.

    .. math:: L = \frac{1}{N} \sum_k (r_k - r_k^*)^2, \qquad r_k = \frac{1}{T} \sum_t z_k(t)

    Unlike `rate` it does not push winners to fire ever more, so the counts of losers stay bounded, too.

    Parameters
    ----------
    z : Tensor [time, batch, n]
    target : Tensor [batch]
        Class numbers; or ``[batch, n]`` of wanted rates in spikes per step (regression).
    right, wrong : float or str
        Wanted rate of the neuron of the class, and of the others: spikes per step, or ``"40 Hz"`` with `dt`.

    References
    ----------
    Shrestha & Orchard, SLAYER, NeurIPS 31 (2018), who ask for fixed counts of right and wrong neurons.

    Examples
    --------
    >>> z = torch.zeros(10, 1, 2)
    >>> z[:8, 0, 1] = 1
    >>> float(rate_error(z, torch.tensor([1]), right=0.8, wrong=0))
    0.0
    """
    z = read_train(z).flatten(2)
    if isinstance(target, Tensor) and target.is_floating_point():
        if target.shape != z.shape[1:]:
            raise InputError(f"target rates have shape {tuple(target.shape)}; they must be {tuple(z.shape[1:])}")
        wanted = target
    else:
        hit = F.one_hot(_classes(z, target), z.shape[2]).to(z.dtype)
        high, low = read_rate(right, "right", dt), read_rate(wrong, "wrong", dt)
        if high <= low:
            raise InputError(f"right = {right!r} must be above wrong = {wrong!r}")
        wanted = low + (high - low) * hit
    return reduce((z.mean(0) - wanted).square().mean(1), reduction)


def first_spike_time(z: Tensor, dt: Any, *, silent: Any = None) -> Tensor:
    r"""Return the time of each neuron's first spike, ``[batch, n]`` in ms; the end of the train where there is none.

    .. math:: t_1 = \sum_k t_k\, z_k \prod_{j<k} (1 - z_j) + t_{\rm silent} \prod_j (1 - z_j)

    For z of 0 and 1 this *is* the first spike time. As it is linear in each z it also says what would happen if a
    spike were added or removed, and this is the gradient that the surrogate carries on: a spike before the first
    would advance it, one after it changes nothing, and without the first the second would count.

    Parameters
    ----------
    z : Tensor [time, batch, n]
        A spike at index k is at (k + 1) dt: what holds at the end of the step.
    dt : time
    silent : time, optional
        What a neuron without spikes gets; by default one step past the end, (T + 1) dt.

    Examples
    --------
    >>> z = torch.zeros(5, 1, 2)
    >>> z[2, 0, 0] = z[4, 0, 0] = 1
    >>> first_spike_time(z, dt="1 ms")
    tensor([[3., 6.]])
    """
    z = read_train(z)
    h = read_dt(dt)
    steps = z.shape[0]
    late = (steps + 1) * h if silent is None else read_time(silent, "silent")
    if late < steps * h:
        raise InputError(f"silent = {silent!r} is before the end of the train, {steps * h:g} ms")
    z = z.flatten(2).clamp(max=1)
    nothing_yet = torch.cat([torch.ones_like(z[:1]), (1 - z).cumprod(0)])
    t = h * torch.arange(1, steps + 1, device=z.device, dtype=z.dtype)[:, None, None]
    return (t * z * nothing_yet[:-1]).sum(0) + late * nothing_yet[-1]


def first_spike(
    z: Tensor, target: Any, *, tau: Any, dt: Any = None, until: Any = None, early: float = 0.0, reduction: str = "mean"
) -> Tensor:
    r"""Return the cross-entropy of classes told by who fires first.

    .. math:: L = \log \sum_k \exp\!\left(-\frac{t_k - t_y}{\tau}\right) + \alpha \left(e^{t_y/\tau} - 1\right)

    Parameters
    ----------
    z : Tensor [time, batch, n], or first spike times [batch, n] in ms
        Spikes of a grid need `dt`; times, as `EventLayer` or a layer with ``read="first spike"`` gives them, are
        taken as they are; infinity or NaN marks a silent neuron.
    target : Tensor [batch]
        Class numbers.
    tau : time
        How much earlier is e times likelier; a fifth of the trial works well.
    dt : time
        Of a grid. It must not be given with times.
    until : time
        End of the trial, which stands for the time of neurons that did not fire; needed with times that hold such.
    early : float
        The weight alpha of the second term, which also asks the right neuron to be early.

    References
    ----------
    Göltz et al., Nature Machine Intelligence 3, 823 (2021), for this loss; Mostafa, IEEE TNNLS 29, 3227 (2018).

    Examples
    --------
    >>> times = torch.tensor([[4.0, 9.0]])
    >>> round(float(first_spike(times, torch.tensor([0]), tau="5 ms")), 4)
    0.3133
    """
    scale = read_time(tau, "tau")
    if not 0 <= early < float("inf"):
        raise InputError(f"early = {early!r} must be zero or positive")
    if dt is None:
        times, reference = _read_times(z, until), None if until is None else read_time(until, "until")
    else:
        times = first_spike_time(z, dt, silent=until)
        reference = read_dt(dt) * z.shape[0]
    target = read_targets(target, times.shape[0], times.shape[1], times.device)
    loss = F.cross_entropy(-times / scale, target, reduction="none")
    if early:
        own = times.gather(1, target[:, None])[:, 0]
        # against the trial's length the exponential would overflow: clamp there
        loss = loss + early * torch.expm1((own if reference is None else own.clamp(max=reference)) / scale)
    return reduce(loss, reduction)


def max_v(v: Tensor, target: Any, *, scale: float = 1.0, reduction: str = "mean") -> Tensor:
    r"""Return the cross-entropy of classes told by the largest v of each output neuron over time.

    Parameters
    ----------
    v : Tensor [time, batch, n]
        Traces of outputs that do not fire. (A layer with ``read="max v"`` takes the maximum itself: then
        ``torch.nn.functional.cross_entropy`` is all that is needed.)
    target : Tensor [batch]
    scale : float
        Factor to v, 1/mV for a v in mV: differences of a few should tell classes apart.

    References
    ----------
    Cramer et al., IEEE TNNLS 33, 2744 (2022), who train on spoken digits with it.

    Examples
    --------
    >>> v = torch.zeros(4, 1, 2)
    >>> v[2, 0, 1] = 5
    >>> round(float(max_v(v, torch.tensor([1]))), 4)
    0.0067
    """
    return _traces(v, target, lambda x: x.amax(0), scale, reduction)


def mean_v(v: Tensor, target: Any, *, scale: float = 1.0, reduction: str = "mean") -> Tensor:
    """Return the cross-entropy of classes told by the mean of v over time; arguments as of `max_v`.

    References
    ----------
    Nowotny, Turner & Knight, Neuromorphic Computing and Engineering 5 (2025), on which readout lets gradients in.

    Examples
    --------
    >>> v = torch.zeros(4, 1, 2)
    >>> v[:, 0, 1] = 5
    >>> round(float(mean_v(v, torch.tensor([1]))), 4)
    0.0067
    """
    return _traces(v, target, lambda x: x.mean(0), scale, reduction)


def last_v(v: Tensor, target: Any, *, scale: float = 1.0, reduction: str = "mean") -> Tensor:
    """Return the cross-entropy of classes told by the last value of v; arguments as of `max_v`.

    References
    ----------
    Cramer et al., IEEE TNNLS 33, 2744 (2022), who compare it with the maximum.

    Examples
    --------
    >>> v = torch.zeros(4, 1, 2)
    >>> v[-1, 0, 1] = 5
    >>> round(float(last_v(v, torch.tensor([1]))), 4)
    0.0067
    """
    return _traces(v, target, lambda x: x[-1], scale, reduction)


def rate_bounds(
    z: Tensor, *, lower: Any = None, upper: Any = None, dt: Any = None, per: str = "neuron", reduction: str = "mean"
) -> Tensor:
    r"""Return how far firing rates are outside bounds: added to a loss, it revives silent neurons and saves spikes.

    .. math:: L = \left\langle [r_{\rm low} - r]_+^2 + [r - r_{\rm high}]_+^2 \right\rangle

    Parameters
    ----------
    z : Tensor [time, batch, ...]
        Spikes of a hidden layer.
    lower, upper : float or str
        Spikes per step, or ``"5 Hz"`` with `dt`; either may be left out.
    per : ``"neuron"``, ``"sample"`` or ``"layer"``
        Whose rate: of each neuron over time and batch (so that a neuron may be silent for some inputs), of each neuron
        in each sample, or of the whole layer in each sample.
    reduction : ``"mean"``, ``"sum"`` or ``"none"``
        Over those.

    References
    ----------
    Lower bound a neuron and upper bound a layer: Zenke & Vogels, Neural Computation 33, 899 (2021).

    Examples
    --------
    >>> z = torch.zeros(100, 1, 3)
    >>> round(float(rate_bounds(z, lower="10 Hz", dt="1 ms")), 6)
    0.0001
    """
    z = read_train(z)
    if lower is None and upper is None:
        raise InputError("give lower=, upper= or both, such as lower='1 Hz', upper='50 Hz'")
    kinds = {"neuron": (0, 1), "sample": (0,), "layer": (0, 2)}
    if per not in kinds:
        raise InputError(f"per = {per!r} is none of 'neuron', 'sample', 'layer'.{nearest(str(per), kinds)}")
    r = z.flatten(2).mean(kinds[per])
    loss = torch.zeros_like(r)
    low = None if lower is None else read_rate(lower, "lower", dt)
    high = None if upper is None else read_rate(upper, "upper", dt)
    if low is not None and high is not None and high < low:
        raise InputError(f"upper = {upper!r} is below lower = {lower!r}")
    if low is not None:
        loss = loss + (low - r).relu().square()
    if high is not None:
        loss = loss + (r - high).relu().square()
    return reduce(loss, reduction)


# ------------------------------------------------------------------ parts
def _factor(scale: Any) -> Any:
    return scale if isinstance(scale, Tensor) else read_number(scale, "scale")  # a tensor may be trained, too


def _classes(z: Tensor, target: Any) -> Tensor:
    return read_targets(target, z.shape[1], z.flatten(2).shape[2], z.device)


def _traces(v: Tensor, target: Any, read: Any, scale: float, reduction: str) -> Tensor:
    if isinstance(v, Tensor) and v.ndim == 2:
        raise InputError(
            "v has two axes, so it is read out already; torch.nn.functional.cross_entropy(v, target) is the loss"
        )
    v = read_trace(v, "v").flatten(2)
    return F.cross_entropy(read(v) * _factor(scale), _classes(v, target), reduction=read_reduction(reduction))


def _read_times(times: Any, until: Any) -> Tensor:
    if not isinstance(times, Tensor) or times.ndim != 2 or not times.is_floating_point():
        shape = tuple(times.shape) if isinstance(times, Tensor) else type(times).__name__
        raise InputError(f"first spike times must be [batch, n] in ms, not {shape}; for spikes on a grid give dt=")
    silent = ~torch.isfinite(times)
    if bool(silent.any()):
        if until is None:
            raise InputError("some neurons do not fire; give until=, the end of the trial, to stand for their times")
        return torch.where(silent, torch.full_like(times, read_time(until, "until")), times)
    return times
