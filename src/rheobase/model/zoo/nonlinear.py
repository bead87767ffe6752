"""Neurons whose upstroke is part of the equation: quadratic, exponential, and with an adaptation variable."""

from __future__ import annotations

from typing import Any, Final

from rheobase.model.neuron import Neuron
from rheobase.model.zoo.assemble import BOOK, Value, assemble, pick

__all__ = ["EIF", "QIF", "AdEx"]

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
