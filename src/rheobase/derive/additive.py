"""Ports whose deliveries can be summed before they are applied."""

from __future__ import annotations

import sympy

from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron

__all__ = ["additive_ports"]


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
