"""How the neurons of a population fire together: synchrony, and the spectrum of their rate.

Trains, windows and bins are those of `rheobase.analysis.trains`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rheobase.analysis.reading import (
    Floats,
    Trains,
    bin_counts,
    bin_index,
    count_bins,
    count_moments,
    read_trains,
    read_until,
)
from rheobase.analysis.trains import psth
from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError
from rheobase.run import Run

__all__ = ["chi", "spectrum", "synchrony"]


def synchrony(trains: Trains, bin: float, until: float | None = None, start: float = 0.0) -> float:
    """Return the Fano factor of the population: variance over mean of the pooled spike count in bins.

    1 for independent Poisson trains; the number of trains for identical ones. nan if nobody fires.

    Parameters
    ----------
    trains : list of arrays, Spikes or Run
        Spike times of the population in ms.
    bin : float
        Width in ms (3 ms in the reference below).
    until, start : float
        End and begin of the window in ms (a `Run` brings its own end); it must hold two bins or more.

    References
    ----------
    Potjans & Diesmann (2014), Cereb. Cortex 24:785.

    Examples
    --------
    >>> train = np.array([1.0, 5.0, 9.0])
    >>> round(synchrony([train] * 4, bin=2, until=10), 6), round(synchrony([train], bin=2, until=10), 6)
    (1.6, 0.4)
    """
    flat = read_trains(trains)
    n_bins = count_bins(bin, read_until(flat, until), start, least=2)
    _, k = bin_index(flat, bin, n_bins, start)
    count = np.bincount(k, minlength=n_bins)
    return float(count.var() / count.mean()) if k.size else float("nan")


def chi(signals: Any, bin: float | None = None, until: float | None = None, start: float = 0.0) -> float:
    r"""Return Golomb's synchrony measure of the voltages, or of the binned spikes, of a population.

    .. math:: \chi^2 = \mathrm{Var}_t\Big[\frac1N\sum_i x_i(t)\Big] \Big/ \frac1N\sum_i \mathrm{Var}_t[x_i(t)]

    1 for identical signals; it falls as :math:`1/\sqrt N` with the size of an asynchronous population, and stays
    above 0 for a synchronous one.

    Parameters
    ----------
    signals : array (n_neurons, n_times); or list of arrays, Spikes or Run, with bin=
        Traces such as ``run.v``; or spike times in ms, whose counts in bins are taken.
    bin : float, optional
        Width of the bins in ms, for spikes.
    until, start : float
        End and begin of the window in ms, for spikes (a `Run` brings its own end); cut traces yourself.

    Returns
    -------
    float
        nan if nothing varies.

    Raises
    ------
    InputError
        If traces are not of shape (n_neurons, n_times), or hold NaN.

    References
    ----------
    Golomb & Rinzel (1994), Physica D 72:259; Golomb (2007), Scholarpedia 2(1):1347, eq. 5.

    Examples
    --------
    >>> t = np.arange(1000) * 0.1
    >>> chi(np.sin([t, t])), round(chi(np.sin([t, t + np.pi])), 6)
    (1.0, 0.0)
    >>> train = np.array([1.0, 5.0, 9.0])
    >>> chi([train, train], bin=2, until=10)
    1.0
    """
    if bin is not None:
        flat = read_trains(signals)
        n_bins = count_bins(bin, read_until(flat, until), start, least=2)
        owner, _, count = bin_counts(flat, bin, n_bins, start)
        _, variance = count_moments(owner, count, flat.n, n_bins)
        _, k = bin_index(flat, bin, n_bins, start)
        own = float(variance.mean())
        together = float(np.bincount(k, minlength=n_bins).var()) / flat.n**2
    else:
        if isinstance(signals, Spikes | Run):
            raise InputError("spikes are counted in bins; give bin= in ms (or traces, as in chi(run.v))")
        x = np.asarray(signals, dtype=np.float64)
        if x.ndim != 2 or x.size == 0 or not np.all(np.isfinite(x)):
            raise InputError(
                f"signals must be finite numbers of shape (n_neurons, n_times), not {x.shape}; for spikes give bin="
            )
        own, together = float(x.var(axis=1).mean()), float(x.mean(axis=0).var())
    return float(np.sqrt(together / own)) if own > 0 else float("nan")


def spectrum(
    trains: Trains,
    until: float | None = None,
    bin: float = 1.0,
    start: float = 0.0,
    segments: int = 1,
    method: str = "bartlett",
) -> tuple[Floats, Floats]:
    r"""Return the frequencies in Hz and the power spectral density of the population rate in Hz^2/Hz.

    .. math:: S(f) = \frac{1}{T}\left|\sum_k (\nu_k - \bar\nu)\, e^{-2\pi i f t_k}\,\Delta\right|^2

    of the rate per train (two-sided density, shown for f > 0; the mean is removed). N independent Poisson
    trains of rate :math:`\nu` give the flat value :math:`\nu/N`.

    Parameters
    ----------
    trains : list of arrays, one array, Spikes or Run
        Spike times in ms.
    until, start : float
        End and begin of the window in ms; a `Run` brings its own end.
    bin : float
        Width in ms; the highest frequency is 500/bin Hz.
    segments : int
        Average over this many stretches: less scatter, coarser frequencies.
    method : "bartlett" or "welch"
        Stretches one after the other; or overlapping by half and weighted by a Hann window, which keeps a strong
        line from leaking over the frequencies beside it.

    Returns
    -------
    frequency, power : arrays (n_frequencies,)

    References
    ----------
    Bartlett (1950), Biometrika 37:1; Welch (1967), IEEE Trans. Audio Electroacoust. 15:70.

    Examples
    --------
    >>> frequency, power = spectrum([np.arange(5.0, 1000, 20)], until=1000)
    >>> frequency[power > 0.5 * power.max()][:3]  # a comb has all its harmonics
    array([ 50., 100., 150.])
    """
    if segments != int(segments) or segments < 1:
        raise InputError(f"segments = {segments!r} must be a whole number, 1 or more.")
    if method not in ("bartlett", "welch"):
        raise InputError(f"method = {method!r:.40} must be 'bartlett' or 'welch'.")
    flat, segments = read_trains(trains), int(segments)
    end = read_until(flat, until)
    count_bins(bin, end, start, least=2 * segments)
    _, nu = psth(trains, bin, end, start)
    seconds = bin * 1e-3
    if method == "welch":
        from scipy.signal import welch

        n = 2 * (nu.size // (segments + 1))  # so many halves, overlapping, fill the window
        frequency, power = welch(nu, 1 / seconds, nperseg=n, detrend="constant", return_onesided=False)
        keep = np.arange(1, n // 2 + 1)
        return np.abs(frequency[keep]), power[keep]
    n = nu.size // segments
    pieces = nu[: n * segments].reshape(segments, n)
    wave = np.fft.rfft(pieces - pieces.mean(axis=1, keepdims=True), axis=1)[:, 1:] * seconds
    return np.fft.rfftfreq(n, seconds)[1:], np.mean(np.abs(wave) ** 2, axis=0) / (n * seconds)
