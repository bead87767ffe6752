# %% [markdown]
# # From ReLU to spikes
#
# The Sinabs introduction ends with a staircase: an integrate-and-fire neuron with a constant bias fires at
# a rate that grows in a straight line with the bias, and not at all below zero. That is a ReLU, rounded to
# whole spikes. So a trained ReLU network is a spiking network already, but for the thresholds.
#
# Needs PyTorch and scikit-learn (for its digits): `pip install rheobase[torch] scikit-learn`.

# %%
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb
from rheobase import plot

# %% [markdown]
# ## The staircase
# The rows: `dv/dt = I`, fires at `v >= theta`, then `v <- v - theta`, so that nothing is lost. Started at
# theta/2 instead of 0, the count of spikes in T steps is the rounded value in place of the truncated one:
#
#     floor(T a / theta + 1/2)
#
# which halves the largest error. Clipped at T it is all that T steps can say: T + 1 different values.

# %%
T = 8
unit = rb.IF(threshold="v >= theta", reset="v <- v - theta")


def staircase() -> tuple[Any, list[Any]]:
    """Spikes in eight steps against the drive, and the ReLU they stand for"""
    a = np.linspace(-0.5, 1.5, 401)
    runs, figure_axes = [], plot.new_axes(1, 2, size=(8, 3.2))
    figure, (left, right) = figure_axes
    for start, colour, name in ((0.0, plot.COLOURS[1], "starts at 0"), (0.5, plot.COLOURS[0], "starts at θ/2")):
        run = rb.simulate(unit, I=a, v=start, until=T, dt=1, record=False)
        assert np.all(
            np.abs(run.spikes.count - np.clip(np.floor(T * a + start + 1e-9), 0, T)) <= (np.abs(T * a % 1) < 1e-6)
        )
        left.step(a, run.spikes.count / T, where="mid", color=colour, label=name)
        right.plot(a, run.spikes.count / T - np.clip(a, 0, 1), color=colour)
        runs.append(run)
    error = [np.abs(run.spikes.count / T - np.clip(a, 0, 1)).max() for run in runs]
    assert error[0] > 0.12
    assert error[1] < 0.0626  # 1/(2T)
    left.plot(a, np.maximum(a, 0), color=plot.GREY, linewidth=1, linestyle="--", label="ReLU")
    left.set(xlabel="drive a (θ per step)", ylabel=f"spikes in {T} steps / {T}", ylim=(-0.05, 1.6))
    left.legend(frameon=False, fontsize=9)
    right.set(xlabel="drive a (θ per step)", ylabel="error below saturation")
    return figure, runs


# %% [markdown]
# ## Digits
# A network of two hidden layers learns scikit-learn's 8 x 8 digits. `learn.convert` follows its graph, chooses a
# threshold for every unit from the activations on the training data, and hands back spiking neurons and
# the bill: what each layer lost, accuracy against T, spikes, operations.
# With labels it also trains for a few epochs with the rounding in place; here `tune=0` shows conversion alone.


# %%
def digits() -> Any:
    """Return a trained network, and training and test data."""
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from torch import nn

    x, y = load_digits(return_X_y=True)
    split = train_test_split((x / 16).astype(np.float32), y, test_size=0.25, random_state=0, stratify=y)
    train, test, labels, wanted = (torch.from_numpy(part) for part in split)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(30):
        for chosen in torch.randperm(len(train)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(train[chosen]), labels[chosen]).backward()
            optimiser.step()
    return net.eval(), (train, labels), (test, wanted)


def conversion() -> tuple[Any, list[Any]]:
    """Accuracy of a converted network of digits against T, and each layer's error"""
    from rheobase import learn

    net, train, test = digits()
    _, report = learn.convert(net, train, neuron=rb.IF(), steps=32, test=test, tune=0)
    print(report)
    assert report.accuracy_ann > 0.93
    assert report.accuracy[7] > report.accuracy_ann - 0.01
    assert report.steps_for(report.accuracy_ann - 0.005) <= 16
    exact, bill = learn.convert(learn.quantise(net, train, levels=8), train, steps=8, firing="delayed", test=test)
    assert bill.agreement[-1] > 0.97  # with the network before its ReLUs were rounded, and here without any training
    assert max(layer.error for layer in bill.layers) < 1e-6  # counts of spikes are the rounded activations
    text = f"T = 32: {100 * report.accuracy[-1]:.1f} % of the digits, ReLU {100 * report.accuracy_ann:.1f} %"
    return report.plot(), [text, f"T = 8, delayed by a window a layer ({exact.latency} steps): zero mismatch"]


# %% [markdown]
# ## The same spikes, simulated
# `learn.to_network` writes every weight as a synapse. The clock engine then gives the spikes of the
# converted network step for step; a hidden layer lags one step for the synapse before it.


# %%
def simulated() -> tuple[Any, list[Any]]:
    """One digit as spikes, simulated as a network of 266 neurons"""
    from rheobase import learn

    net, train, test = digits()
    snn, _ = learn.convert(net.double(), train, steps=16, tune=0)
    network = learn.to_network(snn, test[0][:1].double())
    lags = learn.lags(network)
    run = rb.simulate(network, until=16 + lags["output"], dt=1)
    for name, z in snn.record(test[0][:1].double()).items():
        spikes = run[name].spikes
        steps = np.rint(spikes.times).astype(int) - 1 - lags[name]
        found = np.zeros((16, run[name].n))
        found[steps[steps < 16], spikes.neurons[steps < 16]] = 1
        assert np.array_equal(found, z[:, 0].detach().numpy())
    said = run["output"].final["v"] / 16
    assert said.argmax() == int(test[1][0])
    figure, (left, right) = plot.new_axes(1, 2, size=(8, 3.2))
    run.raster(axes=left)
    right.bar(range(10), said, color=plot.COLOURS[0])
    right.set(xlabel="digit", ylabel="output", xticks=range(10))
    return figure, [run["1"]]


# %%
FIGURES = {"10_staircase": staircase, "10_conversion": conversion, "10_simulated": simulated}
_LEARNING = {"torch": "torch", "sklearn": "scikit-learn"}
NEEDS = {"10_conversion": _LEARNING, "10_simulated": _LEARNING}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
