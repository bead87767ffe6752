"""Networks on the exact engine: against 30-digit references, NEST, unconnected neurons, and the clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rheobase as rb

DATA = Path(__file__).parents[1] / "data"
CLOSED = json.loads((DATA / "closed_form.json").read_text())["D_networks"]["rows"]

FLOWS = {
    "exp": ("tau_e dI_e/dt = -I_e\ntau_i dI_i/dt = -I_i", "I_e <- I_e + w_i", "I_i <- I_i + w_i"),
    "alpha": (
        "tau_e dx_e/dt = -x_e\ntau_e dI_e/dt = x_e*2.718281828459045 - I_e\n"
        "tau_i dx_i/dt = -x_i\ntau_i dI_i/dt = x_i*2.718281828459045 - I_i",
        "x_e <- x_e + w_i",
        "x_i <- x_i + w_i",
    ),
    "delta": ("", "v <- v + w_i", "v <- v + w_i"),
}


def closed_form(row: dict[str, Any]) -> rb.Network:
    kind = row["kind"]
    flow, exc, inh = FLOWS[kind]
    drive = "I_0 + I_e + I_i" if kind != "delta" else "I_0"
    names = {"tau": "tau_m", "R": "R", "v_rest": "v_rest", "theta": "v_thresh", "v_r": "v_reset", "I_0": "I_e"}
    names |= {"v": "v0"} | ({} if kind == "delta" else {"tau_e": "tau_e", "tau_i": "tau_i"})
    cell = rb.Neuron(
        evolve=f"tau dv/dt = v_rest - v + R*({drive})\n{flow}",
        receive={"exc": exc, "inh": inh},
        threshold="v >= theta",
        reset="v <- v_r",
        refractory="t_ref",
        t_ref=[float(q["t_ref"]) for q in row["neurons"]],
        **{mine: [float(q[theirs]) for q in row["neurons"]] for mine, theirs in names.items()},
    )
    net = rb.Network()
    cells = net.add("cells", row["N"], cell)
    for port, sign in (("exc", 1.0), ("inh", -1.0)):
        mine = [s for s in row["synapses"] if s["w"] * sign > 0]
        if mine:
            pairs = tuple(np.array([s[end] for s in mine]) for end in ("pre", "post"))
            net.connect(
                cells, cells, to=port, pairs=pairs, weight=[s["w"] for s in mine], delay=[s["delay"] for s in mine]
            )
    times, targets, weights = (np.array([x[k] for x in row["inputs"]]) for k in ("t", "post", "w"))
    train = net.add("train", len(times), rb.spikes([[t - 0.125] for t in times]))
    net.connect(train, cells, to="exc", pairs=(np.arange(len(times)), targets), weight=weights, delay=0.125)
    return net


@pytest.mark.parametrize("row", CLOSED, ids=[f"{r['kind']}-{r['N']}-{i}" for i, r in enumerate(CLOSED)])
def test_closed_form(row: dict[str, Any]) -> None:
    run = rb.simulate(closed_form(row), until=row["T"], engine=rb.Exact(), seed=1)
    errors = []
    for i, reference in enumerate(row["spikes"]):
        found, wanted = run["cells"].spikes[i], np.array([float(x) for x in reference])
        assert len(found) == len(wanted), f"neuron {i} has {len(found)} spikes where there are {len(wanted)}"
        errors += np.abs(found - wanted).tolist()
    assert len(errors) >= 18
    assert max(errors) < 1e-9
    assert np.median(errors) < 1e-12
    print(max(errors), np.median(errors), len(errors))


def random_network(seed: int, kind: str, n: int = 8) -> tuple[rb.Network, rb.Neuron, dict[str, Any]]:
    """Return a recurrent network with continuous delays, and what one neuron of it needs to be run alone."""
    rng = np.random.default_rng(seed)
    cells = {
        "LIF": rb.LIF(),
        "two states": rb.CUBA(),
        "adaptive threshold": rb.ALIF(),
        "complex": rb.Neuron(
            evolve="tau dv/dt = -v - k*u + I\ntau_u du/dt = v - u",
            receive="v <- v + w_i",
            threshold="v >= theta",
            reset="v <- v_r\nu <- u + 0.2",
            refractory={"threshold": "1 ms"},
            tau=8.0,
            tau_u=6.0,
            k=3.0,
            theta=1.0,
            v_r=0.0,
        ),
        "equal": rb.Neuron(
            evolve="tau dv/dt = -v + s + I\ntau ds/dt = -s",
            receive={"a": "s <- s + w_i", "b": "v <- v + w_i*(1 - v)"},
            threshold="v >= theta",
            reset="v <- v_r",
            refractory={"v": "1 ms", "s": "0.5 ms"},
            tau=8.0,
            theta=1.0,
            v_r=0.0,
        ),
    }
    cell = cells[kind]
    scale = {"LIF": 20.0, "two states": 20.0}.get(kind, 1.0)
    values: dict[str, Any] = {}
    if "I" in (*cell.inputs, *cell.parameters):
        values["I"] = (
            rng.uniform(0.2, 0.5, n)
            if kind == "LIF"
            else rng.uniform(0.3, 0.9, n)
            if kind == "adaptive threshold"
            else rng.uniform(1.0, 9.0, n)
        )
    net = rb.Network()
    group = net.add("cells", n, cell, **values)
    trains = [np.sort(rng.uniform(0, 150, 6)) for _ in range(n)]
    source = net.add("source", n, rb.spikes(trains))
    links = []
    for port in cell.ports:
        pre, post = rng.integers(0, n, 20), rng.integers(0, n, 20)
        weight, delay = rng.uniform(-0.2, 0.3, 20) * scale, rng.uniform(0.7, 9.0, 20)
        net.connect(group, group, to=port, pairs=(pre, post), weight=weight, delay=delay)
        net.connect(source, group, to=port, one_to_one=True, weight=0.3 * scale, delay=0.5)
        links.append((port, pre, post, weight, delay))
    return net, cell, {"values": values, "links": links, "trains": trains, "scale": scale}


@pytest.mark.parametrize("kind", ["LIF", "two states", "adaptive threshold", "complex", "equal"])
def test_each_neuron_alone_agrees(kind: str) -> None:
    """A neuron that is given as trains what the network sent it fires at the same times."""
    total = 0
    for seed in range(3):
        net, cell, given = random_network(seed, kind)
        run = rb.simulate(net, until=150, engine=rb.Exact(), seed=1, record=True, record_every=5.0)
        found = run["cells"].spikes
        for j in range(8):
            arrivals: dict[str, Any] = {}
            for port, pre, post, weight, delay in given["links"]:
                mine = [
                    (found[pre[e]] + delay[e], np.full(len(found[pre[e]]), weight[e]))
                    for e in np.flatnonzero(post == j)
                ]
                mine.append((given["trains"][j] + 0.5, np.full(6, 0.3 * given["scale"])))
                times, weights = (np.concatenate(x) for x in zip(*mine, strict=True))
                order = np.argsort(times, kind="stable")
                arrivals[port] = rb.spikes(times[order], weight=weights[order])
            own = {k: float(x[j]) for k, x in given["values"].items()}
            alone = rb.simulate(cell, until=150, engine=rb.Exact(), record=True, record_every=5.0, **own, **arrivals)
            assert len(alone.spikes[0]) == len(found[j])
            assert np.allclose(alone.spikes[0], found[j], rtol=0, atol=1e-10)
            for s in cell.states:
                assert np.allclose(getattr(alone, s), getattr(run["cells"], s)[j], rtol=1e-9, atol=1e-9)
            total += len(found[j])
    assert total > 100


NEST = json.loads((DATA / "nest_cases.json").read_text())["cases"]
LOSSLESS = next(c for c in NEST if c.get("id") == "iaf_psc_exp_ps_lossless_net")
MISSED = json.loads((DATA / "nest_misses.json").read_text())["case"]


def exponential(p: dict[str, Any], **values: Any) -> rb.Neuron:
    return rb.Neuron(
        evolve="tau dv/dt = E_L - v + R*(I_e + I_x + I_n)\ntau_x dI_x/dt = -I_x\ntau_n dI_n/dt = -I_n",
        receive={"exc": "I_x <- I_x + w_i", "inh": "I_n <- I_n + w_i"},
        threshold="v >= theta",
        reset="v <- v_r",
        refractory=p["t_ref"],
        tau=p["tau_m"],
        E_L=p["E_L"],
        R=p["tau_m"] / p["C_m"],
        I_e=p["I_e"],
        theta=p["V_th"],
        v_r=p["V_reset"],
        tau_x=p["tau_syn_ex"],
        tau_n=p["tau_syn_in"],
        v=p["V_m"],
    )


def test_nest_lossless_network() -> None:
    """Four recurrent neurons of NEST's model that misses no spike: the same times to 1e-6 ms."""
    net = rb.Network()
    cells = [net.add(f"cell {i}", 1, exponential(p)) for i, p in enumerate(LOSSLESS["params"])]
    for k, source in enumerate(LOSSLESS["inputs"]["spikes"]):
        train = net.add(f"input {k}", 1, rb.spikes(source["times"]))
        for i in source["targets"]:
            port = "exc" if source["weight"] > 0 else "inh"
            net.connect(train, cells[i], to=port, one_to_one=True, weight=source["weight"], delay=source["delay"])
    for pre, post, weight, delay in LOSSLESS["connections"]:
        port = "exc" if weight > 0 else "inh"
        net.connect(cells[int(pre)], cells[int(post)], to=port, one_to_one=True, weight=weight, delay=delay)
    run = rb.simulate(net, until=LOSSLESS["T_ms"], engine=rb.Exact(), seed=1)
    count = 0
    for i, wanted in enumerate(LOSSLESS["spikes"]):
        found = run[f"cell {i}"].spikes[0]
        assert len(found) == len(wanted)
        assert np.abs(found - wanted).max(initial=0.0) < LOSSLESS["tolerance"]["spike_ms"]
        count += len(found)
    assert count > 5


