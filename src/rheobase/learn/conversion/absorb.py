"""Thresholds go into the weights, so that what travels between neurons are spikes of size 1."""

from __future__ import annotations

import copy
import math
from typing import Final

import torch
from torch import Tensor, fx, nn

from rheobase.learn.conversion.firing import Firing, MaxOfSums
from rheobase.learn.conversion.rules import function_name
from rheobase.learn.conversion.trace import kind

__all__ = ["absorb"]

_WEIGHTED: Final = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
#: operations through which one factor a channel passes unchanged
_PASSING: Final = (
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.ZeroPad1d,
    nn.ZeroPad2d,
    nn.ZeroPad3d,
    MaxOfSums,
)


def absorb(body: fx.GraphModule) -> list[str]:
    """Multiply each layer's scales into the weights around it, in place, where a weight is there to take it."""
    _separate(body)
    left = []
    for node in body.graph.nodes:
        module = _module(body, node)
        if isinstance(module, Firing):
            before, behind = _absorb_before(body, node, module), _absorb_behind(body, node, module)
            if not (before and behind):
                left.append(str(node.meta["title"]))
    body.recompile()
    body.delete_all_unused_submodules()
    return [f"scales that no weight could take over, kept beside the neurons: {', '.join(left)}"] if left else []


def _module(body: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return body.get_submodule(str(node.target)) if node.op == "call_module" else None


def _separate(body: fx.GraphModule) -> None:
    """Give every call of a weighted module weights of its own."""
    seen: set[str] = set()
    for i, node in enumerate(body.graph.nodes):
        module = _module(body, node)
        if not isinstance(module, _WEIGHTED):
            continue
        if str(node.target) in seen:
            name = f"{str(node.target).replace('.', '_')}_again_{i}"
            body.add_submodule(name, copy.deepcopy(module))
            node.target = name
        seen.add(str(node.target))


def _absorb_before(body: fx.GraphModule, node: fx.Node, firing: Firing) -> bool:
    before = node.args[0]
    assert isinstance(before, fx.Node)
    module = _module(body, before)
    gain, offset = firing.gain, firing.offset
    if not isinstance(module, _WEIGHTED) or len(before.users) > 1 or gain is None or offset is None:
        return False
    places = len(before.meta["tensor_meta"].shape) - 1  # axes of one sample
    if gain.dim() and (gain.dim() != places or gain.numel() != gain.shape[0]):
        return False
    if isinstance(module, nn.Linear) and places > 1 and gain.dim():
        return False
    rows = gain.reshape(-1, *(1,) * (module.weight.dim() - 1))
    with torch.no_grad():
        module.weight.mul_(rows)
        bias = (
            torch.zeros_like(module.weight[:, 0].reshape(len(module.weight), -1)[:, 0])
            if module.bias is None
            else module.bias
        )
        new = bias * gain.reshape(-1) + offset.reshape(-1)
    if module.bias is not None or bool((offset != 0).any()):
        module.bias = nn.Parameter(new.detach().clone())
    firing.gain = firing.offset = None
    return True


def _absorb_behind(body: fx.GraphModule, node: fx.Node, firing: Firing) -> bool:
    scale = firing.scale
    if scale is None:
        return True
    ends: list[tuple[nn.Module, Tensor]] = []
    if not _follow(body, node, scale, ends):
        return False
    for module, factor in ends:
        assert isinstance(module, _WEIGHTED)
        groups = getattr(module, "groups", 1)
        rows, columns, *kernel = module.weight.shape
        every = factor.expand(groups * columns) if factor.dim() == 0 else factor.reshape(-1)
        with torch.no_grad():
            parts = module.weight.view(groups, rows // groups, columns, *kernel)
            parts.mul_(every.reshape(groups, 1, columns, *(1,) * len(kernel)))
    firing.scale = None
    return True


def _follow(body: fx.GraphModule, node: fx.Node, scale: Tensor, ends: list[tuple[nn.Module, Tensor]]) -> bool:
    """Collect the weights behind a node with the factor that each of their inputs needs; False if one has none."""
    if not node.users:
        return False
    for user in node.users:
        module = _module(body, user)
        shape = tuple(user.meta["tensor_meta"].shape) if "tensor_meta" in user.meta else ()
        given = tuple(node.meta["tensor_meta"].shape)[1:]
        if isinstance(module, _WEIGHTED):
            if isinstance(module, nn.Linear) and scale.dim() and scale.numel() > 1 and len(given) > 1:
                return False
            ends.append((module, scale.reshape(-1) if scale.dim() else scale))
        elif isinstance(module, _PASSING) or (function_name(user.target) in _pools() and kind(user) == "signal"):
            if scale.dim() and any(length > 1 for length in scale.shape[1:]):
                return False
            if not _follow(body, user, scale, ends):
                return False
        elif _is_flatten(module, user) and len(shape) == 2 and shape[1] == math.prod(given):
            wide = scale if scale.dim() == 0 else scale.expand(given).reshape(-1)
            if not _follow(body, user, wide, ends):
                return False
        else:
            return False
    return True


def _pools() -> set[str]:
    return {f"{a}avg_pool{d}d" for a in ("", "adaptive_") for d in (1, 2, 3)}


def _is_flatten(module: nn.Module | None, node: fx.Node) -> bool:
    called = function_name(node.target) in ("flatten", "reshape", "view") and node.op != "call_module"
    return isinstance(module, nn.Flatten) or called
