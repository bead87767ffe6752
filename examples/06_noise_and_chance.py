# %% [markdown]
# # Noise and chance
#
# Three ways in which a neuron can fire by chance: a noisy current that carries v over the threshold; a
# threshold that is only a likelihood; no potential at all, but states that follow each other at random.
# In each the simulation stands beside what can be calculated.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot
from rheobase.analysis.theory import escape_isi, escape_survivor, siegert
from rheobase.model.markov import MarkovNeuron

# %% [markdown]
# ## A noisy current
# White noise lets v fluctuate with standard deviation sigma around its mean, and the neuron fires below
# its rheobase too. Siegert's formula gives the rate; it writes the noise with sqrt(tau) instead of
# sqrt(2 tau), so its sigma is sqrt(2) times ours. The threshold is looked at every 0.05 ms, and what
# crosses and returns in between is not seen: the simulated rate is a few per cent low, less for a
# smaller step.


# %%
def noisy_current() -> tuple[Any, list[Any]]:
    """A LIF neuron in white noise: trace, and rates beside Siegert's formula"""
    currents, copies = np.linspace(0.10, 0.30, 9), 20
    figure, (top, bottom) = plot.new_axes(2, size=(7, 5.4))
    runs = []
    for sigma, colour in zip((2.0, 5.0), plot.COLOURS, strict=False):
        neuron = rb.NoisyLIF(sigma=sigma)
        run = rb.simulate(
            neuron,
            I=np.repeat(currents, copies),
            until="1.5 s",
            dt="0.05 ms",
            seed=5,
            record="v",
            record_neurons=[100],
            record_every="0.2 ms",
        )
        rate = run.rate(start=500).reshape(len(currents), copies).mean(axis=1)
        theory = siegert(mu=-70 + 100 * currents, sigma=np.sqrt(2) * sigma, tau=20, theta=-50, v_r=-70, t_ref=2)
        assert np.all(np.abs(rate - theory) < 4 * np.sqrt(theory / copies) + 0.08 * theory + 0.3), (
            rate,
            theory,
        )
        fine = np.linspace(0.1, 0.3, 200)
        bottom.plot(
            1000 * fine,
            siegert(mu=-70 + 100 * fine, sigma=np.sqrt(2) * sigma, tau=20, theta=-50, v_r=-70, t_ref=2),
            color=colour,
        )
        bottom.plot(1000 * currents, rate, "o", markersize=4, color=colour, label=f"σ = {sigma:g} mV")
        if sigma == 5.0:
            plot.traces(run.t, {"v": (run.v, "mV")}, spikes=[run.spikes[100]], threshold=("v", -50), axes=top)
            top.set_xlim(0, 500)
            top.set_title(f"one neuron, {1000 * currents[5]:.0f} pA, σ = 5 mV", loc="left", fontsize=10)
        runs.append(run)
    bottom.axvline(200, color=plot.GREY, linewidth=0.8, linestyle="--")
    bottom.set(xlabel=plot.label("I", "pA"), ylabel="rate (Hz)", xlim=(95, 305), ylim=(0, None))
    bottom.legend(frameon=False, fontsize=9, title="lines: Siegert (1951)", title_fontsize=9)
    return figure, [*runs, "formula: Siegert"]


# %% [markdown]
# ## A likelihood of firing
# Escape noise: v itself is smooth, but at any v the neuron may fire, at the rate exp((v -
# theta)/delta_u)/tau_0. In a step the probability is 1 - exp(-rate dt), never rate dt. How long an
# interval lasts is known: the fraction of intervals longer than t falls by the rate that v has by then.


