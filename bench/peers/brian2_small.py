"""Brian2, default code generation.  usage: brian2_small.py one|fi|noisy."""

import json
import os
import sys
import time

import numpy as np
from brian2 import NeuronGroup, SpikeMonitor, defaultclock, ms, mV, pA, prefs, run
from brian2.units import Gohm

task = sys.argv[1]
if os.environ.get("BRIAN_CACHE"):
    prefs.codegen.runtime.cython.cache_dir = os.environ["BRIAN_CACHE"]
defaultclock.dt = 0.1 * ms
names = {
    "tau": 10 * ms,
    "El": -65 * mV,
    "Vt": -50 * mV,
    "Vr": -65 * mV,
    "R": 0.04 * Gohm,
    "mu": 10 * mV,
    "sigma": 5 * mV,
}
n, until = {"one": (1, 100), "fi": (1000, 1000), "noisy": (10_000, 1000)}[task]
rows = {"threshold": "v > Vt", "reset": "v = Vr", "refractory": 2 * ms, "namespace": names}
if task == "noisy":
    group = NeuronGroup(
        n, "dv/dt = (El + mu - v)/tau + sigma*sqrt(2/tau)*xi : volt (unless refractory)", method="euler", **rows
    )
else:
    group = NeuronGroup(
        n, "dv/dt = (El + R*I - v)/tau : volt (unless refractory)\nI : amp (constant)", method="exact", **rows
    )
    group.I = (np.linspace(0, 1500, n) if task == "fi" else np.array([500.0])) * pA
group.v = -65 * mV
monitor = SpikeMonitor(group)
run(0 * ms)
begin = time.perf_counter()
run(until * ms)
print(json.dumps({"loop": time.perf_counter() - begin, "rate": float(monitor.num_spikes / n / until * 1000)}))
