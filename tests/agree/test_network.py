"""Networks on the clock engine: against NEST, against stepped neurons, and against the published rates."""

from __future__ import annotations

import json
import math
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


def mixture() -> rb.Network:
    """All that a network's loop can do: Poisson at ports and as sources, given trains, many delays, two rows."""
    net = rb.Network()
    e = net.add(
        "E", 300, rb.CUBA(), exc=rb.poisson(2000, weight=0.3, sources=8, on=5), v=rb.uniform("-60 mV", "-49 mV")
    )
    i = net.add("I", 100, rb.CUBA(), exc=rb.poisson(50, weight=2.0), inh=rb.poisson(3.0, weight=-2.0))
    turn = rb.Neuron(
        evolve="tau dv/dt = -v\ntau_g dg/dt = -g",
        receive={"gate": "g <- g + w_i*(1 - g)", "kick": "v <- v + 10*g + w_i"},
        threshold="v > 1",
        reset="v <- 0",
        tau=20.0,
        tau_g=5.0,
    )
    t = net.add("T", 60, turn)
    s = net.add("S", 250, rb.poisson("8 Hz"))
    given = net.add("given", 3, rb.spikes([[0, 1.5, 30], [4, 49.9], [50.1]]))
    net.connect(e, [e, i], to="exc", p=0.02, weight=rb.normal(1, 0.2), delay=rb.uniform(0.1, 13.0))
    net.connect(i, [e, i], to="inh", p=0.02, weight=-4, delay=1.5)
    net.connect(s, e, to="exc", p=0.05, weight=1, delay=rb.uniform(0.3, 2))
    net.connect(given, e, to="exc", p=0.5, weight=20, delay=rb.uniform(0.3, 20))
    net.connect(e, t, to="gate", p=0.1, weight=rb.uniform(0.1, 0.5), delay=rb.uniform(0.2, 1.0))
    net.connect(s, t, to="kick", p=0.1, weight=0.2, delay=0.7)
    return net


def assert_same(a: rb.NetworkRun, b: rb.NetworkRun) -> None:
    for name, x in a.populations.items():
        y = b[name]
        one, other = getattr(x, "spikes", x), getattr(y, "spikes", y)
        assert np.array_equal(one.times, other.times), name
        assert np.array_equal(one.neurons, other.neurons), name
        for s in getattr(x, "final", {}):
            assert np.array_equal(x.final[s], y.final[s]), (name, s)
        for s in getattr(x, "traces", {}):
            assert np.array_equal(x.traces[s], y.traces[s]), (name, s)


KEPT = {"seed": 3, "record": True, "record_every": 0.5, "record_neurons": [1, 5, 7]}


@pytest.fixture(scope="module")
def unbroken() -> rb.NetworkRun:
    return rb.simulate(mixture(), until=60, engine=rb.Clock(threads=1), **KEPT)


@pytest.mark.parametrize("threads", [2, 3, None])
def test_threads_do_not_change_a_bit(unbroken: rb.NetworkRun, threads: int | None) -> None:
    assert all(len(getattr(p, "spikes", p).times) > 3 for p in unbroken.populations.values())
    assert_same(unbroken, rb.simulate(mixture(), until=60, engine=rb.Clock(threads=threads), **KEPT))


def test_pieces_do_not_change_a_bit(unbroken: rb.NetworkRun, tmp_path: Path) -> None:
    """Also across thread counts, with spikes in flight, and through a file."""
    run = rb.simulate(mixture(), until=0.3, engine=rb.Clock(threads=2), **KEPT)
    run = run.resume(until="13.7 ms", threads=1)
    path = run.checkpoint(tmp_path / "piece")
    again = rb.restore(path, mixture())
    assert_same(run, again)
    assert_same(unbroken, again.resume(until=20.1).resume(until=60, threads=3))


