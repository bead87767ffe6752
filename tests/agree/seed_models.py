"""The neurons of the seed tutorials, run on a grid by test_seeds.py and from event to event by test_seeds_exact.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np

import rheobase as rb

SEEDS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "seeds_values.json").read_text())
EVERY_10 = np.arange(10.0, 1001.0, 10.0)


def numbers(values: list[str]) -> np.ndarray:
    return np.array([float(x) for x in values])


def bucket(**more: Any) -> rb.Neuron:
    return rb.Neuron("tau dv/dt = I - v", **more)


def firing_bucket(row: dict[str, Any]) -> rb.Neuron:
    return bucket(
        tau=row["tau_ms"], threshold="v >= theta", theta=row["vth"], reset="v <- 0", refractory=row["tref_ms"], v=0
    )


def textbook(**more: Any) -> rb.Neuron:
    values: dict[str, Any] = {
        "C": "200 pF",
        "g_L": "10 nS",
        "V_L": "-70 mV",
        "V_th": "-50 mV",
        "V_reset": "-65 mV",
        "V": "-70 mV",
    }
    return rb.Neuron(
        "C dV/dt = -g_L*(V - V_L) + I",
        threshold="V >= V_th",
        reset="V <- V_reset",
        refractory={"V": "2 ms"},
        **values | more,
    )


def page_if(threshold: str = "v > 1") -> rb.Neuron:
    return rb.Neuron("tau dv/dt = 0*v", receive="v <- v + w_i", threshold=threshold, reset="v <- 0", tau=1.0, v=0.0)


def page_lif() -> rb.Neuron:
    return rb.Neuron("tau dv/dt = -v", receive="v <- v + w_i", threshold="v > 1", reset="v <- 0", tau=15.0, v=0.0)


def page_lifexp(threshold: str | None = "v > 1") -> rb.Neuron:
    rows = {"threshold": threshold, "reset": "v <- 0"} if threshold else {}
    return rb.Neuron(
        "tau dv/dt = R*I - v\ntau_I dI/dt = -I",
        receive="I <- I + w_i",
        tau=15.0,
        tau_I=5.0,
        R=4.0,
        v=0.0,
        I=0.0,
        **rows,
    )


def adaptive(row: dict[str, Any]) -> rb.Neuron:
    return rb.Neuron(
        "tau dv/dt = R*I - v\ntau_T dtheta/dt = 1 - theta",
        receive="v <- v + w_i",
        threshold="v > theta",
        reset="v <- 0; theta <- theta + d",
        tau=row["tau_ms"],
        tau_T=row["tauT_ms"],
        d=row["dvT"],
        R=1.0,
        v=0.0,
        theta=1.0,
    )
