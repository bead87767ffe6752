"""The quadratic neuron by its closed form: against 30 digits, mpmath, an adaptive method, and the clock."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rheobase as rb

ROWS = json.loads((Path(__file__).parents[1] / "data" / "closed_form.json").read_text())["E_qif"]
CANONICAL = [r for r in ROWS["canonical"] if r["v_peak"] != "inf"]


@pytest.mark.parametrize("row", CANONICAL, ids=[f"{r['tau']}-{r['I']}" for r in CANONICAL])
def test_canonical_intervals(row: dict) -> None:
    cell = rb.QIF(form="canonical", v_r=float(row["v_reset"]), v_peak=float(row["v_peak"]), tau=float(row["tau"]))
    start = min(float(row["v_reset"]), 0.0)
    run = rb.simulate(cell, I=float(row["I"]), v=start, until=2000, engine=rb.Exact())
    if row["isi"] is None:
        assert len(run.spikes[0]) == 0
        return
    isi = float(row["isi"])
    intervals = np.diff(run.spikes[0])
    assert len(intervals) >= 3
    assert np.abs(intervals - isi).max() < 1e-12 * 2000


@given(
    bend=st.floats(0.01, 2.0),
    drive=st.floats(-3.0, 3.0),
    start=st.floats(-8.0, 8.0),
    peak=st.floats(0.5, 30.0),
    strict=st.booleans(),
)
@settings(max_examples=60)
def test_first_crossings_by_mpmath(bend: float, drive: float, start: float, peak: float, strict: bool) -> None:
    """dv/dt = bend v^2 + drive from `start` to `peak`: the time by a quadrature of 20 digits, or never."""
    cell = rb.Neuron(
        evolve="dv/dt = bend*v**2 + drive",
        threshold="v > peak" if strict else "v >= peak",
        reset="v <- low",
        refractory="1000 ms",
        low=-9.0,
        bend=bend,
        drive=drive,
        peak=peak,
    )
    found = rb.simulate(cell, v=start, until=500, engine=rb.Exact()).spikes[0]
    if start > peak:
        assert found.tolist() == [0.0]
        return
    slope = bend * start * start + drive
    rests = [-np.sqrt(-drive / bend), np.sqrt(-drive / bend)] if drive <= 0 else []
    resting = any(start <= rest <= peak for rest in rests)  # a fixed point in the way
    if slope <= 0 or resting or start == peak:
        assert len(found) == 0 or start == peak
        return
    with mpmath.workdps(20):
        b, d = mpmath.mpf(bend), mpmath.mpf(drive)
        inside = [0] if start < 0 < peak else []
        wanted = mpmath.quad(lambda v: 1 / (b * v * v + d), [start, *inside, peak])
        if drive < 0 and abs(slope) < 1e-6:
            return  # next to a fixed point the time itself is ill conditioned
        if wanted > 499:
            assert len(found) == 0 or wanted < 501
        else:
            assert abs(found[0] - float(wanted)) < 1e-9 * max(1.0, float(wanted))


def test_an_adaptive_method_agrees() -> None:
    """Spikes that arrive, a step of current, refractoriness: DOP853 at 1e-12 finds the same."""
    given_ = {
        "spikes": rb.spikes([5, 20, 21.0, 60, 61, 62, 63.5], weight="9 mV"),
        "I": rb.step("0.3 nA", on=50, off=150),
        "until": 200,
        "record": True,
        "record_every": 1.0,
    }
    for cell in (rb.QIF(), rb.QIF(refractory="3 ms")):
        exact = rb.simulate(cell, engine=rb.Exact(), **given_)
        near = rb.simulate(cell, engine=rb.Precise(1e-12), **given_)
        assert len(exact.spikes[0]) >= 5
        assert np.abs(exact.spikes[0] - near.spikes[0]).max() < 1e-8
        assert np.abs(exact.v - near.v).max() < 1e-6
    assert "Exact" in rb.simulate(rb.QIF(), I="0.5 nA", until=50).engine  # what a user gets without asking


def test_what_has_no_closed_form_is_named() -> None:
    with pytest.raises(rb.NotExact, match="quadratic"):
        rb.simulate(rb.QIF(), I=rb.sine("0.3 nA", "20 Hz"), until=50, engine=rb.Exact())
    two = rb.Neuron(evolve="dv/dt = v**2 - u\ndu/dt = v - u", threshold="v > 10", reset="v <- 0")
    with pytest.raises(rb.NotExact, match="evolve row"):
        rb.simulate(two, until=50, engine=rb.Exact())


def test_a_network_agrees_with_the_clock() -> None:
    """Quadratic neurons and LIF neurons in one network: the clock comes within its step."""
    net = rb.Network()
    q = net.add("q", 6, rb.QIF(), I=np.linspace(0.3, 0.6, 6))
    cells = net.add("cells", 5, rb.LIF(), I=0.3)
    net.connect(q, q, p=0.5, weight=1.0, delay=1.5)
    net.connect(q, cells, p=0.8, weight=1.0, delay=1.5)
    exact = rb.simulate(net, until=30, engine=rb.Exact(), seed=1).spikes
    clock = rb.simulate(net, until=30, engine=rb.Clock(dt=0.001), seed=1).spikes
    assert len(exact.times) > 10
    assert np.array_equal(exact.neurons, clock.neurons)
    assert np.abs(exact.times - clock.times).max() < 0.02
