"""Quadratic, exponential and adaptive exponential neurons under constant current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike

from rheobase.analysis.theory.arguments import above, integrate, plain, positive
from rheobase.errors import InputError

__all__ = ["AdExRheobase", "adex_rheobase", "eif_isi", "eif_rheobase", "qif_isi", "qif_rheobase"]


@final
@dataclass(frozen=True)
class AdExRheobase:
    """The constant current (nA) at which rest is lost, how it is lost, and the two candidates."""

    current: float
    bifurcation: Literal["saddle-node", "Andronov-Hopf"]
    saddle_node: float
    hopf: float | None


def qif_rheobase(R: float = 1.0, a: float = 1.0, E_L: float = 0.0, v_c: float = 0.0) -> float:
    r"""Return the rheobase of the quadratic integrate-and-fire neuron, :math:`a (v_c - E_L)^2 / 4R`.

    Parameters
    ----------
    R, a, E_L, v_c : float
        As for `qif_isi`.

    Examples
    --------
    >>> qif_rheobase(R=1, a=0.04, E_L=-65, v_c=-50)
    2.25
    """
    positive("R", R, "MOhm"), positive("a", a, "1/mV")
    return a * (v_c - E_L) ** 2 / (4 * R)


def qif_isi(
    I: ArrayLike,
    tau: float,
    v_r: float = -np.inf,
    v_peak: float = np.inf,
    *,
    R: float = 1.0,
    a: float = 1.0,
    E_L: float = 0.0,
    v_c: float = 0.0,
) -> Any:
    r"""Return the interspike interval in ms of the quadratic integrate-and-fire neuron.

    .. math:: \tau\dot v = a (v - E_L)(v - v_c) + RI, \qquad
              T = \frac{\tau}{\sqrt{ac}}\left[\arctan\sqrt{\tfrac ac}\,x\right]_{x_r}^{x_{peak}},\quad
              x = v - \tfrac{E_L + v_c}{2},\ c = R(I - I_{rheobase})

    The defaults are the canonical form tau dv/dt = v^2 + I with reset at minus and spike at plus infinity.
    Below the rheobase the interval is infinite, unless the reset lies above the unstable fixed point.

    Parameters
    ----------
    I : array or float
        Constant current in nA (or the dimensionless input of the canonical form).
    tau : float
        Time constant in ms.
    v_r, v_peak : float
        Reset and end of the spike in mV; may be infinite.
    R, a, E_L, v_c : float
        Resistance (MOhm), curvature (1/mV), resting and critical potential (mV).

    References
    ----------
    Gerstner et al. (2014), Neuronal Dynamics, section 5.3; Ermentrout & Kopell (1986), SIAM J. Appl. Math.
    46:233.

    Examples
    --------
    >>> qif_isi([-1.0, 1.0], tau=10).round(6)
    array([      inf, 31.415927])
    """
    positive("tau", tau, "ms")
    above("v_peak", v_peak, "v_r", v_r)
    rheobase = qif_rheobase(R, a, E_L, v_c)
    middle = (E_L + v_c) / 2
    low, high = v_r - middle, v_peak - middle

    def interval(current: float) -> float:
        c = R * (current - rheobase)
        k = float(np.sqrt(abs(c) / a))
        if c > 0:
            if np.isfinite(low) and np.isfinite(high):  # one angle, not the difference of two
                angle = float(np.arctan2((high - low) / k, 1 + (low / k) * (high / k)))
            else:
                angle = float(np.arctan(high / k) - np.arctan(low / k))
            return tau / (a * k) * angle
        if low <= k:
            return float("inf")
        if k == 0:
            return tau / a * (1 / low - 1 / high)
        return tau / (2 * a * k) * float(np.log1p(-2 * k / (high + k)) - np.log1p(-2 * k / (low + k)))

    return plain(np.vectorize(interval, otypes=[float])(np.asarray(I, dtype=np.float64)))


def eif_rheobase(g_L: float, E_L: float, v_T: float, delta_T: float) -> float:
    r"""Return the rheobase in nA of the exponential integrate-and-fire neuron.

    .. math:: I_{rheobase} = g_L\,(v_T - E_L - \Delta_T)

    Parameters
    ----------
    g_L : float
        Leak conductance in uS.
    E_L, v_T, delta_T : float
        Resting potential, rheobase threshold and sharpness in mV.

    References
    ----------
    Fourcaud-Trocme et al. (2003), J. Neurosci. 23:11628.

    Examples
    --------
    >>> round(eif_rheobase(g_L=0.03, E_L=-70.6, v_T=-50.4, delta_T=2), 9)
    0.546
    """
    positive("g_L", g_L, "uS"), positive("delta_T", delta_T, "mV")
    return g_L * (v_T - E_L - delta_T)


def _exp_excess(z: float) -> float:
    """Return exp(z) - 1 - z without cancellation."""
    if abs(z) > 0.1:
        return float(np.expm1(min(z, 700.0)) - z)
    total, term = 0.0, 1.0
    for k in range(12, 2, -1):
        term = 1 + z / k * term
    total = z * z / 2 * term
    return total


def eif_isi(
    I: ArrayLike,
    C: float,
    g_L: float,
    E_L: float,
    v_T: float,
    delta_T: float,
    v_r: float,
    v_peak: float = np.inf,
    t_ref: float = 0.0,
) -> Any:
    r"""Return the interspike interval in ms of the exponential integrate-and-fire neuron, by quadrature.

    .. math:: T = t_{ref} + \int_{v_r}^{v_{peak}}
              \frac{C\,dv}{-g_L(v - E_L) + g_L\Delta_T\,e^{(v - v_T)/\Delta_T} + I}

    In z = (v - v_T)/delta_T the denominator is (I - I_rheobase) + g_L delta_T (e^z - 1 - z); the
    substitution z ~ sinh opens the bottleneck at z = 0, so the value is good to 1e-9 or better at any
    distance from the rheobase. Below the rheobase the interval is infinite, unless the reset lies above the
    unstable fixed point.

    Parameters
    ----------
    I : array or float
        Constant current in nA.
    C, g_L : float
        Capacitance in nF, leak conductance in uS.
    E_L, v_T, delta_T, v_r, v_peak : float
        Potentials in mV; v_peak may be infinite.
    t_ref : float
        Refractory period in ms.

    References
    ----------
    Fourcaud-Trocme, Hansel, van Vreeswijk, Brunel (2003), J. Neurosci. 23:11628.

    Examples
    --------
    >>> round(eif_isi(0.27, C=0.2, g_L=0.01, E_L=-70, v_T=-50, delta_T=2, v_r=-70, v_peak=0), 6)
    35.903887
    """
    from scipy.optimize import brentq

    positive("C", C, "nF"), positive("t_ref", t_ref, "ms", zero=True)
    above("v_peak", v_peak, "v_r", v_r)
    rheobase = eif_rheobase(g_L, E_L, v_T, delta_T)
    low, high = (v_r - v_T) / delta_T, min((v_peak - v_T) / delta_T, 700.0)

    def interval(current: float) -> float:
        drive = (current - rheobase) / (g_L * delta_T)
        if drive > 0:
            width = float(np.sqrt(2 * drive))

            def opened(y: float) -> float:
                return float(width * np.cosh(y) / (drive + _exp_excess(width * np.sinh(y))))

            ends = [float(np.arcsinh(z / width)) for z in (low, high)]
            total = integrate(opened, [ends[0], *(z for z in (0.0,) if ends[0] < z < ends[1]), ends[1]])
            return t_ref + C / g_L * total
        fixed = 0.0 if drive == 0 else brentq(lambda z: drive + _exp_excess(z), 0, 2 + np.log1p(-drive), xtol=1e-15)
        if low <= fixed:
            return float("inf")

        def above(x: float) -> float:  # z = fixed + exp(x)
            return float(np.exp(x) / (drive + _exp_excess(fixed + np.exp(x))))

        return t_ref + C / g_L * integrate(above, [float(np.log(z - fixed)) for z in (low, high)])

    return plain(np.vectorize(interval, otypes=[float])(np.asarray(I, dtype=np.float64)))


def adex_rheobase(C: float, g_L: float, E_L: float, v_T: float, delta_T: float, a: float, tau_w: float) -> AdExRheobase:
    r"""Return the constant current in nA at which the AdEx neuron loses its resting state, and how.

    .. math:: I_{SN} = (g_L + a)\left[v_T - E_L - \Delta_T + \Delta_T\ln\left(1 + \tfrac{a}{g_L}\right)\right]

    .. math:: I_{H} = (g_L + a)\left[v_T - E_L - \Delta_T
              + \Delta_T\ln\left(1 + \tfrac{\tau_m}{\tau_w}\right)\right]
              + \Delta_T g_L\left(\tfrac{a}{g_L} - \tfrac{\tau_m}{\tau_w}\right)

    Rest is lost at the Hopf current if a/g_L > tau_m/tau_w, else at the saddle-node.

    Parameters
    ----------
    C, g_L, a : float
        Capacitance in nF; leak and adaptation conductance in uS, a > -g_L.
    E_L, v_T, delta_T : float
        Potentials in mV.
    tau_w : float
        Time constant of adaptation in ms.

    References
    ----------
    Touboul & Brette (2008), Biol. Cybern. 99:319.

    Examples
    --------
    >>> found = adex_rheobase(C=0.281, g_L=0.03, E_L=-70.6, v_T=-50.4, delta_T=2, a=0.02, tau_w=30)
    >>> found.bifurcation, round(found.current, 6), round(found.saddle_node, 6)
    ('Andronov-Hopf', 0.958439, 0.961083)
    """
    positive("C", C, "nF"), positive("g_L", g_L, "uS"), positive("tau_w", tau_w, "ms")
    positive("delta_T", delta_T, "mV")
    if not a > -g_L:
        raise InputError(f"a = {a!r} uS must be above -g_L = {-g_L!r} uS, or there is no resting state at all.")
    ratio = C / g_L / tau_w
    gap = v_T - E_L - delta_T
    saddle = (g_L + a) * (gap + delta_T * float(np.log1p(a / g_L)))
    if a / g_L <= ratio:
        return AdExRheobase(saddle, "saddle-node", saddle, None)
    hopf = (g_L + a) * (gap + delta_T * float(np.log1p(ratio))) + delta_T * (a - g_L * ratio)
    return AdExRheobase(hopf, "Andronov-Hopf", saddle, hopf)
