"""NEST's precise model on the CUBA network.  usage: nest_precise.py N THREADS."""

import json
import sys
import time

import nest

n, threads = int(sys.argv[1]), int(sys.argv[2])
nest.verbosity = nest.VerbosityLevel.ERROR if hasattr(nest, "VerbosityLevel") else "M_ERROR"
nest.set(resolution=0.1, local_num_threads=threads, rng_seed=1)
C, tau = 250.0, 20.0
begin = time.perf_counter()
cells = nest.Create(
    "iaf_psc_exp_ps",
    n,
    {
        "C_m": C,
        "tau_m": tau,
        "E_L": -49.0,
        "V_th": -50.0,
        "V_reset": -60.0,
        "t_ref": 5.0,
        "tau_syn_ex": 5.0,
        "tau_syn_in": 10.0,
    },
)
cells.V_m = nest.random.uniform(-60.0, -50.0)
e, i = cells[: n * 4 // 5], cells[n * 4 // 5 :]
for source, weight in ((e, 1.62), (i, -9.0)):
    nest.Connect(source, cells, {"rule": "pairwise_bernoulli", "p": 80 / n}, {"weight": weight * C / tau, "delay": 0.1})
recorder = nest.Create("spike_recorder")
nest.Connect(cells, recorder)
nest.Prepare()
build = time.perf_counter() - begin
begin = time.perf_counter()
nest.Run(1000.0)
loop = time.perf_counter() - begin
nest.Cleanup()
print(json.dumps({"build": build, "loop": loop, "rate": recorder.n_events / n}))
