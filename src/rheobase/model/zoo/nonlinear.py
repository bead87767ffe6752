"""Neurons whose upstroke is part of the equation: quadratic, exponential, and with an adaptation variable."""

from __future__ import annotations

from typing import Any, Final

from rheobase.model.neuron import Neuron
from rheobase.model.zoo.assemble import BOOK, Value, assemble, pick

__all__ = ["EIF", "QIF", "AdEx", "Izhikevich", "Izhikevich2007"]

_QIF: Final[dict[str, tuple[str, dict[str, Value]]]] = {
    "canonical": ("tau dv/dt = v**2 + I", {"tau": "10 ms", "v_peak": 1000, "v_r": -1000, "refractory": None, "I": 0}),
    "biophysical": (
        "tau dv/dt = a*(v - E_L)*(v - v_c) + R*I",
        {
            "tau": "10 ms",
            "a": "0.04/mV",
            "E_L": "-65 mV",
            "v_c": "-50 mV",
            "R": "100 MOhm",
            "v_peak": "30 mV",
            "v_r": "-70 mV",
            "refractory": None,
            "I": "0 nA",
        },
    ),
}


def QIF(
    *,
    form: str = "biophysical",
    tau: Value = ...,
    a: Value = ...,
    E_L: Value = ...,
    v_c: Value = ...,
    R: Value = ...,
    v_peak: Value = ...,
    v_r: Value = ...,
    refractory: Value = ...,
    I: Value = ...,
    **changes: Any,
) -> Neuron:
    """Quadratic integrate-and-fire neuron.

    ``tau dv/dt = a*(v - E_L)*(v - v_c) + R*I``, or canonical ``tau dv/dt = v**2 + I``; ``v <- v + w_i``;
    fires when ``v > v_peak``; then ``v <- v_r``.

    Parameters
    ----------
    form : {"biophysical", "canonical"}
        In mV, or the plain normal form of a saddle-node on a circle (the theta neuron, v = tan(angle/2)).
    tau, refractory : time
        10 ms; none.
    a : 1/voltage
        Curvature, 0.04/mV (biophysical).
    E_L, v_c : voltage
        Rest (v starts there) -65 mV and critical voltage -50 mV (biophysical).
    R : resistance
        100 MOhm (biophysical).
    v_peak, v_r : voltage
        Where the spike ends and v is put back: 30 mV and -70 mV; canonical 1000 and -1000, for infinity.
    I : current
        Injected current, 0; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``), ``name=``.

    Raises
    ------
    InputError
        If there is no such form, or it does not have a value that is given.

    Notes
    -----
    The smallest current that makes it fire is ``a*(v_c - E_L)**2/(4*R)``, canonical 0. The canonical period
    between infinities is ``pi*tau/sqrt(I)``; the defaults shorten it by ``2*tau/1000``.

    References
    ----------
    Gerstner et al. (2014) Neuronal Dynamics, eq. (5.16), doi:10.1017/CBO9781107447615; Latham et al. (2000)
    J. Neurophysiol. 83:808-827, doi:10.1152/jn.2000.83.2.808; Ermentrout & Kopell (1986) SIAM J. Appl. Math.
    46:233-253, doi:10.1137/0146017.

    Examples
    --------
    >>> print(QIF(form="canonical"))
    QIF: quadratic integrate-and-fire
      evolve      tau dv/dt = v**2 + I
      receive     v <- v + w_i
      threshold   v > v_peak
      reset       v <- v_r
      parameters  tau = 10 ms, v_peak = 1000, v_r = -1000, I = 0
      start       v = -1000
      reference   Gerstner, Kistler, Naud & Paninski (2014) Neuronal Dynamics, doi:10.1017/CBO9781107447615,
      eq. (5.16)
    """
    given = {
        "tau": tau,
        "a": a,
        "E_L": E_L,
        "v_c": v_c,
        "R": R,
        "v_peak": v_peak,
        "v_r": v_r,
        "refractory": refractory,
        "I": I,
    }
    values = pick("QIF", form, {k: defaults for k, (_, defaults) in _QIF.items()}, given)
    return assemble(
        changes,
        name="QIF",
        about="quadratic integrate-and-fire",
        reference=f"{BOOK}, eq. (5.16)",
        evolve=_QIF[form][0],
        receive="v <- v + w_i",
        threshold="v > v_peak",
        reset="v <- v_r",
        v=values.get("E_L", values["v_r"]),
        **values,
    )


