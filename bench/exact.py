"""Exact networks: CUBA against NEST's precise model and our own clock, the cost of an arrival, a sparse brain.

    python bench/exact.py [--repeats 3]

"loop" is the run alone, after construction and compilation, for one second of model time. NEST runs beside us if
$PEERS names a folder with a virtual environment `nest`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import time
from pathlib import Path

import rheobase as rb

PEERS = Path(__file__).parent / "peers"


def cuba(n: int, degree: float = 80.0, delay: str = "0.1 ms") -> rb.Network:
    """Return the CUBA network of Brette et al. (2007), weights as for 80 synapses of a neuron."""
    net = rb.Network()
    e = net.add("E", n * 4 // 5, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    i = net.add("I", n // 5, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    scale = 80.0 / degree
    net.connect(e, [e, i], to="exc", p=degree / n, weight=1.62 * scale, delay=delay)
    net.connect(i, [e, i], to="inh", p=degree / n, weight=-9.0 * scale, delay=delay)
    return net


def measure(net: rb.Network, engine: object, repeats: int) -> tuple[float, int, rb.NetworkRun]:
    """Return seconds of the loop (median), how many spikes the neurons fired, and the last run."""
    loops = []
    for _ in range(repeats + 1):  # the first compiles
        run = rb.simulate(net, until="1 s", engine=engine, seed=1)
        loops.append(run.seconds["run"])
    return (
        statistics.median(loops[1:]),
        sum(len(p.spikes.times) for p in run.populations.values() if isinstance(p, rb.Run)),
        run,
    )


def nest_loop(n: int, threads: int) -> tuple[float, float] | None:
    """Return NEST's loop and rate, None where it is not installed."""
    python = Path(os.environ.get("PEERS", "")) / "nest" / "bin" / "python"
    if not os.environ.get("PEERS") or not python.exists():
        return None
    done = subprocess.run(
        [str(python), str(PEERS / "nest_precise.py"), str(n), str(threads)], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout.strip().splitlines()[-1])
    return report["loop"], report["rate"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats

    print("CUBA, 4,000 neurons, 1 s, delay 0.1 ms")
    loop, spikes, _ = measure(cuba(4000), rb.Exact(threads=1), repeats)
    print(
        f"{'rheobase Exact, 1 thread':<28}{loop:>9.3f} s  {spikes / 4000:6.2f} Hz"
        f"  {loop / (80 * spikes) * 1e9:6.1f} ns an arrival"
    )
    both, _, _ = measure(cuba(4000), rb.Exact(), repeats)
    print(f"{'rheobase Exact, as pays':<28}{both:>9.3f} s  {spikes / 4000:6.2f} Hz")
    clock, count, _ = measure(cuba(4000), rb.Clock(dt="0.1 ms", threads=1), repeats)
    print(f"{'rheobase Clock, 1 thread':<28}{clock:>9.3f} s  {count / 4000:6.2f} Hz")
    for threads in (1, os.cpu_count() or 1):
        found = nest_loop(4000, threads)
        if found:
            print(
                f"{f'NEST precise, {threads} thread(s)':<28}{found[0]:>9.3f} s  {found[1]:6.2f} Hz"
                f"  {found[0] / (loop if threads == 1 else both):5.1f}x"
            )

    print("\ncost against the number of arrivals (CUBA, 4,000 neurons) and against the smallest delay")
    for degree, delay in (
        (40, "0.1 ms"),
        (80, "0.1 ms"),
        (160, "0.1 ms"),
        (320, "0.1 ms"),
        (80, "0.01 ms"),
        (80, "1.5 ms"),
    ):
        loop, spikes, _ = measure(cuba(4000, degree, delay), rb.Exact(threads=1), repeats)
        arrivals = degree * spikes
        print(
            f"{degree:>5} synapses, delay {delay:<8}{arrivals:>12,} arrivals {loop:>8.3f} s"
            f" {loop / arrivals * 1e9:>8.1f} ns"
        )

    print("\nsparse brain: 127,000 neurons, 15 million synapses, 1 s")
    begin = time.perf_counter()
    loop, spikes, run = measure(rb.networks.sparse_brain(), rb.Exact(threads=1), 2)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"loop {loop:.2f} s, {spikes:,} spikes, build {run.seconds['prepare']:.1f} s, largest memory {memory:.2f} GiB"
        f" (three runs {time.perf_counter() - begin:.0f} s)"
    )


if __name__ == "__main__":
    main()
