"""Exact gradients of spike times: the adjoint against finite differences of the exact forward, on random networks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import rheobase as rb

torch = pytest.importorskip("torch")

from rheobase import learn  # noqa: E402
from rheobase.learn import event_run  # noqa: E402

_LIF = {"E_L": 0, "theta": 1, "v_r": 0, "R": 1, "I": 0}


def _two_currents(rng):
    return rb.Neuron(
        evolve="tau dv/dt = -v + I + J\ntau_s dI/dt = -I\ntau_d dJ/dt = -J",
        receive="I <- I + w_i\nJ <- J + 0.4*w_i",
        threshold="v > theta",
        reset="v <- v - theta",
        tau=rng.uniform(8, 25),
        tau_s=rng.uniform(2, 6),
        tau_d=rng.uniform(6, 12),
        theta=1.0,
        refractory=rng.uniform(0.5, 2.0),
    )


def _oscillating(rng):
    return rb.Neuron(
        evolve="tau dv/dt = -v + I - a\ntau_s dI/dt = -I\ntau_a da/dt = b*v - a",
        receive="I <- I + w_i",
        threshold="v > theta",
        reset="v <- v_r\na <- a + 0.2*v*v",
        tau=rng.uniform(8, 12),
        tau_s=rng.uniform(3, 6),
        tau_a=rng.uniform(10, 30),
        b=rng.uniform(0.5, 2.0),
        theta=1.0,
        v_r=0.1,
    )


def _conductance_like(rng):
    return rb.Neuron(
        evolve="tau dv/dt = -v + I\ntau_s dI/dt = -I",
        receive="I <- I + w_i*(2 - I)*(1 + 0.3*v)",
        threshold="v > theta",
        reset="v <- 0.1*I\nI <- 0.9*I",
        tau=rng.uniform(8, 20),
        tau_s=rng.uniform(3, 6),
        theta=1.0,
        refractory=0.7,
    )


def _adaptive(rng):
    return rb.Neuron(
        evolve="tau dv/dt = -v + I\ntau_s dI/dt = -I\ntau_a dtheta/dt = theta_0 - theta",
        receive="I <- I + w_i",
        threshold="v > theta",
        reset="v <- v_r\ntheta <- theta + delta",
        tau=rng.uniform(8, 20),
        tau_s=rng.uniform(3, 6),
        tau_a=rng.uniform(20, 60),
        theta_0=1.0,
        delta=0.3,
        v_r=0.0,
    )


KINDS = {
    "LIF": lambda rng: rb.LIFexp(**_LIF, tau=rng.uniform(8, 30), tau_s=rng.uniform(2, 7), refractory=None),
    "LIF, refractory": lambda rng: rb.LIFexp(**_LIF, tau=rng.uniform(8, 30), tau_s=rng.uniform(2, 7), refractory=1.5),
    "LIF, equal": lambda rng: rb.LIFexp(**_LIF, tau=10.0, tau_s=10.0, refractory=None),
    "LIF, alpha": lambda rng: rb.LIFalpha(**_LIF, tau=rng.uniform(8, 30), tau_s=rng.uniform(2, 7), refractory=1.0),
    "LIF, two currents": _two_currents,
    "perfect": lambda rng: rb.Neuron(
        evolve="dv/dt = I\ntau_s dI/dt = -I", receive="I <- I + w_i", threshold="v > theta", reset="v <- v - theta",
        tau_s=rng.uniform(2, 7), theta=1.0,
    ),
    "adaptive threshold": _adaptive,
    "v jumps": lambda rng: rb.LIF(
        **{**_LIF, "I": 0.7}, tau=rng.uniform(8, 30), refractory=None, reset="v <- v - theta"
    ),
    "oscillating": _oscillating,
    "any jump": _conductance_like,
}  # fmt: skip


def make_case(seed: int):
    """Return layers in a row and input spikes."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    name = list(KINDS)[seed % len(KINDS)]
    cell = KINDS[name](rng)
    sizes = rng.integers(2, 6, rng.choice([2, 2, 3, 4])).tolist()
    layers = []
    for n_in, n_out in pairwise(sizes):
        recurrent, spread = bool(rng.random() < 0.4), bool(rng.random() < 0.5)
        delays = rng.uniform(0.1, 4, (n_out, n_in)) if spread else rng.uniform(0, 2)
        own = (rng.uniform(0.5, 4, (n_out, n_out)) if spread else rng.uniform(0.5, 2)) if recurrent else None
        drawn = {"tau": rng.uniform(8, 12, n_out)} if seed % 3 == 0 and "tau" in cell.parameters else {}
        layer = learn.EventLayer(
            n_in, n_out, cell, recurrent, delays, own, train=["weight", "delay", *cell.parameters, *cell.states],
            until=45.0, **drawn,
        )  # fmt: skip
        with torch.no_grad():
            layer.weight.mul_(1.0 + 0.4 * rng.random())
        layers.append(layer)
    batch = int(rng.integers(1, 4))
    elements = []
    for _ in range(batch):
        count = int(rng.integers(3, 12))
        elements.append((np.sort(rng.uniform(0, 35, count)), rng.integers(0, sizes[0], count)))
    return name, torch.nn.Sequential(*layers), learn.Spikes.from_lists(elements, n=sizes[0]), rng


