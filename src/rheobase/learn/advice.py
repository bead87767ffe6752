"""From numbers to words: what a diagnosis says, and what to change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, final

import torch
from torch import Tensor, nn

from rheobase.learn.layer import Layer
from rheobase.learn.parameters import _is_time
from rheobase.learn.walk import Stage

if TYPE_CHECKING:
    from rheobase.learn.diagnosis import LayerHealth

__all__ = ["Finding", "advise_batch", "advise_gradients", "advise_layer"]

_MANY: Final = 0.5  # share of neurons from which on a layer is told silent or saturated
_SOME: Final = 0.1
_FEW_REACHED: Final = 0.002
_FAR: Final = 4.0  # standard deviation of u: weights so large that no surrogate suits
_FACTOR: Final = 1e3  # of gradients from layer to layer, or through time


@final
@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    where, what, change : str
        The layer or tensor, what is wrong with it, what to do.
    severity : int
        3: nothing can be learnt; 2: little; 1: slower than need be.
    """

    where: str
    what: str
    change: str
    severity: int


def advise_batch(net: nn.Module, batch: Any) -> Iterator[Finding]:
    """Give NaN in the data and in parameters."""
    for k, x in enumerate(batch if isinstance(batch, tuple) else (batch,)):
        if isinstance(x, Tensor) and x.is_floating_point() and not bool(torch.isfinite(x).all()):
            n = int((~torch.isfinite(x)).sum())
            where = "the batch" if not isinstance(batch, tuple) else f"argument {k} of the batch"
            yield Finding(where, f"NaN or infinite in {n} of {x.numel()} places", "Clean the data.", 3)
    for name, p in net.named_parameters():
        if p.is_floating_point() and not bool(torch.isfinite(p).all()):
            yield Finding(
                f"parameter {name}",
                "NaN or infinite",
                "A gradient overflowed in training: start again with a lower learning rate, or clip gradients with"
                " torch.nn.utils.clip_grad_norm_.",
                3,
            )


def advise_layer(h: LayerHealth, stage: Stage) -> Iterator[Finding]:
    """Give what is wrong with a layer by itself."""
    where = f"layer {h.name}"
    yield from _advise_times(where, stage.layer, h.steps)
    if math.isnan(h.rate):
        return
    weights = f"the weights of '{stage.weights[-1][0]}'" if stage.weights else "what it is given"
    again = "or learn.initialise(net, rate='10 Hz', data=batch)"
    silent = _given_nothing(stage)
    if h.rate == 0:
        if silent:
            change = "Nothing arrives: what it is given is zero. Mend the layer or the encoding before it."
        elif -1 < h.levels.largest < 0:
            factor = 1 / (1 + h.levels.largest)
            change = (
                f"Multiply {weights} by {_round_up(factor)}, {again}: the nearest neuron gets"
                f" {1 + h.levels.largest:.0%} of the way to threshold."
            )
        else:
            change = f"Larger weights, {again}; is the input inhibition alone?"
        yield Finding(where, f"silent: none of its {h.neurons} neurons fires", change, 3)
    elif h.saturated > _MANY:
        yield Finding(
            where,
            f"saturated: {h.saturated:.0%} of its neurons fire in nearly every step that they could",
            f"Divide {weights} by about {max(2, round(4 * h.rate / 0.1)) if h.rate > 0.1 else 4}, {again}.",
            3,
        )
    elif h.dead > _SOME:
        yield Finding(
            where,
            f"{h.dead:.0%} of its neurons never fire in this batch",
            f"Larger {weights.removeprefix('the ')}, {again}; or add learn.losses.rate_bounds(z, lower=...)"
            " to the loss.",
            2 if h.dead > _MANY else 1,
        )
    elif h.saturated > _SOME:
        yield Finding(
            where,
            f"{h.saturated:.0%} of its neurons fire in nearly every step that they could",
            "Smaller weights, or add learn.losses.rate_bounds(z, upper=...) to the loss.",
            1,
        )
    if h.levels.std > _FAR:
        yield Finding(
            where,
            f"its neurons are driven {h.levels.std:.2g} times the distance from rest to threshold to and fro",
            f"Divide {weights} by about {_round_up(h.levels.std)}, {again}.",
            2,
        )
    elif h.rate > 0:
        yield from _advise_surrogate(where, h, stage.layer)


def _advise_surrogate(where: str, h: LayerHealth, layer: Layer) -> Iterator[Finding]:
    if math.isnan(h.levels.reached) or math.isinf(h.width) or h.levels.reached >= _FEW_REACHED:
        return
    wider = h.levels.middle / h.width
    values = layer.gradient.values
    key = next((k for k in ("slope", "alpha") if k in values), None)
    other = next((k for k in ("width", "sigma") if k in values), None)
    if key:
        advice = f"learn.{layer.gradient.name}({values[key] / wider:.2g}) in place of {layer.gradient!r}"
    elif other:
        advice = f"learn.{layer.gradient.name}({other}={values[other] * wider:.2g}) in place of {layer.gradient!r}"
    else:
        advice = f"a surrogate about {wider:.2g} times as wide"
    yield Finding(
        where,
        f"the surrogate is too narrow: it reaches abs(u) < {h.width:.2g}, but half of all neurons and steps have abs(u)"
        f" above {h.levels.middle:.2g}, and {h.levels.reached:.1%} are in reach",
        f"Use {advice}, or bring the neurons nearer to threshold by learn.initialise(net, rate='10 Hz', data=batch).",
        2,
    )


