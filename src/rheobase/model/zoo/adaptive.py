"""Leaky integrate-and-fire neurons that tire: moving thresholds and spike-triggered currents."""

from __future__ import annotations

from typing import Any

from rheobase.model.neuron import Neuron
from rheobase.model.zoo.assemble import BOOK, Value, assemble

__all__ = ["ALIF", "MAT", "LIFsfa", "MihalasNiebur"]


def ALIF(
    *,
    tau: Value = "15 ms",
    tau_a: Value = "50 ms",
    R: Value = 4,
    theta_0: Value = 1,
    delta: Value = 0.4,
    v_r: Value = 0,
    I: Value = 0,
    **changes: Any,
) -> Neuron:
    """LIF neuron whose threshold jumps by delta at each spike and relaxes back.

    ``tau dv/dt = R*I - v``, ``tau_a dtheta/dt = theta_0 - theta``; ``v <- v + w_i``; fires when
    ``v > theta``; then ``v <- v_r`` and ``theta <- theta + delta``.

    Parameters
    ----------
    tau, tau_a : time
        Of the membrane, of the threshold.
    R, theta_0, delta, v_r, I : number
        Gain, resting threshold (theta starts there), its jump, reset, drive: plain numbers, or mV, MOhm and
        nA.
    **changes
        Other rows, initial values (``theta=``), ``refractory=``, ``name=``.

    Notes
    -----
    The threshold is tested before it is raised. With ``delta=0`` it is the LIF of the same tutorial.

    References
    ----------
    The table of https://neuro4ml.github.io, week 1; Gerstner et al. (2014) Neuronal Dynamics, section 6.4,
    doi:10.1017/CBO9781107447615.

    Examples
    --------
    >>> print(ALIF())
    ALIF: LIF, adaptive threshold
      evolve      tau dv/dt = R*I - v
                  tau_a dtheta/dt = theta_0 - theta
      receive     v <- v + w_i
      threshold   v > theta
      reset       v <- v_r
                  theta <- theta + delta
      parameters  tau = 15 ms, tau_a = 50 ms, R = 4, theta_0 = 1, delta = 0.4, v_r = 0, I = 0
      start       v = 0, theta = 1
      reference   neuro4ml.github.io, week 1, abstract neuron models
    """
    return assemble(
        changes,
        name="ALIF",
        about="LIF, adaptive threshold",
        reference="neuro4ml.github.io, week 1, abstract neuron models",
        evolve="tau dv/dt = R*I - v\ntau_a dtheta/dt = theta_0 - theta",
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- v_r\ntheta <- theta + delta",
        tau=tau,
        tau_a=tau_a,
        R=R,
        theta_0=theta_0,
        delta=delta,
        v_r=v_r,
        I=I,
        v=v_r,
        theta=theta_0,
    )


