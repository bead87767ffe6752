"""Statistics of spike trains.

A train is a 1-D float64 array of spike times in ms, sorted; many trains are a list of such arrays. A train
without spikes (``np.array([])``) is legal everywhere and an empty list is not: it holds no train at all.
Functions of `trains` also take one train, and then return one number instead of one number per train.

Windows are open on the left and closed on the right, (start, until], because an engine stamps a spike with
the end of the step in which it happens; time 0 itself belongs to the first window. Bins follow the same
rule, and a time within 1e-9 ms of an edge counts as on it, so that spikes on a grid never fall to the wrong
side by rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheobase.errors import InputError

__all__ = [
    "coincidence",
    "correlation",
    "cv",
    "cv2",
    "fano",
    "isi",
    "lv",
    "psth",
    "rate",
    "schreiber",
    "spectrum",
    "spike_triggered_average",
    "synchrony",
    "van_rossum",
    "victor_purpura",
]

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Trains = ArrayLike | Iterable[ArrayLike]

_EDGE = 1e-9  # ms; k*dt is off by rounding, far less than this


@final
@dataclass(frozen=True)
class _Flat:
    """All spikes of some trains in one table, by train and then by time."""

    times: Floats  # (n_spikes,) ms
    owner: Integers  # (n_spikes,) index of the train
    n: int  # number of trains
    one: bool  # the caller gave one train, not a list

    def answer(self, values: Floats) -> Any:
        return float(values[0]) if self.one else values


# ---- what the caller gave ------------------------------------------------------------------------


def _read_train(times: ArrayLike, name: str) -> Floats:
    flat = _read_trains(times, name)
    if not flat.one:
        raise InputError(
            f"{name} must be one train, a 1-D array of times in ms; got {flat.n} trains. Pass {name}[0]?"
        )
    return flat.times


def _read_trains(trains: Any, name: str = "trains") -> _Flat:
    pieces: list[Any]
    if isinstance(trains, np.ndarray) and trains.ndim == 1 and trains.dtype != object:
        pieces, one = [trains], True
    elif isinstance(trains, str) or not isinstance(trains, Iterable):
        raise InputError(
            f"{name} must be a 1-D array of spike times in ms or a list of them, not {trains!r}."
        )
    else:
        pieces = list(trains)
        if not pieces:
            raise InputError(
                f"{name} is an empty list: it holds no train. A train without spikes is np.array([])."
            )
        one = np.ndim(pieces[0]) == 0
        pieces = [pieces] if one else pieces
    try:
        arrays = [np.asarray(piece, dtype=np.float64) for piece in pieces]
    except (TypeError, ValueError):
        raise InputError(
            f"{name} must hold plain numbers, spike times in ms, in one array per train."
        ) from None
    for i, array in enumerate(arrays):
        if array.ndim != 1:
            raise InputError(
                f"{_label(name, i, one)} must be a 1-D array of times in ms; its shape is {array.shape}."
            )
    flat = _Flat(
        np.concatenate(arrays),
        np.repeat(np.arange(len(arrays)), [array.size for array in arrays]),
        len(arrays),
        one,
    )
    _check_order(flat, name)
    return flat


def _check_order(flat: _Flat, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(flat.times))
    if bad.size:
        where = _label(name, int(flat.owner[bad[0]]), flat.one)
        raise InputError(f"{where} contains {flat.times[bad[0]]}; remove it: {name}[np.isfinite({name})].")
    bad = np.flatnonzero((np.diff(flat.times) < 0) & (np.diff(flat.owner) == 0))
    if bad.size:
        k, where = int(bad[0]), _label(name, int(flat.owner[bad[0]]), flat.one)
        raise InputError(
            f"{where} is not sorted ({flat.times[k]} before {flat.times[k + 1]} ms); use np.sort first."
        )


def _label(name: str, i: int, one: bool) -> str:
    return name if one else f"{name}[{i}]"


def _positive(name: str, value: float, unit: str = "ms") -> float:
    if not (np.ndim(value) == 0 and np.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value!r} must be a positive number of {unit}.")
    return float(value)


def _read_span(until: float, start: float) -> float:
    if not (np.isfinite(until) and np.isfinite(start)):
        raise InputError(f"until = {until!r} and start = {start!r} must be finite times in ms.")
    if until <= start:
        raise InputError(
            f"until = {until!r} ms must come after start = {start!r} ms; swap them or give a later until."
        )
    return float(until) - float(start)


def _inside(times: Floats, until: float, start: float) -> NDArray[np.bool_]:
    first = times >= -_EDGE if start == 0 else times > start + _EDGE
    return first & (times <= until + _EDGE)


def _count_bins(bin: float, until: float, start: float, name: str = "bin", least: int = 1) -> int:
    span = _read_span(until, start)
    n_bins = int(np.floor(span / _positive(name, bin) + 1e-9))
    if n_bins < least:
        need = "one whole bin" if least == 1 else f"{least} whole bins"
        raise InputError(
            f"{name} = {bin!r} ms leaves less than {need} between start and until; make {name} smaller."
        )
    return n_bins


def _bin_index(flat: _Flat, bin: float, n_bins: int, start: float) -> tuple[Integers, Integers]:
    """Return (train, bin) of every spike inside the bins."""
    tolerance = min(_EDGE / bin, 1e-3)
    k = np.ceil((flat.times - start) / bin - tolerance) - 1
    if start == 0:
        k[(k == -1) & (flat.times >= -_EDGE)] = 0
    inside = (k >= 0) & (k < n_bins)
    return flat.owner[inside], k[inside].astype(np.int64)


def _bin_counts(flat: _Flat, bin: float, n_bins: int, start: float) -> tuple[Integers, Integers, Floats]:
    """Return (train, bin, count) for every bin that is not empty: memory grows with spikes, not with bins."""
    owner, k = _bin_index(flat, bin, n_bins, start)
    key = owner * n_bins + k  # sorted, because the table is
    first = np.flatnonzero(np.diff(key, prepend=-1))
    count = np.diff(first, append=key.size).astype(np.float64)
    return owner[first], k[first], count


# ---- intervals -----------------------------------------------------------------------------------


def _pooled_intervals(flat: _Flat) -> tuple[Floats, Integers]:
    same = np.diff(flat.owner) == 0
    return np.diff(flat.times)[same], flat.owner[1:][same]


def _mean_by_train(values: Floats, owner: Integers, n: int, least: int) -> Floats:
    """Return the mean of the values of each train, nan for a train with fewer than `least` of them."""
    number = np.bincount(owner, minlength=n)
    total = np.bincount(owner, weights=values, minlength=n)
    return np.where(number >= least, total / np.maximum(number, 1), np.nan)


def isi(times: Trains) -> Any:
    """Return the interspike intervals of a train in ms, or a list of them for a list of trains.

    Parameters
    ----------
    times : array (n_spikes,) or list of arrays
        Spike times in ms.

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
    flat = _read_trains(times, "times")
    if flat.one:
        return np.diff(flat.times)
    edges = np.searchsorted(flat.owner, np.arange(1, flat.n))
    return [np.diff(train) for train in np.split(flat.times, edges)]


