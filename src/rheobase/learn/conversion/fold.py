"""A smaller graph that says the same: no dropout, batch norm in the weights, maxima behind the rectifiers."""

from __future__ import annotations

import operator

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from rheobase.learn.conversion.trace import DROP, FIRE, MAX, kind, title

__all__ = ["fold"]

_IN_PLACE = {operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul}
_METHODS = {"add_": "add", "sub_": "sub", "relu_": "relu", "clamp_": "clamp"}


def fold(module: fx.GraphModule) -> list[str]:
    """Change a traced graph in place so that it computes the same with fewer operations; return what was done."""
    notes = [*_drop(module), *_fold_norms(module), *_swap_maxima(module)]
    _name_rectifiers(module)
    for node in module.graph.nodes:  # a signal is kept while others are computed: nothing may write into it
        if node.op == "call_function" and node.target in _IN_PLACE:
            node.target = _IN_PLACE[node.target]
        if node.op == "call_method" and node.target in _METHODS:
            node.target = _METHODS[node.target]
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.recompile()
    module.delete_all_unused_submodules()
    return notes


def _drop(module: fx.GraphModule) -> list[str]:
    dropped = [n for n in module.graph.nodes if kind(n) == DROP]
    for node in dropped:
        node.replace_all_uses_with(node.all_input_nodes[0])
        module.graph.erase_node(node)
    return [f"removed (no effect in use): {', '.join(title(n) for n in dropped)}"] if dropped else []


def _fold_norms(module: fx.GraphModule) -> list[str]:
    done: list[str] = []
    for node in [*module.graph.nodes]:
        if node.op != "call_module" or not isinstance(node.args[0] if node.args else None, fx.Node):
            continue
        norm, before = module.get_submodule(str(node.target)), node.args[0]
        if not isinstance(norm, nn.modules.batchnorm._BatchNorm) or before.op != "call_module" or len(before.users) > 1:
            continue
        weights = module.get_submodule(str(before.target))
        if isinstance(weights, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            folded: nn.Module = fuse_conv_bn_eval(weights, norm)
        elif isinstance(weights, nn.Linear) and len(before.meta["tensor_meta"].shape) == 2:
            folded = fuse_linear_bn_eval(weights, norm)
        else:
            continue
        name = f"folded_{str(before.target).replace('.', '_')}_{len(done)}"
        module.add_submodule(name, folded)
        before.meta["title"] = title(before)
        before.target = name
        node.replace_all_uses_with(before)
        module.graph.erase_node(node)
        done.append(title(node))
    return [f"folded into the weights before: {', '.join(done)}"] if done else []


def _swap_maxima(module: fx.GraphModule) -> list[str]:
    """relu(max(u)) = max(relu(u)): behind the neurons a maximum sees spikes."""
    swapped = []
    for node in [*module.graph.nodes]:
        if kind(node) != FIRE or kind(node.args[0]) != MAX or len(node.args[0].users) > 1:
            continue
        top = node.args[0]
        trained = node.meta["rectifier"].quantised
        if trained is not None and any(length > 1 for length in trained.theta.shape[1:]):
            continue  # thresholds of their own for each place
        u = top.args[0]
        with module.graph.inserting_before(top):
            early = module.graph.node_copy(node, lambda n, u=u: u)
        early.meta = dict(node.meta)
        with module.graph.inserting_after(early):
            late = module.graph.node_copy(top, lambda n, early=early: early)
        late.meta = dict(top.meta)
        node.replace_all_uses_with(late)
        module.graph.erase_node(node)
        module.graph.erase_node(top)
        swapped.append(title(late))
    return [f"taken behind the neurons, of spikes: {', '.join(swapped)}"] if swapped else []


def _name_rectifiers(module: fx.GraphModule) -> None:
    """Give every rectifier a title of its own, also where one module is called several times."""
    seen: dict[str, int] = {}
    for node in module.graph.nodes:
        if kind(node) == FIRE:
            name = title(node)
            seen[name] = seen.get(name, 0) + 1
            node.meta["title"] = name if seen[name] == 1 else f"{name} ({seen[name]})"
