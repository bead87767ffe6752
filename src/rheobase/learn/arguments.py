"""A layer's arguments, read and checked; each error says what to do."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from rheobase.derive.rest import is_current
from rheobase.emit.layer_modules import step_module
from rheobase.errors import InputError, nearest
from rheobase.learn.check import places
from rheobase.learn.parameters import Values
from rheobase.learn.surrogate import SURROGATES, Surrogate, fast_sigmoid
from rheobase.learn.trains import read_number
from rheobase.model.neuron import Neuron
from rheobase.units import to_number

__all__ = [
    "check_gradient",
    "check_neuron",
    "check_recurrent_to",
    "check_to",
    "choice",
    "make_recurrent",
    "read_dt",
    "read_scale",
]


def read_dt(dt: Any) -> float:
    """Return the step in ms."""
    step = to_number(dt, "ms", "dt")
    if not 0 < step < math.inf:
        raise InputError(f"dt = {step:g} ms is not positive; give for example Layer(..., dt='1 ms')")
    return step


def check_neuron(neuron: Any) -> Neuron:
    """Return the neuron if it is one."""
    if not isinstance(neuron, Neuron):
        raise InputError(f"a Neuron is wanted, such as rb.LIF() or rb.Neuron(evolve=...), not {type(neuron).__name__}")
    return neuron


def check_gradient(gradient: Any) -> Surrogate:
    """Return the surrogate, the fast sigmoid if none is given."""
    if gradient is None:
        return fast_sigmoid()
    if callable(gradient) and not isinstance(gradient, Surrogate):
        raise InputError("gradient= wants a surrogate with its numbers: gradient=learn.fast_sigmoid(25), with brackets")
    if not isinstance(gradient, Surrogate):
        close = nearest(gradient, SURROGATES) if isinstance(gradient, str) and gradient not in SURROGATES else ""
        example = f"learn.{gradient}()" if gradient in SURROGATES else "learn.fast_sigmoid(25)"
        raise InputError(
            f"gradient = {gradient!r:.60} is no surrogate.{close} Call one, gradient={example}."
            f" There are: {', '.join(SURROGATES)}"
        )
    return gradient


def choice(what: str, given: Any, known: tuple[str, ...]) -> str:
    """Return what is given if it is one of the known."""
    if given not in known:
        raise InputError(
            f"{what} = {given!r:.60} is unknown.{nearest(str(given), known)} Choose of: {', '.join(known)}"
        )
    return str(given)


def check_to(neuron: Neuron, to: Any) -> str | None:
    """Return where a tensor arrives; None if a dict has to say."""
    known = places(neuron)
    if to is not None:
        if to not in known:
            raise InputError(
                f"to = {to!r:.60} is no port or input of {neuron.name}.{nearest(str(to), known)}"
                f" It has: {', '.join(known)}"
            )
        return str(to)
    for group in (neuron.ports, neuron.inputs, [n for n in neuron.parameters if is_current(n)]):
        if group:
            return group[0] if len(group) == 1 else None
    raise InputError(
        f"nothing can be given to {neuron.name}: it has no receive row and no input; add receive='v <- v + w_i'"
    )


def check_recurrent_to(neuron: Neuron, recurrent: Any, given: Any, to: str | None) -> str | None:
    """Return the port at which recurrent spikes arrive; None if there are none."""
    if recurrent is None or recurrent is False:
        if given is not None:
            raise InputError(
                "recurrent_to= says where recurrent spikes arrive, but there are none; give recurrent=True"
            )
        return None
    port = given if given is not None else to if to in neuron.ports else None
    if port is None and len(neuron.ports) == 1:
        port = neuron.ports[0]
    if port not in neuron.ports:
        raise InputError(
            f"recurrent spikes need a port of {neuron.name} to arrive at: recurrent_to=..., one of"
            f" {', '.join(neuron.ports) or 'none; add a receive row'}"
        )
    return str(port)


def make_recurrent(given: Any, shape: tuple[int, ...] | None, fires: bool, name: str) -> nn.Module | None:
    """Return the Module that maps spikes to what arrives; None if there is none."""
    if given is None or given is False:
        return None
    if not fires:
        raise InputError(f"{name} never fires, so it cannot be recurrent; give it a threshold row")
    if isinstance(given, nn.Module):
        return given
    if shape is None:
        raise InputError("recurrent= needs to know how many neurons there are: Layer(..., size=128)")
    n = math.prod(shape)
    linear = nn.Linear(n, n, bias=False)
    if isinstance(given, Tensor):
        if given.shape != (n, n):
            raise InputError(
                f"recurrent weights of shape {list(given.shape)} do not fit; [{n}, {n}] is wanted, [to, from]"
            )
        linear.weight = given if isinstance(given, nn.Parameter) else nn.Parameter(given.detach().clone())
    elif given is not True:
        raise InputError(f"recurrent = {given!r:.60}: give True, a tensor [{n}, {n}] or a Module")
    if len(shape) == 1:
        return linear
    return nn.Sequential(nn.Flatten(), linear, nn.Unflatten(1, shape))


def read_scale(given: Any, values: Values, neuron: Neuron) -> float:
    """Return the distance from rest to threshold, where it is a number."""
    if given is not None:
        scale = read_number(given, "scale")
        if not 0 < scale < math.inf:
            raise InputError(f"scale = {scale:g} must be positive: the distance from rest to threshold")
        return scale
    module = step_module(neuron, tuple(sorted((*neuron.ports, *neuron.inputs))), values.method)
    if not module.FIRES or module.CHANCE:
        return 1.0
    distance = module.distance(**{n: values.value(n) for n in module.REST})
    found = float(torch.as_tensor(distance, dtype=torch.float64).detach().abs().mean())
    return found if math.isfinite(found) and found > 1e-9 else 1.0
