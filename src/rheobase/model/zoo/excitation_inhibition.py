"""LIF neurons with an excitatory and an inhibitory synapse, as in the benchmarks of Brette et al. 2007."""

from __future__ import annotations

from typing import Any, Final

from rheobase.model.neuron import Neuron
from rheobase.model.zoo.assemble import Value, assemble

__all__ = ["COBA", "CUBA"]

_BRETTE: Final = "Brette et al. (2007) J. Comput. Neurosci. 23:349-398, doi:10.1007/s10827-007-0038-6"


def CUBA(
    *,
    tau_m: Value = "20 ms",
    tau_e: Value = "5 ms",
    tau_i: Value = "10 ms",
    E_L: Value = "-49 mV",
    theta: Value = "-50 mV",
    v_r: Value = "-60 mV",
    refractory: Value = "5 ms",
    **changes: Any,
) -> Neuron:
    """LIF neuron with current-based synapses, as in benchmark 2 of Brette et al. 2007.

    ``tau_m dv/dt = E_L - v + g_e + g_i``, ``tau_e dg_e/dt = -g_e``, ``tau_i dg_i/dt = -g_i``;
    exc ``g_e <- g_e + w_i``, inh ``g_i <- g_i + w_i``; fires when ``v > theta``; then ``v <- v_r``.

    Parameters
    ----------
    tau_m, tau_e, tau_i, refractory : time
        Of the membrane and the two kinds of synapse; how long v is clamped after a spike.
    E_L, theta, v_r : voltage
        Rest, threshold, reset. The rest is above the threshold: alone, the neuron fires steadily. v starts at
        v_r.
    **changes
        Other rows, initial values (``v=rb.uniform("-60 mV", "-50 mV")``), ``name=``.

    Notes
    -----
    g_e and g_i are currents times the membrane's resistance, so they and the weights are in mV: 1.62 mV, and
    -9 mV (negative) for inhibition, in the benchmark.

    References
    ----------
    Brette et al. (2007) Simulation of networks of spiking neurons, J. Comput. Neurosci. 23:349-398, appendix,
    benchmark 2, doi:10.1007/s10827-007-0038-6; after Vogels & Abbott (2005),
    doi:10.1523/JNEUROSCI.3508-05.2005.

    Examples
    --------
    >>> print(CUBA())
    CUBA: LIF, exponential current-based synapses
      evolve      tau_m dv/dt = E_L - v + g_e + g_i
                  tau_e dg_e/dt = -g_e
                  tau_i dg_i/dt = -g_i
      receive     exc: g_e <- g_e + w_i
      receive     inh: g_i <- g_i + w_i
    ...
    """
    return assemble(
        changes,
        name="CUBA",
        about="LIF, exponential current-based synapses",
        reference=f"{_BRETTE}, benchmark 2",
        evolve="tau_m dv/dt = E_L - v + g_e + g_i\ntau_e dg_e/dt = -g_e\ntau_i dg_i/dt = -g_i",
        receive={"exc": "g_e <- g_e + w_i", "inh": "g_i <- g_i + w_i"},
        threshold="v > theta",
        reset="v <- v_r",
        refractory=refractory,
        tau_m=tau_m,
        tau_e=tau_e,
        tau_i=tau_i,
        E_L=E_L,
        theta=theta,
        v_r=v_r,
        v=v_r,
        g_e=0,
        g_i=0,
    )


def COBA(
    *,
    C: Value = "200 pF",
    g_L: Value = "10 nS",
    tau_e: Value = "5 ms",
    tau_i: Value = "10 ms",
    E_L: Value = "-60 mV",
    E_e: Value = "0 mV",
    E_i: Value = "-80 mV",
    theta: Value = "-50 mV",
    v_r: Value = "-60 mV",
    refractory: Value = "5 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """LIF neuron with conductance-based synapses, as in benchmark 1 of Brette et al. 2007.

    ``C dv/dt = g_L*(E_L - v) + g_e*(E_e - v) + g_i*(E_i - v) + I``, ``tau_e dg_e/dt = -g_e``,
    ``tau_i dg_i/dt = -g_i``; exc ``g_e <- g_e + w_i``, inh ``g_i <- g_i + w_i``; fires when ``v > theta``;
    then ``v <- v_r``.

    Parameters
    ----------
    C : capacitance
        1 uF/cm**2 over 20,000 um**2.
    g_L : conductance
        Leak.
    tau_e, tau_i, refractory : time
        Of the two kinds of synapse; how long v is clamped after a spike.
    E_L, E_e, E_i, theta, v_r : voltage
        Rest (v starts there), reversal potentials, threshold, reset.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``, ``g_e=``), ``name=``.

    Notes
    -----
    Weights are conductances, positive at both ports: 6 nS and 67 nS in the benchmark.

    References
    ----------
    Brette et al. (2007) Simulation of networks of spiking neurons, J. Comput. Neurosci. 23:349-398, appendix,
    benchmark 1, doi:10.1007/s10827-007-0038-6; after Vogels & Abbott (2005),
    doi:10.1523/JNEUROSCI.3508-05.2005.

    Examples
    --------
    >>> print(COBA().evolve.splitlines()[0])
    C dv/dt = g_L*(E_L - v) + g_e*(E_e - v) + g_i*(E_i - v) + I
    >>> COBA().unit("w_i:inh")
    'uS'
    """
    return assemble(
        changes,
        name="COBA",
        about="LIF, exponential conductance-based synapses",
        reference=f"{_BRETTE}, benchmark 1",
        evolve="C dv/dt = g_L*(E_L - v) + g_e*(E_e - v) + g_i*(E_i - v) + I\n"
        "tau_e dg_e/dt = -g_e\ntau_i dg_i/dt = -g_i",
        receive={"exc": "g_e <- g_e + w_i", "inh": "g_i <- g_i + w_i"},
        threshold="v > theta",
        reset="v <- v_r",
        refractory=refractory,
        C=C,
        g_L=g_L,
        tau_e=tau_e,
        tau_i=tau_i,
        E_L=E_L,
        E_e=E_e,
        E_i=E_i,
        theta=theta,
        v_r=v_r,
        I=I,
        v=E_L,
        g_e=0,
        g_i=0,
    )
