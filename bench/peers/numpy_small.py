"""A plain NumPy loop over steps, as a student writes it.  usage: numpy_small.py one|fi|noisy."""

import json
import sys
import time

import numpy as np

task = sys.argv[1]
n = {"one": 1, "fi": 1000, "noisy": 10_000}[task]
until, dt, tau, E_L, theta, v_r, refractory = (100.0 if task == "one" else 1000.0), 0.1, 10.0, -65.0, -50.0, -65.0, 20
drive = {"one": 40.0 * 0.5, "fi": 40.0 * np.linspace(0, 1.5, 1000), "noisy": 10.0}[task]
v, left, count = np.full(n, E_L), np.zeros(n, dtype=int), np.zeros(n, dtype=int)
rng, decay, sd = np.random.default_rng(1), np.exp(-dt / tau), 5.0 * np.sqrt(2 * dt / tau)
target, spikes = E_L + drive, []
begin = time.perf_counter()
for k in range(round(until / dt)):
    moved = target + (v - target) * decay
    if task == "noisy":
        moved = moved + sd * rng.standard_normal(n)
    v = np.where(left > 0, v, moved)
    left -= 1
    fired = v > theta
    if fired.any():
        v[fired], left[fired] = v_r, refractory
        count += fired
        spikes.append((k, np.flatnonzero(fired)))
print(json.dumps({"loop": time.perf_counter() - begin, "rate": float(count.mean() / until * 1000)}))
