"""The digits of bench/digits.py in Spyx; prints accuracies and the times of each epoch as JSON.

    python spyx_digits.py spyx rate|latency SEEDS THREADS

As Spyx's own examples write such a network: an update is one compiled function. Its threads are held down by the
cores that the process may use.
"""

from __future__ import annotations

import json
import os
import sys
import time

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[4])])

import jax
import jax.numpy as jnp
import numpy as np
import optax
import spyx.nn as snn
from flax import nnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

STEPS, BATCH, EPOCHS = 25, 64, 20


def encode(x, code, rng):
    if code == "rate":
        return (rng.random((STEPS, *x.shape), dtype=np.float32) < x).astype(np.float32)
    when = np.round((1 - x) * (STEPS - 1)).astype(int)
    z = np.zeros((STEPS, *x.shape), np.float32)
    np.put_along_axis(z, when[None], 1.0, 0)
    return z * (x > 0.05)


def loss(net, x, target):
    z, _ = snn.run(net, x)
    return optax.softmax_cross_entropy_with_integer_labels(z.sum(0), target).mean()


@nnx.jit
def update(net, optimiser, x, target):
    value, gradient = nnx.value_and_grad(loss)(net, x, target)
    optimiser.update(net, gradient)
    return value


def main():
    code, seeds = sys.argv[2], int(sys.argv[3])
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    xa, xb, ya, yb = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    accuracy, epochs, busy = [], [], []
    for seed in range(seeds):
        rng, rngs = np.random.default_rng(seed), nnx.Rngs(seed)
        net = snn.Sequential(
            nnx.Linear(64, 128, rngs=rngs), snn.LIF((128,), beta=0.9, rngs=rngs),
            nnx.Linear(128, 10, rngs=rngs), snn.LIF((10,), beta=0.9, rngs=rngs),
        )  # fmt: skip
        optimiser = nnx.Optimizer(net, optax.adam(2e-3), wrt=nnx.Param)
        updates, spent, cpu = len(xa) // BATCH, [], []
        for _ in range(EPOCHS):
            # batches of one size: each size would be compiled by itself
            order = rng.permutation(len(xa))[: updates * BATCH].reshape(updates, BATCH)
            batches = [(jnp.asarray(encode(xa[i], code, rng)), jnp.asarray(ya[i])) for i in order]
            begin, start = time.perf_counter(), time.process_time()
            for z, target in batches:
                value = update(net, optimiser, z, target)
            jax.block_until_ready(value)
            spent.append(1000 * (time.perf_counter() - begin))
            cpu.append(1000 * (time.process_time() - start))
        z, _ = snn.run(net, jnp.asarray(encode(xb, code, np.random.default_rng(99))))
        accuracy.append(100 * float((np.asarray(z.sum(0)).argmax(1) == yb).mean()))
        epochs.append(spent)
        busy.append(cpu)
    print(json.dumps({"accuracy": accuracy, "epochs": epochs, "cpu": busy}))


if __name__ == "__main__":
    main()
