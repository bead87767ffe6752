"""A network as a graph of operations, each known by its kind, or refused by its name."""

from __future__ import annotations

import copy
from typing import Any, Final, final

import torch
from torch import fx, nn

from rheobase.errors import InputError, NotConvertible
from rheobase.learn.conversion import rules
from rheobase.learn.conversion.quantise import QuantReLU
from rheobase.learn.layer import Layer

__all__ = [
    "CONSTANT",
    "FIRE",
    "LAYER",
    "MAX",
    "SIGNAL",
    "TAIL",
    "check_samples",
    "is_signal",
    "kind",
    "title",
    "trace",
    "trace_layers",
]

#: kinds of nodes: a number or a weight; an affine operation; a rectifier; a maximum; what is taken of the mean output
CONSTANT: Final = "constant"
SIGNAL: Final = "signal"
LAYER: Final = "layer"
FIRE: Final = "fire"
MAX: Final = "max"
TAIL: Final = "tail"
DROP: Final = "drop"
_BAD: Final = "bad"


@final
class _Tracer(fx.Tracer):
    """Goes into modules that people write; stops at those of PyTorch and of rheobase."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = isinstance(m, QuantReLU | Layer)
        return ours or super().is_leaf_module(m, module_qualified_name)


def kind(node: fx.Node) -> str:
    """Return the kind of a node that `trace` has looked at."""
    return str(node.meta["kind"])


def is_signal(node: Any) -> bool:
    """Whether a node's value depends on the input (numbers, shapes and weights do not)."""
    return isinstance(node, fx.Node) and node.meta.get("kind") not in (CONSTANT, None)


def title(node: fx.Node) -> str:
    """Return how a node is called in messages and tables: a module's name, or what the graph calls it."""
    return str(node.target) if node.op == "call_module" else node.name


def trace(net: nn.Module) -> fx.GraphModule:
    """Return the graph of a copy of `net` in evaluation mode, its nodes marked by their kind.

    Raises
    ------
    NotConvertible
        If its forward method branches on data, or holds operations that spikes cannot say: all are listed.
    """
    module = _follow(net)
    _mark(module)
    _mark_tail(module.graph)
    _refuse(module, type(net).__name__)
    return module


def _follow(net: nn.Module) -> fx.GraphModule:
    if not isinstance(net, nn.Module):
        called = "; write net = Net() first" if isinstance(net, type) else ""
        raise InputError(f"a network (torch.nn.Module) is wanted, not {net!r:.60}{called}")
    whole = copy.deepcopy(net).eval()
    leaf = type(whole).__module__.startswith("torch.nn") and not isinstance(whole, nn.Sequential)
    if leaf or isinstance(whole, Layer | QuantReLU):
        whole = nn.Sequential(whole)  # a single layer of PyTorch is a leaf and cannot be traced alone
    try:
        graph = _Tracer().trace(whole)
    except Exception as error:  # whatever forward() does there
        name = type(net).__name__
        raise NotConvertible(
            f"{name}.forward cannot be followed ({type(error).__name__}: {_first_line(error)}). It branches or loops on"
            " the data, or computes outside of torch; write it without that, or convert the parts that do not"
        ) from None
    module = fx.GraphModule(whole, graph)
    inputs = [n for n in graph.nodes if n.op == "placeholder" and not n.args]
    if len(inputs) != 1:
        names = ", ".join(n.name for n in inputs) or "none"
        raise NotConvertible(f"{type(net).__name__} takes {len(inputs)} inputs ({names}); conversion knows one tensor")
    return module


def trace_layers(net: nn.Module) -> fx.GraphModule:
    """Return the graph of a copy of a module of spiking layers in evaluation mode, its nodes marked by their kind.

    Raises
    ------
    NotConvertible
        If it cannot be followed, or holds what is neither affine nor a layer.
    """
    module = _follow(net)
    _mark(module, layers=True)
    _mark_tail(module.graph)
    _refuse(module, type(net).__name__)
    return module


def _mark(module: fx.GraphModule, layers: bool = False) -> None:
    for node in module.graph.nodes:
        node.meta["kind"], node.meta["why"] = _classify(module, node)
        if layers and node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), Layer):
            node.meta["kind"] = LAYER


