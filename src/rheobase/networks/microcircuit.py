"""Potjans and Diesmann's model of the circuit below one square millimetre of cortex."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.distribution import normal
from rheobase.model.zoo.synaptic import LIFexp
from rheobase.network.network import Network
from rheobase.network.sources import poisson
from rheobase.units import to_number

__all__ = ["microcircuit"]

#: Names, sizes, external in-degrees (Table 5).
POPULATIONS: Final = ("L2/3E", "L2/3I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES: Final = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
EXTERNAL: Final = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
#: Probability that a pair is joined at all, from column to row (Table 5).
PROBABILITIES: Final = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443],
    ]
)
#: Mean rates at full scale in Hz, by which a smaller circuit is compensated (the PD14 reference implementation).
RATES: Final = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
#: Mean and spread of v at the start in mV, near the stationary state (the PD14 reference implementation).
_START: Final = (
    (-68.28, 5.36),
    (-63.16, 4.57),
    (-63.33, 4.74),
    (-63.45, 4.94),
    (-63.11, 4.94),
    (-61.66, 4.55),
    (-66.72, 5.46),
    (-61.43, 4.48),
)
_WEIGHT, _SPREAD = 0.0878, 0.1  # nA: a PSP of 0.15 mV; relative
_DELAY: Final = (1.5, 0.75)  # ms, from E and from I; half of it is the standard deviation
_TAU_S: Final = 0.5  # ms


def count_synapses() -> np.ndarray:
    r"""Return the number of synapses from population j to i at full scale, shape (8, 8).

    .. math:: K_{ij} = \ln(1 - C_{ij}) / \ln(1 - 1/(N_i N_j))

    makes :math:`C_{ij}` the probability that a pair has one synapse or more, since a pair may have several.

    >>> int(count_synapses().sum())
    298880970
    """
    return np.rint(np.log1p(-PROBABILITIES) / np.log1p(-1.0 / np.outer(SIZES, SIZES))).astype(np.int64)


def microcircuit(
    scale: float = 1.0,
    *,
    indegree_scale: float | None = None,
    drive: str = "poisson",
    rate: Any = "8 Hz",
    g: float = 4.0,
    start: str = "stationary",
    shortest_delay: Any = "0.1 ms",
) -> Network:
    r"""Return the cortical microcircuit: 77,169 neurons in four layers, each with E and I, 299 million synapses.

    The neurons are leaky integrators with exponential synaptic currents (`rheobase.LIFexp`). A smaller one has
    `scale` times the neurons and, so that the mean and the variance of their input stay, fewer and stronger
    synapses: with k = `indegree_scale`,

    .. math:: K \to k K, \qquad w \to w/\sqrt k, \qquad
              I_{DC} \to I_{DC} + (1 - \sqrt k)\,\tau_s \sum_j K_{ij}\, w_{ij}\, \nu_j

    with the rates :math:`\nu_j` of the full network and the sum over the external input too (van Albada et al.
    2015). That keeps the input but not all it does: at 10 % the rates are lower by a tenth to a half
    (0.5 2.1 4.0 5.0 6.7 7.8 0.8 7.0 Hz, in NEST too) and correlations are higher; with ``drive="dc"``, where all
    variance is its own, a circuit that small falls silent, in NEST too.

    Parameters
    ----------
    scale : float
        Share of the neurons, above 0, up to 1.
    indegree_scale : float, optional
        Share of each neuron's synapses, the external ones included. By default `scale`; 1 keeps all.
    drive : "poisson" or "dc"
        Each neuron's external input: K_ext Poisson trains of `rate`, or a constant current of the same mean.
    rate : frequency
        Of one external synapse.
    g : float
        Strength of inhibition relative to excitation.
    start : "stationary" or "original"
        v at the beginning: Gaussians near the stationary state of each population, or -58 +- 10 mV for all, which
        makes a burst at first.
    shortest_delay : time
        Delays below it are drawn again; an engine's step may not be longer.

    Raises
    ------
    InputError
        If a scale is not in (0, 1], drive or start is unknown, or a population would be empty.

    Notes
    -----
    C = 250 pF, tau_m = 10 ms, E_L = v_r = -65 mV, theta = -50 mV, refractory 2 ms, tau_s = 0.5 ms. Weights are
    Gaussian, 87.8 +- 8.8 pA from E (a PSP of 0.15 mV), -g times it from I, twice as strong from L4E to L2/3E, and
    never of the other sign; delays 1.5 +- 0.75 ms from E, 0.75 +- 0.375 ms from I. As in the paper, synapses are
    drawn as a fixed total for each pair of populations; a pair of neurons may have several, a neuron one to itself.

    Rates at full scale: L2/3E 0.9, L2/3I 2.8, L4E 4.4, L4I 5.7, L5E 6.8, L5I 8.2, L6E 1.1, L6I 7.6 Hz.

    References
    ----------
    Potjans & Diesmann (2014) The cell-type specific cortical microcircuit, Cereb. Cortex 24:785-806,
    doi:10.1093/cercor/bhs358: Table 5. Down-scaling: van Albada, Helias & Diesmann (2015) PLoS Comput. Biol.
    11:e1004490, doi:10.1371/journal.pcbi.1004490. Sizes, probabilities and weights as in the reference
    implementation, INM-6/microcircuit-PD14-model. Rates: Romaro et al. (2021) Neural Comput. 33:1993-2032, Table A.1.

    Examples
    --------
    >>> net = microcircuit(0.1)
    >>> [part.n for part in net.populations.values()]
    [2068, 583, 2192, 548, 485, 106, 1440, 295]
    >>> net.projections[0].rule.count, microcircuit().projections[0].rule.count
    (454998, 45499806)
    """
    share = _share(scale, "scale")
    k = share if indegree_scale is None else _share(indegree_scale, "indegree_scale")
    if drive not in ("poisson", "dc"):
        raise InputError(f"drive = {drive!r:.40} must be 'poisson' or 'dc'")
    if start not in ("stationary", "original"):
        raise InputError(f"start = {start!r:.40} must be 'stationary' or 'original'")
    sizes = np.rint(share * SIZES).astype(int)
    if not sizes.all():
        raise InputError(f"scale = {share:g} leaves no neuron in {POPULATIONS[int(np.argmin(sizes))]}; take a larger")
    external = to_number(rate, "Hz", "rate")  # kHz
    weights = _mean_weights(to_number(g, "1", "g"))
    root = float(np.sqrt(k))
    full = count_synapses() / SIZES[:, None]
    from_outside = _TAU_S * _WEIGHT * EXTERNAL * external
    from_inside = _TAU_S * (full * weights) @ (1e-3 * RATES)
    held = (1.0 - root) * (from_inside + (from_outside if drive == "poisson" else 0.0))
    held = held + (from_outside if drive == "dc" else 0.0)
    cell = LIFexp(
        tau="10 ms",
        tau_s=f"{_TAU_S} ms",
        R="40 MOhm",
        E_L="-65 mV",
        theta="-50 mV",
        v_r="-65 mV",
        refractory="2 ms",
        threshold="v >= theta",
        name="microcircuit neuron",
    )
    net = Network()
    for i, name in enumerate(POPULATIONS):
        mean, sd = _START[i] if start == "stationary" else (-58.0, 10.0)
        values: dict[str, Any] = {"v": normal(f"{mean} mV", f"{sd} mV"), "I": f"{float(held[i])!r} nA"}
        if drive == "poisson":
            values["spikes"] = poisson(
                1e3 * external, weight=f"{_WEIGHT / root!r} nA", sources=max(1, round(k * EXTERNAL[i]))
            )
        net.add(name, int(sizes[i]), cell, **values)
    _connect(net, np.rint(count_synapses() * share * k).astype(int), weights / root, shortest_delay)
    return net


def _share(value: Any, name: str) -> float:
    share = to_number(value, "1", name)
    if not 0.0 < share <= 1.0:
        raise InputError(f"{name} = {share:g} must be above 0, up to 1 (the full circuit)")
    return share


def _mean_weights(g: float) -> np.ndarray:
    """Return the mean weight from population j to i in nA, shape (8, 8)."""
    weights = np.tile([_WEIGHT, -g * _WEIGHT], (8, 4))
    weights[0, 2] *= 2.0  # L4E to L2/3E
    return weights


def _connect(net: Network, totals: np.ndarray, weights: np.ndarray, shortest: Any) -> None:
    for i, target in enumerate(POPULATIONS):
        for j, source in enumerate(POPULATIONS):
            if not totals[i, j]:
                continue
            w, d = round(float(weights[i, j]), 9), _DELAY[j % 2]
            signed = {"low": 0.0} if w > 0 else {"high": 0.0}
            net.connect(
                source,
                target,
                total=int(totals[i, j]),
                weight=normal(f"{w!r} nA", f"{_SPREAD * abs(w)!r} nA", **signed),
                delay=normal(f"{d} ms", f"{d / 2} ms", low=shortest),
            )
