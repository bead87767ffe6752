# %% [markdown]
# # A gallery of firing patterns
#
# Two equations and a reset can do what a list of twenty names describes: Izhikevich (2004), figure 1.
# Each panel below is held to its criterion (`izhikevich_pattern` says it in words): a pattern that does
# not show what its name promises is an error here, not an ugly picture.
#
# Sixteen are integrated accurately, by Runge and Kutta's method with dt = 0.05 ms. Four, marked *, exist
# only with the author's own scheme, Euler's method with u after v (`method="sequential euler"`), his
# step of 0.1 to 0.5 ms and his test `v > 30`: an accurate integrator shows something else for the same
# numbers.

# %%
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot

BY_HIS_SCHEME = "HPQT"

# What must be seen; s: spike times, d: intervals, v: trace of t.
CRITERIA: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], bool]] = {
    "A": lambda s, d, t, v: len(s) >= 4 and s[0] > 10 and s[-1] + d[-1] > 100 and abs(d[-1] / d[-2] - 1) < 0.1,
    "B": lambda s, d, t, v: len(s) == 1 and s[0] > 20,
    "C": lambda s, d, t, v: np.sum(d > 3 * np.median(d)) >= 3,
    "D": lambda s, d, t, v: len(s) >= 3 and s[0] > 20 and s[-1] < 80,
    "E": lambda s, d, t, v: len(d) >= 4 and d[0] < min(d[-2:]) / 2,
    "F": lambda s, d, t, v: d[-1] > 1.5 * d[0],
    "G": lambda s, d, t, v: d[0] > 2 * d[-1],
    "H": lambda s, d, t, v: s[0] > 30 and d[0] < 2 * d[-1],
    "I": lambda s, d, t, v: len(s) == 1 and s[0] > 16,
    "J": lambda s, d, t, v: len(s) == 1 and is_damped(v[t > s[0] + 5]),
    "K": lambda s, d, t, v: len(s) >= 1 and (np.all(s > 270) or np.all(s < 270)),
    "L": lambda s, d, t, v: len(s) >= 1 and np.all(s < 40),
    "M": lambda s, d, t, v: len(s) == 1 and s[0] > 25,
    "N": lambda s, d, t, v: len(s) >= 2 and s[0] > 25 and s[-1] < 150,
    "O": lambda s, d, t, v: len(s) == 1 and s[0] > 80,
    "P": lambda s, d, t, v: len(s) >= 3 and s[0] > 37.5 and s[-1] < 221,
    "Q": lambda s, d, t, v: len(s) == 1 and v[t > s[0] + 1].max() > v[0] + 2,
    "R": lambda s, d, t, v: len(s) >= 1 and s[0] > 300,
    "S": lambda s, d, t, v: len(s) >= 1 and s[0] > 50 and s[-1] < 260,
    "T": lambda s, d, t, v: len(s) >= 4 and s[0] > 50 and d.min() < 15 and d.max() > 2 * np.median(d),
}


def is_damped(v: np.ndarray) -> bool:
    """Return whether v has two maxima or more, each lower than the one before."""
    peaks = v[1:-1][(v[1:-1] > v[:-2]) & (v[1:-1] >= v[2:])]
    return len(peaks) >= 2 and bool(np.all(np.diff(peaks) < 0))


