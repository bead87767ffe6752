"""Training on scikit-learn's digits, 64-128-10, 25 steps: accuracy and milliseconds an epoch, beside other libraries.

    python bench/digits.py [--code rate|latency] [--seeds 3] [--threads 1]
    PEERS=folder python bench/digits.py  # with snnTorch, Norse, sinabs, SpikingJelly, Spyx

Everybody: the same stratified split (1,347 and 450 samples), batches of 64, 20 epochs, cross-entropy of spike counts,
encoding outside the timed part. `rheobase` trains by the recipe of examples/12_digits_surrogate.py; `rheobase, plain
recipe` and the peers by Adam at 2e-3, beta 0.9 (tau 9.49 ms), each library's own surrogate. An epoch is 21 updates; the
table has the best epoch, as noise only adds, the median, and the least processor time. A third of ours is the layers,
the rest torch's: the Linears, Adam, the loss.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rheobase import learn

HERE = Path(__file__).parent
PEERS = {
    **dict.fromkeys(("plain torch loop", "snntorch", "norse", "sinabs", "spikingjelly"), ("ml", "torch_digits.py")),
    "spyx": ("jax", "spyx_digits.py"),
}
BATCH, EPOCHS = 64, 20


def load_example():
    """Return the example as a module: its data, its network and its recipe are measured here."""
    spec = importlib.util.spec_from_file_location("digits", HERE.parent / "examples" / "12_digits_surrogate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def train(example, code: str, seed: int, plain: bool) -> tuple[float, list[float], list[float]]:
    """Return test accuracy in percent, and milliseconds and processor time of each epoch."""
    begin: list[tuple[float, float]] = []
    spent: list[float] = []
    cpu: list[float] = []

    def watch(event: str) -> None:
        if event == "begin":
            begin.append((time.perf_counter(), time.process_time()))
        elif event == "end":
            spent.append(1000 * (time.perf_counter() - begin[-1][0]))
            cpu.append(1000 * (time.process_time() - begin[-1][1]))

    if not plain:
        return 100 * example.train(code, seed=seed, watch=watch).accuracy, spent, cpu
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    x, y, x_test, y_test = example.load_data()
    cell = example.cell.replace(tau=-1 / np.log(0.9))
    net = nn.Sequential(
        nn.Linear(64, 128), learn.Layer(cell, dt="1 ms", gradient=learn.arctan()),
        nn.Linear(128, 10), learn.Layer(cell, dt="1 ms", gradient=learn.arctan()),
    )  # fmt: skip
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x), generator=rng)
        batches = [(example.encode(x[i], code, rng), y[i]) for i in torch.tensor_split(order, len(x) // BATCH)]
        watch("begin")
        for z, target in batches:
            optimiser.zero_grad()
            loss = learn.losses.rate(net(z), target)
            loss.backward()
            optimiser.step()
        watch("end")
    with torch.no_grad():
        z = net(example.encode(x_test, code, torch.Generator().manual_seed(99)))
    return 100 * float((z.sum(0).argmax(1) == y_test).float().mean()), spent, cpu


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--code", default="rate", choices=["rate", "latency"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    example = load_example()
    print(f"{asked.code} code, {asked.threads} threads, {asked.seeds} seeds, torch {torch.__version__}")
    print(f"{'':<26}{'accuracy %':>11}  {'each seed':<22}{'best ms':>9}{'median':>9}{'cpu':>9}{'first':>9}", flush=True)
    best: dict[str, float] = {}

    def show(name: str, accuracies: list[float], spent: list[list[float]], cpu: list[list[float]]) -> None:
        best[name] = min(map(min, cpu))
        each = " ".join(f"{a:.2f}" for a in accuracies)
        middle = np.median([np.median(s) for s in spent])
        print(
            f"{name:<26}{np.mean(accuracies):>11.2f}  {each:<22}{min(map(min, spent)):>9.1f}{middle:>9.1f}"
            f"{best[name]:>9.1f}{spent[0][0]:>9.0f}",
            flush=True,
        )

    for name, plain in (("rheobase", False), ("rheobase, plain recipe", True)):
        accuracies, spent, cpu = zip(
            *(train(example, asked.code, seed, plain) for seed in range(asked.seeds)), strict=True
        )
        show(name, list(accuracies), list(spent), list(cpu))
    for peer in asked.peers:
        folder, script = PEERS[peer]
        python = Path(os.environ.get("PEERS", "")) / folder / "bin" / "python"
        if not (os.environ.get("PEERS") and python.exists()):
            continue
        command = [str(python), str(HERE / "peers" / script), peer, asked.code, str(asked.seeds), str(asked.threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"{peer:<26}{(done.stderr.strip().splitlines() or ['failed'])[-1][:90]}", flush=True)
            continue
        report = json.loads(done.stdout.strip().splitlines()[-1])
        show(peer, report["accuracy"], report["epochs"], report["cpu"])
    others = {k: v for k, v in best.items() if not k.startswith("rheobase")}
    if others:
        fastest = min(others, key=others.__getitem__)
        print(f"processor time of an epoch: {fastest} takes {others[fastest] / best['rheobase']:.1f} times as much")


if __name__ == "__main__":
    main()
