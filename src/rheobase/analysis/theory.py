"""What the books can say about a neuron without running it: rates, intervals, potentials in closed form.

Every function takes plain numbers in ms, mV, nA, MOhm, nF, uS and Hz (a dimensionless neuron has R = C =
1), says which equation it evaluates, and stays accurate where the printed equation does not: near the
rheobase, for equal time constants, for vanishing or overwhelming noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheobase.errors import InputError

__all__ = [
    "AdExRheobase",
    "FreePotential",
    "Intervals",
    "adex_rheobase",
    "campbell",
    "eif_isi",
    "eif_rheobase",
    "escape_hazard",
    "escape_isi",
    "escape_survivor",
    "gain_and_phase",
    "kramers_rate",
    "lif_rate",
    "lif_rheobase",
    "ou_variance",
    "perfect_integrator",
    "poisson_counter",
    "poisson_dead_time",
    "psp",
    "psp_peak",
    "qif_isi",
    "qif_rheobase",
    "shot_noise_rate",
    "siegert",
    "siegert_cv",
    "step_response",
]

Floats = NDArray[np.floating[Any]]
Shape = Literal["delta", "exp", "alpha", "beta"]

_SQRT_PI = float(np.sqrt(np.pi))
_ZETA_HALF = -1.4603545088095868129  # Riemann's zeta(1/2)
_CUT = 40.0  # exp(-40) is below rounding


@final
@dataclass(frozen=True)
class Intervals:
    """Mean (ms), variance (ms^2), coefficient of variation and rate (Hz) of interspike intervals."""

    mean: float
    variance: float

    @property
    def cv(self) -> float:
        """Standard deviation over mean."""
        return float(np.sqrt(self.variance) / self.mean)

    @property
    def rate(self) -> float:
        """Spikes per second."""
        return 1e3 / self.mean


@final
@dataclass(frozen=True)
class FreePotential:
    """Stationary mean (mV) and variance (mV^2) of v, and its covariance with the input current (mV nA)."""

    mean: float
    variance: float
    covariance: float


@final
@dataclass(frozen=True)
class AdExRheobase:
    """The constant current (nA) at which rest is lost, how it is lost, and the two candidates."""

    current: float
    bifurcation: Literal["saddle-node", "Andronov-Hopf"]
    saddle_node: float
    hopf: float | None


# ---- arguments -----------------------------------------------------------------------------------


def _positive(name: str, value: ArrayLike, unit: str, zero: bool = False) -> Floats:
    array = np.asarray(value, dtype=np.float64)
    if not np.all(np.isfinite(array) & ((array >= 0) if zero else (array > 0))):
        kind = "zero or positive" if zero else "positive"
        raise InputError(f"{name} = {value!r} must be {kind} and finite, in {unit}.")
    return array


def _above(name: str, high: ArrayLike, below: str, low: ArrayLike) -> None:
    if not np.all(np.asarray(high, dtype=np.float64) > np.asarray(low, dtype=np.float64)):
        raise InputError(f"{name} = {high!r} must be above {below} = {low!r}; swap them or lower {below}.")


def _plain(value: Any) -> Any:
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array


@cache
def _legendre(n: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of Gauss-Legendre quadrature on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(n)
    return (x + 1) / 2, w / 2


def _integrate(f: Callable[[float], float], edges: Sequence[float]) -> float:
    from scipy.integrate import quad

    pieces = [(low, high) for low, high in pairwise(edges) if high > low]
    return float(sum(quad(f, low, high, epsabs=0, epsrel=1e-12, limit=400)[0] for low, high in pieces))


# ---- leaky integrate-and-fire, constant and periodic current -------------------------------------


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
    _positive("R", R, "MOhm")
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
        _positive("tau", tau, "ms"),
        _positive("R", R, "MOhm"),
        _positive("t_ref", t_ref, "ms", zero=True),
    )
    _above("theta", theta, "v_r", v_r)
    theta, v_r = np.asarray(theta, dtype=np.float64), np.asarray(v_r, dtype=np.float64)
    # the distance from the rheobase, formed in the current: differences of large potentials would lose it
    drive = R * (np.asarray(I, dtype=np.float64) - (theta - np.asarray(E_L, dtype=np.float64)) / R)
    fires = drive > 0
    interval = t_ref + tau * np.log1p((theta - v_r) / np.where(fires, drive, 1.0))
    return _plain(np.where(fires, 1e3 / interval, 0.0))


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
    _positive("tau", tau, "ms"), _positive("R", R, "MOhm")
    x = np.asarray(omega, dtype=np.float64) * tau
    return _plain(R / np.hypot(1.0, x)), _plain(-np.arctan(x))


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
    _positive("tau", tau, "ms"), _positive("R", R, "MOhm")
    _above("off", off, "on", on)
    time = np.asarray(t, dtype=np.float64)
    rise = -np.expm1(-np.clip(time - on, 0, off - on) / tau)
    return _plain(R * I * rise * np.exp(-np.maximum(time - off, 0) / tau))


# ---- postsynaptic potentials ---------------------------------------------------------------------
#
# A current that is a chain of exponentials, filtered by the membrane, is the convolution of exponentials
# with the rates 1/tau of the chain. That convolution is t^(n-1) times the divided difference of exp at the
# points -t/tau, which exists for equal rates as well; computed as one, it loses nothing when the rates are
# nearly equal.


def _divided_exp(points: Floats) -> tuple[Floats, Floats]:
    """Return (m, f), f*exp(m) the divided difference of exp at 1 to 3 points per column; m is the largest."""
    x = np.sort(points, axis=0)
    top = x[-1]
    x = x - top
    if len(x) == 1:
        return top, np.ones_like(top)
    if len(x) == 2:
        return top, _first_difference(x[0], x[1])
    wide = x[2] - x[0]
    far = (_first_difference(x[1], x[2]) - _first_difference(x[0], x[1])) / np.where(wide > 1, wide, 1.0)
    # near each other: the Taylor series in the complete symmetric polynomials h_k of the deviations
    mean = x.mean(axis=0)
    y = np.where(wide > 1, 0.0, x - mean)
    h = np.zeros((3, *y.shape[1:]))  # h[j] = h_k(y_0..y_j)
    h[:] = 1.0
    total, factor = h[2] / 2, 0.5
    for k in range(1, 20):
        h[0] = h[0] * y[0]
        h[1] = h[0] + y[1] * h[1]
        h[2] = h[1] + y[2] * h[2]
        factor /= k + 2
        total = total + factor * h[2]
    return top, np.where(wide > 1, far, np.exp(mean) * total)


def _first_difference(x: Floats, y: Floats) -> Floats:
    """Return (exp(y) - exp(x))/(y - x) for x <= y <= 0."""
    gap = y - x
    return np.where(gap > 0, -np.expm1(-gap) / np.where(gap > 0, gap, 1.0), 1.0) * np.exp(y)


def _chain(rates: Sequence[float], t: Floats) -> tuple[Floats, Floats]:
    """Return (m, f): the convolution of exp(-rate*t) over the rates is f*exp(m)."""
    top, value = _divided_exp(-np.multiply.outer(np.asarray(rates, dtype=np.float64), t))
    return top, value * t ** (len(rates) - 1)


def _two_peak(b: float, c: float) -> float:
    """Return where the convolution of exp(-b t) and exp(-c t) is largest: ln(b/c)/(b - c)."""
    excess = (b - c) / c
    return float(np.log1p(excess) / excess / c) if excess else 1 / c


def _read_shape(
    kind: str, tau: float, C: float, tau_s: float | Sequence[float] | None
) -> tuple[list[float], float]:
    """Return the rates of the chain, the membrane's first, and the factor for a current that peaks at w."""
    _positive("tau", tau, "ms"), _positive("C", C, "nF")
    wanted = {"delta": 0, "exp": 1, "alpha": 1, "beta": 2}
    if kind not in wanted:
        raise InputError(f"kind = {kind!r} is not known; use 'delta', 'exp', 'alpha' or 'beta'.")
    given: list[float] = [] if tau_s is None else [float(x) for x in np.atleast_1d(np.asarray(tau_s, float))]
    if len(given) != wanted[kind]:
        fix = {0: "leave tau_s out", 1: "give tau_s as one number in ms", 2: "give tau_s=(rise, decay) in ms"}
        raise InputError(f"tau_s = {tau_s!r} does not fit kind = {kind!r}; {fix[wanted[kind]]}.")
    _positive("tau_s", given, "ms")
    membrane = 1 / tau
    if kind == "delta":
        return [membrane], 1.0
    if kind == "exp":
        return [membrane, 1 / given[0]], 1.0
    b, c = (1 / given[0], 1 / given[0]) if kind == "alpha" else (1 / given[0], 1 / given[1])
    top, value = _chain([b, c], np.asarray(_two_peak(b, c)))
    return [membrane, b, c], float(np.exp(-top) / value)


