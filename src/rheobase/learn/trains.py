"""What an argument may be: trains and traces with time first, targets, times, rates, seeds; for all of training."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from rheobase.errors import InputError, nearest
from rheobase.units import parse_quantity, parse_unit, to_number

__all__ = [
    "read_dt",
    "read_number",
    "read_rate",
    "read_reduction",
    "read_seed",
    "read_steps",
    "read_targets",
    "read_time",
    "read_trace",
    "read_train",
    "reduce",
]


def read_trace(x: Any, name: str, axes: int = 3) -> Tensor:
    """Return a floating tensor ``[time, batch, ...]`` with finite values and at least one time step."""
    if not isinstance(x, Tensor):
        raise InputError(f"{name} must be a torch tensor [time, batch, n], not {type(x).__name__}")
    if x.ndim < axes:
        wanted = "[time, batch, n]" if axes == 3 else f"of {axes} axes, time first"
        raise InputError(f"{name} has shape {tuple(x.shape)}; it must be {wanted}")
    if x.shape[0] == 0 or x.numel() == 0:
        raise InputError(f"{name} has shape {tuple(x.shape)}; there is nothing in it")
    if not x.is_floating_point():
        raise InputError(f"{name} is of {x.dtype}; give floating numbers, for example {name}.float()")
    with torch.no_grad():
        if not bool(torch.isfinite(x.sum())) and not bool(torch.isfinite(x).all()):  # one pass in the usual case
            step = int((~torch.isfinite(x)).flatten(1).any(1).nonzero()[0])
            raise InputError(
                f"{name} holds NaN or infinity, first at time step {step}; learn.diagnose tells where from"
            )
    return x


def read_train(z: Any, name: str = "z") -> Tensor:
    """Return spikes ``[time, batch, n]``, which are 0 or 1 (a few, where steps hold several)."""
    z = read_trace(z, name)
    with torch.no_grad():
        low = float(z.min())
    if low < 0:
        raise InputError(f"{name} holds {low:g}; spikes are 0 or 1. Is this a trace of v?")
    return z


def read_targets(target: Any, batch: int, classes: int, device: torch.device) -> Tensor:
    """Return class numbers ``[batch]`` in 0 .. classes - 1."""
    if not isinstance(target, Tensor):
        try:
            target = torch.as_tensor(target)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(f"target = {target!r:.60} must be class numbers [batch] as integers") from None
    if target.is_floating_point() or target.dtype == torch.bool or target.ndim != 1:
        raise InputError(
            f"target must be class numbers [batch] as integers; it is {target.dtype} of shape {tuple(target.shape)}"
        )
    if target.shape[0] != batch:
        raise InputError(
            f"target has {target.shape[0]} entries for a batch of {batch}; is the time axis first? [time, batch, n]"
        )
    if int(target.min()) < 0 or int(target.max()) >= classes:
        raise InputError(
            f"target holds class {int(target.max() if int(target.min()) >= 0 else target.min())},"
            f" but there are {classes} outputs: 0 .. {classes - 1}"
        )
    return target.to(device=device, dtype=torch.long)


def read_time(value: Any, name: str) -> float:
    """Return a positive finite time in ms."""
    number = to_number(value, "ms", name)
    if not (0 < number < math.inf):
        raise InputError(f"{name} = {value!r} must be a positive time, such as '1 ms'")
    return number


def read_dt(dt: Any) -> float:
    """Return the time step in ms; None is refused with what it is for."""
    if dt is None:
        raise InputError("dt= is needed here: the length of a time step, such as dt='1 ms'")
    return read_time(dt, "dt")


def read_rate(value: Any, name: str, dt: Any = None) -> float:
    """Return spikes per step: a plain number is that already, a text such as ``"10 Hz"`` needs `dt`.

    >>> read_rate(0.1, "rate"), read_rate("10 Hz", "rate", dt="1 ms")
    (0.1, 0.01)
    """
    if isinstance(value, str):
        number, dimension = parse_quantity(value, name)
        if dimension is not None and dimension != parse_unit("1")[1]:
            number = to_number(value, "kHz", name)
            if dt is None:
                raise InputError(f"{name} = {value!r} is a rate in time; give dt= too, or a number of spikes per step")
            number *= read_dt(dt)
    else:
        number = to_number(value, "1", name)
    if not (0 <= number < math.inf):
        raise InputError(f"{name} = {value!r} must be zero or positive")
    return number


def read_number(value: Any, name: str) -> float:
    """Return a plain number; what is none, or has a unit, is refused."""
    try:
        if not isinstance(value, str | bytes):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{name} = {value!r:.60} must be a number, without a unit")


def read_steps(steps: Any, name: str = "steps", of: str = "time steps") -> int:
    """Return a number of time steps, at least 1."""
    if isinstance(steps, bool) or not hasattr(steps, "__index__") or steps.__index__() < 1:
        raise InputError(f"{name} = {steps!r:.60} must be a whole number of {of}, at least 1")
    if steps.__index__() > 10**7:
        raise InputError(f"{name} = {steps!r} time steps are more than memory holds; is this a time in ns?")
    return int(steps.__index__())


def read_seed(seed: Any, device: torch.device) -> torch.Generator | None:
    """Return a generator: of its own for an integer, the given one, or None for torch's global one."""
    if seed is None:
        return None
    if isinstance(seed, torch.Generator):
        if seed.device.type != device.type:
            raise InputError(f"the generator lives on {seed.device}, the data on {device}; make one there")
        return seed
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise InputError(f"seed = {seed!r} must be a whole number, a torch.Generator, or None")
    generator = torch.Generator(device=device)
    generator.manual_seed(int(seed.__index__()))
    return generator


def read_reduction(kind: str) -> str:
    """Return how a loss is reduced over the batch."""
    if kind not in ("mean", "sum", "none"):
        raise InputError(
            f"reduction = {kind!r} is none of 'mean', 'sum', 'none'.{nearest(str(kind), ['mean', 'sum', 'none'])}"
        )
    return kind


def reduce(loss: Tensor, kind: str) -> Tensor:
    """Return a loss of each sample reduced over the batch."""
    kind = read_reduction(kind)
    return loss.mean() if kind == "mean" else loss.sum() if kind == "sum" else loss
