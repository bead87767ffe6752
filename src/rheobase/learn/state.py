"""A layer's state: an explicit value that goes in and comes out, never kept inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, final

import torch
from torch import Tensor

from rheobase.errors import StaleGraph, nearest

__all__ = ["STALE", "State", "carry"]

#: What is said where a graph is walked a second time.
STALE = (
    "the gradient goes back through a state whose graph is gone: backward() was called on it before. Cut the graph"
    " between two pieces of a sequence by state = state.detach() (truncated backpropagation), start a new sequence with"
    " a fresh state, or call the first backward with retain_graph=True"
)


@final
@dataclass(frozen=True, repr=False)
class State:
    """What holds after everything that happens at a time step, for a batch.

    Parameters
    ----------
    values : mapping
        Each state of the neuron, ``[batch, *neurons]``; also as attributes: ``state.v``.
    left : mapping
        Steps that are left of each refractory time, ``[batch, *neurons]``, int32.
    z : tensor or None
        The spikes of this step, where a recurrent layer has to send them on.
    step : int
        How many steps have been done.
    layout : tuple
        Which layer it belongs to.

    Examples
    --------
    >>> import rheobase as rb
    >>> from rheobase import learn
    >>> layer = learn.Layer(rb.IF(), dt="1 ms", size=3)
    >>> layer.start(batch=2).v.shape
    torch.Size([2, 3])
    """

    values: Mapping[str, Tensor]
    left: Mapping[str, Tensor]
    z: Tensor | None
    step: int
    layout: tuple[Any, ...]

    @property
    def batch(self) -> int:
        """How many samples it describes."""
        return int(next(iter(self.values.values())).shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """``(batch, *neurons)``."""
        return tuple(next(iter(self.values.values())).shape)

    def detach(self) -> State:
        """Return the same numbers without the graph that made them: truncated backpropagation goes no further back."""
        return self._each(lambda x: x.detach())

    def to(self, *args: Any, **kwargs: Any) -> State:
        """Return it on another device, or in another floating-point type, as `torch.Tensor.to`."""
        return self._each(lambda x: x.to(*args, **kwargs) if x.is_floating_point() else _device_only(x, args, kwargs))

    def _each(self, change: Callable[[Tensor], Tensor]) -> State:
        return replace(
            self,
            values=MappingProxyType({k: change(x) for k, x in self.values.items()}),
            left=MappingProxyType({k: change(x) for k, x in self.left.items()}),
            z=None if self.z is None else change(self.z),
        )

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.values:
            return self.values[name]
        known = ", ".join(self.values)
        raise AttributeError(f"the state has no '{name}'.{nearest(name, self.values)} It has: {known}")

    def __getitem__(self, name: str) -> Tensor:
        return self.values[name]

    def __repr__(self) -> str:
        return f"State({', '.join(self.values)}; {list(self.shape)}, step {self.step})"

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy cannot be pickled
        return _again, (dict(self.values), dict(self.left), self.z, self.step, self.layout)


def _again(values: Any, left: Any, z: Any, step: int, layout: Any) -> State:
    return State(MappingProxyType(values), MappingProxyType(left), z, step, layout)


def _device_only(x: Tensor, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Move a counter to another device; its type stays."""
    goal = [a for a in [*args, *kwargs.values()] if isinstance(a, str | torch.device | int) and a is not True]
    like = [a for a in args if isinstance(a, Tensor)]
    return x.to(goal[0]) if goal else x.to(like[0].device) if like else x


@final
class _Carry(torch.autograd.Function):
    """Hands states on unchanged; a second walk back through it raises `StaleGraph`."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(tensors[0].new_empty(0))
        return tuple(x.view_as(x) for x in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        watch(ctx)
        return gradients


def watch(ctx: Any) -> Any:
    """Return what a function saved for its backward pass, or raise `StaleGraph` where it is gone."""
    try:
        return ctx.saved_tensors
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        raise StaleGraph(STALE) from None


def carry(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what leaves a call, so that a stale graph is told from a fresh one."""
    if not any(x.requires_grad for x in values.values()):
        return dict(values)
    return dict(zip(values, _Carry.apply(*values.values()), strict=True))
