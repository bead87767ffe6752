"""Plastic synapses as closed forms, as NEST, and as a naive loop over every step and synapse has them.

NEST's pre and post spikes are those of parrot neurons, its delay dendritic: a presynaptic spike is at the synapse when
it is emitted, a postsynaptic one d later. A pair that meets at the synapse in one instant does not count.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rheobase as rb

DATA = Path(__file__).parents[1] / "data"
CLOSED = json.loads((DATA / "closed_form.json").read_text())
NEST = {c["id"]: c for c in json.loads((DATA / "nest_cases.json").read_text())["cases"]}
DT = 0.1
#: What arrives at `exc` adds up in g; what arrives at `drive` makes it fire.
COUNTER = rb.Neuron(
    evolve="dv/dt = 0; dg/dt = 0",
    receive={"drive": "v <- v + w_i", "exc": "g <- g + w_i"},
    threshold="v > 0.5",
    reset="v <- 0",
)


def one_pair(
    synapse: rb.Synapse, weight: float, pre: Sequence[float], post: Sequence[float], delay: float, until: float
) -> tuple[np.ndarray, float]:
    """Return what each presynaptic spike delivered, and the weight at the end."""
    net = rb.Network()
    source = net.add("source", 1, rb.spikes(np.array(pre)))
    drive = net.add("drive", 1, rb.spikes(np.array(post) - DT))
    target = net.add("target", 1, COUNTER)
    net.connect(drive, target, to="drive", one_to_one=True, weight=1, delay=DT)
    made = net.connect(source, target, to="exc", one_to_one=True, weight=weight, delay=delay, synapse=synapse)
    run = rb.simulate(net, until=until, dt=DT, seed=1, record="g")
    assert np.allclose(run["target"].spikes[0], [t for t in post if t <= until])
    at = np.rint((np.array(pre) + delay) / DT).astype(int)
    g = run["target"].g[0]
    return g[at] - g[at - 1], float(run.weights(made)[0])


@pytest.mark.parametrize(
    ("case", "synapse"),
    [
        ("additive_all_to_all", lambda c: rb.stdp(**c)),
        ("additive_nearest_symmetric", lambda c: rb.stdp(**c, pairing="nearest")),
        ("additive_asym_tau", lambda c: rb.stdp(**c)),
    ],
)
def test_pair_rules_are_their_closed_forms(case: str, synapse: Any) -> None:
    """The data have no delay; here spikes are sent one step before they arrive."""
    d = CLOSED["J_stdp"]
    values = {k: float(d[case][k]) for k in ("A_plus", "A_minus", "tau_plus", "tau_minus")}
    pre, post = (np.array(d[k], dtype=float) for k in ("pre", "post"))
    _, w = one_pair(synapse(values), 0.5, pre - DT, post, DT, 105.0)
    assert w - 0.5 == pytest.approx(float(d[case]["dw"]), rel=1e-9)


def test_multiplicative_and_triplet_rules_are_their_closed_forms() -> None:
    d = CLOSED["J_stdp"]
    pre, post = (np.array(d[k], dtype=float) for k in ("pre", "post"))
    _, w = one_pair(rb.stdp(0.01, 0.012, 20, 20, rule="multiplicative"), 0.5, pre - DT, post, DT, 105.0)
    assert w == pytest.approx(float(d["multiplicative_all_to_all"]["w_end"]), rel=1e-9)
    c = d["triplet_visual_cortex"]
    values = {k: float(c[k]) for k in ("tau_plus", "tau_x", "tau_minus", "tau_y")}
    amounts = {f"A{i}_{name}": float(c[f"A{i}{name[0]}"]) for i in (2, 3) for name in ("plus", "minus")}
    _, w = one_pair(rb.triplet_stdp(**values, **amounts), 0.5, pre - DT, post, DT, 105.0)
    assert w - 0.5 == pytest.approx(float(c["dw"]), rel=1e-9)


@pytest.mark.parametrize("row", CLOSED["J_stdp"]["pairing_curve"], ids=lambda row: row["dt"])
def test_one_pair_gives_the_window(row: dict[str, str]) -> None:
    post = 60.0 + float(row["dt"])
    _, w = one_pair(rb.stdp(0.01, 0.012, 20, 20), 0.5, [60.0 - DT], [post], DT, 120.0)
    assert w - 0.5 == pytest.approx(float(row["dw"]), rel=1e-9)


@pytest.mark.parametrize("row", CLOSED["J_tsodyks_markram"]["rows"], ids=lambda row: row["U"])
def test_short_term_plasticity_is_its_closed_form(row: dict[str, Any]) -> None:
    synapse = rb.tsodyks_markram(float(row["U"]), float(row["tau_rec"]), float(row["tau_fac"]))
    gap = 1000.0 / float(row["rate_Hz"])
    got, w = one_pair(synapse, 1.0, gap * np.arange(1, 201), [], 1.0, 201 * gap)
    assert np.allclose(got[:12], np.array(row["release_u_times_x_first_12"], dtype=float), rtol=1e-9, atol=0)
    assert got[-1] == pytest.approx(float(row["release_steady"]), rel=1e-9)
    assert w == 1.0


def _nest(case: str) -> rb.Synapse:
    c = NEST[case]
    p, after = c["params"], c["all_params_after"]
    down = p["lambda"] * p.get("alpha", 1.0)
    tau = {"tau_plus": after.get("tau_plus", 20.0), "tau_minus": c["post_params"].get("tau_minus", 20.0)}
    if case == "stdp_pl_hom":  # Morrison, Aertsen & Diesmann (2007): a power law
        return rb.Synapse(
            evolve="tau_plus dx/dt = -x; tau_minus dy/dt = -y",
            on_pre="w <- w - A_minus*w*y; x <- x + 1",
            on_post="w <- w + A_plus*w**mu*x; y <- y + 1",
            delay="dendritic",
            A_plus=p["lambda"],
            A_minus=down,
            mu=p["mu"],
            **tau,
        )
    if case == "stdp_nn_restr":  # each spike is in one pair: x counts if no post came since, y if no pre came since
        return rb.Synapse(
            evolve="tau dx/dt = -x; tau du/dt = -u; tau dy/dt = -y; tau dz/dt = -z; w >= 0; w <= w_max",
            on_pre="w <- w - A*where(y > z, y, 0); x <- 1; z <- 1",
            on_post="w <- w + A*where(x >= u, x, 0); y <- 1; u <- 1",
            delay="dendritic",
            A=p["lambda"] * p["Wmax"],
            tau=20,
            w_max=p["Wmax"],
        )
    rule = "multiplicative" if p["mu_plus"] else "additive"
    pairing = "nearest" if "nn" in case else "all"
    return rb.stdp(p["lambda"], down, **tau, w_max=p["Wmax"], rule=rule, pairing=pairing, delay="dendritic")


@pytest.mark.parametrize("case", [i for i in NEST if i.startswith("stdp_")])
def test_timing_dependent_plasticity_is_nests(case: str) -> None:
    c = NEST[case]
    pre, post, delay = c["pre_spikes_at_neuron"], c["post_spikes_at_neuron"], c["synaptic_delay_ms"]
    got, _ = one_pair(_nest(case), c["params"]["weight"], pre, post, delay, c["T_ms"])
    want = c["weight_at_each_pre_spike"]
    assert want["times"] == pre
    assert np.allclose(got, want["weights"], rtol=c["tolerance"]["weight_rel"], atol=0)


@pytest.mark.parametrize("case", ["tsodyks_dep", "tsodyks2_dep"])
def test_short_term_plasticity_is_nests(case: str) -> None:
    """What is delivered, and the membrane potential that it drives."""
    c = NEST[case]
    p, cell = c["params"], c["neuron_params"]
    synapse = rb.tsodyks_markram(p["U"], p["tau_rec"], p["tau_fac"])
    if case == "tsodyks_dep":  # Tsodyks, Uziel & Markram (2000): resources are active, then recover; coupled rows
        synapse = rb.Synapse(
            evolve="dx/dt = z/tau_rec; dy/dt = -y/tau_psc; dz/dt = y/tau_psc - z/tau_rec",
            on_pre="w_i <- w*U*x; y <- y + U*x; x <- x - U*x",
            x=1,
            U=p["U"],
            tau_rec=p["tau_rec"],
            tau_psc=p["tau_psc"],
        )
    want = c["weight_recorder"]
    got, _ = one_pair(synapse, p["weight"], want["times"], [], c["delay_ms"], c["T_ms"])
    assert np.allclose(got, want["effective_weights"], rtol=1e-12, atol=0)
    neuron = rb.LIFexp(
        tau=cell["tau_m"],
        R=cell["tau_m"] / cell["C_m"] * 1e3,
        E_L=cell["E_L"],
        theta=cell["V_th"],
        v_r=cell["V_reset"],
        tau_e=cell["tau_syn_ex"],
        tau_i=cell["tau_syn_in"],
        v=cell["E_L"],
    )
    net = rb.Network()
    source, target = net.add("source", 1, rb.spikes(want["times"])), net.add("target", 1, neuron, I=0)
    net.connect(
        source, target, to="exc", one_to_one=True, weight=p["weight"] * 1e-3, delay=c["delay_ms"], synapse=synapse
    )
    run = rb.simulate(net, until=c["T_ms"], dt=DT, seed=1, record="v")
    first, _, step, count = c["trace"]["times"]
    at = np.rint((first + step * np.arange(int(count))) / DT).astype(int)
    assert np.allclose(run["target"].v[0][at], c["trace"]["values"]["V_m"], rtol=0, atol=c["tolerance"]["V_m_mV"])


def naive(
    synapse: rb.Synapse,
    edges: list[tuple[int, int, float, int]],
    pres: list[set[int]],
    posts: list[set[int]],
    steps: int,
) -> np.ndarray:
    """Return the weights of pair rules by a loop over every step and synapse, every trace decaying at every step."""
    p = {n: synapse.value(n) for n in synapse.parameters}
    fall = {"x": np.exp(-DT / p["tau_plus"]), "y": np.exp(-DT / p["tau_minus"])}
    near, soft = "nearest" in synapse.about, "multiplicative" in synapse.about
    out = []
    for i, j, w, d in edges:
        x = y = 0.0
        axonal = synapse.delay == "axonal"
        for k in range(1, steps + 1):  # the time of the soma: dendritic synapses are d behind
            x, y = x * fall["x"], y * fall["y"]
            pre, post = k - d in pres[i], (k if axonal else k - 2 * d) in posts[j]
            before = x, y
            for what in ("pre", "post") if axonal else ("post", "pre"):
                if what == "pre" and pre:
                    w = max(w - p["A_minus"] * (w if soft else p["w_max"]) * before[1], 0.0)
                    x = 1.0 if near else x + 1.0
                if what == "post" and post:
                    w = min(w + p["A_plus"] * (p["w_max"] - w if soft else p["w_max"]) * before[0], p["w_max"])
                    y = 1.0 if near else y + 1.0
        out.append(w)
    return np.array(out)


@pytest.mark.parametrize("delay", ["axonal", "dendritic"])
@pytest.mark.parametrize(("rule", "pairing"), [("additive", "all"), ("multiplicative", "nearest")])
@pytest.mark.parametrize("threads", [1, 2])
def test_event_driven_is_every_step_at_every_synapse(delay: str, rule: str, pairing: str, threads: int) -> None:
    n, m, steps = 40, 150, 1500
    rng = np.random.default_rng(3)
    trains, drives = ([np.unique(rng.integers(1, steps, 25)) for _ in range(n)] for _ in range(2))
    pre, post, late = rng.integers(0, n, m), rng.integers(0, n, m), rng.integers(1, 40, m)
    weight = rng.uniform(0, 1, m)
    synapse = rb.stdp(0.03, 0.04, 15, 30, w_max=1.0, rule=rule, pairing=pairing, delay=delay)
    net = rb.Network()
    sources = net.add("sources", n, rb.spikes([t * DT for t in trains]))
    drive = net.add("drive", n, rb.spikes([(t - 1) * DT for t in drives]))
    net.add("others", 17, COUNTER)  # in one group with the cells
    cells = net.add("cells", n, COUNTER)
    net.connect(drive, cells, to="drive", one_to_one=True, weight=1, delay=DT)
    made = net.connect(sources, cells, to="exc", pairs=(pre, post), weight=weight, delay=late * DT, synapse=synapse)
    run = rb.simulate(net, until=steps * DT, engine=rb.Clock(DT, threads=threads), seed=1, record=False)
    order = np.lexsort((np.arange(m), post, pre))
    edges = [(int(pre[e]), int(post[e]), float(weight[e]), int(late[e])) for e in order]
    want = naive(synapse, edges, [{*map(int, t)} for t in trains], [{*map(int, t)} for t in drives], steps)
    assert np.allclose(run.weights(made), want, rtol=1e-11, atol=1e-14)
    assert np.array_equal(made.synapses(1).pre, pre[order])
    assert np.std(want - weight[order]) > 0.01


def learning(plastic: bool = True, n: int = 200) -> rb.Network:
    net = rb.Network()
    outside = net.add("outside", 60, rb.poisson("40 Hz"))
    E = net.add("E", n, rb.LIF(), I=0.19)
    fast = rb.stdp(0.02, 0.01, w_max="6 mV")
    back = rb.stdp(0.05, 0.02, w_max="1 mV", delay="dendritic")
    release = rb.tsodyks_markram(tau_facil="100 ms")
    net.connect(outside, E, p=0.3, weight=rb.uniform(1, 3), delay="1 ms", synapse=fast, plastic=plastic, name="a")
    net.connect(E, E, p=0.1, weight=0.3, delay=rb.uniform(0.5, 3), synapse=back, plastic=plastic, name="b")
    net.connect(E[:100], E, p=0.1, weight=0.3, delay="1.5 ms", synapse=release, plastic=plastic, name="c")
    net.connect(E, E, p=0.1, weight=-0.3, delay="1.5 ms", name="d")
    F = net.add("F", 90, rb.LIFexp(), I=0.19)
    net.connect(E, F, p=0.1, weight=0.1, delay="2 ms", synapse=rb.triplet_stdp(), plastic=plastic, name="e")
    given = rb.reward_stdp(w_max="20 mV")
    net.connect(F, E, p=0.1, weight=1, delay=rb.uniform(0.3, 2), synapse=given, plastic=plastic, reward=F, name="f")
    return net


def assert_same(a: Any, b: Any) -> None:
    assert np.array_equal(a.spikes.times, b.spikes.times)
    assert np.array_equal(a.spikes.neurons, b.spikes.neurons)
    for name in "abcdef":
        assert np.array_equal(a.weights(name), b.weights(name))
    assert np.array_equal(a.weights("c", "x"), b.weights("c", "x"))


def test_same_seed_same_bits(tmp_path: Path) -> None:
    """One thread or three, in pieces, from a file."""
    whole = rb.simulate(learning(), until=200, engine=rb.Clock(threads=1), seed=5, record=False)
    assert len(whole.spikes.times) > 1000
    assert np.ptp(whole.weights("a")) > 2
    assert_same(whole, rb.simulate(learning(), until=200, engine=rb.Clock(threads=3), seed=5, record=False))
    part = rb.simulate(learning(), until=60, engine=rb.Clock(threads=2), seed=5, record=False).resume(110)
    again = rb.restore(part.checkpoint(tmp_path / "part.npz"), learning())
    assert np.array_equal(again.weights("b"), part.weights("b"))
    assert_same(whole, again.resume(200, threads=1))
    with pytest.raises(rb.InputError, match="another network"):
        rb.restore(tmp_path / "part.npz", learning(plastic=False))


def test_plain_python_has_the_bits_of_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    run = rb.simulate(learning(n=110), until=60, engine=rb.Clock(threads=1), seed=5, record=False)
    monkeypatch.setattr("rheobase.engines.network.SMALL", 1 << 60)
    assert_same(run, rb.simulate(learning(n=110), until=60, seed=5, record=False))


def test_plastic_false_leaves_static_synapses() -> None:
    net, bare = learning(plastic=False), learning(plastic=False)
    for p in bare.projections:
        object.__setattr__(p, "synapse", None)
    run = rb.simulate(net, until=100, seed=5, record=False)
    static = rb.simulate(bare, until=100, seed=5, record=False)
    assert np.array_equal(run.spikes.times, static.spikes.times)
    for name in "abdef":
        p = next(p for p in net.projections if p.name == name)
        assert np.array_equal(run.weights(name), np.broadcast_to(p.synapses(5).weight, (len(p.synapses(5)),)))
    assert "STDP" not in net.describe()
    assert "STDP" in learning().describe()


def test_arrivals_that_act_one_by_one_can_be_plastic() -> None:
    """A port whose row does not add: v <- max(v, w_i), with depressing synapses."""
    top = rb.Neuron(evolve="dv/dt = 0", receive="v <- v + w_i*(1 - v)", threshold="v > 2", reset="v <- 0")
    net = rb.Network()
    source, target = net.add("source", 2, rb.spikes([[1.0, 3.0], [2.0]])), net.add("target", 1, top)
    net.connect(source, target, all_to_all=True, weight=0.5, delay=0.5, synapse=rb.Synapse(on_pre="w_i <- w; w <- w/2"))
    run = rb.simulate(net, until=5, dt=DT, seed=1, record="v")
    assert run["target"].v[0][-1] == pytest.approx(1 - 0.5 * 0.5 * 0.75)


def test_what_is_driven_by_another_state_is_carried_exactly() -> None:
    """A chain of traces read at the end of the run, and at an event, is its closed form."""
    rows = rb.Synapse(evolve="tau dx/dt = -x; tau dy/dt = x - y", on_pre="x <- x + 1; w_i <- y", tau=5)
    got, _ = one_pair(rows, 1.0, [10.0, 22.0], [], 1.0, 40.0)
    assert got[1] == pytest.approx(12 / 5 * np.exp(-12 / 5), rel=1e-13)
    net = rb.Network()
    source, target = net.add("source", 1, rb.spikes([10.0])), net.add("target", 1, COUNTER)
    made = net.connect(source, target, to="exc", one_to_one=True, weight=1, delay=1, synapse=rows)
    run = rb.simulate(net, until=31, dt=DT, seed=1)
    assert run.weights(made, "y")[0] == pytest.approx(4 * np.exp(-4), rel=1e-13)


def rewarded(critic: bool) -> rb.Network:
    """Return a network whose one synapse is rewarded at 50 and 100 ms."""
    net = rb.Network()
    source, drive = net.add("source", 1, rb.spikes(PRE - DT)), net.add("drive", 1, rb.spikes(POST - DT))
    target, judge = net.add("target", 1, COUNTER), net.add("judge", 2, rb.spikes([[49.5], [99.5]]))
    net.connect(drive, target, to="drive", one_to_one=True, weight=1, delay=DT)
    net.connect(
        source,
        target,
        to="exc",
        one_to_one=True,
        weight=0.5,
        delay=DT if not critic else 0.5,
        synapse=rb.reward_stdp(tau_c="100 ms", tau_d="40 ms"),
        reward=judge if critic else ([50.0, 100.0], [1.0, -0.2]),
        name="learns",
    )
    return net


PRE, POST = np.array([10.0, 30.0, 80.0]), np.array([12.0, 28.0, 81.0])


@pytest.mark.parametrize("critic", [False, True])
def test_reward_turns_eligibility_into_weight(critic: bool) -> None:
    """Izhikevich (2007): dw/dt = c*D, both decaying, integrated from event to event; also in pieces."""
    run = rb.simulate(rewarded(critic), until=150, dt=DT, seed=1)
    late = 0.4 if critic else 0.0
    events = [(t + late, "pre", 0.0) for t in PRE] + [(t, "post", 0.0) for t in POST]
    events += [(50.0, "reward", 1.0), (100.0, "reward", 1.0 if critic else -0.2), (150.0, "end", 0.0)]
    x = y = c = dopamine = now = 0.0
    w, rate = 0.5, 1 / 100 + 1 / 40
    for t, what, amount in sorted(events):
        h, now = t - now, t
        w += c * dopamine * -np.expm1(-rate * h) / rate
        x, y, c, dopamine = x * np.exp(-h / 20), y * np.exp(-h / 20), c * np.exp(-h / 100), dopamine * np.exp(-h / 40)
        if what == "pre":
            c, x = c - 0.015 * y, x + 1
        elif what == "post":
            c, y = c + 0.01 * x, y + 1
        elif what == "reward":
            dopamine += amount
    assert run.weights("learns")[0] == pytest.approx(w, rel=1e-12)
    assert abs(w - 0.5) > 1e-3
    pieces = rb.simulate(rewarded(critic), until=50, dt=DT, seed=1).resume(75).resume(150)
    assert pieces.weights("learns")[0] == run.weights("learns")[0]


def test_a_reward_must_be_one() -> None:
    net = rb.Network()
    E = net.add("E", 2, rb.LIF(), I=0)

    def connect(**how: Any) -> None:
        net.connect(E, E, one_to_one=True, weight=0.5, delay=1, **how)

    with pytest.raises(rb.InputError, match="what is the reward"):
        connect(synapse=rb.reward_stdp())
    with pytest.raises(rb.InputError, match="no on_reward row"):
        connect(synapse=rb.stdp(), reward=E)
    with pytest.raises(rb.InputError, match="2 times and 3 amounts"):
        connect(synapse=rb.reward_stdp(), reward=([1, 2], [1, 2, 3]))
    with pytest.raises(rb.InputError, match="later than 0"):
        connect(synapse=rb.reward_stdp(), reward=([0.0], [1.0]))
    with pytest.raises(rb.InputError, match="give the whole one"):
        connect(synapse=rb.reward_stdp(), reward=E[:1])
    with pytest.raises(rb.RowError, match="reward is what arrives"):
        rb.Synapse(on_pre="w <- w + reward")
    connect(synapse=rb.stdp(w_max=0.4))
    with pytest.raises(rb.InputError, match=r"a weight of 0.5 is above the bound w <= w_max = 0.4"):
        rb.simulate(net, until=1)


# ------------------------------------------------------------------ what differs between synapses
AMOUNTS = np.array([0.1, 0.2, 0.1, 0.25, 0.3])


@pytest.mark.parametrize("until", [60, 2500])  # as plain Python, compiled
@pytest.mark.parametrize(
    "synapse",
    [
        rb.stdp(A_plus=AMOUNTS, tau_plus=100 * AMOUNTS, w_max=30 + AMOUNTS),
        rb.reward_stdp(
            AMOUNTS / 100, 0.001, tau_c=[1000, 300, 300, 500, 700], w_max=1000.0, D=AMOUNTS / 10
        ),  # coupled states
        rb.tsodyks_markram(U=AMOUNTS, tau_facil=1000 * AMOUNTS),
    ],
    ids=lambda s: s.name,
)
def test_arrays_of_values_are_synapses_of_their_own(synapse: rb.Synapse, until: float) -> None:
    """Five synapses that differ: in one projection, and each in one."""
    more: dict[str, Any] = {"reward": ([30.0, 50.0], [0.1, 0.2])} if synapse.rows.receive["on_reward"] else {}

    def ends() -> tuple[rb.Network, Any, Any]:
        net = rb.Network()
        return net, net.add("source", 5, rb.poisson("50 Hz")), net.add("E", 5, rb.LIF(), I=0)

    how = {"one_to_one": True, "weight": 20.0, "delay": 1.0} | more
    net, source, E = ends()
    made = net.connect(source, E, synapse=synapse, **how)
    together = rb.simulate(net, until=until, dt=0.1, seed=3)
    apart, source, E = ends()
    each = {**synapse.parameters, **synapse.initial}
    for i in range(5):
        own = synapse.replace(**{n: float(q.value[i]) for n, q in each.items() if q.varies})  # type: ignore[index]
        apart.connect(source[[i]], E[[i]], synapse=own, name=f"s{i}", **how)
    alone = rb.simulate(apart, until=until, dt=0.1, seed=3)
    assert np.array_equal(together.spikes.times, alone.spikes.times)
    for state in synapse.states:
        want = [alone.weights(f"s{i}", state)[0] for i in range(5)]
        assert np.allclose(together.weights(made, state), want, rtol=1e-13, atol=0), state
    if "A_plus" in synapse.parameters:
        assert np.array_equal(together.weights(made, "A_plus"), synapse.parameters["A_plus"].value)
        assert len({*together.weights(made)}) > 2


def differing() -> rb.Network:
    net = rb.Network()
    source, E = net.add("source", 40, rb.poisson("50 Hz")), net.add("E", 60, rb.LIF(), I=0.1)
    rule = rb.stdp(A_plus=rb.uniform(0, 0.3), tau_minus=rb.normal("20 ms", "5 ms", low="2 ms"), w_max="2 mV")
    net.connect(source, E, p=0.5, weight=1, delay=1, synapse=rule, name="drawn", normalise=("12 mV", "20 ms"))
    given = rb.reward_stdp(A_plus=np.linspace(0, 1, 3600), tau_c=np.repeat([100.0, 1000.0], 1800), w_max="2 mV")
    net.connect(E, E, all_to_all=True, weight=0.01, delay=1, synapse=given, name="given", reward=source)
    return net


def test_drawn_values_and_sums_do_not_depend_on_threads_or_pieces(tmp_path: Path) -> None:
    def run(until: float, threads: int = 1) -> rb.NetworkRun:
        return rb.simulate(differing(), until=until, engine=rb.Clock(threads=threads), seed=3, record=False)

    whole = run(100)
    drawn = whole.weights("drawn", "A_plus")
    assert drawn.min() >= 0
    assert drawn.max() <= 0.3
    assert np.std(drawn) == pytest.approx(0.3 / np.sqrt(12), rel=0.1)
    assert np.array_equal(whole.weights("given", "A_plus"), np.linspace(0, 1, 3600))
    file = run(37.5).checkpoint(tmp_path / "x")
    for other in (run(100, 2), run(20).resume(until=41).resume(until=100), rb.restore(file, differing()).resume(100)):
        for name in ("drawn", "given"):
            for state in ("w", "x", "A_plus"):
                assert np.array_equal(whole.weights(name, state), other.weights(name, state)), (name, state)
    post = differing().projections[0].synapses(3).post
    assert np.bincount(post, weights=whole.weights("drawn")) == pytest.approx(12.0)  # 100 ms is a multiple of 20
    assert not np.allclose(np.bincount(post, weights=run(109).weights("drawn")), 12.0, rtol=1e-6)


def test_weights_brought_to_a_sum_are_those_of_a_loop() -> None:
    """One target, two synapses; every 10 ms the weights are divided by their sum, from t = 0 on."""
    rule = rb.Synapse(on_pre="w <- w + 1")
    net = rb.Network()
    source, E = net.add("source", 2, rb.spikes([[3.0, 12.0], [22.0]])), net.add("E", 1, rb.LIF(theta=1e9), I=0)
    net.connect(source, E, all_to_all=True, weight=[3, 1], delay=1, synapse=rule, name="s", normalise=(2, 10))
    w = np.array([1.5, 0.5])
    w = (w + [1, 0]) / 1.5
    w = (w + [1, 0]) / 1.5
    assert np.allclose(rb.simulate(net, until=29).weights("s"), w + [0, 1], rtol=1e-15)
    assert np.allclose(rb.simulate(net, until=30).weights("s"), (w + [0, 1]) / 1.5, rtol=1e-15)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"normalise": 3}, r"must be \(total, every\)"),
        ({"normalise": (-1, 10)}, "must be positive"),
        ({"normalise": ([1, 2], 10)}, "one number or 3, one a target neuron"),
        ({"normalise": (1, 0)}, "every = 0 ms is not positive"),
        ({"normalise": (1, 10), "synapse": None}, "the synapses are static"),
        ({"normalise": (1, 10), "synapse": rb.reward_stdp(), "reward": ([1.0], [1.0])}, "has dw/dt"),
        ({"synapse": rb.stdp(A_plus=[1.0, 2.0])}, "A_plus of STDP has 2 values, but there are 9 synapses"),
        ({"synapse": rb.stdp(A_plus=[1.0] * 9), "all_to_all": False, "p": 0.5}, "A_plus of STDP is an array, but"),
    ],
)
def test_what_differs_must_fit(how: dict[str, Any], message: str) -> None:
    net = rb.Network()
    E = net.add("E", 3, rb.LIF(), I=0)
    with pytest.raises(rb.InputError, match=message):
        net.connect(E, E, **({"all_to_all": True, "weight": 1, "delay": 1, "synapse": rb.stdp()} | how))


def test_what_differs_is_checked_when_it_is_built() -> None:
    net = rb.Network()
    E = net.add("E", 3, rb.LIF(), I=0)
    how: dict[str, Any] = {"all_to_all": True, "weight": 1, "delay": 1, "name": "s"}
    net.connect(E, E, synapse=rb.stdp(w_max=[2, 2, 2, 2, 0.5, 2, 2, 2, 2]), **how)
    with pytest.raises(rb.InputError, match=r"a weight of 1 is above the bound w <= w_max = 0\.5"):
        rb.simulate(net, until=1)
    net = rb.Network()
    E = net.add("E", 3, rb.LIF(), I=0)
    net.connect(E, E, synapse=rb.stdp(), normalise=(1, 0.25), **how)
    with pytest.raises(rb.InputError, match=r"0.25 ms is not a whole number of steps of 0.1 ms"):
        rb.simulate(net, until=1)
