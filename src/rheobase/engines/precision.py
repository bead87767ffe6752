"""Which precision a network is computed in where it is not said: the most accurate of those about as fast as any."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rheobase.engines.clock import Clock
from rheobase.model.neuron import Neuron
from rheobase.network.connect import expect_synapses
from rheobase.network.network import Network

__all__ = ["FEW", "RATE", "settle"]

RATE: Final = 0.01  # kHz, taken for granted
FEW: Final = 0.2  # arrivals for a neuron in a step, from which they, and not the neurons, take most of the time
_SMALL: Final = 1_000_000  # synapses below which a run is short in any precision


def settle(net: Network, engine: Clock) -> Clock:
    """Return an engine of which "auto" has been decided for this network.

    "mixed" where a neuron gets more than 0.2 spikes in a step at 10 Hz, through a million synapses or more, none of
    them plastic; else "float64". It does not depend on how long or on how many threads the run will be.

    Examples
    --------
    >>> from rheobase.model.zoo import CUBA
    >>> net = Network()
    >>> E = net.add("E", 4000, CUBA())
    >>> _ = net.connect(E, E, to="exc", outdegree=80, weight=1.62, delay=0.1)
    >>> settle(net, Clock()).precision
    'float64'
    >>> _ = net.connect(E, E, to="exc", outdegree=1000, weight=0.1, delay=1.5)
    >>> settle(net, Clock()).precision, settle(net, Clock(precision="float32")).precision
    ('mixed', 'float32')
    """
    if engine.precision != "auto":
        return engine
    neurons = sum(p.n for p in net.populations.values() if isinstance(p.model, Neuron))
    synapses = sum(map(expect_synapses, net.projections))
    few = synapses * RATE * engine.dt < FEW * neurons
    plastic = any(p.is_plastic for p in net.projections)
    return replace(engine, precision="float64" if few or plastic or synapses < _SMALL else "mixed")
