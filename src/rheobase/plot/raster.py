"""Raster: a mark for every spike, time against neuron."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.plot.style import COLOURS, clean, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["raster"]

_FEW_ROWS: Final = 60  # rows in which a spike can be a bar as high as the row
_PIXELS: Final = 150_000  # of a usual figure
_MANY: Final = 20_000  # spikes beyond which a mark is one pixel


def raster(
    times: np.ndarray, neurons: np.ndarray, n: int, until: float, axes: Axes | None = None, **style: Any
) -> Axes:
    """Return the axes in which every spike is a mark: a bar, a dot if there are many, a pixel if very many.

    Parameters
    ----------
    times, neurons : array (n_spikes,)
        Spike times in ms, and who fired.
    n : int
        Number of neurons, silent ones included.
    until : float
        End of the time axis, in ms.
    axes : Axes, optional
        Where to draw; by default in a new figure.
    **style
        For ``Axes.plot``: ``color=``, ``markersize=``, ``alpha=``, ``marker=``.

    Raises
    ------
    InputError
        If times and neurons do not match.

    Notes
    -----
    10^6 spikes are drawn in about a second; saved as SVG or PDF they become an image within the figure.

    Examples
    --------
    >>> ax = raster(np.array([1.0, 2.0, 2.0]), np.array([0, 1, 0]), 2, until=10)
    >>> ax.get_xlim() == (0, 10), ax.get_ylabel()
    (True, 'neuron')
    """
    times, neurons = np.asarray(times, dtype=float), np.asarray(neurons)
    if times.shape != neurons.shape:
        raise InputError(f"{len(times)} spike times but {len(neurons)} neurons; a spike needs both")
    if axes is None:
        axes = new_axes(size=(7.0, 3.2))[1]
    else:
        clean(axes)
    style.setdefault("color", COLOURS[0])
    style.setdefault("linestyle", "none")
    if "marker" not in style:
        style["marker"] = "|" if n <= _FEW_ROWS and len(times) <= _MANY else "." if len(times) <= _MANY else ","
        if style["marker"] == "|":
            style.setdefault("markersize", _row_height(axes, n))
            style.setdefault("markeredgewidth", 1.0)
        elif style["marker"] == ".":
            style.setdefault("markersize", 3 if len(times) < 3_000 else 1.5)
            style.setdefault("markeredgewidth", 0)
        else:  # more spikes than pixels: let them add up to a shade
            style.setdefault("alpha", float(np.clip(_PIXELS / len(times), 0.02, 1.0)))
    axes.plot(times, neurons, rasterized=len(times) > _MANY, **style)
    axes.set_xlim(0, until)
    axes.set_ylim(-0.5, max(n, 1) - 0.5)
    if n == 1:
        axes.set_yticks([])
    else:
        from matplotlib.ticker import MaxNLocator

        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_xlabel("time (ms)")
    axes.set_ylabel("neuron")
    return axes


def _row_height(axes: Axes, n: int) -> float:
    """Return the height of a neuron's row in points, a little less than all of it."""
    inches = axes.get_window_extent().height / axes.figure.dpi
    return float(np.clip(0.75 * 72 * inches / max(n, 1), 2.0, 24.0))
