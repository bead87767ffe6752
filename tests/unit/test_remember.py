"""What is remembered from one process to the next: never wrong, never needed, and then no SymPy is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rheobase as rb
import rheobase.remember as memory
from rheobase.derive import additive
from rheobase.emit import loop
from rheobase.errors import NotExact, RowError
from rheobase.model import rows
from rheobase.remember import remember


def forget() -> None:
    """What a new process does not know."""
    memory._memory.clear()
    memory._source_state.cache_clear()
    loop._memory.clear()
    rows._parse_texts.cache_clear()
    additive._find_gains.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty cache, and a process that knows nothing."""
    monkeypatch.setenv("RHEOBASE_CACHE", str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    monkeypatch.undo()
    forget()


class Answer:
    """Counts how often it is asked."""

    def __init__(self, value=(1, 0.1, "x", None)):
        self.value, self.asked = value, 0

    def __call__(self):
        self.asked += 1
        return self.value


def ask(answer, about="a text"):
    memory._memory.clear()
    return remember("a question", about, answer)


# ---------------------------------------------------------------- one answer


def test_an_answer_is_computed_once_and_read_afterwards(folder):
    answer = Answer({"a": [0.1, 1e-300, "τ"], "b": None})
    assert ask(answer) == ask(answer) == {"a": [0.1, 1e-300, "τ"], "b": None}
    assert answer.asked == 1
    assert len([*folder.glob("facts/*")]) == 1


def test_another_text_is_another_question(folder):
    answer = Answer()
    ask(answer, "a text")
    ask(answer, "another text")
    ask(answer, ["a text"])
    assert answer.asked == 3


def test_a_text_that_no_file_could_be_named_by(folder):
    assert ask(Answer(1), "\ud800/../\0") == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda old: b"",
        lambda old: old[: len(old) // 2],
        lambda old: old[:-1],
        lambda old: old.replace(b"0.1", b"0.2"),
        lambda old: b"\n" + old,
        lambda old: os.urandom(200),
        lambda old: b"\xff" * 100,
        lambda old: b"[" * 100_000,
        lambda old: old.split(b"\n")[2],
    ],
)
def test_a_damaged_file_is_written_anew(folder, damage):
    answer = Answer()
    ask(answer)
    (path,) = folder.glob("facts/*")
    good = path.read_bytes()
    path.write_bytes(damage(good))
    assert ask(answer) == [1, 0.1, "x", None]
    assert answer.asked == 2
    assert path.read_bytes() == good


def test_a_folder_in_place_of_the_file_costs_time_and_nothing_else(folder):
    answer = Answer()
    ask(answer)
    (path,) = folder.glob("facts/*")
    path.unlink()
    path.mkdir()
    assert ask(answer) == ask(answer) == [1, 0.1, "x", None]


def test_an_answer_that_fails_is_not_remembered(folder):
    def fail():
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            ask(fail)
    assert not [*folder.glob("facts/*")]


def test_another_source_gives_another_answer(folder, monkeypatch):
    ask(Answer("old"))
    monkeypatch.setattr(memory, "_source_state", lambda: "another")
    assert ask(Answer("new")) == "new"
    assert ask(Answer("newer")) == "new"
    assert len([*folder.glob("facts/*")]) == 1


def test_every_source_file_counts(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    for name in ("__init__.py", "model/rows.py"):
        (tmp_path / name).write_text("a = 1\n")
    monkeypatch.setattr(memory, "_package", lambda: str(tmp_path))
    states = []
    for name, text in (("", ""), ("model/rows.py", "a = 12\n"), ("__init__.py", "a = 2\n"), ("model/new.py", "")):
        if name:
            (tmp_path / name).write_text(text)
        memory._source_state.cache_clear()
        states.append(memory._source_state())
    memory._source_state.cache_clear()
    assert len(set(states)) == 4


def test_source_that_is_no_files_is_remembered_in_memory_only(folder, monkeypatch):
    monkeypatch.setattr(memory, "_package", lambda: str(folder / "rheobase.zip"))
    answer = Answer()
    ask(answer)
    remember("a question", "a text", answer)
    assert answer.asked == 1
    assert not [*folder.glob("facts/*")]


# ---------------------------------------------------------------- neurons


def run(**changes):
    return rb.simulate(rb.LIF(**changes), I="0.3 nA", until="50 ms", dt="0.1 ms", seed=1).spikes[0].tolist()


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(folder, monkeypatch):
    expected = run()
    folder.parent.parent.joinpath("file").write_text("no folder")
    monkeypatch.setenv("RHEOBASE_CACHE", str(folder.parent.parent / "file"))
    forget()
    assert run() == run() == expected


def test_rows_that_are_refused_are_not_remembered(folder):
    messages = set()
    for _ in range(3):
        forget()
        with pytest.raises(RowError) as caught:
            rb.Neuron(evolve="tau dv/dt = -v + sqrt(-v**2)", tau=1.0)
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert not [*folder.glob("facts/*")]


def test_rows_wrongly_held_for_sound_are_refused_when_they_are_used(folder, monkeypatch):
    monkeypatch.setattr(rows, "remember", lambda question, about, answer: True)
    neuron = rb.Neuron(evolve="dv/dt = 9**9**9**9*v")
    with pytest.raises(RowError, match="larger than 64"):
        rb.simulate(neuron, until=1.0, dt=0.1)


def test_damaged_facts_of_a_neuron_are_found_anew(folder):
    expected = run()
    for path in folder.glob("facts/*"):
        path.write_bytes(path.read_bytes()[:-2])
    forget()
    assert run() == expected


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text(path.read_text() + "\nboom = 1/0\n")])
def test_a_generated_file_that_is_gone_or_changed_is_printed_anew(folder, damage):
    expected = run()
    (path,) = folder.glob("clock_*.py")
    text = path.read_text()
    damage(path)
    forget()
    assert run() == expected
    assert path.read_text() == text


