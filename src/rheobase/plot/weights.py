"""The weights of synapses: as a matrix, and counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.plot.style import COLOURS, GREY, clean, label, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["weight_histogram", "weight_matrix"]

_CELLS: Final = 400  # rows and columns that can be seen in a picture


def weight_matrix(
    pre: np.ndarray,
    post: np.ndarray,
    weight: float | np.ndarray,
    shape: tuple[int, int],
    *,
    unit: str = "",
    names: tuple[str, str] = ("presynaptic neuron", "postsynaptic neuron"),
    axes: Axes | None = None,
) -> Axes:
    """Return the axes in which the weights between two populations are a picture: a row a source, a column a target.

    Parameters
    ----------
    pre, post : array (n_synapses,)
        Numbers of neurons.
    weight : float or array (n_synapses,)
        Weights of several synapses of a pair are added.
    shape : (n_pre, n_post)
        Sizes of the populations. Of more than 400 neurons, neighbours share a cell, which shows the mean over
        all their pairs, unconnected ones included.
    unit : str
        Of the weights, for the colour bar.
    names : (str, str)
        Labels of the rows and columns.
    axes : Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    InputError
        If the arrays differ in length, or a number lies outside the shape.

    Examples
    --------
    >>> ax = weight_matrix(np.array([0, 1, 1]), np.array([1, 0, 0]), 0.5, (2, 3), unit="mV")
    >>> ax.images[0].get_array().tolist()
    [[0.0, 0.5, 0.0], [1.0, 0.0, 0.0]]
    """
    pre, post = np.asarray(pre), np.asarray(post)
    w = np.broadcast_to(np.asarray(weight, dtype=float), pre.shape) if np.ndim(weight) == 0 else np.asarray(weight)
    if not pre.shape == post.shape == w.shape or pre.ndim != 1:
        raise InputError(f"{pre.size} sources, {post.size} targets and {w.size} weights; a synapse needs one each")
    n, m = (int(s) for s in shape)
    if n < 1 or m < 1 or (pre.size and (pre.min() < 0 or post.min() < 0 or pre.max() >= n or post.max() >= m)):
        raise InputError(f"the synapses do not lie within the shape {(n, m)}")
    rows, columns = min(n, _CELLS), min(m, _CELLS)
    cell = (pre * rows // n) * columns + post * columns // m
    total = np.bincount(cell, weights=w, minlength=rows * columns).reshape(rows, columns)
    pairs = np.outer(
        np.bincount(np.arange(n) * rows // n, minlength=rows),
        np.bincount(np.arange(m) * columns // m, minlength=columns),
    )
    picture = total / pairs
    if axes is None:
        axes = new_axes(size=(5.2, 4.2))[1]
    else:
        clean(axes)
    largest = float(np.abs(picture).max()) or 1.0
    low, high, colours = 0.0, largest, "Blues"
    if picture.min() < 0:
        low, high, colours = (-largest, largest, "RdBu") if picture.max() > 0 else (-largest, 0.0, "Reds_r")
    image = axes.imshow(
        picture,
        cmap=colours,
        vmin=low,
        vmax=high,
        interpolation="nearest",
        aspect="auto",
        extent=(-0.5, m - 0.5, n - 0.5, -0.5),
    )
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_ylabel(names[0])
    axes.set_xlabel(names[1])
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, color=GREY)
    bar.set_label(label("weight" if (n, m) == (rows, columns) else "mean weight", unit), fontsize=9)
    return axes


def weight_histogram(
    weights: Mapping[str, np.ndarray], *, unit: str = "", bins: int = 60, axes: Axes | None = None
) -> Axes:
    """Return the axes in which the weights of projections are counted.

    Parameters
    ----------
    weights : dict of name -> array (n_synapses,)
        Of each projection.
    unit : str
    bins : int
        How many, from the smallest weight to the largest of all.
    axes : Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    InputError
        If there is no projection, or none has a synapse.

    Examples
    --------
    >>> ax = weight_histogram({"E to E": np.array([0.1, 0.2, 0.2])}, unit="nA")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('weight (nA)', 'synapses')
    """
    arrays = {name: np.atleast_1d(np.asarray(w, dtype=float)) for name, w in weights.items()}
    together = np.concatenate([np.empty(0), *arrays.values()])
    if not together.size:
        raise InputError("there is nothing to draw: no projection with a synapse is given")
    if axes is None:
        axes = new_axes(size=(5.4, 3.2))[1]
    else:
        clean(axes)
    low, high = float(together.min()), float(together.max())
    if low == high:
        low, high = low - 0.5 * max(abs(low), 1e-9), high + 0.5 * max(abs(high), 1e-9)
    edges = np.linspace(low, high, bins + 1)
    for i, (name, w) in enumerate(arrays.items()):
        colour = COLOURS[i % len(COLOURS)]
        count = np.histogram(w, bins=edges)[0]
        axes.stairs(count, edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(count, edges, color=colour, linewidth=1.1, label=f"{name}: {w.size:,}")
    if low < 0 < high:
        axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(label("weight", unit))
    axes.set_ylabel("synapses")
    axes.legend(frameon=False, fontsize=8)
    return axes