def test_poisson_in_the_loop_is_poisson_from_a_list(unbroken: rb.NetworkRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rheobase.engines.groups.shower", lambda *given: None)
    assert_same(unbroken, rb.simulate(mixture(), until=60, engine=rb.Clock(threads=1), **KEPT))


@pytest.mark.parametrize("mean", [1e-5, 0.004, 1.6, 20.0])
def test_counts_that_16_bits_do_not_decide(mean: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million draws: hundreds of them have the bits of a limit, or lie beyond those that all are compared with."""
    sums = rb.Neuron(evolve="dc/dt = 0", receive="c <- c + w_i")
    found = []
    for _ in range(2):
        net = rb.Network()
        net.add("E", 5003, sums, c=0.0, spikes=rb.poisson(mean * 1e4, sources=1))
        net.add("F", 301, sums, c=0.0, spikes=rb.poisson(np.repeat([0.5, 1.0, 1.5], [101, 2, 198]) * mean * 1e4))
        run = rb.simulate(net, until=20, engine=rb.Clock(dt=0.1, threads=2), seed=7, record="c")
        found.append(np.concatenate([run["E"].c, run["F"].c]))
        monkeypatch.setattr("rheobase.engines.groups.shower", lambda *given: None)
    counts = np.diff(found[0], axis=1)
    assert counts[:5003].mean() == pytest.approx(mean, abs=5 * math.sqrt(mean / counts[:5003].size))
    assert np.array_equal(*found)


def test_plain_python_is_the_compiled_loop(unbroken: rb.NetworkRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rheobase.engines.network.SMALL", 10**9)
    plain = rb.simulate(mixture(), until=12, engine=rb.Clock(), **KEPT)
    compiled = unbroken.spikes
    early = compiled.times <= 12 + 1e-9
    assert np.array_equal(plain.spikes.times, compiled.times[early])
    assert np.array_equal(plain.spikes.neurons, compiled.neurons[early])


@pytest.mark.parametrize("threads", [1, 2])
def test_arrivals_that_do_not_add_act_one_by_one(threads: int) -> None:
    """A gate and a limit at which order matters: by step of sending, projection, source, synapse."""
    gate = rb.Neuron(
        evolve="tau dv/dt = -v\ntau_g dg/dt = -g",
        receive={"gate": "g <- g + w_i*(1 - g)\nv <- v*(1 - w_i)", "top": "v <- max(v, w_i)"},
        threshold="v > 5",
        reset="v <- 0",
        tau=20.0,
        tau_g=5.0,
    )
    n, m, dt, steps = 40, 300, 0.1, 400
    rng = np.random.default_rng(1)
    trains = [np.unique(rng.integers(1, steps - 60, 12)) * dt for _ in range(n)]
    links = {
        port: (rng.integers(0, n, m), rng.integers(0, n, m), rng.uniform(0.1, 0.9, m), rng.integers(1, 50, m))
        for port in ("gate", "top")
    }
    net = rb.Network()
    sources = net.add("sources", n, rb.spikes(trains))
    cells = net.add("cells", n, gate)
    for port, (pre, post, weight, delay) in links.items():
        for half in (slice(0, m // 2), slice(m // 2, m)):
            net.connect(
                sources, cells, to=port, pairs=(pre[half], post[half]), weight=weight[half], delay=delay[half] * dt
            )
    run = rb.simulate(net, until=steps * dt, engine=rb.Clock(dt, threads=threads), seed=1, record=True)
    v, g = np.zeros(n), np.zeros(n)
    sent = {k: [i for i in range(n) if np.any(np.abs(trains[i] - k * dt) < 1e-9)] for k in range(steps + 1)}
    for k in range(1, steps + 1):
        v, g = v * np.exp(-dt / 20), g * np.exp(-dt / 5)
        for port, (pre, post, weight, delay) in links.items():
            for before in range(50, 0, -1):
                for i in sent.get(k - before, []):
                    for half in (range(m // 2), range(m // 2, m)):
                        mine = [e for e in half if pre[e] == i and delay[e] == before]
                        for e in sorted(mine, key=lambda e: post[e]):
                            j, w = post[e], weight[e]
                            if port == "gate":
                                g[j], v[j] = g[j] + w * (1 - g[j]), v[j] * (1 - w)
                            else:
                                v[j] = max(v[j], w)
        assert np.allclose(run["cells"].g[:, k], g, rtol=1e-13, atol=0)
        assert np.allclose(run["cells"].v[:, k], v, rtol=1e-13, atol=0)


@pytest.mark.parametrize("precision", ["mixed", "float32"])
def test_precisions_keep_the_rate(precision: str) -> None:
    engine = rb.Clock(dt="0.1 ms", precision=precision)
    run = rb.simulate(cuba(), until="300 ms", engine=engine, seed=1, record=False)
    assert precision in repr(run)
    again = rb.simulate(cuba(), until="300 ms", engine=rb.Clock(precision=precision, threads=2), seed=1, record=False)
    assert_same(run, again)
    assert 4.0 < len(run.spikes.times) / run.n / 0.3 < 7.5
    full = rb.simulate(cuba(), until="10 ms", engine=rb.Clock(), seed=1, record=False)
    near = rb.simulate(cuba(), until="10 ms", engine=engine, seed=1, record=False)
    assert np.allclose(full["E"].final["v"], near["E"].final["v"], atol=1e-3)
