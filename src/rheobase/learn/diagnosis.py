"""Why a network does not learn: layers that are silent or fire always, gradients that vanish, and what to change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from rheobase.errors import InputError, RheobaseError
from rheobase.learn.advice import Finding, advise_batch, advise_gradients, advise_layer
from rheobase.learn.layer import Layer
from rheobase.learn.levels import Levels, measure_levels, surrogate_width
from rheobase.learn.walk import Stage, find_layers, untouched, walk

__all__ = ["Diagnosis", "LayerHealth", "diagnose"]

_ALWAYS: Final = 0.9  # of the steps in which it could: a neuron that fires so often tells nothing by it


@final
@dataclass(frozen=True)
class LayerHealth:
    """What was measured of one layer on one batch.

    Attributes
    ----------
    name, neuron : str
    neurons : int
    steps : int
        Time steps.
    dt : float
        In ms.
    rate : float
        Spikes per neuron and step; nan if the neuron never fires by itself.
    dead, saturated : float
        Share of neurons that fire never, or in 90 % of the steps in which they could.
    levels : Levels
        Of u, what the surrogate sees: -1 is rest, 0 threshold.
    width : float
        abs(u) at which the surrogate has fallen to a tenth.
    gradient : float
        Norm of the loss's gradient with respect to what the layer is given; nan where none arrives.
    through_time : tuple of float
        The same at each time step.
    """

    name: str
    neuron: str
    neurons: int
    steps: int
    dt: float
    rate: float
    dead: float
    saturated: float
    levels: Levels
    width: float
    gradient: float
    through_time: tuple[float, ...]

    @property
    def hertz(self) -> float:
        """The rate in Hz."""
        return 1000 * self.rate / self.dt


@final
@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The health of a network, layer by layer, and what to do; print it for a table.

    Attributes
    ----------
    layers : tuple of LayerHealth
    findings : tuple of Finding
        What is wrong and what to change, the most severe first; empty if nothing is.
    loss : float
        The loss of the batch; nan if it could not be computed.
    """

    layers: tuple[LayerHealth, ...]
    findings: tuple[Finding, ...]
    loss: float

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to change."""
        return not self.findings

    def __repr__(self) -> str:
        head = ("layer", "neurons", "Hz", "per step", "dead", "always on", "u", "in reach", "gradient", "first/last")
        rows = [head, *(_row(h) for h in self.layers)]
        wide = [max(len(row[k]) for row in rows) for k in range(len(head))]
        lines = ["  ".join(c.rjust(w) if k else c.ljust(w) for k, (c, w) in enumerate(zip(row, wide, strict=True)))
                 for row in rows]  # fmt: skip
        notes = [f"! {f.where}: {f.what}. {f.change}" for f in self.findings] or ["Nothing to change."]
        return "\n".join([*lines, *notes])


def diagnose(net: nn.Module, batch: Any, loss: Callable[[Any], Tensor] | None = None) -> Diagnosis:
    """Return what each layer does with a batch, what gradient it gets, and what to change.

    It finds: silent and saturated layers, dead neurons, NaN in data, weights and states, gradients that vanish or
    explode from layer to layer and through time, a surrogate too narrow for where the neurons are, time constants below
    or far above what the data have. Weights, gradients and random numbers are left as they were.

    Parameters
    ----------
    net : Module
        With `learn.Layer` in it.
    batch : Tensor [time, batch, ...], or tuple
        As the network is given it; a tuple is several arguments.
    loss : callable, optional
        From the network's output to the loss, such as ``lambda z: learn.losses.rate(z, target)``; by default the sum
        of the output, whose gradient tells how far changes reach.

    Returns
    -------
    Diagnosis
        Frozen; prints as a table. ``in reach`` is the share of neurons and steps in which the surrogate's slope is at
        least a tenth of its peak, ``first/last`` the gradient's norm at the first time step over that at the last.

    Raises
    ------
    InputError
        If `net` has no layer, or calls none with a whole sequence.

    Examples
    --------
    >>> import rheobase as rb
    >>> from rheobase import learn
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Linear(20, 10), learn.Layer(rb.LIF(), dt="1 ms"))
    >>> found = diagnose(net, learn.encode.rate(torch.rand(8, 20), steps=50, seed=1))
    >>> found.findings[0].where, found.findings[0].what
    ('layer 1', 'silent: none of its 10 neurons fires')
    """
    layers = find_layers(net)
    if loss is not None and not callable(loss):
        raise InputError(
            f"loss = {loss!r:.60} must be a function of the network's output, such as"
            " lambda z: learn.losses.rate(z, target)"
        )
    findings = [*advise_batch(net, batch)]
    stages: list[Stage] = []
    value = math.nan
    gradients: dict[int, Tensor] = {}
    if not findings:  # with NaN in data or weights there is nothing to measure
        try:
            with untouched(net), torch.enable_grad():
                value, gradients, stages = _run(net, batch, loss)
        except RheobaseError as error:
            if not isinstance(error, InputError) or "no learn.Layer was called" in str(error):
                raise
            findings.append(Finding("the run", str(error), "The message says what to do.", 3))
    health = []
    for stage in stages:
        one = _measure(stage, gradients.get(id(stage)))
        health.append(one)
        findings += advise_layer(one, stage)
    findings += advise_gradients(health)
    if not health and not findings:
        findings.append(
            Finding("the network", f"none of {', '.join(layers)} was reached", "Call them in forward().", 3)
        )
    return Diagnosis(tuple(health), tuple(sorted(findings, key=lambda f: -f.severity)), value)


def _run(
    net: nn.Module, batch: Any, loss: Callable[[Any], Tensor] | None
) -> tuple[float, dict[int, Tensor], list[Stage]]:
    """Return the loss, its gradient with respect to what each layer is given, and the stages."""
    stages, out = walk(net, batch)
    first = out[0] if isinstance(out, tuple) else out
    total = loss(out) if loss is not None else first.sum()
    if not isinstance(total, Tensor) or total.dim() != 0:
        raise InputError("loss= must return one number as a tensor, such as learn.losses.rate(z, target)")
    wanted = [(s, s.fed) for s in stages if isinstance(s.fed, Tensor) and s.fed.requires_grad]
    found: dict[int, Tensor] = {}
    if total.requires_grad and wanted:
        grads = torch.autograd.grad(total, [x for _, x in wanted], allow_unused=True)
        found = {id(s): g for (s, _), g in zip(wanted, grads, strict=True) if g is not None}
    return float(total.detach()), found, stages


def _measure(stage: Stage, gradient: Tensor | None) -> LayerHealth:
    layer = stage.layer
    z, levels = measure_levels(layer, stage.fed, stage.state)
    fed = stage.fed if isinstance(stage.fed, Tensor) else next(iter(stage.fed.values()))
    time = 1 if layer.batch_first else 0
    per_step: tuple[float, ...] = ()
    if gradient is not None:
        per_step = tuple(gradient.transpose(0, 1).flatten(1).norm(dim=1).tolist() if time else
                         gradient.flatten(1).norm(dim=1).tolist())  # fmt: skip
    rate = dead = saturated = math.nan
    if z is not None:
        count = z.flatten(2).sum((0, 1))
        rate = float(z.mean())
        dead = float((count == 0).double().mean())
        saturated = float((count >= _ALWAYS * most_spikes(layer, z.shape[0]) * z.shape[1]).double().mean())
    return LayerHealth(
        name=stage.name,
        neuron=layer._neuron.name,
        neurons=math.prod(fed.shape[2:]),
        steps=fed.shape[time],
        dt=layer.dt,
        rate=rate,
        dead=dead,
        saturated=saturated,
        levels=levels,
        width=surrogate_width(layer.gradient),
        gradient=math.nan if gradient is None else float(gradient.norm()),
        through_time=per_step,
    )


def most_spikes(layer: Layer, steps: int) -> float:
    """Return how many spikes a neuron can fire in so many steps."""
    n = layer._neuron
    rest = [float(torch.as_tensor(layer.values.number(p)).max()) for p in n.refractory.values()]
    return steps / (1 + round(max(rest, default=0.0) / layer.dt))


def _row(h: LayerHealth) -> tuple[str, ...]:
    def number(x: float, form: str = ".3g") -> str:
        return "-" if math.isnan(x) else format(x, form)

    u = "-" if math.isnan(h.levels.mean) else f"{h.levels.mean:.2g} +- {h.levels.std:.2g}"
    last = h.through_time[-1] if h.through_time else math.nan
    ratio = h.through_time[0] / last if h.through_time and last > 0 else math.nan
    return (
        h.name,
        str(h.neurons),
        number(h.hertz),
        number(h.rate),
        number(h.dead, ".0%"),
        number(h.saturated, ".0%"),
        u,
        number(h.levels.reached, ".0%"),
        number(h.gradient),
        number(ratio),
    )
