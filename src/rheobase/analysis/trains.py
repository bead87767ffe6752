"""Statistics of spike trains.

A train is a 1-D float64 array of spike times in ms, sorted; many trains are a list of such arrays, the `Spikes`
of a run, or the `Run` itself, which also says when it ended. A train without spikes (``np.array([])``) is legal
everywhere and an empty list is not: it holds no train at all. Functions of `trains` also take one train, and
then return one number instead of one number per train.

Windows are open on the left and closed on the right, (start, until], because an engine stamps a spike with
the end of the step in which it happens; time 0 itself belongs to the first window. Bins follow the same
rule, and a time within 1e-9 ms of an edge counts as on it, so that spikes on a grid never fall to the wrong
side by rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rheobase.analysis.reading import (
    Flat,
    Floats,
    Integers,
    Trains,
    bin_counts,
    bin_index,
    count_bins,
    count_moments,
    crop,
    read_span,
    read_trains,
    read_until,
)

__all__ = ["cv", "cv2", "fano", "isi", "lv", "psth", "rate"]

# ---- intervals -----------------------------------------------------------------------------------


def _pooled_intervals(flat: Flat) -> tuple[Floats, Integers]:
    same = np.diff(flat.owner) == 0
    return np.diff(flat.times)[same], flat.owner[1:][same]


def _mean_by_train(values: Floats, owner: Integers, n: int, least: int) -> Floats:
    """Return the mean of the values of each train, nan for a train with fewer than `least` of them."""
    number = np.bincount(owner, minlength=n)
    total = np.bincount(owner, weights=values, minlength=n)
    return np.where(number >= least, total / np.maximum(number, 1), np.nan)


def isi(times: Trains, start: float = 0.0, until: float | None = None) -> Any:
    """Return the interspike intervals of a train in ms, or a list of them for a list of trains.

    Parameters
    ----------
    times : array (n_spikes,), list of arrays, Spikes or Run
        Spike times in ms.
    start, until : float
        Only intervals that lie in (start, until] count, in ms; by default all.

    Returns
    -------
    array (n_spikes - 1,) or list of arrays
        Empty for a train with fewer than two spikes.

    Raises
    ------
    InputError
        If the times are not sorted, not finite, not 1-D, or the list is empty.

    Examples
    --------
    >>> isi(np.array([3.0, 10.0, 18.0]))
    array([7., 8.])
    """
    flat = crop(read_trains(times, "times"), until, start)
    if flat.one:
        return np.diff(flat.times)
    edges = np.searchsorted(flat.owner, np.arange(1, flat.n))
    return [np.diff(train) for train in np.split(flat.times, edges)]


def cv(times: Trains, start: float = 0.0, until: float | None = None) -> Any:
    r"""Return the coefficient of variation of the interspike intervals.

    .. math:: C_V = \sqrt{\langle (I - \langle I\rangle)^2\rangle} / \langle I \rangle

    with the plain (not the n - 1) variance. 0 for a clock, 1 for a Poisson process.

    Parameters
    ----------
    times : array (n_spikes,), list of arrays, Spikes or Run
        Spike times in ms.
    start, until : float
        Only intervals that lie in (start, until] count, in ms; by default all.

    Returns
    -------
    float, or array (n_trains,) for a list
        nan where there are fewer than two intervals.

    Examples
    --------
    >>> cv(np.array([0.0, 10.0, 30.0, 40.0, 60.0]))
    0.3333333333333333
    """
    flat = crop(read_trains(times, "times"), until, start)
    interval, owner = _pooled_intervals(flat)
    mean = _mean_by_train(interval, owner, flat.n, 2)
    variance = _mean_by_train((interval - mean[owner]) ** 2, owner, flat.n, 2)
    with np.errstate(invalid="ignore"):
        return flat.answer(np.sqrt(variance) / mean)


def _neighbour_ratio(flat: Flat) -> tuple[Floats, Integers]:
    """Return |I[n+1] - I[n]| / (I[n+1] + I[n]); two empty intervals are equal and give 0."""
    interval, owner = _pooled_intervals(flat)
    same = np.diff(owner) == 0
    difference, total = np.abs(np.diff(interval))[same], (interval[1:] + interval[:-1])[same]
    return difference / np.where(total > 0, total, 1.0), owner[1:][same]


def cv2(times: Trains, start: float = 0.0, until: float | None = None) -> Any:
    r"""Return CV2, the local irregularity of neighbouring intervals, blind to slow changes of rate.

    .. math:: C_{V2} = \left\langle 2\,\frac{|I_{n+1} - I_n|}{I_{n+1} + I_n} \right\rangle

    Parameters
    ----------
    times : array (n_spikes,), list of arrays, Spikes or Run
        Spike times in ms.
    start, until : float
        Only intervals that lie in (start, until] count, in ms; by default all.

    Returns
    -------
    float, or array (n_trains,) for a list
        nan where there are fewer than two intervals; 1 on average for a Poisson process.

    References
    ----------
    Holt, Softky, Koch, Douglas (1996), J. Neurophysiol. 75:1806.

    Examples
    --------
    >>> round(cv2(np.array([0.0, 10.0, 30.0, 40.0])), 6)
    0.666667
    """
    flat = crop(read_trains(times, "times"), until, start)
    ratio, owner = _neighbour_ratio(flat)
    return flat.answer(2 * _mean_by_train(ratio, owner, flat.n, 1))


def lv(times: Trains, start: float = 0.0, until: float | None = None) -> Any:
    r"""Return the local variation of the intervals.

    .. math:: L_V = \frac{3}{n-1}\sum_{i=1}^{n-1}\left(\frac{I_i - I_{i+1}}{I_i + I_{i+1}}\right)^2

    Parameters
    ----------
    times : array (n_spikes,), list of arrays, Spikes or Run
        Spike times in ms.
    start, until : float
        Only intervals that lie in (start, until] count, in ms; by default all.

    Returns
    -------
    float, or array (n_trains,) for a list
        nan where there are fewer than two intervals; 1 on average for a Poisson process.

    References
    ----------
    Shinomoto, Shima, Tanji (2003), Neural Comput. 15:2823.

    Examples
    --------
    >>> round(lv(np.array([0.0, 10.0, 30.0, 40.0])), 6)
    0.333333
    """
    flat = crop(read_trains(times, "times"), until, start)
    ratio, owner = _neighbour_ratio(flat)
    return flat.answer(3 * _mean_by_train(ratio**2, owner, flat.n, 1))


# ---- counts --------------------------------------------------------------------------------------


def rate(trains: Trains, until: float | None = None, start: float = 0.0) -> Any:
    """Return the mean firing rate of each train in (start, until], in Hz.

    Parameters
    ----------
    trains : list of arrays, one array, Spikes or Run
        Spike times in ms.
    until, start : float
        End and begin of the window in ms; a `Run` brings its own end.

    Returns
    -------
    array (n_trains,), or float for one train

    Raises
    ------
    InputError
        If `until` is not after `start`, or a train is not sorted or not finite, or the list is empty.

    Examples
    --------
    >>> rate([np.array([40.0, 80.0]), np.array([])], until=100)
    array([20.,  0.])
    """
    flat = read_trains(trains)
    span = read_span(read_until(flat, until), start)
    owner, _ = bin_index(flat, span, 1, start)
    return flat.answer(1e3 * np.bincount(owner, minlength=flat.n) / span)


def psth(trains: Trains, bin: float, until: float | None = None, start: float = 0.0) -> tuple[Floats, Floats]:
    """Return the bin centres in ms and the mean rate of the trains in Hz (peristimulus time histogram).

    Parameters
    ----------
    trains : list of arrays, one array, Spikes or Run
        Spike times in ms; trials of one neuron or the neurons of a population.
    bin : float
        Width in ms. A rest of the window shorter than one bin is left out.
    until, start : float
        End and begin of the window in ms.

    Returns
    -------
    centres, rate : arrays (n_bins,)

    Examples
    --------
    >>> psth([np.array([1.0, 7.0]), np.array([6.0])], bin=5, until=10)
    (array([2.5, 7.5]), array([100., 200.]))
    """
    flat = read_trains(trains)
    n_bins = count_bins(bin, read_until(flat, until), start)
    _, k = bin_index(flat, bin, n_bins, start)
    centres = start + bin * (np.arange(n_bins) + 0.5)
    return centres, 1e3 * np.bincount(k, minlength=n_bins) / (bin * flat.n)


def fano(trains: Trains, window: float, until: float | None = None, start: float = 0.0) -> Any:
    """Return the Fano factor of each train: variance over mean of its spike counts in consecutive windows.

    The variance is the plain one (divided by the number of windows). For a renewal process it tends to CV^2
    as the window grows; it is 1 for a Poisson process at any window.

    Parameters
    ----------
    trains : list of arrays, one array, Spikes or Run
        Spike times in ms.
    window : float
        Length of one counting window in ms.
    until, start : float
        End and begin of the counted time in ms; it must hold two windows or more.

    Returns
    -------
    array (n_trains,), or float for one train
        nan for a train without spikes.

    References
    ----------
    Cox & Lewis (1966), The Statistical Analysis of Series of Events.

    Examples
    --------
    >>> fano(np.array([1.0, 2.0, 3.0, 11.0]), window=10, until=20)
    0.5
    """
    flat = read_trains(trains)
    n_bins = count_bins(window, read_until(flat, until), start, "window", least=2)
    owner, _, count = bin_counts(flat, window, n_bins, start)
    mean, variance = count_moments(owner, count, flat.n, n_bins)
    with np.errstate(invalid="ignore"):
        return flat.answer(variance / mean)
