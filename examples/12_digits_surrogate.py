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


def test(net: nn.Module, x: Tensor, y: Tensor, code: str, seed: int = 99) -> float:
    """Return which part of the digits is named rightly."""
    with torch.no_grad():
        z = net(encode(x, code, seed))
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
    optimiser = torch.optim.Adam(net.parameters(), 8e-3)
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
            done.history.append(test(net, x_test, y_test, code))
        if report:
            print(
                f"epoch {epoch + 1:2d}   loss {done.losses[-1]:.3f}   test accuracy {done.history[-1]:.1%}", flush=True
            )
    done.accuracy = done.history[-1]
    return done
