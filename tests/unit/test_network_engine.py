"""The pieces of the network's engine: the log of spikes, threads, the sort, the forecast, checkpoints."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb
from rheobase.engines.queue import SpikeLog
from rheobase.engines.sorting import arrange, place
from rheobase.engines.threads import Team, cut, share


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


def test_the_two_ways_to_sort_agree():
    rng = np.random.default_rng(2)
    m, shape, bounds = 500, (20, 3), cut(50, 2)
    pre, post, column = rng.integers(0, 20, m), rng.integers(0, 50, m), rng.integers(0, 3, m)
    weight = rng.random(m)
    start, target, out = arrange(pre, post, column, weight, bounds, shape, 0)
    part = np.repeat([0, 1], np.diff(bounds))
    flat, to, w = np.zeros(2 * 20 * 3 + 1, dtype=np.int64), np.empty_like(target), np.empty_like(weight)
    place(pre, post, column, weight, bounds, part, 20, 3, flat, to, w)
    assert np.array_equal(to, target)
    assert np.array_equal(w, out)
    assert np.array_equal(flat[1:].reshape(2, 20, 3), start[:, :, 1:])


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


def test_a_delay_below_one_step_names_its_projection():
    with pytest.raises(rb.InputError, match=r"E to E .*shorter than one step"):
        rb.simulate(pair(delay=rb.uniform(0.01, 1.0)), until=10, seed=1)


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
