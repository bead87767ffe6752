"""NEST.  usage: nest_small.py one|fi|noisy."""

import json
import sys
import time

import nest
import numpy as np

task = sys.argv[1]
nest.verbosity = nest.VerbosityLevel.ERROR if hasattr(nest, "VerbosityLevel") else "M_ERROR"
nest.set(resolution=0.1, local_num_threads=1)
parameters = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_th": -50.0, "V_reset": -65.0, "t_ref": 2.0, "V_m": -65.0}
n, until = {"one": (1, 100.0), "fi": (1000, 1000.0), "noisy": (10_000, 1000.0)}[task]
neurons = nest.Create("iaf_psc_exp", n, parameters)
if task == "noisy":
    source = nest.Create(
        "noise_generator", params={"mean": 10.0 / 0.04, "std": 5.0 / 0.04 * (2 * 10.0 / 0.1) ** 0.5, "dt": 0.1}
    )
    nest.Connect(source, neurons)
else:
    neurons.I_e = 500.0 if task == "one" else np.linspace(0, 1500, n).tolist()
recorder = nest.Create("spike_recorder")
nest.Connect(neurons, recorder)
nest.Prepare()
begin = time.perf_counter()
nest.Run(until)
loop = time.perf_counter() - begin
nest.Cleanup()
print(json.dumps({"loop": loop, "rate": recorder.n_events / n / until * 1000}))
