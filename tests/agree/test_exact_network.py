"""Networks on the exact engine: against 30-digit references, NEST, unconnected neurons, and the clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rheobase as rb

DATA = Path(__file__).parents[1] / "data"
CLOSED = json.loads((DATA / "closed_form.json").read_text())["D_networks"]["rows"]

FLOWS = {
    "exp": ("tau_e dI_e/dt = -I_e\ntau_i dI_i/dt = -I_i", "I_e <- I_e + w_i", "I_i <- I_i + w_i"),
    "alpha": (
        "tau_e dx_e/dt = -x_e\ntau_e dI_e/dt = x_e*2.718281828459045 - I_e\n"
        "tau_i dx_i/dt = -x_i\ntau_i dI_i/dt = x_i*2.718281828459045 - I_i",
        "x_e <- x_e + w_i",
        "x_i <- x_i + w_i",
    ),
    "delta": ("", "v <- v + w_i", "v <- v + w_i"),
}


def closed_form(row: dict[str, Any]) -> rb.Network:
    kind = row["kind"]
    flow, exc, inh = FLOWS[kind]
    drive = "I_0 + I_e + I_i" if kind != "delta" else "I_0"
    names = {"tau": "tau_m", "R": "R", "v_rest": "v_rest", "theta": "v_thresh", "v_r": "v_reset", "I_0": "I_e"}
    names |= {"v": "v0"} | ({} if kind == "delta" else {"tau_e": "tau_e", "tau_i": "tau_i"})
    cell = rb.Neuron(
        evolve=f"tau dv/dt = v_rest - v + R*({drive})\n{flow}",
        receive={"exc": exc, "inh": inh},
        threshold="v >= theta",
        reset="v <- v_r",
        refractory="t_ref",
        t_ref=[float(q["t_ref"]) for q in row["neurons"]],
        **{mine: [float(q[theirs]) for q in row["neurons"]] for mine, theirs in names.items()},
    )
    net = rb.Network()
    cells = net.add("cells", row["N"], cell)
    for port, sign in (("exc", 1.0), ("inh", -1.0)):
        mine = [s for s in row["synapses"] if s["w"] * sign > 0]
        if mine:
            pairs = tuple(np.array([s[end] for s in mine]) for end in ("pre", "post"))
            net.connect(
                cells, cells, to=port, pairs=pairs, weight=[s["w"] for s in mine], delay=[s["delay"] for s in mine]
            )
    times, targets, weights = (np.array([x[k] for x in row["inputs"]]) for k in ("t", "post", "w"))
    train = net.add("train", len(times), rb.spikes([[t - 0.125] for t in times]))
    net.connect(train, cells, to="exc", pairs=(np.arange(len(times)), targets), weight=weights, delay=0.125)
    return net


@pytest.mark.parametrize("row", CLOSED, ids=[f"{r['kind']}-{r['N']}-{i}" for i, r in enumerate(CLOSED)])
def test_closed_form(row: dict[str, Any]) -> None:
    run = rb.simulate(closed_form(row), until=row["T"], engine=rb.Exact(), seed=1)
    errors = []
    for i, reference in enumerate(row["spikes"]):
        found, wanted = run["cells"].spikes[i], np.array([float(x) for x in reference])
        assert len(found) == len(wanted), f"neuron {i} has {len(found)} spikes where there are {len(wanted)}"
        errors += np.abs(found - wanted).tolist()
    assert len(errors) >= 18
    assert max(errors) < 1e-9
    assert np.median(errors) < 1e-12
    print(max(errors), np.median(errors), len(errors))
