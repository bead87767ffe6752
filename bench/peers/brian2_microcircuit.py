"""Brian2, cortical microcircuit, C++ standalone.  usage: brian2_microcircuit.py microcircuit N T_MS THREADS standalone.

All synapses are one object, drawn by NumPy one source population at a time: 55 objects would compile for many minutes,
and one call for all would need 60 bytes a synapse beside the 50 that Brian2 takes. Fewer neurons than 77,169 are a
smaller circuit without compensation, to try the script with.
"""

import gc
import json
import resource
import shutil
import sys
import tempfile
import time

import brian2
import numpy as np
from brian2 import Hz, NeuronGroup, PoissonInput, SpikeMonitor, Synapses, device, ms, mV, nA, nF
from parameters import PD, pd_synapses

n, until, threads = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
part = n / sum(PD["N"])
brian2.set_device("cpp_standalone", build_on_run=False)
if threads > 1:
    brian2.prefs.devices.cpp_standalone.openmp_threads = threads
brian2.defaultclock.dt = 0.1 * ms
begin = time.perf_counter()
sizes = [round(size * part) for size in PD["N"]]
first = np.concatenate([[0], np.cumsum(sizes)])
rng = np.random.default_rng(1)
names = {
    "g": PD["g"],
    "d_e": PD["d_e"] * ms,
    "d_i": PD["d_i"] * ms,
    "w_e": PD["w"] * 1e-3 * nA,
    "sd": PD["w_rel"],
    "dsd": PD["d_rel"],
    "C": 0.25 * nF,
}
cells = NeuronGroup(
    int(first[-1]),
    """dv/dt = (-65*mV - v)/(10*ms) + I/C : volt (unless refractory)
       dI/dt = -I/(0.5*ms) : amp
       pop : integer (constant)""",
    threshold="v >= -50*mV",
    reset="v = -65*mV",
    refractory=2 * ms,
    method="exact",
    namespace=names,
)
pop = np.repeat(np.arange(8), sizes)
cells.pop = pop
cells.v = rng.normal(np.array(PD["v0m"])[pop], np.array(PD["v0s"])[pop]) * mV
drives = [
    PoissonInput(cells[int(a) : int(b)], "I", k, PD["bg_hz"] * Hz, weight=names["w_e"])
    for a, b, k in zip(first, first[1:], PD["Kext"], strict=False)
]
synapses = Synapses(cells, cells, "w : amp", on_pre="I += w", namespace=names)
wanted = [[int(k * part * part) for k in row] for row in pd_synapses()]
for s in range(8):
    count = [wanted[t][s] for t in range(8)]
    pre = rng.integers(first[s], first[s + 1], sum(count), dtype=np.int32)
    post = np.concatenate([rng.integers(first[t], first[t + 1], k, dtype=np.int32) for t, k in enumerate(count)])
    synapses.connect(i=pre, j=post)
    del pre, post
synapses.w = (
    "w_e*(1 + (g - 1)*int(pop_pre % 2 == 1))*(1 + int(pop_pre == 2 and pop_post == 0))*clip(1 + sd*randn(), 0, 9)"
)
synapses.delay = "clip((d_e + (d_i - d_e)*int(pop_pre % 2 == 1))*(1 + dsd*randn()), 0.1*ms, 1*second)"
spikes = SpikeMonitor(cells)
net = brian2.Network(cells, synapses, spikes, *drives)
described = time.perf_counter() - begin
begin = time.perf_counter()
folder = tempfile.mkdtemp()
net.run(until * ms)
device.build(directory=folder, compile=True, run=False)
compiled = time.perf_counter() - begin
device.static_arrays.clear()  # the program needs the memory
device.array_cache.clear()
gc.collect()
begin = time.perf_counter()
device.run(with_output=False)
loop = device._last_run_time
described += time.perf_counter() - begin - loop
memory = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e6
rate = len(np.asarray(spikes.i)) / first[-1] / until * 1000
shutil.rmtree(folder, ignore_errors=True)
told = {"loop": loop, "build": described, "compile": compiled, "rate": float(rate), "memory_GB": memory}
print(json.dumps(told))
