"""The activity of populations: rasters side by side, rates of neurons, spectra of the population's rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.plot.style import COLOURS, GREY, clean, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["population_colours", "populations", "rates", "spectrum"]

_LINES: Final = 3  # curves in one panel that can be told apart
_LEAST: Final = 0.04  # share of the raster that the smallest population gets


def population_colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each population: blue and red where the names end in E and I, else one after the other.

    >>> population_colours(["L4E", "L4I"]) == {"L4E": COLOURS[0], "L4I": COLOURS[1]}
    True
    """
    if {name[-1:] for name in names} == {"E", "I"}:
        return {name: COLOURS[0 if name.endswith("E") else 1] for name in names}
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def populations(
    spikes: Mapping[str, tuple[np.ndarray, np.ndarray, int]],
    until: float,
    start: float = 0.0,
    *,
    bin: float = 5.0,
    most: int = 2000,
    title: str = "",
) -> np.ndarray:
    """Return the axes (raster, rates, course) of a figure of a network's activity.

    The raster shows every population in its colour, the first on top; at its right stands the mean rate of each,
    below the rate of the whole network (of each population, if there are three or fewer) over time.

    Parameters
    ----------
    spikes : dict of name -> (times, neurons, n)
        Spike times in ms, who fired, and how many neurons there are.
    until, start : float
        End and begin of the time axis, and of the rates, in ms.
    bin : float
        Width in ms of the bins of the lower panel.
    most : int
        Rows of the raster. Of more neurons, so many are shown: a share of every population, but of a small one
        enough to be seen.
    title : str
        Stands above.

    Raises
    ------
    InputError
        If there is no population, the window is empty, or bin is not positive.

    Examples
    --------
    >>> raster, right, below = populations({"E": (np.array([1.0, 2.0]), np.array([0, 1]), 4)}, until=10)
    >>> [t.get_text() for t in right.texts], below.get_xlabel()  # two spikes of four neurons in 10 ms
    (['50 Hz'], 'time (ms)')
    """
    if not spikes:
        raise InputError("there is nothing to draw: no population is given")
    if not start < until:
        raise InputError(f"until = {until:g} ms must come after start = {start:g} ms")
    if not bin > 0:
        raise InputError(f"bin = {bin:g} ms is not positive")
    figure, axes = new_axes(
        2, 2, size=(8.0, 5.2), width_ratios=[5, 1], height_ratios=[4, 1.1], gridspec_kw={"wspace": 0.02, "hspace": 0.04}
    )
    raster, right, below = axes[0, 0], axes[0, 1], axes[1, 0]
    axes[1, 1].remove()
    below.sharex(raster)
    colours = population_colours([*spikes])
    edges = _draw_bands(raster, spikes, (start, until), most, colours)
    _draw_rates(right, spikes, (start, until), edges, colours)
    _draw_course(below, spikes, (start, until), bin, colours)
    raster.set_xlim(start, until)
    raster.tick_params(labelbottom=False)
    figure.align_ylabels([raster, below])
    if title:
        raster.set_title(title, loc="left", fontsize=10)
    out = np.empty(3, dtype=object)
    out[:] = [raster, right, below]
    return out


