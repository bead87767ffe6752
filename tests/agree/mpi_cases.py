"""Networks that `test_mpi.py` runs alone and by several ranks: prints what came of each, in one line of JSON a rank."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

import rheobase as rb
from rheobase.engines import exchange
from rheobase.networks import brunel, cuba, microcircuit

RECORD = {
    "E": rb.Record("v", every="1 ms", neurons=[0, 3, 30, 47], spikes=slice(10, 40)),
    "I": rb.Record(True, every="0.5 ms", reduce="mean"),
}


def digest(run: rb.NetworkRun) -> str:
    """Return what tells two runs apart by a single bit: spikes, traces, final states, plastic weights."""
    out = hashlib.blake2b(digest_size=8)
    for p in run.populations.values():
        s = getattr(p, "spikes", p)
        arrays = [s.times, s.neurons, *getattr(p, "traces", {}).values(), *getattr(p, "final", {}).values()]
        for x in arrays:
            out.update(np.ascontiguousarray(x).tobytes() + str(x.shape).encode())
    if run.network is not None:
        for p in run.network.projections:
            if p.is_plastic:
                out.update(run.weights(p).tobytes())
    return f"{len(run.spikes.times)} {out.hexdigest()}"


def plastic() -> rb.Network:
    """Return plastic synapses of two kinds with sums and rewards, Poisson sources, trains; delays from 0.5 ms."""
    net = rb.Network()
    cells = rb.Neuron(
        evolve="tau dv/dt = E_L - v + R*I", receive="v <- v + w_i", threshold="v > theta", reset="v <- E_L",
        tau="20 ms", R="100 MOhm", E_L="-70 mV", theta="-50 mV",
    )  # fmt: skip
    sources = net.add("P", 30, rb.poisson("60 Hz"))
    given = net.add("T", 5, rb.spikes([0.0, 5.0, 10.0, 15.0]))
    E = net.add("E", 24, cells, I="0.19 nA", v=rb.uniform("-70 mV", "-51 mV"))
    C = net.add("critic", 12, cells, I=rb.uniform("0.19 nA", "0.3 nA"), v=rb.uniform("-70 mV", "-51 mV"))
    rule, rewarded = rb.stdp(w_max=5.0), rb.reward_stdp(w_max=5.0, tau_plus=rb.normal("20 ms", "2 ms", low="5 ms"))
    delays = rb.uniform("0.5 ms", "2 ms")
    net.connect(sources, E, p=0.5, weight="3 mV", delay=delays, synapse=rule, normalise=("20 mV", "5 ms"))
    net.connect(E, E, p=0.2, weight="1 mV", delay="1 ms", synapse=rule)
    net.connect(given, C, p=0.5, weight="4 mV", delay="0.6 ms")
    net.connect(E, C, p=0.2, weight="1 mV", delay="1.5 ms", synapse=rewarded, reward=C)
    return net


def fault(folder: Path, kind: str) -> None:
    """Make the second rank do something that the first does not."""
    second = os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK")) == "1"
    if second and kind in ("sleeps", "waits"):
        (folder / "pid").write_text(str(os.getpid()))
    if kind == "sleeps":
        if second:
            time.sleep(100.0)
        rb.simulate(cuba(60), until="5 ms", seed=1)
    if kind == "waits":
        rb.simulate(cuba(60), until="1000 s", seed=1, record_to=folder / "run.rheo")
    if second and kind == "version":
        rb.__version__ = "0.0.1"
    if second and kind == "fails before":
        raise ValueError("my own mistake")
    if second and kind == "leaves":
        return
    if second and kind == "exits":
        sys.exit(0)
    net, seed, until = cuba(60), 1, 5.0
    if second:
        net = cuba(80) if kind == "network" else net
        seed, until = 2 if kind == "seed" else seed, 6.0 if kind == "until" else until
    if kind == "cannot compute":  # a weight overflows at a synapse of one rank, while the other waits for its spikes
        net, until = rb.Network(), 10.0
        source = net.add("S", 1, rb.spikes([float(t) for t in range(1, 20)]))
        E = net.add("E", 64, rb.LIF(receive="v <- v + w_i"), I=0.0)
        rule = rb.Synapse(on_pre="w <- exp(w)")
        net.connect(source, E[40:41], all_to_all=True, weight="1 mV", delay="0.5 ms", synapse=rule)
    rb.simulate(net, until=until, seed=seed)
    if second and kind == "fails between":
        raise ValueError("my own mistake")
    rb.simulate(net, until=until, seed=seed)
    print("went on")


def main(folder: Path, which: list[str]) -> None:
    """Run the cases that are named."""
    found: dict[str, str] = {}
    if which[0] == "fault":
        fault(folder, which[1])
        return
    file, how = folder / "run.rheo", {"seed": 2, "record": {"E": "v"}}
    for name in which:
        if name == "whole":
            found[name] = digest(rb.simulate(cuba(60), until="20 ms", **how, record_to=file))
        elif name == "begin":
            run = rb.simulate(cuba(60), until="6 ms", **how, record_to=file)
            run.checkpoint(folder / "six.npz")
            run.resume("9 ms")  # and is killed, as it were
        elif name == "go on":
            run = rb.restore(folder / "six.npz", cuba(60)).resume("12 ms")
            run.checkpoint(folder / "twelve.npz")
        elif name == "end":
            found[name] = digest(rb.restore(folder / "twelve.npz", cuba(60)).resume("20 ms"))
        elif name == "cuba40k":
            found[name] = digest(rb.simulate(cuba(40_000), until="100 ms", seed=1))
        elif name == "microcircuit":
            found[name] = digest(rb.simulate(microcircuit(), until="20 ms", seed=1))
        elif name == "brunel":  # messages are on their way while neurons are computed
            found[name] = digest(rb.simulate(brunel(order=500), until="100 ms", seed=1, engine=rb.Clock(threads=1)))
        elif name == "threads":  # two threads in each rank
            found[name] = digest(rb.simulate(microcircuit(0.2), until="100 ms", seed=1, engine=rb.Clock(threads=2)))
        elif name == "compiled":  # at first all fire at once, more than a message has room for
            net = cuba(800)
            net.add("at once", 1600, net.populations["E"].model, v="-49 mV")
            found[name] = digest(rb.simulate(net, until="40 ms", seed=1, engine=rb.Clock(threads=1)))
        elif name == "plain":
            exchange._ROOM = 1
            net = cuba(60)
            found[name] = digest(rb.simulate(net, until="15 ms", seed=2, record=True))
        elif name == "record":
            found[name] = digest(rb.simulate(cuba(60), until="18 ms", seed=2, record=RECORD))
        elif name == "stream":
            run = rb.simulate(cuba(60), until="12 ms", seed=2, record=RECORD, record_to=file)
            found["stream, first"] = digest(run)
            found["stream, whole"] = digest(run.resume("18 ms"))
            found["stream, loaded"] = digest(rb.load(file))
        elif name == "plastic":
            net = plastic()
            run = rb.simulate(net, until="8 ms", seed=5)
            run.checkpoint(folder / "half.npz")
            found["plastic, half"] = digest(run)
            found["plastic, resumed"] = digest(run.resume("16 ms"))
            found["plastic, whole"] = digest(rb.simulate(net, until="16 ms", seed=5))
        elif name == "restored":
            found["plastic, whole"] = digest(rb.restore(folder / "half.npz", plastic()).resume("16 ms"))
        elif name == "batch":
            runs = rb.simulate(cuba(60), until="15 ms", batch={"seed": [1, 2]})
            found[name] = " ".join(digest(run) for run in runs)
        elif name == "seed":
            run = rb.simulate(cuba(60), until="5 ms")
            found[name] = str(run.seed)
    print(json.dumps(found) + "\n", end="", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
