"""A random network of the size and the sparse activity of a fly's brain."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.distribution import uniform
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network
from rheobase.network.sources import poisson
from rheobase.network.values import read_count
from rheobase.units import to_number

__all__ = ["sparse_brain"]

_UNIT: Final = 0.275  # mV: one anatomical synapse
_PER_PAIR: Final = 3.3  # anatomical synapses behind one connection, about 50 million behind 15 million
_REFRACTORY: Final = 2.2  # ms
_KICK: Final = 250  # unitary synapses that one external spike counts for


def sparse_brain(
    n: int = 127_000,
    synapses: int = 15_000_000,
    *,
    driven: int = 115,
    rate: Any = "150 Hz",
    excitatory: float = 0.7,
    g: float = 1.0,
) -> Network:
    """Return a random network with the size and the neurons of the fly-brain benchmark; nearly all are silent.

    ``tau_m dv/dt = v_0 - v + g``, ``tau dg/dt = -g``; on a spike ``g <- g + w_i``; fires when ``v > theta``; then
    ``v <- v_0``, ``g <- 0``, both held for 2.2 ms. A few neurons are driven so hard that they follow their Poisson
    input spike by spike; about 17,000 spikes a second in all.

    Parameters
    ----------
    n, synapses : int
        Neurons, and synapses drawn among them (each stands for the several anatomical ones of a pair). Fewer
        neurons keep their in-degree if both are scaled.
    driven : int
        How many excitatory neurons receive external spikes; the first ones of E. They have no refractory period.
    rate : frequency
        Of the external spikes at each of them.
    excitatory : float
        Share of excitatory neurons.
    g : float
        Strength of inhibition relative to excitation.

    Raises
    ------
    InputError
        If a number is out of its range.

    Notes
    -----
    The published model has the measured wiring diagram (FlyWire), which is not shipped here; this network has its
    size, its neurons, its delay and its drive, but joins at random, with weights uniform between 0 and twice the
    published mean. Use it to measure the cost of sparse activity, not to learn about flies.

    References
    ----------
    Shiu et al. (2024) A Drosophila computational brain model reveals sensorimotor processing, Nature 634:210-219,
    doi:10.1038/s41586-024-07763-9: Methods, and model.py of philshiu/Drosophila_brain_model; numbers of neurons
    and synapses: Dorkenwald et al. (2024) Nature 634:124-138.

    Examples
    --------
    >>> sparse_brain(1000, synapses=20_000, driven=5)
    <Network: populations E (700), I (300), drive (5); 5 projections>
    """
    count, total = read_count(n, "n", 2), read_count(synapses, "synapses", 0)
    share, inhibition = to_number(excitatory, "1", "excitatory"), to_number(g, "1", "g")
    n_exc = round(share * count)
    if not 0 < n_exc < count:
        raise InputError(f"excitatory = {share:g} leaves an empty population of {count} neurons")
    if not inhibition >= 0:
        raise InputError(f"g = {inhibition:g} is negative; inhibitory weights are -g times the excitatory ones")
    chosen = read_count(driven, "driven", 0)
    if chosen > n_exc:
        raise InputError(f"driven = {chosen}, but there are only {n_exc} excitatory neurons")
    net = Network()
    cell = _fly_neuron()
    held = np.where(np.arange(n_exc) < chosen, 0.0, _REFRACTORY)
    E = net.add("E", n_exc, cell, t_ref_v=held, t_ref_g=held)
    I = net.add("I", count - n_exc, cell)
    most = 2 * _UNIT * _PER_PAIR
    for source, weight in (
        (E, uniform("0 mV", f"{most!r} mV")),
        (I, uniform(f"{-inhibition * most!r} mV", "0 mV") if inhibition else "0 mV"),
    ):
        for target in (E, I):
            net.connect(
                source,
                target,
                to="syn",
                total=round(total * len(source) * len(target) / count**2),
                weight=weight,
                delay="1.8 ms",
            )
    if chosen:
        outside = net.add("drive", chosen, poisson(rate))
        net.connect(outside, E[:chosen], to="kick", one_to_one=True, weight=f"{_KICK * _UNIT!r} mV", delay="0.1 ms")
    return net


def _fly_neuron() -> Neuron:
    """Return the leaky neuron of Shiu et al. (2024), whose synaptic drive is reset and held with v."""
    return Neuron(
        evolve="tau_m dv/dt = v_0 - v + g\ntau dg/dt = -g",
        receive={"syn": "g <- g + w_i", "kick": "v <- v + w_i"},
        threshold="v > theta",
        reset="v <- v_0; g <- 0",
        refractory={"v": f"{_REFRACTORY} ms", "g": f"{_REFRACTORY} ms"},
        name="fly neuron",
        reference="Shiu et al. (2024) Nature 634:210-219, doi:10.1038/s41586-024-07763-9",
        tau_m="20 ms",
        tau="5 ms",
        v_0="-52 mV",
        theta="-45 mV",
        v="-52 mV",
        g="0 mV",
    )
