"""Neurons with voltage-gated channels: Hodgkin and Huxley's axon, Traub and Miles's pyramidal cell."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from rheobase.model.compute import compute
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import read_quantity
from rheobase.model.zoo.assemble import Value, assemble, pick

__all__ = ["HH"]

_CURRENTS: Final = "C dv/dt = g_L*(E_L - v) + g_Na*m**3*h*(E_Na - v) + g_K*n**4*(E_K - v)"
_GATES: Final = """dm/dt = alpha_m*(1 - m) - beta_m*m
dh/dt = alpha_h*(1 - h) - beta_h*h
dn/dt = alpha_n*(1 - n) - beta_n*n
"""
_SQUID: Final = f"""{_CURRENTS} + I
{_GATES}V = v/mV
alpha_m = 1/exprel(-(V + 40)/10)/ms
beta_m = 4*exp(-(V + 65)/18)/ms
alpha_h = 0.07*exp(-(V + 65)/20)/ms
beta_h = 1/(exp(-(V + 35)/10) + 1)/ms
alpha_n = 0.1/exprel(-(V + 55)/10)/ms
beta_n = 0.125*exp(-(V + 65)/80)/ms"""
_TRAUB: Final = f"""{_CURRENTS} + g_e*(E_e - v) + g_i*(E_i - v) + I
{_GATES}tau_e dg_e/dt = -g_e
tau_i dg_i/dt = -g_i
V = (v - v_T)/mV
alpha_m = 1.28/exprel((13 - V)/4)/ms
beta_m = 1.4/exprel((V - 40)/5)/ms
alpha_h = 0.128*exp((17 - V)/18)/ms
beta_h = 4/(1 + exp((40 - V)/5))/ms
alpha_n = 0.16/exprel((15 - V)/5)/ms
beta_n = 0.5*exp((10 - V)/40)/ms"""

_UNITS: Final = {"mV": "1 mV", "ms": "1 ms"}
_FORMS: Final[dict[str, dict[str, Value]]] = {
    "squid": {
        "C": "100 pF",
        "g_Na": "12 uS",
        "g_K": "3.6 uS",
        "g_L": "30 nS",
        "E_Na": "50 mV",
        "E_K": "-77 mV",
        "E_L": "-54.387 mV",
        "theta": "0 mV",
        "t_ref": "2 ms",
        "I": "0 nA",
        "v": "-65 mV",
    },
    "traub": {
        "C": "200 pF",
        "g_Na": "20 uS",
        "g_K": "6 uS",
        "g_L": "10 nS",
        "E_Na": "50 mV",
        "E_K": "-90 mV",
        "E_L": "-65 mV",
        "v_T": "-63 mV",
        "E_e": "0 mV",
        "E_i": "-80 mV",
        "tau_e": "5 ms",
        "tau_i": "10 ms",
        "theta": "-20 mV",
        "t_ref": "3 ms",
        "I": "0 nA",
        "v": "-65 mV",
    },
}


def _rest_gates(neuron: Neuron, v: float) -> dict[str, float]:
    """Return the gates' steady state at v, where alpha (1 - x) = beta x."""
    rows = neuron.rows
    known: dict[str, Any] = {n: neuron.parameters[n].value for n in ("mV", "ms", "v_T") if n in neuron.parameters}
    known["v"] = v
    for name, e in rows.derived:
        if e.names <= known.keys():
            known[name] = compute(e.tree, known)
    out = {}
    for flow in rows.flows:
        if flow.state in "mhn":
            alpha, minus_beta = (float(compute(flow.right.tree, {**known, flow.state: x})) for x in (0.0, 1.0))
            out[flow.state] = alpha / (alpha - minus_beta)
    return out


