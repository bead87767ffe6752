"""Runs compared spike by spike; errors against dt fall with the order that the method has."""

from __future__ import annotations

import numpy as np
import pytest

import rheobase as rb
from rheobase.analysis.compare import _match
from rheobase.analysis.steps import _extra


def test_partners_are_matched_once_and_in_order():
    a, b = np.array([1.0, 2.0, 3.0, 9.0]), np.array([1.2, 3.1, 5.0, 9.4])
    left, right = _match(a, b, 0.5)
    assert list(zip(left, right, strict=True)) == [(0, 0), (2, 1), (3, 3)]
    assert _match(a, np.array([]), 1.0)[0].size == 0
    twice = _match(np.array([1.0, 1.1]), np.array([1.05]), 1.0)
    assert len(twice[0]) == 1


def test_a_spike_that_slips_over_the_end_is_no_extra_one():
    a, b = np.array([10.0, 99.9]), np.array([10.0])
    assert _extra(a, b, 99.0) == 0
    assert _extra(a, b, 100.0) == -1
    assert _extra(b, np.array([10.0, 50.0]), 99.0) == 1


def test_the_same_engine_twice_differs_in_nothing():
    clock = rb.Clock("0.1 ms")
    [d] = rb.compare(rb.LIF(), [clock, clock], until="200 ms", I=np.linspace(0.1, 0.5, 4))
    assert (d.missed, d.invented, d.largest, d.median, d.first) == (0, 0, 0.0, 0.0, None)
    assert d.trace == {"v": 0.0}
    assert d.matched > 20


def test_clock_and_exact_differ_by_the_grid():
    found = rb.compare(rb.LIF(), [rb.Exact(), rb.Clock("0.1 ms"), rb.Clock("0.05 ms")], until="100 ms", I="0.3 nA")
    assert len([*found]) == 3
    coarse, fine, _ = found
    assert coarse.matched == fine.matched == 4
    assert 0 <= fine.largest <= coarse.largest < 4 * 0.1
    neuron, ta, tb = coarse.first
    assert neuron == 0
    assert 0 < tb - ta <= 0.1
    assert coarse.trace["v"] < 1e-10  # before the first spike an exact method is exact
    text = repr(found)
    assert "missed" in text
    assert text.count("\n") == 4


def test_missing_and_invented_spikes_are_counted():
    # a coarse Euler step moves the spikes too far to be matched within 0.01 ms
    [d] = rb.compare(rb.LIF(), [rb.Exact(), rb.Clock("1 ms", "euler")], until="100 ms", I="0.3 nA", tolerance="0.01 ms")
    assert d.matched + d.missed == 4
    assert d.missed >= 3
    assert d.invented >= 3


def test_one_engine_is_not_enough():
    with pytest.raises(rb.InputError, match="two or more"):
        rb.compare(rb.LIF(), [rb.Exact()], until=100)


@pytest.mark.parametrize(
    ("model", "method", "state", "order", "coarse", "inputs"),
    [
        (rb.LIF(), "euler", "v", 1, 0.2, {"I": "0.3 nA"}),
        (rb.LIF(), "heun", "v", 2, 0.4, {"I": "0.3 nA"}),
        (rb.LIF(), "rk4", "v", 4, 2.0, {"I": "0.3 nA"}),
        (rb.Izhikevich(), "rk4", "u", 4, 0.2, {"I": 4.0}),
        (rb.HH(), "exponential euler", "h", 1, 0.2, {"I": 0.1}),
    ],
    ids=lambda x: getattr(x, "name", x) if not isinstance(x, dict) else "",
)
def test_the_measured_order_is_the_methods(model, method, state, order, coarse, inputs):
    found = rb.check_dt(model, until="20 ms", method=method, dts=coarse / 2.0 ** np.arange(4), **inputs)
    assert found.order[state] == pytest.approx(order, abs=0.25)
    assert found.method == method


def test_an_exact_method_has_only_rounding_and_the_grid():
    found = rb.check_dt(rb.LIF(), until="150 ms", I="0.3 nA", dts=2.0 ** -np.arange(1, 9))
    assert found.order["v"] == np.inf
    assert found.truth == "Exact()"
    n_spikes = len(rb.simulate(rb.LIF(), I="0.3 nA", until="150 ms").spikes[0])
    assert np.all(found.spike_error <= n_spikes * found.dts)
    assert np.all(found.count_error == 0)
    assert found.recommended is not None
    assert found.spike_error[found.dts <= found.recommended].max() <= 0.1


def test_an_exact_method_is_called_exact():
    told = repr(rb.check_dt(rb.LIF(), until="100 ms", I="0.3 nA", dts=[0.4, 0.2]))
    assert "the method is exact here: dt does not matter for v; spikes lie on steps" in told
    assert "inf" not in told
    silent = repr(rb.check_dt(rb.LIF(), until="100 ms", I="0.1 nA", dts=[0.4, 0.2]))
    assert silent.splitlines()[-2:] == [
        "the method is exact here: dt does not matter for v",
        "recommended: dt = 0.4 ms",
    ]
    assert "nan" not in silent
    assert "exact here" not in repr(rb.check_dt(rb.AdEx(), until="20 ms", I="1 nA", dts=[0.2, 0.1]))


def test_a_tolerance_out_of_reach_is_said():
    found = rb.check_dt(rb.LIF(), until="100 ms", I="0.3 nA", dts=[0.4, 0.2], tolerance="1e-6 ms")
    assert found.recommended is None
    assert "give smaller dts=" in repr(found)


def test_noise_has_no_truth():
    with pytest.raises(rb.InputError, match="take out xi"):
        rb.check_dt(rb.NoisyLIF(), until=100)
    with pytest.raises(rb.InputError, match="the hazard"):
        rb.check_dt(rb.EscapeLIF(), until=100)
    with pytest.raises(rb.InputError, match="is not positive"):
        rb.check_dt(rb.LIF(), until=100, dts=[0.1, -0.1])
