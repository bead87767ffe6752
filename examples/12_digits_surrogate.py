# %% [markdown]
# # Handwritten digits, learnt by spikes
#
# 1,797 digits of 8 by 8 pixels (they come with scikit-learn). Each pixel becomes a train of spikes over
# 25 ms; 128 neurons listen to the pixels, 10 to the 128, and the one of the ten that fires most is the
# answer. The neuron is four rows of text, the same that `rb.simulate` runs:
#
# | row | |
# |---|---|
# | evolve | `tau dv/dt = -v` |
# | receive | `v <- v + w_i` |
# | threshold | `v >= theta` |
# | reset | `v <- v - theta` |
#
# What makes it learn: a spike has no slope, so in the backward pass a smooth bump stands in its place, the
# *surrogate*. Everything else is PyTorch as usual: `nn.Sequential`, an optimiser, a loop.
#
# Needs `pip install rheobase[torch] scikit-learn`.

# %%
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import rheobase as rb
from rheobase import learn, plot

cell = rb.Neuron(
    evolve="tau dv/dt = -v",
    receive="v <- v + w_i",
    threshold="v >= theta",
    reset="v <- v - theta",
    name="LIF",
    tau="20 ms",
    theta=1.0,
)
STEPS, BATCH, EPOCHS = 25, 64, 20


# %% [markdown]
# ## Pixels to spikes
# By **rate**: in each millisecond a pixel fires with a probability that is its brightness, so the same digit
# never looks the same twice. By **latency**: each pixel fires once, the brighter the earlier, and dark ones not
# at all: 25 spikes a digit instead of 480. There, noise is added to the pixels while training, to the same end.


# %%
def load_data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return 1,347 digits to learn from and 450 to be tested on, each with its labels."""
    x, y = load_digits(return_X_y=True)
    parts = train_test_split((x / 16).astype(np.float32), y, test_size=0.25, random_state=0, stratify=y)
    x_train, x_test, y_train, y_test = (torch.from_numpy(p) for p in parts)
    return x_train, y_train, x_test, y_test


def encode(x: Tensor, code: str, seed: Any) -> Tensor:
    """Return spikes [time, batch, pixel]."""
    if code == "rate":
        return learn.encode.rate(x, STEPS, seed=seed)
    return learn.encode.latency(x, STEPS)


def blur(x: Tensor, rng: torch.Generator) -> Tensor:
    """Return digits whose ink is a tenth darker or lighter, pixel by pixel."""
    return (x + 0.1 * (x > 0) * torch.randn(x.shape, generator=rng)).clamp(0, 1)


# %% [markdown]
# ## The network, and training it
# `learn.Layer` is a module like any other: a sequence in, spikes out, fresh at every call.


# %%
def make_net() -> nn.Sequential:
    """Return 64 pixels - 128 neurons - 10 neurons."""
    bump = learn.arctan()
    return nn.Sequential(
        nn.Linear(64, 128), learn.Layer(cell, dt="1 ms", gradient=bump),
        nn.Linear(128, 10), learn.Layer(cell, dt="1 ms", gradient=bump),
    )  # fmt: skip


@dataclass
class Trained:
    """A network, its accuracy on digits it has not seen, after each epoch and at the end, and its losses."""

    net: nn.Sequential
    accuracy: float
    history: list[float]
    losses: list[float]


def score(net: nn.Module, x: Tensor, y: Tensor, code: str) -> float:
    """Return which part of the digits is named rightly."""
    with torch.no_grad():
        z = net(encode(x, code, 99))
    return float((z.sum(0).argmax(1) == y).float().mean())


def train(
    code: str = "rate",
    seed: int = 0,
    epochs: int = EPOCHS,
    report: bool = False,
    watch: Callable[[str], None] = lambda event: None,
) -> Trained:
    """Return a trained network; `report` prints a line an epoch, `watch` is told when an epoch begins and ends."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    x, y, x_test, y_test = load_data()
    net = make_net()
    updates = len(x) // BATCH
    optimiser = torch.optim.Adam(net.parameters(), 8e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=epochs * updates, pct_start=0.2)
    done = Trained(net, 0.0, [], [])
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=rng).tensor_split(updates)
        batches = [(encode(blur(x[i], rng), code, rng), y[i]) for i in order]
        watch("begin")
        total = 0.0
        for spikes, target in batches:
            optimiser.zero_grad()
            loss = learn.losses.rate(net(spikes), target)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        watch("end")
        done.losses.append(total / updates)
        if report or epoch == epochs - 1:
            done.history.append(score(net, x_test, y_test, code))
        if report:
            print(
                f"epoch {epoch + 1:2d}   loss {done.losses[-1]:.3f}   test accuracy {done.history[-1]:.1%}", flush=True
            )
    done.accuracy = done.history[-1]
    return done


