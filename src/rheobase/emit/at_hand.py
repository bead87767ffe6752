"""What was already loaded for a neuron in this process: found by the object itself, without reading its rows again."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any

from rheobase.model.neuron import Neuron

__all__ = ["at_hand"]

_KNOWN: dict[int, tuple[weakref.ref[Neuron], dict[Hashable, Any]]] = {}


def at_hand(neuron: Neuron, key: Hashable, make: Callable[[], Any]) -> Any:
    """Return what `make` returned for this neuron and key before; it lives as long as the neuron.

    Finding a module by a neuron's content, on disk, takes a millisecond: too long for every call of a layer.
    """
    place = id(neuron)
    known = _KNOWN.get(place)
    if known is None or known[0]() is not neuron:
        known = weakref.ref(neuron, lambda _: _KNOWN.pop(place, None)), {}
        _KNOWN[place] = known
    if key not in known[1]:
        known[1][key] = make()
    return known[1][key]
