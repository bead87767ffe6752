# %% [markdown]
# # Exact gradients of spike times
#
# How much later does a neuron fire if a weight falls a little? Between spikes its state is a sum of exponentials, and
# at a spike the implicit function theorem answers: the spike moves so that the voltage stays at threshold. Carried back
# through all events, this gives the gradient of every spike time with respect to every weight, delay and time
# constant, without a surrogate and without a time step (Wunderlich and Pehle 2021, Sci. Rep. 11:12829). Nothing of it
# is written for this neuron: `learn.EventLayer` derives it from the four rows.

# %%
from pathlib import Path
from typing import Any

import numpy as np
import torch

import rheobase as rb
from rheobase import learn, plot

CELL = rb.LIFexp(E_L=0, theta=1, v_r=0, R=1, I=0, tau="20 ms", tau_s="5 ms", refractory=None)

# %% [markdown]
# ## Spike times against a weight
# Three input spikes, one neuron. Dots are simulations, short lines the exact gradients. Where a spike is about to
# vanish the gradient grows without bound; that it vanishes at all has no gradient.


# %%
def tangents() -> tuple[Any, list[Any]]:
    """Spike times of a neuron as its weights grow, with their exact gradients"""
    layer = learn.EventLayer(1, 1, CELL, until="60 ms")
    given = learn.Spikes.from_lists([([0.0, 8.0, 16.0], [0, 0, 0])])
    figure, axes = plot.new_axes(size=(6, 4))
    for w in np.linspace(2.4, 12, 49):
        layer.weight.data.fill_(float(w))
        times = layer(given).times
        axes.plot([w] * len(times), times.tolist(), ".", color=plot.GREY, markersize=3)
        if round((w - 2.4) / 0.2) % 6:
            continue
        for t in times:
            (slope,) = torch.autograd.grad(t, layer.weight, retain_graph=True)
            reach = min(0.4, 2.0 / abs(slope.item()))
            ends = np.array([-reach, reach])
            axes.plot(w + ends, t.item() + slope.item() * ends, color=plot.COLOURS[1], linewidth=1.5)
    axes.set(xlabel="weight", ylabel="spike times (ms)", ylim=(0, 35))
    return figure, []


# %% [markdown]
# ## Which came first?
# Three inputs fire once each, in the order 0-1-2 or 2-1-0, 6 ms apart. Every input gives one spike either way, so a
# rate code cannot tell them apart; all weights stay equal here. Only the delays are trained, and they learn to make
# the spikes of one order meet.


# %%
def make_orders(batch: int, rng: np.random.Generator) -> tuple[learn.Spikes, torch.Tensor]:
    """Return spikes in one of two orders, with jitter, and which it was."""
    order = rng.integers(0, 2, batch)
    times = np.array([[0.0, 6.0, 12.0], [12.0, 6.0, 0.0]])[order] + np.abs(rng.normal(0, 0.7, (batch, 3)))
    return learn.Spikes.from_lists([(t, [0, 1, 2]) for t in times], n=3), torch.from_numpy(order)


def learn_order(updates: int = 120) -> tuple[learn.EventLayer, np.ndarray, float]:
    """Return a layer of two neurons that were taught the order by their delays, these before, and the accuracy."""
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    quick = CELL.replace(threshold=None, tau="4 ms", tau_s="2 ms")
    start = rng.uniform(5, 7, (2, 3))
    layer = learn.EventLayer(3, 2, quick, delays=start, train="delay", until="60 ms", read="max v")
    layer.weight.fill_(1.0)
    optimiser = torch.optim.Adam(layer.parameters(), 0.2)
    for _ in range(updates):
        given, order = make_orders(32, rng)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(20 * layer(given), order).backward()
        optimiser.step()
    given, order = make_orders(500, rng)
    with torch.no_grad():
        accuracy = (layer(given).argmax(1) == order).double().mean().item()
    return layer, start, accuracy


def orders() -> tuple[Any, list[Any]]:
    """When three spikes arrive at two neurons, before and after their delays were trained"""
    layer, before, accuracy = learn_order()
    assert accuracy > 0.98, accuracy
    figure, axes = plot.new_axes(2, 2, size=(7, 4))
    for column, delays in enumerate((before, layer.delay.detach().numpy())):
        for row, sent in enumerate(([0.0, 6.0, 12.0], [12.0, 6.0, 0.0])):
            own = axes[row][column]
            for neuron in (0, 1):
                own.plot(sent + delays[neuron], [neuron] * 3, "|", color=plot.COLOURS[neuron], markersize=22, mew=2)
            own.set(xlim=(0, 40), ylim=(-0.6, 1.6), ylabel=f"order {'012' if row == 0 else '210'}")
            own.set_yticks([0, 1], ["neuron 0", "neuron 1"])
    axes[0][0].set(title="arrivals before")
    axes[0][1].set(title=f"after: {100 * accuracy:.1f} % right")
    for own in axes[1]:
        own.set(xlabel="time (ms)")
    return figure, []


# %% [markdown]
# ## Handwritten digits by spike times
# scikit-learn's digits in a latency code: a pixel fires once, the brighter the sooner. 64 inputs, 128 spiking neurons,
# 10 neurons that do not fire and are read by the largest voltage they reach. Every gradient is exact.


# %%
def encode(pixels: np.ndarray, rng: np.random.Generator | None = None) -> learn.Spikes:
    """Return one spike a pixel brighter than 0.05, at 24 (1 - brightness) ms; jittered by 1 ms if rng is given."""
    elements = []
    for row in pixels:
        lit = np.flatnonzero(row > 0.05)
        times = np.round(24 * (1 - row[lit]))
        elements.append((np.abs(times + rng.normal(0, 1, len(lit))) if rng else times, lit))
    return learn.Spikes.from_lists(elements, n=64)


def train_digits(seed: int, epochs: int = 20) -> float:
    """Return the accuracy on held-out digits of a network trained by exact gradients."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16, y, test_size=0.25, random_state=0, stratify=y)
    train_x, test_x, train_y, test_y = parts
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = torch.nn.Sequential(
        learn.EventLayer(64, 128, CELL, until="60 ms"),
        learn.EventLayer(128, 10, CELL.replace(threshold=None), until="60 ms", read="max v"),
    )
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    batches = len(train_x) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.03, total_steps=epochs * batches)
    for _ in range(epochs):
        for chosen in np.array_split(rng.permutation(len(train_x)), batches):
            optimiser.zero_grad()
            out = net(encode(train_x[chosen], rng))
            torch.nn.functional.cross_entropy(10 * out, torch.from_numpy(train_y[chosen])).backward()
            optimiser.step()
            schedule.step()
            net[0].wake(0.1)
    with torch.no_grad():
        return float((net(encode(test_x)).argmax(1).numpy() == test_y).mean())


# %%
FIGURES = {"11_tangents": tangents, "11_orders": orders}


def main(out: Path) -> list[Path]:
    """Draw all figures into a folder; return their paths."""
    return [plot.save(draw()[0], out / f"{name}.png") for name, draw in FIGURES.items()]


if __name__ == "__main__":
    print(*main(Path("out")), sep="\n")
    print(f"digits: {100 * train_digits(seed=0):.1f} % right")
