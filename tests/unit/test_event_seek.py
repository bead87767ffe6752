"""The quick search for a crossing, which a layer asks first, against the careful one, on random states."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import rheobase as rb
from rheobase.derive.crossing import first_crossing
from rheobase.derive.modal import decompose

pytest.importorskip("torch")

from rheobase import learn
from rheobase.emit.to_numba import plain_module

LIF = {"E_L": 0, "theta": 1, "v_r": 0, "R": 1, "refractory": None}
CELLS = {
    "one exponential": rb.LIF(**LIF, I=1.5, tau=10.0, reset="v <- v - theta"),
    "two exponentials": rb.LIFexp(**LIF, I=0, tau=20.0, tau_s=5.0),
    "two, close": rb.LIFexp(**LIF, I=0.2, tau=8.0, tau_s=5.0),
    "a ramp and one": rb.Neuron(
        evolve="dv/dt = I\ntau_s dI/dt = -I", receive="I <- I + w_i", threshold="v > theta", reset="v <- 0",
        tau_s=5.0, theta=1.0,
    ),
    "three exponentials": rb.Neuron(
        evolve="tau dv/dt = -v + I\ntau_s dI/dt = -I\ntau_a dtheta/dt = theta_0 - theta", receive="I <- I + w_i",
        threshold="v > theta", reset="v <- 0\ntheta <- theta + 0.3", tau=15.0, tau_s=4.0, tau_a=40.0, theta_0=1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_what_the_quick_search_says_is_what_the_careful_one_says(name):
    layer = learn.EventLayer(1, 1, CELLS[name], until="50 ms")
    tables = layer._tables()
    module, system, size = plain_module(tables.source.path), tables.system, tables.system.size
    known = {**tables.arrays, "_y": np.zeros((1, size)), "_code": np.zeros(1, dtype=np.int64)}
    wanted = list(inspect.signature(module._seek).parameters)[2:]
    to_modes = system.numbers[0, : size * size].reshape(size, size)
    rng, modal = np.random.default_rng(1), decompose(system.matrices[0])
    sure = crossed = 0
    for _ in range(2000):
        x = np.append(rng.normal(0, 2, size - 1), 1.0)
        x[len(layer.cell.states) : -1] = system.start[0, len(layer.cell.states) : -1]
        below = rng.choice([rng.uniform(0.001, 3), 10.0 ** rng.uniform(-12, -1)])
        x[0] -= system.normals[0] @ x + below
        span = 10.0 ** rng.uniform(-4, 1.7)
        known["_y"][0] = to_modes @ x
        found = module._seek(0, span, *(known[a] for a in wanted))
        if found < 0:
            continue
        careful = first_crossing(
            x, span, bool(system.strict), 0.0, system.numbers[0], 0, system.layout[0], 0, np.zeros(400)
        )
        sure += 1
        crossed += careful < math.inf
        if careful == math.inf or found == math.inf:
            assert found == careful, (x, span)
        else:
            slope = float(system.normals[0] @ system.matrices[0] @ modal.propagate(x, careful))
            terms = np.abs(tables.arrays["_seen"][0] * known["_y"][0]).sum()
            assert abs(found - careful) <= 1e-14 * careful + 3e-15 * terms / abs(slope)
    assert sure > 600
    assert 100 < crossed < sure
