"""Curves that an analysis gives: rate, strength, response, error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rheobase.plot.style import COLOURS, GREY, label, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bode", "convergence", "course", "firing", "strength", "transfer"]


def _axes(axes: Axes | None, size: tuple[float, float] = (5.0, 3.4)) -> Axes:
    return new_axes(size=size)[1] if axes is None else axes


def firing(
    I: np.ndarray,
    f: np.ndarray,
    analytic: np.ndarray | None,
    name: str = "I",
    unit: str = "",
    title: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Return the axes with firing rates (Hz) against currents, and the closed form as a line behind them.

    >>> ax = firing(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.0, 40.0]), None, unit="nA")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('I (nA)', 'rate (Hz)')
    """
    ax = _axes(axes)
    if analytic is not None:
        ax.plot(I, analytic, color=GREY, linewidth=2.5, alpha=0.6, label="closed form")
        ax.plot(I, f, "o", color=COLOURS[0], markersize=3.5, label="run")
        ax.legend(frameon=False)
    else:
        ax.plot(I, f, "o-", color=COLOURS[0], markersize=3.5, linewidth=1.0)
    ax.set_xlabel(label(name, unit))
    ax.set_ylabel("rate (Hz)")
    ax.set_title(title, fontsize=10)
    return ax


def transfer(
    rate_in: np.ndarray, rate_out: np.ndarray, spread: np.ndarray, title: str = "", axes: Axes | None = None
) -> Axes:
    """Return the axes with rates out against rates in (Hz), and a band of one standard deviation."""
    ax = _axes(axes)
    ax.fill_between(rate_in, rate_out - spread, rate_out + spread, color=COLOURS[5], alpha=0.35, linewidth=0)
    ax.plot(rate_in, rate_out, "o-", color=COLOURS[0], markersize=3.5, linewidth=1.0)
    ax.set_xlabel("rate in (Hz)")
    ax.set_ylabel("rate out (Hz)")
    ax.set_title(title, fontsize=10)
    return ax


def strength(
    durations: np.ndarray,
    amplitudes: np.ndarray,
    analytic: np.ndarray | None,
    rheobase: float,
    chronaxie: float,
    name: str = "I",
    unit: str = "",
    title: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Return the axes with threshold amplitudes against durations (ms), on logarithmic scales."""
    ax = _axes(axes)
    if analytic is not None:
        ax.plot(durations, analytic, color=GREY, linewidth=2.5, alpha=0.6, label="closed form")
    ax.plot(durations, amplitudes, "o", color=COLOURS[0], markersize=3.5, label="run")
    ax.axhline(rheobase, color=COLOURS[1], linewidth=1.0, linestyle="--", label="rheobase")
    if np.isfinite(chronaxie):
        ax.plot(
            [chronaxie],
            [2 * rheobase],
            "s",
            color=COLOURS[1],
            markersize=6,
            label=f"chronaxie {chronaxie:.3g} ms",
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.yaxis.set_minor_formatter("")
    ax.set_xlabel("duration (ms)")
    ax.set_ylabel(label(name, unit))
    ax.set_title(title, fontsize=10)
    ax.legend(frameon=False)
    return ax


def course(
    t: np.ndarray,
    v: np.ndarray,
    peak_time: float,
    peak: float,
    name: str = "v",
    unit: str = "",
    title: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Return the axes with a response over time (ms), its peak marked."""
    ax = _axes(axes)
    ax.axhline(0.0, color=GREY, linewidth=0.6)
    ax.plot(t, v, color=COLOURS[0], linewidth=1.5)
    ax.plot([peak_time], [peak], "o", color=COLOURS[1], markersize=5)
    ax.set_xlabel("t (ms)")
    ax.set_ylabel(label(name, unit))
    ax.set_title(title, fontsize=10)
    return ax


def bode(
    frequencies: np.ndarray,
    gain: np.ndarray,
    phase: np.ndarray,
    name: str = "gain",
    unit: str = "",
    title: str = "",
    axes: Any = None,
) -> Any:
    """Return the two axes, gain above phase, against frequency (Hz)."""
    both = new_axes(2, 1, size=(5.0, 4.6), sharex=True)[1] if axes is None else axes
    both[0].plot(frequencies, gain, color=COLOURS[0], linewidth=1.5)
    both[0].set_ylabel(f"{name} ({unit})" if unit else name)
    both[0].set_title(title, fontsize=10)
    both[1].axhline(0.0, color=GREY, linewidth=0.6)
    both[1].plot(frequencies, phase, color=COLOURS[0], linewidth=1.5)
    both[1].set_ylabel("phase (rad)")
    both[1].set_xlabel("frequency (Hz)")
    if np.min(frequencies) > 0 and np.max(frequencies) > 30 * np.min(frequencies):
        both[1].set_xscale("log")
    return both


def convergence(
    dts: np.ndarray,
    errors: dict[str, np.ndarray],
    orders: dict[str, float],
    chosen: float | None = None,
    title: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Return the axes with errors against steps (ms), on logarithmic scales, with the measured orders."""
    ax = _axes(axes)
    for k, (name, error) in enumerate(errors.items()):
        good = np.isfinite(error) & (error > 0)
        order = f", order {orders[name]:.2f}" if np.isfinite(orders.get(name, np.nan)) else ""
        ax.plot(
            dts[good],
            error[good],
            "o-",
            color=COLOURS[k % len(COLOURS)],
            markersize=3.5,
            linewidth=1.0,
            label=f"{name}{order}",
        )
    if chosen is not None:
        ax.axvline(chosen, color=GREY, linewidth=0.8, linestyle="--")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(dts, [f"{d:g}" for d in dts])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("dt (ms)")
    ax.set_ylabel("error")
    ax.set_title(title, fontsize=10)
    ax.legend(frameon=False)
    return ax
