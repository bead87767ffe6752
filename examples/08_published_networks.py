# %% [markdown]
# # Published networks
#
# `rb.networks` holds models that others have published, each as one line, with the parameters of its paper in the
# docstring. They answer two questions: does this library get the published numbers, and what does such a network
# look like? Each run is put into one table of statistics and one picture.

# %%
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot

CLOCK = rb.Clock(dt="0.1 ms")

# %% [markdown]
# ## Vogels & Abbott (2005): irregular activity that sustains itself
# 4,000 neurons; the leak pulls each to just above its threshold, and what keeps it from firing steadily is the
# others. `print(net.describe())` shows the network as the tables in which papers describe one;
# `rb.network_statistics(run, start=300)` the activity, without the first 300 ms:
#
#           n    rate (Hz)  active           CV   corr.  Fano 3 ms    chi  peak (Hz)
#     E  3200  5.13 ± 5.59    73 %  0.46 ± 0.16  0.0025       5.20  0.051         25
#     I   800  5.52 ± 5.93    75 %  0.45 ± 0.14  0.0017       1.69  0.052         25
#
# Each neuron for itself fires irregularly and hardly knows of the others (corr.), yet the count of all spikes
# varies five times as much as for independent ones (Fano): 3,200 neurons sum a correlation of 0.0025.


# %%
def cuba() -> tuple[Any, list[Any]]:
    """CUBA, 4,000 neurons: raster, rates, and rate over time"""
    run = rb.simulate(rb.networks.cuba(), until="1 s", engine=CLOCK, seed=1, record=False)
    s = rb.network_statistics(run, start=300)
    assert all(4.8 < p.rate < 6.6 and 0.4 < p.cv < 0.6 and p.correlation < 0.01 for p in s.values()), s
    raster, _, _ = run.plot(200, title=f"CUBA: CV {s['E'].cv:.2f}, correlation {s['E'].correlation:.3f}")
    return raster.figure, [run["E"]]


# %% [markdown]
# ## Brunel (2000): four regimes of one network
# 10,000 excitatory and 2,500 inhibitory neurons with 1,250 synapses each. Two numbers decide what they do: the
# strength of inhibition g, and the external rate relative to the one that alone would reach the threshold. Fig. 8
# of the paper: **SR**, all fire together, as fast as they can; **SI fast**, each fires at random, far more slowly
# than the waves that go through all of them; **AI**, neither rhythm nor order; **SI slow**, slow waves at low rates.


# %%
def brunel() -> tuple[Any, list[Any]]:
    """Brunel's network in its four regimes: 50 neurons, and the rate of all"""
    figure, axes = plot.new_axes(2, 4, size=(10, 4.2), sharex=True, height_ratios=[2, 1])
    expected = {"SR": (310, 336), "SI fast": (52, 68), "AI": (34, 42), "SI slow": (3.5, 7.5)}
    runs = []
    for (top, bottom), (regime, (low, high)) in zip(axes.T, expected.items(), strict=True):
        net = rb.networks.brunel(regime, multapses=True)
        run = rb.simulate(net, until="300 ms", engine=CLOCK, seed=1, record=False)
        runs.append(run["E"])
        rate = run.rate(start=100)["E"]
        assert low < rate < high, (regime, rate)
        few = run["E"].spikes
        shown = few.neurons < 50
        plot.raster(few.times[shown], few.neurons[shown], 50, until=300, axes=top, marker=".", markersize=2.5)
        top.set(title=f"{regime}: {rate:.0f} Hz", xlabel="", ylabel="", yticks=[])
        centres, course = rb.psth(run["E"], bin=1, start=100)
        bottom.fill_between(centres, course, step="mid", color=plot.COLOURS[0], linewidth=0)
        bottom.set(xlim=(150, 300), ylim=(0, None), xlabel="time (ms)")
    axes[0, 0].set_ylabel("50 neurons")
    axes[1, 0].set_ylabel("rate of all (Hz)")
    figure.align_ylabels(axes[:, 0])
    return figure, runs


# %% [markdown]
# ## Potjans & Diesmann (2014): a square millimetre of cortex
# Four layers, 77,169 neurons and 299 million synapses at full scale. Here a tenth of the neurons with a tenth of
# their synapses, which are stronger in turn, and a constant current that replaces the mean input of those left out.
# The rates of the layers are nearly those of the full circuit; what the reduction cannot keep (less input from
# correlated neighbours, larger steps of the membrane) lowers them a little, most of all in L2/3, and in NEST just
# as much.

# %%
NAMES = ["L2/3E", "L2/3I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"]
FULL = np.array([0.90, 2.80, 4.39, 5.70, 6.80, 8.22, 1.14, 7.60])  # Hz, Romaro et al. 2021, Table A.1
NEST = np.array([0.48, 2.13, 4.02, 5.02, 6.74, 7.81, 0.84, 7.05])  # Hz, this reduction in NEST 3.10, two seeds


@cache
def run_circuit() -> rb.NetworkRun:
    return rb.simulate(rb.networks.microcircuit(0.1), until="1 s", engine=CLOCK, seed=1, record=False)


def circuit() -> tuple[Any, list[Any]]:
    """The cortical microcircuit at a tenth of its size"""
    run = run_circuit()
    raster, _, _ = run.plot(500, title="cortical microcircuit, 10 %")
    return raster.figure, [run["L4E"]]


def layers() -> tuple[Any, list[Any]]:
    """Rates of the microcircuit's populations against the published ones"""
    run = run_circuit()
    mean = np.array([run.rate(start=200)[name] for name in NAMES])
    assert np.all(np.abs(mean / NEST - 1) < 0.15), mean
    figure, axes = plot.new_axes(size=(6.4, 3.4))
    y, colours = np.arange(8), [*plot.population_colours(NAMES).values()]
    axes.barh(y, mean, height=0.6, color=colours, alpha=0.85, label="rheobase, 10 %")
    axes.plot(NEST, y, "|", color="black", markersize=14, markeredgewidth=1.5, label="NEST, 10 %")
    axes.plot(FULL, y, "o", color="black", markerfacecolor="white", markersize=5, label="full scale, published")
    axes.set_yticks(y, NAMES)
    axes.invert_yaxis()
    axes.set(xlabel="mean rate (Hz)", xlim=(0, 10))
    axes.legend(frameon=False, fontsize=9, loc="upper right")
    return figure, [run["L4E"]]


# %%
FIGURES = {"08_cuba": cuba, "08_brunel": brunel, "08_microcircuit": circuit, "08_layers": layers}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