def cv(times: Trains) -> Any:
    r"""Return the coefficient of variation of the interspike intervals.

    .. math:: C_V = \sqrt{\langle (I - \langle I\rangle)^2\rangle} / \langle I \rangle

    with the plain (not the n - 1) variance. 0 for a clock, 1 for a Poisson process.

    Parameters
    ----------
    times : array (n_spikes,) or list of arrays
        Spike times in ms.

    Returns
    -------
    float, or array (n_trains,) for a list
        nan where there are fewer than two intervals.

    Examples
    --------
    >>> cv(np.array([0.0, 10.0, 30.0, 40.0, 60.0]))
    0.3333333333333333
    """
    flat = _read_trains(times, "times")
    interval, owner = _pooled_intervals(flat)
    mean = _mean_by_train(interval, owner, flat.n, 2)
    variance = _mean_by_train((interval - mean[owner]) ** 2, owner, flat.n, 2)
    with np.errstate(invalid="ignore"):
        return flat.answer(np.sqrt(variance) / mean)


def _neighbour_ratio(flat: _Flat) -> tuple[Floats, Integers]:
    """Return |I[n+1] - I[n]| / (I[n+1] + I[n]); two empty intervals are equal and give 0."""
    interval, owner = _pooled_intervals(flat)
    same = np.diff(owner) == 0
    difference, total = np.abs(np.diff(interval))[same], (interval[1:] + interval[:-1])[same]
    return difference / np.where(total > 0, total, 1.0), owner[1:][same]