def psp(
    t: ArrayLike,
    kind: Shape,
    w: float,
    tau: float,
    C: float = 1.0,
    tau_s: float | Sequence[float] | None = None,
) -> Any:
    r"""Return the postsynaptic potential in mV at time t after one input.

    .. math:: C\,\dot v = -\frac{C}{\tau} v + I(t)

    with I = w delta(t) (``delta``: a jump by w/C), w exp(-t/tau_s) (``exp``), w (e t/tau_s) exp(-t/tau_s)
    (``alpha``), or w n (exp(-t/tau_decay) - exp(-t/tau_rise)) with n such that the current peaks at w
    (``beta``). Equal or nearly equal time constants lose no digits.

    Parameters
    ----------
    t : array or float
        Times in ms; v = 0 before 0.
    kind : {'delta', 'exp', 'alpha', 'beta'}
        Shape of the current.
    w : float
        Peak current in nA; for ``delta`` the charge in pC (the jump in mV if C = 1).
    tau, C : float
        Membrane time constant in ms and capacitance in nF.
    tau_s : float or (rise, decay)
        Synaptic time constant(s) in ms.

    Raises
    ------
    InputError
        If the kind is not known, tau_s does not fit it, or a constant is not positive.

    References
    ----------
    Rotter & Diesmann (1999), Biol. Cybern. 81:381.

    Examples
    --------
    >>> psp([0.0, 10.0], "exp", w=0.1, tau=10, C=0.25, tau_s=10).round(6)
    array([0.      , 1.471518])
    """
    rates, factor = _read_shape(kind, tau, C, tau_s)
    time = np.asarray(t, dtype=np.float64)
    top, value = _chain(rates, np.maximum(time, 0.0))
    return _plain(np.where(time >= 0, w / C * factor * value * np.exp(top), 0.0))


