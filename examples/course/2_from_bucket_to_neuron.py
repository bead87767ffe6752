# %% [markdown]
# # 2. From the bucket to a neuron
#
# Give the bucket a rim. When the level reaches it, the bucket tips over, is empty again, and for a moment
# takes no water. Volts for levels, and a resistor and a capacitor for hole and bucket, and there is the leaky
# integrate-and-fire neuron:
#
#     tau dv/dt = E_L - v + R*I      fires when v > theta      then v <- v_r, and rests for t_ref

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot, teach

lif = rb.LIF(tau="20 ms", R="100 MOhm", E_L="-70 mV", theta="-50 mV", v_r="-70 mV", t_ref="2 ms")


# %% [markdown]
# ## How much is enough?
# v creeps towards E_L + R I. If that lies below theta the neuron is silent for ever; the smallest current
# that is enough is (theta - E_L)/R, its rheobase: here 20 mV / 100 MOhm = 0.2 nA. Just above it the neuron
# fires late and rarely.


# %%
def enough() -> tuple[Any, list[Any]]:
    """Just below, just above and well above the rheobase"""
    assert abs(rb.rheobase(lif) - 0.2) < 1e-9
    currents = np.array([0.19, 0.21, 0.3])
    run = rb.simulate(lif, I=currents, until="150 ms", record_every="0.1 ms")
    assert [len(run.spikes[i]) for i in range(3)] == [0, 2, 6]
    figure, axes = plot.new_axes(3, sharex=True, size=(7, 4.5))
    for ax, v, I, colour in zip(axes, run.v, currents, plot.COLOURS, strict=False):
        ax.plot(run.t, v, color=colour)
        ax.axhline(-50, color=plot.GREY, linewidth=0.8, linestyle="--")
        ax.set(ylabel="v (mV)", ylim=(-72, -46))
        ax.set_title(f"I = {I:g} nA", loc="left", fontsize=10)
    axes[-1].set(xlabel="time (ms)", xlim=(0, 150))
    return figure, [run]


# %% [markdown]
# ## Strong and short, weak and long
# A short pulse must be strong: to lift v by 20 mV within d it must be I_rheobase/(1 - exp(-d/tau)). At twice
# the rheobase d = tau ln 2 is enough; that duration is called the chronaxie.


# %%
def strength_and_duration() -> tuple[Any, list[Any]]:
    """The strength-duration curve, found by experiment, and the formula"""
    found = rb.strength_duration(lif, durations=np.geomspace(1, 100, 15), dt="0.05 ms")
    formula = 0.2 / -np.expm1(-found.durations / 20)
    np.testing.assert_allclose(found.amplitudes, formula, rtol=1e-4)
    figure, ax = plot.new_axes(size=(7, 3.2))
    ax.loglog(found.durations, found.amplitudes, "o", color=plot.COLOURS[0], label="found")
    ax.loglog(found.durations, formula, color=plot.COLOURS[1], label="0.2 nA/(1 - exp(-d/tau))")
    ax.axvline(20 * np.log(2), color=plot.GREY, linewidth=0.8, linestyle="--")
    ax.axhline(0.4, color=plot.GREY, linewidth=0.8, linestyle="--")
    ax.legend(frameon=False, fontsize=9)
    ax.minorticks_off()
    ax.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    ax.set_yticks([0.2, 0.5, 1, 2, 4], ["0.2", "0.5", "1", "2", "4"])
    ax.set(xlabel="duration (ms)", ylabel="current (nA)")
    return figure, ["rb.strength_duration"]


# %% [markdown]
# ## Exercises
# Three with a neuron in a dish whose parameters nobody tells: *hidden neuron*, *minimal current*, *strength
# and duration*. `task.neuron.inject(I, until=)` is an experiment. Below, one way to solve the first.


# %%
def hidden() -> tuple[Any, list[Any]]:
    """Solution of 'hidden neuron': two experiments are enough"""
    task = teach.exercise("hidden neuron", seed=4)
    rest = task.neuron.inject("0 nA", until="10 ms").v[-1]
    weak = task.neuron.inject("0.02 nA", until="500 ms")  # v settles at E_L + R I
    R = (weak.v[-1] - rest) / 0.02
    risen = (weak.v - rest) / (weak.v[-1] - rest)
    tau = np.interp(1 - np.exp(-1), risen, weak.t)  # 63 % of the way after tau
    strong = task.neuron.inject("0.5 nA", until="100 ms")  # the highest v is the threshold
    verdict = task.check(tau=tau, R=R, theta=strong.v.max())
    assert verdict.right, verdict
    figure, (top, bottom) = plot.new_axes(2, size=(7, 4))
    top.plot(weak.t, weak.v, color=plot.COLOURS[0])
    top.axvline(tau, color=plot.GREY, linewidth=0.8, linestyle="--")
    top.set(ylabel="v (mV)", xlim=(0, 200))
    top.set_title(f"0.02 nA: R = {R:.1f} MOhm, tau = {tau:.1f} ms", loc="left", fontsize=10)
    bottom.plot(strong.t, strong.v, color=plot.COLOURS[1])
    bottom.set(xlabel="time (ms)", ylabel="v (mV)", xlim=(0, 100))
    bottom.set_title(f"0.5 nA: theta = {strong.v.max():.2f} mV", loc="left", fontsize=10)
    return figure, ["checked by rheobase.teach"]


# %%
FIGURES = {"c2_enough": enough, "c2_strength": strength_and_duration, "c2_hidden": hidden}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
