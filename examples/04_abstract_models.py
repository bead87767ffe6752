# %% [markdown]
# # Abstract neurons, row by row
#
# The course "Neuroscience for machine learners" writes each neuron as a table of what happens when. Here
# a table is the model: four of them, each one a row or two away from the one before.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot

integrate = rb.Neuron(
    evolve="dv/dt = 0", receive="v <- v + w_i", threshold="v > 1", reset="v <- 0", name="integrate and fire"
)
leaky = integrate.replace(evolve="tau dv/dt = -v", tau="15 ms", name="leaky integrate and fire")
synaptic = leaky.replace(
    evolve="tau dv/dt = R*I - v\ntau_I dI/dt = -I",
    receive="I <- I + w_i",
    R=4,
    tau_I="5 ms",
    I=0,
    name="LIF, exponential synapse",
)
adaptive = leaky.replace(
    evolve="tau dv/dt = -v\ntau_a dtheta/dt = 1 - theta",
    threshold="v > theta",
    reset="v <- 0\ntheta <- theta + delta",
    tau_a="50 ms",
    delta=0.4,
    theta=1,
    name="LIF, adaptive threshold",
)

# %% [markdown]
# ## Tables and traces
# Input spikes come every 10 ms, for the last neuron every 2 ms. Without a leak nothing is forgotten, and
# the fourth input of 0.3 fires the neuron. With a leak 0.6 must come three times. An exponential current
# makes the jumps smooth, and the spike no longer falls on an input: 33.4537 ms is the root of an
# equation. With an adaptive threshold regular input gives growing intervals.


# %%
def models() -> tuple[Any, list[Any]]:
    """Four neurons: their tables and their traces"""
    ten, two = np.arange(10, 101, 10.0), np.arange(2, 101, 2.0)
    cases = [
        (integrate, rb.spikes(ten, weight=0.3), [40, 80]),
        (leaky, rb.spikes(ten, weight=0.6), [30, 60, 90]),
        (synaptic, rb.spikes(ten, weight=0.6), [33.453684942659291, 61.383741215339608, 83.975860278001225]),
        (adaptive, rb.spikes(two, weight=0.3), [10, 22, 38, 56, 76, 96]),
    ]
    figure, axes = plot.new_axes(4, 2, size=(9.5, 9.2), width_ratios=[1.1, 1])
    runs = []
    for (table, ax), (neuron, arriving, wanted) in zip(axes, cases, strict=True):
        run = rb.simulate(neuron, spikes=arriving, until="100 ms", v=0)
        np.testing.assert_allclose(run.spikes[0], wanted, rtol=1e-12)
        plot.table(str(neuron), table, rows=["evolve", "receive", "threshold", "reset"])
        if "theta" in neuron.states:
            plot.traces(run.t, {"v": (run.v, "")}, axes=ax)
            ax.plot(run.t, run.theta, color=plot.COLOURS[1], linewidth=1, linestyle="--")
            ax.annotate(
                "threshold",
                (100, run.theta[-1]),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=8,
                va="center",
                color=plot.COLOURS[1],
                annotation_clip=False,
            )
            ax.vlines(run.spikes[0], 2.3, 2.6, color=plot.COLOURS[0], linewidth=1.2)
        else:
            run.plot("v", axes=ax)
            ax.set_title("", loc="left")
        ax.plot(
            arriving.times,
            np.full(len(arriving.times), -0.15),
            "^",
            markersize=4,
            color=plot.COLOURS[4],
            clip_on=False,
        )
        ax.set(ylabel="v", xlabel="", ylim=(-0.25, None))
        runs.append(run)
    axes[-1, 1].set_xlabel("time (ms); triangles: input spikes")
    long = rb.simulate(adaptive, spikes=rb.spikes(np.arange(2, 151, 2.0), weight=0.3), until="150 ms", v=0)
    assert np.all(np.diff(np.diff(long.spikes[0])) >= -1e-9)
    return figure, runs


# %% [markdown]
# ## Why leak? Reliable spikes
# 25 trials of one neuron, each with its own intrinsic noise, under the same current. With a constant
# current the noise decides when spikes come, and trials drift apart. With a fluctuating current a leaky
# neuron fires at the same moments in every trial: the leak forgets what the noise did. A perfect
# integrator remembers all of it and is unreliable either way (Brette & Guigon 2003). Reliability is
# Schreiber's correlation of the trains, smoothed over 3 ms: 1 for identical trials.
#
# A leaky and a perfect integrator are one text here, `leak` being 1 or 0. Refractoriness suspends the
# threshold alone; x goes on.

# %%
noisy = rb.Neuron(
    evolve="tau dx/dt = a*I - leak*x + sigma*sqrt(2*tau)*xi",
    threshold="x > 1",
    reset="x <- 0",
    refractory={"threshold": "5 ms"},
    name="noisy integrator",
    tau="10 ms",
    sigma=0.03,
    leak=np.repeat([1.0, 0.0], 25),
    a=np.repeat([0.65, 0.15], 25),
)


def reliability() -> tuple[Any, list[Any]]:
    """Reliability of spike times: with and without leak, constant and fluctuating current"""
    currents = {
        "constant": rb.step(1.5, on=10, off=950),
        "fluctuating": rb.ou(1.5, 1.0, "3 ms", frozen=True, on=10, off=950),
    }
    runs = {
        k: rb.simulate(noisy, I=I, x=rb.uniform(0, 0.2), until="1 s", dt="0.1 ms", seed=4) for k, I in currents.items()
    }
    figure, axes = plot.new_axes(4, 2, size=(8, 6.4), sharex=True, height_ratios=[1, 1.3, 1, 1.3])
    found = {}
    for column, (kind, run) in enumerate(runs.items()):
        for half, leak in enumerate(("leaky", "perfect")):
            trains = [run.spikes[i] for i in range(25 * half, 25 * half + 25)]
            found[leak, kind] = rb.schreiber(trains, sigma=3, start=500, until=1000)
            trace, dots = axes[2 * half, column], axes[2 * half + 1, column]
            for i in range(25 * half, 25 * half + 25, 3):
                trace.plot(run.t, run.x[i], color=plot.COLOURS[half], linewidth=0.5, alpha=0.4)
            plot.raster(
                np.concatenate(trains),
                np.repeat(np.arange(25), [len(s) for s in trains]),
                25,
                until=1000,
                axes=dots,
                color=plot.COLOURS[half],
            )
            trace.set_title(f"{leak}, {kind} current: reliability {found[leak, kind]:.2f}", loc="left", fontsize=9)
            trace.set_ylabel("x" if column == 0 else "")
            dots.set(xlabel="", ylabel="trial" if column == 0 else "", xlim=(500, 950), yticks=[0, 12, 24])
    for ax in axes[-1]:
        ax.set_xlabel("time (ms)")
    assert found["leaky", "fluctuating"] > 0.8
    assert all(r < 0.4 for key, r in found.items() if key != ("leaky", "fluctuating")), found
    return figure, [*runs.values()]


# %%
FIGURES = {"04_models": models, "04_reliability": reliability}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
