"""Traces: states over time, one panel below the other, with spikes as ticks above the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.plot.style import COLOURS, GREY, clean, label, new_axes

__all__ = ["traces"]

_MOST: Final = 20  # lines in a panel that can still be followed
_POINTS: Final = 8_000  # in a line; more than the pixels of any screen


def traces(
    t: np.ndarray,
    panels: Mapping[str, tuple[np.ndarray, str]],
    spikes: Sequence[np.ndarray] | None = None,
    threshold: tuple[str, float] | None = None,
    title: str = "",
    axes: Any = None,
) -> np.ndarray:
    """Return the axes, shape (n_panels,), in which the traces of a few neurons are drawn.

    Parameters
    ----------
    t : array (n_times,)
        Times in ms.
    panels : dict of name -> (array, unit)
        For each panel the values, shape (n_times,) or (n_neurons, n_times), and their unit.
    spikes : list of arrays, optional
        Each neuron's spike times in ms, drawn as ticks in the threshold's panel (else the first). Left out
        if they are not those of the neurons whose traces are given.
    threshold : (name, value), optional
        Drawn as a dashed line in the panel of that name.
    title : str
        Stands above the first panel.
    axes : Axes or array of Axes, optional
        One for each panel; by default a new figure.

    Raises
    ------
    InputError
        If there is no panel, an array does not fit `t`, or there are too few axes.

    Notes
    -----
    At most 20 neurons are drawn, evenly taken from all; the panel says so. A line of more points than a
    screen has pixels is thinned to the least and largest value of each piece, so that no peak is lost.

    Examples
    --------
    >>> t = np.arange(0, 50, 0.1)
    >>> (ax,) = traces(t, {"v": (np.sin(t), "mV")}, threshold=("v", 0.9))
    >>> ax.get_ylabel(), ax.get_xlabel()
    ('v (mV)', 'time (ms)')
    """
    if not panels:
        raise InputError("there is nothing to draw: panels= is empty")
    t = np.asarray(t, dtype=float)
    values = {name: np.atleast_2d(np.asarray(x, dtype=float)) for name, (x, _) in panels.items()}
    for name, x in values.items():
        if x.ndim != 2 or x.shape[1] != len(t):
            raise InputError(f"{name} has shape {x.shape}; with {len(t)} times it must be (n_neurons, {len(t)})")
    chosen = _read_axes(axes, len(panels))
    home = threshold[0] if threshold is not None and threshold[0] in values else next(iter(values))
    n = max(len(x) for x in values.values())
    shown = np.unique(np.linspace(0, n - 1, min(n, _MOST)).round().astype(int))
    for ax, (name, x) in zip(chosen, values.items(), strict=True):
        for colour, i in zip(_colours(len(shown)), shown, strict=True):
            if i < len(x):
                ax.plot(
                    *_thin(t, x[i]),
                    color=colour,
                    linewidth=1.2 if n == 1 else 0.8,
                    alpha=1.0 if n < 4 else 0.75,
                )
        ax.set_ylabel(label(name, panels[name][1]))
    for ax in chosen[:-1]:
        ax.tick_params(labelbottom=False)
    chosen[-1].set_xlabel("time (ms)")
    ax = chosen[[*values].index(home)]
    if threshold is not None and threshold[0] in values:
        ax.axhline(threshold[1], color=GREY, linewidth=0.8, linestyle="--", zorder=0)
        ax.annotate(
            "threshold",
            (1, threshold[1]),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8,
            color=GREY,
        )
    if spikes is not None and len(spikes) == n:
        _mark_spikes(
            ax,
            [np.asarray(spikes[i], dtype=float) for i in shown],
            threshold[1] if threshold is not None else None,
        )
    more = f"{len(shown)} of {n} neurons drawn" if len(shown) < n else ""
    heading = ", ".join(s for s in (title, more) if s)
    if heading:
        chosen[0].set_title(heading, loc="left", fontsize=10)
    if len(t) > 1:
        for ax in chosen:
            ax.set_xlim(t[0], t[-1])
    return chosen


def _read_axes(axes: Any, count: int) -> np.ndarray:
    if axes is None:
        return np.atleast_1d(new_axes(count, sharex=True)[1])
    given = np.empty(np.size(axes), dtype=object)
    given[:] = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(given) != count:
        raise InputError(f"{len(given)} axes for {count} panels; give one each, or none for a new figure")
    for ax in given:
        clean(ax)
    return given


def _colours(count: int) -> list[Any]:
    if count <= len(COLOURS):
        return [*COLOURS[:count]]
    from matplotlib import colormaps

    return [*colormaps["viridis"](np.linspace(0, 0.9, count))]


def _thin(t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a line with the least and largest value of each of a few thousand pieces."""
    width = len(t) // _POINTS * 2
    if width < 4:
        return t, x
    n = len(t) // width
    pieces = x[: n * width].reshape(n, width)
    first = np.arange(n) * width
    ends = first + np.argmin(pieces, axis=1), first + np.argmax(pieces, axis=1)
    keep = np.unique(np.concatenate([*ends, np.arange(n * width, len(t))]))
    return t[keep], x[keep]


def _mark_spikes(ax: Any, trains: list[np.ndarray], limit: float | None) -> None:
    """Draw ticks above the threshold, a row for each neuron where there are several."""
    if not any(len(s) for s in trains):
        return
    bottom, top = ax.dataLim.y0, ax.dataLim.y1
    base = top if limit is None else max(limit, min(top, limit))
    span = max(base - bottom, 1e-12)
    height = span * (0.18 if len(trains) == 1 else min(0.5, 0.08 * len(trains) + 0.1)) / len(trains)
    start = base + 0.03 * span
    for row, (train, colour) in enumerate(zip(trains, _colours(len(trains)), strict=True)):
        low = start + row * height
        ax.vlines(
            train,
            low,
            low + height * (1.0 if len(trains) == 1 else 0.85),
            color=colour,
            linewidth=1.2 if len(trains) == 1 else 0.9,
        )
    ax.set_ylim(top=max(ax.get_ylim()[1], start + len(trains) * height + 0.04 * span))
