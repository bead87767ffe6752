"""The page's JavaScript against the reference engine: the same spike steps, through Node."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rheobase as rb
from rheobase import random
from rheobase.emit.to_js import print_program
from rheobase.explorer.assets import engine_script
from rheobase.explorer.catalogue import describe_catalogue

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
    "CUBA": 15.0,
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
    dt, total, drive, jobs, wanted = 0.1, 600, drive_of(model), [], []
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


#: what the translation has to get right at once: words of JavaScript as names, functions, powers, t, a bound, two
#: refractory times, a port that does not simply add, jumps in order
ODD = rb.Neuron(
    evolve="""
    tau dv/dt = -v + where(v > new, abs(var), min(var, class_, 3)) + I*sin(t/5)**2 - u**3 + max(0, v)**0.5
    dlet/dt = -let*tanh(2*let)/tau + 0.01*floor(v) + sign(v - 0.2)/50
    du/dt = (0.3*v - u)/function
    v >= -1
    """,
    receive={"exc": "v <- v + w_i*(1 - let); u <- u + 0.1*w_i", "inh": "v <- v - w_i"},
    threshold="v > 1 + 0.2*u and not (let > 5)",
    reset="let <- let + v; v <- v/4; u <- u + delete",
    refractory={"v": "1.5 ms", "let": "3 ms"},
    **{"tau": 10.0, "var": 0.9, "class_": 0.7, "new": 0.1, "function": 20.0, "delete": 0.05},
    v=0.0,
    let=0.0,
    u=0.0,
    name="odd",
)


def test_names_functions_bounds_and_ports() -> None:
    rng = np.random.default_rng(3)
    exc, inh = (np.sort(rng.uniform(0, 200, 60)).round(1) for _ in range(2))
    run = rb.simulate(
        ODD,
        I=rb.step(2.0, on=5),
        exc=rb.spikes(exc, 0.3),
        inh=rb.spikes(inh, 0.2),
        until=200,
        engine=rb.Reference(0.1),
        seed=1,
    )
    job = {
        "program": "odd",
        "values": {n: q.value for n, q in ODD.parameters.items()},
        "initial": {n: q.value for n, q in ODD.initial.items()},
        "currents": {},
        "inputs": {"I": {"kind": "step", "amplitude": 2.0, "base": 0.0, "on": 5, "off": 1e9}},
        "ports": {"exc": [exc.tolist(), 0.3], "inh": [inh.tolist(), 0.2]},
        "dt": 0.1,
        "total": 2000,
        "seed": 1,
    }
    (found,) = run_node(f"const PROGRAMS = {{odd: {print_program(ODD, ['I'])}}};{RUN}", [job])
    assert len(found["steps"]) > 5
    assert found["steps"] == np.round(run.spikes[0] / 0.1).astype(int).tolist()
    for state in ODD.states:
        np.testing.assert_allclose(found["final"][state], run.final[state][0], rtol=1e-9)


def test_random_numbers_are_the_same_bits() -> None:
    script = """
    function answer([seed, n, k0, k1]) {
      const key = deriveKey(seed, "E", "noise", 3, "a longer name than eight"), hex = (x) => [...x].map((f) => {
        const view = new DataView(new ArrayBuffer(8));
        view.setFloat64(0, f);
        return view.getBigUint64(0).toString(16);
      });
      return [key.toString(), hex(uniforms(key, n, k0, k1)), hex(normals(key, n, k0, k1))];
    }
    """
    for seed, n, k0, k1 in ((1, 5, 0, 40), (2**31, 3, 7, 30), (12345, 1, 1000, 1501)):
        told, u, z = run_node(script, [seed, n, k0, k1])
        key = random.derive_key(seed, "E", "noise", 3, "a longer name than eight")
        keys = random.neuron_keys(key, 0, n)
        assert int(told) == key
        for wanted, found in ((random.uniforms, u), (random.normals, z)):
            bits = wanted(key, keys, k0, k1).view(np.uint64).ravel()
            assert [int(x, 16) for x in found] == bits.tolist()


def test_buckets_follow_the_rule_of_the_seed() -> None:
    data = json.loads((Path(__file__).parent.parent / "data" / "seeds_values.json").read_text(encoding="utf-8"))
    script = """
    function answer({tau, fires, refractory, clicks, until, frame}) {
      const water = new Water({tau, fires, refractory}), levels = {};
      for (let t = 0; t <= until; t += frame) {
        if (clicks.includes(t)) water.click(t);
        water.frame(t);
        levels[t] = water.level;
      }
      return {levels, spikes: water.spikes};
    }
    """
    for tau in (500, 1000, 3000):
        told = data[f"S000.widget.tau{tau}"]
        job = {"tau": tau, "fires": False, "refractory": 0, "clicks": [0], "until": 3200, "frame": told["frame_ms"]}
        found = run_node(script, job)["levels"]
        np.testing.assert_allclose([found[str(t)] for t in told["t_ms"]], told["level"], atol=told["abs_tol"], rtol=0)
    told = data["S000.widget.fires"]
    job = {
        "tau": told["tau_ms"],
        "fires": True,
        "refractory": told["tref_ms"],
        "clicks": told["clicks_ms"],
        "until": 9000,
    }
    assert run_node(script, job | {"frame": told["frame_ms"]})["spikes"] == told["fire_times_ms"]


def test_every_model_of_the_page_as_its_python_says() -> None:
    """All models of the page with each stimulus: the text that is copied gives the spike steps that are shown."""
    catalogue = describe_catalogue()
    known = {m["id"]: m for m in catalogue["models"]}
    models = [{**known.get(m.get("like"), {}), **m} for m in catalogue["models"] if m["group"] != "hidden"]
    script = f"""
    const PROGRAMS = [{", ".join(catalogue["programs"])}];
    function answer(models) {{
      return models.flatMap((model) => {{
        const setup = new Setup(model, PROGRAMS[model.program]);
        return (["LIF", "COBA"].includes(model.id) ? setup.kinds : [setup.kind]).map((kind) => {{
          setup.kind = kind;
          return {{id: model.id, kind, steps: setup.run("A").steps, dt: setup.dt, python: pythonText(setup)}};
        }});
      }});
    }}
    """
    shown = run_node(script, models)
    program = ["import rheobase as rb, json, sys", "out = []", "def print(x): out.append(x.tolist())"]
    program += [one["python"] for one in shown] + ["sys.stdout.write(json.dumps(out))"]
    done = subprocess.run([sys.executable, "-"], input="\n".join(program), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    trains = json.loads(done.stdout)
    assert len(trains) == len(shown) > 45
    wrong = [
        (one["id"], one["kind"])
        for one, times in zip(shown, trains, strict=True)
        if [round(t / one["dt"]) for t in times] != one["steps"]
    ]
    assert wrong == []
    assert sum(bool(one["steps"]) for one in shown) > 40
