# %% [markdown]
# # A table of parameters becomes a neuron
#
# Membrane capacitance C, leak conductance g_L, resting potential V_L, threshold V_th, reset V_reset,
# refractory period: the usual table for a LIF neuron, and its equation
#
#     C dV/dt = -g_L (V - V_L) + I
#
# The rows may use just these letters.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot

lif = rb.Neuron(
    evolve="C dV/dt = -g_L*(V - V_L) + I",
    receive="V <- V + w_i",
    threshold="V >= V_th",
    reset="V <- V_reset",
    refractory={"V": "2 ms"},
    name="LIF",
    about="from a table of parameters",
    C="200 pF",
    g_L="10 nS",
    V_L="-70 mV",
    V_th="-50 mV",
    V_reset="-65 mV",
    V="-70 mV",
)


# %%
def parameters() -> tuple[Any, list[Any]]:
    """The table as a model"""
    assert lif.unit("V") == "mV"
    assert lif.unit("I") == "nA"
    return plot.table(str(lif)).figure, ["rows, units checked"]


# %% [markdown]
# ## With and without the leak
# The leak holds a small current in check: below g_L (V_th - V_L) = 200 pA the neuron is silent for ever.
# Without it (g_L = 0) any positive current fires the neuron sooner or later, after C (V_th - V_reset)/I
# + t_ref. Both rates end at 1/t_ref = 500 Hz.


# %%
def leak() -> tuple[Any, list[Any]]:
    """f-I curves with and without the leak"""
    I = np.concatenate([np.linspace(0.0, 1.0, 21), [0.25]])
    leaky = rb.simulate(lif, I=I, until="1 s", record=False)
    perfect = rb.simulate(lif.replace(g_L="0 nS"), I=I, until="1 s", record=False)
    interval = np.diff(leaky.spikes[21])
    np.testing.assert_allclose(interval, 29.7258872223978, rtol=1e-12)  # at 250 pA: 33.6407 Hz
    assert leaky.spikes[21][0] > interval[0]  # it starts at rest, below the reset
    assert leaky.spikes.count[I <= 0.2].max() == 0
    np.testing.assert_allclose(np.diff(perfect.spikes[4]), 200 * 15 / 200 + 2, rtol=1e-9)  # at 200 pA: 17 ms

    figure, ax = plot.new_axes(size=(7, 3.2))
    formula = np.linspace(0.2, 1, 400)[1:]
    ax.plot(
        1000 * formula,
        1000 / (2 + 20 * np.log((formula / 0.01 - 5) / (formula / 0.01 - 20))),
        color=plot.COLOURS[0],
        linewidth=1,
    )
    ax.plot(1000 * I[:21], leaky.rate()[:21], "o", markersize=3.5, color=plot.COLOURS[0], label="with leak")
    ax.plot(1000 * I[1:21], 1000 / (0.2 * 15 / I[1:21] + 2), color=plot.COLOURS[1], linewidth=1)
    ax.plot(1000 * I[:21], perfect.rate()[:21], "s", markersize=3.5, color=plot.COLOURS[1], label="without leak")
    ax.axvline(200, color=plot.GREY, linewidth=0.8, linestyle="--")
    ax.set(xlabel=plot.label("I", "pA"), ylabel="rate (Hz)", xlim=(0, 1000), ylim=(0, None))
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    return figure, [leaky, perfect]


# %% [markdown]
# ## Variations
# The quadratic neuron makes its own upstroke and needs no sharp threshold; a threshold that jumps at
# every spike makes the intervals grow; a recovery variable with a shallow reset makes bursts.


# %%
def variations() -> tuple[Any, list[Any]]:
    """Quadratic, adaptive and bursting neurons under a step of current"""
    models = {
        "quadratic (QIF)": (rb.QIF(), rb.step("0.05 nA", on="20 ms"), "v"),
        "adaptive threshold (ALIF)": (rb.ALIF(), rb.step(0.6, on="20 ms"), "v"),
        "bursting (Izhikevich, c = -50, d = 2)": (rb.Izhikevich(c=-50, d=2), rb.step(10, on="20 ms"), "v"),
    }
    figure, axes = plot.new_axes(3, size=(7, 5.6), sharex=True)
    runs = []
    for ax, (name, (model, I, state)) in zip(axes, models.items(), strict=True):
        run = rb.simulate(model, I=I, until="200 ms", dt="0.05 ms")
        ax.plot(run.t, run[state], linewidth=1, color=plot.COLOURS[0])
        if "theta" in model.states:
            ax.plot(run.t, run.theta, linewidth=1, color=plot.COLOURS[1], linestyle="--", label="theta")
            ax.legend(frameon=False, loc="upper left", fontsize=9)
        unit = model.unit(state) or ("mV" if model.name == "Izhikevich" else "")
        ax.set(ylabel=plot.label(state, unit), xlim=(0, 200))
        ax.set_title(name, loc="left", fontsize=10)
        runs.append(run)
    axes[-1].set_xlabel("time (ms)")
    regular, adapting, bursts = (np.diff(run.spikes[0]) for run in runs)
    assert np.ptp(regular) <= 0.1
    assert len(adapting) >= 4
    assert np.all(np.diff(adapting) > -0.1)
    assert adapting[-1] > 1.2 * adapting[0]
    assert bursts.max() > 3 * np.median(bursts)
    return figure, runs


# %%
FIGURES = {"02_table": parameters, "02_leak": leak, "02_variations": variations}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
