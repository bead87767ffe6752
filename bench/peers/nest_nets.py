"""NEST.  usage: nest_nets.py cuba|coba|brunel|microcircuit N T_MS THREADS."""

import json
import math
import resource
import sys
import time

import nest
import numpy as np
from parameters import BRUNEL, COBA, CUBA, PD, pd_synapses

task, n, until, threads = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
nest.set_verbosity("M_ERROR")
nest.SetKernelStatus({"local_num_threads": threads, "resolution": 0.1, "rng_seed": 1, "keep_source_table": False})
rng = np.random.default_rng(1)
begin = time.perf_counter()
if task in ("cuba", "coba"):
    exc = n * 4 // 5
    shared = {"t_ref": 5.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0, "V_th": -50.0, "V_reset": -60.0}
    if task == "cuba":
        cells = nest.Create("iaf_psc_exp", n, shared | {"C_m": 200.0, "tau_m": 20.0, "E_L": -49.0})
        cells.V_m = rng.uniform(-60, -50, n).tolist()
        we, wi = CUBA["we"] * 10, CUBA["wi"] * 10  # 1 mV is 10 pA at C_m/tau_m = 10 nS
    else:
        more = {"C_m": 200.0, "g_L": 10.0, "E_L": -60.0, "E_ex": 0.0, "E_in": -80.0}
        cells = nest.Create("iaf_cond_exp", n, shared | more)
        cells.V_m = rng.normal(-65, 5, n).tolist()
        cells.g_ex = np.maximum(0, rng.normal(*COBA["ge0"], n)).tolist()
        cells.g_in = np.maximum(0, rng.normal(*COBA["gi0"], n)).tolist()
        we, wi = 6.0, -67.0

    def rule(sources: int) -> dict[str, object]:
        """Return pairs drawn one by one, or above 4000 neurons (it asks all pairs) the same mean number."""
        if n <= 4000:
            return {"rule": "pairwise_bernoulli", "p": CUBA["K"] / n}
        return {"rule": "fixed_total_number", "N": sources * CUBA["K"]}

    nest.Connect(cells[:exc], cells, rule(exc), {"weight": we, "delay": 0.1})
    nest.Connect(cells[exc:], cells, rule(n - exc), {"weight": wi, "delay": 0.1})
    groups = [cells]
elif task == "brunel":
    x = BRUNEL
    n, exc = x["NE"] + x["NI"], x["NE"]
    values = {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_m": 0.0, "V_th": 20.0, "V_reset": 10.0, "t_ref": 2.0}
    cells = nest.Create("iaf_psc_delta", n, values)
    noise = nest.Create("poisson_generator", params={"rate": x["nu_ext_hz"] * x["CE"]})
    nest.Connect(noise, cells, syn_spec={"weight": x["J"], "delay": x["delay"]})
    nest.CopyModel("static_synapse", "exc", {"weight": x["J"], "delay": x["delay"]})
    nest.CopyModel("static_synapse", "inh", {"weight": -x["g"] * x["J"], "delay": x["delay"]})
    nest.Connect(cells[:exc], cells, {"rule": "fixed_indegree", "indegree": x["CE"]}, "exc")
    nest.Connect(cells[exc:], cells, {"rule": "fixed_indegree", "indegree": x["CI"]}, "inh")
    groups = [cells]
else:
    groups, counts = [], pd_synapses()
    values = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_th": -50.0, "V_reset": -65.0, "t_ref": 2.0}
    values |= {"tau_syn_ex": 0.5, "tau_syn_in": 0.5}
    n = sum(PD["N"])
    for a in range(8):
        nest.CopyModel("static_synapse", f"syn{a}")  # a model takes at most 2**27 - 2 connections a thread
        cells = nest.Create("iaf_psc_exp", PD["N"][a], values)
        cells.V_m = nest.random.normal(PD["v0m"][a], PD["v0s"][a])
        drive = nest.Create("poisson_generator", params={"rate": PD["bg_hz"] * PD["Kext"][a]})
        nest.Connect(drive, cells, syn_spec={"weight": PD["w"], "delay": 1.5})
        groups.append(cells)
    for t in range(8):
        for s in range(8):
            if counts[t][s]:
                even = s % 2 == 0
                w = PD["w"] * (1 if even else PD["g"]) * (2 if (t, s) == (0, 2) else 1)
                d = PD["d_e"] if even else PD["d_i"]
                low, high = (0.0, math.inf) if even else (-math.inf, 0.0)
                weight = nest.math.redraw(nest.random.normal(w, abs(w) * PD["w_rel"]), min=low, max=high)
                delay = nest.math.redraw(nest.random.normal(d, d * PD["d_rel"]), min=0.05, max=math.inf)
                how = {"rule": "fixed_total_number", "N": counts[t][s]}
                nest.Connect(groups[s], groups[t], how, {"synapse_model": f"syn{s}", "weight": weight, "delay": delay})
recorder = nest.Create("spike_recorder")
for cells in groups:
    nest.Connect(cells, recorder)
nest.Prepare()
build = time.perf_counter() - begin
begin = time.perf_counter()
nest.Run(until)
loop = time.perf_counter() - begin
nest.Cleanup()
rate = recorder.n_events / n / until * 1000
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"loop": loop, "build": build, "compile": 0.0, "rate": rate, "memory_GB": memory}))
