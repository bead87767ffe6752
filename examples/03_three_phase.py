# %% [markdown]
# # The three-phase neuron
#
# A tutorial builds a LIF neuron in TensorFlow that is, in each step of 1 ms, in one of three phases,
# asked for in this order:
#
# 1. resting: while the rest time is positive, u stays at 0 and the rest time shrinks by dt;
# 2. firing: if u > 1 (strictly), u is set to 0 and the rest time to 4 ms;
# 3. integrating: otherwise u grows by dt (R I - u)/tau.
#
# So a value above the threshold is seen for one step before the neuron fires, and after firing u is 0
# for 1 + 4 steps.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot


def run_three_phases(current: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Return firing steps and trace of the rule, tau = 10 ms, dt = 1 ms; current[k] acts in step k."""
    u, rest, fired, trace = 0.0, 0.0, [], [0.0]
    for k in range(1, len(current)):
        if rest > 0:
            u, rest = 0.0, rest - 1.0
        elif u > 1.0:
            u, rest = 0.0, 4.0
            fired.append(k)
        else:
            u += (current[k] - u) / 10.0
        trace.append(u)
    return fired, np.array(trace)


# %% [markdown]
# ## The rule as rows
# "Tested one step later" is a second state: p follows u with time constant h, and with h = dt one Euler step
# makes p exactly what u was a step ago. The threshold looks at p. That, with a rest of 4 ms, is the
# whole rule.
#
# Beside it, the order that rheobase has everywhere: flow, deliver, fire, reset, all within the step.
# There the neuron fires in the step in which it crosses, one earlier, and is at rest for 4 ms instead of
# 5, so each interval is 1 ms shorter. A rest of 5 ms gives the rule's intervals back, each spike being
# stamped 1 ms earlier.

# %%
three_phases = rb.Neuron(
    evolve="tau du/dt = R*I - u\nh dp/dt = u - p",
    threshold="p > theta",
    reset="u <- 0\np <- 0",
    refractory={"u": "4 ms"},
    name="three phases",
    tau="10 ms",
    h="1 ms",
    R=1,
    theta=1,
)
usual = rb.Neuron(
    evolve="tau du/dt = R*I - u",
    threshold="u > theta",
    reset="u <- 0",
    refractory={"u": "4 ms"},
    name="usual order",
    tau="10 ms",
    R=1,
    theta=1,
)


def drive(current: np.ndarray) -> rb.Run:
    """Return the rows' run; the rule's step k is the one from t_k-1 to t_k, with the current held there."""
    return rb.simulate(three_phases, I=rb.sampled(current[1:], dt=1), until=len(current) - 1, dt=1, method="euler")


def draw_over(ax: Any, trace: np.ndarray, fired: Any, current: np.ndarray, title: str) -> None:
    """Draw a trace with its spikes, and the current behind it."""
    t = np.arange(len(trace))
    ax.fill_between(t, current, step="pre", color=plot.COLOURS[4], alpha=0.25, linewidth=0)
    ax.plot(t, trace, color=plot.COLOURS[0], linewidth=1.2)
    ax.vlines(fired, 1.9, 2.2, color=plot.COLOURS[0], linewidth=1.4)
    ax.axhline(1, color=plot.GREY, linewidth=0.8, linestyle="--")
    ax.set(ylabel="u", xlim=(0, 200), ylim=(min(0, trace.min()) - 0.05, 2.3))
    ax.set_title(title, loc="left", fontsize=10)


# %% [markdown]
# ## Three square pulses
# 0.5 is too little; 1.2 and 1.5 fire, the stronger one faster (intervals of 23 and 16 ms).


# %%
def square() -> tuple[Any, list[Any]]:
    """Three square currents: the tutorial's own spikes from rows, and the usual order"""
    t = np.arange(200)
    current = 0.5 * ((t > 10) & (t < 30)) + 1.2 * ((t > 50) & (t < 100)) + 1.5 * ((t > 120) & (t < 180))
    fired, trace = run_three_phases(current)
    run = drive(current)
    assert fired == [68, 91, 132, 148, 164, 180]
    assert run.spikes[0].tolist() == fired
    np.testing.assert_allclose(run.u, trace, rtol=1e-12, atol=1e-15)
    assert abs(trace[:50].max() - 0.5 * (1 - 0.9**19)) < 1e-14
    other = rb.simulate(usual, I=rb.sampled(current[1:], dt=1), until=199, dt=1, method="euler")
    assert other.spikes[0].tolist() == [67, 89, 131, 146, 161, 176]
    later = rb.simulate(usual, t_ref="5 ms", I=rb.sampled(current[1:], dt=1), until=199, dt=1, method="euler")
    assert (later.spikes[0] + 1).tolist() == fired

    figure, (top, bottom) = plot.new_axes(2, size=(7, 4.6), sharex=True)
    draw_over(top, run.u, fired, current, f"three phases: {', '.join(map(str, fired))} ms")
    draw_over(
        bottom,
        other.u,
        other.spikes[0],
        current,
        f"usual order: {', '.join(f'{s:g}' for s in other.spikes[0])} ms",
    )
    bottom.set_xlabel("time (ms); the current is shaded")
    return figure, [run, other]


# %% [markdown]
# ## A random current
# A new Gaussian number, mean 1.5 and deviation 1.0, in every step. One realisation differs from the
# next; the number of spikes hardly does: 10.4 +- 0.8.


# %%
def random_current() -> tuple[Any, list[Any]]:
    """A fluctuating current, and how many spikes it makes over 200 draws"""
    rng = np.random.default_rng(3)
    t = np.arange(200)
    draws = np.where((t > 10) & (t < 180), rng.normal(1.5, 1.0, (200, 200)), 0.0)
    found = [run_three_phases(current) for current in draws]
    run = rb.simulate(three_phases, I=rb.sampled(draws.T[1:], dt=1), until=199, dt=1, method="euler", record="u")
    for i, (fired, trace) in enumerate(found):
        assert run.spikes[i].tolist() == fired
        np.testing.assert_allclose(run.u[i], trace, rtol=1e-12, atol=1e-15)
    assert 10.1 < run.spikes.count.mean() < 10.7
    assert min(np.diff(s).min() for s in run.spikes) > 5

    figure, (top, bottom) = plot.new_axes(2, size=(7, 4.6))
    draw_over(top, run.u[0], run.spikes[0], draws[0], "one draw; the current is shaded")
    top.set_ylim(-0.4, 2.3)
    top.set_xlabel("time (ms)")
    values, counts = np.unique(run.spikes.count, return_counts=True)
    bottom.bar(values, counts, color=plot.COLOURS[0], width=0.8)
    bottom.set(xlabel="spikes in 200 ms", ylabel="draws of 200", xticks=values)
    return figure, [run]


# %% [markdown]
# ## Synapses
# 25 synapses fire at random, 20 Hz each; a spike of weight w adds q/tau_s w to a current that decays by
# exp(-dt/tau_s) in a step. The rule decays, adds the step's spikes, and lets u use the sum at once: in
# rheobase's order, what is delivered at t_k acts on the flow that begins there, so the rule's spikes of
# step k are delivered at t_k-1. Euler's method decays by 1 - dt/h_s, which is exp(-dt/tau_s) if h_s =
# dt/(1 - exp(-dt/tau_s)).
#
# The mean current, 25 x 20 Hz x 1.5 = 0.75, is below the threshold of 1: the neuron fires only when
# several synapses happen to spike together.


# %%
def synapses() -> tuple[Any, list[Any]]:
    """25 Poisson synapses with exponential currents"""
    steps, tau_s, q = 200, 10.0, 1.5
    rng = np.random.default_rng(12)
    weights = rng.normal(1.0, 0.5, 25)
    t = np.arange(steps)
    arrive = (rng.random((steps, 25)) < 0.02) & ((t > 10) & (t < 180))[:, None]
    current = np.zeros(steps)
    for k in range(1, steps):
        current[k] = current[k - 1] * np.exp(-1 / tau_s) + q / tau_s * (arrive[k] @ weights)
    fired, trace = run_three_phases(current)

    neuron = three_phases.replace(
        evolve="tau du/dt = R*I - u\nh dp/dt = u - p\nh_s dI/dt = -I",
        receive="I <- I + q/tau_s*w_i",
        h_s=1 / -np.expm1(-1 / tau_s),
        tau_s=tau_s,
        q=q,
        I=0,
    )
    when, which = np.nonzero(arrive)
    incoming = rb.spikes(when - 1.0, weight=weights[which])
    run = rb.simulate(neuron, spikes=incoming, until=steps - 1, dt=1, method="euler")
    assert len(fired) >= 2
    assert run.spikes[0].tolist() == fired
    np.testing.assert_allclose(run.u, trace, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.I[:-1], current[1:], rtol=1e-12, atol=1e-14)
    before = [np.sum((when > s - 11) & (when < s)) for s in fired]
    assert np.mean(before) > 10 * 25 * 0.02

    figure, (top, middle, bottom) = plot.new_axes(3, size=(7, 5.4), sharex=True)
    plot.raster(when, which, 25, until=200, axes=top)
    top.set(ylabel="synapse", xlabel="")
    middle.plot(t, current, color=plot.COLOURS[4])
    middle.axhline(1, color=plot.GREY, linewidth=0.8, linestyle="--")
    middle.set(ylabel="current I", ylim=(0, None))
    draw_over(bottom, run.u, fired, np.zeros(steps), "")
    bottom.set_xlabel("time (ms)")
    return figure, [run]


# %%
FIGURES = {"03_square": square, "03_random_current": random_current, "03_synapses": synapses}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
