"""Patterns get the names that their authors gave them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rheobase as rb

ORACLE = json.loads((Path(__file__).parents[1] / "data" / "izhikevich20.json").read_text())
IZHIKEVICH = {row["letter"]: row for row in ORACLE["izhikevich2004"]["rows"]}
NAUD = {row["name"]: row for row in ORACLE["adex_naud2008"]["rows"]}
MIHALAS = {row["letter"]: row for row in ORACLE["mihalas_niebur_2009"]["rows"]}


@pytest.mark.parametrize(
    ("letter", "on", "off", "name"),
    [
        ("A", 10, 100, "tonic spiking"),
        ("B", 20, 200, "phasic spiking"),
        ("C", 22, 220, "tonic bursting"),
        ("D", 20, 200, "phasic bursting"),
        ("E", 16, 160, "mixed mode"),
        ("F", 8.5, 85, "spike frequency adaptation"),
        ("I", 10, 13, "spike latency"),
        ("M", 20, 25, "rebound spike"),
        ("N", 20, 25, "rebound burst"),
    ],
)
def test_izhikevich_2004(letter, on, off, name):
    row = IZHIKEVICH[letter]
    for scheme in ("spikes_figure1_scheme", "spikes_continuous_time"):
        found = rb.firing_pattern(np.array(row[scheme]), row["T"], on, off, current=7 if letter == "I" else None)
        assert str(found) == name


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("tonic spiking", "tonic spiking"),
        ("adaptation", "spike frequency adaptation"),
        ("initial burst", "mixed mode"),
        ("regular bursting", "tonic bursting"),
        ("delayed accelerating", "delayed accelerating"),
        ("delayed regular bursting", "delayed tonic bursting"),
        ("transient spiking", "phasic spiking"),  # one spike in continuous time
        ("irregular spiking", "irregular spiking"),
    ],
)
def test_adex_of_naud_2008(row, name):
    assert str(rb.firing_pattern(np.array(NAUD[row]["spikes_continuous_time"]), NAUD[row]["T"])) == name


@pytest.mark.parametrize(
    ("letter", "on", "off", "name"),
    [
        ("A", 0, 200, "tonic spiking"),
        ("C", 0, 200, "spike frequency adaptation"),
        ("D", 0, 500, "transient spiking"),
        ("G", 50, 800, "rebound spike"),
        ("M", 0, 500, "tonic bursting"),
        ("N", 0, 500, "phasic bursting"),
        ("O", 100, 600, "rebound burst"),
        ("P", 0, 500, "mixed mode"),
    ],
)
def test_mihalas_niebur_2009(letter, on, off, name):
    row = MIHALAS[letter]
    key = next(k for k in row if "spike" in k)
    assert str(rb.firing_pattern(np.array(row[key], dtype=float), row["T"], on, off)) == name


def test_shapes_made_by_hand():
    silent = rb.firing_pattern(np.array([]), 100)
    assert silent.name == "silent"
    assert np.isnan(silent.criteria["latency"])
    assert rb.firing_pattern(np.cumsum(np.linspace(20, 5, 12)), 160).name == "accelerating"
    burst = np.array([0.0, 3, 6, 9])
    train = np.concatenate([burst + 50 + 60 * k for k in range(5)])
    found = rb.firing_pattern(train, 330)
    assert found.name == "tonic bursting"
    assert [len(b) for b in found.bursts] == [4] * 5
    assert found.criteria["gaps"] == 4
    rng = np.random.default_rng(2)
    assert rb.firing_pattern(np.cumsum(rng.exponential(10, 80)), 900).name == "irregular spiking"


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_the_name_does_not_depend_on_the_unit_of_time(scale):
    for row in NAUD.values():
        times = np.array(row["spikes_continuous_time"])
        assert str(rb.firing_pattern(times * scale, row["T"] * scale)) == str(rb.firing_pattern(times, row["T"]))


def test_a_run_brings_its_own_duration():
    run = rb.simulate(rb.LIF(), I=rb.step("0.4 nA", on="50 ms"), until="300 ms", dt="0.1 ms")
    found = rb.firing_pattern(run, on="50 ms")
    assert found.name == "tonic spiking"
    assert found.criteria["n_spikes"] == len(run.spikes[0])
    with pytest.raises(rb.InputError, match="until= is missing"):
        rb.firing_pattern(np.array([1.0, 2.0]))
    with pytest.raises(rb.InputError, match="must follow each other"):
        rb.firing_pattern(np.array([1.0, 2.0]), 100, on=50, off=20)
