"""Postsynaptic potentials in closed form, and what Poisson input makes of them.

A current that is a chain of exponentials, filtered by the membrane, is the convolution of exponentials
with the rates 1/tau of the chain. That convolution is t^(n-1) times the divided difference of exp at the
points -t/tau, which exists for equal rates as well; computed as one, it loses nothing when the rates are
nearly equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike

from rheobase.analysis.theory.arguments import Floats, plain, positive
from rheobase.errors import InputError

__all__ = ["FreePotential", "campbell", "psp", "psp_peak"]

Shape = Literal["delta", "exp", "alpha", "beta"]


@final
@dataclass(frozen=True)
class FreePotential:
    """Stationary mean (mV) and variance (mV^2) of v, and its covariance with the input current (mV nA)."""

    mean: float
    variance: float
    covariance: float


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


def _read_shape(kind: str, tau: float, C: float, tau_s: float | Sequence[float] | None) -> tuple[list[float], float]:
    """Return the rates of the chain, the membrane's first, and the factor for a current that peaks at w."""
    positive("tau", tau, "ms"), positive("C", C, "nF")
    wanted = {"delta": 0, "exp": 1, "alpha": 1, "beta": 2}
    if kind not in wanted:
        raise InputError(f"kind = {kind!r} is not known; use 'delta', 'exp', 'alpha' or 'beta'.")
    given: list[float] = [] if tau_s is None else [float(x) for x in np.atleast_1d(np.asarray(tau_s, float))]
    if len(given) != wanted[kind]:
        fix = {0: "leave tau_s out", 1: "give tau_s as one number in ms", 2: "give tau_s=(rise, decay) in ms"}
        raise InputError(f"tau_s = {tau_s!r} does not fit kind = {kind!r}; {fix[wanted[kind]]}.")
    positive("tau_s", given, "ms")
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
    return plain(np.where(time >= 0, w / C * factor * value * np.exp(top), 0.0))


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
    per_ms = float(positive("rate", rate, "Hz", zero=True)) * 1e-3
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