def _advise_times(where: str, layer: Layer, steps: int) -> Iterator[Finding]:
    neuron, values = layer._neuron, layer.values
    for name in neuron.parameters:
        if name in neuron.refractory.values() or name not in values.low or not _is_time(neuron, name):
            continue
        low = float(torch.as_tensor(values.number(name)).min())
        if low < layer.dt:
            yield Finding(
                where,
                f"{name} = {low:g} ms is below dt = {layer.dt:g} ms: the state forgets all within one step",
                f"Choose {name} above dt, or a smaller dt. Times are in ms: '20 ms' is 20, not 0.02.",
                2,
            )
        elif low > 1e3 * steps * layer.dt:
            yield Finding(
                where,
                f"{name} = {low:g} ms, but the whole batch is {steps * layer.dt:g} ms long: nothing moves in it",
                "Times are in ms: is this a number of steps, or of microseconds?",
                1,
            )
    for target, name in neuron.refractory.items():
        longest = float(torch.as_tensor(values.number(name)).max())
        if longest >= steps * layer.dt:
            yield Finding(
                where,
                f"{target} is refractory for {longest:g} ms, the whole batch is {steps * layer.dt:g} ms long",
                "One spike each is all there can be; shorten refractory=.",
                2,
            )


def advise_gradients(health: Sequence[LayerHealth]) -> Iterator[Finding]:
    """Give gradients that vanish, explode or are not there."""
    known = [h for h in health if not math.isnan(h.gradient)]
    for h in known:
        if not math.isfinite(h.gradient):
            yield Finding(
                f"layer {h.name}",
                "its gradient is NaN or infinite",
                "A smaller surrogate slope, smaller weights, or detach_reset=True.",
                3,
            )
        elif h.gradient == 0:
            yield Finding(
                f"layer {h.name}",
                "no gradient arrives at it",
                "Look at the layers after it: a silent one, or a surrogate too narrow, lets none through.",
                3,
            )
        else:
            yield from _advise_through_time(h)
    for before, after in pairwise(known):
        if not (before.gradient > 0 and after.gradient > 0):
            continue
        ratio = before.gradient / after.gradient
        if ratio < 1 / _FACTOR:
            yield Finding(
                f"layer {before.name}",
                f"the gradient vanishes on its way from layer {after.name}: {ratio:.1e} of it is left",
                f"A wider surrogate in layer {after.name}, or larger weights before it.",
                2,
            )
        elif ratio > _FACTOR:
            yield Finding(
                f"layer {before.name}",
                f"the gradient grows {ratio:.1e}-fold on its way from layer {after.name}",
                "A steeper surrogate or smaller weights there; clip gradients with torch.nn.utils.clip_grad_norm_.",
                2,
            )


def _advise_through_time(h: LayerHealth) -> Iterator[Finding]:
    g = torch.tensor(h.through_time, dtype=torch.float64)
    if len(g) < 10 or not bool((g > 0).any()):
        return
    tenth = max(1, len(g) // 10)
    first, last = float(g[:tenth].mean()), float(g[-tenth:].mean())
    if last > 0 and first > _FACTOR * last and first > _FACTOR * float(g.median()):
        yield Finding(
            f"layer {h.name}",
            f"the gradient explodes through time: {first / last:.1e} times larger at the first steps than at the last",
            "detach_reset=True, a wider or lower surrogate, smaller recurrent weights, or truncated backpropagation:"
            " pieces of the sequence, with state.detach() between them.",
            2,
        )
    elif last > 0 and first < last / 1e6:
        reach = int((g > 1e-6 * g.max()).nonzero()[0])
        yield Finding(
            f"layer {h.name}",
            f"the gradient does not reach further back than {(len(g) - reach) * h.dt:g} of"
            f" {len(g) * h.dt:g} ms: {first / last:.1e} of it is left at the first steps",
            "If the task needs a longer memory: larger time constants (train=('tau',)), adaptation, recurrent weights"
            " or delays; or a readout of all times, such as 'mean v', in place of the last.",
            1,
        )


def _given_nothing(stage: Stage) -> bool:
    fed = stage.fed if isinstance(stage.fed, dict) else {"": stage.fed}
    return not any(bool(x.any()) for x in fed.values())


def _round_up(x: float) -> str:
    digits = 1 - math.floor(math.log10(x)) if x > 0 else 0
    return f"{math.ceil(x * 10**digits) / 10**digits:g}"
