"""Neurons with one state: the perfect and the leaky integrator."""

from __future__ import annotations

from typing import Any, Final

from rheobase.errors import InputError
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.model.zoo.assemble import BOOK, Value, assemble, pick

__all__ = ["IAF", "IF", "LIF", "fold_leak"]


def IF(*, theta: Value = 1, v_r: Value = 0, I: Value = 0, **changes: Any) -> Neuron:
    """Perfect integrator: every input is kept until the neuron fires.

    ``dv/dt = I``; ``v <- v + w_i``; fires when ``v > theta``; then ``v <- v_r``.

    Parameters
    ----------
    theta, v_r : number
        Threshold and reset, plain numbers (or both in mV).
    I : number
        Constant drive, in units of v per ms. ``I=None`` makes it an input.
    **changes
        Other rows, initial values (``v=``), ``refractory=``, ``name=``.

    Notes
    -----
    The threshold is strict, as printed; NEST and the leaky-bucket tutorial fire at equality
    (``threshold="v >= theta"``). Soft reset, which loses no charge, is another row.

    References
    ----------
    Lapicque (1907) J. Physiol. Pathol. Gen. 9:620-635; the table of https://neuro4ml.github.io, week 1.

    Examples
    --------
    >>> print(IF())
    IF: perfect integrator
      evolve      dv/dt = I
      receive     v <- v + w_i
      threshold   v > theta
      reset       v <- v_r
      parameters  theta = 1, v_r = 0, I = 0
      start       v = 0
      reference   neuro4ml.github.io, week 1, abstract neuron models; Lapicque (1907)
    >>> IF(reset="v <- v - theta").parameters.keys()
    dict_keys(['theta', 'I'])
    """
    return assemble(
        changes,
        name="IF",
        about="perfect integrator",
        reference="neuro4ml.github.io, week 1, abstract neuron models; Lapicque (1907)",
        evolve="dv/dt = I",
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- v_r",
        theta=theta,
        v_r=v_r,
        I=I,
        v=0,
    )


def IAF(
    *,
    tau: Value = "1 ms",
    R: Value = 1,
    v_leak: Value = 0,
    I_syn: Value = 0,
    I_bias: Value = 0,
    theta: Value = 1,
    v_min: Value = -1,
    **changes: Any,
) -> Neuron:
    """Integrate-and-fire neuron with a constant leak and a soft reset.

    ``tau dv/dt = -v_leak + R*(I_syn + I_bias)``, held at or above ``v_min``; ``v <- v + w_i``;
    fires when ``v > theta``; then ``v <- v - theta``.

    Parameters
    ----------
    tau : time
        What one unit of current charges: after `tau`, v has grown by ``R*I``.
    R, v_leak, I_syn, I_bias, theta, v_min : number
        Gain, leak, currents, threshold and lower bound, plain numbers. A value of None makes a current an
        input.
    **changes
        Other rows, initial values (``v=``), ``refractory=``, ``name=``.

    Notes
    -----
    A step of 1 ms with at most one spike saturates at 1 kHz; the layer this neuron is known from emits
    floor(v/theta) spikes a step. A weight of several theta therefore needs a smaller step here.

    References
    ----------
    Sinabs, quick introduction to spiking neural networks; the lower bound and the soft reset are those of its
    ``SpikingLayer``. See `fold_leak` for the sign of the leak there.

    Examples
    --------
    >>> print(IAF(I_bias=0.025))
    IAF: constant leak, soft reset
      evolve      tau dv/dt = -v_leak + R*(I_syn + I_bias)
                  v >= v_min
      receive     v <- v + w_i
      threshold   v > theta
      reset       v <- v - theta
      parameters  tau = 1 ms, R = 1, v_leak = 0, I_syn = 0, I_bias = 0.025, theta = 1, v_min = -1
      start       v = 0
      reference   Sinabs, quick introduction to spiking neural networks
    """
    return assemble(
        changes,
        name="IAF",
        about="constant leak, soft reset",
        reference="Sinabs, quick introduction to spiking neural networks",
        evolve="tau dv/dt = -v_leak + R*(I_syn + I_bias)\nv >= v_min",
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- v - theta",
        tau=tau,
        R=R,
        v_leak=v_leak,
        I_syn=I_syn,
        I_bias=I_bias,
        theta=theta,
        v_min=v_min,
        v=0,
    )


def fold_leak(neuron: Neuron) -> Neuron:
    """The same neuron without its constant leak, which has gone into the bias: I_bias - v_leak/R.

    ``tau dv/dt = -v_leak + R*(I_syn + I_bias)`` is ``tau dv/dt = R*(I_syn + I_bias')`` with
    ``I_bias' = I_bias - v_leak/R``. The Sinabs introduction prints a plus sign there; from its own equation
    it is a minus: a leak takes away.

    Parameters
    ----------
    neuron : Neuron
        An `IAF`, or any neuron with that evolve row.

    Raises
    ------
    InputError
        If the evolve row is another one, or R, v_leak or I_bias is random or not given.

    Examples
    --------
    >>> folded = fold_leak(IAF(R=2, v_leak=0.1, I_bias=0.3))
    >>> folded.parameters["I_bias"].value
    0.25
    >>> folded.evolve.splitlines()[0]
    'tau dv/dt = R*(I_syn + I_bias)'
    """
    old, new = "tau dv/dt = -v_leak + R*(I_syn + I_bias)", "tau dv/dt = R*(I_syn + I_bias)"
    lines = neuron.evolve.splitlines()
    if old not in lines:
        raise InputError(f"{neuron.name} has no constant leak to fold; its evolve row must hold  {old}")
    for name in ("R", "v_leak", "I_bias"):
        q = neuron.parameters.get(name)
        if q is None or isinstance(q.value, Distribution):
            fix = f"give it with {neuron.name}.replace({name}=...)"
            raise InputError(f"fold_leak needs a number or an array for {name}; {fix}")
    bias, leak, R = (neuron.parameters[n] for n in ("I_bias", "v_leak", "R"))
    value: Any = bias.value - leak.value / R.value  # type: ignore[operator]
    evolve = "\n".join(new if line == old else line for line in lines)
    return neuron.replace(evolve=evolve, I_bias=Quantity(value, bias.dimension))