# %%
def escape() -> tuple[Any, list[Any]]:
    """Escape noise: intervals beside their law"""
    neuron = rb.EscapeLIF()
    run = rb.simulate(neuron, I=0.2, n=60, until="2 s", dt="0.1 ms", seed=6, record="v", record_neurons=[0])
    intervals = np.concatenate([np.diff(s) for s in run.spikes])
    law = {"v_inf": -50, "tau": 20, "tau_0": 1, "theta": -50, "delta_u": 2, "v_r": -70}
    mean = escape_isi(**law, t_ref=2)
    error = np.sqrt(mean.variance / len(intervals))
    assert abs(intervals.mean() - mean.mean) < 4 * error + 0.1, (intervals.mean(), mean)
    longer = np.sort(intervals)
    theory = escape_survivor(longer - 2, **law)
    gap = np.abs(theory - (1 - (np.arange(len(longer)) + 0.5) / len(longer))).max()
    assert gap < 2 / np.sqrt(len(longer)), gap

    figure, (top, bottom) = plot.new_axes(2, size=(7, 4.8))
    plot.traces(run.t, {"v": (run.v, "mV")}, spikes=[run.spikes[0]], threshold=("v", -50), axes=top)
    top.set_xlim(0, 300)
    bins = np.arange(0, 101, 4.0)
    bottom.hist(intervals, bins, density=True, color=plot.COLOURS[5], label=f"{len(intervals)} intervals")
    t = np.linspace(2, 100, 400)
    bottom.plot(t, -np.gradient(escape_survivor(t - 2, **law), t), color="black", linewidth=1, label="theory")
    bottom.set(xlabel="interval (ms)", ylabel="density (1/ms)", xlim=(0, 100))
    bottom.legend(frameon=False, fontsize=9)
    return figure, [run]


# %% [markdown]
# ## States and rates
# A Markov neuron rests, spikes, is refractory, and rests again, each jump with its own rate. Nothing is
# stepped: waiting times are drawn from their law. The probability of each state obeys the master
# equation, and mean and CV of the intervals are known: 26 ms and 0.794 for these rates.
#
# Below it a potassium channel with four gates: it is open when all four are. Of many channels a fraction
# is open that fluctuates the less the more there are.


# %%
def markov() -> tuple[Any, list[Any]]:
    """Markov chains: a three-state neuron, and channels with four gates"""
    neuron = MarkovNeuron(
        ("rest", "spike", "refractory"),
        {"rest -> spike": "50 Hz", "spike -> refractory": "1 kHz", "refractory -> rest": "200 Hz"},
        spike="spike",
        start="rest",
    )
    run = rb.simulate(neuron, until="200 ms", n=1000, seed=7, record_every="0.5 ms")
    known = neuron.master(run.t)
    assert np.abs(run.occupancy.T - known).max() < 5 * np.sqrt(0.25 / 1000)
    interval = neuron.isi()
    assert abs(interval.mean - 26) < 1e-9
    assert abs(interval.cv - 0.793837209) < 1e-9
    gates = {f"C{k} -> {'O' if k == 3 else f'C{k + 1}'}": f"{4 - k}*a" for k in range(4)}
    gates |= {f"{'O' if k == 4 else f'C{k}'} -> C{k - 1}": f"{k}*b" for k in range(1, 5)}
    channel = MarkovNeuron(("C0", "C1", "C2", "C3", "O"), gates, start="C0", a=0.3, b=0.15)
    assert abs(channel.stationary()[-1] - 0.1975308642) < 1e-9
    few, many = (rb.simulate(channel, until="40 ms", n=n, seed=8, record_every="0.05 ms") for n in (20, 500))

    figure, (top, middle, bottom) = plot.new_axes(3, size=(7, 6.4))
    shown = [s[s <= 200] for s in run.spikes[:20]]
    plot.raster(np.concatenate(shown), np.repeat(np.arange(20), [len(s) for s in shown]), 20, until=200, axes=top)
    top.set_title("20 three-state neurons", loc="left", fontsize=10)
    for name, found, exact, colour in zip(neuron.states, run.occupancy, known.T, plot.COLOURS, strict=False):
        middle.plot(run.t, found, color=colour, linewidth=1, label=name)
        middle.plot(run.t, exact, color="black", linewidth=0.8, linestyle="--")
    middle.set_title("1000 of them; dashed: master equation", loc="left", fontsize=10)
    middle.set(xlabel="time (ms)", ylabel="fraction in state", xlim=(0, 100), ylim=(0, 1.02))
    middle.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    for found, name, colour in ((few, "20", plot.COLOURS[4]), (many, "500", plot.COLOURS[0])):
        bottom.plot(found.t, found.occupancy[-1], color=colour, linewidth=1, label=f"{name} channels")
    bottom.plot(
        many.t,
        channel.master(many.t)[:, -1],
        color="black",
        linewidth=0.8,
        linestyle="--",
        label="infinitely many",
    )
    bottom.set(xlabel="time (ms)", ylabel="fraction open", xlim=(0, 40), ylim=(0, None))
    bottom.set_title("channels with four gates", loc="left", fontsize=10)
    bottom.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure, [f"{run.n + few.n + many.n} paths, jump by jump: exact"]


# %%
FIGURES = {"06_noisy_current": noisy_current, "06_escape": escape, "06_markov": markov}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