def cv2(times: Trains) -> Any:
    r"""Return CV2, the local irregularity of neighbouring intervals, blind to slow changes of rate.

    .. math:: C_{V2} = \left\langle 2\,\frac{|I_{n+1} - I_n|}{I_{n+1} + I_n} \right\rangle

    Parameters
    ----------
    times : array (n_spikes,) or list of arrays
        Spike times in ms.

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
    flat = _read_trains(times, "times")
    ratio, owner = _neighbour_ratio(flat)
    return flat.answer(2 * _mean_by_train(ratio, owner, flat.n, 1))


def lv(times: Trains) -> Any:
    r"""Return the local variation of the intervals.

    .. math:: L_V = \frac{3}{n-1}\sum_{i=1}^{n-1}\left(\frac{I_i - I_{i+1}}{I_i + I_{i+1}}\right)^2

    Parameters
    ----------
    times : array (n_spikes,) or list of arrays
        Spike times in ms.

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
    flat = _read_trains(times, "times")
    ratio, owner = _neighbour_ratio(flat)
    return flat.answer(3 * _mean_by_train(ratio**2, owner, flat.n, 1))


# ---- counts --------------------------------------------------------------------------------------


def rate(trains: Trains, until: float, start: float = 0.0) -> Any:
    """Return the mean firing rate of each train in (start, until], in Hz.

    Parameters
    ----------
    trains : list of arrays, or one array
        Spike times in ms.
    until, start : float
        End and begin of the window in ms.

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
    flat, span = _read_trains(trains), _read_span(until, start)
    owner, _ = _bin_index(flat, span, 1, start)
    return flat.answer(1e3 * np.bincount(owner, minlength=flat.n) / span)


def psth(trains: Trains, bin: float, until: float, start: float = 0.0) -> tuple[Floats, Floats]:
    """Return the bin centres in ms and the mean rate of the trains in Hz (peristimulus time histogram).

    Parameters
    ----------
    trains : list of arrays, or one array
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
    flat, n_bins = _read_trains(trains), _count_bins(bin, until, start)
    _, k = _bin_index(flat, bin, n_bins, start)
    centres = start + bin * (np.arange(n_bins) + 0.5)
    return centres, 1e3 * np.bincount(k, minlength=n_bins) / (bin * flat.n)