def HH(
    *,
    form: str = "squid",
    C: Value = ...,
    g_Na: Value = ...,
    g_K: Value = ...,
    g_L: Value = ...,
    E_Na: Value = ...,
    E_K: Value = ...,
    E_L: Value = ...,
    v_T: Value = ...,
    E_e: Value = ...,
    E_i: Value = ...,
    tau_e: Value = ...,
    tau_i: Value = ...,
    theta: Value = ...,
    t_ref: Value = ...,
    I: Value = ...,
    v: Value = ...,
    **changes: Any,
) -> Neuron:
    """Hodgkin-Huxley neuron: sodium and potassium channels with gates m, h and n.

    ``C dv/dt = g_L*(E_L - v) + g_Na*m**3*h*(E_Na - v) + g_K*n**4*(E_K - v) + I``,
    ``dm/dt = alpha_m*(1 - m) - beta_m*m`` and so for h and n; squid ``v <- v + w_i``, traub exc
    ``g_e <- g_e + w_i``, inh ``g_i <- g_i + w_i``; fires when ``v > theta``; no reset. After a spike the
    threshold is suspended for t_ref; v goes on.

    Parameters
    ----------
    form : {"squid", "traub"}
        The giant axon of 1952 with rest at -65 mV, or a pyramidal cell of the hippocampus with synapses.
        The values that ``...`` stands for:

        ===== ======= ===== ====== ===== ==== ==== ======= ============================== ===== =====
        form  C       g_Na  g_K    g_L   E_Na E_K  E_L     synapses                       theta t_ref
        ===== ======= ===== ====== ===== ==== ==== ======= ============================== ===== =====
        squid 100 pF  12 uS 3.6 uS 30 nS 50   -77  -54.387                                0     2 ms
        traub 200 pF  20 uS 6 uS   10 nS 50   -90  -65     E_e 0, E_i -80, tau 5 and 10   -20   3 ms
        ===== ======= ===== ====== ===== ==== ==== ======= ============================== ===== =====
    C, g_Na, g_K, g_L : capacitance, conductance
        Of the whole cell. Squid: the published densities (1 uF, 120, 36 and 0.3 mS per cm**2) over 10,000
        um**2.
    E_Na, E_K, E_L, E_e, E_i : voltage
        Reversal potentials.
    v_T : voltage
        By how much the rates of traub are shifted, -63 mV.
    tau_e, tau_i, t_ref : time
        Of the synaptic conductances; how long a spike is not counted again.
    theta : voltage
        Where a spike is counted.
    I : current
        Injected current, 0; `simulate` may be given another.
    v : voltage
        Start, -65 mV. The gates start at their steady state for it (at -65 mV if v is random).
    **changes
        Other rows, initial values (``m=``), ``name=``.

    Raises
    ------
    InputError
        If there is no such form, or it does not have a value that is given.

    Notes
    -----
    Signs are today's: v is inside minus outside, inward current depolarises. Rates such as
    ``0.1*(v + 40)/(1 - exp(-(v + 40)/10))`` are written as ``1/exprel(-(V + 40)/10)`` with V = v/mV, which
    has no 0/0; exprel(x) = (exp(x) - 1)/x. NEST counts a spike at the maximum of v instead.

    References
    ----------
    Hodgkin & Huxley (1952) J. Physiol. 117:500-544, eqs. (7), (12), (13), (15), (16), (20)-(26), table 3,
    doi:10.1113/jphysiol.1952.sp004764. Traub & Miles (1991) Neuronal Networks of the Hippocampus, Cambridge
    University Press, with the values of Brette et al. (2007), benchmark 3, doi:10.1007/s10827-007-0038-6.

    Examples
    --------
    >>> axon = HH()
    >>> print(axon.evolve)
    C dv/dt = g_L*(E_L - v) + g_Na*m**3*h*(E_Na - v) + g_K*n**4*(E_K - v) + I
    dm/dt = alpha_m*(1 - m) - beta_m*m
    dh/dt = alpha_h*(1 - h) - beta_h*h
    dn/dt = alpha_n*(1 - n) - beta_n*n
    V = v/mV
    alpha_m = 1/exprel(-(V + 40)/10)/ms
    ...
    >>> {gate: round(axon.initial[gate].value, 4) for gate in "mhn"}
    {'m': 0.0529, 'h': 0.5961, 'n': 0.3177}
    """
    given = {
        "C": C,
        "g_Na": g_Na,
        "g_K": g_K,
        "g_L": g_L,
        "E_Na": E_Na,
        "E_K": E_K,
        "E_L": E_L,
        "v_T": v_T,
        "E_e": E_e,
        "E_i": E_i,
        "tau_e": tau_e,
        "tau_i": tau_i,
        "theta": theta,
        "t_ref": t_ref,
        "I": I,
        "v": v,
    }
    values = pick("HH", form, _FORMS, given) | _UNITS
    rows: dict[str, Any] = {"threshold": "v > theta", "refractory": {"threshold": "t_ref"}}
    if form == "squid":
        rows |= {
            "name": "HH",
            "about": "Hodgkin-Huxley, squid axon",
            "evolve": _SQUID,
            "receive": "v <- v + w_i",
            "reference": "Hodgkin & Huxley (1952) J. Physiol. 117:500-544, doi:10.1113/jphysiol.1952.sp004764",
        }
    else:
        rows |= {
            "name": "HH",
            "about": "Hodgkin-Huxley, Traub-Miles pyramidal cell",
            "evolve": _TRAUB,
            "receive": {"exc": "g_e <- g_e + w_i", "inh": "g_i <- g_i + w_i"},
            "reference": "Traub & Miles (1991); Brette et al. (2007) J. Comput. Neurosci. 23:349-398, "
            "benchmark 3, doi:10.1007/s10827-007-0038-6",
        }
        values |= {"g_e": 0, "g_i": 0}
    neuron = Neuron(**rows, **values)
    start = read_quantity(values["v"], "v").value if values["v"] is not None else -65.0
    if isinstance(start, np.ndarray):
        each = [_rest_gates(neuron, float(x)) for x in start]
        gates: dict[str, Any] = {g: np.array([e[g] for e in each]) for g in "mhn"}
    else:
        gates = dict(_rest_gates(neuron, -65.0 if isinstance(start, Distribution) else start))
    return assemble(gates | changes, **rows, **values)
