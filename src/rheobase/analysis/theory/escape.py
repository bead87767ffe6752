"""The LIF with escape noise: hazard, survivor function, intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rheobase.analysis.theory.arguments import CUT, Floats, integrate, legendre, plain, positive
from rheobase.analysis.theory.intervals import Intervals
from rheobase.errors import InputError

__all__ = ["escape_hazard", "escape_isi", "escape_survivor"]


def escape_hazard(v: ArrayLike, tau_0: float, theta: float, delta_u: float) -> Any:
    r"""Return the exponential escape rate in 1/ms, :math:`e^{(v - \theta)/\Delta_u}/\tau_0`.

    The chance of a spike in a step dt at fixed v is ``-np.expm1(-hazard * dt)``, not hazard*dt.

    Parameters
    ----------
    v : array or float
        Potential in mV.
    tau_0 : float
        Mean interval at threshold in ms.
    theta, delta_u : float
        Threshold and width in mV.

    References
    ----------
    Gerstner et al. (2014), Neuronal Dynamics, section 9.1.

    Examples
    --------
    >>> round(escape_hazard(0.9, tau_0=50, theta=1, delta_u=0.2), 8)
    0.01213061
    """
    positive("tau_0", tau_0, "ms"), positive("delta_u", delta_u, "mV")
    return plain(np.exp((np.asarray(v, dtype=np.float64) - theta) / delta_u) / tau_0)


def _expected_spikes(t: Floats, v_inf: float, tau: float, hazard: float, start: float) -> Floats:
    """Return the integral of hazard*exp(start*exp(-s/tau)) over s in (0, t)."""
    from scipy.special import exp1, expi

    if start == 0:
        return hazard * t
    z = abs(start) * np.exp(-t / tau)
    tiny = z < 1e-9
    sign = -1.0 if start > 0 else 1.0
    kernel = exp1 if start < 0 else (lambda x: -expi(x))
    # E1(z) = -gamma - ln z + z - ...: for small z the logarithm is t/tau, taken without the round trip
    # through exp
    small = -np.euler_gamma - np.log(abs(start)) + t / tau + sign * z
    late = np.where(tiny, small, kernel(np.where(tiny, 1.0, z)))
    whole = hazard * tau * (late - kernel(abs(start)))
    # soon after the reset that difference cancels, and the integrand is almost straight
    early = t * max(1.0, abs(start)) < tau
    x, w = legendre(24)
    s = np.where(early, t, 0.0)[..., None] * x
    straight = hazard * t * (np.exp(start * np.exp(-s / tau)) @ w)
    return np.where(early, straight, whole)


def escape_survivor(
    t: ArrayLike, v_inf: float, tau: float, tau_0: float, theta: float, delta_u: float, v_r: float = 0.0
) -> Any:
    r"""Return the probability that the LIF with escape noise has not fired until t ms after the reset.

    .. math:: S(t) = \exp\left(-\int_0^t \frac{1}{\tau_0} e^{(v(s) - \theta)/\Delta_u}\,ds\right), \qquad
              v(s) = v_\infty + (v_r - v_\infty)\,e^{-s/\tau}

    The inner integral is closed, a difference of exponential integrals.

    Parameters
    ----------
    t : array or float
        Time since the reset in ms.
    v_inf, v_r : float
        Potential without spikes, E_L + R I, and reset, in mV.
    tau : float
        Membrane time constant in ms.
    tau_0, theta, delta_u : float
        As for `escape_hazard`.

    References
    ----------
    Gerstner et al. (2014), Neuronal Dynamics, chapters 7 and 9.

    Examples
    --------
    >>> round(escape_survivor(57.1403250157502, 0.9, tau=10, tau_0=50, theta=1, delta_u=0.2, v_r=0.9), 9)
    0.5
    """
    positive("tau", tau, "ms")
    hazard = escape_hazard(v_inf, tau_0, theta, delta_u)
    time = np.maximum(np.asarray(t, dtype=np.float64), 0.0)
    return plain(np.exp(-_expected_spikes(time, v_inf, tau, hazard, (v_r - v_inf) / delta_u)))


def escape_isi(
    v_inf: float, tau: float, tau_0: float, theta: float, delta_u: float, v_r: float = 0.0, t_ref: float = 0.0
) -> Intervals:
    r"""Return mean and variance of the intervals of the LIF with escape noise under constant current.

    .. math:: \langle T\rangle = t_{ref} + \int_0^\infty S(t)\,dt, \qquad
              \langle (T - t_{ref})^2\rangle = 2\int_0^\infty t\,S(t)\,dt

    with S of `escape_survivor`.

    Parameters
    ----------
    v_inf, tau, tau_0, theta, delta_u, v_r
        As for `escape_survivor`.
    t_ref : float
        Refractory period in ms, without hazard and before the potential starts from v_r.

    References
    ----------
    Gerstner et al. (2014), Neuronal Dynamics, chapter 9.

    Examples
    --------
    >>> found = escape_isi(1.2, tau=10, tau_0=2, theta=1, delta_u=0.2)
    >>> round(found.mean, 6), round(found.cv, 6)
    (11.148977, 0.371334)
    """
    from scipy.optimize import brentq

    positive("t_ref", t_ref, "ms", zero=True), positive("tau", tau, "ms")
    hazard = escape_hazard(v_inf, tau_0, theta, delta_u)
    start = (v_r - v_inf) / delta_u
    if not (hazard > 0 and np.isfinite(hazard) and start < 700):
        raise InputError(f"v_inf = {v_inf!r} and v_r = {v_r!r} are too far from theta = {theta!r} in units of delta_u.")

    def expected(t: float) -> float:
        return float(_expected_spikes(np.asarray(t), v_inf, tau, hazard, start))

    late = tau
    while expected(late) < CUT:
        late *= 2
    edges = [0.0]
    for level in (1e-2, 0.1, 0.5, 1, 2, 4, 8, 16, CUT):
        edges.append(float(brentq(lambda t, level=level: expected(t) - level, edges[-1], late, xtol=1e-300, rtol=1e-9)))
    mean = integrate(lambda t: float(np.exp(-expected(t))), edges)
    second = 2 * integrate(lambda t: float(t * np.exp(-expected(t))), edges)
    return Intervals(mean + t_ref, second - mean**2)
