"""Networks: loop, build, compilation, memory; with the peers that are installed, in the same run.

    python bench/networks.py [--repeats 3] [--tasks cuba4k coba4k ...] [--precision auto float64 mixed float32]

"loop" is the run alone, per second of model time; every line is the median over processes. Cost per neuron and step,
and per synaptic event, is the loop's time over each number, so it holds all the rest, too; beside it stands what the
same bytes cost when they are only copied, by a copy timed in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
#: name -> (task, neurons, ms of model time, synapses a neuron, peers, states, bytes of a synapse)
TASKS = {
    "cuba4k": ("cuba", 4_000, 1000, 80, ("brian2", "brian2 runtime", "nest"), 3, 2),
    "cuba40k": ("cuba", 40_000, 1000, 80, ("brian2", "brian2 runtime", "nest"), 3, 2),
    "cuba400k": ("cuba", 400_000, 200, 80, ("brian2",), 3, 2),
    "coba4k": ("coba", 4_000, 1000, 80, ("brian2", "brian2 runtime", "nest"), 3, 2),
    "coba40k": ("coba", 40_000, 1000, 80, ("brian2", "nest"), 3, 2),
    "brunel": ("brunel", 12_500, 1000, 1250, ("brian2", "nest"), 1, 2),
    "microcircuit": ("microcircuit", 77_169, 1000, 3873, ("brian2 circuit", "nest"), 2, 6),
    "million": ("sparse", 1_000_000, 100, 100, (), 3, 2),
}
#: Peer -> (folder, script, mode)
PROGRAMS = {
    "brian2": ("brian2", "brian2_nets.py", "standalone"),
    "brian2 runtime": ("brian2", "brian2_nets.py", "cython"),
    "brian2 circuit": ("brian2", "brian2_microcircuit.py", "standalone"),
    "nest": ("nest", "nest_nets.py", ""),
}
#: Task -> ms of model time that peers simulate, once, where building and running takes them minutes.
SHORT = {"microcircuit": 200}
#: GeNN 5.4.0 has no wheel and is not run here. Its loop, s for 1 s, single_threaded_cpu, float32, measured once on
#: another machine (Zen 4, 2.6 GHz), where Brian2 standalone took 0.067, 0.74, 8.5, 0.30, 3.4, 5.0 and 76 s.
GENN = {"cuba4k": 0.091, "cuba40k": 0.96, "cuba400k": 10.6, "coba4k": 0.30, "brunel": 3.9, "microcircuit": 24.8}


def run(python: str, script: str, *arguments: object) -> dict[str, float]:
    """Return what a script reports."""
    command = [python, str(PEERS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-800:])
    return json.loads(done.stdout.strip().splitlines()[-1])


COPY = """
import time, numpy as np
a, b, times = np.ones(1 << 25), np.zeros(1 << 25), []
for _ in range(5):
    begin = time.perf_counter()
    np.copyto(b, a)
    times.append(time.perf_counter() - begin)
print(2 * a.nbytes / min(times) / 1e9)
"""


def copy_bandwidth() -> float:
    """Return GB/s read and written by a copy of 256 MB; in a process of its own, for peaks of memory are inherited."""
    return float(subprocess.run([sys.executable, "-c", COPY], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=["cuba4k", "cuba40k", "coba4k", "brunel"], choices=[*TASKS])
    parser.add_argument("--precision", nargs="+", default=["auto"], choices=["auto", "float64", "mixed", "float32"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 0], help="0: as many as pay")
    parser.add_argument("--peers", nargs="*", default=[*PROGRAMS], choices=[*PROGRAMS])
    given = parser.parse_args()
    folder = os.environ.get("PEERS", "")
    speed = copy_bandwidth()
    print(f"copying: {speed:.1f} GB/s")
    for name in given.tasks:
        measure(name, given, folder, speed)


def measure(name: str, given: argparse.Namespace, folder: str, speed: float) -> None:
    """Print the table of one network."""
    task, n, until, degree, peers, states, width = TASKS[name]
    programs = {
        f"rheobase {p}, {t or 'all'}": (sys.executable, "rheobase_nets.py", t, p)
        for p in given.precision
        for t in dict.fromkeys(given.threads)
    }
    for peer in [p for p in peers if folder and p in given.peers]:
        home, script, mode = PROGRAMS[peer]
        python = Path(folder) / home / "bin" / "python"
        if python.exists():
            threads = os.cpu_count() if peer == "nest" else 1  # two threads make Brian2 slower
            programs[f"{peer}, {threads}"] = (str(python), script, threads, mode)
    print(f"\n{name}: {n} neurons, {degree} synapses each, {until} ms")
    columns = f"{'loop s/s':>10}{'build s':>9}{'compile s':>11}{'GB':>7}{'rate Hz':>9}{'ns/step':>9}{'ns/event':>10}"
    print(f"{'':<26}{columns}")
    found: dict[str, list[dict[str, float]]] = {label: [] for label in programs}
    lasting = {label: until if label.startswith("rheobase") else SHORT.get(name, until) for label in programs}
    for turn in range(given.repeats):  # in turn, so that a busy moment meets all of them
        for label, (python, script, *more) in programs.items():
            if turn == 0 or lasting[label] == until:
                found[label].append(run(python, script, task, n, lasting[label], *more))
    loops = {}
    for label, reports in found.items():
        m = {k: statistics.median(r[k] for r in reports) for k in ("loop", "build", "memory_GB", "rate")}
        loops[label] = m["loop"] / lasting[label] * 1000
        compiled = max(r["compile"] for r in reports)
        steps, events = n * lasting[label] * 10.0, max(n * degree * m["rate"] * lasting[label] / 1000, 1.0)
        print(
            f"{label:<26}{loops[label]:>10.4f}{m['build']:>9.2f}{compiled:>11.2f}{m['memory_GB']:>7.2f}"
            f"{m['rate']:>9.2f}{m['loop'] / steps * 1e9:>9.2f}{m['loop'] / events * 1e9:>10.2f}"
            f"  {reports[0].get('engine', '')}"
        )
    if name in GENN:
        print(f"{'GeNN, another machine':<26}{GENN[name]:>10.4f}  not run here: it has no wheel")
    neuron, event = 2 * 8 * states + 4, width + 8  # states are read and written; a sum is, too
    print(f"copied only: a neuron's {neuron} bytes {neuron / speed:.2f} ns, an event's {event} {event / speed:.2f} ns")
    ours = {k: v for k, v in loops.items() if k.startswith("rheobase")}
    others = {k: v for k, v in loops.items() if k not in ours}
    if others:
        print(f"loop against the fastest peer: {min(others.values()) / min(ours.values()):.1f}x")
    for p in given.precision:
        pair = [loops.get(f"rheobase {p}, {t}") for t in (1, "all")]
        if pair[0] and pair[1]:
            print(f"threads, {p}: all are {pair[0] / pair[1]:.2f}x as fast as one")


if __name__ == "__main__":
    main()
