"""The phase plane: nullclines, flow, fixed points, trajectories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from rheobase.plot.style import COLOURS, GREY, label, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plane"]

# what is filled is stable, what is empty is not, a cross marks a saddle
_MARKS: Final = {
    "stable node": ("o", True),
    "stable focus": ("o", True),
    "center": ("o", False),
    "unstable node": ("o", False),
    "unstable focus": ("o", False),
    "saddle": ("X", True),
    "saddle-node": ("D", False),
}


def plane(
    nullclines: Mapping[str, Sequence[np.ndarray]],
    points: Sequence[tuple[float, float, str]],
    field: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None,
    paths: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    x: tuple[str, str, tuple[float, float]] | None = None,
    y: tuple[str, str, tuple[float, float]] | None = None,
    title: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Return the axes of a phase plane.

    Parameters
    ----------
    nullclines : dict
        Name of a state -> its branches, arrays (n_points, 2).
    points : list of (x, y, kind)
        Fixed points, with the name of their stability.
    field : X, Y, U, V, optional
        The flow; arrows show its direction only.
    paths : list of (x, y)
        Trajectories; broken where the state jumps.
    x, y : (name, unit, range), optional

    Examples
    --------
    >>> ax = plane({"v": [np.array([[0.0, 0.0], [1.0, 1.0]])]}, [(0.5, 0.5, "saddle")])
    >>> len(ax.lines)
    2
    """
    ax = new_axes(size=(5.4, 4.2))[1] if axes is None else axes
    if field is not None:
        X, Y, U, V = field
        wide, high = float(np.ptp(X)) or 1.0, float(np.ptp(Y)) or 1.0
        length = np.hypot(U / wide, V / high)
        length = np.where(np.isfinite(length) & (length > 0), length, np.inf)
        ax.quiver(
            X,
            Y,
            U / wide / length,
            V / high / length,
            angles="uv",
            color="#BBBBBB",
            width=0.0025,
            scale=38,
            pivot="mid",
        )
    for k, (name, branches) in enumerate(nullclines.items()):
        for j, branch in enumerate(branches):
            ax.plot(
                branch[:, 0],
                branch[:, 1],
                color=COLOURS[k],
                linewidth=1.6,
                label=None if j else f"d{name}/dt = 0",
            )
    for along, up in paths:
        jump = np.flatnonzero(np.abs(np.diff(along)) > 0.3 * (float(np.ptp(along)) or 1.0)) + 1
        ax.plot(
            np.insert(along.astype(float), jump, np.nan),
            np.insert(up.astype(float), jump, np.nan),
            color=GREY,
            linewidth=1.0,
        )
    for px, py, kind in points:
        mark, filled = _MARKS.get(kind, ("o", False))
        ax.plot(
            [px],
            [py],
            mark,
            color="black",
            markerfacecolor="black" if filled else "white",
            markersize=6,
            linestyle="none",
            zorder=5,
        )
    for given, put, limit in ((x, ax.set_xlabel, ax.set_xlim), (y, ax.set_ylabel, ax.set_ylim)):
        if given is not None:
            put(label(given[0], given[1]))
            limit(*given[2])
    ax.set_title(title, fontsize=10)
    if nullclines:
        ax.legend(frameon=False, fontsize=8)
    return ax
