"""A batch of values for a network: each run has the bits of a run alone; the structure is built once."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rheobase as rb
from rheobase.engines import at_once, exact_network, forecast, shared
from rheobase.engines.request import read_recordings


def make() -> rb.Network:
    net = rb.Network()
    drive = net.add("drive", 20, rb.poisson("40 Hz"))
    E = net.add("E", 80, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    I = net.add("I", 20, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"), exc=rb.poisson("20 Hz", "1 mV"))
    net.connect(E, [E, I], to="exc", p=0.2, weight="1.6 mV", delay="0.5 ms", name="exc")
    net.connect(I, [E, I], to="inh", indegree=5, weight="-9 mV", delay=rb.uniform("0.3 ms", "2 ms"), name="inh")
    net.connect(drive, E, to="exc", p=0.3, weight=rb.uniform(0.5, 2.0), delay=1, name="in")
    net.connect(E[:10], E, to="exc", all_to_all=True, weight=0.5, delay=1, name="s", synapse=rb.stdp(0.1, w_max="3 mV"))
    return net


def expect_same(a: rb.NetworkRun, b: rb.NetworkRun) -> None:
    assert a.spikes.times.tobytes() == b.spikes.times.tobytes()
    assert np.array_equal(a.spikes.neurons, b.spikes.neurons)
    for name in "EI":
        for state in a[name].final:
            assert a[name].final[state].tobytes() == b[name].final[state].tobytes()
    assert a.weights("s").tobytes() == b.weights("s").tobytes()


BATCHES: list[dict[str, Any]] = [
    {"E.tau_m": ["20 ms", "10 ms"]},
    {"E.v": ["-60 mV", rb.uniform("-60 mV", "-50 mV"), np.linspace(-60, -50, 80)]},
    {
        "drive.rate": [10, "60 Hz", np.linspace(1, 50, 20)],
        "I.exc": [rb.poisson(f"{r} Hz", "1 mV") for r in (10, 50, 90)],
    },
    {"exc.weight": ["1 mV", "2 mV", "3 mV"], "exc.delay": [0.5, 1.5, rb.uniform("0.1 ms", "2 ms")]},
    {"inh.weight": ["-9 mV", rb.uniform("-9 mV", "-1 mV"), "-5 mV"]},
    {"in.weight": [1.0, rb.uniform(0, 2), 2.0], "exc.p": [0.1, 0.2, 0.3], "inh.indegree": [5, 6, 7]},
    {"s.A_plus": [0.1, 0.3, 0.5], "s.weight": [0.5, 0.5, 0.6]},
    {"E.theta": ["-50 mV", "-50 mV", "-51 mV"], "seed": [1, 2, 2]},
]


@pytest.mark.parametrize("batch", BATCHES, ids=lambda b: ", ".join(b))
def test_each_run_has_the_bits_of_a_run_alone(batch: dict[str, Any]) -> None:
    net = make()
    until = 20 if {"exc.weight", "s.A_plus"} & {*batch} else 8  # compiled, as plain Python
    runs = rb.simulate(net, until=until, seed=7, batch=batch)
    assert len(runs) == len(next(iter(batch.values())))
    for i, run in enumerate(runs):
        values = {key: given[i] for key, given in batch.items()}
        seed = values.pop("seed", 7)
        expect_same(run, rb.simulate(net.replace(values), until=until, seed=seed))
    ends = {run["E"].final["v"].tobytes() + run.weights("s").tobytes() for run in runs}
    assert len(ends) == len(runs)


def test_results_have_a_leading_axis() -> None:
    net = make()
    runs = rb.simulate(net, until="8 ms", seed=7, batch={"E.tau_m": [20, 10, 15]}, record={"E": "v"})
    assert runs["E"].v.shape == (3, 80, 81)
    assert np.array_equal(runs["E"].v[1], runs[1]["E"].v)
    assert runs["E"].t.shape == (81,)
    assert runs["E"].rate().shape == runs["E"].final["v"].shape == (3, 80)
    assert runs.rate()["I"].shape == (3,)
    assert runs.weights("s").shape == runs.weights(net.projections[-1], "x").shape == (3, 800)
    assert [len(s) for s in runs["drive"].spikes] == [20, 20, 20]
    assert [run.seed for run in runs] == [7, 7, 7]
    assert runs[1:].batch == {"E.tau_m": (10, 15)}
    assert "1: tau_m = 10: drive" in repr(runs)
    table = runs.to_pandas()
    assert [*table.columns] == ["run", "E.tau_m", "population", "neuron", "time"]
    assert len(table) == sum(len(run.spikes.times) for run in runs)
    with pytest.raises(rb.NotRecorded, match="drive is a source of spikes"):
        runs["drive"].rate()
    with pytest.raises(rb.NotRecorded, match="g_e was not recorded"):
        runs["E"].g_e  # noqa: B018
    assert runs[0].resume(until="9 ms").until == pytest.approx(9)


def test_what_joins_the_neurons_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    build_table, plastic = shared.build_table, shared.Plastic.__init__
    monkeypatch.setattr(shared, "build_table", lambda *how: made.append("table") or build_table(*how))
    monkeypatch.setattr(shared.Plastic, "__init__", lambda *a, **k: made.append("plastic") or plastic(*a, **k))
    values = {"E.tau_m": [20, 10, 15], "s.A_plus": [0.1, 0.2, 0.3], "inh.weight": [-9, -8, -7]}
    rb.simulate(make(), until="2 ms", seed=7, batch=values)
    assert sorted(made) == ["plastic", "table", "table"]
    made.clear()
    rb.simulate(make(), until="2 ms", seed=7, batch={"exc.delay": [1, 2], "exc.weight": [1, 2]})
    assert sorted(made) == ["plastic", "table", "table", "table"]


def test_exact_networks_take_a_batch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    net = rb.Network()
    E = net.add("E", 30, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    net.connect(E, E, to="exc", p=0.2, weight=rb.uniform(0.5, 2), delay="0.7 ms", name="a")
    net.connect(E, E, to="inh", p=0.2, weight="-5 mV", delay="0.9 ms", name="b")
    built: list[str] = []
    build = shared.build
    monkeypatch.setattr(shared, "build", lambda p, key: built.append(p.name) or build(p, key))
    values = {"b.weight": ["-5 mV", "-2 mV"], "E.tau_m": [20, 15]}
    runs = rb.simulate(net, until=30, engine=rb.Exact(), seed=1, batch=values)
    assert built == ["a", "b"]
    for i, run in enumerate(runs):
        alone = rb.simulate(net.replace({k: v[i] for k, v in values.items()}), until=30, engine=rb.Exact(), seed=1)
        assert run.spikes.times.tobytes() == alone.spikes.times.tobytes()
    assert exact_network.build is not shared.build


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"E.tua_m": [1, 2]}, "run 0: E: 'tua_m' is no input.* Did you mean 'tau_m'"),
        ({"F.tau_m": [1]}, "'F.tau_m': there is no population or projection 'F'"),
        ({"E": [1]}, "'E' names no value of a network"),
        ({"exc.weigth": [1]}, "exc has no 'weigth'. Did you mean 'weight'.* It has: weight, delay, p"),
        ({"exc.weight": [1, np.nan]}, "run 1: .*weight is NaN"),
        ({"E.tau_m": [10, -5]}, "run 1: E: tau_m = -5 is not positive"),
        ({"E.tau_m": [1, 2], "I.tau_m": [1]}, "'I.tau_m' has 1 values, but 'E.tau_m' has 2"),
        ({"E.tau_m": []}, "'E.tau_m' has no values"),
        ({"E.tau_m": 5}, "'E.tau_m' = 5 must be a list of values"),
        ({"E.tau_m": rb.uniform(1, 2)}, "must be a list of values"),
        ({"E.v": [np.zeros(3)]}, "E: v has 3 values, but there are 80 neurons"),
        ({"exc.p": [1.5]}, "p = 1.5 is no probability"),
        ({"inh.indegree": [-1]}, "indegree = -1 must be a whole number"),
        ({"drive.rat": [3]}, "has no 'rat'. Did you mean 'rate'"),
        ({"drive.rate": [-3]}, "rate = -3 is negative"),
        ({"drive.source": [3]}, "drive.source = 3 is no source of spikes"),
        ({"s.tau_plus": [0]}, "tau_plus = 0 is not positive"),
        ({"s.q": [0]}, "s has no 'q'"),
        ({"exc.delay": [1, 2, 0.01]}, "^projection exc: a delay of 0.01 ms is shorter than one step"),
        ({"seed": [-1]}, r"batch\['seed'\]\[0\] = -1"),
        ({}, "must be a mapping of names to values"),
        (3, "must be a mapping of names to values"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_run(batch: Any, message: str) -> None:
    with pytest.raises(rb.InputError, match=message):
        rb.simulate(make(), until=1, seed=1, batch=batch)


def test_units_and_places_are_checked() -> None:
    with pytest.raises(rb.UnitMismatch, match=r"run 0: .*weight = 1 nA is in nA"):
        rb.simulate(make(), until=1, batch={"exc.weight": ["1 nA"]})
    with pytest.raises(rb.InputError, match="batch= is for networks"):
        rb.simulate(rb.LIF(), I=0, until=1, batch={"tau": [1]})
    with pytest.raises(rb.InputError, match="do not go together"):
        rb.simulate(make(), until=1, batch={"E.tau_m": [1]}, record_to="x.rheo")


def test_an_error_keeps_the_runs_before_it() -> None:
    with pytest.raises(rb.InputError, match=r"batch, run 2: projection s: a weight of 4 is above") as error:
        rb.simulate(make(), until=2, seed=1, batch={"s.weight": [1, 2, 4]})
    assert len(error.value.done) == 2
    assert error.value.done.batch == {"s.weight": (1, 2)}


def test_a_network_is_changed_without_changing_it() -> None:
    net = make()
    before = net.describe()
    other = net.replace({"E.tau_m": "11 ms", "exc.weight": "1 mV", "drive.source": rb.spikes([1.0])})
    assert net.describe() == before
    assert other["E"].network is other.projections[0].source.network is other
    assert "tau_m = 11 ms" in other.describe()
    assert [str(p.weight) for p in other.projections[:2]] == ["1 mV", "1 mV"]
    assert other.projections[-1].source.indices.tolist() == [*range(10)]
    rb.simulate(other, until=2, seed=1)


@pytest.mark.parametrize("batch", [BATCHES[3], BATCHES[6]], ids=lambda b: ", ".join(b))
def test_runs_at_once_have_the_bits_of_a_run_alone(batch: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Three at once, which share tables and plastic synapses."""
    net, engine, until = make(), rb.Clock(threads=3), 25.0
    most: list[int] = []
    count = at_once.count_at_once
    monkeypatch.setattr(at_once, "count_at_once", lambda *a: most.append(count(*a)) or most[-1])
    runs = rb.simulate(net, until=until, seed=7, batch=batch, engine=engine)
    assert most == [min(3, len(runs))]
    for i, run in enumerate(runs):
        values = {key: given[i] for key, given in batch.items()}
        seed = values.pop("seed", 7)
        expect_same(run, rb.simulate(net.replace(values), until=until, seed=seed, engine=engine))
        assert run.engine.endswith("1 thread")
    first = {key: given[0] for key, given in batch.items() if key != "seed"}
    expect_same(runs[0].resume(30.0), rb.simulate(net.replace(first), until=30.0, seed=runs[0].seed))


