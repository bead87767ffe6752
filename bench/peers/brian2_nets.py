"""Brian2.  usage: brian2_nets.py cuba|coba|brunel N T_MS THREADS standalone|cython."""

import json
import resource
import shutil
import sys
import tempfile
import time

import brian2
import numpy as np
from brian2 import Hz, NeuronGroup, PoissonInput, SpikeMonitor, Synapses, device, ms, mV, nS, pF, siemens  # noqa: F401
from parameters import BRUNEL, COBA, CUBA

task, n, until, threads = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
standalone = sys.argv[5:] != ["cython"]
if standalone:
    brian2.set_device("cpp_standalone", build_on_run=False)
else:
    brian2.prefs.codegen.target = "cython"
if threads > 1:
    brian2.prefs.devices.cpp_standalone.openmp_threads = threads
brian2.defaultclock.dt = 0.1 * ms
brian2.seed(1)
begin = time.perf_counter()
if task in ("cuba", "coba"):
    exc, p = n * 4 // 5, CUBA["K"] / n
    if task == "cuba":
        names = {"we": CUBA["we"] * mV, "wi": CUBA["wi"] * mV}
        rows = """dv/dt = (ge + gi - (v + 49*mV))/(20*ms) : volt (unless refractory)
                  dge/dt = -ge/(5*ms) : volt
                  dgi/dt = -gi/(10*ms) : volt"""
    else:
        names = {"we": 6 * nS, "wi": 67 * nS}
        rows = """dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v))/(200*pF) : volt (unless refractory)
                  dge/dt = -ge/(5*ms) : siemens
                  dgi/dt = -gi/(10*ms) : siemens"""
    cells = NeuronGroup(
        n,
        rows,
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=5 * ms,
        method="exact" if task == "cuba" else "exponential_euler",
    )
    if task == "cuba":
        cells.v = "-60*mV + rand()*10*mV"
    else:
        (a, b), (c, d) = COBA["ge0"], COBA["gi0"]
        cells.v = "-65*mV + 5*mV*randn()"
        cells.ge = f"clip({a}*nS + {b}*nS*randn(), 0*nS, 1*siemens)"
        cells.gi = f"clip({c}*nS + {d}*nS*randn(), 0*nS, 1*siemens)"
    first = Synapses(cells[:exc], cells, on_pre="ge += we", namespace=names)
    second = Synapses(cells[exc:], cells, on_pre="gi += wi", namespace=names)
    first.connect(p=p)
    second.connect(p=p)
else:
    x = BRUNEL
    n, exc = x["NE"] + x["NI"], x["NE"]
    cells = NeuronGroup(
        n,
        "dv/dt = -v/(20*ms) : volt (unless refractory)",
        threshold="v > 20*mV",
        reset="v = 10*mV",
        refractory=2 * ms,
        method="exact",
    )
    first = Synapses(cells[:exc], cells, on_pre=f"v += {x['J']}*mV", delay=x["delay"] * ms)
    second = Synapses(cells[exc:], cells, on_pre=f"v -= {x['g'] * x['J']}*mV", delay=x["delay"] * ms)
    first.connect(p=0.1)
    second.connect(p=0.1)
    drive = PoissonInput(cells, "v", x["CE"], x["nu_ext_hz"] * Hz, weight=x["J"] * mV)
spikes = SpikeMonitor(cells)
net = brian2.Network(brian2.collect())
described = time.perf_counter() - begin
begin = time.perf_counter()
if standalone:
    folder = tempfile.mkdtemp()
    net.run(until * ms)
    device.build(directory=folder, compile=True, run=False)
    compiled = time.perf_counter() - begin
    begin = time.perf_counter()
    device.run(with_output=False)
    loop = device._last_run_time
    described += time.perf_counter() - begin - loop
else:
    net.run(0.1 * ms)
    compiled = time.perf_counter() - begin
    begin = time.perf_counter()
    net.run(until * ms)
    loop = time.perf_counter() - begin
memory = max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e6
rate = len(np.asarray(spikes.i)) / n / until * 1000
if standalone:
    shutil.rmtree(folder, ignore_errors=True)
told = {"loop": loop, "build": described, "compile": compiled, "rate": float(rate), "memory_GB": memory}
print(json.dumps(told))