def _draw_bands(
    ax: Axes,
    spikes: Mapping[str, tuple[np.ndarray, np.ndarray, int]],
    window: tuple[float, float],
    most: int,
    colours: Mapping[str, str],
) -> np.ndarray:
    """Draw the spikes of a share of each population in a band of its own; return the bands' edges."""
    sizes = np.array([n for _, _, n in spikes.values()], dtype=float)
    share = np.maximum(sizes / sizes.sum(), _LEAST)
    rows = np.minimum(sizes, np.maximum(1.0, np.floor(most * share / share.sum())))
    edges = np.concatenate([[0.0], np.cumsum(rows)])
    shown = sum(int(t.size) for t, _, _ in spikes.values()) * float(rows.sum() / sizes.sum())
    size = float(np.clip(0.9 * np.sqrt(60_000 / max(shown, 1.0)), 0.7, 2.3))
    for (name, (times, neurons, n)), low, count in zip(spikes.items(), edges[:-1], rows, strict=True):
        chosen = np.unique(np.linspace(0, n - 1, int(count)).round().astype(int))
        row = np.full(n, -1)
        row[chosen] = np.arange(len(chosen))
        y = row[np.asarray(neurons, dtype=int)]
        keep = (y >= 0) & (times >= window[0]) & (times <= window[1])
        ax.plot(
            np.asarray(times)[keep],
            low + y[keep] + 0.5,
            linestyle="none",
            marker="o",
            markersize=size,
            markeredgewidth=0,
            color=colours[name],
            rasterized=int(keep.sum()) > 20_000,
        )
    for edge in edges[1:-1]:
        ax.axhline(edge, color=GREY, linewidth=0.5, alpha=0.6)
    ax.set_ylim(edges[-1], 0)
    ax.set_yticks((edges[:-1] + edges[1:]) / 2, [*spikes])
    ax.tick_params(axis="y", length=0)
    for tick, name in zip(ax.get_yticklabels(), spikes, strict=True):
        tick.set_color(colours[name])
    return edges


