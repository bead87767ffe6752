"""sweep: labelled results, whoever computes; nothing lost and nothing done twice after a kill."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

GRID = {"tau": ["10 ms", "20 ms"], "I": [0.1, 0.3, 0.5]}


def power(x, y, seed):
    return {"product": x * y, "pair": np.array([x, y]), "draw": np.random.default_rng(seed).random()}


def test_a_neuron_over_a_grid_is_each_run_by_itself():
    found = rb.sweep(rb.LIF(), GRID, "here", until="500 ms")
    assert found.axes == ("tau", "I")
    for i, tau in enumerate(GRID["tau"]):
        for j, current in enumerate(GRID["I"]):
            run = rb.simulate(rb.LIF(tau=tau), I=current, until="500 ms", record=False)
            assert found["rate"][i, j] == run.rate()


def test_what_is_measured_of_a_run():
    found = rb.sweep(rb.LIF(), {"I": [0.3, 0.5]}, "here", until="100 ms", measure=lambda run: run.v.max())
    assert found.values.shape == (2,)
    assert (found.values > -51).all()


@pytest.mark.parametrize("executor", ["here", 2, "threads", "dask"])
def test_the_result_does_not_depend_on_who_computes(executor):
    grid = {"x": [1.0, 2.0, 3.0], "y": [10.0, 20.0]}
    expected = rb.sweep(power, grid, "here", seed=5, repeats=2)
    if executor == "threads":
        with ThreadPoolExecutor(2) as pool:
            found = rb.sweep(power, grid, pool, seed=5, repeats=2)
    elif executor == "dask":
        distributed = pytest.importorskip("distributed")
        options = {"processes": False, "n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
        with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
            found = rb.sweep(power, grid, client, seed=5, repeats=2)
    else:
        found = rb.sweep(power, grid, executor, seed=5, repeats=2)
    assert {*found} == {"product", "pair", "draw"}
    assert found["pair"].shape == (3, 2, 2, 2)
    for name in expected:
        assert np.array_equal(found[name], expected[name])
    assert len(np.unique(found["draw"])) == 12


def test_points_need_no_grid():
    found = rb.sweep(lambda x, y: x - y, [{"x": 3, "y": 1}, {"x": 5, "y": 4}], "here")
    assert found.axes == ("point",)
    assert found.values.tolist() == [2.0, 1.0]


def test_labels_reach_xarray_and_pandas():
    found = rb.sweep(rb.LIF(), GRID, "here", until="500 ms")
    data = found.to_xarray()
    assert float(data["rate"].sel(tau="20 ms", I=0.3)) == found["rate"][1, 1]
    table = found.to_pandas()
    assert [*table.columns] == ["tau", "I", "rate"]
    assert table.query("tau == '20 ms' and I == 0.3")["rate"].item() == found["rate"][1, 1]


_PROGRAM = """
import os, sys, time
import rheobase as rb

def work(x):
    with open(sys.argv[2], "a") as file:
        file.write(f"{x}\\n")
    time.sleep(0.002)
    return x * x

if __name__ == "__main__":
    found = rb.sweep(work, {"x": list(range(200))}, "here", to=sys.argv[1])
    print(found.computed, found.taken, found.values.sum())
