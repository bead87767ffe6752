"""Ports whose deliveries can be summed before they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from rheobase.model.compute import compute_text
from rheobase.model.neuron import Neuron
from rheobase.model.rows import Rows
from rheobase.remember import remember

__all__ = ["additive_ports", "late_ports", "port_gains"]


def additive_ports(neuron: Neuron) -> frozenset[str]:
    """Return the ports whose rows all read ``x <- x + c*w_i`` with c free of the states and of w_i.

    Weights that arrive there together may be summed first; at any other port each arrival is applied in turn.

    >>> from rheobase.model.zoo import LIF
    >>> sorted(additive_ports(LIF()))
    ['spikes']
    """
    return frozenset(_find_gains(neuron.rows))


def late_ports(neuron: Neuron) -> frozenset[str]:
    """Return the additive ports whose arrivals decide nothing in their own step.

    The states they add to are not asked by the threshold or hazard row, never clamped, and without a bound: whether a
    neuron fires can be told before they are delivered.

    >>> from rheobase.model.zoo import CUBA, LIF
    >>> sorted(late_ports(CUBA())), sorted(late_ports(LIF()))
    (['exc', 'inh'], [])
    """
    rows = neuron.rows
    additive = additive_ports(neuron)
    if rows.bounds or additive != set(rows.receive):  # what acts in turn must find what came before
        return frozenset()
    asked = rows.expand(n for e in (rows.threshold, rows.hazard) if e is not None for n in e.names)
    held = {*neuron.refractory, *asked}
    return frozenset(p for p in additive if held.isdisjoint(j.state for j in rows.receive[p]))


def port_gains(neuron: Neuron, port: str, values: Mapping[str, Any]) -> dict[str, float] | None:
    """Return what a weight of 1 adds to each state at an additive port; None if that is not one number each.

    >>> from rheobase.model.zoo import LIF
    >>> port_gains(LIF(), "spikes", {})
    {'v': 1.0}
    """
    gains = _find_gains(neuron.rows).get(port)
    if gains is None:
        return None
    out = {}
    for state, text in gains.items():
        number = None if text is None else np.asarray(compute_text(text, values), dtype=float)
        if number is None or number.ndim:
            return None
        out[state] = float(number)
    return out


@lru_cache(maxsize=512)
def _find_gains(rows: Rows) -> dict[str, dict[str, str | None]]:
    """Return c of each state at each additive port, as text; None where it changes in time."""

    def derive() -> Any:
        from rheobase.derive.symbolic import describe_gains

        return describe_gains(rows)

    found: dict[str, dict[str, str | None]] = remember("gains", rows.texts, derive) if rows.receive else {}
    return found
