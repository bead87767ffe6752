"""The look of all figures: colours everyone can tell apart, light axes, labels with units.

Nothing here changes matplotlib's global settings; a figure of ours leaves yours as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rheobase.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "GREY", "clean", "label", "new_axes", "save"]

#: Okabe & Ito's palette (2008, https://jfly.uni-koeln.de/color/), told apart by colour-blind readers too.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY: Final = "#767676"

_GREEK: Final = dict(
    alpha="α",
    beta="β",
    gamma="γ",
    delta="δ",
    Delta="Δ",
    eta="η",
    theta="θ",
    mu="μ",
    nu="ν",
    xi="ξ",
    rho="ρ",
    sigma="σ",
    tau="τ",
    phi="φ",
    omega="ω",
)
_UNITS: Final = {"MOhm": "MΩ", "uS": "µS", "uA": "µA"}


def label(name: str, unit: str = "") -> str:
    r"""Return an axis label: Greek letters, subscripts, and the unit in brackets.

    >>> label("v", "mV"), label("I_syn", "nA"), label("theta", "mV"), label("tau_m")
    ('v (mV)', '$\\mathregular{I_{syn}}$ (nA)', 'θ (mV)', '$\\mathregular{τ_{m}}$')
    """
    head, _, tail = name.partition("_")
    text = _GREEK.get(head, head)
    if tail:
        below = ",".join(_GREEK.get(part, part) for part in tail.split("_"))
        text = f"$\\mathregular{{{text}_{{{below}}}}}$"
    return f"{text} ({_UNITS.get(unit, unit)})" if unit else text


def new_axes(
    rows: int = 1, columns: int = 1, size: tuple[float, float] | None = None, **options: Any
) -> tuple[Figure, Any]:
    """Return a figure and its axes, cleaned; `options` go to ``matplotlib.pyplot.subplots``.

    Axes come as one, (n,) or (rows, columns), as from ``subplots``.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    width, height = size or (7.0, 1.2 + 1.8 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)
    for one in np.ravel(axes):
        clean(one)
    return figure, axes


def clean(axes: Axes) -> None:
    """Remove the upper and right spine, lighten what remains, and set sizes."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
        axes.spines[side].set_linewidth(0.8)
    axes.tick_params(color=GREY, width=0.8, labelsize=9)
    axes.title.set_fontsize(10)
    axes.xaxis.label.set_fontsize(10)
    axes.yaxis.label.set_fontsize(10)


def save(figure: Figure, path: str | Path, dots: int = 100, close: bool = True) -> Path:
    """Write a figure to a file and return its path; the ending chooses the format (.png, .svg, .pdf).

    Parameters
    ----------
    figure : Figure
    path : str or Path
        Its folder is made if it is not there.
    dots : int
        Resolution of pixel formats, per inch.
    close : bool
        Free the figure's memory afterwards.

    Raises
    ------
    InputError
        If the file cannot be written, or the ending is of no format matplotlib knows.
    """
    import matplotlib.pyplot as plt

    path = Path(path)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise InputError(f"a figure cannot be saved as '{path.name}'; end the name in .png, .svg or .pdf")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=dots, facecolor="white")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    finally:
        if close:
            plt.close(figure)
    return path