def LIFsfa(
    *,
    tau: Value = "20 ms",
    tau_w: Value = "100 ms",
    R: Value = "100 MOhm",
    E_L: Value = "-70 mV",
    theta: Value = "-50 mV",
    v_r: Value = "-70 mV",
    b: Value = "0.02 nA",
    refractory: Value = "2 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """LIF neuron with spike-frequency adaptation: each spike adds b to an outward current that decays.

    ``tau dv/dt = E_L - v + R*(I - w)``, ``tau_w dw/dt = -w``; ``v <- v + w_i``; fires when ``v > theta``;
    then ``v <- v_r`` and ``w <- w + b``.

    Parameters
    ----------
    tau, tau_w, refractory : time
        Of the membrane, of the adaptation current; how long v is clamped after a spike (w goes on decaying).
    R : resistance
        1/g_L.
    E_L, theta, v_r : voltage
        Rest (v starts there), threshold, reset.
    b : current
        What a spike adds to w.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``, ``w=``), ``name=``.

    References
    ----------
    Treves (1993) Network 4:259-284, doi:10.1088/0954-898X_4_3_002; Gerstner et al. (2014) Neuronal Dynamics,
    section 6.1, doi:10.1017/CBO9781107447615.

    Examples
    --------
    >>> print(LIFsfa().reset)
    v <- v_r
    w <- w + b
    """
    return assemble(
        changes,
        name="LIFsfa",
        about="LIF, spike-triggered adaptation current",
        reference=f"{BOOK}, section 6.1",
        evolve="tau dv/dt = E_L - v + R*(I - w)\ntau_w dw/dt = -w",
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- v_r\nw <- w + b",
        refractory=refractory,
        tau=tau,
        tau_w=tau_w,
        R=R,
        E_L=E_L,
        theta=theta,
        v_r=v_r,
        b=b,
        I=I,
        v=E_L,
        w=0,
    )


def MAT(
    *,
    tau: Value = "5 ms",
    R: Value = "50 MOhm",
    E_L: Value = "-70 mV",
    omega: Value = "-51 mV",
    tau_1: Value = "10 ms",
    alpha_1: Value = "37 mV",
    tau_2: Value = "200 ms",
    alpha_2: Value = "2 mV",
    tau_e: Value = "1 ms",
    tau_i: Value = "3 ms",
    t_ref: Value = "2 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """Multi-timescale adaptive threshold neuron: v is never reset, two threshold parts jump and decay.

    ``tau dv/dt = E_L - v + R*(I_exc + I_inh + I)``, ``tau_1 dtheta_1/dt = -theta_1``,
    ``tau_2 dtheta_2/dt = -theta_2``, exponential currents; exc ``I_exc <- I_exc + w_i``, inh
    ``I_inh <- I_inh + w_i``; fires when ``v > omega + theta_1 + theta_2``; then
    ``theta_1 <- theta_1 + alpha_1``, ``theta_2 <- theta_2 + alpha_2``. For t_ref the threshold is suspended;
    v goes on.

    Parameters
    ----------
    tau, tau_1, tau_2, tau_e, tau_i, t_ref : time
        Of the membrane, the threshold's parts, the synaptic currents; how long the threshold is suspended.
    R : resistance
        1/g_L.
    E_L, omega, alpha_1, alpha_2 : voltage
        Rest (v starts there), resting threshold (absolute), jumps of the threshold's parts.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``, ``theta_1=``), ``name=``.

    Notes
    -----
    The defaults are those of NEST's ``mat2_psc_exp`` (C = 100 pF), a regular spiking cell of the paper with
    omega = 19 mV above rest; NEST fires at equality.

    References
    ----------
    Kobayashi, Tsubo & Shinomoto (2009) Front. Comput. Neurosci. 3:9, doi:10.3389/neuro.10.009.2009.

    Examples
    --------
    >>> print(MAT().threshold, dict(MAT().refractory))
    v > omega + theta_1 + theta_2 {'threshold': 't_ref'}
    """
    return assemble(
        changes,
        name="MAT",
        about="multi-timescale adaptive threshold, no reset of v",
        reference="Kobayashi, Tsubo & Shinomoto (2009) Front. Comput. Neurosci. 3:9, doi:10.3389/neuro.10.009.2009",
        evolve="tau dv/dt = E_L - v + R*(I_exc + I_inh + I)\ntau_1 dtheta_1/dt = -theta_1\n"
        "tau_2 dtheta_2/dt = -theta_2\ntau_e dI_exc/dt = -I_exc\ntau_i dI_inh/dt = -I_inh",
        receive={"exc": "I_exc <- I_exc + w_i", "inh": "I_inh <- I_inh + w_i"},
        threshold="v > omega + theta_1 + theta_2",
        reset="theta_1 <- theta_1 + alpha_1\ntheta_2 <- theta_2 + alpha_2",
        refractory={"threshold": "t_ref"},
        t_ref=t_ref,
        tau=tau,
        R=R,
        E_L=E_L,
        omega=omega,
        tau_1=tau_1,
        alpha_1=alpha_1,
        tau_2=tau_2,
        alpha_2=alpha_2,
        tau_e=tau_e,
        tau_i=tau_i,
        I=I,
        v=E_L,
        theta_1=0,
        theta_2=0,
        I_exc=0,
        I_inh=0,
    )


def MihalasNiebur(
    *,
    C: Value = "1 nF",
    G: Value = "0.05 uS",
    E_L: Value = "-70 mV",
    v_r: Value = "-70 mV",
    theta_r: Value = "-60 mV",
    theta_inf: Value = "-50 mV",
    a: Value = "0/ms",
    b: Value = "0.01/ms",
    k_1: Value = "0.2/ms",
    k_2: Value = "0.02/ms",
    R_1: Value = 0,
    R_2: Value = 1,
    A_1: Value = "0 nA",
    A_2: Value = "0 nA",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """Generalised linear integrate-and-fire neuron of Mihalas and Niebur, with twenty behaviours.

    ``dI_1/dt = -k_1*I_1``, ``dI_2/dt = -k_2*I_2``, ``C dv/dt = I + I_1 + I_2 - G*(v - E_L)``,
    ``dtheta/dt = a*(v - E_L) - b*(theta - theta_inf)``; ``v <- v + w_i``; fires when ``v > theta``; then
    ``I_1 <- R_1*I_1 + A_1``, ``I_2 <- R_2*I_2 + A_2``, ``v <- v_r``, ``theta <- max(theta_r, theta)``.

    Parameters
    ----------
    C : capacitance
        With 1 nF a current in nA is the paper's "V/s".
    G : conductance
        Leak.
    E_L, v_r, theta_r, theta_inf : voltage
        Rest (v starts there), reset, least threshold after a spike, resting threshold (theta starts there).
    a, b, k_1, k_2 : rate
        Adaptation and relaxation of the threshold; decay of the two spike-induced currents.
    R_1, R_2 : number
        Which part of a current outlives a spike.
    A_1, A_2 : current
        What a spike adds.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``I_1=``), ``refractory=``, ``name=``.

    Notes
    -----
    The currents start at 0.01 and 0.001 nA, as published reimplementations have it. Tonic spiking is I = 1.5
    nA with the defaults; tonic bursting ``a="0.005/ms", A_1="10 nA", A_2="-0.6 nA"`` with I = 2 nA.

    References
    ----------
    Mihalas & Niebur (2009) Neural Computation 21:704-718, eqs. (2.1), (2.2), table 1,
    doi:10.1162/neco.2008.12-07-680.

    Examples
    --------
    >>> print(MihalasNiebur().reset.splitlines()[-1])
    theta <- max(theta_r, theta)
    """
    return assemble(
        changes,
        name="MihalasNiebur",
        about="generalised linear integrate-and-fire",
        reference="Mihalas & Niebur (2009) Neural Computation 21:704-718, doi:10.1162/neco.2008.12-07-680",
        evolve="C dv/dt = I + I_1 + I_2 - G*(v - E_L)\ndtheta/dt = a*(v - E_L) - b*(theta - theta_inf)\n"
        "dI_1/dt = -k_1*I_1\ndI_2/dt = -k_2*I_2",
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="I_1 <- R_1*I_1 + A_1\nI_2 <- R_2*I_2 + A_2\nv <- v_r\ntheta <- max(theta_r, theta)",
        C=C,
        G=G,
        E_L=E_L,
        v_r=v_r,
        theta_r=theta_r,
        theta_inf=theta_inf,
        a=a,
        b=b,
        k_1=k_1,
        k_2=k_2,
        R_1=R_1,
        R_2=R_2,
        A_1=A_1,
        A_2=A_2,
        I=I,
        v=E_L,
        theta=theta_inf,
        I_1="0.01 nA",
        I_2="0.001 nA",
    )
