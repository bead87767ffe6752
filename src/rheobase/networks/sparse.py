"""Brunel's sparsely connected network, in its four regimes."""

from __future__ import annotations

from typing import Any, Final

from rheobase.errors import InputError, nearest
from rheobase.model.zoo.integrate_and_fire import LIF
from rheobase.network.network import Network
from rheobase.network.sources import poisson
from rheobase.network.values import read_count
from rheobase.units import to_number

__all__ = ["brunel"]

#: regime -> (g, external rate over the threshold rate): the four panels of Fig. 8.
REGIMES: Final = {"SR": (3.0, 2.0), "SI fast": (6.0, 4.0), "AI": (5.0, 2.0), "SI slow": (4.5, 0.9)}
_TAU, _THETA, _RESET, _REFRACTORY = 20.0, 20.0, 10.0, 2.0  # ms, mV, mV, ms


def brunel(
    regime: str | None = "AI",
    *,
    g: float | None = None,
    nu_ext_over_threshold: float | None = None,
    order: int = 2500,
    epsilon: float = 0.1,
    J: Any = "0.1 mV",
    delay: Any = "1.5 ms",
    multapses: bool = False,
) -> Network:
    r"""Return Brunel's network (model A): populations E (4 x order) and I (order), with instantaneous synapses.

    Each neuron receives C_E = epsilon N_E synapses of weight J from E, C_I = epsilon N_I of -g J from I, and
    C_E external ones of weight J, each a Poisson train of rate nu_ext. The rate that would alone bring a neuron to
    its threshold is

    .. math:: \nu_{thr} = \theta / (J\, C_E\, \tau)

    Parameters
    ----------
    regime : str
        Sets g and nu_ext/nu_thr as in Fig. 8: ``"SR"`` synchronous regular (3, 2), ``"SI fast"`` synchronous
        irregular with fast oscillation (6, 4), ``"AI"`` asynchronous irregular (5, 2), ``"SI slow"`` synchronous
        irregular with slow oscillation (4.5, 0.9).
    g : float, optional
        Strength of inhibition relative to excitation, in place of the regime's.
    nu_ext_over_threshold : float, optional
        External rate in units of nu_thr, in place of the regime's.
    order : int
        Number of inhibitory neurons; 2500 makes the 12,500 neurons of the paper. A smaller network has fewer and
        hence stronger fluctuations: its states are not those of the paper.
    epsilon : float
        C_E/N_E and C_I/N_I.
    J : voltage
        Jump of the membrane at an excitatory spike.
    delay : time
        Of the synapses between neurons, D in the paper.
    multapses : bool
        Whether a pair may be joined more than once. The paper draws the presynaptic neurons at random without
        saying; other simulators' scripts allow it and draw faster.

    Raises
    ------
    InputError
        If the regime is unknown, or a number is not positive.

    Notes
    -----
    tau = 20 ms, theta = 20 mV, reset 10 mV, refractory 2 ms, v starts at 0. No neuron is joined to itself.

    References
    ----------
    Brunel (2000) Dynamics of sparsely connected networks of excitatory and inhibitory spiking neurons, J. Comput.
    Neurosci. 8:183-208, doi:10.1023/A:1008925309027: model A, Fig. 8 and Table 1.

    Examples
    --------
    >>> net = brunel("AI")
    >>> net
    <Network: populations E (10000), I (2500); 4 projections>
    >>> net.projections[0], str(net.projections[2].weight)
    (<E to E (exc): random, fixed in-degree 1000, no multapses>, '-0.5 mV')
    >>> print(net.describe().splitlines()[-1])  # 1000 x 20 Hz
    Poisson spikes  I, port ext  1000 sources of 20 Hz, weight 0.1 mV
    """
    if regime is not None and regime not in REGIMES:
        raise InputError(
            f"regime = {regime!r:.40} is none of Brunel's.{nearest(str(regime), REGIMES)}"
            f" There are: {', '.join(REGIMES)}; or give g= and nu_ext_over_threshold="
        )
    if regime is None and (g is None or nu_ext_over_threshold is None):
        raise InputError("without a regime give both g= and nu_ext_over_threshold=")
    usual = REGIMES.get(regime or "AI", (0.0, 0.0))
    inhibition = to_number(usual[0] if g is None else g, "1", "g")
    drive = to_number(
        usual[1] if nu_ext_over_threshold is None else nu_ext_over_threshold, "1", "nu_ext_over_threshold"
    )
    jump, share = to_number(J, "mV", "J"), to_number(epsilon, "1", "epsilon")
    for name, value in (("g", inhibition), ("nu_ext_over_threshold", drive), ("J", jump)):
        if not value > 0:
            raise InputError(f"{name} = {value:g} must be positive")
    if not 0 < share <= 1:
        raise InputError(f"epsilon = {share:g} is no share; give a number above 0, up to 1")
    n_inh = read_count(order, "order", 1)
    c_exc, c_inh = round(share * 4 * n_inh), round(share * n_inh)
    if c_inh < 1:
        raise InputError(f"order = {n_inh} and epsilon = {share:g} leave less than one inhibitory synapse a neuron")
    threshold_rate = 1e3 * _THETA / (jump * c_exc * _TAU)  # Hz
    cell = LIF(
        tau=f"{_TAU} ms",
        R="1 MOhm",
        E_L="0 mV",
        theta=f"{_THETA} mV",
        v_r=f"{_RESET} mV",
        refractory=f"{_REFRACTORY} ms",
        threshold="v >= theta",
        receive={"exc": "v <- v + w_i", "inh": "v <- v + w_i", "ext": "v <- v + w_i"},
        v="0 mV",
        name="Brunel A",
    )
    net = Network()
    outside = poisson(drive * threshold_rate, weight=f"{jump!r} mV", sources=c_exc)
    E = net.add("E", 4 * n_inh, cell, ext=outside)
    I = net.add("I", n_inh, cell, ext=outside)
    how: dict[str, Any] = {"delay": delay, "self_connections": False, "multapses": multapses}
    net.connect(E, [E, I], to="exc", indegree=c_exc, weight=f"{jump!r} mV", **how)
    net.connect(I, [E, I], to="inh", indegree=c_inh, weight=f"{-inhibition * jump!r} mV", **how)
    return net
