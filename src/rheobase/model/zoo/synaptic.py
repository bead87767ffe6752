"""Leaky integrate-and-fire neurons whose synaptic current has a time course of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.model.zoo.assemble import Value, assemble

__all__ = ["LIFalpha", "LIFbiexp", "LIFexp"]

_ROTTER: Final = "Rotter & Diesmann (1999) Biol. Cybern. 81:381-402, doi:10.1007/s004220050570"
_ROTH: Final = "Roth & van Rossum (2009) in: Computational Modeling Methods for Neuroscientists, MIT Press"

_EXP_ONE: Final = (
    "tau dv/dt = E_L - v + R*(I_syn + I)\ntau_s dI_syn/dt = -I_syn",
    "I_syn <- I_syn + w_i",
)
_EXP_TWO: Final = (
    "tau dv/dt = E_L - v + R*(I_exc + I_inh + I)\ntau_e dI_exc/dt = -I_exc\ntau_i dI_inh/dt = -I_inh",
    {"exc": "I_exc <- I_exc + w_i", "inh": "I_inh <- I_inh + w_i"},
)
_ALPHA_ONE: Final = (
    "tau dv/dt = E_L - v + R*(I_syn + I)\ntau_s dI_syn/dt = y - I_syn\ntau_s dy/dt = -y",
    "y <- y + exp(1)*w_i",
)
_ALPHA_TWO: Final = (
    "tau dv/dt = E_L - v + R*(I_exc + I_inh + I)\ntau_e dI_exc/dt = y_exc - I_exc\ntau_e dy_exc/dt = -y_exc\n"
    "tau_i dI_inh/dt = y_inh - I_inh\ntau_i dy_inh/dt = -y_inh",
    {"exc": "y_exc <- y_exc + exp(1)*w_i", "inh": "y_inh <- y_inh + exp(1)*w_i"},
)
# With q = tau_r/tau_d the answer to y = 1 has the peak q**(1/(1 - q)) = exp(-1/exprel(log(q))), without
# the 0/0 at q = 1.
_BIEXP_ONE: Final = (
    "tau dv/dt = E_L - v + R*(I_syn + I)\ntau_d dI_syn/dt = y - I_syn\ntau_r dy/dt = -y",
    "y <- y + w_i*exp(1/exprel(log(tau_r/tau_d)))",
)
_BIEXP_TWO: Final = (
    "tau dv/dt = E_L - v + R*(I_exc + I_inh + I)\n"
    "tau_de dI_exc/dt = y_exc - I_exc\ntau_re dy_exc/dt = -y_exc\n"
    "tau_di dI_inh/dt = y_inh - I_inh\ntau_ri dy_inh/dt = -y_inh",
    {
        "exc": "y_exc <- y_exc + w_i*exp(1/exprel(log(tau_re/tau_de)))",
        "inh": "y_inh <- y_inh + w_i*exp(1/exprel(log(tau_ri/tau_di)))",
    },
)
_MEMBRANE: Final = ("tau", "R", "E_L", "theta", "v_r", "refractory", "I")


def _build(
    name: str,
    about: str,
    reference: str,
    rows: tuple[tuple[str, Any], tuple[str, Any]],
    given: Mapping[str, Value],
    changes: Mapping[str, Any],
) -> Neuron:
    """Return the one-port neuron, or the two-port one if its time constants are given."""
    times = {k: v for k, v in given.items() if k.startswith("tau_")}
    second = {k: v for k, v in times.items() if k[-1] in "ei"}
    missing = [k for k, v in second.items() if v is None]
    two = len(missing) < len(second)
    if two and missing:
        raise InputError(f"{name}: with two ports {' and '.join(missing)} must be given too")
    evolve, receive = rows[1] if two else rows[0]
    values = {k: given[k] for k in _MEMBRANE} | (second if two else {k: v for k, v in times.items() if k not in second})
    start = {line.partition("/dt")[0].partition(" d")[2]: 0 for line in evolve.splitlines()[1:]}
    return assemble(
        changes,
        name=name,
        about=about,
        reference=reference,
        evolve=evolve,
        receive=receive,
        threshold="v > theta",
        reset="v <- v_r",
        v=given["E_L"],
        **values,
        **start,
    )


def LIFexp(
    *,
    tau: Value = "20 ms",
    tau_s: Value = "5 ms",
    tau_e: Value = None,
    tau_i: Value = None,
    R: Value = "100 MOhm",
    E_L: Value = "-70 mV",
    theta: Value = "-50 mV",
    v_r: Value = "-70 mV",
    refractory: Value = "2 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """LIF neuron with a synaptic current that jumps by w and decays exponentially.

    ``tau dv/dt = E_L - v + R*(I_syn + I)``, ``tau_s dI_syn/dt = -I_syn``; ``I_syn <- I_syn + w_i``;
    fires when ``v > theta``; then ``v <- v_r``, held for t_ref while the current goes on.

    Parameters
    ----------
    tau, tau_s, refractory : time
        Of the membrane, of the synapse; how long v is clamped after a spike.
    tau_e, tau_i : time, optional
        If given, there are two currents, I_exc and I_inh, with the ports ``exc`` and ``inh``, in place of
        tau_s. Inhibitory weights are negative.
    R : resistance
        1/g_L.
    E_L, theta, v_r : voltage
        Rest (v starts there), threshold, reset.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``, ``I_syn=``), ``name=``.

    Raises
    ------
    InputError
        If one of tau_e and tau_i is missing.

    Notes
    -----
    Weights are currents (nA). The same as NEST's ``iaf_psc_exp``, whose threshold is ``v >= theta``. The row
    of the tutorial that calls the synaptic current I is
    ``LIFexp(evolve="tau dv/dt = R*I - v; tau_s dI/dt = -I", receive="I <- I + w_i", I=0, ...)``.

    References
    ----------
    Rotter & Diesmann (1999) Biol. Cybern. 81:381-402, doi:10.1007/s004220050570.

    Examples
    --------
    >>> print(LIFexp(name="cell"))
    cell: LIF, exponential currents
      evolve      tau dv/dt = E_L - v + R*(I_syn + I)
                  tau_s dI_syn/dt = -I_syn
      receive     I_syn <- I_syn + w_i
      threshold   v > theta
      reset       v <- v_r
      refractory  v: t_ref
      parameters  tau = 20 ms, R = 100 MOhm, E_L = -70 mV, theta = -50 mV, v_r = -70 mV, I = 0 nA, tau_s = 5
      ms, t_ref = 2 ms start       v = -70 mV, I_syn = 0
      reference   Rotter & Diesmann (1999) Biol. Cybern. 81:381-402, doi:10.1007/s004220050570
    >>> LIFexp(tau_e="3 ms", tau_i="7 ms").ports
    ('exc', 'inh')
    """
    return _build("LIFexp", "LIF, exponential currents", _ROTTER, (_EXP_ONE, _EXP_TWO), locals(), changes)


def LIFalpha(
    *,
    tau: Value = "20 ms",
    tau_s: Value = "2 ms",
    tau_e: Value = None,
    tau_i: Value = None,
    R: Value = "100 MOhm",
    E_L: Value = "-70 mV",
    theta: Value = "-50 mV",
    v_r: Value = "-70 mV",
    refractory: Value = "2 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """LIF neuron with an alpha-shaped synaptic current, w (e/tau_s) t exp(-t/tau_s): peak w at tau_s.

    ``tau dv/dt = E_L - v + R*(I_syn + I)``, ``tau_s dI_syn/dt = y - I_syn``, ``tau_s dy/dt = -y``;
    ``y <- y + e w_i``; fires when ``v > theta``; then ``v <- v_r``, held for t_ref while the current goes on.

    Parameters
    ----------
    tau, tau_s, refractory : time
        Of the membrane, of the synapse; how long v is clamped after a spike.
    tau_e, tau_i : time, optional
        If given, there are two currents with the ports ``exc`` and ``inh``, in place of tau_s.
    R : resistance
        1/g_L.
    E_L, theta, v_r : voltage
        Rest (v starts there), threshold, reset.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``, ``y=``), ``name=``.

    Raises
    ------
    InputError
        If one of tau_e and tau_i is missing.

    Notes
    -----
    Weights are the current's peak (nA). The same as NEST's ``iaf_psc_alpha``, whose threshold is
    ``v >= theta``.

    References
    ----------
    Rotter & Diesmann (1999) Biol. Cybern. 81:381-402, doi:10.1007/s004220050570.

    Examples
    --------
    >>> print(LIFalpha().receive["spikes"])
    y <- y + exp(1)*w_i
    >>> LIFalpha(tau_e="2 ms", tau_i="4 ms").states
    ('v', 'I_exc', 'y_exc', 'I_inh', 'y_inh')
    """
    return _build("LIFalpha", "LIF, alpha currents", _ROTTER, (_ALPHA_ONE, _ALPHA_TWO), locals(), changes)


def LIFbiexp(
    *,
    tau: Value = "20 ms",
    tau_r: Value = "1 ms",
    tau_d: Value = "5 ms",
    tau_re: Value = None,
    tau_de: Value = None,
    tau_ri: Value = None,
    tau_di: Value = None,
    R: Value = "100 MOhm",
    E_L: Value = "-70 mV",
    theta: Value = "-50 mV",
    v_r: Value = "-70 mV",
    refractory: Value = "2 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """LIF neuron with a synaptic current that rises with tau_r and decays with tau_d, to a peak of w.

    ``tau dv/dt = E_L - v + R*(I_syn + I)``, ``tau_d dI_syn/dt = y - I_syn``, ``tau_r dy/dt = -y``;
    ``y <- y + w_i (tau_d/tau_r)**(tau_d/(tau_d - tau_r))``; fires when ``v > theta``; then ``v <- v_r``.

    The current is w n (exp(-t/tau_d) - exp(-t/tau_r)) with n such that its peak is w. The factor in the
    receive row is written as ``exp(1/exprel(log(tau_r/tau_d)))``, the same number, which at tau_r = tau_d is
    e and makes the alpha current, where the printed form is 0/0.

    Parameters
    ----------
    tau, tau_r, tau_d, refractory : time
        Of the membrane, of the current's rise and decay; how long v is clamped after a spike.
    tau_re, tau_de, tau_ri, tau_di : time, optional
        If given, there are two currents with the ports ``exc`` and ``inh``, in place of tau_r and tau_d.
    R : resistance
        1/g_L.
    E_L, theta, v_r : voltage
        Rest (v starts there), threshold, reset.
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``v=``, ``y=``), ``name=``.

    Raises
    ------
    InputError
        If some but not all of the four time constants of two ports are given.

    References
    ----------
    Roth & van Rossum (2009) Modeling synapses, chapter 6 of De Schutter (ed.) Computational Modeling Methods
    for Neuroscientists, MIT Press.

    Examples
    --------
    >>> LIFbiexp().receive["spikes"]
    'y <- y + w_i*exp(1/exprel(log(tau_r/tau_d)))'
    """
    rows = (_BIEXP_ONE, _BIEXP_TWO)
    return _build("LIFbiexp", "LIF, double-exponential currents", _ROTH, rows, locals(), changes)
