"""A second process loads what the first one compiled, without Numba, and gives the same bits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = {
    "clock": """
        model = rb.LIFexp(tau_s="3 ms")
        given = {"spikes": rb.poisson("2 kHz", weight="0.1 nA"), "I": rb.sine("0.2 nA", 40, offset="0.2 nA"), "n": 700}
        run = rb.simulate(model, until=100, engine=rb.Clock(threads=2), seed=3, record="v", **given)
        times, states = run.spikes.times, run.v
    """,
    "noise": """
        model = rb.Neuron(
            evolve="tau dv/dt = E_L - v + mu + sigma*sqrt(2*tau)*xi", hazard="exp((v - theta)/delta_u)/tau_0",
            reset="v <- v_r", refractory="2 ms", mu=12.0, sigma=4.0, tau=10.0, E_L=-65.0, theta=-50.0, v_r=-65.0,
            delta_u=2.0, tau_0=5.0)
        run = rb.simulate(model, until=100, engine=rb.Clock(), n=600, seed=3, record=False)
        times, states = run.spikes.times, run.final["v"]
    """,
    "network": """
        cell = rb.LIFexp(tau_s="3 ms")
        net = rb.Network()
        E = net.add("E", 200, cell, I="0.25 nA", v=rb.uniform("-70 mV", "-50 mV"))
        net.connect(E, E, p=0.1, weight="0.01 nA", delay=rb.uniform("0.5 ms", "3 ms"))
        run = rb.simulate(net, until=100, engine=rb.Clock(), seed=3)
        times, states = run["E"].spikes.times, run["E"].final["v"]
    """,
    "markov": """
        from rheobase.engines.markov import simulate_markov
        from rheobase.model.markov import MarkovNeuron
        model = MarkovNeuron(["free"], {"free -> free": "f*u"}, spike="free -> free", start="free", f="200 Hz")
        run = simulate_markov(model, 1000.0, n=150, seed=1, inputs={"u": 1.0}, compiled=True)
        times, states = np.concatenate(list(run.spikes)), np.zeros(1)
    """,
}
EXACT = """
        from rheobase.engines import exact
        exact._MANY = 0
        model = rb.LIFexp(tau_s="3 ms")
        given = {"spikes": rb.poisson("2 kHz", weight="0.08 nA"), "I": rb.sine("0.1 nA", 40, offset="0.1 nA"), "n": 20}
        run = rb.simulate(model, until=100, engine=rb.Exact(), seed=4, record="v", **given)
        times, states = run.spikes.times, run.v
"""


def _twice(script: str, folder: Path) -> None:
    text = "\n".join(line[8:] for line in script.splitlines())
    text = "import sys\nimport numpy as np\nimport rheobase as rb\n" + text
    text += "\nprint(len(times), times.tobytes().hex(), np.ascontiguousarray(states).tobytes().hex())"
    text += "\nprint('numba' in sys.modules)"
    setting = {**os.environ, "RHEOBASE_CACHE": str(folder)}
    done = [
        subprocess.run([sys.executable, "-c", text], env=setting, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    (cold, cold_numba), (warm, warm_numba) = (out.splitlines() for out in done)
    assert int(cold.split()[0]) > 20
    assert cold == warm
    assert (cold_numba, warm_numba) == ("True", "False")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_warm_process_does_without_numba(name: str, tmp_path: Path) -> None:
    _twice(SCRIPTS[name], tmp_path)


@pytest.mark.slow
def test_a_warm_exact_run_does_without_numba(tmp_path: Path) -> None:
    _twice(EXACT, tmp_path)