_LIF: Final[dict[str, tuple[str, dict[str, Value]]]] = {
    "tau": (
        "tau dv/dt = E_L - v + R*I",
        {
            "tau": "20 ms",
            "R": "100 MOhm",
            "E_L": "-70 mV",
            "theta": "-50 mV",
            "v_r": "-70 mV",
            "refractory": "2 ms",
            "I": "0 nA",
        },
    ),
    "conductance": (
        "C dv/dt = -g_L*(v - E_L) + I",
        {
            "C": "200 pF",
            "g_L": "10 nS",
            "E_L": "-70 mV",
            "theta": "-50 mV",
            "v_r": "-65 mV",
            "refractory": "2 ms",
            "I": "0 nA",
        },
    ),
    "dimensionless": ("tau dv/dt = I - v", {"tau": "20 ms", "theta": 1, "v_r": 0, "refractory": "0 ms", "I": 0}),
}


def LIF(
    *,
    form: str | None = None,
    tau: Value = ...,
    R: Value = ...,
    C: Value = ...,
    g_L: Value = ...,
    E_L: Value = ...,
    theta: Value = ...,
    v_r: Value = ...,
    refractory: Value = ...,
    I: Value = ...,
    **changes: Any,
) -> Neuron:
    """Leaky integrate-and-fire neuron.

    ``tau dv/dt = E_L - v + R*I``; ``v <- v + w_i``; fires when ``v > theta``; then ``v <- v_r``, held for
    t_ref.

    Parameters
    ----------
    form : {"tau", "conductance", "dimensionless"}, optional
        How the evolve row is written; "conductance" if C or g_L is given, else "tau".
        The forms, and the values that ``...`` stands for in them (I is 0 in all):

        ============= ============================ ==========================================
        form          evolve                       values
        ============= ============================ ==========================================
        tau           tau dv/dt = E_L - v + R*I    tau 20 ms, R 100 MOhm, E_L -70 mV,
                                                   theta -50 mV, v_r -70 mV, refractory 2 ms
        conductance   C dv/dt = -g_L*(v - E_L) + I C 200 pF, g_L 10 nS, E_L -70 mV,
                                                   theta -50 mV, v_r -65 mV, refractory 2 ms
        dimensionless tau dv/dt = I - v            tau 20 ms, theta 1, v_r 0, refractory 0 ms
        ============= ============================ ==========================================
    tau, refractory : time
        Membrane time constant; how long v is clamped after a spike
        (``refractory=None``: not at all).
    R, C, g_L : resistance, capacitance, conductance
        ``R = 1/g_L`` and ``tau = C/g_L`` join the first two forms. g_L = 0 is the perfect integrator.
    E_L, theta, v_r : voltage
        Rest, threshold, reset.
    I : current
        Injected current, which `simulate` may override; ``I=None`` makes it an input that it must be given.
    **changes
        Other rows, initial values (``v=``), ``name=``.

    Raises
    ------
    InputError
        If a value is given that the form does not have.

    Notes
    -----
    The threshold is strict, as in most books; NEST fires at equality (``threshold="v >= theta"``). The
    smallest current that makes it fire is ``(theta - E_L)/R = g_L*(theta - E_L)``: 0.2 nA with either set of
    values.

    References
    ----------
    Gerstner, Kistler, Naud & Paninski (2014) Neuronal Dynamics, eq. (1.5), doi:10.1017/CBO9781107447615.

    Examples
    --------
    >>> print(LIF())
    LIF
      evolve      tau dv/dt = E_L - v + R*I
      receive     v <- v + w_i
      threshold   v > theta
      reset       v <- v_r
      refractory  v: t_ref
      parameters  tau = 20 ms, R = 100 MOhm, E_L = -70 mV, theta = -50 mV, v_r = -70 mV, I = 0 nA, t_ref = 2
      ms reference   Gerstner, Kistler, Naud & Paninski (2014) Neuronal Dynamics,
      doi:10.1017/CBO9781107447615, eq. (1.5)
    >>> LIF(C="1 nF").evolve
    'C dv/dt = -g_L*(v - E_L) + I'
    >>> LIF(form="dimensionless", theta=100, tau="2 s").parameters["tau"].value
    2000.0
    """
    given = {
        "tau": tau,
        "R": R,
        "C": C,
        "g_L": g_L,
        "E_L": E_L,
        "theta": theta,
        "v_r": v_r,
        "refractory": refractory,
        "I": I,
    }
    if form is None:
        form = "conductance" if C is not ... or g_L is not ... else "tau"
    values = pick("LIF", form, {k: defaults for k, (_, defaults) in _LIF.items()}, given)
    return assemble(
        changes,
        name="LIF",
        reference=f"{BOOK}, eq. (1.5)",
        evolve=_LIF[form][0],
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- v_r",
        **values,
    )
