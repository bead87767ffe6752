"""Networks on the clock engine: against NEST, against stepped neurons, and against the published rates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

NEST = json.loads((Path(__file__).parents[1] / "data" / "nest_cases.json").read_text())["cases"]
NETWORKS = [c for c in NEST if c.get("connections") and not c["model"].endswith(("_ps", "_lossless"))]


def nest_neuron(model: str) -> rb.Neuron:
    values = {"tau": 1.0, "E_L": 0.0, "R": 1.0, "I_e": 0.0, "theta": 1.0, "v_r": 0.0, "refractory": 2.0}
    if model == "iaf_psc_delta":
        return rb.Neuron(
            evolve="tau dv/dt = E_L - v + R*I_e",
            receive={"exc": "v <- v + w_i", "inh": "v <- v + w_i"},
            threshold="v >= theta",
            reset="v <- v_r",
            **values,
        )
    return rb.Neuron(
        evolve="tau dv/dt = E_L - v + R*(I_e + I_x + I_n)\ntau_x dI_x/dt = -I_x\ntau_n dI_n/dt = -I_n",
        receive={"exc": "I_x <- I_x + w_i", "inh": "I_n <- I_n + w_i"},
        threshold="v >= theta",
        reset="v <- v_r",
        tau_x=1.0,
        tau_n=1.0,
        **values,
    )


@pytest.mark.parametrize("case", NETWORKS, ids=[c["id"] for c in NETWORKS])
def test_nest(case: dict) -> None:
    """Ten recurrent neurons with mixed delays: the same grid bins as NEST."""
    delta = case["model"] == "iaf_psc_delta"
    p = case["params"]
    unit = 1.0 if delta else 1e-3  # mV; pA -> nA

    def column(name: str) -> np.ndarray:
        return np.array([q[name] for q in p])

    values = {
        "tau": column("tau_m"),
        "E_L": column("E_L"),
        "R": column("tau_m") / column("C_m") * 1e3,
        "I_e": column("I_e") * 1e-3,
        "theta": column("V_th"),
        "v_r": column("V_reset"),
        "t_ref": column("t_ref"),
        "v": column("V_m"),
    }
    values |= {} if delta else {"tau_x": column("tau_syn_ex"), "tau_n": column("tau_syn_in")}
    net = rb.Network()
    cells = net.add("cells", case["n"], nest_neuron(case["model"]), **values)
    for k, source in enumerate(case["inputs"]["spikes"]):
        train = net.add(f"input {k}", 1, rb.spikes(source["times"]))
        targets = np.array(source["targets"])
        port = "exc" if source["weight"] > 0 else "inh"
        net.connect(
            train,
            cells,
            to=port,
            pairs=(np.zeros(len(targets), dtype=int), targets),
            weight=source["weight"] * unit,
            delay=source["delay"],
        )
    links = np.array(case["connections"])
    for port, mine in (("exc", links[links[:, 2] > 0]), ("inh", links[links[:, 2] < 0])):
        if len(mine):
            net.connect(
                cells,
                cells,
                to=port,
                pairs=(mine[:, 0].astype(int), mine[:, 1].astype(int)),
                weight=mine[:, 2] * unit,
                delay=mine[:, 3],
            )
    run = rb.simulate(net, until=case["T_ms"], engine=rb.Clock(dt=case["resolution_ms"]), seed=1)
    for i, wanted in enumerate(case["spikes"]):
        assert np.allclose(run["cells"].spikes[i], wanted, atol=1e-9)


def test_stepped_neurons_agree() -> None:
    """The same small network by hand: live neurons, and a list of what is due."""
    cell = rb.CUBA()
    n, dt, steps = 12, 0.5, 400
    rng = np.random.default_rng(3)
    pre, post = rng.integers(0, n, 60), rng.integers(0, n, 60)
    weight, delay = rng.uniform(-3, 4, 60), rng.integers(1, 9, 60)
    start = rng.uniform(-60, -50, n)
    net = rb.Network()
    group = net.add("cells", n, cell, v=start)
    net.connect(group, group, to="exc", pairs=(pre, post), weight=weight, delay=delay * dt)
    run = rb.simulate(net, until=steps * dt, engine=rb.Clock(dt=dt), seed=1)
    alone = rb.live(cell, dt=dt, n=n, v=start)
    due = np.zeros((steps + 20, n))
    order = np.argsort(pre, kind="stable")
    found: list[tuple[float, int]] = []
    for k in range(1, steps + 1):
        fired = alone.step(exc=due[k])
        for i in np.flatnonzero(fired):
            found.append((k * dt, int(i)))
            for e in order[pre[order] == i]:
                due[k + delay[e], post[e]] += weight[e]
    assert len(found) > 20
    assert [*zip(run["cells"].spikes.times.tolist(), run["cells"].spikes.neurons.tolist(), strict=True)] == found
    assert np.array_equal(run["cells"].final["v"], alone.v)


def cuba(n: int = 4000) -> rb.Network:
    net = rb.Network()
    e = net.add("E", n * 4 // 5, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    i = net.add("I", n // 5, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    net.connect(e, [e, i], to="exc", p=80 / n, weight="1.62 mV", delay="0.1 ms")
    net.connect(i, [e, i], to="inh", p=80 / n, weight="-9 mV", delay="0.1 ms")
    return net


def test_cuba_rate() -> None:
    """Vogels & Abbott's network, current form: 4.8 .. 6.6 Hz, irregular (Brette et al. 2007, benchmark 2)."""
    run = rb.simulate(cuba(), until="1 s", engine=rb.Clock(dt="0.1 ms"), seed=1, record=False)
    rate = run.spikes.n and len(run.spikes.times) / run.spikes.n
    assert 4.8 < rate < 6.6


def test_same_seed_same_bits() -> None:
    first = rb.simulate(cuba(1000), until="200 ms", engine=rb.Clock(dt="0.1 ms"), seed=5, record=False)
    again = rb.simulate(
        cuba(1000), until="200 ms", engine=rb.Clock(dt="0.1 ms"), seed=5, record="v", record_every="10 ms"
    )
    other = rb.simulate(cuba(1000), until="200 ms", engine=rb.Clock(dt="0.1 ms"), seed=6, record=False)
    assert np.array_equal(first.spikes.times, again.spikes.times)
    assert np.array_equal(first.spikes.neurons, again.spikes.neurons)
    assert not np.array_equal(first.spikes.times, other.spikes.times)