def psp_peak(
    kind: Shape, w: float, tau: float, C: float = 1.0, tau_s: float | Sequence[float] | None = None
) -> tuple[float, float]:
    r"""Return the time in ms and the height in mV of the peak of a postsynaptic potential.

    For ``exp`` the time is :math:`\ln(\tau/\tau_s)\,\tau\tau_s/(\tau - \tau_s)`; for ``alpha`` and ``beta``
    it is the root of dv/dt, found to rounding.

    Parameters
    ----------
    kind, w, tau, C, tau_s
        As for `psp`.

    Examples
    --------
    >>> time, height = psp_peak("exp", w=2.4, tau=15, C=15, tau_s=5)
    >>> round(time, 6), round(height, 6)
    (8.239592, 0.46188)
    """
    rates, _ = _read_shape(kind, tau, C, tau_s)
    if kind == "delta":
        return 0.0, w / C
    if kind == "exp":
        time = _two_peak(rates[0], rates[1])
    else:
        from scipy.optimize import brentq

        def slope(log_t: float) -> float:  # log of (decay of v)/(current), monotone in t
            t = np.asarray(np.exp(log_t))
            (m3, v3), (m2, v2) = _chain(rates, t), _chain(rates[1:], t)
            return float(np.log(rates[0] * v3 / v2) + m3 - m2)

        late = float(np.log(sum(1 / rate for rate in rates)))  # the mode lies before the mean
        early = late - 1.0
        while slope(early) > 0:
            early -= 2.0
        time = float(np.exp(brentq(slope, early, late, xtol=1e-15, rtol=1e-15)))
    return time, float(psp(time, kind, w, tau, C, tau_s))


def campbell(
    rate: float,
    kind: Shape,
    w: float,
    tau: float,
    C: float = 1.0,
    tau_s: float | Sequence[float] | None = None,
) -> FreePotential:
    r"""Return mean and variance of the free potential under Poisson input (Campbell's theorem).

    .. math:: \langle v\rangle = r\int_0^\infty \mathrm{PSP}(t)\,dt, \qquad
              \mathrm{Var}\,v = r\int_0^\infty \mathrm{PSP}(t)^2\,dt, \qquad
              \mathrm{Cov}(v, I) = \frac{C}{\tau}\mathrm{Var}\,v

    Parameters
    ----------
    rate : float
        Rate of the Poisson input in Hz.
    kind, w, tau, C, tau_s
        As for `psp`.

    Returns
    -------
    FreePotential
        For ``delta`` the current is white and the covariance nan.

    References
    ----------
    Campbell (1909); Papoulis (1991), Probability, Random Variables, and Stochastic Processes.
    The covariance is the stationarity of the second moment.

    Examples
    --------
    >>> campbell(1000, "delta", w=0.5, tau=20)
    FreePotential(mean=10.0, variance=2.5, covariance=nan)
    """
    per_ms = float(_positive("rate", rate, "Hz", zero=True)) * 1e-3
    rates, factor = _read_shape(kind, tau, C, tau_s)
    size = w / C * factor
    a = rates[0]
    if kind == "delta":
        square = 1 / (2 * a)
    elif kind == "exp":
        b = rates[1]
        square = 1 / (2 * a * b * (a + b))
    else:
        b, c = rates[1], rates[2]
        square = (a + b + c) / (2 * a * b * c * (a + b) * (b + c) * (c + a))
    variance = per_ms * size**2 * square
    covariance = float("nan") if kind == "delta" else C * a * variance
    return FreePotential(per_ms * size / float(np.prod(rates)), variance, covariance)


