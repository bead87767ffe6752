"""rheobase.  usage: rheobase_small.py one|fi|noisy."""

import json
import sys
import time

import numpy as np

import rheobase as rb

LIF = {"tau": "10 ms", "E_L": "-65 mV", "theta": "-50 mV", "v_r": "-65 mV", "R": "40 MOhm"}
task = sys.argv[1]
if task == "one":
    model, given, until = rb.LIF(**LIF), {"I": "500 pA"}, 100.0
elif task == "fi":
    model, given, until = rb.LIF(**LIF), {"I": np.linspace(0, 1.5, 1000)}, 1000.0
else:
    model = rb.Neuron(
        evolve="tau dv/dt = E_L + mu - v + sigma*sqrt(2*tau)*xi",
        threshold="v > theta",
        reset="v <- v_r",
        refractory="2 ms",
        mu="10 mV",
        sigma="5 mV",
        **{k: v for k, v in LIF.items() if k != "R"},
    )
    given, until = {"n": 10_000}, 1000.0
run = rb.simulate(model, until=until, engine=rb.Clock(dt="0.1 ms", threads=1), record=False, seed=1, **given)
loop = run.seconds["run"]
begin = time.perf_counter()
print(
    json.dumps(
        {
            "loop": loop,
            "rate": float(np.mean(run.rate())),
            "report": time.perf_counter() - begin,
            "compile": run.seconds.get("compile", 0.0),
        }
    )
)
