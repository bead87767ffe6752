"""The converted network: the same graph, run over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, fx, nn

from rheobase.errors import InputError
from rheobase.learn.conversion.firing import Firing, MaxOfSums
from rheobase.learn.conversion.quantise import read_count
from rheobase.learn.conversion.trace import TAIL, is_signal, kind

__all__ = ["Converted"]

#: Called with the name of a firing module, its input over time and its module; returns what it sends on.
Fire = Callable[[str, Tensor, Firing], Tensor]


@final
class Converted(nn.Module):
    """A network of integrate-and-fire neurons made from a ReLU network by `learn.convert`.

    It takes what the ReLU network takes, ``[batch, ...]``, holds it for `steps` steps of time, and returns the mean of
    its output over the steps, so it stands where the ReLU network stood. `run` returns the output after each step.

    With ``firing="together"`` all layers fire in every step: a result after each step. With ``"delayed"`` a layer
    fires when it has all its input, one window of `steps` after the layer before: `latency` steps in all.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from rheobase import learn
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> x = torch.rand(100, 4)
    >>> snn, report = learn.convert(net, calibrate=x, steps=32)
    >>> snn(x).shape, snn.run(x).shape
    (torch.Size([100, 2]), torch.Size([32, 100, 2]))
    """

    def __init__(self, body: fx.GraphModule, steps: int, firing: str) -> None:
        super().__init__()
        self.body, self.steps, self.firing = body, steps, firing
        self._plan()

    def _plan(self) -> None:
        """Find which values change over time; the others are computed once."""
        timed: set[str] = set()
        sized: set[str] = set()  # numbers read from a value that does not change
        for node in self.body.graph.nodes:
            before = node.all_input_nodes
            if self._module(node, Firing | MaxOfSums) is not None or any(n.name in timed for n in before):
                timed.add(node.name)
            if not is_signal(node) and (any(is_signal(n) and n.name not in timed for n in before)):
                sized.add(node.name)
            sized |= {node.name} if not is_signal(node) and any(n.name in sized for n in before) else set()
        mixes = any(
            node.name in timed and is_signal(node) and any(n.name in sized for n in node.all_input_nodes)
            for node in self.body.graph.nodes
        )
        self._timed = frozenset(timed)
        self._expand_first = mixes  # the size of a batch goes where time is in the batch

    def _module(self, node: fx.Node, kinds: Any) -> Any:
        if node.op != "call_module":
            return None
        found = self.body.get_submodule(str(node.target))
        return found if isinstance(found, kinds) else None

    @property
    def neurons(self) -> dict[str, Firing]:
        """The layers of neurons by their names, in the order of the network."""
        return {str(n.meta["title"]): m for n in self.body.graph.nodes if (m := self._module(n, Firing)) is not None}

    @property
    def latency(self) -> int:
        """Steps from the first input to the result: `steps`, or `steps` for each layer of neurons in a row."""
        if self.firing == "together":
            return self.steps
        rank: dict[fx.Node, int] = {}
        for node in self.body.graph.nodes:
            rank[node] = max((rank[n] for n in node.all_input_nodes), default=0)
            rank[node] += self._module(node, Firing) is not None
        return max(1, *rank.values()) * self.steps

    def forward(self, x: Tensor, steps: int | None = None) -> Tensor:
        """Return the mean of the output over time, ``[batch, ...]``, as the ReLU network would return it."""
        return self.run(x, steps)[-1]

    def run(self, x: Tensor, steps: int | None = None) -> Tensor:
        """Return the mean output up to each step, ``[time, batch, ...]``.

        Parameters
        ----------
        x : tensor ``[batch, ...]``
            Held during all steps.
        steps : int, optional
            Other than at conversion; not for ``firing="delayed"``, whose thresholds hold for its number of steps.
        """
        return self.walk(x, steps, lambda name, u, module: module(u))

    def record(self, x: Tensor, steps: int | None = None) -> dict[str, Tensor]:
        """Return the spikes of each layer of neurons by name, 0 or 1, ``[time, batch, ...]``."""
        kept: dict[str, Tensor] = {}

        def fire(name: str, u: Tensor, module: Firing) -> Tensor:
            kept[name] = module.fire(u)
            return kept[name] if module.scale is None else kept[name] * module.scale

        self.walk(x, steps, fire)
        return kept

    def walk(self, x: Tensor, steps: int | None, fire: Fire, until: str | None = None) -> Tensor:
        """Return the mean output up to each step, with `fire` in place of the neurons."""
        total = self._read_steps(steps)
        if not isinstance(x, Tensor) or x.dim() < 2 or len(x) == 0:
            raise InputError(f"x must be a tensor [batch, ...] with one sample or more, not {_shape(x)}")
        if not bool(torch.isfinite(x).all()):
            raise InputError("x holds NaN or infinite numbers; look for a division by zero before the network")
        env: dict[str, Any] = {}
        run = _Walk(self, total, len(x), env)
        for node in self.body.graph.nodes:
            env[node.name] = run.compute(node, x, fire)
            if node.op == "output":
                return run.over_time(env[node.name], node.args[0])
        raise AssertionError("a graph ends in its output")

    def _read_steps(self, steps: int | None) -> int:
        total = self.steps if steps is None else read_count(steps, "steps")
        if self.firing == "delayed" and total != self.steps:
            raise InputError(
                f"steps = {total}: a network with firing='delayed' runs the {self.steps} steps it was converted for;"
                f" convert again with steps={total}"
            )
        return total

    def extra_repr(self) -> str:
        """Return what `print` shows between the brackets."""
        return f"steps={self.steps}, firing={self.firing!r}"


@final
class _Walk:
    """One pass through the graph: values are ``[time*batch, ...]`` where they change in time, else ``[batch, ...]``."""

    def __init__(self, net: Converted, steps: int, batch: int, env: dict[str, Any]) -> None:
        self.net, self.steps, self.batch, self.env = net, steps, batch, env

    def compute(self, node: fx.Node, x: Tensor, fire: Fire) -> Any:
        net = self.net
        if node.op == "placeholder":
            return (self._repeat(x) if net._expand_first else x) if not node.args else node.args[0]
        if node.op == "output":
            return self.env[node.args[0].name]
        if node.op == "get_attr":
            return _fetch(net.body, str(node.target))
        timed = node.name in net._timed

        def load(n: fx.Node) -> Any:
            value = self.env[n.name]
            if kind(node) == TAIL and kind(n) != TAIL and is_signal(n):
                return self.over_time(value, n).flatten(0, 1)
            return self._repeat(value) if timed and is_signal(n) and not self._is_timed(n) else value

        if net._module(node, Firing | MaxOfSums) is not None:
            before = node.args[0]
            assert isinstance(before, fx.Node)
            value = self.env[before.name]
            u = value.unflatten(0, (self.steps, self.batch)) if self._is_timed(before) else self._held(value)
            module = net._module(node, Firing | MaxOfSums)
            out = fire(str(node.meta["title"]), u, module) if isinstance(module, Firing) else module(u)
            return out.flatten(0, 1)
        args, kwargs = fx.map_arg(node.args, load), fx.map_arg(node.kwargs, load)
        if node.op == "call_module":
            return net.body.get_submodule(str(node.target))(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        assert callable(node.target)
        return node.target(*args, **kwargs)

    def _is_timed(self, node: fx.Node) -> bool:
        return node.name in self.net._timed or self.net._expand_first

    def _held(self, x: Tensor) -> Tensor:
        return x.unsqueeze(0).expand(self.steps, *x.shape)

    def _repeat(self, x: Any) -> Any:
        return self._held(x).flatten(0, 1) if isinstance(x, Tensor) else x

    def over_time(self, value: Tensor, node: Any) -> Tensor:
        """Return the mean up to each step, ``[time, batch, ...]``; a tail's values are means already."""
        timed = self._is_timed(node) or kind(node) == TAIL
        y = value.unflatten(0, (self.steps, self.batch)) if timed else self._held(value)
        if kind(node) == TAIL:
            return y
        count = torch.arange(1, self.steps + 1, dtype=y.dtype, device=y.device)
        return y.cumsum(0) / count.reshape(-1, *(1,) * (y.dim() - 1))


def _fetch(module: nn.Module, target: str) -> Any:
    value: Any = module
    for name in target.split("."):
        value = getattr(value, name)
    return value


def _shape(x: Any) -> str:
    return f"a tensor of shape {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