def _draw_rates(
    ax: Axes,
    spikes: Mapping[str, tuple[np.ndarray, np.ndarray, int]],
    window: tuple[float, float],
    edges: np.ndarray,
    colours: Mapping[str, str],
) -> None:
    ax.set_ylim(edges[-1], 0)
    middle = (edges[:-1] + edges[1:]) / 2
    seconds = (window[1] - window[0]) / 1e3
    mean = np.array([np.sum((t > window[0]) & (t <= window[1])) / n / seconds for t, _, n in spikes.values()])
    height = np.minimum(0.7 * np.diff(edges), 0.08 * edges[-1])
    ax.barh(middle, mean, height=height, color=[colours[name] for name in spikes], alpha=0.85)
    for y, rate in zip(middle, mean, strict=True):
        ax.annotate(
            f"{rate:.3g} Hz", (rate, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8, color=GREY
        )
    ax.set_xlim(0, 1.75 * max(float(mean.max()), 1e-9))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines["bottom"].set_visible(False)
    ax.set_title("mean rate", fontsize=9, color=GREY, loc="left")


def _draw_course(
    ax: Axes,
    spikes: Mapping[str, tuple[np.ndarray, np.ndarray, int]],
    window: tuple[float, float],
    bin: float,
    colours: Mapping[str, str],
) -> None:
    edges = window[0] + bin * np.arange(max(1, int((window[1] - window[0]) / bin + 1e-9)) + 1)
    several = len(spikes) <= _LINES
    parts = [([t], n, colours[name]) for name, (t, _, n) in spikes.items()]
    if not several:
        parts = [([t for t, _, _ in spikes.values()], sum(n for _, _, n in spikes.values()), "#404040")]
    for times, n, colour in parts:
        count = np.histogram(np.concatenate(times), bins=edges)[0]
        ax.stairs(count / n / bin * 1e3, edges, baseline=None, color=colour, linewidth=0.9)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("rate (Hz)" if several else "rate of all\n(Hz)")
    ax.set_xlabel("time (ms)")


def rates(values: Mapping[str, np.ndarray], bins: int = 30, axes: Any = None) -> np.ndarray:
    """Return the axes in which the rates of the neurons of each population are counted, a panel for each.

    Parameters
    ----------
    values : dict of name -> array (n,)
        Each neuron's rate in Hz, silent ones included.
    bins : int
        How many at most, the same for all; the last holds the highest one neuron in a hundred too. Rates are
        counts over a time: no bin is narrower than the step between two of them, nor holds half a step.
    axes : array of Axes, optional
        One for each population; by default a new figure, four panels in a row.

    Raises
    ------
    InputError
        If there is no population, one is empty, or there are too few axes.

    Examples
    --------
    >>> (ax,) = rates({"E": np.array([0.0, 1.0, 2.0, 5.0])})
    >>> ax.get_title(loc="left"), ax.texts[0].get_text()
    ('E', 'mean 2 Hz')
    """
    arrays = {name: np.asarray(x, dtype=float) for name, x in values.items()}
    if not arrays or any(x.ndim != 1 or x.size == 0 for x in arrays.values()):
        raise InputError("rates are one array (n,) for each population, with one neuron or more")
    n = len(arrays)
    if axes is None:
        columns = min(n, 4)
        lines = -(-n // columns)
        grid = new_axes(lines, columns, size=(1.2 + 2.0 * columns, 0.6 + 1.6 * lines), sharex=True, squeeze=False)[1]
        chosen = grid.ravel()
        for extra in chosen[n:]:
            extra.remove()
        chosen = chosen[:n]
    else:
        chosen = np.ravel(np.asarray(axes, dtype=object))
        if len(chosen) != n:
            raise InputError(f"{len(chosen)} axes for {n} populations; give one each, or none for a new figure")
        for ax in chosen:
            clean(ax)
    edges = _bin_rates(arrays, bins)
    colours = population_colours([*arrays])
    for ax, (name, x) in zip(chosen, arrays.items(), strict=True):
        count = np.histogram(np.minimum(x, edges[-2:].mean()), bins=edges)[0]
        ax.stairs(100 * count / x.size, edges, fill=True, color=colours[name], alpha=0.8)
        ax.axvline(x.mean(), color="black", linewidth=0.9, linestyle="--")
        ax.annotate(
            f"mean {x.mean():.3g} Hz",
            (0.97, 0.93),
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=8,
            color=GREY,
        )
        ax.set_title(name, loc="left", fontsize=10, color=colours[name])
        ax.set_xlim(edges[0], edges[-1])
        ax.set_ylim(bottom=0)
    columns = min(n, 4)
    for i, ax in enumerate(chosen):
        if axes is not None or i + columns >= n:
            ax.set_xlabel("rate (Hz)")
            ax.tick_params(labelbottom=True)
        if axes is not None or i % columns == 0:
            ax.set_ylabel("neurons (%)")
    return chosen


def _bin_rates(arrays: Mapping[str, np.ndarray], bins: int) -> np.ndarray:
    """Return edges between the possible rates, each bin holding the same number of them."""
    top = max(float(np.quantile(x, 0.99)) for x in arrays.values()) or 1.0
    known = np.unique(np.concatenate([[0.0], *arrays.values()]))
    steps = np.diff(known)
    steps = steps[steps > 1e-9 * top]
    step = float(steps.min()) if steps.size else top
    width = step * np.ceil(top / bins / step)
    return -0.5 * step + width * np.arange(int(np.ceil((top + step) / width)) + 1)


def spectrum(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], axes: Axes | None = None) -> Axes:
    """Return the axes in which power spectra of population rates are drawn, on two logarithmic axes.

    Parameters
    ----------
    curves : dict of name -> (frequency, power)
        In Hz and Hz^2/Hz, as `rheobase.spectrum` gives them.
    axes : Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    InputError
        If there is no curve, or frequency and power differ in length.

    Examples
    --------
    >>> ax = spectrum({"E": (np.array([1.0, 2.0]), np.array([3.0, 4.0]))})
    >>> ax.get_xlabel(), ax.get_xscale()
    ('frequency (Hz)', 'log')
    """
    if not curves:
        raise InputError("there is nothing to draw: no spectrum is given")
    if axes is None:
        axes = new_axes(size=(5.4, 3.4))[1]
    else:
        clean(axes)
    colours = population_colours([*curves])
    for name, (frequency, power) in curves.items():
        f, p = np.asarray(frequency, dtype=float), np.asarray(power, dtype=float)
        if f.shape != p.shape or f.ndim != 1:
            raise InputError(f"{name}: {f.size} frequencies but {p.size} powers; a spectrum needs one each")
        inside = (f > 0) & (p > 0)
        axes.plot(f[inside], p[inside], color=colours[name], linewidth=1.1, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("power (Hz²/Hz)")
    axes.grid(which="major", color=GREY, alpha=0.2, linewidth=0.6)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=8)
    return axes
