"""rheobase.  usage: rheobase_nets.py cuba|coba|brunel|microcircuit|sparse N T_MS THREADS PRECISION."""

import json
import resource
import sys
import time

import numpy as np
from parameters import BRUNEL, COBA, CUBA, PD, pd_synapses

import rheobase as rb

task, n, until, threads, precision = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
begin = time.perf_counter()
net = rb.Network()


def two(model: rb.Neuron, size: int, e: float, i: float, each: int, **start: object) -> None:
    """Join 4/5 excitatory and 1/5 inhibitory neurons at random, `each` synapses a neuron."""
    exc = net.add("E", size * 4 // 5, model, **start)
    inh = net.add("I", size - size * 4 // 5, model, **start)
    net.connect(exc, [exc, inh], to="exc", p=each / size, weight=e, delay="0.1 ms")
    net.connect(inh, [exc, inh], to="inh", p=each / size, weight=i, delay="0.1 ms")


if task == "cuba":
    two(rb.CUBA(), n, CUBA["we"], CUBA["wi"], CUBA["K"], v=rb.uniform("-60 mV", "-50 mV"))
elif task == "coba":
    g_e, g_i = (np.maximum(0, np.random.default_rng(s).normal(*COBA[k], n)) * 1e-3 for s, k in ((1, "ge0"), (2, "gi0")))
    exc = n * 4 // 5
    model = rb.COBA()
    e = net.add("E", exc, model, v=rb.normal("-65 mV", "5 mV"), g_e=g_e[:exc], g_i=g_i[:exc])
    i = net.add("I", n - exc, model, v=rb.normal("-65 mV", "5 mV"), g_e=g_e[exc:], g_i=g_i[exc:])
    net.connect(e, [e, i], to="exc", p=COBA["K"] / n, weight="6 nS", delay="0.1 ms")
    net.connect(i, [e, i], to="inh", p=COBA["K"] / n, weight="67 nS", delay="0.1 ms")
elif task == "brunel":
    b = BRUNEL
    cell = rb.Neuron(
        evolve="tau dv/dt = -v",
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- v_r",
        refractory="2 ms",
        tau="20 ms",
        theta="20 mV",
        v_r="10 mV",
    )
    drive = rb.poisson(b["nu_ext_hz"], weight=b["J"], sources=b["CE"])
    e = net.add("E", b["NE"], cell, spikes=drive)
    i = net.add("I", b["NI"], cell, spikes=drive)
    net.connect(e, [e, i], indegree=b["CE"], weight=b["J"], delay=b["delay"])
    net.connect(i, [e, i], indegree=b["CI"], weight=-b["g"] * b["J"], delay=b["delay"])
elif task == "microcircuit":
    cell = rb.Neuron(
        evolve="tau dv/dt = E_L - v + R*I\ntau_s dI/dt = -I",
        receive="I <- I + w_i",
        threshold="v >= theta",
        reset="v <- v_r",
        refractory="2 ms",
        tau="10 ms",
        tau_s="0.5 ms",
        R="40 MOhm",
        E_L="-65 mV",
        theta="-50 mV",
        v_r="-65 mV",
    )
    k = pd_synapses()
    pops = [
        net.add(
            PD["pops"][a],
            PD["N"][a],
            cell,
            v=rb.normal(PD["v0m"][a], PD["v0s"][a]),
            spikes=rb.poisson(PD["bg_hz"], weight=PD["w"] * 1e-3, sources=PD["Kext"][a]),
        )
        for a in range(8)
    ]
    for s in range(8):
        d = PD["d_e"] if s % 2 == 0 else PD["d_i"]
        for t in range(8):
            if k[t][s] == 0:
                continue
            w = PD["w"] * 1e-3 * (1 if s % 2 == 0 else PD["g"]) * (2 if (t, s) == (0, 2) else 1)
            bound = {"low": 0.0} if w > 0 else {"high": 0.0}
            net.connect(
                pops[s],
                pops[t],
                total=k[t][s],
                weight=rb.normal(w, abs(w) * PD["w_rel"], **bound),
                delay=rb.normal(d, d * PD["d_rel"], low=0.05),
            )
else:
    cell = rb.CUBA()
    e = net.add("E", n * 4 // 5, cell, v=rb.uniform("-60 mV", "-50 mV"))
    i = net.add("I", n // 5, cell, v=rb.uniform("-60 mV", "-50 mV"))
    net.connect(e, [e, i], to="exc", p=100 / n, weight=CUBA["we"], delay=rb.uniform(0.1, 5.0))
    net.connect(i, [e, i], to="inh", p=100 / n, weight=CUBA["wi"], delay=rb.uniform(0.1, 5.0))
engine = rb.Clock(dt="0.1 ms", threads=threads or None, precision=precision)
run = rb.simulate(net, until=until, engine=engine, seed=1, record=False)
loop = run.seconds["run"]
rates = run.rate(start=min(100.0, until / 2))
print(
    json.dumps(
        {
            "loop": loop,
            "real_time_factor": loop / until * 1000,
            "build": run.seconds["prepare"],
            "compile": run.seconds["compile"],
            "rate": len(run.spikes.times) / run.n / until * 1000,
            "rates": {name: round(r, 2) for name, r in rates.items()},
            "memory_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            "engine": run.engine,
            "all": time.perf_counter() - begin,
        }
    )
)
