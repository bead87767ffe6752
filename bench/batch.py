"""A batch of small networks: one run after the other, and several at once on threads.

    python bench/batch.py [--repeats 7]

Seconds for eight runs of CUBA for one second of model time, compiled before; both ways in turn, medians. A machine on
which others compute shows no gain.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

import rheobase as rb


def seconds(net: rb.Network, engine: Any) -> float:
    """Return how long a batch of eight takes."""
    begin = time.perf_counter()
    rb.simulate(net, until="1 s", seed=1, engine=engine, batch={"E.tau_m": list(np.linspace(18.0, 22.0, 8))})
    return time.perf_counter() - begin


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    print(f"{'neurons':>8} {'engine':>8} {'in turn':>9} {'at once':>9} {'ratio':>6}")
    for n, name, one, many in (
        (1_000, "clock", rb.Clock(threads=1), rb.Clock()),
        (4_000, "clock", rb.Clock(threads=1), rb.Clock()),
        (1_000, "exact", rb.Exact(threads=1), rb.Exact()),
    ):
        net = rb.networks.cuba(n)
        for engine in (one, many):
            seconds(net, engine)
        found = [(seconds(net, one), seconds(net, many)) for _ in range(repeats)]
        in_turn, at_once = (statistics.median(x) for x in zip(*found, strict=True))
        print(f"{n:8d} {name:>8} {in_turn:7.3f} s {at_once:7.3f} s {in_turn / at_once:6.2f}")


if __name__ == "__main__":
    main()
