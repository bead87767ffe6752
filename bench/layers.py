"""Training layers on a CPU, float32, forward and backward, beside the libraries that are installed, in the same run.

    PEERS=folder python bench/layers.py [--sizes A B C D E] [--threads 2] [--only rheobase floor]

The folder holds the environments `ml` and `jax` (see README.md). "floor" is three passes over memory (A, B, C) or the
matrix products alone (D, E). Every line is one process: the median, the best, the least processor time of a call, and
the peak of memory above the input. Models that no library fuses are compared with a plain loop over the same torch
operations.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(__file__).parent / "peers" / "layer.py"
OURS = ("floor", "rheobase", "plain", "compiled")
TORCH = ("snntorch", "spikingjelly", "norse", "sinabs")


def measure(python: str, variant: str, size: str, threads: int) -> dict[str, float] | None:
    """Return what one process reports; None, and why, if it fails."""
    try:
        done = subprocess.run(
            [python, str(SCRIPT), variant, size, str(threads)], capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"{size} {variant:14} took more than 180 s")
        return None
    if done.returncode != 0:
        print(f"{size} {variant:14} failed: {done.stderr.strip().splitlines()[-1][:100]}")
        return None
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def table(size: str, pythons: dict[str, str], threads: int) -> None:
    """Print one size."""
    found = {}
    for variant, python in pythons.items():
        got = measure(python, variant, size, threads)
        if got is not None:
            found[variant] = got
    ours = found.get("rheobase")
    print(f"\n{size}  {'':12} {'median ms':>10} {'best':>8} {'cpu':>8} {'peak MB':>8} {'times ours':>11}")
    for variant, x in sorted(found.items(), key=lambda item: item[1]["best"]):
        ratio = f"{x['best'] / ours['best']:11.2f}" if ours else ""
        print(f"   {variant:12} {x['ms']:10.2f} {x['best']:8.2f} {x['cpu']:8.2f} {x['MB']:8.0f} {ratio}", flush=True)


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
    parser.add_argument("--only", nargs="*", default=[])
    told = parser.parse_args()
    pythons = dict.fromkeys(OURS, sys.executable)
    for folder, variants in (("ml", TORCH), ("jax", ("spyx",))):
        python = Path(os.environ.get("PEERS", "")) / folder / "bin" / "python"
        if os.environ.get("PEERS") and python.exists():
            pythons |= dict.fromkeys(variants, str(python))
    pythons = {v: p for v, p in pythons.items() if not told.only or v in told.only}
    for size in told.sizes:
        table(size, pythons, told.threads)
    if not told.only or "any" in told.only:
        any_model(told.threads)


if __name__ == "__main__":
    main()
