"""What a layer is given, checked: shapes, axes, names, states; each error says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rheobase.errors import InputError, nearest
from rheobase.learn.state import State
from rheobase.model.neuron import Neuron

__all__ = ["check_fed", "check_state", "places", "read_fed", "read_size"]


def read_size(size: Any) -> tuple[int, ...] | None:
    """Return the neurons' shape of ``size=``."""
    if size is None:
        return None
    numbers = (size,) if isinstance(size, int) else size
    try:
        shape = () if isinstance(size, str) else tuple(int(n) for n in numbers)
    except (TypeError, ValueError):
        raise InputError(f"size = {size!r:.60} must be a number of neurons or a tuple of them") from None
    if not shape or any(n < 1 for n in shape):
        raise InputError(f"size = {size!r:.60} must be a number of neurons or a tuple of them, each at least 1")
    return shape


def places(neuron: Neuron) -> list[str]:
    """Return where something can be given: ports, inputs, and parameters that may vary in time, as currents do."""
    return [*neuron.ports, *neuron.inputs, *(n for n in neuron.parameters if n not in neuron.refractory.values())]


def read_fed(x: Any, neuron: Neuron, to: str | None) -> dict[str, Tensor]:
    """Return name -> tensor of what is given to ports and inputs."""
    known = places(neuron)
    if isinstance(x, Tensor):
        if to is None:
            raise InputError(
                f"{neuron.name} can be given something at several places: {', '.join(known)}. Say which: Layer(..., to="
                f"'{known[0]}'), or give a dict of tensors: layer({{'{known[0]}': x}})"
            )
        return {to: x}
    if not isinstance(x, Mapping):
        raise InputError(f"a tensor [time, batch, neurons] is wanted, or a dict of tensors, not {type(x).__name__}")
    if not x:
        raise InputError(f"the dict is empty; it names what is given: {', '.join(known)}")
    for name, value in x.items():
        if name not in known:
            raise InputError(
                f"'{name!s:.60}' is no port or input of {neuron.name}.{nearest(str(name), known)}"
                f" It has: {', '.join(known)}"
            )
        if not isinstance(value, Tensor):
            raise InputError(f"'{name}' must be a tensor [time, batch, neurons], not {type(value).__name__}")
    return dict(x)


def check_fed(fed: Mapping[str, Tensor], shape: tuple[int, ...] | None, batch_first: bool, state: State | None) -> None:
    """Raise where a tensor has a wrong shape or type."""
    axes = "[batch, time, *neurons]" if batch_first else "[time, batch, *neurons]"
    first = next(iter(fed.values()))
    for name, x in fed.items():
        if not x.is_floating_point():
            raise InputError(f"what is given to '{name}' is {x.dtype}; give floating-point numbers: x.float()")
        if x.dim() < 3:
            more = "; one neuron is x.unsqueeze(-1)" if x.dim() == 2 else ""
            raise InputError(
                f"what is given to '{name}' has the shape {list(x.shape)}; {axes} is wanted{more}. A single time step"
                " is layer.step(x, state)"
            )
        if 0 in x.shape:
            raise InputError(f"what is given to '{name}' is empty: {list(x.shape)}")
        if x.shape != first.shape:
            raise InputError(f"tensors of different shapes are given: {list(first.shape)} and {list(x.shape)}")
    neurons = tuple(first.shape[2:])
    if shape is not None and neurons != shape:
        raise InputError(
            f"x has the shape {list(first.shape)}, read as {axes}: {list(neurons)} neurons, but the layer has"
            f" {list(shape)}. Give Linear(..., that many) before it, or another size="
        )
    if state is not None and isinstance(state, State):
        batch, steps = (first.shape[0], first.shape[1]) if batch_first else (first.shape[1], first.shape[0])
        if state.batch != batch:
            swapped = f" Time is the {'second' if batch_first else 'first'} axis here"
            hint = swapped + f"; batch_first={not batch_first} swaps them." if state.batch == steps else ""
            raise InputError(
                f"the state describes a batch of {state.batch}, x {list(first.shape)} a batch of {batch}.{hint}"
                " A new batch starts with a fresh state: leave it out, or layer.start(batch)"
            )


def check_state(state: Any, layout: tuple[Any, ...], like: Tensor) -> None:
    """Raise if a state is not one of this layer and this batch."""
    if not isinstance(state, State):
        raise InputError(
            f"a state is wanted, as layer.start(batch) or layer(x, return_state=True) gives, not {type(state).__name__}"
        )
    if state.layout != layout:
        what = ("other states", "another refractoriness", "recurrence or none", "other neurons", "another dt")
        differs = [w for w, a, b in zip(what, state.layout, layout, strict=True) if a != b]
        raise InputError(
            f"the state belongs to another layer ({', '.join(differs)}): {state!r}. Each layer has its own:"
            " z, state = layer(x, state)"
        )
    device = next(iter(state.values.values())).device
    if device != like.device:
        raise InputError(f"the state is on {device}, x on {like.device}; state.to({str(like.device)!r}) moves it")