def EIF(
    *,
    C: Value = "281 pF",
    g_L: Value = "30 nS",
    E_L: Value = "-70.6 mV",
    v_T: Value = "-50.4 mV",
    Delta_T: Value = "2 mV",
    v_peak: Value = "20 mV",
    v_r: Value = "-70.6 mV",
    refractory: Value = None,
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """Exponential integrate-and-fire neuron.

    ``C dv/dt = -g_L*(v - E_L) + g_L*Delta_T*exp((v - v_T)/Delta_T) + I``; ``v <- v + w_i``; fires when
    ``v > v_peak``; then ``v <- v_r``.

    Parameters
    ----------
    C, g_L : capacitance, conductance
        Membrane time constant is C/g_L.
    E_L, v_T, Delta_T, v_peak, v_r : voltage
        Rest (v starts there), threshold for slow currents, sharpness of the upstroke, its end, reset.
    refractory : time, optional
        How long v is clamped after a spike.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``), ``name=``.

    Notes
    -----
    The smallest current that makes it fire is ``g_L*(v_T - E_L - Delta_T)``. The defaults are those of
    `AdEx`.

    References
    ----------
    Fourcaud-Trocme, Hansel, van Vreeswijk & Brunel (2003) J. Neurosci. 23:11628-11640,
    doi:10.1523/JNEUROSCI.23-37-11628.2003; Gerstner et al. (2014) Neuronal Dynamics, eq. (5.6).

    Examples
    --------
    >>> EIF().evolve
    'C dv/dt = -g_L*(v - E_L) + g_L*Delta_T*exp((v - v_T)/Delta_T) + I'
    """
    return assemble(
        changes,
        name="EIF",
        about="exponential integrate-and-fire",
        reference="Fourcaud-Trocme et al. (2003) J. Neurosci. 23:11628-11640, doi:10.1523/JNEUROSCI.23-37-11628.2003",
        evolve="C dv/dt = -g_L*(v - E_L) + g_L*Delta_T*exp((v - v_T)/Delta_T) + I",
        receive="v <- v + w_i",
        threshold="v > v_peak",
        reset="v <- v_r",
        refractory=refractory,
        C=C,
        g_L=g_L,
        E_L=E_L,
        v_T=v_T,
        Delta_T=Delta_T,
        v_peak=v_peak,
        v_r=v_r,
        I=I,
        v=E_L,
    )


def AdEx(
    *,
    C: Value = "281 pF",
    g_L: Value = "30 nS",
    E_L: Value = "-70.6 mV",
    v_T: Value = "-50.4 mV",
    Delta_T: Value = "2 mV",
    a: Value = "4 nS",
    tau_w: Value = "144 ms",
    b: Value = "0.0805 nA",
    v_peak: Value = "20 mV",
    v_r: Value = "-70.6 mV",
    refractory: Value = None,
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """Adaptive exponential integrate-and-fire neuron.

    ``C dv/dt = -g_L*(v - E_L) + g_L*Delta_T*exp((v - v_T)/Delta_T) - w + I``,
    ``tau_w dw/dt = a*(v - E_L) - w``; ``v <- v + w_i``; fires when ``v > v_peak``; then ``v <- v_r`` and
    ``w <- w + b``.

    Parameters
    ----------
    C, g_L : capacitance, conductance
        Membrane time constant is C/g_L.
    E_L, v_T, Delta_T, v_peak, v_r : voltage
        Rest (v starts there), threshold for slow currents, sharpness of the upstroke, its end, reset.
    a : conductance
        Adaptation below threshold.
    tau_w, b : time, current
        Of the adaptation current w; what a spike adds to it.
    refractory : time, optional
        How long v is clamped after a spike (w goes on).
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``, ``w=``), ``name=``.

    References
    ----------
    Brette & Gerstner (2005) J. Neurophysiol. 94:3637-3642, doi:10.1152/jn.00686.2005; Gerstner et al. (2014)
    Neuronal Dynamics, eqs. (6.3), (6.4). Patterns: Naud et al. (2008) Biol. Cybern. 99:335-347,
    doi:10.1007/s00422-008-0264-7.

    Examples
    --------
    >>> print(AdEx())
    AdEx: adaptive exponential integrate-and-fire
      evolve      C dv/dt = -g_L*(v - E_L) + g_L*Delta_T*exp((v - v_T)/Delta_T) - w + I
                  tau_w dw/dt = a*(v - E_L) - w
      receive     v <- v + w_i
      threshold   v > v_peak
      reset       v <- v_r
                  w <- w + b
      parameters  C = 281 pF, g_L = 30 nS, E_L = -70.6 mV, v_T = -50.4 mV, Delta_T = 2 mV, a = 4 nS, tau_w =
      144 ms,
    ...
    """
    return assemble(
        changes,
        name="AdEx",
        about="adaptive exponential integrate-and-fire",
        reference="Brette & Gerstner (2005) J. Neurophysiol. 94:3637-3642, doi:10.1152/jn.00686.2005",
        evolve="C dv/dt = -g_L*(v - E_L) + g_L*Delta_T*exp((v - v_T)/Delta_T) - w + I\ntau_w dw/dt = a*(v - E_L) - w",
        receive="v <- v + w_i",
        threshold="v > v_peak",
        reset="v <- v_r\nw <- w + b",
        refractory=refractory,
        C=C,
        g_L=g_L,
        E_L=E_L,
        v_T=v_T,
        Delta_T=Delta_T,
        a=a,
        tau_w=tau_w,
        b=b,
        v_peak=v_peak,
        v_r=v_r,
        I=I,
        v=E_L,
        w=0,
    )


def Izhikevich(
    *,
    a: Value = 0.02,
    b: Value = 0.2,
    c: Value = -65,
    d: Value = 8,
    k2: Value = 0.04,
    k1: Value = 5,
    k0: Value = 140,
    v_peak: Value = 30,
    I: Value = 0,
    v: Value = -70,
    u: Value = None,
    **changes: Any,
) -> Neuron:
    """Izhikevich's simple neuron, in plain numbers as published (v in mV, t in ms).

    ``dv/dt = k2*v**2 + k1*v + k0 - u + I``, ``du/dt = a*(b*v - u)``; ``v <- v + w_i``; fires when
    ``v > v_peak``; then ``v <- c`` and ``u <- u + d``.

    Parameters
    ----------
    a, b, c, d : number
        Speed and sensitivity of the recovery u, reset of v, jump of u. Regular spiking by default; fast
        spiking is a = 0.1, d = 2; chattering c = -50, d = 2; intrinsically bursting c = -55, d = 4.
    k2, k1, k0 : number
        The parabola. Class 1 excitability and the integrator have k1 = 4.1, k0 = 108.
    v_peak : number
        Where the spike ends.
    I : number
        Injected current, of unit mV/ms; `simulate` may be given another.
    v, u : number
        Start; u starts at b*v if not given.
    **changes
        Other rows, ``refractory=``, ``name=``.

    Notes
    -----
    A published spike list depends on the author's scheme (Euler, steps of 0.1 to 1 ms); see
    `izhikevich_pattern`.

    References
    ----------
    Izhikevich (2003) IEEE Trans. Neural Networks 14:1569-1572, eqs. (1)-(3), doi:10.1109/TNN.2003.820440.

    Examples
    --------
    >>> print(Izhikevich())
    Izhikevich: simple model
      evolve      dv/dt = k2*v**2 + k1*v + k0 - u + I
                  du/dt = a*(b*v - u)
      receive     v <- v + w_i
      threshold   v > v_peak
      reset       v <- c
                  u <- u + d
      parameters  a = 0.02, b = 0.2, c = -65, d = 8, k2 = 0.04, k1 = 5, k0 = 140, v_peak = 30, I = 0
      start       v = -70, u = -14
      reference   Izhikevich (2003) IEEE Trans. Neural Networks 14:1569-1572, doi:10.1109/TNN.2003.820440
    """
    neuron = Neuron(
        name="Izhikevich",
        about="simple model",
        reference="Izhikevich (2003) IEEE Trans. Neural Networks 14:1569-1572, doi:10.1109/TNN.2003.820440",
        evolve="dv/dt = k2*v**2 + k1*v + k0 - u + I\ndu/dt = a*(b*v - u)",
        receive="v <- v + w_i",
        threshold="v > v_peak",
        reset="v <- c\nu <- u + d",
        a=a,
        b=b,
        c=c,
        d=d,
        k2=k2,
        k1=k1,
        k0=k0,
        v_peak=v_peak,
        I=I,
        v=v,
        u=u,
    )
    sensitivity, start = neuron.parameters["b"].value, neuron.initial.get("v")
    random = start is None or hasattr(start.value, "sample") or hasattr(sensitivity, "sample")
    if u is None and not random:  # of random b and v only the draws have a product
        neuron = neuron.replace(u=sensitivity * start.value)  # type: ignore[operator, union-attr]
    return neuron.replace(**changes) if changes else neuron


def Izhikevich2007(
    *,
    C: Value = "100 pF",
    k: Value = "0.7 nS/mV",
    v_r: Value = "-60 mV",
    v_t: Value = "-40 mV",
    a: Value = "0.03/ms",
    b: Value = "-2 nS",
    c: Value = "-50 mV",
    d: Value = "100 pA",
    v_peak: Value = "35 mV",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """Izhikevich's simple neuron with units, as in his book.

    ``C dv/dt = k*(v - v_r)*(v - v_t) - u + I``, ``du/dt = a*(b*(v - v_r) - u)``; ``v <- v + w_i``; fires when
    ``v > v_peak``; then ``v <- c`` and ``u <- u + d``.

    Parameters
    ----------
    C, k : capacitance, conductance/voltage
        Membrane.
    v_r, v_t, c, v_peak : voltage
        The book's letters: *rest* (v starts there), instantaneous threshold, reset, end of the spike.
    a, b, d : rate, conductance, current
        Speed and sensitivity of the recovery current u, its jump at a spike.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``, ``u=``), ``refractory=``, ``name=``.

    Notes
    -----
    The defaults are a regular spiking pyramidal neuron of layer 5, the book's fig. 8.12, which starts to fire
    above about 50 pA.

    References
    ----------
    Izhikevich (2007) Dynamical Systems in Neuroscience, MIT Press, section 8.1.4, eqs. (8.5), (8.6),
    doi:10.7551/mitpress/2526.001.0001.

    Examples
    --------
    >>> Izhikevich2007().evolve.splitlines()
    ['C dv/dt = k*(v - v_r)*(v - v_t) - u + I', 'du/dt = a*(b*(v - v_r) - u)']
    """
    return assemble(
        changes,
        name="Izhikevich2007",
        about="simple model with units",
        reference="Izhikevich (2007) Dynamical Systems in Neuroscience, eqs. (8.5), (8.6), "
        "doi:10.7551/mitpress/2526.001.0001",
        evolve="C dv/dt = k*(v - v_r)*(v - v_t) - u + I\ndu/dt = a*(b*(v - v_r) - u)",
        receive="v <- v + w_i",
        threshold="v > v_peak",
        reset="v <- c\nu <- u + d",
        C=C,
        k=k,
        v_r=v_r,
        v_t=v_t,
        a=a,
        b=b,
        c=c,
        d=d,
        v_peak=v_peak,
        I=I,
        v=v_r,
        u=0,
    )
