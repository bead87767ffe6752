"""rheobase run, fi, compare, bench: what a file may say, what is written, and how mistakes are told."""

import csv
from importlib import import_module

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import rheobase as rb
from rheobase import cli

LIF = """
model = "LIF"
until = "150 ms"
[values]
tau = "20 ms"
I = { step = "0.3 nA", on = "20 ms", off = "120 ms" }
"""
OWN = """
until = "100 ms"
dt = "0.1 ms"
seed = 3
n = 4
[neuron]
evolve = '''tau dv/dt = E_L - v + g
            tau_s dg/dt = -g'''
receive = { exc = "g <- g + w_i" }
threshold = "v > theta"
reset = "v <- E_L"
refractory = "2 ms"
[values]
tau = "20 ms"
tau_s = "5 ms"
E_L = "-70 mV"
theta = "-69 mV"
exc = { poisson = "1 kHz", weight = "1 mV" }
"""
NETWORK = """
until = "100 ms"
seed = 1
[[population]]
name = "E"
n = 80
model = "CUBA"
values = { v = { uniform = ["-60 mV", "-50 mV"] } }
[[population]]
name = "in"
n = 5
model = { poisson = "20 Hz" }
[[connect]]
source = "E"
target = ["E"]
to = "exc"
p = 0.2
weight = "1.62 mV"
delay = "0.1 ms"
[[connect]]
source = "in"
target = "E"
to = "exc"
all_to_all = true
weight = { normal = ["1 mV", "0.1 mV"], low = "0 mV" }
delay = "1 ms"
"""


@pytest.fixture
def run():
    def invoke(*arguments: object):
        return CliRunner().invoke(cli.app, [str(a) for a in arguments])

    return invoke


def write(folder, text, name="model.toml"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_neuron_of_the_zoo_from_a_file_gives_the_spikes_of_the_library(run, tmp_path):
    out = tmp_path / "spikes.csv"
    result = run("run", write(tmp_path, LIF), "--out", out, "--plot", tmp_path / "run.png")
    assert result.exit_code == 0, result.output
    expected = rb.simulate(rb.LIF(tau="20 ms"), I=rb.step("0.3 nA", on="20 ms", off="120 ms"), until="150 ms")
    with out.open() as file:
        rows = [*csv.DictReader(file)]
    assert [float(r["time (ms)"]) for r in rows] == expected.spikes[0].tolist()
    times, v = np.loadtxt(tmp_path / "spikes_v.csv", delimiter=",", skiprows=1).T
    assert np.array_equal(times, expected.t)
    assert np.array_equal(v, expected.v)
    assert (tmp_path / "run.png").stat().st_size > 5_000


def test_own_rows_with_a_port(run, tmp_path):
    out = tmp_path / "run.h5"
    result = run("run", write(tmp_path, OWN), "--out", out, "--record", "v")
    assert result.exit_code == 0, result.output
    with h5py.File(out) as file:
        assert file["neuron/traces/v"].shape == (1001, 4)
        count = file["neuron/spikes/times"].shape[0]
    assert count > 0


def test_a_network_from_a_file(run, tmp_path):
    out = tmp_path / "run.npz"
    result = run("run", write(tmp_path, NETWORK), "--out", out)
    assert result.exit_code == 0, result.output
    net = rb.Network()
    E = net.add("E", 80, rb.CUBA(), v=rb.uniform("-60 mV", "-50 mV"))
    source = net.add("in", 5, rb.poisson("20 Hz"))
    net.connect(E, [E], to="exc", p=0.2, weight="1.62 mV", delay="0.1 ms")
    weight = rb.normal("1 mV", "0.1 mV", low="0 mV")
    net.connect(source, E, to="exc", all_to_all=True, weight=weight, delay="1 ms")
    expected = rb.simulate(net, until="100 ms", seed=1)
    with np.load(out) as data:
        assert np.array_equal(data["E/spikes/times"], expected["E"].spikes.times)
        assert len(data["in/spikes/times"]) > 0


def test_settings_and_currents_from_files(run, tmp_path):
    current = write(tmp_path, "time,I\n0,0\n20,0.3\n120,0\n", "current.csv")
    result = run(
        "run", "LIF", "-s", f"I={current}", "-s", "tau=20 ms", "--until", "150 ms", "--out", tmp_path / "a.csv"
    )
    assert result.exit_code == 0, result.output
    with (tmp_path / "a.csv").open() as file:
        assert len([*csv.DictReader(file)]) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = 'LIFF'\nuntil='1 s'", ["LIFF", "Did you mean 'LIF'"]),
        ("model = 'LIF'\nuntl = '1 s'", ["untl", "Did you mean 'until'"]),
        ("model = \nuntil = 1", ["no TOML", "line 1"]),
        ("model = 'LIF'\n[neuron]\nevolve='dv/dt = -v'", ["either"]),
        ("until='1 s'\n[neuron]\nevolve='tau dv/dt = -v + '\n[values]\ntau='1 ms'", ["evolve row", "^"]),
        ("until='1 s'\n[neuron]\nthreshold='v > 1'", ["evolve"]),
        ("model='LIF'\nuntil='1 s'\n[values]\nI = { stp = '1 nA' }", ["I: ", "step"]),
        ("model='LIF'\nuntil='1 s'\n[values]\nI = { step = '1 nA', at = 3 }", ["I: ", "at"]),
        ("model='LIF'\nuntil='1 s'\n[values]\nI = { file = 'no.csv' }", ["no.csv"]),
        ("model='LIF'\nuntil='1 s'\n[values]\nI = '1 mV'", ["nA"]),
        ("model='LIF'\nuntil='-1 s'\n[values]\nI = 1", ["until"]),
        ("model='LIF'\nuntil='1 s'\nengine='clok'", ["Did you mean 'clock'"]),
        ("model='LIF'\nuntil='1 s'\nengine='exact'\ndt='1 ms'", ["dt"]),
        ("until='1 s'\n[[population]]\nn=1\nmodel='LIF'", ["[[population]] 1", "name"]),
        ("until='1 s'\n[[population]]\nname='E'\nn=1\nmodel='LIF'\nI=3", ["'I' is not known", "values"]),
        ("until='1 s'\n[population]\nname='E'", ["[[population]]"]),
    ],
)
def test_mistakes_in_a_file_are_named(run, tmp_path, text, words):
    result = run("run", write(tmp_path, text))
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output


