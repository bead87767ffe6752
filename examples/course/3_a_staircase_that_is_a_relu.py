# %% [markdown]
# # 3. A staircase that is a ReLU
#
# Take away the leak: tau dv/dt = I becomes dv/dt = I, the integrate-and-fire neuron. When it fires, subtract
# the threshold instead of setting v to zero, so that nothing is thrown away. Its spike count is then the
# integral of its input, rounded down to whole thresholds. And since it cannot fire less than never, a
# negative input gives none: max(0, x).

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot, teach

cell = rb.IF(theta=1.0, threshold="v >= theta", reset="v <- v - theta")
X = np.linspace(-0.25, 1.0, 501)


# %% [markdown]
# ## Steps of the staircase
# In T time steps the neuron can fire 0, 1, ... T times: T + 1 answers. With more steps the stairs get finer
# and the ReLU comes out. From v = 0 the count is rounded down; from half a threshold it is rounded to the
# nearest, and the largest error is halved.


# %%
def staircase() -> tuple[Any, list[Any]]:
    """Spikes over steps against the input: 8 and 32 steps, from 0 and from half a threshold"""
    figure, axes = plot.new_axes(1, 2, sharey=True, size=(8, 3.6))
    runs = []
    for ax, steps in zip(np.ravel(axes), (8, 32), strict=True):
        ax.plot(X, np.maximum(X, 0), color=plot.GREY, linewidth=1, label="ReLU")
        for v0, colour in ((0.0, plot.COLOURS[0]), (0.5, plot.COLOURS[1])):
            run = rb.simulate(cell, I=X, v=v0, until=float(steps), dt=1.0, record=False)
            share = run.rate() / 1000
            worst = np.abs(share - np.maximum(X, 0)).max()
            assert worst <= (1 - v0) / steps + 1e-9
            ax.plot(X, share, color=colour, linewidth=1.2, label=f"v(0) = {v0:g}: error {worst:.3f}")
            runs.append(run)
        ax.set(xlabel="input x", xlim=(-0.25, 1))
        ax.set_title(f"{steps} steps", loc="left", fontsize=10)
        ax.legend(frameon=False, fontsize=8)
    np.ravel(axes)[0].set_ylabel("spikes / steps")
    return figure, runs


# %% [markdown]
# ## With the leak it is no ReLU
# A leaky neuron forgets what came in early. Small inputs never reach the threshold at all, and the curve
# bends.


# %%
def with_leak() -> tuple[Any, list[Any]]:
    """The same with a leak: silent below the rheobase, bent above"""
    leaky = rb.Neuron(
        evolve="tau dv/dt = -v + tau*I",
        threshold="v >= theta",
        reset="v <- v - theta",
        theta=1.0,
        tau=5.0,
        name="leaky",
    )
    run = rb.simulate(leaky, I=X, until=200.0, dt=1.0, record=False)
    share = run.rate() / 1000
    assert share[X < 0.18].max() == 0.0
    assert share[-1] < 0.95
    figure, ax = plot.new_axes(size=(7, 3))
    ax.plot(X, np.maximum(X, 0), color=plot.GREY, linewidth=1, label="ReLU")
    ax.plot(X, share, color=plot.COLOURS[2], label="leaky, tau = 5 steps")
    ax.legend(frameon=False, fontsize=9)
    ax.set(xlabel="input x", ylabel="spikes / steps", xlim=(-0.25, 1))
    return figure, [run]


# %% [markdown]
# ## Exercise
# `teach.exercise("a staircase that is a ReLU")`: how few steps keep the error within a given bound?


# %%
def fewest_steps() -> tuple[Any, list[Any]]:
    """The exercise: rounding down needs twice the steps"""
    task = teach.exercise("a staircase that is a ReLU", seed=3)
    bound = task.given["error"]
    down, nearest = round(1 / bound), int(np.ceil(1 / (2 * bound) - 1e-9))
    assert not task.check(steps=down, v0=0).right  # right, but not the fewest
    assert task.check(steps=nearest, v0=0.5).right
    counts, runs = np.arange(2, 61), []
    figure, ax = plot.new_axes(size=(7, 3))
    x = np.linspace(0, 1, 501)
    for v0, colour in ((0.0, plot.COLOURS[0]), (0.5, plot.COLOURS[1])):
        worst = []
        for steps in counts:
            run = rb.simulate(cell, I=x, v=v0, until=float(steps), dt=1.0, record=False)
            worst.append(np.abs(run.rate() / 1000 - x).max())
        runs.append(run)
        ax.semilogy(counts, worst, color=colour, label=f"v(0) = {v0:g}")
    ax.axhline(bound, color=plot.GREY, linewidth=0.8, linestyle="--")
    ax.legend(frameon=False, fontsize=9)
    ax.set(xlabel="steps", ylabel="largest error", xlim=(2, 60))
    ax.set_title(f"wanted {bound:g}: {nearest} steps are enough from half a threshold", loc="left", fontsize=10)
    return figure, runs


# %%
FIGURES = {"c3_staircase": staircase, "c3_leak": with_leak, "c3_steps": fewest_steps}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
