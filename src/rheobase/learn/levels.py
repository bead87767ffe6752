"""How far the neurons of a layer are from threshold: what the surrogate sees, and the answer to one spike."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from rheobase.emit.layer_modules import step_module
from rheobase.learn.layer import Layer
from rheobase.learn.state import State
from rheobase.learn.surrogate import Surrogate

__all__ = ["Levels", "answer", "measure_levels", "surrogate_width"]


@final
@dataclass
class Levels:
    """Of u, the threshold function in units of the distance from rest (-1 at rest, 0 at threshold), over all steps."""

    mean: float = float("nan")
    std: float = float("nan")
    largest: float = float("nan")
    reached: float = float("nan")
    """Share of neurons and steps in which the surrogate's slope is at least a tenth of its peak."""
    middle: float = float("nan")
    """Median of abs(u)."""


@final
@dataclass
class _Recorder:
    """In a surrogate's place: notes the u at which slopes are asked, step by step."""

    gradient: Surrogate
    seen: list[Tensor] = field(default_factory=list)

    def slope(self, u: Tensor) -> Tensor:
        self.seen.append(u.detach())
        return torch.ones_like(u)


def measure_levels(layer: Layer, fed: Any, state: State | None) -> tuple[Tensor | None, Levels]:
    """Return spikes ``[time, batch, *neurons]`` (None if the neuron has no threshold) and the levels behind them."""
    if layer.read.state is not None and not step_module(layer._neuron, layer._default_fed(), layer.method).FIRES:
        return None, Levels()
    recorder = _Recorder(layer.gradient)
    twin = _twin(layer, gradient=recorder, detach_reset=True)
    given = fed if isinstance(fed, dict) else {"": fed}
    with torch.enable_grad():
        fresh = {n: x.detach().clone().requires_grad_() for n, x in given.items()}
        z = twin.record(fresh.get("", fresh), ("z",), None if state is None else state.detach())["z"]
        torch.autograd.grad(z.sum(), [*fresh.values()], allow_unused=True)
    z = z.detach().transpose(0, 1) if layer.batch_first else z.detach()
    if not recorder.seen:  # chance decides, not a threshold
        return z, Levels()
    u = torch.stack(recorder.seen)
    slope = layer.gradient.slope(u)
    peak = float(layer.gradient.slope(torch.zeros(1, dtype=torch.float64)).abs())
    return z, Levels(
        mean=float(u.mean()),
        std=float(u.std(correction=0)),
        largest=float(u.max()),
        reached=float((slope.abs() >= 0.1 * peak).double().mean()),
        middle=float(u.abs().median()),
    )


def _twin(layer: Layer, **changes: Any) -> Layer:
    """Return a layer with the same parameters, other settings, and plain torch operations; `layer` stays as it is."""
    twin = copy.copy(layer)
    twin._modules = dict(layer._modules)  # a copied module shares it
    for name, value in {"backend": "torch", **changes}.items():
        setattr(twin, name, value)
    return twin


def surrogate_width(gradient: Surrogate) -> float:
    """Return the u at which the slope has fallen to a tenth of its value at threshold; infinite if it does not.

    >>> from rheobase.learn.surrogate import fast_sigmoid
    >>> round(surrogate_width(fast_sigmoid(10)), 3)  # (sqrt(10) - 1)/10
    0.216
    """
    u = torch.logspace(-4, 3, 7001, dtype=torch.float64)
    slope = gradient.slope(torch.cat([torch.zeros(1, dtype=torch.float64), u])).abs()
    below = (slope[1:] < 0.1 * slope[0]).nonzero()
    return float(u[below[0, 0]]) if len(below) else float("inf")


def answer(layer: Layer, steps: int, port: str | None = None) -> Tensor | None:
    """Return what one unit of input in one step does to u, ``[steps]``, by a small one at rest; None if it cannot be.

    Without a threshold function of states (escape noise), or if the neuron fires at rest, there is no answer.
    """
    neuron, values = layer._neuron, layer.values
    module = step_module(neuron, layer._default_fed(), layer.method)
    place = port or layer.to_port
    if not module.FIRES or module.CHANCE or place is None:
        return None
    shape = layer.shape or (1,)
    small = 1e-6 * layer.scale
    traces = []
    for size in (0.0, small):
        x = torch.zeros(steps, 1, *shape, dtype=torch.float64)
        x[0] = size
        with torch.no_grad():
            twin = _twin(layer, batch_first=False, recurrent=None, recurrent_to=None)
            seen = twin.record({place: x}, [s for s in neuron.states if s in module.REST] + ["z"])
        if bool(seen.pop("z").any()):
            return None
        names = {n: seen[n] if n in seen else values.value(n) for n in module.REST}
        level = torch.as_tensor(module.distance(**names), dtype=torch.float64).expand(steps, 1, *shape)
        if bool((level[0] > 0).any()):
            return None
        traces.append(level.flatten(1).mean(1))
    return (traces[1] - traces[0]) / (small * layer.scale)