def _classify(module: fx.GraphModule, node: fx.Node) -> tuple[str, str]:
    """Return the kind of a node, and its plain name if it is refused."""
    if node.op == "placeholder":
        return (CONSTANT if node.args else SIGNAL), ""
    if node.op == "get_attr":
        return CONSTANT, ""
    signals = [n for n in node.all_input_nodes if is_signal(n)]
    if node.op == "output" or not signals:
        return (SIGNAL if node.op == "output" else CONSTANT), ""
    if node.op == "call_module":
        return _classify_module(module.get_submodule(str(node.target)), node)
    name = rules.function_name(node.target)
    if name in ("size", "dim", "numel", "ndimension") or (
        name == "getattr" and node.args[1] in ("shape", "ndim", "dtype", "device")
    ):
        return CONSTANT, ""
    node.meta["rectifier"] = rules.read_rectifier(None, name, tuple(node.args[1:]), dict(node.kwargs))
    if node.meta["rectifier"] is not None:
        return FIRE, ""
    if name in rules.DROPPED_FUNCTIONS:
        return DROP, ""
    if name in rules.MAX_FUNCTIONS and not node.kwargs.get("return_indices"):
        return MAX, ""
    known = rules.AFFINE_METHODS if node.op == "call_method" else rules.AFFINE_FUNCTIONS
    if name in known or (name in rules.ONE_SIGNAL and _is_linear(name, node, signals)):
        return SIGNAL, ""
    return (TAIL if name in rules.TAIL else _BAD), name


def _is_linear(name: str, node: fx.Node, signals: list[fx.Node]) -> bool:
    """Whether a product has one factor that is a signal, and a quotient no signal below."""
    below = name in ("truediv", "div", "divide") and len(node.args) > 1 and is_signal(node.args[1])
    twice = [a for a in (*node.args, *node.kwargs.values()) if is_signal(a)]
    return len(signals) == 1 and len(twice) == 1 and not below


def _classify_module(found: nn.Module, node: fx.Node) -> tuple[str, str]:
    name = type(found).__name__
    node.meta["rectifier"] = rules.read_rectifier(found, name, (), {})
    if node.meta["rectifier"] is not None:
        return FIRE, ""
    if isinstance(found, rules.DROPPED_MODULES):
        return DROP, ""
    if isinstance(found, rules.MAX_MODULES) and not getattr(found, "return_indices", False):
        return MAX, ""
    if isinstance(found, nn.modules.batchnorm._BatchNorm) and found.running_mean is None:
        return _BAD, f"{name} without running statistics"
    if isinstance(found, rules.AFFINE_MODULES):
        return SIGNAL, ""
    return (TAIL if name.lower() in rules.TAIL else _BAD), name


def _mark_tail(graph: fx.Graph) -> None:
    """What follows a softmax belongs to the tail, too; a tail before neurons is none."""
    for node in graph.nodes:
        if kind(node) in (SIGNAL, DROP) and node.op != "output" and any(kind(n) == TAIL for n in node.all_input_nodes):
            node.meta["kind"] = TAIL
    below: set[fx.Node] = set()  # what neurons, maxima, and what is refused depend on
    for node in reversed(graph.nodes):
        if kind(node) in (FIRE, MAX, _BAD) or node in below:
            below.update(node.all_input_nodes)
    for node in graph.nodes:
        if kind(node) == TAIL and node in below:
            node.meta["kind"] = _BAD


def _refuse(module: fx.GraphModule, name: str) -> None:
    bad = [n for n in module.graph.nodes if kind(n) == _BAD]
    if bad:
        lines = [
            f"  {title(n)}: {_describe(module, n)}: {rules.advise(n.meta['why'].split()[0] if n.meta['why'] else '')}"
            for n in bad
        ]
        raise NotConvertible(f"{name} has layers that spikes cannot say:\n" + "\n".join(lines))
    outputs = next(n for n in module.graph.nodes if n.op == "output").args[0]
    if not isinstance(outputs, fx.Node) or not is_signal(outputs):
        raise NotConvertible(f"{name} must return one tensor that depends on its input; return the output alone")


def _describe(module: fx.GraphModule, node: fx.Node) -> str:
    if node.op == "call_module":
        found = module.get_submodule(str(node.target))
        if isinstance(found, Layer):
            return "a learn.Layer is a layer of spiking neurons already"
        return str(node.meta["why"] or type(found).__name__)
    return str(node.meta["why"] or rules.function_name(node.target))


def check_samples(module: fx.GraphModule, x: torch.Tensor) -> None:
    """Refuse a network that mixes the samples of a batch: time is carried there while it runs."""
    one = module(x[:2])
    if not isinstance(one, torch.Tensor) or one.shape[:1] != x[:2].shape[:1]:
        raise NotConvertible(
            f"for {len(x[:2])} samples the network returns shape {list(getattr(one, 'shape', []))}; the first axis of"
            " its output must be the sample"
        )
    try:
        two = module(torch.cat([x[:2], x[:2].flip(0), x[:1]]))
    except RuntimeError as error:
        raise NotConvertible(
            f"the network works for one batch size only ({_first_line(error)}); in view and reshape write"
            " x.size(0) or -1 for the batch"
        ) from None
    if not torch.allclose(two[: len(one)], one, rtol=1e-3, atol=1e-4 * float(one.abs().max()) + 1e-12):
        raise NotConvertible(
            "what the network says of a sample depends on the other samples of its batch (a mean or a view over the"
            " first axis?); write it so that samples are independent"
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:160].rstrip(".")
