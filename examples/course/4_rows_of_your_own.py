# %% [markdown]
# # 4. Rows of your own
#
# Four rows say what a neuron does: how it evolves, what an arriving spike does, when it fires, what happens
# then. Change one and it is another neuron. A current with a memory makes the postsynaptic potential round; a
# threshold that jumps makes the neuron tire; a second variable makes it burst.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot, teach

plain = rb.Neuron(
    evolve="tau dv/dt = I - v", receive="v <- v + w_i", threshold="v > theta", reset="v <- 0", tau="20 ms", theta=1.0
)
synaptic = rb.Neuron(
    evolve="""tau dv/dt = I - v
              tau_s dI/dt = -I""",
    receive="I <- I + w_i",
    threshold="v > theta",
    reset="v <- 0",
    tau="20 ms",
    tau_s="5 ms",
    theta=1.0,
)
tiring = rb.Neuron(
    evolve="""tau dv/dt = I - v
              tau_a dtheta/dt = theta_0 - theta""",
    receive="v <- v + w_i",
    threshold="v > theta",
    reset="v <- 0; theta <- theta + delta",
    tau="20 ms",
    tau_a="100 ms",
    theta_0=1.0,
    delta=0.3,
    theta=1.0,
)


# %% [markdown]
# ## What one spike does
# In the first neuron v jumps and leaks. In the second the current jumps, and v follows it with a delay: it
# peaks tau tau_s/(tau - tau_s) ln(tau/tau_s) = 9.24 ms after the spike.


# %%
def one_spike() -> tuple[Any, list[Any]]:
    """One arriving spike, into v and into a current"""
    direct = rb.simulate(plain, I=0, spikes=rb.spikes([10.0], weight=0.5), until="100 ms", dt="0.01 ms")
    through = rb.simulate(synaptic, spikes=rb.spikes([10.0], weight=2.0), until="100 ms", dt="0.01 ms")
    peak = through.t[np.argmax(through.v)] - 10
    assert abs(peak - 20 * 5 / 15 * np.log(4)) < 0.02
    figure, ax = plot.new_axes(size=(7, 3))
    ax.plot(direct.t, direct.v, color=plot.COLOURS[0], label="into v")
    ax.plot(through.t, through.v, color=plot.COLOURS[1], label="into a current")
    ax.legend(frameon=False, fontsize=9)
    ax.set(xlabel="time (ms)", ylabel="v", xlim=(0, 100), ylim=(0, None))
    return figure, [direct, through]


# %% [markdown]
# ## A threshold that tires
# Each spike raises theta; in between it sinks back. Under a constant drive the intervals grow until rise and
# decay balance.


# %%
def tires() -> tuple[Any, list[Any]]:
    """An adaptive threshold: intervals grow"""
    run = rb.simulate(tiring, I=2.5, until="300 ms", dt="0.05 ms")
    intervals = np.diff(run.spikes[0])
    assert np.all(np.diff(intervals) > -0.11)
    assert intervals[-1] > 1.3 * intervals[0]
    figure, ax = plot.new_axes(size=(7, 3))
    ax.plot(run.t, run.v, color=plot.COLOURS[0], label="v")
    ax.plot(run.t, run.theta, color=plot.COLOURS[1], linestyle="--", label="theta")
    ax.legend(frameon=False, fontsize=9, loc="upper left", ncols=2)
    ax.set(xlabel="time (ms)", xlim=(0, 300), ylim=(0, 2.9))
    return figure, [run]


# %% [markdown]
# ## Exercise
# `teach.exercise("a neuron that bursts")`: any rows, as long as a constant current gives groups of spikes.
# One solution: reset v *above* where the upstroke begins, so that spikes follow fast, and let each push up a
# slow current that ends the group.


# %%
def bursts() -> tuple[Any, list[Any]]:
    """Solution of 'a neuron that bursts'"""
    task = teach.exercise("a neuron that bursts")
    assert not task.check(neuron=tiring, I=2.5)  # it tires, but it does not burst
    mine = rb.AdEx(v_r="-48 mV", tau_w="120 ms", b="0.1 nA", a="2 nS")
    verdict = task.check(neuron=mine, I="0.8 nA")
    assert verdict.right, verdict
    run = rb.simulate(mine, I="0.8 nA", until="500 ms", dt="0.05 ms")
    figure, (top, bottom) = plot.new_axes(2, sharex=True, size=(7, 4))
    top.plot(run.t, np.minimum(run.v, 0), color=plot.COLOURS[0], linewidth=0.8)
    top.set(ylabel="v (mV)")
    bottom.plot(run.t, run.w, color=plot.COLOURS[1])
    bottom.set(xlabel="time (ms)", ylabel="w (nA)", xlim=(0, 500))
    return figure, [run]


# %%
FIGURES = {"c4_one_spike": one_spike, "c4_tires": tires, "c4_bursts": bursts}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