# %% [markdown]
# ## What it learnt
# Each epoch is 21 updates; after a second or two 97 of 100 unseen digits are named rightly, by spikes alone.
# Below: one digit as the pixels tell it, the 128 neurons' answer, and the counts of the ten; then what the
# neurons listen to, each a picture of its 64 weights (red excites, blue inhibits).


# %%
def draw_digit(axes: Any, net: nn.Sequential, x: Tensor, label: int, code: str) -> int:
    """Draw a digit, the spikes of pixels and hidden neurons, and the counts of the outputs; return the answer."""
    picture, pixels, hidden, votes = axes
    spikes = encode(x[None], code, 7)
    with torch.no_grad():
        inner = net[1](net[0](spikes))
        count = net[3](net[2](inner)).sum(0)[0]
    picture.imshow(x.reshape(8, 8), cmap="gray_r")
    picture.set(xticks=[], yticks=[], title=f"a {label}")
    for ax, z, name in ((pixels, spikes, "pixels"), (hidden, inner, "128 neurons")):
        step, neuron = z[:, 0].nonzero(as_tuple=True)
        # index k is the step that ends at (k + 1) ms
        plot.raster(step.numpy() + 1.0, neuron.numpy(), z.shape[2], STEPS + 1, axes=ax, color=plot.COLOURS[0])
        ax.set_title(name)
    answer = int(count.argmax())
    colours = [plot.COLOURS[1] if k == answer else plot.GREY for k in range(10)]
    votes.barh(range(10), count, color=colours)
    votes.set(xlabel="spikes", yticks=range(10), title=f"answer: {answer}")
    plot.clean(votes)
    return answer


def digits() -> tuple[Any, list[Any]]:
    """Digits as spikes, a network's answer, what its neurons listen to, and how it learnt"""
    import matplotlib.pyplot as plt

    done = train("rate", report=True)
    assert done.accuracy >= 0.965, done.accuracy
    assert done.losses[-1] < 0.1 * done.losses[0]
    _, _, x, y = load_data()

    figure = plt.figure(figsize=(11, 7.5), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.05))
    axes = above.subplots(1, 4, width_ratios=(0.8, 1.3, 1.3, 1))
    assert draw_digit(axes, done.net, x[3], int(y[3]), "rate") == int(y[3])
    left, right = below.subfigures(1, 2, width_ratios=(1.1, 1))
    fields = done.net[0].weight.detach()
    reach = float(fields.abs().max())
    busiest = fields.norm(dim=1).argsort(descending=True)[:32]
    for ax, k in zip(left.subplots(4, 8).flat, busiest, strict=True):
        ax.imshow(fields[k].reshape(8, 8), cmap="RdBu_r", vmin=-reach, vmax=reach)
        ax.set_axis_off()
    left.suptitle("what 32 of the neurons listen to")
    curve = right.subplots()
    epochs = range(1, len(done.history) + 1)
    curve.plot(epochs, [100 * a for a in done.history], color=plot.COLOURS[0])
    curve.axhline(10, color=plot.GREY, linestyle="--", linewidth=0.8)
    curve.text(EPOCHS, 12, "guessing", ha="right", color=plot.GREY)
    curve.set(xlabel="epoch", ylabel="digits named rightly (%)", ylim=(0, 102), title=f"{done.accuracy:.1%} at the end")
    curve.xaxis.get_major_locator().set_params(integer=True)
    plot.clean(curve)
    text = f"{done.accuracy:.1%} of 450 digits, 64-128-10 LIF neurons, fused surrogate gradients, dt = 1 ms"
    return figure, [text]


# %% [markdown]
# ## Is it healthy?
# `learn.diagnose` looks at every layer: who is silent, who fires always, how far the gradient reaches.


# %%
def look(net: nn.Sequential) -> Any:
    """Return the diagnosis of a network on a batch of test digits."""
    _, _, x, y = load_data()
    return learn.diagnose(net, encode(x[:100], "rate", 1), lambda z: learn.losses.rate(z, y[:100]))


FIGURES = {"12_digits": digits}
NEEDS = {"12_digits": {"torch": "torch", "sklearn": "scikit-learn"}}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print("before training:", look(make_net()), sep="\n")
    print(*main(Path("out")), sep="\n")
