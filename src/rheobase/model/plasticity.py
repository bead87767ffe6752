"""Plastic synapses: short-term plasticity and plasticity that depends on the times of spikes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.distribution import Distribution
from rheobase.model.quantity import read_quantity
from rheobase.model.synapse import Synapse

__all__ = ["reward_stdp", "static", "stdp", "triplet_stdp", "tsodyks_markram"]

_REWARD: Final = "Izhikevich (2007) Cereb. Cortex 17: 2443, doi:10.1093/cercor/bhl152"
_TRIPLET: Final = "Pfister & Gerstner (2006) J. Neurosci. 26: 9673, doi:10.1523/JNEUROSCI.1425-06.2006"
_SYMMETRIC: Final = "Morrison, Diesmann & Gerstner (2008) Biol. Cybern. 98: 459, doi:10.1007/s00422-008-0233-1"


def static() -> Synapse:
    """Return a synapse that never changes: what arrives is its weight. It is what `connect` makes without `synapse=`.

    >>> static().is_static
    True
    """
    return Synapse(name="static")


def tsodyks_markram(U: Any = 0.5, tau_rec: Any = "800 ms", tau_facil: Any = 0, **changes: Any) -> Synapse:
    """Return short-term depression and facilitation: the n-th spike delivers w*u_n*x_n.

    ``u_1 = U``, ``x_1 = 1``; after T without spikes ``u <- U + u*(1 - U)*exp(-T/tau_facil)`` and
    ``x <- 1 + (x - u*x - 1)*exp(-T/tau_rec)``. Without `tau_facil` (0), u stays U.

    Parameters
    ----------
    U : float, array or distribution
        The part of the resources x that a first spike uses, in 0 .. 1.
    tau_rec, tau_facil : time
        How fast resources recover, and facilitation is lost.

    References
    ----------
    Markram, Wang & Tsodyks (1998) PNAS 95: 5323, doi:10.1073/pnas.95.9.5323. NEST's ``tsodyks2_synapse``.

    Examples
    --------
    >>> print(tsodyks_markram(U=0.03, tau_rec="130 ms", tau_facil="530 ms"))
    Tsodyks-Markram: short-term plasticity
      evolve      tau_rec dx/dt = 1 - x
                  tau_facil du/dt = -u
      on_pre      u <- u + U*(1 - u)
                  w_i <- w*u*x
                  x <- x - u*x
      parameters  U = 0.03, tau_rec = 130 ms, tau_facil = 530 ms
      start       x = 1
      reference   Markram, Wang & Tsodyks (1998) PNAS 95: 5323, doi:10.1073/pnas.95.9.5323
    """
    share = read_quantity(U, "U")
    if isinstance(share.value, Distribution):
        inside = share.value.lowest >= 0 and share.value.highest <= 1
    else:
        inside = bool(np.all((np.asarray(share.value) >= 0) & (np.asarray(share.value) <= 1)))
    if not inside:
        bound = "; bound it by low=0, high=1" if isinstance(share.value, Distribution) else ""
        raise InputError(f"U = {share} must lie between 0 and 1; it is the part of the resources that is used{bound}")
    late = read_quantity(tau_facil, "tau_facil").value
    facilitates = not isinstance(late, float) or late != 0
    fields: dict[str, Any] = {
        "evolve": "tau_rec dx/dt = 1 - x" + ("\ntau_facil du/dt = -u" if facilitates else ""),
        "on_pre": "u <- u + U*(1 - u)\nw_i <- w*u*x\nx <- x - u*x" if facilitates else "w_i <- w*U*x\nx <- x - U*x",
        "U": share,
        "tau_rec": tau_rec,
        "tau_facil": tau_facil if facilitates else None,
        "x": 1,
        "name": "Tsodyks-Markram",
        "about": "short-term plasticity",
        "reference": "Markram, Wang & Tsodyks (1998) PNAS 95: 5323, doi:10.1073/pnas.95.9.5323",
    }
    return Synapse(**(fields | changes))


def stdp(
    A_plus: Any = 0.01,
    A_minus: Any = 0.0105,
    tau_plus: Any = "20 ms",
    tau_minus: Any = "20 ms",
    w_max: Any = 1.0,
    rule: str = "additive",
    pairing: str = "all",
    **changes: Any,
) -> Synapse:
    """Return pair-based spike-timing-dependent plasticity.

    With traces x of the presynaptic and y of the postsynaptic spikes, each raised by 1 (``pairing="all"``) or set to
    1 (``"nearest"``, symmetric) by a spike and decaying with tau_plus and tau_minus:

    ============== =============================== ================================
    rule           on a presynaptic spike          when the target fires
    ============== =============================== ================================
    additive       ``w <- w - A_minus*w_max*y``    ``w <- w + A_plus*w_max*x``
    multiplicative ``w <- w - A_minus*w*y``        ``w <- w + A_plus*(w_max - w)*x``
    ============== =============================== ================================

    and w stays in 0 .. w_max. `A_plus` and `A_minus` are numbers, the largest change as a part of w_max.

    Parameters
    ----------
    w_max : number or str
        In the unit of the weight.
    **changes
        Rows or names in place of these; ``delay="dendritic"`` is NEST's ``stdp_synapse``.

    References
    ----------
    Song, Miller & Abbott (2000) Nature Neurosci. 3: 919, doi:10.1038/78829 (additive); Morrison, Diesmann & Gerstner
    (2008) Biol. Cybern. 98: 459, doi:10.1007/s00422-008-0233-1.

    Examples
    --------
    >>> print(stdp(w_max="2 mV", rule="multiplicative").on_post)
    w <- w + A_plus*(w_max - w)*x
    y <- y + 1
    """
    rules = {
        "additive": ("A_minus*w_max", "A_plus*w_max"),
        "multiplicative": ("A_minus*w", "A_plus*(w_max - w)"),
    }
    if rule not in rules:
        raise InputError(f"rule = {rule!r:.60} must be 'additive' or 'multiplicative'; other rules are written as rows")
    if pairing not in ("all", "nearest"):
        raise InputError(f"pairing = {pairing!r:.60} must be 'all' or 'nearest'")
    down, up = rules[rule]
    fields: dict[str, Any] = {
        "evolve": "tau_plus dx/dt = -x\ntau_minus dy/dt = -y\nw >= 0\nw <= w_max",
        "on_pre": f"w <- w - {down}*y\nx <- {'x + 1' if pairing == 'all' else '1'}",
        "on_post": f"w <- w + {up}*x\ny <- {'y + 1' if pairing == 'all' else '1'}",
        "A_plus": A_plus,
        "A_minus": A_minus,
        "tau_plus": tau_plus,
        "tau_minus": tau_minus,
        "w_max": w_max,
        "name": "STDP",
        "about": f"{rule}, {'all' if pairing == 'all' else 'nearest'} pairs",
        "reference": _SYMMETRIC,
    }
    return Synapse(**(fields | changes))


def triplet_stdp(
    A2_plus: Any = 5e-10,
    A3_plus: Any = 6.2e-3,
    A2_minus: Any = 7e-3,
    A3_minus: Any = 2.3e-4,
    tau_plus: Any = "16.8 ms",
    tau_x: Any = "101 ms",
    tau_minus: Any = "33.7 ms",
    tau_y: Any = "125 ms",
    w_max: Any = 1.0,
    **changes: Any,
) -> Synapse:
    """Return the triplet rule, all-to-all: pairs, and pairs with one more spike of either side.

    With fast and slow traces r_1, r_2 of the presynaptic and o_1, o_2 of the postsynaptic spikes: a presynaptic spike
    changes w by ``-w_max*o_1*(A2_minus + A3_minus*r_2)``, a postsynaptic one by ``w_max*r_1*(A2_plus + A3_plus*o_2)``,
    r_2 and o_2 as they were just before the spike. w stays in 0 .. w_max. The values are those that the paper fitted
    to visual cortex.

    References
    ----------
    Pfister & Gerstner (2006) J. Neurosci. 26: 9673, doi:10.1523/JNEUROSCI.1425-06.2006, the full model. The
    values are those of NEST's ``stdp_triplet_synapse``, too.

    Examples
    --------
    >>> triplet_stdp().states
    ('w', 'r_1', 'r_2', 'o_1', 'o_2')
    """
    fields: dict[str, Any] = {
        "evolve": "tau_plus dr_1/dt = -r_1\ntau_x dr_2/dt = -r_2\ntau_minus do_1/dt = -o_1\ntau_y do_2/dt = -o_2\n"
        "w >= 0\nw <= w_max",
        "on_pre": "w <- w - w_max*o_1*(A2_minus + A3_minus*r_2)\nr_1 <- r_1 + 1\nr_2 <- r_2 + 1",
        "on_post": "w <- w + w_max*r_1*(A2_plus + A3_plus*o_2)\no_1 <- o_1 + 1\no_2 <- o_2 + 1",
        "A2_plus": A2_plus,
        "A3_plus": A3_plus,
        "A2_minus": A2_minus,
        "A3_minus": A3_minus,
        "tau_plus": tau_plus,
        "tau_x": tau_x,
        "tau_minus": tau_minus,
        "tau_y": tau_y,
        "w_max": w_max,
        "name": "triplet STDP",
        "reference": _TRIPLET,
    }
    return Synapse(**(fields | changes))


def reward_stdp(
    A_plus: Any = 0.01,
    A_minus: Any = 0.015,
    tau_plus: Any = "20 ms",
    tau_minus: Any = "20 ms",
    tau_c: Any = "1 s",
    tau_d: Any = "200 ms",
    w_max: Any = 1.0,
    **changes: Any,
) -> Synapse:
    """Return reward-modulated STDP: pairs of spikes change an eligibility trace c, and reward turns it into weight.

    ``dc/dt = -c/tau_c``, which a presynaptic spike changes by ``-A_minus*y`` and a postsynaptic one by ``A_plus*x``;
    the concentration of dopamine ``dD/dt = -D/tau_d``, raised by each reward; and ``dw/dt = w_max*c*D`` (per ms). The
    product p = c*D decays with both rates, so that w, too, is carried exactly from event to event. At events w is kept
    in 0 .. w_max.

    Parameters
    ----------
    A_plus, A_minus : float
        Per ms, with a reward of 1: parts of w_max.

    References
    ----------
    Izhikevich (2007) Cereb. Cortex 17: 2443, doi:10.1093/cercor/bhl152; all pairs, additive.

    Examples
    --------
    >>> print(reward_stdp().on_reward)
    D <- D + reward
    p <- c*D
    """
    fields: dict[str, Any] = {
        "evolve": "tau_plus dx/dt = -x\ntau_minus dy/dt = -y\ntau_c dc/dt = -c\ntau_d dD/dt = -D\n"
        "dp/dt = -p/tau_c - p/tau_d\ndw/dt = k*w_max*p\nw >= 0\nw <= w_max",
        "on_pre": "c <- c - A_minus*y\np <- c*D\nx <- x + 1",
        "on_post": "c <- c + A_plus*x\np <- c*D\ny <- y + 1",
        "on_reward": "D <- D + reward\np <- c*D",
        "A_plus": A_plus,
        "A_minus": A_minus,
        "tau_plus": tau_plus,
        "tau_minus": tau_minus,
        "tau_c": tau_c,
        "tau_d": tau_d,
        "k": "1 kHz",
        "w_max": w_max,
        "name": "reward-modulated STDP",
        "reference": _REWARD,
    }
    return Synapse(**(fields | changes))
