"""The leaky integrate-and-fire neuron under constant, periodic and step currents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rheobase.analysis.theory.arguments import above, plain, positive

__all__ = ["gain_and_phase", "lif_rate", "lif_rheobase", "step_response"]


def lif_rheobase(R: float, E_L: float, theta: float) -> float:
    r"""Return the smallest constant current in nA that makes the LIF fire, :math:`(\theta - E_L)/R`.

    Parameters
    ----------
    R : float
        Resistance in MOhm.
    E_L, theta : float
        Resting potential and threshold in mV.

    References
    ----------
    Gerstner, Kistler, Naud, Paninski (2014), Neuronal Dynamics, section 1.3.

    Examples
    --------
    >>> lif_rheobase(R=100, E_L=-70, theta=-50)
    0.2
    """
    positive("R", R, "MOhm")
    return (theta - E_L) / R


def lif_rate(
    I: ArrayLike,
    tau: ArrayLike,
    R: ArrayLike,
    E_L: ArrayLike,
    theta: ArrayLike,
    v_r: ArrayLike,
    t_ref: ArrayLike = 0.0,
) -> Any:
    r"""Return the firing rate in Hz of the LIF under constant current.

    .. math:: \nu = \left[t_{ref} + \tau \ln\frac{E_L + RI - v_r}{E_L + RI - \theta}\right]^{-1}

    0 at and below the rheobase. All arguments broadcast.

    Parameters
    ----------
    I : array or float
        Current in nA.
    tau, t_ref : float
        Membrane time constant and refractory period in ms.
    R : float
        Resistance in MOhm.
    E_L, theta, v_r : float
        Resting potential, threshold and reset in mV.

    Raises
    ------
    InputError
        If tau or R is not positive, t_ref is negative, or theta is not above v_r.

    References
    ----------
    Gerstner et al. (2014), Neuronal Dynamics, section 1.3.

    Examples
    --------
    >>> lif_rate([0.2, 0.3], tau=20, R=100, E_L=-70, theta=-50, v_r=-70, t_ref=2).round(6)
    array([ 0.      , 41.714907])
    """
    tau, R, t_ref = (
        positive("tau", tau, "ms"),
        positive("R", R, "MOhm"),
        positive("t_ref", t_ref, "ms", zero=True),
    )
    above("theta", theta, "v_r", v_r)
    theta, v_r = np.asarray(theta, dtype=np.float64), np.asarray(v_r, dtype=np.float64)
    # the distance from the rheobase, formed in the current: differences of large potentials would lose it
    drive = R * (np.asarray(I, dtype=np.float64) - (theta - np.asarray(E_L, dtype=np.float64)) / R)
    fires = drive > 0
    interval = t_ref + tau * np.log1p((theta - v_r) / np.where(fires, drive, 1.0))
    return plain(np.where(fires, 1e3 / interval, 0.0))


def gain_and_phase(omega: ArrayLike, tau: float, R: float = 1.0) -> tuple[Any, Any]:
    r"""Return gain (MOhm) and phase (rad) of the subthreshold LIF, :math:`R/(1 + i\omega\tau)`.

    Parameters
    ----------
    omega : array or float
        Angular frequency in rad/ms (2 pi f / 1000 for f in Hz).
    tau, R : float
        Membrane time constant in ms, resistance in MOhm.

    References
    ----------
    Gerstner et al. (2014), Neuronal Dynamics, section 1.3.

    Examples
    --------
    >>> gain, phase = gain_and_phase(0.1, tau=10, R=2)
    >>> round(gain, 6), round(phase, 6)
    (1.414214, -0.785398)
    """
    positive("tau", tau, "ms"), positive("R", R, "MOhm")
    x = np.asarray(omega, dtype=np.float64) * tau
    return plain(R / np.hypot(1.0, x)), plain(-np.arctan(x))


def step_response(t: ArrayLike, I: float, on: float, off: float, tau: float, R: float) -> Any:
    r"""Return the potential in mV, above rest, of the LIF without threshold during and after a current step.

    .. math:: v(t) = RI\,(1 - e^{-(t - t_{on})/\tau}), \qquad v(t > t_{off}) =
              v(t_{off})\,e^{-(t - t_{off})/\tau}

    Parameters
    ----------
    t : array or float
        Times in ms.
    I, on, off : float
        Height of the step in nA, its begin and its end in ms.
    tau, R : float
        Membrane time constant in ms, resistance in MOhm.

    Examples
    --------
    >>> step_response([5, 25, 45], I=1, on=5, off=25, tau=20, R=10).round(4)
    array([0.    , 6.3212, 2.3254])
    """
    positive("tau", tau, "ms"), positive("R", R, "MOhm")
    above("off", off, "on", on)
    time = np.asarray(t, dtype=np.float64)
    rise = -np.expm1(-np.clip(time - on, 0, off - on) / tau)
    return plain(R * I * rise * np.exp(-np.maximum(time - off, 0) / tau))