def current(stimulus: dict[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the stimulus as a function of time: pieces of straight lines."""
    starts, values, slopes = (np.array(stimulus[k]) for k in ("starts", "values", "slopes"))

    def at(t: np.ndarray) -> np.ndarray:
        k = np.searchsorted(starts, t + 1e-9, side="right") - 1
        return values[k] + slopes[k] * (t - starts[k])

    return at


# %%
def izhikevich() -> tuple[Any, list[Any]]:
    """Izhikevich's twenty patterns, each passing its criterion"""
    figure, axes = plot.new_axes(5, 4, size=(8.4, 8.6))
    runs = []
    for letter, ax in zip(CRITERIA, axes.ravel(), strict=True):
        neuron, stimulus, dt, until, criterion = rb.izhikevich_pattern(letter)
        if letter in BY_HIS_SCHEME:
            run = rb.simulate(
                neuron,
                I=rb.sampled(stimulus["samples"], dt=dt),
                until=until,
                dt=dt,
                method="sequential euler",
            )
        else:
            run = rb.simulate(neuron, I=current(stimulus), until=until, dt=0.05, method="rk4")
        s = run.spikes[0]
        assert CRITERIA[letter](s, np.diff(s), run.t, run.v), f"{letter}: {criterion}; spikes at {s}"
        I = current(stimulus)(run.t)
        scaled = run.v.min() - 8 - 14 * (1 - (I - I.min()) / max(np.ptp(I), 1e-9))
        ax.plot(run.t, np.minimum(run.v, 30), color=plot.COLOURS[0], linewidth=0.8)
        before = np.searchsorted(run.t, s - 1e-6) - 1  # the last value before each reset; the peak lies between
        ax.vlines(s, run.v[before], 30, color=plot.COLOURS[0], linewidth=0.8)
        ax.plot(run.t, scaled, color=plot.COLOURS[1], linewidth=0.9)
        ax.set_title(f"{letter}  {neuron.about}{' *' if letter in BY_HIS_SCHEME else ''}", loc="left", fontsize=7.5)
        ax.set(xlim=(0, until), xticks=[0, until], yticks=[-60, 0])
        ax.tick_params(labelsize=7)
        runs.append(run)
    figure.supxlabel("time (ms); orange: current, not to scale; *: the author's own scheme", fontsize=9)
    figure.supylabel("v (mV)", fontsize=9)
    return figure, runs


# %% [markdown]
# ## The adaptive exponential neuron
# Eight parameter sets of Naud, Marcille, Clopath & Gerstner (2008), here as in published
# reimplementations; the printed table differs in places. A constant current is switched on at t = 0 in a
# neuron at rest.

# %%
# name: C (pF), g_L (nS), E_L (mV), a (nS), tau_w (ms), b (pA), v_r (mV), I (pA),
# and what must be seen of spikes s and intervals d
PATTERNS: dict[
    str,
    tuple[float, float, float, float, float, float, float, float, Callable[[np.ndarray, np.ndarray], bool]],
] = {
    "tonic": (200, 10, -70, 2, 30, 0, -58, 500, lambda s, d: d[2:].std() < 0.01 * d[2:].mean() + 0.05),
    "adapting": (
        200,
        12,
        -70,
        2,
        300,
        60,
        -58,
        500,
        lambda s, d: bool(np.all(np.diff(d[:4]) > 0)) and d[3] > 1.5 * d[0],
    ),
    "initial burst": (130, 18, -58, 4, 150, 120, -50, 400, lambda s, d: d[0] < d[-1] / 3),
    "regular bursting": (200, 10, -58, 2, 120, 100, -46, 210, lambda s, d: d.max() > 3 * d.min()),
    "delayed accelerating": (200, 12, -70, -10, 300, 0, -58, 300, lambda s, d: s[0] > d[0] and d[-1] < d[0]),
    "delayed bursting": (
        100,
        10,
        -65,
        -10,
        90,
        30,
        -47,
        110,
        lambda s, d: s[0] > 50 and d.max() > 2 * d.min(),
    ),
    "transient": (100, 10, -65, 10, 90, 100, -47, 180, lambda s, d: 1 <= len(s) <= 10 and s[-1] < 150),
    "irregular": (100, 12, -60, -11, 130, 30, -48, 160, lambda s, d: d.std() > 0.2 * d.mean()),
}


def adex() -> tuple[Any, list[Any]]:
    """Eight patterns of the adaptive exponential neuron"""
    figure, axes = plot.new_axes(4, 2, size=(9, 6.4), sharex=True)
    runs = []
    for (name, (C, g_L, E_L, a, tau_w, b, v_r, I, shows)), ax in zip(PATTERNS.items(), axes.ravel(), strict=True):
        neuron = rb.AdEx(
            C=C / 1000,
            g_L=g_L / 1000,
            E_L=E_L,
            v_T=-50,
            Delta_T=2,
            a=a / 1000,
            tau_w=tau_w,
            b=b / 1000,
            v_peak=0,
            v_r=v_r,
        )
        run = rb.simulate(neuron, I=I / 1000, until=400, dt=0.05, v=E_L, w=0)
        s = run.spikes[0]
        assert shows(s, np.diff(s)), f"{name}: spikes at {s}"
        ax.plot(run.t, run.v, color=plot.COLOURS[0], linewidth=0.9)
        ax.vlines(s, v_r, 0, color=plot.COLOURS[0], linewidth=0.9)
        ax.set_title(f"{name} ({I:g} pA)", loc="left", fontsize=9)
        ax.set(xlim=(0, 400), ylim=(-75, 5), yticks=[-70, -35, 0])
        runs.append(run)
    for ax in axes[-1]:
        ax.set_xlabel("time (ms)")
    figure.supylabel("v (mV)", fontsize=9)
    return figure, runs


# %%
FIGURES = {"05_izhikevich": izhikevich, "05_adex": adex}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
