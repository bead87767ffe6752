"""The generalised leaky integrate-and-fire family of the Allen Institute."""

from __future__ import annotations

from typing import Any

from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.model.zoo.assemble import Value, assemble

__all__ = ["GLIF"]


def GLIF(
    *,
    level: int = 5,
    C: Value = "58.72 pF",
    g_L: Value = "9.43 nS",
    E_L: Value = "-78.85 mV",
    v_r: Value = "-78.85 mV",
    theta_inf: Value = "-51.68 mV",
    t_ref: Value = "3.75 ms",
    f_v: Value = 0.2,
    delta_v: Value = "18.51 mV",
    delta_s: Value = "0.37 mV",
    b_s: Value = "0.009/ms",
    A_1: Value = "-9.18 pA",
    A_2: Value = "-198.94 pA",
    k_1: Value = "0.003/ms",
    k_2: Value = "0.1/ms",
    r_1: Value = 1,
    r_2: Value = 1,
    a_v: Value = "0.005/ms",
    b_v: Value = "0.09/ms",
    tau_s: Value = "2 ms",
    I: Value = "0 nA",
    **changes: Any,
) -> Neuron:
    """Generalised leaky integrate-and-fire neuron of level 1 to 5, as in NEST's ``glif_psc``.

    Parameters
    ----------
    level : int
        Which parts it has:

        ===== ===================================================================================
        1     ``C dv/dt = -g_L*(v - E_L) + I_syn + I``, alpha current I_syn; ``v <- v_r``
        2     and threshold part ``dtheta_s/dt = -b_s*theta_s``; in place of the reset
              ``v <- E_L + f_v*(v - E_L) + delta_v``, ``theta_s <- theta_s*exp(-b_s*t_ref) + delta_s``
        3     level 1 and after-spike currents ``dI_1/dt = -k_1*I_1``, ``dI_2/dt = -k_2*I_2``;
              ``I_1 <- r_1*I_1*exp(-k_1*t_ref) + A_1`` and the same for I_2
        4     2 and 3
        5     4 and threshold part ``dtheta_v/dt = a_v*(v - E_L) - b_v*theta_v``
        ===== ===================================================================================

        Each fires when ``v > theta_inf + theta_s + theta_v`` (of what it has), and receives
        ``y <- y + e w_i``, the alpha current's peak being w.
    C, g_L : capacitance, conductance
        Membrane.
    E_L, v_r, theta_inf : voltage
        Rest (v starts there), reset of levels 1 and 3, resting threshold; all absolute.
    t_ref, tau_s : time
        How long v, the threshold and the after-spike currents stand still after a spike (the synaptic current
        goes on); time constant of the alpha current.
    f_v, delta_v : number, voltage
        The reset line of levels 2, 4, 5 (``voltage_reset_fraction`` and ``voltage_reset_add``).
    delta_s, b_s : voltage, rate
        Jump and decay of the threshold part (``th_spike_add``, ``th_spike_decay``).
    A_1, A_2, k_1, k_2, r_1, r_2 : current, rate, number
        Jump, decay and what outlives a spike of the after-spike currents (``asc_amps``, ``asc_decay``,
        ``asc_r``).
    a_v, b_v : rate
        Of the threshold part that follows v (``th_voltage_index``, ``th_voltage_decay``).
    I : current
        Injected current; `simulate` may be given another.
    **changes
        Other rows, initial values (``I_1=``), ``name=``.

    Raises
    ------
    InputError
        If level is not 1 to 5.

    Notes
    -----
    In the refractory period NEST holds the threshold and the after-spike currents and takes the decay of that
    time at once, at the spike; so do these rows. The paper lets the after-spike currents begin afterwards. On
    a grid NEST puts the v of the step before into the reset line and averages the after-spike currents over
    each step: differences of first order in dt.

    References
    ----------
    Teeter et al. (2018) Nature Communications 9:709, doi:10.1038/s41467-017-02717-4. Defaults: those
    of NEST's ``glif_psc``, cell 490626718 of the Allen Cell Types Database.

    Examples
    --------
    >>> print(GLIF(level=4).reset)
    v <- E_L + f_v*(v - E_L) + delta_v
    theta_s <- theta_s*exp(-b_s*t_ref) + delta_s
    I_1 <- r_1*I_1*exp(-k_1*t_ref) + A_1
    I_2 <- r_2*I_2*exp(-k_2*t_ref) + A_2
    >>> GLIF().threshold, GLIF(level=1).states
    ('v > theta_inf + theta_s + theta_v', ('v', 'I_syn', 'y'))
    """
    if level not in (1, 2, 3, 4, 5):
        raise InputError(f"level = {level!r}: the levels of GLIF are 1 to 5")
    moving_reset, after_spike, adapting = level in (2, 4, 5), level in (3, 4, 5), level == 5
    evolve = [
        f"C dv/dt = -g_L*(v - E_L) + I_syn{' + I_1 + I_2' if after_spike else ''} + I",
        "tau_s dI_syn/dt = y - I_syn",
        "tau_s dy/dt = -y",
    ]
    values = {
        "C": C,
        "g_L": g_L,
        "E_L": E_L,
        "theta_inf": theta_inf,
        "t_ref": t_ref,
        "tau_s": tau_s,
        "I": I,
        "v": E_L,
        "I_syn": 0,
        "y": 0,
    }
    reset, threshold, clamped = ["v <- v_r"], "v > theta_inf", ["v"]
    if moving_reset:
        evolve += ["dtheta_s/dt = -b_s*theta_s"]
        reset = ["v <- E_L + f_v*(v - E_L) + delta_v", "theta_s <- theta_s*exp(-b_s*t_ref) + delta_s"]
        threshold, clamped = threshold + " + theta_s", [*clamped, "theta_s"]
        values |= {"f_v": f_v, "delta_v": delta_v, "delta_s": delta_s, "b_s": b_s, "theta_s": 0}
    else:
        values |= {"v_r": v_r}
    if after_spike:
        evolve += ["dI_1/dt = -k_1*I_1", "dI_2/dt = -k_2*I_2"]
        reset += [f"I_{j} <- r_{j}*I_{j}*exp(-k_{j}*t_ref) + A_{j}" for j in (1, 2)]
        clamped += ["I_1", "I_2"]
        values |= {"A_1": A_1, "A_2": A_2, "k_1": k_1, "k_2": k_2, "r_1": r_1, "r_2": r_2, "I_1": 0, "I_2": 0}
    if adapting:
        evolve += ["dtheta_v/dt = a_v*(v - E_L) - b_v*theta_v"]
        threshold, clamped = threshold + " + theta_v", [*clamped, "theta_v"]
        values |= {"a_v": a_v, "b_v": b_v, "theta_v": 0}
    return assemble(
        changes,
        name=f"GLIF{level}",
        about=f"generalised leaky integrate-and-fire, level {level}",
        reference="Teeter et al. (2018) Nature Communications 9:709, doi:10.1038/s41467-017-02717-4",
        evolve="\n".join(evolve),
        receive="y <- y + exp(1)*w_i",
        threshold=threshold,
        reset="\n".join(reset),
        refractory=dict.fromkeys(clamped, "t_ref"),
        **values,
    )