def run(net, times, given):
    """Return what every layer fires."""
    spikes, out = learn.Spikes(times, given.neurons, given.offsets, given.n), []
    for layer in net:
        spikes = layer(spikes)
        out.append(spikes)
    return out


def pattern(net, given, times, out):
    """Return who fires in which order, and between which arrivals: where that changes, the slope has a step."""
    found = []
    sources = [learn.Spikes(times, given.neurons, given.offsets, given.n), *out[:-1]]
    for layer, source, fired in zip(net, sources, out, strict=True):
        delay = layer.delay.detach().expand(layer.n_out, layer.n_in).numpy()
        own = layer.recurrent_delay.detach().expand(layer.n_out, layer.n_out).numpy() if layer.recurrent else None
        for b in range(source.batch):
            (t, j), (mine, who) = ([x.detach().numpy() for x in s[b]] for s in (source, fired))
            found.append(who.tobytes())
            for i in range(layer.n_out):
                arrivals = [t + delay[i, j], mine[who == i]]
                arrivals += [mine + own[i, who]] if own is not None else []
                found.append(np.argsort(np.concatenate(arrivals), kind="stable").tobytes())
    return found


def slope_along(value, step):
    """Return the derivative at 0 by central differences of order 4, None if the pattern changes in between."""
    values = [value(k * step) for k in (-2, -1, 1, 2)]
    if any(v is None for v in values):
        return None
    a, b, c, d = values
    return (a - 8 * b + 8 * c - d) / (12 * step)


def check_network(seed: int, levels: range = range(9)) -> tuple[int, float]:
    """Return how many directions were compared, and the largest error relative to the gradient.

    Directions are random, one for each group of tensors, in which each tensor has the same weight. A direction is left
    out if spikes appear, vanish or pass arrivals within steps so small that finite differences with three steps
    no longer agree to 5e-7 among themselves. Where three agree to 1e-8, smaller steps are not tried. Networks that fire
    without measure are left out: no step leaves the order of so many spikes as it was.
    """
    _, net, given, rng = make_case(seed)
    times = given.times.clone().requires_grad_()
    out = run(net, times, given)
    wanted = pattern(net, given, times, out)
    if not 0 < len(out[-1]) < 5000:
        return 0, 0.0
    weights = torch.from_numpy(rng.normal(size=len(out[-1])))
    (weights * out[-1].times).sum().backward()
    groups: dict[str, list] = {"times": [times]}
    for name, x in net.named_parameters():
        state = name.rpartition("value_")[2] in net[0].cell.states
        kind = "start" if state else "values" if "values" in name else name.rpartition(".")[2]
        groups.setdefault(kind, []).append(x)
    worst, compared = 0.0, 0
    for tensors in groups.values():
        moved = [x for x in tensors if x.numel() and x.grad is not None and float(x.grad.abs().max()) > 0]
        if not moved:
            continue
        directions = [torch.from_numpy(np.asarray(rng.normal(size=tuple(x.shape)))) for x in moved]
        directions = [d / float((x.grad.abs() * d.abs()).sum()) for x, d in zip(moved, directions, strict=True)]
        expected = sum(float((x.grad * d).sum()) for x, d in zip(moved, directions, strict=True))
        before = [x.detach().clone() for x in moved]

        def value(step: float, moved=moved, directions=directions, before=before) -> float | None:
            with torch.no_grad():
                for x, y, d in zip(moved, before, directions, strict=True):
                    x.copy_(y + step * d)
                parts = torch.tensor_split(times, given.offsets[1:-1])
                legal = float(times.min()) >= 0 and all(bool((t.diff() >= 0).all()) for t in parts)
                here = run(net, times.detach(), given) if legal else []
                same = legal and pattern(net, given, times, here) == wanted
                for x, y in zip(moved, before, strict=True):
                    x.copy_(y)
            return float((weights * here[-1].times).sum()) if same else None

        largest = min(1e-2 / float(d.abs().max()) for d in directions)
        found: list[float] = []
        for k in levels:
            slope = slope_along(value, min(3e-2, largest) / 4**k)
            found += [] if slope is None else [slope]
            if len(found) > 2 and max(found[-3:]) - min(found[-3:]) < 1e-8:
                break
        spread = {k: max(found[k : k + 3]) - min(found[k : k + 3]) for k in range(len(found) - 2)}
        near = min(spread, key=lambda k: spread[k], default=None)
        if near is None or spread[near] > 5e-7 * len(moved):  # differences of rounding errors
            continue
        compared += 1
        worst = max(worst, abs(found[near + 1] - expected) / len(moved))
    return compared, worst


@pytest.mark.parametrize("seed", [0, 1, 5, 7, 9])  # kinds that are quick in plain Python; all of them below
def test_gradients_are_those_of_finite_differences(seed):
    compared, worst = check_network(seed, range(2, 7))
    assert compared > 0
    assert worst < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_gradients_of_two_hundred_random_networks(block, monkeypatch):
    monkeypatch.setattr(event_run, "_PRICE", 2.0)  # compile sooner: each kind is run for long
    compared = 0
    for seed in range(20 * block, 20 * block + 20):
        some, worst = check_network(seed)
        assert worst < 1e-6, (seed, make_case(seed)[0])
        compared += some
    assert compared > 60