# ---- quadratic, exponential and adaptive exponential ---------------------------------------------


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
    _positive("R", R, "MOhm"), _positive("a", a, "1/mV")
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
    _positive("tau", tau, "ms")
    _above("v_peak", v_peak, "v_r", v_r)
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

    return _plain(np.vectorize(interval, otypes=[float])(np.asarray(I, dtype=np.float64)))


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
    _positive("g_L", g_L, "uS"), _positive("delta_T", delta_T, "mV")
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

    _positive("C", C, "nF"), _positive("t_ref", t_ref, "ms", zero=True)
    _above("v_peak", v_peak, "v_r", v_r)
    rheobase = eif_rheobase(g_L, E_L, v_T, delta_T)
    low, high = (v_r - v_T) / delta_T, min((v_peak - v_T) / delta_T, 700.0)

    def interval(current: float) -> float:
        drive = (current - rheobase) / (g_L * delta_T)
        if drive > 0:
            width = float(np.sqrt(2 * drive))

            def opened(y: float) -> float:
                return float(width * np.cosh(y) / (drive + _exp_excess(width * np.sinh(y))))

            ends = [float(np.arcsinh(z / width)) for z in (low, high)]
            total = _integrate(opened, [ends[0], *(z for z in (0.0,) if ends[0] < z < ends[1]), ends[1]])
            return t_ref + C / g_L * total
        fixed = (
            0.0
            if drive == 0
            else brentq(lambda z: drive + _exp_excess(z), 0, 2 + np.log1p(-drive), xtol=1e-15)
        )
        if low <= fixed:
            return float("inf")

        def above(x: float) -> float:  # z = fixed + exp(x)
            return float(np.exp(x) / (drive + _exp_excess(fixed + np.exp(x))))

        return t_ref + C / g_L * _integrate(above, [float(np.log(z - fixed)) for z in (low, high)])

    return _plain(np.vectorize(interval, otypes=[float])(np.asarray(I, dtype=np.float64)))


def adex_rheobase(
    C: float, g_L: float, E_L: float, v_T: float, delta_T: float, a: float, tau_w: float
) -> AdExRheobase:
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
    _positive("C", C, "nF"), _positive("g_L", g_L, "uS"), _positive("tau_w", tau_w, "ms")
    _positive("delta_T", delta_T, "mV")
    if not a > -g_L:
        raise InputError(
            f"a = {a!r} uS must be above -g_L = {-g_L!r} uS, or there is no resting state at all."
        )
    ratio = C / g_L / tau_w
    gap = v_T - E_L - delta_T
    saddle = (g_L + a) * (gap + delta_T * float(np.log1p(a / g_L)))
    if a / g_L <= ratio:
        return AdExRheobase(saddle, "saddle-node", saddle, None)
    hopf = (g_L + a) * (gap + delta_T * float(np.log1p(ratio))) + delta_T * (a - g_L * ratio)
    return AdExRheobase(hopf, "Andronov-Hopf", saddle, hopf)


# ---- noise ---------------------------------------------------------------------------------------


def ou_variance(sigma: float, tau: float, dt: float | None = None) -> float:
    r"""Return the stationary variance of an Ornstein-Uhlenbeck process, or of its Euler-Maruyama scheme.

    .. math:: \tau\,dx = -(x - \mu)\,dt + \sigma\sqrt{2\tau}\,dW:\qquad \sigma^2, \qquad
              \frac{\sigma^2}{1 - dt/2\tau}

    Parameters
    ----------
    sigma : float
        Stationary standard deviation of the exact process.
    tau : float
        Correlation time in ms.
    dt : float, optional
        Step of the Euler-Maruyama scheme in ms; without it, the exact process.

    Raises
    ------
    InputError
        If dt is 2 tau or more: the scheme then has no stationary state.

    References
    ----------
    Gillespie (1996), Phys. Rev. E 54:2084.

    Examples
    --------
    >>> ou_variance(0.5, tau=3), round(ou_variance(0.5, tau=3, dt=0.5), 6)
    (0.25, 0.272727)
    """
    _positive("tau", tau, "ms"), _positive("sigma", sigma, "the unit of x", zero=True)
    if dt is None:
        return float(sigma) ** 2
    if _positive("dt", dt, "ms") >= 2 * tau:
        raise InputError(
            f"dt = {dt!r} ms must be below 2 tau = {2 * tau!r} ms, or Euler-Maruyama grows without bound."
        )
    return float(sigma) ** 2 / (1 - dt / (2 * tau))


