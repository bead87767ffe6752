"""The pieces of the network's engine: the log of spikes, threads, the sort, the forecast, checkpoints."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.engines.noise import fill_run
from rheobase.engines.parts import cut, share
from rheobase.engines.precision import settle
from rheobase.engines.progress import bar
from rheobase.engines.queue import SpikeLog
from rheobase.engines.sorting import MANY, arrange, per_word, target_type
from rheobase.engines.threads import Team
from rheobase.random import Numbers


def pair(n: int = 200, **how: object) -> rb.Network:
    net = rb.Network()
    cells = net.add("E", n, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    net.connect(cells, cells, **({"to": "exc", "p": 0.1, "weight": 0.5, "delay": 1.0} | how))
    return net


def test_log_gives_back_what_was_written_and_forgets_the_oldest():
    bounds = np.array([0, 4, 10])
    log = SpikeLog(np.array([40, 60]), past=3, rows=5)
    rows, neurons = np.array([0, 0, 2, 2, 2]), np.array([1, 8, 0, 5, 9])
    log.fill(0, bounds, rows, neurons)
    assert [x.tolist() for x in log.table(0, 3)] == [rows.tolist(), neurons.tolist()]
    log.shift(2)
    assert [x.tolist() for x in log.table(0, 3)] == [[0, 0, 0], [0, 5, 9]]
    log.shift(3)
    assert log.table(0, 3)[0].size == 0


@pytest.mark.parametrize(("n", "parts"), [(10, 1), (1000, 3), (77169, 2), (40, 2)])
def test_parts_cover_all_neurons_and_threads_all_parts(n: int, parts: int):
    bounds = cut(n, parts)
    assert bounds[0] == 0
    assert bounds[-1] == n
    assert (np.diff(bounds) >= 0).all()
    for size in range(1, parts + 1):
        taken = [p for i in range(size) for p in range(*share(parts, size, i))]
        assert taken == [*range(parts)]


def test_a_team_runs_each_share_once_and_keeps_the_quicker_way():
    team, seen = Team(2), []
    for _ in range(6):
        team.run(lambda i, size: seen.append((i, size)), 1)
    assert team.size in (1, 2)
    assert (0, 1) in seen
    assert (1, 2) in seen
    team.close()


@pytest.mark.parametrize(("kind", "width"), [(np.float32, 50), (np.float64, 50), (np.float32, 70_001), (None, 50)])
def test_a_cell_holds_its_weights_then_its_targets(kind: type | None, width: int):
    rng = np.random.default_rng(2)
    m, (sources, columns), bounds = 900, (20, 3), cut(2 * width, 2)
    pre, post, column = rng.integers(0, sources, m), rng.integers(0, 2 * width, m), rng.integers(0, columns, m)
    weight = np.empty(0, dtype=np.float32) if kind is None else rng.random(m).astype(kind)
    start, items = arrange(pre, post, column, weight, bounds, (sources, columns), 0)
    compiled = arrange(pre, post, column, weight, bounds, (sources, columns), MANY + 1)
    assert np.array_equal(start, compiled[0])
    assert items.tobytes() == compiled[1].tobytes()
    narrow = target_type(bounds)
    k = 0 if kind is None else per_word(kind, narrow)
    targets, part = items.view(narrow), np.searchsorted(bounds, post, side="right") - 1
    for p, i, j in itertools.product(range(2), range(sources), range(columns)):
        begin, end = int(start[p, i, j]), int(start[p, i, j + 1])
        n = k * (end - begin) // (k + 1) if k else end - begin
        mine = (part == p) & (pre == i) & (column == j)
        at = k * (begin + n) if k else begin
        assert np.array_equal(targets[at : at + n], (post - bounds[p])[mine])
        if k:
            assert np.array_equal(items[begin : begin + n], weight[mine])


def test_compiled_gaussian_numbers_are_the_plain_ones():
    plain, quick = Numbers(5), Numbers(5, fill_run)
    for n in (1, 2, 7, 70_001):
        assert np.array_equal(plain.standard_normal(n), quick.standard_normal(n))


def sparse(weight: object, degree: int) -> rb.Network:
    net = rb.Network()
    cells = net.add("E", 400, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    net.connect(cells[:320], cells, to="exc", outdegree=degree, weight=weight, delay=rb.uniform(0.1, 2.0))
    net.connect(cells[320:], cells, to="inh", outdegree=degree, weight="-9 mV", delay="0.1 ms")
    return net


@pytest.mark.parametrize("weight", ["1.62 mV", rb.normal("1.62 mV", "0.3 mV")])
@pytest.mark.parametrize(("precision", "rounding"), [("float64", 1e-11), ("mixed", 1e-4)])
def test_asking_all_neurons_or_those_that_receive_gives_the_same_spikes(
    monkeypatch: pytest.MonkeyPatch, weight: object, precision: str, rounding: float
):
    """Arrivals are summed first, or added one by one: they differ by rounding."""
    engine, found = rb.Clock(precision=precision), []
    for few in (0.0, 1e9):
        monkeypatch.setattr("rheobase.engines.groups.FEW", few)
        run = rb.simulate(sparse(weight, 60), until=150, engine=engine, seed=3, record="v")
        found.append((run.spikes.times, run.spikes.neurons, run["E"].v))
    assert len(found[0][0]) > 100
    assert all(np.array_equal(a, b) for a, b in zip(found[0][:2], found[1][:2], strict=True))
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=rounding)


def test_more_segments_than_are_gathered_at_once_are_delivered(monkeypatch: pytest.MonkeyPatch):
    found = []
    for heads in (1 << 14, 2):
        monkeypatch.setattr("rheobase.engines.loop._HEADS", heads)
        found.append(rb.simulate(sparse("1.62 mV", 60), until=150, seed=3, record=False).spikes.times)
    assert np.array_equal(*found)


def test_the_run_says_which_precision_was_chosen():
    net = sparse("1.62 mV", 60)
    assert "precision='float64'" in repr(rb.simulate(net, until=5, seed=1, record=False))
    big = rb.Network()
    cells = big.add("E", 2000, rb.CUBA())
    big.connect(cells, cells, to="exc", outdegree=600, weight="0.01 mV", delay="1 ms")
    assert settle(big, rb.Clock()).precision == "mixed"
    assert settle(big, rb.Clock(dt="0.01 ms")).precision == "float64"
    assert "precision='mixed'" in repr(rb.simulate(big, until=5, seed=1, record=False))


def test_forecast_counts_without_building():
    net = rb.Network()
    cells = net.add("E", 1_000_000, rb.CUBA())
    net.connect(cells, cells, to="exc", outdegree=100, weight=0.1, delay="1 ms")
    seen = rb.forecast(net, until="1 s")
    assert seen.synapses == 1e8
    assert 0.5e9 < seen.bytes < 4e9
    assert "GB" in str(seen)


def test_what_does_not_fit_is_refused_with_the_number():
    net = rb.Network()
    cells = net.add("E", 2_000_000, rb.CUBA())
    net.connect(cells, cells, to="exc", p=0.5, weight=rb.normal(1, 0.1), delay="1 ms")
    with pytest.raises(rb.InputError, match=r"needs about .* GB, but .* GB are free"):
        rb.simulate(net, until="1 s")


def test_precision_must_be_known():
    with pytest.raises(rb.InputError, match="float64, mixed, float32"):
        rb.Clock(precision="half")


@pytest.mark.parametrize("delay", [rb.uniform(0.01, 1.0), 0.09])  # one that is drawn is rounded, one that is given not
def test_a_delay_below_one_step_names_its_projection(delay: object):
    with pytest.raises(rb.InputError, match=r"E to E .*shorter than one step"):
        rb.simulate(pair(delay=delay), until=10, seed=1)


def test_checkpoints_are_refused_for_other_networks_and_broken_files(tmp_path: Path):
    run = rb.simulate(pair(), until=5, seed=1, record=False)
    path = run.checkpoint(tmp_path / "run.npz")
    with pytest.raises(rb.InputError, match="another network"):
        rb.restore(path, pair(p=0.11))
    with pytest.raises(rb.InputError, match="no file"):
        rb.restore(tmp_path / "none.npz", pair())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(rb.InputError, match="truncated"):
        rb.restore(path, pair())
    with pytest.raises(rb.InputError, match="cannot write"):
        run.checkpoint(tmp_path / "no folder" / "run.npz")
    with pytest.raises(rb.InputError, match="already reached"):
        run.resume(until=1)


def test_ctrl_c_returns_what_there_is():
    rb.simulate(pair(), until=200, seed=1, record=False)  # compiled before
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(UserWarning, match="interrupted at"):
        run = rb.simulate(pair(), until="10000 s", seed=1, record=False)
    assert 0 < run.until < 1e7
    assert run["E"].until == run.until
    whole = rb.simulate(pair(), until=run.until, seed=1, record=False)
    assert np.array_equal(whole.spikes.times, run.spikes.times)


def test_progress_that_is_a_sum_of_steps_does_not_overshoot(capsys: pytest.CaptureFixture[str]) -> None:
    with bar(0.3, True) as report:
        for _ in range(3):
            report(0.1)  # 0.30000000000000004 in all
    assert "100%" in capsys.readouterr().err