def fano(trains: Trains, window: float, until: float, start: float = 0.0) -> Any:
    """Return the Fano factor of each train: variance over mean of its spike counts in consecutive windows.

    The variance is the plain one (divided by the number of windows). For a renewal process it tends to CV^2
    as the window grows; it is 1 for a Poisson process at any window.

    Parameters
    ----------
    trains : list of arrays, or one array
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
    flat, n_bins = _read_trains(trains), _count_bins(window, until, start, "window", least=2)
    owner, _, count = _bin_counts(flat, window, n_bins, start)
    mean, variance = _count_moments(owner, count, flat.n, n_bins)
    with np.errstate(invalid="ignore"):
        return flat.answer(variance / mean)


def _count_moments(owner: Integers, count: Floats, n: int, n_bins: int) -> tuple[Floats, Floats]:
    mean = np.bincount(owner, weights=count, minlength=n) / n_bins
    square = np.bincount(owner, weights=(count - mean[owner]) ** 2, minlength=n)
    empty = n_bins - np.bincount(owner, minlength=n)
    return mean, (square + empty * mean**2) / n_bins


def synchrony(trains: Trains, bin: float, until: float, start: float = 0.0) -> float:
    """Return the Fano factor of the population: variance over mean of the pooled spike count in bins.

    1 for independent Poisson trains; the number of trains for identical ones. nan if nobody fires.

    Parameters
    ----------
    trains : list of arrays
        Spike times of the population in ms.
    bin : float
        Width in ms (3 ms in the reference below).
    until, start : float
        End and begin of the window in ms; it must hold two bins or more.

    References
    ----------
    Potjans & Diesmann (2014), Cereb. Cortex 24:785.

    Examples
    --------
    >>> train = np.array([1.0, 5.0, 9.0])
    >>> round(synchrony([train] * 4, bin=2, until=10), 6), round(synchrony([train], bin=2, until=10), 6)
    (1.6, 0.4)
    """
    flat, n_bins = _read_trains(trains), _count_bins(bin, until, start, least=2)
    _, k = _bin_index(flat, bin, n_bins, start)
    count = np.bincount(k, minlength=n_bins)
    return float(count.var() / count.mean()) if k.size else float("nan")


def correlation(trains: Trains, bin: float, until: float, start: float = 0.0, matrix: bool = False) -> Any:
    r"""Return the mean pairwise Pearson correlation of the binned spike counts.

    .. math:: \rho_{ij} = \frac{\langle c_i c_j\rangle - \langle c_i\rangle\langle c_j\rangle}
              {\sigma_i\,\sigma_j}

    Trains whose count never changes (silent ones above all) have no correlation: they are left out of the
    mean, and their rows of the matrix are nan.

    Parameters
    ----------
    trains : list of arrays
        Spike times in ms, two trains or more.
    bin : float
        Width in ms.
    until, start : float
        End and begin of the window in ms; it must hold two bins or more.
    matrix : bool
        Return the whole matrix instead of the mean over pairs.

    Returns
    -------
    float, or array (n_trains, n_trains)
        nan if fewer than two trains have a correlation.

    References
    ----------
    de la Rocha et al. (2007), Nature 448:802 (count correlation).

    Examples
    --------
    >>> a, b = np.array([1.0, 3.0]), np.array([1.0, 5.0])
    >>> round(correlation([a, b], bin=2, until=8), 6)
    0.0
    >>> correlation([a, a, b], bin=2, until=8, matrix=True).round(3)
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]])
    """
    flat, n_bins = _read_trains(trains), _count_bins(bin, until, start, least=2)
    if flat.n < 2:
        raise InputError("trains holds one train; a pairwise correlation needs a list of two or more.")
    owner, k, count = _bin_counts(flat, bin, n_bins, start)
    mean, variance = _count_moments(owner, count, flat.n, n_bins)
    able = variance > 1e-12 * np.maximum(mean, 1e-300) ** 2
    scale = np.where(able, 1 / np.sqrt(np.where(able, variance, 1.0)), np.nan)
    if matrix:
        from scipy.sparse import csr_array

        counts = csr_array((count, (owner, k)), shape=(flat.n, n_bins))
        covariance = (counts @ counts.T).toarray() / n_bins - np.outer(mean, mean)
        return covariance * np.outer(scale, scale)
    n = int(able.sum())
    if n < 2:
        return float("nan")
    # the sum over all pairs is the variance of the summed z-scores, so no matrix is needed
    keep = able[owner]
    pooled = np.bincount(k[keep], weights=count[keep] * scale[owner[keep]], minlength=n_bins)
    pooled -= (mean[able] * scale[able]).sum()
    return float((np.mean(pooled**2) - n) / (n * (n - 1)))


def spectrum(
    trains: Trains, until: float, bin: float = 1.0, start: float = 0.0, segments: int = 1
) -> tuple[Floats, Floats]:
    r"""Return the frequencies in Hz and the power spectral density of the population rate in Hz^2/Hz.

    .. math:: S(f) = \frac{1}{T}\left|\sum_k (\nu_k - \bar\nu)\, e^{-2\pi i f t_k}\,\Delta\right|^2

    of the rate per train (two-sided density, shown for f > 0; the mean is removed). N independent Poisson
    trains of rate :math:`\nu` give the flat value :math:`\nu/N`.

    Parameters
    ----------
    trains : list of arrays, or one array
        Spike times in ms.
    until, start : float
        End and begin of the window in ms.
    bin : float
        Width in ms; the highest frequency is 500/bin Hz.
    segments : int
        Average over this many consecutive stretches (Bartlett): less scatter, coarser frequencies.

    Returns
    -------
    frequency, power : arrays (n_frequencies,)

    References
    ----------
    Bartlett (1950), Biometrika 37:1.

    Examples
    --------
    >>> frequency, power = spectrum([np.arange(5.0, 1000, 20)], until=1000)
    >>> frequency[power > 0.5 * power.max()][:3]  # a comb has all its harmonics
    array([ 50., 100., 150.])
    """
    if segments != int(segments) or segments < 1:
        raise InputError(f"segments = {segments!r} must be a whole number, 1 or more.")
    segments = int(segments)
    _count_bins(bin, until, start, least=2 * segments)
    _, nu = psth(trains, bin, until, start)
    n = nu.size // segments
    pieces = nu[: n * segments].reshape(segments, n)
    seconds = bin * 1e-3
    wave = np.fft.rfft(pieces - pieces.mean(axis=1, keepdims=True), axis=1)[:, 1:] * seconds
    return np.fft.rfftfreq(n, seconds)[1:], np.mean(np.abs(wave) ** 2, axis=0) / (n * seconds)


# ---- similarity of trains ------------------------------------------------------------------------

_ORDER = 24  # terms of the expansion below; the first one left out is under 1e-15
_BOX = 0.5  # width of a box in units of the kernel's width


def _gaussian_energy(times: Floats, owner: Integers, weights: Floats, sigma: float, n: int) -> Floats:
    """Return sum_kl w_k w_l exp(-(t_k - t_l)^2 / 4 sigma^2) for each train, by a fast Gauss transform.

    Spikes are gathered in boxes, each box is replaced by its moments, and boxes meet through the Hermite
    expansion of the Gaussian (Greengard & Strain 1991, SIAM J. Sci. Stat. Comput. 12:79). The cost grows
    with the spikes, never with their pairs, and the result is right to rounding.
    """
    total = np.zeros(n)
    if not times.size:
        return total
    x = (times - times.min()) / (2 * sigma)
    reach = int(np.ceil(6.2 / _BOX)) + 1  # exp(-6.2^2) is below rounding
    box = np.floor(x / _BOX).astype(np.int64)
    key = owner * (int(box.max()) + reach + 1) + box
    boxes, member = np.unique(key, return_inverse=True)
    u = x - (box + 0.5) * _BOX
    moments = np.empty((boxes.size, _ORDER))
    term = weights.astype(np.float64)
    for order in range(_ORDER):
        moments[:, order] = np.bincount(member, weights=term, minlength=boxes.size)
        term = term * u / (order + 1)
    box_owner = np.empty(boxes.size, dtype=np.int64)
    box_owner[member] = owner
    i, j = np.indices((_ORDER, _ORDER))
    for lag in range(reach + 1):
        at = np.minimum(np.searchsorted(boxes, boxes + lag), boxes.size - 1)
        near = np.flatnonzero(boxes[at] == boxes + lag)
        if not near.size:
            continue
        distance = -lag * _BOX
        hermite = np.empty(2 * _ORDER)
        hermite[0], hermite[1] = np.exp(-(distance**2)), 2 * distance * np.exp(-(distance**2))
        for order in range(1, 2 * _ORDER - 1):
            hermite[order + 1] = 2 * distance * hermite[order] - 2 * order * hermite[order - 1]
        table = (-1.0) ** i * hermite[i + j]  # exp(-(D + u - v)^2) = sum (-1)^i h_(i+j)(D) u^i/i! v^j/j!
        value = np.einsum("ki,ki->k", moments[near] @ table, moments[at[near]])
        total += (1 if lag == 0 else 2) * np.bincount(box_owner[near], weights=value, minlength=n)
    return total


def schreiber(trains: Trains, sigma: float, start: float, until: float) -> float:
    r"""Return the reliability of repeated trials: mean correlation of all pairs of Gaussian-filtered trains.

    .. math:: R = \frac{2}{N(N-1)}\sum_{i<j}\frac{s_i\cdot s_j}{|s_i|\,|s_j|}, \qquad
              s_i\cdot s_j \propto \sum_{k,l} e^{-(t_i^k - t_j^l)^2/4\sigma^2}

    1 for identical trains, 0 for trains that never meet. The inner products are evaluated exactly, without
    a time grid. A pair with a silent train counts as 0.

    Parameters
    ----------
    trains : list of arrays
        Spike times in ms, one array per trial, two or more.
    sigma : float
        Standard deviation of the Gaussian in ms.
    start, until : float
        Only spikes in (start, until] are used.

    References
    ----------
    Schreiber, Fellous, Whitmer, Tiesinga, Sejnowski (2003), Neurocomputing 52:925.

    Examples
    --------
    >>> a = np.array([10.0, 50.0])
    >>> schreiber([a, a, a], sigma=3, start=0, until=100)
    1.0
    >>> round(schreiber([a, a + 6], sigma=3, start=0, until=100), 6)  # exp(-1)
    0.367879
    """
    flat, sigma = _read_trains(trains), _positive("sigma", sigma)
    _read_span(until, start)
    if flat.n < 2:
        raise InputError("trains holds one train; reliability compares two trials or more.")
    inside = _inside(flat.times, until, start)
    times, owner = flat.times[inside], flat.owner[inside]
    norm = np.sqrt(_gaussian_energy(times, owner, np.ones(times.size), sigma, flat.n))
    active = int(np.count_nonzero(norm))
    pooled = _gaussian_energy(times, np.zeros_like(owner), 1 / norm[owner], sigma, 1)[0]
    return float(round((pooled - active) / (flat.n * (flat.n - 1)), 14))


def van_rossum(a: ArrayLike, b: ArrayLike, tau: float) -> float:
    r"""Return the squared van Rossum distance of two trains.

    .. math:: D^2 = \frac{1}{\tau}\int_0^\infty [f(t) - g(t)]^2\,dt, \qquad
              f(t) = \sum_{t_k \le t} e^{-(t - t_k)/\tau}

    In this normalisation one extra spike gives 1/2 and a spike moved far away gives 1; the square root of
    the value is a metric. The integral is done exactly, by one pass over the sorted spikes.

    Parameters
    ----------
    a, b : array (n_spikes,)
        Spike times in ms.
    tau : float
        Time constant of the exponential in ms; ``inf`` is not allowed, it compares only the counts.

    References
    ----------
    van Rossum (2001), Neural Comput. 13:751; the one-pass form is that of Houghton & Kreuz (2012),
    Network 23:48.

    Examples
    --------
    >>> van_rossum(np.array([10.0, 20.0]), np.array([10.0]), tau=5)
    0.5
    """
    first, second, tau = _read_train(a, "a"), _read_train(b, "b"), _positive("tau", tau)
    times, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    sign = np.repeat([1.0, -1.0], [first.size, second.size])
    charge = np.bincount(place, weights=sign, minlength=times.size)
    times, charge = times[charge != 0], charge[charge != 0]  # spikes in both trains cancel exactly
    if not times.size:
        return 0.0
    decay = np.exp(-np.diff(times) / tau).tolist()
    charges = charge.tolist()
    trace, cross = charges[0], 0.0
    for q, factor in zip(charges[1:], decay, strict=True):
        trace *= factor
        cross += q * trace
        trace += q
    return float(0.5 * np.dot(charge, charge) + cross)


def victor_purpura(a: ArrayLike, b: ArrayLike, cost: float) -> float:
    """Return the Victor-Purpura distance: the cheapest way to edit train `a` into train `b`.

    Adding or deleting a spike costs 1, moving one by t ms costs cost*t. ``cost=0`` compares the counts alone,
    ``cost=np.inf`` counts the spikes without an exact partner. The work is n_a * n_b.

    Parameters
    ----------
    a, b : array (n_spikes,)
        Spike times in ms.
    cost : float
        Price of moving a spike, in 1/ms.

    References
    ----------
    Victor & Purpura (1996), J. Neurophysiol. 76:1310 (the metric D_spike).

    Examples
    --------
    >>> victor_purpura(np.array([10.0, 20.0]), np.array([12.0]), cost=0.25)
    1.5
    """
    first, second = _read_train(a, "a"), _read_train(b, "b")
    if not (np.ndim(cost) == 0 and cost >= 0):
        raise InputError(f"cost = {cost!r} must be zero or positive, in 1/ms.")
    if first.size > second.size:  # the shorter train is the Python loop
        first, second = second, first
    column = np.arange(second.size + 1, dtype=np.float64)
    row = column.copy()
    for t in first:
        gap = np.abs(second - t)
        move = np.where(gap == 0, 0.0, cost * np.where(gap == 0, 1.0, gap))
        best = row + 1
        np.minimum(best[1:], row[:-1] + move, out=best[1:])
        row = np.minimum.accumulate(best - column) + column  # adding a run of spikes, all at once
    return float(row[-1])


def coincidence(
    reference: ArrayLike, model: ArrayLike, delta: float, until: float, start: float = 0.0
) -> float:
    r"""Return the coincidence factor Gamma of a model's train with a reference train.

    .. math:: \Gamma = \frac{N_{coinc} - 2\nu\Delta N_{ref}}{\frac12 (N_{ref} + N_{model})}
              \frac{1}{1 - 2\nu\Delta}

    with :math:`\nu` the rate of the model. 1 when every spike has its partner within :math:`\pm\Delta`, 0
    on average for a Poisson train of the same rate. A spike has one partner at most (earliest first), so
    Gamma never exceeds 1.

    Parameters
    ----------
    reference, model : array (n_spikes,)
        Spike times in ms.
    delta : float
        Precision in ms; 2 or 4 ms is usual.
    until, start : float
        Only spikes in (start, until] are used.

    Returns
    -------
    float
        nan if both trains are silent.

    Raises
    ------
    InputError
        If 2 nu delta is 1 or more: at that precision chance alone explains everything.

    References
    ----------
    Kistler, Gerstner, van Hemmen (1997), Neural Comput. 9:1015; Jolivet et al. (2008), J. Neurosci. Methods
    169:417.

    Examples
    --------
    >>> t = np.array([100.0, 300.0, 550.0])
    >>> coincidence(t, t + 1.5, delta=2, until=1000)
    1.0
    """
    span, delta = _read_span(until, start), _positive("delta", delta)
    data, guess = _read_train(reference, "reference"), _read_train(model, "model")
    data, guess = data[_inside(data, until, start)], guess[_inside(guess, until, start)]
    if not data.size + guess.size:
        return float("nan")
    chance = 2 * delta * guess.size / span
    if chance >= 1:
        raise InputError(
            f"delta = {delta!r} ms is too coarse for {guess.size} model spikes in {span:g} ms; lower it."
        )
    paired, j, theirs = 0, 0, guess.tolist()
    for t in data.tolist():
        while j < len(theirs) and theirs[j] < t - delta:
            j += 1
        if j < len(theirs) and theirs[j] <= t + delta:
            paired, j = paired + 1, j + 1
    return (paired - chance * data.size) / (0.5 * (data.size + guess.size) * (1 - chance))


def spike_triggered_average(
    times: ArrayLike, signal: ArrayLike, dt: float, window: float | Sequence[float]
) -> tuple[Floats, Floats]:
    r"""Return the lags in ms and the average of a signal around the spikes.

    .. math:: \bar s(\ell) = \frac1n \sum_k s(t_k + \ell)

    Spikes whose window leaves the signal are left out.

    Parameters
    ----------
    times : array (n_spikes,)
        Spike times in ms.
    signal : array (n_times,) or (n_channels, n_times)
        Sampled at t = 0, dt, 2 dt, ...; a spike takes the nearest sample.
    dt : float
        Sampling step in ms.
    window : float or (before, after)
        How far to look to both sides, or before and after each spike, in ms.

    Returns
    -------
    lags : array (n_lags,)
        From -before to after, negative before the spike.
    average : array (n_lags,) or (n_channels, n_lags)
        nan if no spike has its whole window inside the signal.

    References
    ----------
    de Boer & Kuyper (1968), IEEE Trans. Biomed. Eng. 15:169.

    Examples
    --------
    >>> signal = np.zeros(100)
    >>> signal[[18, 58]] = 1.0
    >>> spike_triggered_average(np.array([10.0, 30.0]), signal, dt=0.5, window=(1.5, 0.5))
    (array([-1.5, -1. , -0.5,  0. ,  0.5]), array([0., 1., 0., 0., 0.]))
    """
    spikes, dt = _read_train(times, "times"), _positive("dt", dt)
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim not in (1, 2) or values.shape[-1] == 0:
        raise InputError(
            f"signal must have the shape (n_times,) or (n_channels, n_times), not {values.shape}."
        )
    before, after = (window, window) if isinstance(window, (int, float, np.number)) else tuple(window)
    if not (np.isfinite(before) and np.isfinite(after) and before >= 0 and after >= 0):
        raise InputError(
            f"window = {window!r} must be zero or positive, in ms: one number or (before, after)."
        )
    left, right = round(float(before) / dt), round(float(after) / dt)
    centre = np.rint(spikes / dt).astype(np.int64)
    centre = centre[(centre >= left) & (centre + right < values.shape[-1])]
    lags = np.arange(-left, right + 1)
    if not centre.size:
        return lags * dt, np.full((*values.shape[:-1], lags.size), np.nan)
    # one lag at a time: a table (n_spikes, n_lags) would not fit for 10^6 spikes
    average = np.stack([values[..., centre + lag].mean(axis=-1) for lag in lags], axis=-1)
    return lags * dt, average
