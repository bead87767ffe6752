# %% [markdown]
# # 5. When noise is harmless
#
# Inject the same constant current into the same neuron twice, and after a few spikes the two trains have
# nothing to do with each other. Inject the same *fluctuating* current twice, and they agree to a millisecond
# (Mainen & Sejnowski 1995). The noise is the same; what differs is how v meets the threshold.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot, teach

cell = rb.NoisyLIF(sigma="1.5 mV", tau="20 ms")
CONSTANT = rb.step("0.24 nA")
MOVING = rb.ou("0.1 nA", "0.4 nA", tau="3 ms", frozen=5)


def reliability(run: Any) -> float:
    """Return how alike the trials are: 1 if all spikes are at the same times."""
    from rheobase.analysis import schreiber

    return schreiber([run.spikes[i] for i in range(run.n)], sigma=2.0, start=200.0, until=run.until)


# %% [markdown]
# ## Twenty trials of each
# Slowly drifting over the threshold, v is at the mercy of any small push: each trial crosses at another
# moment, and the differences add up from spike to spike. Thrown over it, v crosses when the current says so.


# %%
def trials() -> tuple[Any, list[Any]]:
    """The same noise under a constant and a fluctuating current"""
    figure, axes = plot.new_axes(2, sharex=True, size=(7, 4.5))
    runs, found = [], []
    for ax, I, name in ((axes[0], CONSTANT, "constant"), (axes[1], MOVING, "fluctuating, the same in each trial")):
        run = rb.simulate(cell, I=I, n=20, until="2 s", dt="0.1 ms", seed=3, record=False)
        found.append(reliability(run))
        plot.raster(run.spikes.times, run.spikes.neurons, 20, until=2000, axes=ax)
        ax.set_title(f"{name}: reliability {found[-1]:.2f}", loc="left", fontsize=10)
        ax.set(ylabel="trial", xlim=(200, 1000), xlabel="")
        runs.append(run)
    axes[1].set_xlabel("time (ms)")
    assert found[0] < 0.35
    assert found[1] > 0.7
    return figure, runs


# %% [markdown]
# ## How fast is fast enough?
# The faster v rises through the threshold, the less a push of noise moves the crossing: by about noise over
# slope. A larger fluctuation gives steeper crossings and more reliable spikes.


# %%
def slope() -> tuple[Any, list[Any]]:
    """Reliability grows with the size of the fluctuation"""
    sizes = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
    values, runs = [], []
    for size in sizes:
        current = rb.ou("0.2 nA", float(size), tau="3 ms", frozen=5)
        run = rb.simulate(cell, I=current, n=20, until="2 s", dt="0.1 ms", seed=3, record=False)
        values.append(reliability(run))
        runs.append(run)
    assert values[-1] > values[0] + 0.3
    figure, ax = plot.new_axes(size=(7, 3))
    ax.plot(sizes, values, "o-", color=plot.COLOURS[0])
    ax.set(xlabel="standard deviation of the current (nA)", ylabel="reliability", ylim=(0, 1))
    return figure, runs


# %% [markdown]
# ## Exercise
# `teach.exercise("make noise harmless")`: find a current of mean 0.25 nA at most that makes 20 trials agree.
# Short pulses do it, too.


# %%
def pulses() -> tuple[Any, list[Any]]:
    """Solution with pulses: each one fires the neuron within a fraction of a millisecond"""
    task = teach.exercise("make noise harmless")
    assert not task.check(I=CONSTANT)
    mine = rb.pulses("3 nA", starts=np.arange(100, 2000, 50.0), width="3 ms")
    verdict = task.check(I=mine)
    assert verdict.right, verdict
    run = rb.simulate(cell, I=mine, n=20, until="500 ms", dt="0.1 ms", seed=3, record=False)
    figure, ax = plot.new_axes(size=(7, 2.6))
    plot.raster(run.spikes.times, run.spikes.neurons, 20, until=500, axes=ax)
    ax.set_title(f"pulses of 3 nA and 3 ms: reliability {reliability(run):.2f}", loc="left", fontsize=10)
    ax.set(ylabel="trial", xlabel="time (ms)", xlim=(0, 500))
    return figure, [run]


# %%
FIGURES = {"c5_trials": trials, "c5_slope": slope, "c5_pulses": pulses}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
