"""Drawings that explain: the four-row table as a picture, the leaky bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rheobase.errors import InputError
from rheobase.plot.style import COLOURS, GREY, clean, label, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["buckets", "table"]

_WIDE: Final = 62  # characters of a value in a table before the line is broken


def table(text: str, axes: Axes | None = None, rows: Sequence[str] | None = None) -> Axes:
    r"""Return the axes in which a neuron's printed table is set as a picture.

    Parameters
    ----------
    text : str
        What ``print(neuron)`` shows: a heading, then lines of a row's name and its statements.
    axes : Axes, optional
        Where to draw; by default in a new figure of the table's size.
    rows : list of str, optional
        Which rows to show; all by default.

    Raises
    ------
    InputError
        If the text is no such table.

    Examples
    --------
    >>> ax = table("LIF\n  evolve      tau dv/dt = -v\n  threshold   v > theta")
    >>> [t.get_text() for t in ax.texts]
    ['LIF', 'evolve', 'tau dv/dt = -v', 'threshold', 'v > theta']
    """
    heading, cells = _read_table(text, rows)
    height = len(cells) + 2
    if axes is None:
        axes = new_axes(size=(7.0, 0.3 + 0.21 * height))[1]
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(height, 0)
    at = 0.01, 0.19
    axes.text(at[0], 0.7, heading, fontsize=10, fontweight="bold", va="center")
    axes.plot([0, 1], [1.35, 1.35], color="black", linewidth=1.0, clip_on=False)
    for row, (name, value) in enumerate(cells):
        y = row + 2
        if name:
            if row:
                axes.plot([0, 1], [y - 0.5, y - 0.5], color="#DDDDDD", linewidth=0.6, clip_on=False)
            axes.text(at[0], y, name, fontsize=9, color=GREY, va="center")
        axes.text(at[1], y, value, fontsize=8.5, family="monospace", va="center")
    axes.plot([0, 1], [height - 0.45, height - 0.45], color="black", linewidth=1.0, clip_on=False)
    return axes


def _read_table(text: str, rows: Sequence[str] | None) -> tuple[str, list[tuple[str, str]]]:
    """Return the heading and the lines (name of the row or nothing, statement) of a printed table."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise InputError("this is no table of a neuron; give str(neuron)")
    cells, current = [], ""
    for line in lines[1:]:
        name, value = line[2:14].strip(), line[14:].strip()
        current = name or current
        if rows is None or current in rows:
            first, *more = _break(value, whole=current in ("parameters", "start"))
            cells += [(name, first), *(("", piece) for piece in more)]
    return lines[0], cells


def _break(value: str, whole: bool) -> list[str]:
    """Return the lines of a long value; with `whole`, "tau = 20 ms" stays on one of them."""
    import re
    import textwrap

    text = re.sub(r"(?<!,) ", "\0", value) if whole else value
    return [piece.replace("\0", " ") for piece in textwrap.wrap(text, _WIDE)] or [""]


def buckets(
    levels: Sequence[float],
    names: Sequence[str] | None = None,
    threshold: float = 100.0,
    leaks: Sequence[float] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Return the axes in which leaky buckets stand side by side, each filled to its level.

    The bottom sags with the water, and the jet from the hole is as long as the bucket leaks fast.

    Parameters
    ----------
    levels : list of float
        How full each bucket is, in units of `threshold`'s scale; at the threshold a bucket is full and fires.
    names : list of str, optional
        Written under the buckets.
    threshold : float
        The brim.
    leaks : list of float, optional
        How fast each one leaks (v/tau, say); only their ratios are drawn. None: no holes.
    axes : Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    InputError
        If names or leaks are not as many as levels, or a level is negative.
    """
    import numpy as np
    from matplotlib.patches import Polygon

    n = len(levels)
    for what, given in (("names", names), ("leaks", leaks)):
        if given is not None and len(given) != n:
            raise InputError(f"{len(given)} {what} for {n} buckets")
    if min(levels) < 0:
        raise InputError(f"a bucket cannot hold {min(levels):g}; levels are from 0 to the threshold")
    if axes is None:
        axes = new_axes(size=(1.9 * n + 0.6, 3.0))[1]
    clean(axes)
    strongest = max(leaks) if leaks is not None and max(leaks) > 0 else 1.0
    s = np.linspace(0, 1, 60)
    for k, level in enumerate(levels):
        full = min(level / threshold, 1.0)
        left, right = (
            k * 1.6 + 0.3 + 0.10 * (1 - s),
            k * 1.6 + 1.3 - 0.10 * (1 - s),
        )  # walls from the bottom up
        x = np.linspace(left[0], right[0], 60)
        bottom = -(0.06 + 0.12 * full) * np.sin(np.pi * (x - x[0]) / (x[-1] - x[0]))
        wet = s <= full
        colour = COLOURS[1] if full >= 1 else COLOURS[5]
        if full > 0:
            body = np.concatenate([np.c_[x, bottom], np.c_[right[wet], s[wet]], np.c_[left[wet], s[wet]][::-1]])
            axes.add_patch(Polygon(body, closed=True, facecolor=colour, alpha=0.75, edgecolor="none"))
        axes.plot(left, s, color="black", linewidth=1.5)
        axes.plot(right, s, color="black", linewidth=1.5)
        axes.plot(x, bottom, color="black", linewidth=1.5)
        if leaks is not None and leaks[k] > 0:
            middle, low = (x[0] + x[-1]) / 2, bottom.min()
            length = 0.45 * leaks[k] / strongest
            axes.plot(
                [middle, middle],
                [low, low - length],
                color=COLOURS[5],
                linewidth=2 + 3 * leaks[k] / strongest,
                solid_capstyle="round",
                zorder=0,
            )
        text = "fired" if full >= 1 else f"{level:.0f}"
        axes.text(k * 1.6 + 0.8, max(full / 2, 0.1), text, ha="center", va="center", fontsize=10)
        if names is not None:
            axes.text(k * 1.6 + 0.8, -0.75, names[k], ha="center", va="top", fontsize=9)
    axes.plot([0.15, 1.6 * n - 0.15], [1, 1], color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    axes.text(0.12, 1, label("v_th"), ha="right", va="center", fontsize=10, color=GREY)
    axes.set_xlim(-0.1, 1.6 * n)
    axes.set_ylim(-0.95, 1.1)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return axes
