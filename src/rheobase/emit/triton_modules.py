"""The generated kernels of a layer for a GPU, found again without SymPy where this machine has printed them before."""

from __future__ import annotations

from typing import Any, Final

from rheobase.emit.layer_modules import LayerKind
from rheobase.emit.loop import ClockSource, find_loop
from rheobase.emit.source import load_module, write_module
from rheobase.emit.triton_functions import print_probe
from rheobase.model.neuron import Neuron

__all__ = ["probe_module", "triton_module"]

_MOST: Final = 256
_known: Final[dict[Any, Any]] = {}


def triton_module(neuron: Neuron, kind: LayerKind, interpreted: bool = False) -> Any:
    """Return the module of a layer's kernels (see `rheobase.emit.to_triton.print_triton`); importing it needs Triton.

    `interpreted` keeps apart what Triton's interpreter runs: a kernel is made for one of the two when it is imported.
    """
    key = (neuron.rows, tuple(neuron.refractory.items()), neuron.name, kind, interpreted)
    if key in _known:
        return _known[key]
    about = [
        list(kind.fed), kind.method, sorted(kind.columns), sorted(kind.wanted), list(kind.kept), kind.slope,
        list(kind.numbers), kind.detach_reset, kind.real,
    ]  # fmt: skip

    def build() -> ClockSource:
        from rheobase.emit.to_triton import print_triton

        return print_triton(neuron, kind)

    source = find_loop("triton", neuron, about, build)
    if len(_known) >= _MOST:
        _known.clear()
    _known[key] = load_module(write_module("triton", source.text), _flavour(interpreted))
    return _known[key]


def probe_module(interpreted: bool = False) -> Any:
    """Return the module of the smallest kernel (see `rheobase.emit.triton_functions.print_probe`)."""
    return load_module(write_module("probe", print_probe()), _flavour(interpreted))


def _flavour(interpreted: bool) -> str:
    return "interpreted" if interpreted else "triton"
