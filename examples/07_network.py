# %% [markdown]
# # Four thousand neurons
#
# The same four rows, 4,000 times, joined at random: Vogels and Abbott's network of leaky neurons with
# exponential synaptic currents (benchmark 2 of Brette et al. 2007, J. Comput. Neurosci. 23:349-398). Four in
# five neurons excite, one in five inhibits, each pair is joined with probability 2 %. Their leak pulls them
# just above the threshold, so the network lives on without any input, and fires irregularly.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot

net = rb.Network()
E = net.add("E", 3200, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
I = net.add("I", 800, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
net.connect(E, [E, I], to="exc", p=0.02, weight="1.62 mV", delay="0.1 ms")
net.connect(I, [E, I], to="inh", p=0.02, weight="-9 mV", delay="0.1 ms")

# %% [markdown]
# ## A raster
# A dot is a spike, a row is a neuron. The curve below counts all spikes in windows of 5 ms.


# %%
def raster() -> tuple[Any, list[Any]]:
    """Raster of 4,000 neurons that excite and inhibit each other"""
    run = rb.simulate(net, until="1 s", engine=rb.Clock(dt="0.1 ms"), seed=1, record=False)
    rates = run.rate(start=200)
    assert all(4 < rate < 7.5 for rate in rates.values()), rates
    irregular = rb.cv([run["E"].spikes[i] for i in range(1000)])
    assert 0.3 < np.nanmean(irregular) < 1.2

    figure, (top, bottom) = plot.new_axes(2, size=(7, 5), height_ratios=[4, 1])
    run.raster(axes=top)
    top.axhline(3200, color=plot.GREY, linewidth=0.8)
    for name, place in (("E", 1600), ("I", 3600)):
        top.annotate(
            f"{name}\n{rates[name]:.1f} Hz",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
        )
    top.set(xlabel="", xlim=(0, 1000))
    counts, edges = np.histogram(run.spikes.times, bins=np.arange(0, 1001, 5))
    bottom.step(edges[:-1], counts / run.n / 0.005, where="post", color=plot.COLOURS[0], linewidth=1)
    bottom.set(xlim=(0, 1000), ylim=(0, None), xlabel="time (ms)", ylabel="rate (Hz)")
    figure.align_ylabels([top, bottom])
    return figure, [run["E"]]


# %%
FIGURES = {"07_network": raster}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
