# %% [markdown]
# # A first look
#
# A neuron is four rows: how it evolves, what an arriving spike does, when it fires, what happens then.
# Written once, the rows are simulated and compared with what the books can calculate.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot
from rheobase.analysis.theory import lif_rate

lif = rb.Neuron(
    evolve="tau dv/dt = E_L - v + R*I",
    receive="v <- v + w_i",
    threshold="v > theta",
    reset="v <- v_r",
    refractory="2 ms",
    name="LIF",
    about="leaky integrate-and-fire",
    tau="20 ms",
    R="100 MOhm",
    E_L="-70 mV",
    theta="-50 mV",
    v_r="-70 mV",
)

# %% [markdown]
# ## The answer to a step of current
# 0.3 nA would bring v to -40 mV, above the threshold, so the neuron fires as long as the current lasts:
# first after tau ln 3 = 21.97 ms, then every 21.97 + 2 ms, the two being the refractory period. No step
# size is involved: each spike is the root of an equation.


# %%
def step_response() -> tuple[Any, list[Any]]:
    """A LIF neuron's answer to a step of current, and its table"""
    run = rb.simulate(lif, I=rb.step("0.3 nA", on="20 ms", off="120 ms"), until="150 ms")
    first, interval = 20 + 20 * np.log(3), 20 * np.log(3) + 2
    np.testing.assert_allclose(run.spikes[0], first + interval * np.arange(4), rtol=1e-13)

    figure, (top, middle, bottom) = plot.new_axes(3, size=(7, 5.4), height_ratios=[3, 1, 2.3])
    run.plot(axes=top)
    top.set_title("", loc="left")
    top.set_xlabel("")
    middle.step([0, 20, 120, 150], [0, 0.3, 0, 0], where="post", color=plot.COLOURS[1])
    middle.set(xlim=(0, 150), ylim=(-0.03, 0.36), xlabel="time (ms)", ylabel=plot.label("I", "nA"))
    plot.table(str(lif), bottom)
    figure.align_ylabels([top, middle])
    return figure, [run]


# %% [markdown]
# ## Rate against current
# An array of currents is as many neurons. Below 0.2 nA, the rheobase, nothing happens; above it the rate
# is 1/(t_ref + tau ln(R I/(R I - 20 mV))), bounded by 1/t_ref = 500 Hz. Lines are the formula, dots are
# counted spikes: a count over one second is a whole number, at most 1 Hz off.


# %%
def fi_curve() -> tuple[Any, list[Any]]:
    """f-I curves for three refractory periods: counted spikes on the formula"""
    I = np.linspace(0.0, 1.0, 21)
    figure, ax = plot.new_axes(size=(7, 3.6))
    runs = []
    for t_ref, colour in zip((0.0, 2.0, 10.0), plot.COLOURS, strict=False):
        run = rb.simulate(lif.replace(t_ref=t_ref), I=I, until="1 s", record=False)
        known = {"tau": 20, "R": 100, "E_L": -70, "theta": -50, "v_r": -70, "t_ref": t_ref}
        assert np.all(np.abs(run.rate() - lif_rate(I, **known)) <= 1.0)
        fine = np.sort(np.append(np.linspace(0, 1, 400), 0.2 + np.logspace(-9, -2, 40)))
        ax.plot(1000 * fine, lif_rate(fine, **known), color=colour, linewidth=1.2)
        ax.plot(1000 * I, run.rate(), "o", markersize=4, color=colour, label=f"{t_ref:g} ms")
        runs.append(run)
    ax.axvline(200, color=plot.GREY, linewidth=0.8, linestyle="--")
    ax.annotate(
        "rheobase\n200 pA",
        (200, ax.get_ylim()[1]),
        xytext=(-5, 0),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=9,
        color=plot.GREY,
    )
    ax.set(xlabel=plot.label("I", "pA"), ylabel="rate (Hz)", xlim=(0, 1000), ylim=(0, None))
    ax.legend(title="refractory", frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure, [*runs, "formula: Neuronal Dynamics, section 1.3"]


# %%
FIGURES = {"step_response": step_response, "fi_curve": fi_curve}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
