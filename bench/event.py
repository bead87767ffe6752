"""Layers that run from spike to spike: an epoch of digits, the cost of an arrival and of a spike, memory.

    python bench/event.py [--only digits cost memory] [--threads 1 2] [--epochs 8]

No other library installed with the benches has exact gradients of spike times for any neuron, so what stands beside us
is our own layer with time steps. `digits` is the network and the recipe of examples/11_exact_gradients.py: 64-128-10, a
latency code, 1,347 samples in 21 updates, encoding outside the timed part; every number of threads ends with the same
bits, or it says so. `cost` runs one layer of 128 neurons on the arrivals of a batch, with weights too small to fire and
with large ones: the difference goes to the spikes. `memory` is the peak of a process above what it held before, forward
and backward, against the number of spikes and against `learn.Layer` with a step of 1 and 0.1 ms over the same 500 ms.

Where other programs run, processor time tells more than time on the wall.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
import torch

import rheobase as rb
from rheobase import learn

HERE = Path(__file__).parent
CELL = rb.LIFexp(E_L=0, theta=1, v_r=0, R=1, I=0, tau="20 ms", tau_s="5 ms", refractory=None)
UNTIL = 500.0  # ms, of the runs for memory


def load_example():
    """Return the example as a module: its code and its recipe are measured here."""
    spec = importlib.util.spec_from_file_location("exact", HERE.parent / "examples" / "11_exact_gradients.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Clock:
    """Milliseconds on the wall and of the processor, by name."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def add(self, name: str, run: Callable):
        """Return what `run` returns, and add what it took."""
        begin = time.perf_counter(), time.process_time()
        out = run()
        self.wall[name] = self.wall.get(name, 0.0) + 1000 * (time.perf_counter() - begin[0])
        self.cpu[name] = self.cpu.get(name, 0.0) + 1000 * (time.process_time() - begin[1])
        return out


def digits(threads: int, epochs: int) -> str:
    """Print an epoch's row; return a digest of the weights after the last."""
    from sklearn.datasets import load_digits

    example = load_example()
    torch.set_num_threads(1)  # torch's own operations are too small here to share
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    x, y = load_digits(return_X_y=True)
    x, y = x[:1347] / 16, torch.from_numpy(y[:1347])
    net = torch.nn.Sequential(
        learn.EventLayer(64, 128, example.CELL, until="60 ms", threads=threads),
        learn.EventLayer(128, 10, example.CELL.replace(threshold=None), until="60 ms", read="max v", threads=threads),
    )
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    wall: list[float] = []
    seen: list[Clock] = []
    spikes = arrivals = 0
    for epoch in range(epochs + 2):  # two to warm up
        clock, spikes, arrivals = Clock(), 0, 0
        chosen = np.array_split(rng.permutation(len(x)), 21)
        for given, target in [(example.encode(x[c], rng), y[c]) for c in chosen]:
            optimiser.zero_grad()
            hidden = clock.add("hidden layer", lambda given=given: net[0](given))
            out = clock.add("output layer", lambda hidden=hidden: net[1](hidden))
            loss = clock.add("rest", lambda out=out, y=target: torch.nn.functional.cross_entropy(10 * out, y))
            clock.add("backward", loss.backward)
            clock.add("rest", optimiser.step)
            clock.add("rest", lambda: net[0].wake(0.1))
            spikes, arrivals = spikes + len(hidden), arrivals + 128 * len(given) + 10 * len(hidden)
        if epoch >= 2:
            wall.append(sum(clock.wall.values()))
            seen.append(clock)
    least = {name: min(c.cpu[name] for c in seen) for name in seen[0].cpu}
    print(
        f"{f'digits, {threads} thread' + 's' * (threads > 1):<22}{min(wall):>9.1f}{median(wall):>9.1f}"
        f"{min(sum(c.cpu.values()) for c in seen):>9.1f}"
        f"   {', '.join(f'{name} {ms:.0f}' for name, ms in least.items())}"
        f"; {arrivals / 1e6:.1f} million arrivals, {spikes / 1e3:.0f} thousand spikes",
        flush=True,
    )
    return hashlib.md5(b"".join(p.detach().numpy().tobytes() for p in net.parameters())).hexdigest()


