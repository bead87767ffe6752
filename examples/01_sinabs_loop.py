# %% [markdown]
# # The hundred-step loop
#
# The Sinabs introduction to spiking networks writes a LIF neuron as a loop over time: test the
# threshold, then add dt/tau (i - v). It prints spikes at [47, 94]. The same rows with `method="euler"`
# and dt = 1 ms do the same arithmetic.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot
from rheobase.model.artificial import ArtificialNeuron

lif = rb.Neuron(
    evolve="tau dv/dt = I - v", threshold="v >= theta", reset="v <- 0", name="LIF", tau="20 ms", theta=10, v=0
)

# %% [markdown]
# ## Two conventions, one train
# The loop tests at the *start* of step k the value that step k-1 left behind, and writes down k.
# rheobase tests at the *end* of a step, and writes down the time of that end, t_k. Start of step 47 and
# end of the step from t = 46 to t = 47 are the same instant, so both say 47; the traces agree in all 101
# values, the reset at 47 included. One difference remains: the loop never tests its last value, v[100].
#
# The model's own answer, without a step, is a period of 20 ln 11 = 47.958 ms; smaller steps tend to it.


# %%
def run_loop(i: float, steps: int) -> tuple[list[int], list[float]]:
    """Return spikes and trace of the loop as the page has it."""
    v, spikes = [0.0], []
    for k in range(steps):
        if v[k] >= 10.0:
            v[k] = 0.0
            spikes.append(k)
        v.append(v[k] + (1 / 20) * (-v[k] + i))
    return spikes, v


def loop() -> tuple[Any, list[Any]]:
    """The loop's spikes at 47 and 94, by Euler and without a step"""
    spikes, trace = run_loop(11, 100)
    euler = rb.simulate(lif, I=11, until=100, dt=1, method="euler")
    assert spikes == [47, 94]
    assert euler.spikes[0].tolist() == [47, 94]
    np.testing.assert_allclose(euler.v, trace, rtol=1e-12)
    assert np.argmax(euler.v) == 46
    currents = np.array([9, 9.999, 10.5, 11, 12, 15, 20, 50, 200])
    many = rb.simulate(lif, I=currents, until=999, dt=1, method="euler", record=False)
    assert (
        many.spikes.count.tolist()
        == [len(run_loop(i, 1000)[0]) for i in currents]
        == [0, 0, 16, 21, 28, 45, 71, 199, 999]
    )
    exact = rb.simulate(lif, I=11, until=100)
    np.testing.assert_allclose(exact.spikes[0], 20 * np.log(11) * np.array([1, 2]), rtol=1e-13)
    finer = [rb.simulate(lif, I=11, until=50, dt=dt, method="euler").spikes[0][0] for dt in (0.5, 0.1, 0.01)]
    np.testing.assert_allclose(finer, [47.5, 47.9, 47.95])

    figure, ax = plot.new_axes(size=(7, 3.2))
    ax.plot(exact.t, exact.v, color=plot.COLOURS[4], linewidth=2.5, label="exact: 47.958, 95.916 ms")
    ax.plot(euler.t, euler.v, ".", markersize=4, color=plot.COLOURS[0], label="Euler, dt = 1 ms: 47, 94 ms")
    ax.vlines(spikes, 10.2, 11.2, color=plot.COLOURS[0])
    ax.vlines(exact.spikes[0], 10.2, 11.2, color=plot.COLOURS[4], linewidth=2)
    ax.axhline(10, color=plot.GREY, linewidth=0.8, linestyle="--")
    ax.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    ax.set(xlabel="time (ms)", ylabel="v", xlim=(0, 100), ylim=(0, 11.5))
    return figure, [euler, exact]


# %% [markdown]
# ## A constant leak
# The page's second neuron sums its input and subtracts the threshold when it fires (`v <- v - theta`),
# so no charge is lost. A bias of 0.025 reaches 1 after 40 steps: two spikes in 100. Its library numbers
# steps from 0 and stamps the step *during* which the threshold is reached, 39 and 79, where the loop
# above would have said 40 and 80, as rheobase does. In floating point 40 additions of 0.025 may stop a
# rounding error short of 1, and the spike is a step late; the count is 2 all the same.


# %%
def constant_leak() -> tuple[Any, list[Any]]:
    """The IAF neuron at bias 0.025: two spikes in a hundred steps"""
    iaf = rb.IAF(threshold="v >= theta", I_bias=0.025)
    run = rb.simulate(iaf, until=100, dt=1, method="euler")
    assert len(run.spikes[0]) == 2
    assert all(abs(t - k) <= 1 for t, k in zip(run.spikes[0], (40, 80), strict=True))
    assert abs(run.v[-1] - 0.5) < 1e-12
    figure, ax = plot.new_axes(size=(7, 2.6))
    run.plot(axes=ax)
    ax.set_title("", loc="left")
    return figure, [run]


# %% [markdown]
# ## The staircase is a ReLU
# How many spikes in 100 ms, against the bias: nothing for negative input, then floor(100 b). That is
# ReLU with steps of one spike, and the reason why a trained ReLU network can be run with spikes. The
# page's layer may emit several spikes in one step of 1 ms; here a neuron fires at most once a step, so
# the step is made 0.1 ms. With 1 ms it would saturate at 100 spikes. The artificial neuron beside it, y
# = f(W x + b), has neither state nor time.


# %%
def activation() -> tuple[Any, list[Any]]:
    """Spike count against bias, and the ReLU it approximates"""
    biases = np.arange(-5, 5, 0.2)
    iaf = rb.IAF(threshold="v >= theta")
    run = rb.simulate(iaf, I_bias=biases, until=100, dt=0.1, record=False)
    slow = rb.simulate(iaf, I_bias=biases, until=100, dt=1, record=False)
    count = run.spikes.count
    relu = ArtificialNeuron(np.ones((1, 1)), f="relu")
    y = relu(biases[:, None])[:, 0]
    assert np.all(np.abs(count - np.maximum(0, np.floor(100 * biases + 1e-9))) <= 1)
    assert slow.spikes.count.max() == 100
    assert np.corrcoef(count, y)[0, 1] > 0.9999

    figure, (left, right) = plot.new_axes(1, 2, size=(8, 3.4))
    left.plot(biases, 100 * y, color=plot.COLOURS[4], linewidth=2.5, label="100 ReLU(b)")
    left.step(biases, count, where="mid", color=plot.COLOURS[0], linewidth=1.2, label="step 0.1 ms")
    left.step(
        biases,
        slow.spikes.count,
        where="mid",
        color=plot.COLOURS[1],
        linewidth=1,
        linestyle=":",
        label="step 1 ms",
    )
    left.set(xlabel="bias b", ylabel="spikes in 100 ms", title="spiking: IAF")
    left.legend(frameon=False, fontsize=9)
    z = np.linspace(-5, 5, 200)
    for f, colour in zip(("relu", "sigmoid", "tanh"), plot.COLOURS, strict=False):
        right.plot(z, ArtificialNeuron(np.ones((1, 1)), f=f)(z[:, None]), color=colour, label=f)
    right.set(xlabel="W x + b", ylabel="y = f(W x + b)", title="artificial", ylim=(-1.2, 5))
    right.legend(frameon=False, fontsize=9)
    return figure, [run, slow]


# %%
FIGURES = {"01_loop": loop, "01_constant_leak": constant_leak, "01_activation": activation}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
