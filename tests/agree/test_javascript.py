"""The page's JavaScript against the reference engine: the same spike steps, through Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

import rheobase as rb
from rheobase.emit.to_js import print_program
from rheobase.explorer.assets import engine_script

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed: the page's JavaScript cannot be run")

#: each model of the zoo, in each form that has rows of its own, with how strong a current is tried
MODELS: dict[str, tuple[rb.Neuron, float]] = {
    "IF": (rb.IF(), 0.2),
    "IAF": (rb.IAF(), 0.2),
    "LIF": (rb.LIF(), 0.8),
    "LIF conductance": (rb.LIF(form="conductance"), 0.8),
    "LIFexp": (rb.LIFexp(), 0.8),
    "LIFexp two ports": (rb.LIFexp(tau_e="3 ms", tau_i="8 ms", tau_s=None), 0.8),
    "LIFalpha": (rb.LIFalpha(), 0.8),
    "LIFbiexp": (rb.LIFbiexp(), 0.8),
    "CUBA": (rb.CUBA(), 0.0),
    "COBA": (rb.COBA(), 0.6),
    "ALIF": (rb.ALIF(), 2.0),
    "LIFsfa": (rb.LIFsfa(), 1.0),
    "MAT": (rb.MAT(), 1.0),
    "MihalasNiebur": (rb.MihalasNiebur(), 2.5),
    **{f"GLIF{level}": (rb.GLIF(level=level), 0.8) for level in range(1, 6)},
    "QIF": (rb.QIF(), 0.5),
    "EIF": (rb.EIF(), 2.0),
    "AdEx": (rb.AdEx(), 2.0),
    "Izhikevich": (rb.Izhikevich(), 20.0),
    "Izhikevich2007": (rb.Izhikevich2007(), 0.3),
    "HH": (rb.HH(), 0.02),
    "EscapeLIF": (rb.EscapeLIF(), 0.5),
    "SRM": (rb.SRM(), 0.5),
    "NoisyLIF": (rb.NoisyLIF(), 0.4),
    "NoisyLIF ou": (rb.NoisyLIF(form="ou"), 0.4),
}
#: what an arriving spike weighs, where it does not jump by 2 mV
WEIGHTS = {
    "COBA": 0.01,
    "MAT": 0.1,
    "HH": 5.0,
    **dict.fromkeys(["LIFexp", "LIFexp two ports", "LIFalpha", "LIFbiexp", "SRM"], 0.05),
    **{f"GLIF{level}": 0.05 for level in range(1, 6)},
}
SETS = 20


def run_node(script: str, jobs: Any) -> Any:
    """Return what the engine's script and a function `answer(jobs)` print."""
    assert NODE is not None
    text = f"{engine_script()}\n{script}\nprocess.stdout.write(JSON.stringify(answer({json.dumps(jobs)})));"
    done = subprocess.run([NODE, "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


RUN = """
function answer(jobs) {
  return jobs.map((job) => {
    const program = PROGRAMS[job.program], ports = {};
    for (const [port, [times, weight]] of Object.entries(job.ports)) {
      ports[port] = sampleTimes(times, weight, job.dt, program.additive.includes(port));
    }
    const inputs = {};
    for (const [name, stimulus] of Object.entries(job.inputs)) {
      inputs[name] = sampleCurrent(stimulus, job.dt, job.seed, name);
    }
    const s = new Simulation(program, {...job, inputs, ports, currents: job.currents});
    const spikes = [];
    for (let k = 0; k < job.total; k += 700) spikes.push(...s.advance(Math.min(k + 700, job.total)).spikes);
    const final = Object.fromEntries(Object.entries(s.at).map(([name, x]) => [name, x[0]]));
    return {steps: spikes.filter((_, i) => i % 2 === 0), final};
  });
}
"""


def drive_of(model: rb.Neuron) -> str | None:
    """Return the current that the page varies."""
    currents = [n for n in (*model.inputs, *model.parameters) if n == "I" or n.startswith("I_")]
    return next(iter(sorted(currents)), None)


def vary(model: rb.Neuron, rng: np.random.Generator) -> dict[str, float]:
    """Return legal values near those of the model."""
    out: dict[str, float] = {}
    fixed = {"v_min", "mV", "ms", "I_bias", "I"}
    for name, q in model.parameters.items():
        if name not in fixed and isinstance(q.value, float):
            voltage = model.unit(name) == "mV" and q.value < 0
            out[name] = q.value + rng.uniform(-2, 2) if voltage else q.value * rng.uniform(0.8, 1.25)
    return out


@pytest.mark.parametrize("name", MODELS)
def test_same_spike_steps_as_the_reference_engine(name: str) -> None:
    model, strength = MODELS[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    dt, total, drive, jobs, wanted = 0.1, 1200, drive_of(model), [], []
    for seed in range(SETS):
        values = vary(model, rng)
        changed = model.replace(**values)
        amplitude = float(strength * rng.uniform(0.5, 1.5))
        on = float(rng.uniform(0, 10))
        times = np.sort(rng.uniform(0.2, 100, 30)).round(3)
        weight = WEIGHTS.get(name, 2.0 if model.unit("v") == "mV" else 0.1)
        given: dict[str, Any] = {p: rb.spikes(times, weight) for p in model.ports[:1]}
        if drive:
            given[drive] = rb.step(amplitude, on=on, off=100)
        until = total * dt
        run = rb.simulate(changed, until=until, engine=rb.Reference(dt), seed=seed, record=False, **given)
        wanted.append((run, changed))
        stimulus = {"kind": "step", "amplitude": amplitude, "base": 0.0, "on": on, "off": 100.0}
        jobs.append(
            {
                "program": name,
                "values": {n: q.value for n, q in changed.parameters.items() if n != drive},
                "initial": {n: q.value for n, q in changed.initial.items()},
                "currents": {n: q.value for n, q in changed.parameters.items() if n == "I" or n.startswith("I_")},
                "inputs": {drive: stimulus} if drive else {},
                "ports": {p: [times.tolist(), weight] for p in model.ports[:1]},
                "dt": dt,
                "total": total,
                "seed": seed,
            }
        )
    program = print_program(model, [drive] if drive else [])
    found = run_node(f"const PROGRAMS = {{{json.dumps(name)}: {program}}};{RUN}", jobs)
    spikes = 0
    for one, (run, changed) in zip(found, wanted, strict=True):
        assert one["steps"] == np.round(run.spikes[0] / dt).astype(int).tolist()
        for state in changed.states:
            np.testing.assert_allclose(one["final"][state], run.final[state], rtol=1e-9, atol=1e-9)
        spikes += len(one["steps"])
    assert spikes > 2 * SETS, f"{name} hardly fires here, which proves nothing"
