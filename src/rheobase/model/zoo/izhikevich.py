"""Izhikevich's simple neuron: a parabola and a recovery variable, in plain numbers and with units."""

from __future__ import annotations

from typing import Any

from rheobase.model.neuron import Neuron
from rheobase.model.zoo.assemble import Value, assemble

__all__ = ["Izhikevich", "Izhikevich2007"]


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