def test_nest_misses_spikes_that_are_there() -> None:
    """A potential that rises above threshold and falls below it within a step: NEST's precise model sees nothing."""
    p = MISSED["params"]
    arrivals = np.array(MISSED["spike_times"]) + MISSED["delay"]
    given = {"exc": rb.spikes(arrivals, weight=MISSED["weight"])}
    cell = exponential(p)
    assert MISSED["spikes"] == []
    found = rb.simulate(cell, until=MISSED["T_ms"], engine=rb.Exact(), **given).spikes[0]
    assert len(found) == 3
    # the truth without a solver: v(s) = R w tau_x/(tau_m - tau_x) (e^(-s/tau_m) - e^(-s/tau_x)), from the formula
    tau, tau_x = p["tau_m"], p["tau_syn_ex"]

    def rise(s: np.ndarray | float) -> Any:
        height = tau / p["C_m"] * MISSED["weight"] * tau_x / (tau - tau_x)
        return height * (np.exp(-s / tau) - np.exp(-s / tau_x)) - (p["V_th"] - p["E_L"])

    waits = found - arrivals
    assert np.all(np.abs(rise(waits)) < 1e-9)
    assert np.all(rise(waits - 1e-6) < 0)
    step = MISSED["resolution"]
    ends = np.ceil(arrivals / step) * step - arrivals
    assert np.all(rise(ends) < 0)  # at the end of the step it is over


