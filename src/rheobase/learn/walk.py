"""The layers of a network in the order in which data reach them, what they are given, and which weights feed them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from rheobase.errors import InputError
from rheobase.learn.layer import Layer
from rheobase.learn.state import State

__all__ = ["Stage", "find_layers", "run_net", "untouched", "walk"]


@final
@dataclass
class Stage:
    """A layer, what it was given, and the modules with weights between the layer before it and this one."""

    name: str
    layer: Layer
    fed: Any
    state: State | None
    weights: list[tuple[str, nn.Module, Tensor]] = field(default_factory=list)
    """Name, module and what it was given."""


@final
class _EnoughError(Exception):
    """The layer that was asked for has been reached."""


def find_layers(net: Any) -> dict[str, Layer]:
    """Return name -> layer, in the order of registration.

    Raises
    ------
    InputError
        If `net` is no module or has no `learn.Layer`.
    """
    if not isinstance(net, nn.Module):
        raise InputError(f"a torch module with learn.Layer in it is wanted, not {type(net).__name__}")
    found = {name or "layer": m for name, m in net.named_modules() if isinstance(m, Layer)}
    if not found:
        raise InputError("the network has no learn.Layer; a layer of neurons is learn.Layer(rb.LIF(), dt='1 ms')")
    return found


@contextmanager
def untouched(net: nn.Module) -> Iterator[None]:
    """Leave buffers (running means) and torch's random numbers as they were before."""
    before = [(b, b.detach().clone()) for b in net.buffers()]
    random = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(random)
        with torch.no_grad():
            for b, old in before:
                b.copy_(old)


def run_net(net: nn.Module, data: Any) -> Any:
    """Return what the network gives; data may be a tensor, or a tuple of arguments."""
    if data is None:
        raise InputError("the data are missing: give what the network is called with, a tensor [time, batch, ...]")
    return net(*data) if isinstance(data, tuple) else net(data)


def walk(net: nn.Module, data: Any, *, until: Layer | None = None, see: Callable[[Stage], None] | None = None) -> Any:
    """Run the network and return (stages in the order of execution, output); `until` ends the run before that layer.

    Only layers that are called count: one that is stepped by hand (``layer.step``) cannot be seen.
    """
    layers = find_layers(net)
    names = {id(layer): name for name, layer in layers.items()}
    inner = {id(m) for layer in layers.values() for m in layer.modules()}
    stages: list[Stage] = []
    pending: list[tuple[str, nn.Module, Tensor]] = []

    def note_weights(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            if arguments and isinstance(arguments[0], Tensor):
                pending.append((name, module, arguments[0].detach()))

        return hook

    def note_layer(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        fed = arguments[0] if arguments else keywords.get("x")
        state = arguments[1] if len(arguments) > 1 else keywords.get("state")
        assert isinstance(module, Layer)
        stage = Stage(names[id(module)], module, fed, state, [*pending])
        pending.clear()
        stages.append(stage)
        if see is not None:
            see(stage)
        if module is until:
            raise _EnoughError

    handles = [layer.register_forward_pre_hook(note_layer, with_kwargs=True) for layer in layers.values()]
    for name, m in net.named_modules():
        weight = getattr(m, "weight", None) if id(m) not in inner else None
        if isinstance(weight, Tensor) and weight.dim() >= 2:
            handles.append(m.register_forward_pre_hook(note_weights(name)))
    out = None
    try:
        out = run_net(net, data)
    except _EnoughError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    if not stages:
        raise InputError(
            "no learn.Layer was called: this looks at layers that are given whole sequences, layer(x), not at ones"
            " stepped by hand"
        )
    return stages, out
