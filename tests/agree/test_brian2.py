"""Single populations as in Brian2, whose order of operations differs from ours; the differences are spelled out.

In a step Brian2 records, updates the state, tests the threshold, delivers spikes, resets, and stamps all with the
start of the step. So

- its time t is our t + dt for spikes by a current, and its sample at t is our state at t;
- what arrives at t is in its state from t + dt on, where ours has it at t, and it is tested one step later:
  its spike by an input at t is stamped t + dt where ours is at t;
- a refractory time of 2 ms takes the steps whose start lies less than 2 ms behind the spike's stamp: the same
  number of clamped steps as ours, so intervals agree.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rheobase as rb

CASES = {c["id"]: c for c in json.loads((Path(__file__).parents[1] / "data" / "brian2_cases.json").read_text())["cases"]}
METHODS = {"exact": "exact", "euler": "euler", "rk4": "rk4", "exponential_euler": "exponential euler"}
DT_LATE = {"seed004_HH_synaptic_exponential_euler"}


def _given(case: dict[str, Any], *names: str, scale: float = 1.0) -> dict[str, Any]:
    values = {}
    for name in names:
        x = np.array(case["initial"][name], dtype=float) * scale
        values[name] = x if len(x) > 1 else float(x[0])
    return values


def _inputs(case: dict[str, Any], scale: float = 1.0, late: bool = True) -> Any:
    """Return the spikes that arrive, one step later than their time there."""
    (source,) = case["inputs"]
    return rb.spikes(np.array(source["times_ms"]) + (case["dt_ms"] if late else 0.0), weight=source["w"] * scale)


def _run(case: dict[str, Any], model: rb.Neuron, **given: Any) -> rb.Run:
    dt = case["dt_ms"]
    if case["N"] > 1 and not any(np.ndim(x) for x in given.values()) and model.size is None:
        given["n"] = case["N"]
    return rb.simulate(model, case["T_ms"], engine=rb.Clock(dt, METHODS[case["method"]]), record=True, **given)


def _check_spikes(case: dict[str, Any], run: rb.Run, tolerance: float) -> None:
    dt = case["dt_ms"]
    for i, expected in enumerate(case["spikes"]):
        ours = run.spikes[i] - dt  # stamped with the start of the step
        ours = ours[ours <= case["T_ms"] - dt + 1e-9]
        assert len(ours) == len(expected), f"neuron {i}: {ours} and {expected}"
        assert np.abs(ours - np.array(expected)).max(initial=0.0) <= tolerance + 1e-6


def _check_trace(case: dict[str, Any], run: rb.Run, name: str, ours: str, scale: float, rtol: float, skip: float = 0.0) -> None:
    """Compare traces; samples nearer than `skip` ms to a spike are left out."""
    trace = case["trace"]
    steps = np.rint((trace["t0_ms"] + trace["every_ms"] * np.arange(trace["count"])) / case["dt_ms"]).astype(int)
    values = np.atleast_2d(run[ours])[:, steps]
    expected = np.array(trace["values"][name])
    keep = np.ones(expected.shape, dtype=bool)
    for i, spikes in enumerate(case["spikes"]):
        for s in spikes if skip else ():
            keep[i] &= (steps * case["dt_ms"] < s - skip) | (steps * case["dt_ms"] > s + skip)
    assert keep.mean() > 0.4
    np.testing.assert_allclose((values * scale)[keep], expected[keep], rtol=rtol, atol=2e-9)


def test_every_case_without_connections_has_its_test() -> None:
    alone = {i for i, c in CASES.items() if not c["connections"]}
    assert alone == {*LIF, *SEEDS, "seed004_IF", *ADEX, "izhikevich_euler", "qif", *HH}


LIF = ["lif_dc_exact", "lif_dc_euler", "lif_dc_rk4"]


@pytest.mark.parametrize("name", LIF)
def test_lif_with_constant_current(name: str) -> None:
    case = CASES[name]
    model = rb.LIF(tau=10, R=1, E_L=-65, theta=-50, v_r=-60, refractory=2, v=-65)
    run = _run(case, model, I=np.array(case["initial"]["RI"]))
    _check_spikes(case, run, 0.0)
    _check_trace(case, run, "v", "v", 1.0, 1e-9)


SEEDS = [f"seed004_{m}_{method}" for m in ("LIF", "LIFexp", "ALIF") for method in ("euler", "exact")]
PAGE = {
    "LIF": (lambda: rb.Neuron("tau dv/dt = -v", receive="v <- v + w_i", threshold="v > 1", reset="v <- 0", tau=15.0), {"v": "v"}),
    "LIFexp": (lambda: rb.Neuron("tau dv/dt = R*I - v\ntau_I dI/dt = -I", receive="I <- I + w_i", threshold="v > 1", reset="v <- 0",
                                 tau=15.0, tau_I=5.0, R=4.0), {"v": "v", "I": "I"}),
    "ALIF": (lambda: rb.Neuron("tau dv/dt = -v\ntau_T dtheta/dt = 1 - theta", receive="v <- v + w_i", threshold="v > theta",
                               reset="v <- 0; theta <- theta + d", tau=15.0, tau_T=50.0, d=[0.0, 0.4], theta=1.0, v=0.0),
             {"v": "v", "vt": "theta"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_page_neurons_with_regular_input(name: str) -> None:
    """An input at t is theirs from t + dt on: given to us one dt later, all agrees, tests and resets included.

    A spike by an input at t + dt is found by us there and then; by Brian2, which tests before it delivers, in the
    step that starts there: both are t + dt.
    """
    case = CASES[name]
    make, states = PAGE[name.split("_")[1]]
    model = make()
    # Brian2's own map: flow, test, deliver. So our state, tested before what arrives is added, must be asked.
    run = _tested_before_delivery(case, model)
    for i, expected in enumerate(case["spikes"]):
        np.testing.assert_allclose(run[0][i], expected, rtol=0, atol=1e-9)
    for theirs, ours in states.items():
        trace = case["trace"]
        steps = np.rint(trace["every_ms"] * np.arange(trace["count"]) / case["dt_ms"]).astype(int)
        np.testing.assert_allclose(run[1][ours][:, steps], np.array(trace["values"][theirs]), rtol=1e-9, atol=2e-9)