def exact_net() -> rb.Network:
    net = rb.Network()
    E = net.add("E", 30, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"), exc=rb.poisson("300 Hz", "1 mV"))
    net.connect(E, E, to="exc", p=0.2, weight=rb.uniform(0.5, 2), delay="0.7 ms", name="a")
    return net


def test_exact_runs_at_once_have_the_bits_of_a_run_alone() -> None:
    net, engine = exact_net(), rb.Exact(threads=2)
    values = [20.0, 15.0, 10.0, 25.0, 30.0]
    runs = rb.simulate(net, until=30, engine=engine, seed=1, batch={"E.tau_m": values}, record="v")
    assert len(runs.rate()["E"]) == 5
    for i, run in enumerate(runs):
        same = net.replace({"E.tau_m": values[i]})
        alone = rb.simulate(same, until=40, engine=rb.Exact(threads=1), seed=1, record="v")
        assert run["E"].v.tobytes() == alone["E"].v[:, : len(run["E"].t)].tobytes()
        longer = run.resume(until=40, threads=1)
        assert longer.spikes.times.tobytes() == alone.spikes.times.tobytes()
        assert longer["E"].v.tobytes() == alone["E"].v.tobytes()


def test_how_many_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = [rb.networks.cuba(1000)] * 5, [rb.networks.cuba(1000), rb.networks.cuba(8000)]
    recordings = read_recordings(small[0], None, None, None)

    def count(nets: list[rb.Network], until: float, engine: Any) -> int:
        return at_once.count_at_once(nets, until, engine, recordings)

    monkeypatch.setattr(at_once, "cores", lambda: 4)
    assert count(small, 100.0, rb.Clock()) == count(small, 100.0, rb.Exact()) == 4
    assert count(small, 100.0, rb.Clock(threads=8)) == 5
    assert count(small, 100.0, rb.Clock(threads=1)) == 1
    assert count(small, 1.0, rb.Clock()) == 1  # plain Python
    assert count(large, 100.0, rb.Clock()) == count(large, 100.0, rb.Exact()) == 1  # threads pay inside one
    each = rb.forecast(small[0], until=100.0).bytes - forecast._PROGRAM
    monkeypatch.setattr(forecast, "_free_bytes", lambda: 2.5 * each)
    assert count(small, 100.0, rb.Clock()) == 2
    monkeypatch.setattr(forecast, "_free_bytes", lambda: 0.5 * each)
    assert count(small, 100.0, rb.Clock()) == 1


def test_an_error_among_runs_at_once_keeps_those_before_it() -> None:
    """A weight above its bound is seen when the run is built; the runs after it are not begun, or are thrown away."""
    values = {"s.weight": [1, 2, 2.5, 4, 1, 5, 1, 1]}
    with pytest.raises(rb.InputError, match=r"batch, run 3: projection s: a weight of 4 is above") as error:
        rb.simulate(make(), until=25, seed=1, batch=values, engine=rb.Clock(threads=2))
    assert len(error.value.done) == 3
    assert error.value.done[2].until == 25


@pytest.mark.parametrize("threads", [1, 3])
def test_work_ends_at_the_first_that_has_nothing(threads: int) -> None:
    begun: list[int] = []

    def work(i: int) -> int | None:
        begun.append(i)
        if i == 4:
            raise ValueError("four")
        return i if i < stop else None

    stop = 99
    done, error = at_once.do_at_once(work, 9, threads)
    assert (done, str(error)) == ([0, 1, 2, 3], "four")
    assert 8 not in begun
    stop = 2
    assert at_once.do_at_once(work, 4, threads) == ([0, 1], None)


@pytest.mark.parametrize("engine", [rb.Clock(threads=2), rb.Clock(threads=1), rb.Exact(threads=2)], ids=str)
def test_ctrl_c_ends_all_that_go_on(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_network, "COMPILING", np.inf)  # plain Python will do
    monkeypatch.setattr(exact_network, "waiting", lambda _: np.inf)
    net, until = rb.Network(), 1e7
    E = net.add("E", 30, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    net.connect(E, E, to="inh", p=0.2, weight="-5 mV", delay="0.7 ms")
    batch = {"E.tau_m": [20.0, 15.0, 10.0, 25.0]}
    rb.simulate(net, until=50, seed=1, batch=batch, engine=engine)
    timer = threading.Timer(0.6, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(UserWarning, match="interrupted: 0 of 4 runs"):
        runs = rb.simulate(net, until=until, seed=1, batch=batch, engine=engine)
    assert 1 <= len(runs) <= engine.threads  # a busy machine may not have begun the second
    for i, run in enumerate(runs):
        assert 0 < run.until < until
        assert runs.batch["E.tau_m"][i] == batch["E.tau_m"][i]
    last = runs[-1]
    same = net.replace({"E.tau_m": runs.batch["E.tau_m"][-1]})
    alone = rb.simulate(same, until=last.until + 1, seed=1, engine=replace(engine, threads=1))
    assert last.resume(until=last.until + 1, threads=1).spikes.times.tobytes() == alone.spikes.times.tobytes()


def test_one_bar_for_a_batch(capsys: pytest.CaptureFixture[str]) -> None:
    for engine in (rb.Clock(threads=2), rb.Clock(threads=1)):
        rb.simulate(exact_net(), until=50, seed=1, batch={"E.tau_m": [20, 15, 10]}, engine=engine, progress=True)
        shown = capsys.readouterr().err
        assert "150/150 ms" in shown
        assert shown.count("100%") <= 2  # the last line may be written twice
