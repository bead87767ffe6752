"""Training layers on a CPU, float32, forward and backward, beside the libraries that are installed, in the same run.

    PEERS=folder python bench/layers.py [--sizes A B C D E] [--threads 2] [--rounds 5] [--only rheobase floor]

The folder holds the environments `ml` and `jax` (see README.md). "floor" is three passes over memory (A, B, C) or the
matrix products alone (D, E); "compiled" is the plain loop by torch.compile, ten steps at a time. Norse and sinabs run
as they are: torch.compile makes sinabs slower, and had not compiled Norse's loop after a minute.

A line is one process, which warms up until its times no longer fall; then all take turns, so that whatever else the
machine does meets everybody. Printed are the median and the best call, the least processor time of a call, the peak of
memory above input, gradient and a call of ten steps. Where other programs run, threads that wait for each other (ours,
torch's) suffer most: then --threads 1 and the processor time tell more. Models that no library fuses are compared with
a plain loop over the same torch operations.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

SCRIPT = Path(__file__).parent / "peers" / "layer.py"
OURS = ("floor", "rheobase", "plain", "compiled")
TORCH = ("snntorch", "spikingjelly", "norse", "sinabs")
PATIENCE = 240  # seconds for warming up, and for one measurement


class Runner:
    """One variant in a process of its own."""

    def __init__(self, python: str, variant: str, size: str, threads: int) -> None:
        self.variant, self.size = variant, size
        self.process = subprocess.Popen(
            [python, str(SCRIPT), variant, size, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.times: list[float] = []
        self.cpu: list[float] = []
        self.memory = 0.0

    def read(self) -> dict[str, Any] | None:
        """Return the next line; None, and say why, if there is none."""
        out, timer = self.process.stdout, threading.Timer(PATIENCE, self.process.kill)
        assert out is not None
        timer.start()
        line = out.readline()
        timer.cancel()
        if line:
            return dict(json.loads(line))
        said = (self.process.communicate()[1].strip().splitlines() or [f"took more than {PATIENCE} s"])[-1]
        print(f"{self.size} {self.variant:14} failed: {said[:100]}", flush=True)
        return None

    def measure(self) -> bool:
        """Measure once more; whether that worked."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        got = self.read()
        if got is None:
            return False
        self.times += got["ms"]
        self.cpu += got["cpu"]
        self.memory = max(self.memory, got["MB"])
        return True


def table(size: str, pythons: dict[str, str], threads: int, rounds: int) -> None:
    """Print one size."""
    runners = []
    for variant, python in pythons.items():
        runner = Runner(python, variant, size, threads)
        if runner.read() is not None:
            runners.append(runner)
    for turn in range(rounds):
        runners = [r for r in runners if (turn and min(r.times) > 1000) or r.measure()]  # slow ones once
    for runner in runners:
        runner.process.communicate()
    ours = next((r for r in runners if r.variant == "rheobase"), None)
    print(f"\n{size}  {'':12} {'median ms':>10} {'best':>8} {'cpu':>8} {'peak MB':>8}    times ours: median, best, cpu")
    for r in sorted(runners, key=lambda r: median(r.times)):
        line = f"   {r.variant:12} {median(r.times):10.2f} {min(r.times):8.2f} {min(r.cpu):8.2f} {r.memory:8.0f}"
        if ours:
            line += f" {median(r.times) / median(ours.times):14.2f} {min(r.times) / min(ours.times):9.2f}"
            line += f" {min(r.cpu) / min(ours.cpu):7.2f}"
        print(line, flush=True)


def any_model(threads: int) -> None:
    """Print models that no library fuses, at size B, against a plain loop over the same torch operations."""
    import torch

    import rheobase as rb
    from rheobase import learn

    torch.set_num_threads(threads)
    own = rb.Neuron(
        evolve="tau dv/dt = v*(v - 0.5) - w/4 + s; tau_s ds/dt = -s; tau_w dw/dt = v - w",
        receive="s <- s + w_i",
        threshold="v > 1",
        reset="v <- 0; w <- w + b",
        refractory="2 ms",
        name="a user's own",
        tau="10 ms",
        tau_s="5 ms",
        tau_w="50 ms",
        b=0.3,
    )
    print(f"\nsize B  {'':18} {'plain ms':>9} {'ours ms':>8} {'ratio':>6}")
    for neuron, to, size in ((rb.ALIF(), "spikes", 0.4), (rb.AdEx(), "I", 2.0), (own, "spikes", 0.5)):
        best = {}
        for backend in ("torch", "numba"):
            torch.manual_seed(0)
            layer = learn.Layer(neuron, dt=1.0 if to == "spikes" else 0.5, to=to, backend=backend)
            x, g = (torch.rand(500, 16, 512) * size).requires_grad_(), torch.randn(500, 16, 512)
            times = []
            for _ in range(7 if backend == "numba" else 3):
                x.grad = None
                begin = time.perf_counter()
                layer(x).backward(g)
                times.append(time.perf_counter() - begin)
            best[backend] = min(times[1:]) * 1e3
        a, b = best["torch"], best["numba"]
        print(f"   {neuron.name[:22]:22} {a:9.1f} {b:8.1f} {a / b:6.1f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", default=["A", "B", "C", "D", "E"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    told = parser.parse_args()
    pythons = dict.fromkeys(OURS, sys.executable)
    for folder, variants in (("ml", TORCH), ("jax", ("spyx",))):
        python = Path(os.environ.get("PEERS", "")) / folder / "bin" / "python"
        if os.environ.get("PEERS") and python.exists():
            pythons |= dict.fromkeys(variants, str(python))
    pythons = {v: p for v, p in pythons.items() if not told.only or v in told.only}
    for size in told.sizes:
        table(size, pythons, told.threads, told.rounds)
    if not told.only or "any" in told.only:
        any_model(told.threads)


if __name__ == "__main__":
    main()