def two_groups(n: int = 60) -> rb.Network:
    net = rb.Network()
    e = net.add("E", n, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    i = net.add("I", n // 4, rb.LIF(), I=rb.sine("0.15 nA", "20 Hz", offset="0.2 nA"), spikes=rb.poisson("200 Hz", 0.5))
    net.connect(e, e, to="exc", p=0.2, weight="1.62 mV", delay=rb.uniform("0.8 ms", "3 ms"))
    net.connect(e, i, indegree=10, weight="0.3 mV", delay="1 ms")
    net.connect(i, e, to="inh", p=0.2, weight="-3 mV", delay="1.2 ms")
    return net


def test_compiled_and_plain_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    from rheobase.engines import exact_network

    runs = []
    for price in (1e9, -1.0):
        monkeypatch.setattr(exact_network, "COMPILING", price)
        monkeypatch.setattr(exact_network, "waiting", lambda _: np.inf)
        runs.append(rb.simulate(two_groups(), until=100, engine=rb.Exact(), seed=2, record="v", record_every="2 ms"))
    plain, compiled = runs
    assert len(plain["E"].spikes.times) > 30
    assert len(plain["I"].spikes.times) > 10
    for name in ("E", "I"):
        assert plain[name].spikes.times.tobytes() == compiled[name].spikes.times.tobytes()
        assert plain[name].spikes.neurons.tobytes() == compiled[name].spikes.neurons.tobytes()
        assert plain[name].v.tobytes() == compiled[name].v.tobytes()


def test_an_unconnected_network_is_its_neurons() -> None:
    """With an input that jumps, a port from outside, and no projection: the engine of single neurons agrees."""
    net = rb.Network()
    current = rb.pulses("0.4 nA", ["10 ms", "50 ms"], "20 ms")
    trains = [[5.0, 12.0, 33.0], [61.0], []]
    net.add("cells", 3, rb.LIFexp(tau_s="3 ms"), I=current, spikes=rb.spikes(trains, weight="0.4 nA"))
    run = rb.simulate(net, until=100, engine=rb.Exact(), seed=1, record=True, record_every=1.0)["cells"]
    alone = rb.simulate(
        rb.LIFexp(tau_s="3 ms"),
        until=100,
        engine=rb.Exact(),
        n=3,
        I=current,
        spikes=rb.spikes(trains, weight="0.4 nA"),
        record=True,
        record_every=1.0,
    )
    assert len(alone.spikes.times) > 3
    assert np.allclose(run.spikes.times, alone.spikes.times, rtol=0, atol=1e-11)
    assert np.allclose(run.v, alone.v, rtol=1e-10)


@pytest.mark.parametrize("kind", ["delta", "exp", "alpha"])
def test_the_clock_converges_to_it(kind: str) -> None:
    """First spikes of a network: the clock's error is bounded by its step, and the slope against dt is 1."""
    row = next(r for r in CLOSED if r["kind"] == kind)
    net = closed_form(row)
    truth = rb.simulate(net, until=60, engine=rb.Exact(), seed=1)["cells"].spikes
    steps = [0.025, 0.0125, 0.00625]
    errors = []
    for dt in steps:
        found = rb.simulate(net, until=60, engine=rb.Clock(dt=dt), seed=1)["cells"].spikes
        late = [found[i][0] - truth[i][0] for i in range(len(truth)) if len(truth[i]) and len(found[i])]
        errors.append(np.mean(np.abs(late)))
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 0.6 < slope < 1.5, (slope, errors)


def test_a_runaway_is_told() -> None:
    net = rb.Network()
    hot = rb.Neuron(evolve="tau dv/dt = I - v", threshold="v > theta", reset="v <- v_r", tau=10, theta=1, v_r=2.0)
    net.add("hot", 3, hot, I=3.0)
    with pytest.raises(rb.InputError, match="without end"):
        rb.simulate(net, until=50, engine=rb.Exact(), seed=1)
    wild = rb.Neuron(evolve="dv/dt = 0", receive="v <- v + w_i", threshold="v > theta", reset="v <- v - theta", theta=1)
    net = rb.Network()
    cells = net.add("cells", 20, wild, v=1.5)
    net.connect(cells, cells, all_to_all=True, weight=0.6, delay=1)
    with pytest.raises(rb.InputError, match=r"runaway|without end"):
        rb.simulate(net, until=50, engine=rb.Exact(), seed=1)


def test_rows_that_are_not_exact_are_named() -> None:
    net = rb.Network()
    net.add("cells", 3, rb.AdEx(), I="0.5 nA")
    with pytest.raises(rb.NotExact, match="evolve row"):
        rb.simulate(net, until=50, engine=rb.Exact(), seed=1)


def test_compare_and_check_dt_know_networks() -> None:
    """What the clock adds to a network: nothing to its states, at most a step to its spikes, in the first order."""
    net = two_groups()
    found = rb.compare(net, until=12)[0]
    assert (found.missed, found.invented) == (0, 0)
    assert found.matched >= 3
    assert 0 < found.largest < 0.4
    assert found.trace["E.v"] < 1e-9
    assert found.first is not None
    fine = rb.check_dt(closed_form(CLOSED[0]), until=20)  # a delay of 0.125 ms: no step is longer
    assert fine.truth == "Exact()"
    assert fine.dts.tolist() == [0.1, 0.05, 0.025, 0.0125]
    assert np.all(np.diff(fine.spike_error) <= 0)
    assert 0.7 < fine.order["spikes"] < 1.4
    with pytest.raises(rb.InputError, match="Neuron or a Network"):
        rb.check_dt(3, until=20)  # type: ignore[arg-type]


def test_threads_give_the_same_bits() -> None:
    runs = [
        rb.simulate(two_groups(), until=100, engine=rb.Exact(threads=t), seed=2, record="v", record_every="2 ms")
        for t in (1, 2, 3)
    ]
    for other in runs[1:]:
        for name in ("E", "I"):
            assert other[name].spikes.times.tobytes() == runs[0][name].spikes.times.tobytes()
            assert other[name].spikes.neurons.tobytes() == runs[0][name].spikes.neurons.tobytes()
            assert other[name].v.tobytes() == runs[0][name].v.tobytes()
