"""The page in headless Chromium: every control moved, its numbers against Python's. `make test-page` runs it.

It needs Chromium, Node and `npm ci` in tools/page; where one is missing it is skipped and says so.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.page.browser import CHROMIUM, MARKS

import rheobase as rb
from rheobase.explorer.open import serve

HERE = Path(__file__).parent
pytestmark = MARKS

#: seconds are asked for only where the machine is quiet: RHEOBASE_QUIET=1
QUIET = os.environ.get("RHEOBASE_QUIET") == "1"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, Path]]:
    pytest.importorskip("starlette")
    folder = tmp_path_factory.mktemp("page")
    path = rb.explore(out=folder / "page.html")
    assert isinstance(path, Path)
    with serve() as served:
        yield path, served.url, folder


def drive(page: tuple[Path, str, Path], *parts: str) -> dict[str, Any]:
    """Return what the driver saw in some of its parts; nothing may have gone wrong or left the machine."""
    path, url, folder = page
    done = subprocess.run(
        ["node", str(HERE / "drive.mjs"), path.as_uri(), url, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env={**os.environ, "ONLY": ",".join(parts), "CHROMIUM": CHROMIUM},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    out: dict[str, Any] = json.loads(done.stdout)
    assert out["errors"] == []
    assert [r for r in out["requests"] if not r.startswith(("file:", url, "data:", "blob:"))] == []
    return out


def run_text(python: str) -> list[np.ndarray]:
    """Return the spike trains that the copied Python prints."""
    exact = "import numpy as np\nnp.set_printoptions(precision=17, threshold=10**9)\n"
    done = subprocess.run([sys.executable, "-c", exact + python], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{python}\n{done.stderr[-2000:]}"
    return [np.array([float(x) for x in block.split()]) for block in re.findall(r"\[([^\]]*)\]", done.stdout)]


def steps(times: np.ndarray, dt: float) -> list[int]:
    return [int(k) for k in np.round(times / dt)]


def test_ready_quick_small_and_alone(page: tuple[Path, str, Path]) -> None:
    assert page[0].stat().st_size < 500_000
    seen = drive(page, "speed", "latency")
    print({k: seen[k] for k in ("ready", "frames", "latency")}, page[0].stat().st_size)
    assert all(r.startswith("file:") for r in seen["requests"])
    if QUIET:
        assert np.median(seen["ready"]) < 1500
        assert seen["latency"]["median"] < 50
        assert seen["frames"]["rate"] >= 50


def test_labels_are_of_their_size_on_a_phone(page: tuple[Path, str, Path]) -> None:
    fine = drive(page, "fine")["fine"]
    assert fine["wide"] <= 390
    for before, after in zip(fine["before"], fine["after"], strict=True):
        assert after > 1.6 * before > 16  # in the pixels of the canvas, twice as many


def test_every_model_and_stimulus_as_in_python(page: tuple[Path, str, Path]) -> None:
    """The Python that the page offers for copying gives the spikes that the page shows."""
    seen = drive(page, "models")["models"]
    assert len({m["id"] for m in seen}) == 42
    assert {m["kind"] for m in seen} == {"default", "noise", "drawn", "ramp", "pulses", "poisson"}
    # in one process: each text becomes a function whose printed trains are kept
    program = ["import rheobase as rb, json", "out = []", "def print(x): out[-1].append(x.tolist())"]
    for m in seen:
        body = m["python"].replace("import rheobase as rb\n", "")
        program += ["out.append([])", body]
    program.append("import sys; sys.stdout.write(json.dumps(out))")
    done = subprocess.run([sys.executable, "-"], input="\n".join(program), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    wrong = []
    for m, (times,) in zip(seen, json.loads(done.stdout), strict=True):
        assert m["shown"] == str(len(m["steps"]))
        if steps(np.array(times), m["dt"]) != m["steps"]:
            wrong.append((m["id"], m["kind"], len(times), len(m["steps"])))
    assert wrong == []
    assert sum(len(m["steps"]) > 0 for m in seen) > 0.8 * len(seen)


def test_every_control_does_something(page: tuple[Path, str, Path]) -> None:
    seen = drive(page, "controls")
    moved = seen["controls"]
    assert len(moved) > 20  # two sliders for each parameter, the stimulus, the duration
    assert [name for name, done in moved if not done] == []
    fields = seen["fields"]
    taken = [fields[text][0] for text in ("-3", "0", "abc", "", "1e400")]
    assert len(set(taken)) == 1, "what is not legal must not be taken"
    assert all(fields[text][1] for text in ("-3", "0", "abc", "", "1e400"))
    assert fields["77.5"] == [77.5, ""]
    assert seen["link"]["same"], seen["link"]["link"]
    compared = seen["compared"]
    for which, times in zip("AB", run_text(compared["python"]), strict=True):
        assert steps(times, compared["dt"]) == compared[which]


def test_files_hold_what_is_on_the_screen(page: tuple[Path, str, Path]) -> None:
    files = drive(page, "controls")["files"]
    with open(files["CSV"]["path"], newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["t_ms", "I_nA", "v_mV_A", "w_nA_A", "spike_A", "v_mV_B", "w_nA_B", "spike_B"]
    assert len(rows) > 1000
    assert {row[4] for row in rows[1:]} == {"0", "1"}
    root = ElementTree.parse(files["SVG"]["path"]).getroot()
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 10
    assert files["PNG"]["begin"].startswith("\x89PNG")
    assert files["PNG"]["size"] > 20_000


def test_a_current_drawn_by_hand(page: tuple[Path, str, Path]) -> None:
    seen = drive(page, "drawn")
    drawn = seen["drawn"]
    assert len(drawn["points"]) > 15
    assert drawn["points"] == sorted(drawn["points"])
    (times,) = run_text(drawn["python"])
    assert steps(times, drawn["dt"]) == drawn["steps"]
    assert len(drawn["steps"]) > 0
    # time that runs on, the step repeated
    live, I = seen["live"], seen["live"]["stimulus"]
    step = rb.pulses(I["amplitude"], [n * live["duration"] + I["on"] for n in range(9)], I["off"] - I["on"])
    run = rb.simulate(rb.LIF(), I=step, until=live["until"], dt=live["dt"])
    (trains,) = run.spikes
    assert steps(trains[trains > live["from"]], live["dt"]) == steps(np.array(live["spikes"]), live["dt"])
    assert abs(run.v[-1] - live["v"]) < 1e-9
    assert live["slower"][0] == live["slower"][2] > 50
    assert live["slower"][1]
    # the f-I curve beside the exact one, on a grid of 0.025 ms
    currents, rates = np.array(seen["curve"]["currents"]), np.array(seen["curve"]["rates"][0])
    driven = np.maximum(100 * currents, 20.001)  # R I and the threshold above rest, in mV
    exact = np.where(currents > 0.2, 1e3 / (2 + 20 * np.log(driven / (driven - 20))), 0)
    far = np.abs(currents - 0.2) > 0.01  # near the rheobase intervals are longer than the page's run
    np.testing.assert_allclose(rates[far], exact[far], rtol=0.01, atol=0.2)


def test_buckets_by_mouse_keyboard_and_finger(page: tuple[Path, str, Path]) -> None:
    bucket = drive(page, "buckets")["bucket"]
    before, after = bucket["click"]
    assert after > 80 > before
    low, middle, high = bucket["keyboard"]
    assert 100 >= high >= middle >= low > 50
    assert bucket["touch"] == 1
    assert bucket["refractory"] == [1, 0]
    assert bucket["slider"] == 505


def test_timing(page: tuple[Path, str, Path]) -> None:
    timing = drive(page, "timing")["timing"]
    for case in timing["trains"]:
        times, neurons = np.array(case["times"]), np.array(case["neurons"])
        python = rb.schreiber([times[neurons == i] for i in range(25)], sigma=3, start=500, until=1000)
        assert abs(python - case["value"]) < 1e-9
        wanted = {(1, "constant"): (0.13, 0.24), (1, "fluctuating"): (0.8, 0.95)}
        low, high = wanted.get((case["leak"], case["kind"]), (0.15, 0.35))  # of the seed, 25 trials
        assert low < case["value"] < high, case["value"]
    # the staircase: as many spikes as the same rows give in Python
    I, counts = np.array(timing["stairs"]["I"]), timing["stairs"]["counts"]
    stairs = rb.simulate(
        rb.IF(reset="v <- v - theta"), I=rb.sampled(np.tile(I, (64, 1)), dt="1 ms"), until=8, dt=1, method="euler"
    )
    assert [len(s) for s in stairs.spikes] == counts
    # the network: the same in Python, other synapses of the same law
    net = rb.networks.brunel(g=5, nu_ext_over_threshold=2, order=100, J="0.5 mV")
    run = rb.simulate(net, until="400 ms", seed=1)
    for name in ("E", "I"):
        spikes = run[name].spikes
        rate = 1e3 * np.sum(spikes.times > 100) / (len(spikes) * 300)
        shown = float(timing["first"][f"network {name}"].removesuffix(" Hz"))
        assert abs(shown - rate) < 0.1 * rate
    assert timing["moved"] != timing["first"]
    assert float(timing["moved"]["network E"].removesuffix(" Hz")) > 2 * float(
        timing["first"]["network E"].removesuffix(" Hz")
    )


def test_rows_of_ones_own(page: tuple[Path, str, Path]) -> None:
    rows = drive(page, "rows")["rows"]
    first, line, caret = rows["error"].splitlines()
    assert first.startswith("evolve row: ")
    assert line[caret.index("^")] == "*"
    neuron = rows["neuron"]
    (times,) = run_text(neuron["python"])
    assert steps(times, neuron["dt"]) == neuron["steps"]
    assert len(neuron["steps"]) > 2
    assert rows["again"] == neuron["steps"], "the link does not keep the rows"


def test_links_that_want_to_do_harm(page: tuple[Path, str, Path]) -> None:
    for link, (hacked, elements, ready, tau, panels) in drive(page, "links")["links"]:
        assert (hacked, elements, ready, panels) == (None, 0, True, 1), link
        assert tau is None or tau > 0, link
