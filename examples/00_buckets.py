# %% [markdown]
# # Leaky buckets
#
# Water pours into a bucket at a rate I and leaks through a hole that stretches with the weight above it.
# The level v is the neuron's potential:
#
#     tau dv/dt = I - v
#
# A large tau is a stiff hole. Left alone, the level falls to 37 % of what it was within tau; with the
# tap on, it creeps towards I.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot

TAUS = np.array([500.0, 1000.0, 3000.0])
bucket = rb.Neuron(evolve="tau dv/dt = I - v", name="bucket", tau=TAUS, v=0)

# %% [markdown]
# ## Filling and leaking
# Three buckets under the same tap, which is closed after three seconds. At the start each rises by I/tau
# per ms; once the tap is closed it falls by v/tau. So at equal levels the three leak as 6 : 3 : 1.


# %%
def filling() -> tuple[Any, list[Any]]:
    """Three buckets fill and leak"""
    run = rb.simulate(bucket, I=rb.step(60, off="3 s"), until="6 s", record_every="10 ms")
    on, off = run.t <= 3000, run.t >= 3000
    full = 60 * -np.expm1(-run.t / TAUS[:, None])
    np.testing.assert_allclose(run.v[:, on], full[:, on], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.v[:, off], full[:, [300]] * np.exp(-(run.t[off] - 3000) / TAUS[:, None]), rtol=1e-12)
    slopes = 60 / TAUS  # of v at t = 0, when the bucket is empty
    np.testing.assert_allclose(slopes / slopes[2], [6, 3, 1])
    half_lives = TAUS * np.log(2)
    drained = rb.simulate(bucket, I=0, v=100, until="2.1 s", record_every="0.5 ms")
    for i, t in enumerate(half_lives):  # 346.6, 693.1 and 2079.4 ms
        assert abs(np.interp(t, drained.t, drained.v[i]) - 50) < 1e-4

    figure, (top, bottom) = plot.new_axes(2, sharex=True, size=(7, 4.2), height_ratios=[3, 1])
    for v, tau, colour in zip(run.v, TAUS, plot.COLOURS, strict=False):
        top.plot(run.t / 1000, v, color=colour, label=f"τ = {tau:g} ms")
    top.legend(frameon=False, fontsize=9)
    top.set(ylabel="level v (%)", ylim=(0, 62))
    bottom.step([0, 3, 6], [60, 0, 0], where="post", color="black")
    bottom.set(xlabel="time (s)", ylabel="tap I (%)", xlim=(0, 6), ylim=(-4, 70))
    return figure, [run, drained]


# %%
def drawn() -> tuple[Any, list[Any]]:
    """The same three buckets as drawings, one second after the tap is closed"""
    run = rb.simulate(bucket, I=rb.step(60, off="3 s"), until="4 s", record=False)
    level = run.final["v"]
    np.testing.assert_allclose(level, 60 * -np.expm1(-3000 / TAUS) * np.exp(-1000 / TAUS), rtol=1e-12)
    ax = plot.buckets(level, [f"τ = {tau:g} ms" for tau in TAUS], leaks=level / TAUS)
    return ax.figure, [run]


# %% [markdown]
# ## Firing
# At the brim (100) the bucket fires, is emptied, and for three seconds takes no water. With a tap at 150
# and tau = 2 s the first spike comes after tau ln(150/50) = 2197.22 ms, the others every 5197.22 ms: the
# refractory period is added. The brim counts as reached at equality, `v >= v_th`. A tap at 100 comes
# ever closer to the brim and never gets there.


# %%
def firing() -> tuple[Any, list[Any]]:
    """A bucket that fires and is refractory"""
    fires = rb.Neuron(
        evolve="tau dv/dt = I - v",
        threshold="v >= v_th",
        reset="v <- 0",
        refractory="3 s",
        name="firing bucket",
        tau="2 s",
        v_th=100,
        v=0,
    )
    run = rb.simulate(fires, I=150, until="30 s", record_every="10 ms")
    first, interval = 2000 * np.log(3), 2000 * np.log(3) + 3000
    assert len(run.spikes[0]) == 6
    np.testing.assert_allclose(run.spikes[0], first + interval * np.arange(6), rtol=1e-13)
    assert len(rb.simulate(fires, I=100, until="30 s").spikes.times) == 0

    figure, ax = plot.new_axes(size=(7, 3))
    ax.plot(run.t / 1000, run.v, color=plot.COLOURS[0])
    ax.axhline(100, color=plot.GREY, linewidth=0.8, linestyle="--")
    ax.vlines(run.spikes[0] / 1000, 103, 120, color=plot.COLOURS[0], linewidth=1.5)
    for k, t in enumerate(run.spikes[0] / 1000):
        ax.axvspan(t, t + 3, color=plot.COLOURS[4], alpha=0.2, linewidth=0, label="refractory" if k == 0 else None)
    ax.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0)
    ax.set(xlabel="time (s)", ylabel="level v (%)", xlim=(0, 30), ylim=(0, 124))
    return figure, [run]


# %% [markdown]
# ## The same equation in volts
# A resistor and a capacitor side by side share the current, I = I_R + I_C = v/R + C dv/dt. With tau = R
# C and R I in the place of I that is the bucket again, to the last digit.


# %%
def circuit() -> tuple[Any, list[Any]]:
    """The RC circuit: where the current goes"""
    rc = rb.Neuron(evolve="C dv/dt = I - v/R", name="RC circuit", R="10 MOhm", C="50 nF")
    pulse = rb.step("6 nA", on="200 ms", off="2 s")
    run = rb.simulate(rc, I=pulse, until="3 s", record_every="5 ms", v="0 mV")
    same = rb.simulate(bucket.replace(tau=500.0), I=rb.step(60, on=200, off=2000), until="3 s", record_every="5 ms")
    np.testing.assert_allclose(run.v, same.v, rtol=1e-12, atol=1e-12)
    current = np.where((run.t >= 200) & (run.t < 2000), 6.0, 0.0)
    through = run.v / 10
    charging = current - through
    on = (run.t > 200) & (run.t < 2000)
    np.testing.assert_allclose(
        charging[on], 6 * np.exp(-(run.t[on] - 200) / 500), rtol=1e-11
    )  # C dv/dt of the solution

    figure, (top, bottom) = plot.new_axes(2, sharex=True, size=(7, 4))
    top.plot(run.t, run.v, color=plot.COLOURS[0])
    top.set(ylabel=plot.label("v", "mV"), ylim=(0, 64))
    bottom.plot(run.t, current, color="black", linewidth=1, label="I, all of it")
    bottom.plot(run.t, through, color=plot.COLOURS[1], label="v/R, through the resistor")
    bottom.plot(run.t, charging, color=plot.COLOURS[2], label="C dv/dt, onto the capacitor")
    bottom.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    bottom.set(xlabel="time (ms)", ylabel="current (nA)", xlim=(0, 3000))
    return figure, [run, same]


# %%
FIGURES = {"00_filling": filling, "00_drawn": drawn, "00_firing": firing, "00_circuit": circuit}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