def test_a_file_that_is_there_is_kept_and_nothing_is_run(run, tmp_path):
    out = tmp_path / "spikes.csv"
    out.write_text("precious")
    result = run("run", "LIF", "-s", "I=0.3", "--until", "1 s", "--out", out)
    assert result.exit_code == 1
    assert "--overwrite" in result.output
    assert out.read_text() == "precious"
    assert run("run", "LIF", "-s", "I=0.3", "--until", "1 s", "--out", out, "--overwrite").exit_code == 0
    assert run("run", "LIF", "-s", "I=0.3", "--until", "1 s", "--out", tmp_path / "no" / "a.csv").exit_code == 1
    assert ".npz" in run("run", "LIF", "-s", "I=0.3", "--until", "1 s", "--out", tmp_path / "a.xyz").output


def test_text_of_a_user_is_never_evaluated(run, tmp_path):
    result = run("run", "LIF", "-s", "I=__import__('os').mkdir('gone')", "--until", "1 s")
    assert result.exit_code == 1
    assert not (tmp_path / "gone").exists()


def test_fi_prints_the_rheobase_and_writes_the_curve(run, tmp_path):
    out = tmp_path / "curve.csv"
    result = run("fi", "LIF", "--from", "0 nA", "--to", "0.4 nA", "--points", 5, "--out", out)
    assert result.exit_code == 0, result.output
    assert "rheobase of LIF: 0.2 nA" in result.output
    assert np.loadtxt(out, delimiter=",", skiprows=1)[:, 0].tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_compare_says_what_a_grid_changes(run):
    result = run("compare", "LIF", "-s", "I=0.3 nA", "--until", "100 ms", "-e", "exact", "-e", "clock:0.1ms")
    assert result.exit_code == 0, result.output
    assert "Exact()" in result.output
    assert "matched" in result.output
    assert "clock:0.05ms" in run("compare", "LIF", "-s", "I=0.3", "--until", "1 s", "-e", "nest").output


def test_bench_prints_a_table(run, monkeypatch):
    bench = import_module("rheobase.cli.bench")
    monkeypatch.setattr(bench, "_CASES", bench._CASES[:1])
    result = run("bench", "--repeats", "1")
    assert result.exit_code == 0, result.output
    assert "one LIF neuron" in result.output