def test_what_is_not_exact_is_remembered_with_its_reason(folder):
    messages = set()
    for _ in range(2):
        forget()
        with pytest.raises(NotExact, match="not linear") as caught:
            rb.simulate(rb.AdEx(), I="1 nA", until=1.0, engine=rb.Exact())
        messages.add(str(caught.value))
    assert len(messages) == 1


# ---------------------------------------------------------------- processes

PROGRAM = """
import json, sys
import numpy as np
import rheobase as rb

noisy = rb.Neuron(
    evolve="tau dv/dt = E_L + mu - v + sigma*sqrt(2*tau)*xi", threshold="v > theta", reset="v <- v_r",
    refractory="2 ms", tau="10 ms", E_L="-65 mV", theta="-50 mV", v_r="-65 mV", mu="12 mV", sigma="5 mV",
)
clock = {"until": "60 ms", "engine": rb.Clock(dt="0.1 ms", threads=1), "seed": 1}
exact = {"until": "60 ms", "seed": 1}
runs = {
    "noisy": rb.simulate(noisy, n=3, **clock),
    "step": rb.simulate(rb.LIF(), I=rb.step("0.3 nA", on="5 ms", off="40 ms"), **clock),
    "f-I": rb.simulate(rb.LIF(), I=np.linspace(0, 1, 15), **clock),
    "AdEx": rb.simulate(rb.AdEx(), I="1 nA", **clock),
    "Izhikevich": rb.simulate(rb.Izhikevich(), I=10, **clock),
    "escape": rb.simulate(rb.EscapeLIF(), I="0.3 nA", **clock),
    "HH": rb.simulate(rb.HH(), I="1 nA", **clock),
    "synapse": rb.simulate(rb.LIFexp(), spikes=[1.0, 2.0, 2.0], **clock),
    "exact": rb.simulate(rb.LIF(), I="0.3 nA", **exact),
    "exact synapse": rb.simulate(rb.LIFexp(), spikes=[1.0, 2.0, 2.0], **exact),
    "not exact": rb.simulate(rb.Izhikevich(), I=10, **exact),
}
out = {}
for name, run in runs.items():
    states = {s: x.tobytes().hex() for s, x in run.final.items()}
    out[name] = [run.spikes.times.tobytes().hex(), run.engine, run.method, run.order, states]
net = rb.Network()
a = net.add("a", 3, rb.LIF(), v="-45 mV", I="0.3 nA")
b = net.add("b", 3, noisy)
run = rb.simulate(net, until="20 ms", seed=1)
out["network"] = [run["a"].spikes.times.tobytes().hex(), run["b"].spikes.times.tobytes().hex()]
live = rb.live(rb.LIF(), dt="0.1 ms", I="0.3 nA")
out["live"] = [live.step() for _ in range(300)]
heavy = [m for m in ("sympy", "mpmath", "scipy") if m in sys.modules]
print(json.dumps({"heavy": heavy, "out": out}))
"""


def test_a_second_process_gives_the_same_bits_without_sympy(tmp_path):
    environment = {**os.environ, "RHEOBASE_CACHE": str(tmp_path)}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        said.append(json.loads(done.stdout))
    first, second = said
    assert "sympy" in first["heavy"]
    assert second["heavy"] == []
    assert second["out"] == first["out"]
