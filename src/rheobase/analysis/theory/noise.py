"""Rates and irregularity of the LIF driven by noise: white, filtered, shot."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rheobase.analysis.theory.arguments import (
    CUT,
    SQRT_PI,
    Floats,
    above,
    integrate,
    legendre,
    numbers,
    plain,
    positive,
)
from rheobase.analysis.theory.constant import lif_rate
from rheobase.errors import InputError

__all__ = ["kramers_rate", "ou_variance", "shot_noise_rate", "siegert", "siegert_cv"]

_ZETA_HALF = -1.4603545088095868129  # Riemann's zeta(1/2)


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
    positive("tau", tau, "ms"), positive("sigma", sigma, "the unit of x", zero=True)
    if dt is None:
        return float(sigma) ** 2
    if positive("dt", dt, "ms") >= 2 * tau:
        raise InputError(f"dt = {dt!r} ms must be below 2 tau = {2 * tau!r} ms, or Euler-Maruyama grows without bound.")
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
    positive("sigma", sigma, "mV"), positive("tau", tau, "ms")
    above("theta", theta, "mu", mu)
    y = (theta - mu) / sigma
    return float(1e3 * y * np.exp(-y * y) / (SQRT_PI * tau))


def _area_erfcx(low: Floats, high: Floats) -> Floats:
    """Return the integral of erfcx from low to high, 0 <= low <= high."""
    from scipy.special import erfcx

    edge = 50.0  # beyond it the asymptotic series below is exact to rounding
    x, w = legendre(64)
    begin, end = np.arcsinh(np.minimum(low, edge)), np.arcsinh(np.minimum(high, edge))
    y = begin[..., None] + (end - begin)[..., None] * x
    near = (end - begin) * np.einsum("...i,i->...", erfcx(np.sinh(y)) * np.cosh(y), w)
    p, q = np.maximum(low, edge), np.maximum(high, edge)

    def series(z: Floats) -> Floats:
        s = 1 / (z * z)
        return s * (1 / 4 - s * (3 / 16 - s * (15 / 48 - s * 105 / 128)))

    return near + (np.log1p((q - p) / p) + series(q) - series(p)) / SQRT_PI


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
    x, w = legendre(64)
    low = np.maximum(p, q - 0.5 * CUT / np.maximum(q, 1.0))
    u = low[..., None] + (q - low)[..., None] * x
    values = 2 * np.exp((u - q[..., None]) * (u + q[..., None])) - scale[..., None] * erfcx(u)
    narrow = (q - low) * np.einsum("...i,i->...", values, w)
    positive = np.where(q - p < 0.5, narrow, wide)
    return scale, scale * (t_ref + tau * SQRT_PI * negative) + tau * SQRT_PI * positive


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
    positive("sigma", sigma, "mV", zero=True), positive("tau", tau, "ms")
    positive("t_ref", t_ref, "ms", zero=True), positive("tau_s", tau_s, "ms", zero=True)
    above("theta", numbers("theta", theta, "mV"), "v_r", numbers("v_r", v_r, "mV"))
    numbers("mu", mu, "mV")
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
    return plain(np.where(noisy, 1e3 * scale / mean, lif_rate(m, tau, 1.0, 0.0, theta, v_r, t_ref)))


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
    return plain(np.where(noisy, np.sqrt(2 * np.pi * area) * tau / mean, still))


def _siegert_spread(a: float, b: float) -> float:
    """Return exp(-2 max(b, 0)^2) times the double integral of Brunel's eq. A.1."""
    x, w = legendre(64)
    total = 0.0
    if a < 0:  # the integrand falls as |x|^-3: equal steps in asinh, and what lies beyond `far` does not count
        far = min(-a, 1e8 * (1 + abs(b)))
        begin, end = float(np.arcsinh(max(-b, 0.0))), float(np.arcsinh(far))
        edges = [begin, *(e for e in (2.0, 4.0, 8.0, 16.0) if begin < e < end), end]
        for low, high in pairwise(edges):
            y = low + (high - low) * x
            total += (high - low) * float((_inner(-np.sinh(y)) * np.cosh(y)) @ w)
        total *= float(np.exp(-2 * max(b, 0.0) ** 2))
    if b > 0:
        low = max(a, 0.0, float(np.sqrt(max(b * b - CUT / 2, 0.0))))
        u = low + (b - low) * x
        total += (b - low) * float((_inner(u) * np.exp(2 * (u - b) * (u + b))) @ w)
    return total


def _inner(x: Floats) -> Floats:
    """Return exp(x^2 - 2 max(x, 0)^2) times the integral of exp(y^2)(1 + erf y)^2 up to x, with y = x - s."""
    from scipy.special import erfc, erfcx

    nodes, w = legendre(64)
    square = x * x
    up = x > 0
    root = np.sqrt(np.where(up, np.maximum(square - CUT, 0), square + CUT))
    far = np.where(up & (square <= CUT), x + np.sqrt(np.maximum(CUT - square, 0)), CUT / (np.abs(x) + root))
    s = far[:, None] * nodes
    c = x[:, None]
    before = s < c
    early = np.exp(np.where(before, s * s - 2 * c * s, 0.0)) * erfc(np.where(before, s - c, 0.0)) ** 2
    late = np.exp(np.where(before, 0.0, 2 * c * s - s * s - 2 * np.maximum(c, 0) ** 2))
    late = late * erfcx(np.where(before, 0.0, s - c)) ** 2
    return far * (np.where(before, early, late) @ w)


def shot_noise_rate(rate: float, amplitude: float, tau: float, theta: float, v_r: float, t_ref: float = 0.0) -> float:
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
    k = float(positive("rate", rate, "Hz")) * 1e-3 * float(positive("tau", tau, "ms"))
    jump = float(positive("amplitude", amplitude, "mV"))
    high, low = float(positive("theta", theta, "mV above rest")) / jump, v_r / jump
    positive("t_ref", t_ref, "ms", zero=True)
    above("theta", theta, "v_r", v_r)

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
    while exponent(late) > largest - CUT:
        late = best + 2 * (late - best)
    early = best
    step = 1e-3 * best
    while early > 0 and exponent(early) > largest - CUT:
        early, step = max(best - step, 0.0), 2 * step
    spread = 1 / np.sqrt(max(k, 1e-300))
    inner = {best, best - 4 * spread, best + 4 * spread, best + 1, best + 5}
    edges = [early, *sorted(float(e) for e in inner if early < e < late), late]
    mean = t_ref * float(np.exp(-largest)) + tau * integrate(integrand, edges)
    return float(1e3 * np.exp(-largest) / mean)