"""


def test_a_killed_sweep_goes_on_and_no_point_is_lost_or_kept_twice(tmp_path):
    program, ledger, log = tmp_path / "program.py", tmp_path / "sweep.json", tmp_path / "log"
    program.write_text(_PROGRAM)
    command = [sys.executable, str(program), str(ledger), str(log)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as killed:
        while not log.exists() or len(log.read_text().split()) < 70:
            time.sleep(0.005)
        os.kill(killed.pid, signal.SIGKILL)
    before = len(ledger.read_text().splitlines()) - 1
    assert 60 <= before < 200
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(done[0]) + int(done[1]) == 200
    assert int(done[1]) in (before, before - 1)  # a torn line is none
    assert float(done[2]) == sum(x * x for x in range(200))
    points = log.read_text().split()
    assert {*points} == {str(x) for x in range(200)}
    assert len(points) <= 202  # the point that was being computed when the process was killed is computed again


def test_a_torn_line_is_cut_off_and_damage_is_named(tmp_path):
    path = tmp_path / "sweep.json"
    rb.sweep(lambda x: x, {"x": [1, 2, 3]}, "here", to=path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    again = rb.sweep(lambda x: x, {"x": [1, 2, 3]}, "here", to=path)
    assert (again.computed, again.taken) == (1, 2)
    assert path.read_bytes() == whole
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:-9] + b"\n" + lines[2])
    with pytest.raises(rb.InputError, match="damaged at byte"):
        rb.sweep(lambda x: x, {"x": [1, 2, 3]}, "here", to=path)


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "sweep.json"
    rb.sweep(rb.LIF(), {"I": [0.3]}, "here", until="1 s", to=path)
    with pytest.raises(rb.InputError, match="another grid"):
        rb.sweep(rb.LIF(), {"I": [0.4]}, "here", until="1 s", to=path)
    with pytest.raises(rb.InputError, match="other work"):
        rb.sweep(rb.LIF(tau="5 ms"), {"I": [0.3]}, "here", until="1 s", to=path)
    with pytest.raises(rb.InputError, match="another seed"):
        rb.sweep(rb.LIF(), {"I": [0.3]}, "here", until="1 s", to=path, seed=1)
    assert rb.sweep(rb.LIF(), {"I": [0.4]}, "here", until="1 s", to=path, overwrite=True).computed == 1
    path.write_text("precious")
    with pytest.raises(rb.InputError, match="is no sweep"):
        rb.sweep(rb.LIF(), {"I": [0.3]}, "here", until="1 s", to=path)
    assert path.read_text() == "precious"
    with pytest.raises(rb.InputError, match="cannot write"):
        rb.sweep(rb.LIF(), {"I": [0.3]}, "here", until="1 s", to=Path("/proc/no/sweep"))


def test_a_point_that_fails_is_named_and_the_others_are_kept(tmp_path):
    def work(x):
        if x == 2:
            raise ZeroDivisionError("by chance")
        return x

    path = tmp_path / "sweep.json"
    with pytest.raises(rb.InputError, match=r"point 1 \(x=2\) failed: ZeroDivisionError: by chance"):
        rb.sweep(work, {"x": [1, 2, 3]}, "here", to=path)
    assert len(path.read_text().splitlines()) == 2
    found = rb.sweep(work, {"x": [1, 2, 3]}, "here", errors="keep", to=path)
    assert np.array_equal(found.values, [1, np.nan, 3], equal_nan=True)
    assert "by chance" in found.failures[1,]


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({}, "empty"),
        ([], "neither"),
        ({"I": 3}, "no list"),
        ({"I": "0.3 nA"}, "no list"),
        ({"I": []}, "no values"),
        ({"a b": [1]}, "word"),
        ([{"I": 1}, {"J": 1}], "point 1"),
        ({"until": [1]}, "once"),
    ],
)
def test_crooked_grids(grid, words):
    with pytest.raises(rb.InputError, match=words):
        rb.sweep(rb.LIF(), grid, "here", until="1 s")


def test_other_mistakes():
    with pytest.raises(rb.InputError, match="executor"):
        rb.sweep(lambda x: x, {"x": [1]}, "cluster")
    with pytest.raises(rb.InputError, match="executor"):
        rb.sweep(lambda x: x, {"x": [1]}, 0)
    with pytest.raises(rb.InputError, match="cannot be called with y"):
        rb.sweep(lambda x: x, {"y": [1]}, "here")
    with pytest.raises(rb.InputError, match="return numbers"):
        rb.sweep(lambda x: "text", {"x": [1]}, "here")
    with pytest.raises(rb.InputError, match="same shapes"):
        rb.sweep(lambda x: np.zeros(x), {"x": [1, 2]}, "here")
    with pytest.raises(rb.InputError, match="errors"):
        rb.sweep(lambda x: x, {"x": [1]}, "here", errors="ignore")
    with pytest.raises(rb.InputError, match="repeats"):
        rb.sweep(lambda x: x, {"x": [1]}, "here", repeats=0)
    with pytest.raises(rb.InputError, match="Did you mean 'tau'"):
        rb.sweep(rb.LIF(), {"tua": ["1 ms"]}, "here", until="1 s", I=0.3)
