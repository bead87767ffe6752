"""Several ranks by MPI: what a message costs, what an event and a neuron's step cost, one rank against two.

    python bench/mpi.py [--scale 1.0] [--until 500] [--ranks 1 2] [--repeats 2]

Runs of one rank and of several take turns. A loop's time is told as the median and as the minimum over its chunks of
steps: where other programs compute at the same time, ranks that wait for each other lose more than one rank alone, and
the minimum is the better guess. Memory is what a rank holds while it runs, and its peak, which is while it builds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

SIZES = (64, 256, 1024, 4096, 16384, 65536)  # integers of a message


def launch(ranks: int, *arguments: object) -> list[dict[str, float]]:
    """Return what each rank of a worker reports."""
    command = [sys.executable, __file__, "worker", *map(str, arguments)]
    if ranks > 1 or arguments[0] == "messages":
        mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if mpirun is None:
            raise SystemExit("there is no mpirun; pip install mpi4py mpich")
        command = [mpirun, "-n", str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def messages() -> dict[str, float]:
    """Measure messages of several sizes; each rank sends as much to all."""
    import numpy as np
    from mpi4py import MPI

    comm, out = MPI.COMM_WORLD.Dup(), {}
    for size in SIZES:
        send, got = np.zeros(size, dtype=np.int32), np.zeros(size * comm.Get_size(), dtype=np.int32)
        to, into = [send, size, MPI.INT32_T], [got, size, MPI.INT32_T]
        repeats = max(20, 2_000_000 // (size + 1000))
        best = float("inf")
        for _ in range(7):
            comm.Barrier()
            begin = perf_counter()
            for _ in range(repeats):
                comm.Allgather(to, into)
            best = min(best, (perf_counter() - begin) / repeats)
        out[str(size)] = best
    return out


def network(task: str, scale: float, until: float) -> dict[str, float]:
    """Run a network, and time its chunks."""
    import resource

    import rheobase as rb
    from rheobase.engines.network import _NetworkRun
    from rheobase.networks import cuba, microcircuit

    found: list[tuple[int, float, float]] = []
    held: list[float] = []
    run_chunk = _NetworkRun._run_chunk

    def timed(self: _NetworkRun, stop: int) -> None:
        if not held:
            held.append(resident())
        k0, begin = self.k, perf_counter()
        waited = self.seconds.get("exchange", 0.0)
        run_chunk(self, stop)
        waited = self.seconds.get("exchange", 0.0) - waited
        found.append((stop - k0, perf_counter() - begin, waited))

    _NetworkRun._run_chunk = timed  # type: ignore[method-assign]
    net = cuba(round(4000 * scale)) if task == "cuba" else microcircuit(scale)
    if task == "neurons":  # the same, not joined
        whole, net = net, rb.Network()
        for name, part in whole.populations.items():
            net.add(name, part.n, part.model, **part.values)
    if task in ("one delay", "64 delays"):  # hardly an event, but each spike is looked for under each delay
        net = rb.Network()
        cells = rb.LIF(receive="v <- v + w_i")
        E = net.add("E", round(50_000 * scale), cells, I=rb.uniform("0.25 nA", "0.35 nA"), v=rb.uniform(-70, -50))
        delay = "1 ms" if task == "one delay" else rb.uniform("0.1 ms", "6.4 ms")
        net.connect(E, E, outdegree=1, weight="0.001 mV", delay=delay)
    run = rb.simulate(net, until=until, engine=rb.Clock(threads=1), seed=1)
    each = [seconds / steps for steps, seconds, _ in found[1:] or found]
    waits = [waited / steps for steps, _, waited in found[1:] or found]
    events = len(run.spikes.times) / (until * 10)
    return {
        "median": statistics.median(each),
        "minimum": min(each),
        "waited": statistics.median(waits),
        "waited least": min(waits),
        "spikes": events,
        "prepare": run.seconds["prepare"],
        "held": held[0],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0,
        "neurons": run.n,
    }


def resident() -> float:
    """Return the bytes of memory that this process holds."""
    text = Path("/proc/self/statm").read_text() if Path("/proc/self/statm").exists() else "0 0"
    return float(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def show_messages(ranks: list[int]) -> None:
    """Print what messages cost, and the straight line through them."""
    import numpy as np

    for n in ranks:
        each = launch(n, "messages")
        cost = [max(r[str(s)] for r in each) * 1e6 for s in SIZES]
        per_byte, _ = np.polyfit([4.0 * s * n for s in SIZES], cost, 1)
        line = "  ".join(f"{4 * s} B: {c:.1f} us" for s, c in zip(SIZES, cost, strict=True))
        print(
            f"{n} rank{'s' if n > 1 else ''}: {line}\n"
            f"   about {cost[0]:.1f} us a message, {per_byte * 1e3:.2f} ns a byte"
        )


def show_network(given: argparse.Namespace, task: str, scale: float) -> None:
    """Print one network on several numbers of ranks."""
    print(f"\n{task}, scale {scale:g}, {given.until:g} ms, {given.repeats} runs each, in turn")
    found: dict[int, list[list[dict[str, float]]]] = {n: [] for n in given.ranks}
    for _ in range(given.repeats):
        for n in given.ranks:
            found[n].append(launch(n, "network", task, scale, given.until))
    print(
        f"{'ranks':>6}{'median us/step':>16}{'least us/step':>15}{'waits us':>10}{'build s':>9}"
        f"{'GB held, peak a rank':>24}"
    )
    best = {}
    for n, runs in found.items():
        slowest = [max(r["median"] for r in ranks) for ranks in runs]
        best[n] = (statistics.median(slowest), min(max(r["minimum"] for r in ranks) for ranks in runs))
        waits = min(min(r["waited least"] for r in ranks) for ranks in runs)
        build = statistics.median(max(r["prepare"] for r in ranks) for ranks in runs)
        memory = "  ".join(f"{r['held'] / 1e9:.2f}, {r['peak'] / 1e9:.2f}" for r in runs[0])
        print(f"{n:>6}{best[n][0] * 1e6:>16.1f}{best[n][1] * 1e6:>15.1f}{waits * 1e6:>10.1f}{build:>9.1f}   {memory}")
    first = given.ranks[0]
    for n in given.ranks[1:]:
        print(
            f"{n} ranks: {best[first][0] / best[n][0]:.2f}x of {first} by medians,"
            f" {best[first][1] / best[n][1]:.2f}x by least"
        )


def show_costs(given: argparse.Namespace) -> None:
    """Print what a neuron's step, an event and a look for synapses cost on one rank, from differences."""
    least, spikes, neurons = {}, {}, 1.0
    for task in ("neurons", "microcircuit", "one delay", "64 delays"):
        runs = [launch(1, "network", task, given.scale, given.until)[0] for _ in range(given.repeats)]
        least[task], spikes[task] = min(r["minimum"] for r in runs), runs[0]["spikes"]
        neurons = runs[0]["neurons"] if task == "neurons" else neurons
    look = (least["64 delays"] - least["one delay"]) / (spikes["64 delays"] * 63)
    events = spikes["microcircuit"] * 3873 * given.scale
    delivered = least["microcircuit"] - least["neurons"] - look * spikes["microcircuit"] * 64
    print(
        f"\na neuron's step, Poisson drive included {least['neurons'] / neurons * 1e9:.2f} ns, an event"
        f" {delivered / events * 1e9:.2f} ns, to look for a spike's synapses of one delay {look * 1e9:.1f} ns"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--until", type=float, default=500.0)
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", default=["messages", "costs", "microcircuit", "cuba"])
    given = parser.parse_args()
    if "messages" in given.tasks:
        show_messages(given.ranks)
    if "costs" in given.tasks:
        show_costs(given)
    if "microcircuit" in given.tasks:
        show_network(given, "microcircuit", given.scale)
    if "cuba" in given.tasks:
        show_network(given, "cuba", 10.0 * given.scale)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        what = messages() if sys.argv[2] == "messages" else network(sys.argv[3], float(sys.argv[4]), float(sys.argv[5]))
        print(json.dumps(what) + "\n", end="", flush=True)
    else:
        main()
