"""What a layer's compiled loops are given that does not change from call to call, worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, final

import torch
from torch import Tensor

from rheobase.emit.layer_modules import BITS, LayerKind, layer_module
from rheobase.learn.plain import Job
from rheobase.learn.team import Launch
from rheobase.model.neuron import Neuron

__all__ = ["Plan", "Plans"]

_BLOCK: Final = 1024  # neurons whose states stay in the L1 cache
_EVERY: Final = BITS  # steps between two states that are kept for the backward pass
_MOST: Final = 64  # plans that a layer remembers
_ROWS: Final = ("_all_in_", "_all_drawn", "_all_z", "_all_g_", "_all_dz", "_all_dt_", "_trace_")
_FLAT: Final = ("_all_at_", "_all_left_", "_all_d_", "_all_gc_", "_all_of_", "_all_steps_")
_Sorted = tuple[dict[str, Any], dict[str, Tensor], tuple[Any, ...]]


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """The loops of one kind of call, and what they are given, by name."""

    module: Any
    kind: LayerKind
    states: tuple[str, ...]
    targets: tuple[str, ...]
    fed: tuple[str, ...]
    drawn: tuple[str, ...]
    columns: tuple[str, ...]
    numbers: Mapping[str, Any]
    recurrent_to: str | None
    shape: tuple[int, ...]
    total: int
    width: int
    every: int
    fires: bool
    places: Tensor
    idle: dict[str, list[Launch]]

    def launch(self, name: str, known: Mapping[str, Any]) -> Launch:
        """Return one of the loops, over all neurons, to be called for any steps and given back by `release`."""

        def make() -> Launch:
            work = len(self.states) * (self.total if self.recurrent_to is None else 1)
            function, wanted = getattr(self.module, name), self.module.ARGUMENTS[name]
            return Launch(function, wanted, known, self.shape_of, self.width, work)

        return self.reuse(name, known, make)

    def reuse(self, name: str, known: Mapping[str, Any], make: Callable[[], Launch]) -> Launch:
        """Return what was given back under this name, with other memory, or what `make` returns."""
        idle = self.idle.setdefault(f"{name} {torch.get_num_threads()}", [])
        try:
            found = idle.pop()  # several threads may run one layer
        except IndexError:
            return make()
        found.place(known)
        return found

    def release(self, name: str, launch: Launch) -> None:
        """Take a loop back."""
        launch.release()
        self.idle.setdefault(f"{name} {torch.get_num_threads()}", []).append(launch)

    def shape_of(self, name: str, x: Tensor) -> tuple[int, ...]:
        """Return the shape that the loops see: rows in time, or one number a neuron."""
        if name.startswith(_ROWS):
            return (x.numel() // self.width, self.width)
        return (self.width,) if name.startswith(_FLAT) else tuple(x.shape)


@final
class Plans:
    """The plans of one layer; a copy of the layer makes its own, since compiled code cannot be copied."""

    def __init__(self) -> None:
        self._known: dict[Any, Plan] = {}
        self._sorted: tuple[Any, _Sorted | None] = (None, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return Plans, ()

    def sort(self, constants: Mapping[str, Tensor | float], module: ModuleType) -> _Sorted:
        """Return constants as numbers and as tensors, and which of them differ between neurons or want a gradient."""
        about, found = self._sorted
        if found is not None and about is constants:
            return found
        numbers: dict[str, Any] = {}
        tensors: dict[str, Tensor] = {}
        for c in (*module.CONSTANTS, *(f"_steps_{t}" for t in module.TARGETS)):
            x = constants[c]
            if isinstance(x, Tensor) and (x.dim() or x.requires_grad):
                tensors[c] = x
            if not isinstance(x, Tensor) or not x.dim():
                number = x.item() if isinstance(x, Tensor) else x
                numbers[c] = int(number) if c.startswith("_steps_") else float(number)
        found = (numbers, tensors, tuple((c, x.dim(), x.requires_grad) for c, x in tensors.items()))
        self._sorted = (constants, found) if not any(x.requires_grad for x in tensors.values()) else (None, None)
        return found

    def find(self, neuron: Neuron, job: Job, store: str, tensors: tuple[str, ...], about: tuple[Any, ...]) -> Plan:
        """Return the plan of a call.

        `about` tells calls of one layer apart: which constants differ between neurons and which want a gradient, which
        inputs do (None if nothing does), the type of the numbers, and whether the layer is recurrent.
        """
        like = next(iter(job.fed.values()))
        key = (about, tuple(job.fed), like.shape, job.kept, job.gradient, job.scale, job.detach_reset, store)
        plan = self._known.get(key)
        if plan is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            plan = self._known[key] = _make(neuron, job, store, tensors, about)
        return plan


def _make(neuron: Neuron, job: Job, store: str, tensors: tuple[str, ...], about: tuple[Any, ...]) -> Plan:
    pattern, fed_wanted, dtype, recurrent = about
    m = job.module
    fed = (*m.PORTS, *m.INPUTS)
    wanted: set[str] = set()
    if fed_wanted is not None:
        wanted = {f for f, yes in zip(fed, fed_wanted, strict=True) if yes}
        wanted |= {c for c, _, yes in pattern if yes}
        wanted |= {job.recurrent_to} if recurrent else set()
    kind = LayerKind(
        fed,
        m.METHOD,
        frozenset(c for c, axes, _ in pattern if axes),
        frozenset(wanted),
        job.kept,
        "1" if m.CHANCE else job.gradient.text,
        () if m.CHANCE else tuple(job.gradient.values),
        job.detach_reset,
        "float64" if dtype == torch.float64 else "float32",
    )
    every = 1 if store == "states" or recurrent else _EVERY
    numbers = {"_per_scale": 1.0 / job.scale, "_every": every, "_block": _BLOCK, "_dt": job.dt}
    numbers |= {f"_h_{n}": x for n, x in job.gradient.values.items()}
    shape = tuple(next(iter(job.fed.values())).shape)
    return Plan(
        layer_module(neuron, kind),
        kind,
        m.STATES,
        m.TARGETS,
        fed,
        m.DRAWN,
        tensors,
        numbers,
        job.recurrent_to if recurrent else None,
        shape,
        shape[0],
        math.prod(shape[1:]),
        every,
        bool(m.FIRES),
        torch.arange(shape[0]),
        {},
    )