def cost(rounds: int) -> None:
    """Print what an arrival and a spike cost, forward and backward, on one thread."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    elements = [(np.sort(rng.uniform(0, 50, 60)), rng.integers(0, 64, 60)) for _ in range(64)]
    given = learn.Spikes.from_lists(elements, n=64)
    arrivals = 128 * len(given)

    def measure(scale: float, read: bool) -> tuple[float, float, int]:
        torch.manual_seed(0)
        cell = CELL.replace(threshold=None) if read else CELL
        layer = learn.EventLayer(64, 128, cell, until="60 ms", read="max v" if read else None, threads=1)
        layer.weight.data.mul_(scale)
        forward, backward, count = [], [], 0
        for _ in range(rounds + 3):
            begin = time.process_time()
            out = layer(given)
            forward.append(time.process_time() - begin)
            values = out if read else out.times
            count = 0 if read else len(values)
            begin = time.process_time()
            values.sum().backward()
            backward.append(time.process_time() - begin)
        return min(forward[3:]), min(backward[3:]), count

    quiet, loud, top = measure(0.02, False), measure(2.0, False), measure(1.0, True)
    per = 1e9 / arrivals
    print(f"\n{'nanoseconds':<22}{'forward':>9}{'backward':>9}", flush=True)
    print(f"{'an arrival':<22}{per * quiet[0]:>9.1f}{'':>9}   {arrivals:,} arrivals, {quiet[2]} spikes")
    spike = [1e9 * (loud[k] - quiet[k]) / loud[2] for k in (0, 1)]
    print(f"{'a spike':<22}{spike[0]:>9.0f}{spike[1]:>9.0f}   {loud[2]:,} spikes; back with the arrivals before it")
    print(f"{'an arrival, max v':<22}{per * top[0]:>9.1f}{per * top[1]:>9.1f}")


def grow(variant: str, rate: float) -> None:
    """Print as JSON the peak of memory (MB) of a layer of 512 neurons, batch 16, 500 ms: in a process of its own."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    trains = [[np.sort(rng.uniform(0, UNTIL, rng.poisson(rate * UNTIL / 1000))) for _ in range(64)] for _ in range(16)]
    given = learn.Spikes.from_lists(
        [(np.concatenate(e), np.repeat(np.arange(64), [len(t) for t in e])) for e in trains], n=64
    )

    def event(spikes: learn.Spikes) -> int:
        out = layer(spikes)
        out.times.sum().backward()
        return len(out)

    def steps(spikes: learn.Spikes) -> int:
        z = net(spikes.to_dense(dt, round((UNTIL if spikes is given else 10.0) / dt)))
        z.sum().backward()
        return int(z.sum())

    layer = learn.EventLayer(64, 512, CELL, until=UNTIL, threads=1)
    run = event
    if variant != "event":
        dt = float(variant)
        net = torch.nn.Sequential(torch.nn.Linear(64, 512, bias=False), learn.Layer(CELL, dt=dt))
        net[0].weight.data.copy_(layer.weight)
        run = steps
    small = learn.Spikes.from_lists([([0.5], [0])] * 16, n=64)
    for _ in range(3):
        run(small)
    before = memory("VmRSS")
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    print(json.dumps({"spikes": run(given), "arrivals": 512 * len(given), "MB": memory("VmHWM") - before}))


def memory(key: str) -> float:
    """Return what the system says of this process's memory, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=["digits", "cost", "memory"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--grow", nargs=2, metavar=("VARIANT", "RATE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.grow:
        grow(asked.grow[0], float(asked.grow[1]))
        return
    if "digits" in asked.only:
        print(f"{'ms an epoch':<22}{'best':>9}{'median':>9}{'cpu':>9}   least processor time of each part", flush=True)
        bits = {digits(threads, asked.epochs) for threads in asked.threads}
        print("the same bits" if len(bits) == 1 else "THE BITS DIFFER between numbers of threads")
    if "cost" in asked.only:
        cost(rounds=10)
    if "memory" in asked.only:
        print(f"\n{'peak of memory':<22}{'MB':>9}{'spikes':>10}{'arrivals':>12}{'bytes a spike':>15}", flush=True)
        for variant, rate in [*(("event", r) for r in (10.0, 40.0, 160.0)), ("1.0", 40.0), ("0.1", 40.0)]:
            command = [sys.executable, __file__, "--grow", variant, str(rate)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.strip().splitlines()[-1])
            name = f"inputs of {rate:g} Hz" if variant == "event" else f"steps of {variant} ms, {rate:g} Hz"
            each = 1e6 * found["MB"] / max(1, found["spikes"])
            print(
                f"{name:<22}{found['MB']:>9.1f}{found['spikes']:>10,}{found['arrivals']:>12,}{each:>15.0f}", flush=True
            )


if __name__ == "__main__":
    main()