def kramers_rate(mu: float, sigma: float, tau: float, theta: float) -> float:
    r"""Return the low-noise limit in Hz of the rate of a LIF below threshold.

    .. math:: \nu \approx \frac{\theta - \mu}{\sqrt\pi\,\sigma\,\tau}\, e^{-(\theta - \mu)^2/\sigma^2}

    Parameters
    ----------
    mu, sigma, tau, theta : float
        As for `siegert`; mu must be below theta.

    References
    ----------
    Brunel & Hakim (1999), Neural Comput. 11:1621.

    Examples
    --------
    >>> round(kramers_rate(mu=19, sigma=1, tau=10, theta=20), 6)
    20.755375
    """
    _positive("sigma", sigma, "mV"), _positive("tau", tau, "ms")
    _above("theta", theta, "mu", mu)
    y = (theta - mu) / sigma
    return float(1e3 * y * np.exp(-y * y) / (_SQRT_PI * tau))


def _area_erfcx(low: Floats, high: Floats) -> Floats:
    """Return the integral of erfcx from low to high, 0 <= low <= high."""
    from scipy.special import erfcx

    edge = 50.0  # beyond it the asymptotic series below is exact to rounding
    x, w = _legendre(64)
    begin, end = np.arcsinh(np.minimum(low, edge)), np.arcsinh(np.minimum(high, edge))
    y = begin[..., None] + (end - begin)[..., None] * x
    near = (end - begin) * np.einsum("...i,i->...", erfcx(np.sinh(y)) * np.cosh(y), w)
    p, q = np.maximum(low, edge), np.maximum(high, edge)

    def series(z: Floats) -> Floats:
        s = 1 / (z * z)
        return s * (1 / 4 - s * (3 / 16 - s * (15 / 48 - s * 105 / 128)))

    return near + (np.log1p((q - p) / p) + series(q) - series(p)) / _SQRT_PI


def _siegert_mean(a: Floats, b: Floats, tau: Floats, t_ref: Floats) -> tuple[Floats, Floats]:
    """Return (s, s*mean interval), s = exp(-max(b, 0)^2), which keeps both finite for any limits a < b."""
    from scipy.special import dawsn, erfcx

    zero = np.zeros_like(a)
    p, q = np.maximum(a, 0), np.maximum(b, 0)
    scale = np.exp(-(q**2))
    negative = _area_erfcx(np.maximum(-b, zero), np.maximum(-a, zero))
    with np.errstate(over="ignore", invalid="ignore"):
        shrink = np.exp((p - q) * (p + q))
    wide = 2 * (dawsn(q) - shrink * dawsn(p)) - scale * _area_erfcx(p, q)
    # a narrow interval far from zero: the difference above would cancel; only its upper end counts if q is
    # large
    x, w = _legendre(64)
    low = np.maximum(p, q - 0.5 * _CUT / np.maximum(q, 1.0))
    u = low[..., None] + (q - low)[..., None] * x
    values = 2 * np.exp((u - q[..., None]) * (u + q[..., None])) - scale[..., None] * erfcx(u)
    narrow = (q - low) * np.einsum("...i,i->...", values, w)
    positive = np.where(q - p < 0.5, narrow, wide)
    return scale, scale * (t_ref + tau * _SQRT_PI * negative) + tau * _SQRT_PI * positive


