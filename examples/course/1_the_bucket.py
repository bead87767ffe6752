# %% [markdown]
# # 1. The bucket
#
# A bucket with a hole in its bottom stands under a tap. Water comes in at a rate I; it leaves the faster the
# higher it stands. That is all there is to a neuron's membrane below threshold:
#
#     tau dv/dt = I - v
#
# The level v creeps towards I and never quite gets there. After tau it has made 63 % of its way, after 3 tau
# 95 %. A hole that is stiff (a large tau) makes a bucket that remembers.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot, teach

bucket = rb.Neuron(evolve="tau dv/dt = I - v", tau="1 s", name="bucket")


# %% [markdown]
# ## Pouring it out
# Tap closed, full bucket. In each tau the level falls to 37 % of what it was, whatever it was: there is no
# moment at which the bucket "begins" to be empty.


# %%
def draining() -> tuple[Any, list[Any]]:
    """A full bucket drains; each tau takes 63 % of what is left"""
    run = rb.simulate(bucket, I=0, v=1.0, until="5 s", record_every="10 ms")
    at = [float(run.v[int(k * 100)]) for k in range(5)]
    np.testing.assert_allclose(at, np.exp(-np.arange(5)), rtol=1e-12)
    figure, ax = plot.new_axes(size=(7, 3))
    ax.plot(run.t / 1000, run.v, color=plot.COLOURS[0])
    for k, level in enumerate(at):
        ax.plot([k, k], [0, level], color=plot.GREY, linewidth=0.8)
        ax.annotate(f"{100 * level:.0f} %", (k, level), xytext=(4, 4), textcoords="offset points", fontsize=9)
    ax.set(xlabel="time (tau)", ylabel="level v", xlim=(0, 5), ylim=(0, 1.1))
    return figure, [run]


# %% [markdown]
# ## A cup now and then
# Spikes that arrive are cups of water: each lifts the level at once. Far apart they are forgotten; close
# together they pile up. The level is a running count of the spikes of the last tau.


# %%
def cups() -> tuple[Any, list[Any]]:
    """The same ten cups, far apart and close together"""
    cell = bucket.replace(receive="v <- v + w_i", tau="100 ms", I=0)
    slow = rb.simulate(cell, spikes=rb.spikes(np.arange(10) * 200.0 + 20, weight=0.2), until="2.2 s", dt="1 ms")
    quick = rb.simulate(cell, spikes=rb.spikes(np.arange(10) * 20.0 + 20, weight=0.2), until="2.2 s", dt="1 ms")
    highest = 0.2 * (1 - np.exp(-10 * 0.2)) / (1 - np.exp(-0.2))  # a geometric series
    np.testing.assert_allclose(quick.v.max(), highest, rtol=1e-12)
    figure, ax = plot.new_axes(size=(7, 3))
    ax.plot(slow.t, slow.v, color=plot.COLOURS[0], label="every 200 ms")
    ax.plot(quick.t, quick.v, color=plot.COLOURS[1], label="every 20 ms")
    ax.legend(frameon=False, fontsize=9)
    ax.set(xlabel="time (ms)", ylabel="level v", xlim=(0, 2200), ylim=(0, None))
    return figure, [slow, quick]


# %% [markdown]
# ## Exercise
# `teach.exercise("half-life of a bucket", seed=...)` asks for a time. Work it out, then let it be checked;
# `print(task)` shows the question, `task.hint(1)` helps, and another seed asks with another number.


# %%
def half_life() -> tuple[Any, list[Any]]:
    """The exercise: a wrong answer, and the right one"""
    task = teach.exercise("half-life of a bucket", seed=2026)
    tau = task.given["tau"]
    guess, answer = task.check(t=tau / 2), task.check(t=tau * np.log(2))
    assert not guess
    assert answer
    run = rb.simulate(bucket.replace(tau=float(tau)), I=0, v=1.0, until=2 * tau, record_every="10 ms")
    figure, ax = plot.new_axes(size=(7, 3))
    ax.plot(run.t, run.v, color=plot.COLOURS[0])
    ax.axhline(0.5, color=plot.GREY, linewidth=0.8, linestyle="--")
    for t, verdict, colour in ((tau / 2, guess, plot.COLOURS[1]), (tau * np.log(2), answer, plot.COLOURS[2])):
        level = float(np.exp(-t / tau))
        ax.plot(t, level, "o", color=colour)
        ax.annotate(repr(verdict), (t, level), xytext=(8, 6), textcoords="offset points", fontsize=8, color=colour)
    ax.set(xlabel="time (ms)", ylabel="level v", xlim=(0, 2 * tau), ylim=(0, 1))
    ax.set_title(f"tau = {tau:g} ms: tau/2, and tau ln 2", loc="left", fontsize=10)
    return figure, [run]


# %%
FIGURES = {"c1_draining": draining, "c1_cups": cups, "c1_half_life": half_life}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
