"""Intervals of processes whose law is known: perfect integrator, counter, dead time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from rheobase.analysis.theory.arguments import above, positive
from rheobase.errors import InputError

__all__ = ["Intervals", "perfect_integrator", "poisson_counter", "poisson_dead_time"]


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
    positive("mu", mu, "mV/ms"), positive("D", D, "mV^2/ms", zero=True)
    above("theta", theta, "v_r", v_r)
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
    each = 1e3 / float(positive("rate", rate, "Hz"))
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
    each = 1e3 / float(positive("rate", rate, "Hz"))
    return Intervals(each + float(positive("t_ref", t_ref, "ms", zero=True)), each**2)