def _siegert_limits(
    mu: ArrayLike,
    sigma: ArrayLike,
    tau: ArrayLike,
    theta: ArrayLike,
    v_r: ArrayLike,
    t_ref: ArrayLike,
    tau_s: ArrayLike,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
    """Return (mu, sigma, tau, theta, v_r, t_ref, shift), checked and broadcast."""
    _positive("sigma", sigma, "mV", zero=True), _positive("tau", tau, "ms")
    _positive("t_ref", t_ref, "ms", zero=True), _positive("tau_s", tau_s, "ms", zero=True)
    _above("theta", theta, "v_r", v_r)
    arrays = [np.asarray(x, dtype=np.float64) for x in (mu, sigma, tau, theta, v_r, t_ref, tau_s)]
    if not np.all(np.isfinite(arrays[0])):
        raise InputError(f"mu = {mu!r} must be finite, in mV.")
    *rest, synaptic = np.broadcast_arrays(*arrays)
    shift = np.sqrt(synaptic / rest[2]) * abs(_ZETA_HALF) / np.sqrt(2)
    return (rest[0], rest[1], rest[2], rest[3], rest[4], rest[5], shift)


def siegert(
    mu: ArrayLike,
    sigma: ArrayLike,
    tau: ArrayLike,
    theta: ArrayLike,
    v_r: ArrayLike,
    t_ref: ArrayLike = 0.0,
    tau_s: ArrayLike = 0.0,
) -> Any:
    r"""Return the firing rate in Hz of the LIF driven by white noise (Siegert's formula).

    .. math:: \tau\,dv = (\mu - v)\,dt + \sigma\sqrt\tau\,dW, \qquad
              \nu = \left[t_{ref} + \tau\sqrt\pi\int_{(v_r - \mu)/\sigma}^{(\theta - \mu)/\sigma}
              e^{u^2}(1 + \mathrm{erf}\,u)\,du\right]^{-1}

    The free potential has variance sigma^2/2. With ``tau_s`` both limits are shifted by
    :math:`\sqrt{\tau_s/\tau}\,|\zeta(\tfrac12)|/\sqrt2`, the first-order effect of exponentially filtered
    input. The integral is taken of the scaled function erfcx(-u), which neither overflows nor cancels: weak
    noise gives `lif_rate`, hopeless thresholds give 0. All arguments broadcast.

    Parameters
    ----------
    mu, sigma : array or float
        Mean and noise amplitude of the input in mV; ``sigma=0`` is the deterministic rate.
    tau, t_ref : float
        Membrane time constant and refractory period in ms.
    theta, v_r : float
        Threshold and reset in mV.
    tau_s : float
        Synaptic time constant in ms, much shorter than tau.

    Raises
    ------
    InputError
        If sigma, t_ref or tau_s is negative, tau is not positive, or theta is not above v_r.

    References
    ----------
    Siegert (1951), Phys. Rev. 81:617; Brunel (2000), J. Comput. Neurosci. 8:183; filtered input:
    Fourcaud & Brunel (2002), Neural Comput. 14:2057.

    Examples
    --------
    >>> round(siegert(mu=25, sigma=3, tau=10, theta=20, v_r=10, t_ref=2), 6)
    81.001606
    >>> siegert(mu=[-1e6, 25], sigma=1e-3, tau=10, theta=20, v_r=10, t_ref=2).round(6)
    array([ 0.      , 77.005278])
    """
    m, s, tau, theta, v_r, t_ref, shift = _siegert_limits(mu, sigma, tau, theta, v_r, t_ref, tau_s)
    noisy = s > 0
    width = np.where(noisy, s, 1.0)
    scale, mean = _siegert_mean((v_r - m) / width + shift, (theta - m) / width + shift, tau, t_ref)
    return _plain(np.where(noisy, 1e3 * scale / mean, lif_rate(m, tau, 1.0, 0.0, theta, v_r, t_ref)))


def siegert_cv(
    mu: ArrayLike,
    sigma: ArrayLike,
    tau: ArrayLike,
    theta: ArrayLike,
    v_r: ArrayLike,
    t_ref: ArrayLike = 0.0,
    tau_s: ArrayLike = 0.0,
) -> Any:
    r"""Return the coefficient of variation of the intervals of the LIF driven by white noise.

    .. math:: C_V^2 = 2\pi(\nu\tau)^2\int_{(v_r - \mu)/\sigma}^{(\theta - \mu)/\sigma} e^{x^2}\,dx
              \int_{-\infty}^x e^{y^2}(1 + \mathrm{erf}\,y)^2\,dy

    with the rate nu of `siegert`, refractory period included.

    Parameters
    ----------
    mu, sigma, tau, theta, v_r, t_ref, tau_s
        As for `siegert`.

    Returns
    -------
    float or array
        0 without noise above the rheobase, nan without noise below it.

    References
    ----------
    Brunel (2000), J. Comput. Neurosci. 8:183, eq. A.1.

    Examples
    --------
    >>> round(siegert_cv(mu=25, sigma=3, tau=10, theta=20, v_r=10, t_ref=2), 6)
    0.27094
    """
    m, s, tau, theta, v_r, t_ref, shift = _siegert_limits(mu, sigma, tau, theta, v_r, t_ref, tau_s)
    noisy = s > 0
    width = np.where(noisy, s, 1.0)
    a, b = (v_r - m) / width + shift, (theta - m) / width + shift
    _, mean = _siegert_mean(a, b, tau, t_ref)
    area = np.vectorize(_siegert_spread, otypes=[float])(a, b)
    still = np.where(m > theta, 0.0, np.nan)
    return _plain(np.where(noisy, np.sqrt(2 * np.pi * area) * tau / mean, still))


def _siegert_spread(a: float, b: float) -> float:
    """Return exp(-2 max(b, 0)^2) times the double integral of Brunel's eq. A.1."""
    x, w = _legendre(64)
    total = 0.0
    if (
        a < 0
    ):  # the integrand falls as |x|^-3: equal steps in asinh, and what lies beyond `far` does not count
        far = min(-a, 1e8 * (1 + abs(b)))
        begin, end = float(np.arcsinh(max(-b, 0.0))), float(np.arcsinh(far))
        edges = [begin, *(e for e in (2.0, 4.0, 8.0, 16.0) if begin < e < end), end]
        for low, high in pairwise(edges):
            y = low + (high - low) * x
            total += (high - low) * float((_inner(-np.sinh(y)) * np.cosh(y)) @ w)
        total *= float(np.exp(-2 * max(b, 0.0) ** 2))
    if b > 0:
        low = max(a, 0.0, float(np.sqrt(max(b * b - _CUT / 2, 0.0))))
        u = low + (b - low) * x
        total += (b - low) * float((_inner(u) * np.exp(2 * (u - b) * (u + b))) @ w)
    return total


def _inner(x: Floats) -> Floats:
    """Return exp(x^2 - 2 max(x, 0)^2) times the integral of exp(y^2)(1 + erf y)^2 up to x, with y = x - s."""
    from scipy.special import erfc, erfcx

    nodes, w = _legendre(64)
    square = x * x
    up = x > 0
    root = np.sqrt(np.where(up, np.maximum(square - _CUT, 0), square + _CUT))
    far = np.where(
        up & (square <= _CUT), x + np.sqrt(np.maximum(_CUT - square, 0)), _CUT / (np.abs(x) + root)
    )
    s = far[:, None] * nodes
    c = x[:, None]
    before = s < c
    early = np.exp(np.where(before, s * s - 2 * c * s, 0.0)) * erfc(np.where(before, s - c, 0.0)) ** 2
    late = np.exp(np.where(before, 0.0, 2 * c * s - s * s - 2 * np.maximum(c, 0) ** 2))
    late = late * erfcx(np.where(before, 0.0, s - c)) ** 2
    return far * (np.where(before, early, late) @ w)


def shot_noise_rate(
    rate: float, amplitude: float, tau: float, theta: float, v_r: float, t_ref: float = 0.0
) -> float:
    r"""Return the firing rate in Hz of the LIF driven by Poisson jumps with exponentially distributed sizes.

    .. math:: \tau\dot v = -v + \tau\sum_k a_k\,\delta(t - t_k), \qquad
              \frac{1}{\nu\tau} = \int_0^{1/a}\frac{ds}{s}(1 - as)^{\tau r}
              \left[\frac{e^{s\theta}}{1 - as} - e^{s v_r}\right]

    No diffusion limit: jumps may be large. Evaluated with 1 - as = e^{-u}, which has no singular end.

    Parameters
    ----------
    rate : float
        Rate of the Poisson input in Hz.
    amplitude : float
        Mean size a of a jump in mV.
    tau, t_ref : float
        Membrane time constant and refractory period in ms.
    theta, v_r : float
        Threshold (above rest) and reset in mV, measured from rest.

    Raises
    ------
    InputError
        If theta is not above rest and reset, or another argument is not positive.

    References
    ----------
    Richardson & Swarbrick (2010), Phys. Rev. Lett. 105:178102.

    Examples
    --------
    >>> round(shot_noise_rate(rate=1000, amplitude=1, tau=20, theta=10, v_r=5), 6)
    110.388202
    """
    k = float(_positive("rate", rate, "Hz")) * 1e-3 * float(_positive("tau", tau, "ms"))
    jump = float(_positive("amplitude", amplitude, "mV"))
    high, low = float(_positive("theta", theta, "mV above rest")) / jump, v_r / jump
    _positive("t_ref", t_ref, "ms", zero=True)
    _above("theta", theta, "v_r", v_r)

    def exponent(u: float) -> float:  # concave, 0 at u = 0
        return float(-high * np.expm1(-u)) - k * u

    best = max(0.0, float(np.log(high / k)))
    largest = exponent(best)

    def integrand(u: float) -> float:
        z = -float(np.expm1(-u))
        if z == 0:
            return float((1 + high - low) * np.exp(-largest))
        return float(np.exp(exponent(u) - largest) * -np.expm1(-u - z * (high - low)) / z)

    late = best + 1.0
    while exponent(late) > largest - _CUT:
        late = best + 2 * (late - best)
    early = best
    step = 1e-3 * best
    while early > 0 and exponent(early) > largest - _CUT:
        early, step = max(best - step, 0.0), 2 * step
    spread = 1 / np.sqrt(max(k, 1e-300))
    inner = {best, best - 4 * spread, best + 4 * spread, best + 1, best + 5}
    edges = [early, *sorted(float(e) for e in inner if early < e < late), late]
    mean = t_ref * float(np.exp(-largest)) + tau * _integrate(integrand, edges)
    return float(1e3 * np.exp(-largest) / mean)


def perfect_integrator(mu: float, D: float, theta: float, v_r: float = 0.0) -> Intervals:
    r"""Return the intervals of the perfect integrator with drift and white noise (inverse Gaussian).

    .. math:: dv = \mu\,dt + \sqrt{2D}\,dW: \qquad
              \langle T\rangle = \frac{\theta - v_r}{\mu}, \quad \mathrm{Var}\,T = \frac{2D(\theta -
              v_r)}{\mu^3}

    Parameters
    ----------
    mu, D : float
        Drift in mV/ms and diffusion constant in mV^2/ms.
    theta, v_r : float
        Threshold and reset in mV.

    References
    ----------
    Gerstein & Mandelbrot (1964), Biophys. J. 4:41.

    Examples
    --------
    >>> perfect_integrator(mu=0.5, D=0.25, theta=2)
    Intervals(mean=4.0, variance=8.0)
    """
    _positive("mu", mu, "mV/ms"), _positive("D", D, "mV^2/ms", zero=True)
    _above("theta", theta, "v_r", v_r)
    mean = (theta - v_r) / mu
    return Intervals(mean, 2 * D * mean / mu**2)


def poisson_counter(k: int, rate: float) -> Intervals:
    """Return the intervals of a leakless neuron that fires at every k-th Poisson input (Erlang distribution).

    Parameters
    ----------
    k : int
        Inputs per spike.
    rate : float
        Rate of the input in Hz.

    Examples
    --------
    >>> poisson_counter(4, rate=100), poisson_counter(4, rate=100).cv
    (Intervals(mean=40.0, variance=400.0), 0.5)
    """
    if k != int(k) or k < 1:
        raise InputError(f"k = {k!r} must be a whole number, 1 or more.")
    each = 1e3 / float(_positive("rate", rate, "Hz"))
    return Intervals(k * each, k * each**2)


def poisson_dead_time(rate: float, t_ref: float) -> Intervals:
    """Return the intervals of a Poisson process with an absolute refractory period.

    Parameters
    ----------
    rate : float
        Rate in Hz outside the refractory period.
    t_ref : float
        Refractory period in ms.

    Examples
    --------
    >>> poisson_dead_time(rate=100, t_ref=10).rate
    50.0
    """
    each = 1e3 / float(_positive("rate", rate, "Hz"))
    return Intervals(each + float(_positive("t_ref", t_ref, "ms", zero=True)), each**2)


# ---- escape noise --------------------------------------------------------------------------------


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
    _positive("tau_0", tau_0, "ms"), _positive("delta_u", delta_u, "mV")
    return _plain(np.exp((np.asarray(v, dtype=np.float64) - theta) / delta_u) / tau_0)


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
    x, w = _legendre(24)
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
    _positive("tau", tau, "ms")
    hazard = escape_hazard(v_inf, tau_0, theta, delta_u)
    time = np.maximum(np.asarray(t, dtype=np.float64), 0.0)
    return _plain(np.exp(-_expected_spikes(time, v_inf, tau, hazard, (v_r - v_inf) / delta_u)))


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

    _positive("t_ref", t_ref, "ms", zero=True), _positive("tau", tau, "ms")
    hazard = escape_hazard(v_inf, tau_0, theta, delta_u)
    start = (v_r - v_inf) / delta_u
    if not (hazard > 0 and np.isfinite(hazard) and start < 700):
        raise InputError(
            f"v_inf = {v_inf!r} and v_r = {v_r!r} are too far from theta = {theta!r} in units of delta_u."
        )

    def expected(t: float) -> float:
        return float(_expected_spikes(np.asarray(t), v_inf, tau, hazard, start))

    late = tau
    while expected(late) < _CUT:
        late *= 2
    edges = [0.0]
    for level in (1e-2, 0.1, 0.5, 1, 2, 4, 8, 16, _CUT):
        edges.append(
            float(brentq(lambda t, level=level: expected(t) - level, edges[-1], late, xtol=1e-300, rtol=1e-9))
        )
    mean = _integrate(lambda t: float(np.exp(-expected(t))), edges)
    second = 2 * _integrate(lambda t: float(t * np.exp(-expected(t))), edges)
    return Intervals(mean + t_ref, second - mean**2)
