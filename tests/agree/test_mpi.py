"""Several ranks against one process: the same bits; and what happens when a rank fails, or a launch is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

CASES = Path(__file__).with_name("mpi_cases.py")
SMALL = ["plain", "compiled", "batch", "seed", "record", "stream", "plastic"]


def find_mpirun() -> str | None:
    return shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


pytestmark = pytest.mark.skipif(
    find_spec("mpi4py") is None or find_mpirun() is None, reason="needs mpi4py and an MPI: pip install mpi4py mpich"
)


def command(ranks: int, *arguments: object) -> list[str]:
    mpirun = find_mpirun()
    assert mpirun is not None
    told = subprocess.run([mpirun, "--version"], capture_output=True, text=True, check=False).stdout
    root = ["--allow-run-as-root", "--oversubscribe"] if "Open MPI" in told or "prte" in told.lower() else []
    return [mpirun, *root, "-n", str(ranks), sys.executable, *map(str, arguments)]


def launch(ranks: int, *arguments: object, timeout: float = 100.0, **more: str) -> subprocess.CompletedProcess[str]:
    how = command(ranks, *arguments) if ranks else [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "PYTHONWARNINGS": "default", **more}
    return subprocess.run(how, capture_output=True, text=True, check=False, timeout=timeout, env=environment)


def run_cases(ranks: int, folder: Path, names: list[str]) -> list[dict[str, str]]:
    """Return what each rank found; 0 ranks: without a launcher."""
    folder.mkdir(exist_ok=True)
    done = launch(ranks, CASES, folder, *names, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, list[dict[str, str]]]]:
    """What one process and two ranks found, and the folder that each wrote into."""
    out = {}
    for ranks in (0, 2):
        folder = tmp_path_factory.mktemp(f"ranks{ranks}")
        out[ranks] = folder, run_cases(ranks, folder, SMALL)
    return out


def test_two_ranks_give_the_bits_of_one_process(found) -> None:
    (alone,), two = found[0][1], found[2][1]
    assert len(two) == 2
    assert two[0] == two[1]  # every rank has the whole result, and the same seed where none was given
    assert {k: v for k, v in alone.items() if k != "seed"} == {k: v for k, v in two[0].items() if k != "seed"}
    assert two[0]["stream, whole"] == two[0]["stream, loaded"] == two[0]["record"]
    assert two[0]["plastic, resumed"] == two[0]["plastic, whole"]
    assert int(two[0]["plastic, whole"].split()[0]) > 50


def test_what_two_ranks_recorded_is_read_as_one_file(found) -> None:
    folder = found[2][0]
    assert {p.name for p in folder.glob("run*.rheo")} == {"run.rheo", "run.rank1.rheo"}
    run, alone = rb.load(folder / "run.rheo"), rb.load(found[0][0] / "run.rheo")
    for name in ("E", "I"):
        assert run[name].v.tobytes() == alone[name].v.tobytes()
        assert run[name].spikes.times.tobytes() == alone[name].spikes.times.tobytes()
        assert run[name].final["v"].tobytes() == alone[name].final["v"].tobytes()
    rb.convert_recording(folder / "run.rheo", folder / "run.npz")
    with np.load(folder / "run.npz") as data:
        assert data["E/traces/v"].tobytes() == np.ascontiguousarray(alone["E"].v.T).tobytes()


def test_a_checkpoint_does_not_depend_on_how_many_ranks_wrote_or_read_it(found, tmp_path: Path) -> None:
    one, two = (np.load(found[n][0] / "half.npz") for n in (0, 2))
    assert set(one.files) == set(two.files)
    for name in set(one.files) - {"head"}:
        assert one[name].dtype == two[name].dtype
        assert one[name].tobytes() == two[name].tobytes(), name
    expected = found[0][1][0]["plastic, whole"]
    shutil.copy(found[2][0] / "half.npz", tmp_path / "half.npz")
    assert run_cases(0, tmp_path, ["restored"])[0]["plastic, whole"] == expected


@pytest.mark.slow
def test_three_ranks_go_on_from_a_checkpoint_of_one(found) -> None:
    again = run_cases(3, found[0][0], ["restored", "record", "plain"])
    for name in again[0]:
        assert {x[name] for x in again} == {found[0][1][0][name]}


def test_a_recording_goes_on_with_another_number_of_ranks(tmp_path: Path) -> None:
    """Begun on two ranks, on from a checkpoint on one, then on two again."""
    expected = run_cases(0, tmp_path / "alone", ["whole"])[0]["whole"]
    run_cases(2, tmp_path, ["begin"])
    run_cases(0, tmp_path, ["go on"])
    last = run_cases(2, tmp_path, ["end"])
    assert [x["end"] for x in last] == [expected] * 2
    (tmp_path / "run.rank1.rheo").unlink()
    with pytest.warns(UserWarning, match="of 20 ms: it needs run.rank1.rheo beside it"):
        assert rb.load(tmp_path / "run.rheo").until == 0.0


def test_the_page_of_the_documentation_runs_on_two_ranks(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "several-machines.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = "".join(blocks).replace("tempfile.mkdtemp()", repr(str(tmp_path)))
    (tmp_path / "page.py").write_text(text, encoding="utf-8")
    done = launch(2, tmp_path / "page.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 ranks") == 2
    assert done.stdout.count("{'E':") == 1  # what only the first prints


# ------------------------------------------------------------------ what goes wrong
FAULTS = {
    "version": "differ in rheobase: 0.1.0 and 0.0.1",
    "network": "differ in network",
    "seed": "differ in seed: 1 and 2",
    "until": "differ in until: 5.0 ms and 6.0 ms",
    "fails before": "my own mistake",
    "fails between": "my own mistake",
    "leaves": "rank 0 has come to the run of a network, but rank 1 to the end of the script",
    "exits": "rank 0 has come to the run of a network, but rank 1 to the end of the script",
    "cannot compute": "cannot be computed",
}
LIKE_OTHERS = {"seed", "until", "exits", "fails between"}


@pytest.mark.parametrize(
    "fault", [pytest.param(f, marks=[pytest.mark.slow] if f in LIKE_OTHERS else []) for f in FAULTS]
)
def test_a_fault_of_one_rank_ends_all_with_a_clear_error(fault: str, tmp_path: Path) -> None:
    begin = time.perf_counter()
    done = launch(2, CASES, tmp_path, "fault", fault, timeout=60)
    assert time.perf_counter() - begin < 30.0
    assert done.returncode != 0
    assert FAULTS[fault] in done.stderr
    assert "went on" not in done.stdout


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(False, id="before it meets the others", marks=pytest.mark.slow),
        pytest.param(True, id="while it runs"),
    ],
)
def test_a_killed_rank_ends_the_job_and_what_was_recorded_is_read(begun: bool, tmp_path: Path) -> None:
    how = command(2, CASES, tmp_path, "fault", "waits" if begun else "sleeps")
    job = subprocess.Popen(how, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ})
    try:
        told = tmp_path / "pid"
        file = tmp_path / "run.rheo"
        limit = time.perf_counter() + 60.0
        while (
            not told.exists()
            or not told.read_text()
            or (begun and not (file.exists() and file.stat().st_size > 50_000))
        ):
            assert time.perf_counter() < limit
            time.sleep(0.05)
        begin = time.perf_counter()
        os.kill(int(told.read_text()), signal.SIGKILL)
        job.communicate(timeout=30)
        assert time.perf_counter() - begin < 30.0
        assert job.returncode != 0
    finally:
        job.kill()
    if begun:
        with pytest.warns(UserWarning, match="did not come to its end"):
            run = rb.load(file)
        assert run.until > 0.0
        assert run["E"].spikes.times[-1] <= run.until


def test_a_launcher_of_another_mpi_is_told() -> None:
    code = "import rheobase as rb; from rheobase.networks import cuba; rb.simulate(cuba(60), until=5)"
    done = launch(0, "-c", code, OMPI_COMM_WORLD_SIZE="2", RHEOBASE_MPI="on")
    assert done.returncode != 0
    assert "the launcher has started 2 processes, but mpi4py sees 1" in done.stderr
    assert launch(0, "-c", code, OMPI_COMM_WORLD_SIZE="2", RHEOBASE_MPI="off").returncode == 0


def test_missing_mpi4py_is_told() -> None:
    code = "import sys; sys.modules['mpi4py'] = None\nimport rheobase as rb; from rheobase.networks import cuba"
    done = launch(0, "-c", f"{code}; rb.simulate(cuba(60), until=5)", PMI_SIZE="2")
    assert done.returncode != 0
    assert "pip install 'rheobase[mpi]'" in done.stderr


def test_processes_that_a_rank_starts_are_no_ranks() -> None:
    code = (
        "import os, subprocess, sys, rheobase as rb; from rheobase.networks import cuba\n"
        "inner = 'import rheobase as rb; from rheobase.networks import cuba; print(rb.simulate(cuba(60), until=5).n)'\n"
        "print(subprocess.run([sys.executable, '-c', inner], capture_output=True, text=True).stdout)"
    )
    done = launch(2, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["60", "60"]


# ------------------------------------------------------------------ large
@pytest.mark.slow
@pytest.mark.parametrize("name", ["cuba40k", "microcircuit", "threads", "brunel"])
def test_large_networks_give_the_bits_of_one_process(name: str, tmp_path: Path) -> None:
    alone, two = run_cases(0, tmp_path, [name]), run_cases(2, tmp_path, [name])
    assert two == alone * 2
    assert int(two[0][name].split()[0]) > 500
