"""The generated modules of a layer, found again without SymPy where this machine has printed them before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, final

from rheobase.emit.loop import ClockSource, find_loop
from rheobase.emit.source import load_module, write_module
from rheobase.emit.to_numba import compiled_module
from rheobase.model.neuron import Neuron
from rheobase.remember import remember

__all__ = ["BITS", "INNER", "LayerKind", "layer_module", "slope_module", "step_module"]

#: Steps whose spikes share a word.
BITS: Final = 32
#: Functions of a layer's loop that are built into those that call them.
INNER: Final = ("_tail", "_split", "exp", "expm1", "exprel", "exprel_slope")

_known: Final[dict[Any, Any]] = {}


@final
@dataclass(frozen=True)
class LayerKind:
    """What a layer's loop depends on beside its rows.

    Parameters
    ----------
    fed : tuple of str
        Ports and inputs that get something.
    method : str
        As in `rheobase.derive.integrate`.
    columns : frozenset of str
        Constants of which every neuron has its own; the others are shared.
    wanted : frozenset of str
        Fed names and constants whose gradient is wanted.
    kept : tuple of str
        States whose trace is written.
    slope, numbers : str, tuple of str
        The surrogate's formula and the names of its numbers.
    detach_reset : bool
        Whether the reset does not see the gradient of the spike.
    real : str
        "float32" or "float64".
    """

    fed: tuple[str, ...]
    method: str
    columns: frozenset[str]
    wanted: frozenset[str]
    kept: tuple[str, ...]
    slope: str
    numbers: tuple[str, ...]
    detach_reset: bool
    real: str


def _once(key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    if key not in _known:
        _known[key] = make()
    return _known[key]


def step_module(neuron: Neuron, fed: tuple[str, ...], method: str) -> ModuleType:
    """Return the module with a neuron's step in torch (see `rheobase.emit.to_torch.print_torch_step`)."""

    def build() -> ClockSource:
        from rheobase.derive.layer_step import layer_step
        from rheobase.emit.to_torch import print_torch_step

        return ClockSource(print_torch_step(neuron, layer_step(neuron, fed, method)), (), ())

    def find() -> ModuleType:
        source = find_loop("torch", neuron, [list(fed), method], build)
        return load_module(write_module("torch", source.text))

    found = _once((neuron.rows, tuple(neuron.refractory.items()), neuron.name, fed, method), find)
    assert isinstance(found, ModuleType)
    return found


@lru_cache(maxsize=256)
def slope_module(text: str, names: tuple[str, ...]) -> ModuleType:
    """Return the module of a surrogate's slope (see `rheobase.emit.to_torch.print_slope`)."""

    def derive() -> str:
        from rheobase.emit.to_torch import print_slope

        return print_slope(text, names)

    return load_module(write_module("slope", remember("slope", [text, list(names)], derive)))


def layer_module(neuron: Neuron, kind: LayerKind) -> Any:
    """Return the compiled module of a layer's loop (see `rheobase.emit.layer_loop.print_layer`)."""
    about = [
        list(kind.fed), kind.method, sorted(kind.columns), sorted(kind.wanted), list(kind.kept), kind.slope,
        list(kind.numbers), kind.detach_reset, kind.real,
    ]  # fmt: skip

    def build() -> ClockSource:
        from rheobase.emit.layer_loop import print_layer

        return print_layer(neuron, kind)

    def find() -> Any:
        path = write_module("layer", find_loop("layer", neuron, about, build).text)
        return compiled_module(path, INNER, ("run", "forward", "backward"), _given(kind.real))

    return _once((neuron.rows, tuple(neuron.refractory.items()), neuron.name, kind), find)


def _given(real: str) -> Callable[[], Mapping[str, Any]]:
    """Return what finds what the module calls in compiled form."""

    def find() -> Mapping[str, Any]:
        from rheobase.emit.intrinsics import power_of_two, prefetch

        return {"_two_to": power_of_two(real), "_fetch": prefetch(False), "_claim": prefetch(True)}

    return find
