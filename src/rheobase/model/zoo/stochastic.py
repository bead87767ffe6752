"""Leaky integrate-and-fire neurons that fire by chance: escape noise, white and coloured noise."""

from __future__ import annotations

from typing import Any, Final

from rheobase.model.neuron import Neuron
from rheobase.model.zoo.assemble import BOOK, Value, assemble, pick

__all__ = ["SRM", "EscapeLIF", "NoisyLIF"]


def EscapeLIF(
    *,
    tau: Value = "20 ms",
    R: Value = "100 MOhm",
    E_L: Value = "-70 mV",
    theta: Value = "-50 mV",
    delta_u: Value = "2 mV",
    tau_0: Value = "1 ms",
    v_r: Value = "-70 mV",
    refractory: Value = "2 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """LIF neuron with escape noise: it may fire at any v, the more readily the higher v is.

    ``tau dv/dt = E_L - v + R*I``; ``v <- v + w_i``; fires at the rate ``exp((v - theta)/delta_u)/tau_0``;
    then ``v <- v_r``, held for t_ref.

    Parameters
    ----------
    tau, tau_0, refractory : time
        Of the membrane; mean time to a spike at v = theta; how long v is clamped and no spike can come.
    R : resistance
        1/g_L.
    E_L, theta, delta_u, v_r : voltage
        Rest (v starts there), soft threshold, its width, reset. delta_u to 0 is the sharp threshold.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``), ``name=``.

    References
    ----------
    Gerstner et al. (2014) Neuronal Dynamics, section 9.1, doi:10.1017/CBO9781107447615; Plesser & Gerstner
    (2000) Neural Computation 12:367-384, doi:10.1162/089976600300015835.

    Examples
    --------
    >>> print(EscapeLIF().hazard)
    exp((v - theta)/delta_u)/tau_0
    """
    return assemble(
        changes,
        name="EscapeLIF",
        about="LIF, escape noise",
        reference=f"{BOOK}, section 9.1",
        evolve="tau dv/dt = E_L - v + R*I",
        receive="v <- v + w_i",
        hazard="exp((v - theta)/delta_u)/tau_0",
        reset="v <- v_r",
        refractory=refractory,
        tau=tau,
        R=R,
        E_L=E_L,
        theta=theta,
        delta_u=delta_u,
        tau_0=tau_0,
        v_r=v_r,
        I=I,
        v=E_L,
    )


def SRM(
    *,
    tau: Value = "20 ms",
    tau_s: Value = "5 ms",
    tau_eta: Value = "50 ms",
    R: Value = "100 MOhm",
    E_L: Value = "-70 mV",
    theta: Value = "-50 mV",
    delta_u: Value = "2 mV",
    tau_0: Value = "1 ms",
    eta_0: Value = "-20 mV",
    t_ref: Value = "2 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """Spike response model with escape noise: filtered input plus an afterpotential, no reset of v.

    ``tau dv/dt = E_L - v + R*(I_syn + I)``, ``tau_s dI_syn/dt = -I_syn``, ``tau_eta deta/dt = -eta``;
    ``I_syn <- I_syn + w_i``; fires at the rate ``exp((v + eta - theta)/delta_u)/tau_0``; then
    ``eta <- eta + eta_0``. For t_ref no spike can come; v and eta go on. The membrane potential is v + eta.

    Parameters
    ----------
    tau, tau_s, tau_eta, tau_0, t_ref : time
        Of the membrane, of the synaptic current, of the afterpotential; mean time to a spike at the
        threshold; how long firing is suspended.
    R : resistance
        1/g_L.
    E_L, theta, delta_u, eta_0 : voltage
        Rest (v starts there), soft threshold, its width, what a spike adds to the afterpotential (negative:
        refractory and adapting).
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``eta=``), ``name=``.

    Notes
    -----
    Afterpotentials of several spikes add up. SRM_0, which remembers the last spike alone, is
    ``SRM(reset="eta <- eta_0")``; a generalised linear model of one exponential history filter is this neuron
    too.

    References
    ----------
    Gerstner et al. (2014) Neuronal Dynamics, sections 6.4 and 9.1, doi:10.1017/CBO9781107447615; Gerstner &
    van Hemmen (1992) Network 3:139-164, doi:10.1088/0954-898X_3_2_004.

    Examples
    --------
    >>> SRM().hazard, SRM(reset="eta <- eta_0").reset
    ('exp((v + eta - theta)/delta_u)/tau_0', 'eta <- eta_0')
    """
    return assemble(
        changes,
        name="SRM",
        about="spike response model, escape noise",
        reference=f"{BOOK}, sections 6.4 and 9.1",
        evolve="tau dv/dt = E_L - v + R*(I_syn + I)\ntau_s dI_syn/dt = -I_syn\ntau_eta deta/dt = -eta",
        receive="I_syn <- I_syn + w_i",
        hazard="exp((v + eta - theta)/delta_u)/tau_0",
        reset="eta <- eta + eta_0",
        refractory={"threshold": "t_ref"},
        t_ref=t_ref,
        tau=tau,
        tau_s=tau_s,
        tau_eta=tau_eta,
        R=R,
        E_L=E_L,
        theta=theta,
        delta_u=delta_u,
        tau_0=tau_0,
        eta_0=eta_0,
        I=I,
        v=E_L,
        I_syn=0,
        eta=0,
    )


_LIF: Final = {
    "tau": "20 ms",
    "R": "100 MOhm",
    "E_L": "-70 mV",
    "theta": "-50 mV",
    "v_r": "-70 mV",
    "refractory": "2 ms",
    "I": "0 nA",
}
_NOISES: Final = {"white": _LIF | {"sigma": "5 mV"}, "ou": _LIF | {"sigma": "0.1 nA", "tau_n": "5 ms"}}


def NoisyLIF(
    *,
    form: str = "white",
    tau: Value = ...,
    R: Value = ...,
    E_L: Value = ...,
    theta: Value = ...,
    v_r: Value = ...,
    refractory: Value = ...,
    sigma: Value = ...,
    tau_n: Value = ...,
    I: Value = ...,
    **changes: Any,
) -> Neuron:
    """LIF neuron driven by noise, white or coloured.

    ``tau dv/dt = E_L - v + R*I + sigma*sqrt(2*tau)*xi`` or ``tau dv/dt = E_L - v + R*(I + I_n)`` with
    ``tau_n dI_n/dt = -I_n + sigma*sqrt(2*tau_n)*xi``; ``v <- v + w_i``; fires when ``v > theta``; then
    ``v <- v_r``.

    Parameters
    ----------
    form : {"white", "ou"}
        White noise upon v, or a current that is an Ornstein-Uhlenbeck process.
    tau, refractory : time
        Membrane time constant, 20 ms; how long v is clamped after a spike, 2 ms.
    R : resistance
        100 MOhm.
    E_L, theta, v_r : voltage
        Rest (v starts there) -70 mV, threshold -50 mV, reset -70 mV.
    sigma : voltage or current
        Standard deviation of v without a threshold (white, 5 mV), or of the current I_n (ou, 0.1 nA).
    tau_n : time
        Correlation time of the current, 5 ms (ou).
    I : current
        Mean injected current, 0 nA; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``), ``name=``.

    Raises
    ------
    InputError
        If there is no such form, or it does not have a value that is given.

    Notes
    -----
    Texts that write the noise as ``sigma*sqrt(tau)*xi`` (Brunel 2000) mean a sigma larger by sqrt(2).

    References
    ----------
    Gerstner et al. (2014) Neuronal Dynamics, section 8.1, doi:10.1017/CBO9781107447615.

    Examples
    --------
    >>> NoisyLIF().evolve, NoisyLIF().unit("sigma")
    ('tau dv/dt = E_L - v + R*I + sigma*sqrt(2*tau)*xi', 'mV')
    >>> print(NoisyLIF(form="ou", tau_n="3 ms").evolve)
    tau dv/dt = E_L - v + R*(I + I_n)
    tau_n dI_n/dt = -I_n + sigma*sqrt(2*tau_n)*xi
    """
    given = {
        "tau": tau,
        "R": R,
        "E_L": E_L,
        "theta": theta,
        "v_r": v_r,
        "refractory": refractory,
        "sigma": sigma,
        "tau_n": tau_n,
        "I": I,
    }
    values = pick("NoisyLIF", form, _NOISES, given)
    if form == "white":
        evolve, start = "tau dv/dt = E_L - v + R*I + sigma*sqrt(2*tau)*xi", {"v": values["E_L"]}
    else:
        evolve = "tau dv/dt = E_L - v + R*(I + I_n)\ntau_n dI_n/dt = -I_n + sigma*sqrt(2*tau_n)*xi"
        start = {"v": values["E_L"], "I_n": 0}
    return assemble(
        changes,
        name="NoisyLIF",
        about="LIF, white noise" if form == "white" else "LIF, coloured noise",
        reference=f"{BOOK}, section 8.1",
        evolve=evolve,
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- v_r",
        **values,
        **start,
    )
