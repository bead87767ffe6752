"""Vogels and Abbott's self-sustained networks, in the form of the benchmarks of Brette et al. 2007."""

from __future__ import annotations

from typing import Any, Final

from rheobase.model.distribution import uniform
from rheobase.model.neuron import Neuron
from rheobase.model.zoo.excitation_inhibition import COBA, CUBA
from rheobase.network.network import Network
from rheobase.network.sources import poisson
from rheobase.network.values import read_count

__all__ = ["coba", "cuba"]

_EACH: Final = 80  # synapses that a neuron receives on average: 2 % of 4,000


def cuba(
    n: int = 4000,
    *,
    p: float | None = None,
    weight_exc: Any = "1.62 mV",
    weight_inh: Any = "-9 mV",
    delay: Any = "0.1 ms",
    neuron: Neuron | None = None,
) -> Network:
    """Return the current-based network CUBA: populations E (80 %) and I (20 %), each pair joined with 2 %.

    It needs no input: the leak pulls every neuron to 1 mV above its threshold. 5 to 6 Hz, irregular.

    Parameters
    ----------
    n : int
        Number of neurons, E and I together.
    p : float, optional
        Probability that a pair is joined. By default 80/n, so that a network of another size keeps the 80 synapses
        a neuron of the published one and with them its rates; 0.02 at n = 4000.
    weight_exc, weight_inh : voltage
        Jumps of g_e and g_i, which are currents times the membrane's resistance.
    delay : time
        The paper has none; a spike cannot arrive in the step in which it is sent, so it takes one of 0.1 ms.
    neuron : Neuron, optional
        In place of `rheobase.CUBA`; it needs the ports exc and inh and the state v.

    Raises
    ------
    InputError
        If n is no whole number from 5, or p no probability.

    Notes
    -----
    v starts uniformly between reset and threshold, g_e and g_i at 0.

    References
    ----------
    Brette et al. (2007) Simulation of networks of spiking neurons, J. Comput. Neurosci. 23:349-398,
    benchmark 2, doi:10.1007/s10827-007-0038-6; after Vogels & Abbott (2005) Signal propagation and logic gating in
    networks of integrate-and-fire neurons, J. Neurosci. 25:10786-10795, doi:10.1523/JNEUROSCI.3508-05.2005.

    Examples
    --------
    >>> net = cuba()
    >>> net
    <Network: populations E (3200), I (800); 4 projections>
    >>> cuba(40_000).projections[0]
    <E to E (exc): random, each pair with p = 0.002>
    """
    cell = CUBA() if neuron is None else neuron
    return _join(cell, n, p, weight_exc, weight_inh, delay, {"v": uniform("-60 mV", "-50 mV")})


def coba(
    n: int = 4000,
    *,
    p: float | None = None,
    weight_exc: Any = "6 nS",
    weight_inh: Any = "67 nS",
    delay: Any = "0.1 ms",
    kick: Any = "300 Hz",
    kick_off: Any = "50 ms",
    neuron: Neuron | None = None,
) -> Network:
    """Return the conductance-based network COBA: populations E (80 %) and I (20 %), each pair joined with 2 %.

    Alone its neurons are silent. Random spikes start it; then it keeps itself going at 16 to 23 Hz, with
    irregular, bursty cells. It may fall silent by chance, the smaller the sooner.

    Parameters
    ----------
    n : int
        Number of neurons, E and I together.
    p : float, optional
        Probability that a pair is joined; by default 80/n, as for `cuba`.
    weight_exc, weight_inh : conductance
        Jumps of g_e and g_i, both positive: 6 and 67 nS with a leak of 10 nS.
    delay : time
        One step of 0.1 ms, as for `cuba`.
    kick : frequency
        Of the Poisson spikes, as strong as those of E, that each neuron receives at first. The paper stimulates
        at random for 50 ms without saying how; from 100 Hz on it always starts.
    kick_off : time
        When they end.
    neuron : Neuron, optional
        In place of `rheobase.COBA`; it needs the ports exc and inh and the state v.

    Raises
    ------
    InputError
        If n is no whole number from 5, or p no probability.

    Notes
    -----
    v starts uniformly between reset and threshold, g_e and g_i at 0. Statistics are steady after some 300 ms.

    References
    ----------
    Brette et al. (2007) Simulation of networks of spiking neurons, J. Comput. Neurosci. 23:349-398,
    benchmark 1, doi:10.1007/s10827-007-0038-6; after Vogels & Abbott (2005), doi:10.1523/JNEUROSCI.3508-05.2005.

    Examples
    --------
    >>> net = coba()
    >>> print(net.describe().splitlines()[-1])
    Poisson spikes  I, port exc  300 Hz, weight 6 nS, from 0 to 50 ms
    """
    cell = COBA() if neuron is None else neuron
    start = {"v": uniform("-60 mV", "-50 mV"), "exc": poisson(kick, weight=weight_exc, off=kick_off)}
    return _join(cell, n, p, weight_exc, weight_inh, delay, start)


def _join(
    cell: Neuron, n: int, p: float | None, weight_exc: Any, weight_inh: Any, delay: Any, start: dict[str, Any]
) -> Network:
    """Return four fifths of excitatory and one fifth of inhibitory neurons, joined at random."""
    count = read_count(n, "n", 5)
    share = min(1.0, _EACH / count) if p is None else p
    net = Network()
    E = net.add("E", round(0.8 * count), cell, **start)
    I = net.add("I", count - round(0.8 * count), cell, **start)
    net.connect(E, [E, I], to="exc", p=share, weight=weight_exc, delay=delay)
    net.connect(I, [E, I], to="inh", p=share, weight=weight_inh, delay=delay)
    return net
