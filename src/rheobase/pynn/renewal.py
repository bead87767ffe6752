"""Spike sources whose intervals are independent: Poisson with a dead time, gamma processes."""

from __future__ import annotations

import numpy as np

__all__ = ["dead_time_train", "gamma_train"]

_AT_ONCE = 256  # intervals drawn together: a longer train has a shorter one as its beginning


def dead_time_train(
    key: tuple[int, ...], rate: float, tau_refrac: float, start: float, duration: float, until: float
) -> np.ndarray:
    """Return the spikes (ms) of a Poisson process of that mean rate (Hz) with a dead time (ms).

    >>> train = dead_time_train((1, 2), 100.0, 5.0, 0.0, 1e9, 1000.0)
    >>> bool(np.diff(train).min() >= 5.0)
    True
    """
    if rate <= 0:
        return np.empty(0)
    free = 1000.0 / rate - tau_refrac
    if free <= 0:
        raise ValueError(f"rate = {rate:g} Hz needs intervals longer than tau_refrac = {tau_refrac:g} ms")
    rng = np.random.default_rng(key)
    return _renewal(lambda: tau_refrac + rng.exponential(free, _AT_ONCE), start, min(start + duration, until))


def gamma_train(
    key: tuple[int, ...], alpha: float, beta: float, start: float, duration: float, until: float
) -> np.ndarray:
    """Return the spikes (ms) of a gamma process: intervals of shape alpha and rate beta (Hz)."""
    if beta <= 0:
        return np.empty(0)
    rng = np.random.default_rng(key)
    return _renewal(lambda: rng.gamma(alpha, 1000.0 / beta, _AT_ONCE), start, min(start + duration, until))


def _renewal(draw, start: float, stop: float) -> np.ndarray:  # type: ignore[no-untyped-def]
    times, last = [np.empty(0)], start
    while last <= stop:
        block = last + np.cumsum(draw())
        times.append(block)
        last = float(block[-1])
    whole = np.concatenate(times)
    return whole[whole <= stop]
