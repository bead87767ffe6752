"""Small work: one LIF neuron, an f-I curve of 1,000 neurons, 10,000 noisy neurons; loop and whole process.

    python bench/small.py [--repeats 5]

Every line is the median over processes. "loop" is the run alone, after construction and compilation; "process"
is the whole `python script.py`; "cold" begins with empty caches of compiled code.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
TASKS = {"one": "one LIF neuron, 100 ms", "fi": "f-I curve, 1,000 currents x 1 s", "noisy": "10,000 noisy LIF x 1 s"}


def run(python: str, script: str, task: str, env: dict[str, str]) -> tuple[float, dict[str, float]]:
    """Return (seconds of the whole process, what the script reports)."""
    begin = time.perf_counter()
    done = subprocess.run(
        [python, str(PEERS / script), task], capture_output=True, text=True, env=os.environ | env, check=False
    )
    wall = time.perf_counter() - begin
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-800:])
    return wall, json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    folder = Path(os.environ.get("PEERS", ""))
    programs = {"rheobase": (sys.executable, "rheobase_small.py"), "NumPy loop": (sys.executable, "numpy_small.py")}
    for peer in ("nest", "brian2"):
        python = folder / peer / "bin" / "python"
        if os.environ.get("PEERS") and python.exists():
            programs[peer] = (str(python), f"{peer}_small.py")
    for task, title in TASKS.items():
        print(f"\n{title}\n{'':<22}{'loop s':>10}{'process s':>12}{'cold s':>10}{'rate Hz':>10}")
        loops: dict[str, float] = {}
        processes: dict[str, float] = {}
        for name, (python, script) in programs.items():
            with tempfile.TemporaryDirectory() as cache:
                caches = {"RHEOBASE_CACHE": cache, "NUMBA_CACHE_DIR": cache, "BRIAN_CACHE": cache}
                cold, _ = run(python, script, task, caches)
                walls, reports = zip(*(run(python, script, task, caches) for _ in range(repeats)), strict=True)
            loops[name] = statistics.median(r["loop"] for r in reports)
            processes[name] = statistics.median(walls)
            print(f"{name:<22}{loops[name]:>10.4f}{processes[name]:>12.3f}{cold:>10.3f}{reports[-1]['rate']:>10.2f}")
        if task == "one":  # a loop of 0.1 s of one neuron is shorter than what starts it
            continue
        for what, of in (("loop", loops), ("process", processes)):
            others = [v for k, v in of.items() if k != "rheobase"]
            print(f"{what} against the fastest peer: {min(others) / of['rheobase']:.1f}x")


if __name__ == "__main__":
    main()
