"""How alike spike trains are, and what a signal looks like around spikes.

Trains, windows and bins are those of `rheobase.analysis.trains`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rheobase.analysis.reading import (
    Floats,
    Integers,
    Trains,
    bin_counts,
    count_bins,
    count_moments,
    draw_trains,
    inside_span,
    positive,
    read_span,
    read_train,
    read_trains,
    read_until,
)
from rheobase.errors import InputError

__all__ = [
    "correlation",
    "coincidence",
    "schreiber",
    "spike_triggered_average",
    "van_rossum",
    "victor_purpura",
]

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
    flat, sigma = read_trains(trains), positive("sigma", sigma)
    read_span(until, start)
    if flat.n < 2:
        raise InputError("trains holds one train; reliability compares two trials or more.")
    inside = inside_span(flat.times, until, start)
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
    first, second, tau = read_train(a, "a"), read_train(b, "b"), positive("tau", tau)
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
    first, second = read_train(a, "a"), read_train(b, "b")
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


def coincidence(reference: ArrayLike, model: ArrayLike, delta: float, until: float, start: float = 0.0) -> float:
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
    span, delta = read_span(until, start), positive("delta", delta)
    data, guess = read_train(reference, "reference"), read_train(model, "model")
    data, guess = data[inside_span(data, until, start)], guess[inside_span(guess, until, start)]
    if not data.size + guess.size:
        return float("nan")
    chance = 2 * delta * guess.size / span
    if chance >= 1:
        raise InputError(f"delta = {delta!r} ms is too coarse for {guess.size} model spikes in {span:g} ms; lower it.")
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
    spikes, dt = read_train(times, "times"), positive("dt", dt)
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim not in (1, 2) or values.shape[-1] == 0:
        raise InputError(f"signal must have the shape (n_times,) or (n_channels, n_times), not {values.shape}.")
    before, after = (window, window) if isinstance(window, (int, float, np.number)) else tuple(window)
    if not (np.isfinite(before) and np.isfinite(after) and before >= 0 and after >= 0):
        raise InputError(f"window = {window!r} must be zero or positive, in ms: one number or (before, after).")
    left, right = round(float(before) / dt), round(float(after) / dt)
    centre = np.rint(spikes / dt).astype(np.int64)
    centre = centre[(centre >= left) & (centre + right < values.shape[-1])]
    lags = np.arange(-left, right + 1)
    if not centre.size:
        return lags * dt, np.full((*values.shape[:-1], lags.size), np.nan)
    # one lag at a time: a table (n_spikes, n_lags) would not fit for 10^6 spikes
    average = np.stack([values[..., centre + lag].mean(axis=-1) for lag in lags], axis=-1)
    return lags * dt, average


def correlation(
    trains: Trains,
    bin: float,
    until: float | None = None,
    start: float = 0.0,
    matrix: bool = False,
    sample: int | None = None,
    seed: int = 0,
) -> Any:
    r"""Return the mean pairwise Pearson correlation of the binned spike counts.

    .. math:: \rho_{ij} = \frac{\langle c_i c_j\rangle - \langle c_i\rangle\langle c_j\rangle}
              {\sigma_i\,\sigma_j}

    Trains whose count never changes (silent ones above all) have no correlation: they are left out of the
    mean, and their rows of the matrix are nan.

    Parameters
    ----------
    trains : list of arrays, Spikes or Run
        Spike times in ms, two trains or more.
    bin : float
        Width in ms.
    until, start : float
        End and begin of the window in ms (a `Run` brings its own end); it must hold two bins or more.
    matrix : bool
        Return the whole matrix instead of the mean over pairs.
    sample, seed : int
        Take so many trains only, drawn at random with this seed; all, if there are no more.

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
    flat = read_trains(trains)
    n_bins = count_bins(bin, read_until(flat, until), start, least=2)
    if flat.n < 2:
        raise InputError("trains holds one train; a pairwise correlation needs a list of two or more.")
    if sample is not None:
        flat = draw_trains(flat, sample, seed)
    owner, k, count = bin_counts(flat, bin, n_bins, start)
    mean, variance = count_moments(owner, count, flat.n, n_bins)
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
