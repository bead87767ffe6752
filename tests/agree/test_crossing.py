"""Threshold crossings and states of affine neurons against 30-digit values: closed forms and runs."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheobase.derive.crossing import prepare_crossing

CLOSED = json.loads((Path(__file__).parents[1] / "data" / "closed_form.json").read_text())
UNIT = 2.0**-53


def test_first_spikes_and_intervals_of_a_constant_current() -> None:
    for row in CLOSED["A_lif_constant"]["rows"]:
        tau, rest, v_r = float(row["tau_m"]), float(row["v_rest"]), float(row["v_reset"])
        theta, pull = float(row["v_thresh"]) - rest, float(row["R"]) * float(row["I"])
        crossing = prepare_crossing([[-1.0 / tau, pull / tau], [0.0, 0.0]], [1.0, -theta])
        for start, expected, held in (
            (0.0, row["first_spike"], 0.0),
            (v_r - rest, row["isi"], float(row["t_ref"])),
        ):
            time = crossing.first([start, 1.0])
            # half an ulp in R I moves the spike by tau R I / (R I - theta) of it
            conditioned = 8 * UNIT * tau * pull / abs(pull - theta)
            assert time == pytest.approx(float(expected) - held, rel=1e-14, abs=conditioned)


def build_psp(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix over (v, synaptic states, 1) and the state just after the input."""
    leak, c, w = 1.0 / float(row["tau_m"]), float(row["C"]), float(row["w"])
    if row["kind"] == "exp":
        return np.array([[-leak, 1 / c, 0], [0, -1 / float(row["tau_syn"]), 0], [0, 0, 0]]), np.array([0, w, 1.0])
    if row["kind"] == "alpha":
        decay = 1 / float(row["tau_syn"])
        matrix = [[-leak, 1 / c, 0, 0], [0, -decay, 1, 0], [0, 0, -decay, 0], [0, 0, 0, 0]]
        return np.array(matrix), np.array([0, 0, w * math.e * decay, 1.0])
    rise, fall = float(row["tau_rise"]), float(row["tau_decay"])
    top = rise * fall / (fall - rise) * math.log(fall / rise)
    peak = w / (math.exp(-top / fall) - math.exp(-top / rise))
    matrix = [[-leak, 1 / c, 1 / c, 0], [0, -1 / fall, 0, 0], [0, 0, -1 / rise, 0], [0, 0, 0, 0]]
    return np.array(matrix), np.array([0, peak, -peak, 1.0])


@pytest.mark.parametrize("row", CLOSED["B_psp"]["rows"], ids=lambda r: f"{r['kind']}-{r['tau_m']}-{r['w']}")
def test_psp_shapes_and_the_threshold_at_their_peak(row: dict[str, Any]) -> None:
    matrix, start = build_psp(row)
    v_peak, t_peak = float(row["v_peak"]), float(row["t_peak"])
    c = np.zeros(len(start))
    c[0] = 1.0
    shape = prepare_crossing(matrix, c).modal.propagate(start, row["t"])[:, 0]
    assert shape == pytest.approx([float(v) for v in row["v"]], rel=2e-14)
    assert prepare_crossing(matrix, c).modal.propagate(start, t_peak)[0] == pytest.approx(v_peak, rel=1e-14)
    if v_peak < 0.0:
        return
    for factor, fires in ((1 - 1e-11, True), (1 + 1e-11, False)):
        c[-1] = -v_peak * factor
        time = prepare_crossing(matrix, c).first(start)
        assert (time < math.inf) == fires
        if fires:
            assert time == pytest.approx(t_peak, rel=1e-4)
            assert time < t_peak


@pytest.mark.parametrize("row", CLOSED["C_lif_driven"]["rows"], ids=lambda r: r["kind"] + r["neuron"]["tau_m"])
def test_driven_neurons_spike_for_spike(row: dict[str, Any]) -> None:
    neuron = {key: float(value) for key, value in row["neuron"].items()}
    leak, pull = 1.0 / neuron["tau_m"], neuron["R"] / neuron["tau_m"]
    taus = [neuron["tau_e"], neuron["tau_i"]]
    alpha = row["kind"] == "alpha"
    size = 2 + 2 * (1 + alpha)
    matrix = np.zeros((size, size))
    matrix[0, 0], matrix[0, -1] = -leak, pull * neuron["I_e"]
    entry = {}
    for i, tau in enumerate(taus):
        k = 1 + i * (1 + alpha)
        matrix[0, k] = pull
        matrix[k, k] = -1.0 / tau
        entry[i] = (k, 1.0)
        if alpha:
            matrix[k, k + 1], matrix[k + 1, k + 1] = 1.0, -1.0 / tau
            entry[i] = (k + 1, math.e / tau)
    if row["kind"] == "delta":
        entry = {0: (0, 1.0), 1: (0, 1.0)}
    clamped = matrix.copy()
    clamped[0, :] = 0.0
    theta = neuron["v_thresh"] - neuron["v_rest"]
    c = np.zeros(size)
    c[0], c[-1] = 1.0, -theta
    crossing, hold = prepare_crossing(matrix, c), prepare_crossing(clamped, c).modal
    events = sorted([(t, 0, row["w_exc"]) for t in row["exc_times"]] + [(t, 1, row["w_inh"]) for t in row["inh_times"]])
    state = np.zeros(size)
    state[0], state[-1] = neuron["v0"] - neuron["v_rest"], 1.0
    v_r, now, free, spikes = neuron["v_reset"] - neuron["v_rest"], 0.0, 0.0, []
    for t, port, weight in [*events, (row["T"], 0, 0.0)]:
        while now < t:
            if now < free:
                step = min(free, t)
                state = hold.propagate(state, step - now)
                now = step
                continue
            wait = crossing.first(state, t - now)
            if wait == math.inf:
                state = crossing.modal.propagate(state, t - now)
                now = t
                break
            state = crossing.modal.propagate(state, wait)
            now += wait
            spikes.append(now)
            state[0], free = v_r, now + neuron["t_ref"]
        k, gain = entry[port]
        if k > 0 or now >= free:
            state[k] += weight * gain
    assert len(spikes) == row["n"]
    assert spikes == pytest.approx([float(s) for s in row["spikes"]], abs=1e-12, rel=0)
