"""The digits of bench/digits.py in another library; prints accuracies and the times of each epoch as JSON.

    python torch_digits.py LIBRARY rate|latency SEEDS THREADS

Each library as its own examples write such a network: its LIF at beta = 0.9 (Norse: its own parameters), reset by
subtraction where it has one, its default surrogate.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

STEPS, BATCH, EPOCHS = 25, 64, 20


class Arctan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx, g):
        (u,) = ctx.saved_tensors
        return g / (1 + (torch.pi * u) ** 2)


def plain():
    def lif(x):
        v, out = 0, []
        for step in x.unbind(0):
            v = 0.9 * v + step
            z = Arctan.apply(v - 1)
            v = v - z
            out.append(z)
        return torch.stack(out)

    a, b = nn.Linear(64, 128), nn.Linear(128, 10)
    return nn.ModuleList([a, b]), lambda x: lif(b(lif(a(x))))


def snntorch():
    import snntorch as snn

    a, b, one, two = nn.Linear(64, 128), nn.Linear(128, 10), snn.Leaky(beta=0.9), snn.Leaky(beta=0.9)

    def run(x):
        m1, m2, out = one.reset_mem(), two.reset_mem(), []
        for t in range(STEPS):
            z, m1 = one(a(x[t]), m1)
            z, m2 = two(b(z), m2)
            out.append(z)
        return torch.stack(out)

    return nn.ModuleList([a, one, b, two]), run


def norse():
    import norse.torch as nt

    net = nt.SequentialState(nn.Linear(64, 128), nt.LIF(), nn.Linear(128, 10), nt.LIF())
    return net, lambda x: net(x)[0]


def sinabs():
    import sinabs.layers as sl

    tau = -1 / np.log(0.9)
    lifs = [sl.LIF(tau, norm_input=False) for _ in range(2)]
    net = nn.Sequential(nn.Linear(64, 128), lifs[0], nn.Linear(128, 10), lifs[1])

    def run(x):
        for layer in lifs:
            layer.reset_states()
        return net(x.transpose(0, 1)).transpose(0, 1)

    return net, run


def spikingjelly():
    from spikingjelly.activation_based import functional, layer, neuron

    def lif():
        return neuron.LIFNode(tau=10.0, decay_input=False, v_reset=None)

    net = nn.Sequential(layer.Linear(64, 128), lif(), layer.Linear(128, 10), lif())
    functional.set_step_mode(net, "m")

    def run(x):
        functional.reset_net(net)
        return net(x)

    return net, run


MAKE = {"plain torch loop": plain, "snntorch": snntorch, "norse": norse, "sinabs": sinabs, "spikingjelly": spikingjelly}


def encode(x, code, rng):
    if code == "rate":
        return (rng.random((STEPS, *x.shape), dtype=np.float32) < x).astype(np.float32)
    when = np.round((1 - x) * (STEPS - 1)).astype(int)
    z = np.zeros((STEPS, *x.shape), np.float32)
    np.put_along_axis(z, when[None], 1.0, 0)
    return z * (x > 0.05)


def main():
    library, code, seeds, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    xa, xb, ya, yb = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    accuracy, epochs, busy = [], [], []
    for seed in range(seeds):
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        net, run = MAKE[library]()
        optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 2e-3)
        spent, cpu = [], []
        for _ in range(EPOCHS):
            order = rng.permutation(len(xa))
            batches = [
                (torch.from_numpy(encode(xa[i], code, rng)), torch.from_numpy(ya[i]))
                for i in np.array_split(order, len(xa) // BATCH)
            ]
            begin, start = time.perf_counter(), time.process_time()
            for z, target in batches:
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(run(z).sum(0), target)
                loss.backward()
                optimiser.step()
            spent.append(1000 * (time.perf_counter() - begin))
            cpu.append(1000 * (time.process_time() - start))
        with torch.no_grad():
            z = run(torch.from_numpy(encode(xb, code, np.random.default_rng(99))))
        accuracy.append(100 * float((z.sum(0).argmax(1).numpy() == yb).mean()))
        epochs.append(spent)
        busy.append(cpu)
    print(json.dumps({"accuracy": accuracy, "epochs": epochs, "cpu": busy}))


if __name__ == "__main__":
    main()
