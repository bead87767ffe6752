"""Ports whose deliveries can be summed before they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from rheobase.derive.evaluate import evaluate
from rheobase.model.expression import symbol
from rheobase.model.neuron import Neuron

__all__ = ["additive_ports", "port_gains"]


def additive_ports(neuron: Neuron) -> frozenset[str]:
    """Return the ports whose rows all read ``x <- x + c*w_i`` with c free of the states and of w_i.

    Weights that arrive there together may be summed first; at any other port each arrival is applied in turn.

    >>> from rheobase.model.zoo import LIF
    >>> sorted(additive_ports(LIF()))
    ['spikes']
    """
    w = symbol("w_i")
    states = {symbol(s) for s in neuron.states}
    found = set()
    for port, jumps in neuron.rows.receive.items():
        gains = [neuron.rows.substitute(j.value) - symbol(j.state) for j in jumps]
        linear = all(
            sympy.expand(g.subs(w, 0)) == 0 and not sympy.diff(g, w).free_symbols & {w, *states} for g in gains
        )
        if linear and len({j.state for j in jumps}) == len(jumps):
            found.add(port)
    return frozenset(found)


def port_gains(neuron: Neuron, port: str, values: Mapping[str, Any]) -> dict[str, float] | None:
    """Return what a weight of 1 adds to each state at an additive port; None if that is not one number each.

    >>> from rheobase.model.zoo import LIF
    >>> port_gains(LIF(), "spikes", {})
    {'v': 1.0}
    """
    if port not in additive_ports(neuron):
        return None
    out = {}
    for j in neuron.rows.receive[port]:
        gain = sympy.expand(neuron.rows.substitute(j.value) - symbol(j.state)).coeff(symbol("w_i"))
        if gain.free_symbols & {symbol("t")}:
            return None
        number = np.asarray(evaluate(gain, values), dtype=float)
        if number.ndim:
            return None
        out[j.state] = float(number)
    return out
