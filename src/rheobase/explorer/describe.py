"""A neuron as the page knows it: plain JSON, and the program that runs it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rheobase.derive.rest import is_current
from rheobase.emit.to_js import print_program
from rheobase.errors import InputError
from rheobase.explorer.mathematics import typeset
from rheobase.model.neuron import Neuron

__all__ = ["describe_neuron", "find_drive"]


def find_drive(neuron: Neuron) -> str | None:
    """Return the current that the page's stimuli drive: I where there is one, or another current, or an input."""
    currents = [n for n in (*neuron.inputs, *neuron.parameters) if is_current(n) and n not in neuron.states]
    return "I" if "I" in currents else next(iter([*sorted(currents), *neuron.inputs]), None)


def describe_neuron(neuron: Neuron, method: str = "auto") -> tuple[dict[str, Any], str]:
    """Return what the page shows of a neuron as plain JSON types, and its program.

    Raises
    ------
    InputError
        If a value is an array or a distribution: the page shows one neuron.
    """
    for name, q in [*neuron.parameters.items(), *neuron.initial.items()]:
        if not isinstance(q.value, float):
            raise InputError(f"the page shows one neuron, but {name} = {q} describes several; give {name} one number")
    drive = find_drive(neuron)
    varying = sorted({*neuron.inputs, *([drive] if drive else [])})
    shown = [n for n in neuron.parameters if n != drive]
    described = {
        "title": neuron.name,
        "about": neuron.about,
        "reference": neuron.reference,
        "states": [_describe_state(neuron, s) for s in neuron.states],
        "parameters": [_describe_parameter(neuron, n) for n in shown if not _is_unit(neuron, n)],
        "fixed": {n: neuron.parameters[n].value for n in shown if _is_unit(neuron, n)},
        "drive": None if drive is None else {"name": drive, "unit": neuron.unit(drive)},
        "currents": {n: q.value for n, q in neuron.parameters.items() if is_current(n)},
        "others": [{"name": u, "unit": neuron.unit(u)} for u in neuron.inputs if u != drive],
        "ports": [_describe_port(neuron, p) for p in neuron.ports],
        "table": [[heading, lines] for heading, lines in typeset(neuron)],
        "rows": {
            "evolve": neuron.evolve,
            "receive": dict(neuron.receive),
            "threshold": neuron.threshold,
            "hazard": neuron.hazard,
            "reset": neuron.reset,
            "refractory": dict(neuron.refractory),
        },
        "random": bool(neuron.noises) or neuron.hazard is not None,
    }
    return described, print_program(neuron, varying, method)


def _is_unit(neuron: Neuron, name: str) -> bool:
    """Return whether a parameter is a unit by which rows divide, mV = 1 mV."""
    return name == neuron.unit(name) and neuron.parameters[name].value == 1.0


def _describe_state(neuron: Neuron, name: str) -> dict[str, Any]:
    q = neuron.initial.get(name)
    return {"name": name, "unit": neuron.unit(name), "initial": None if q is None else q.value}


def _describe_port(neuron: Neuron, port: str) -> dict[str, Any]:
    d = neuron.dimensions.get(f"w_i:{port}")
    moved = [j.state for j in neuron.rows.receive[port]]
    unit = d.unit if d else ""
    inhibitory = port.startswith("inh")
    usual = {"mV": 2.0, "nA": 0.1, "uS": 0.02 if inhibitory else 0.006}.get(unit)
    if usual is None:
        size = max((abs(float(q.value)) for n, q in neuron.initial.items() if n in moved), default=0.0)  # type: ignore[arg-type]
        usual = 5.0 if size > 10 else 0.2
    weight = -usual if inhibitory and unit != "uS" else usual
    return {"name": port, "unit": unit, "moves": moved, "weight": weight}


def _describe_parameter(neuron: Neuron, name: str) -> dict[str, Any]:
    """Return a parameter with the range of its slider, and the bounds that no value may cross."""
    value, unit = float(neuron.parameters[name].value), neuron.unit(name)  # type: ignore[arg-type]
    positive = name in neuron.rows.leading or name == "tau" or name.startswith("tau_")
    time = name in neuron.refractory.values()
    low, high, log = 0.0, max(2.0 * abs(value), 1.0), False
    if positive or (value > 0 and unit in ("MOhm", "nF", "uS", "ms") and not time):
        low, high, log = value / 10, value * 10, True
    elif time:
        high = max(10.0, _round_up(4 * value))
    elif unit == "mV" and not 0 <= value <= 10:
        low, high = value - 30, value + 30
    elif value:
        low, high = sorted((-2 * value, 3 * value))
        low = 0.0 if value > 0 and unit in ("", "mV") else low
    elif unit:
        low, high = -_scale(neuron, unit), _scale(neuron, unit)
    return {
        "name": name,
        "unit": unit,
        "value": value,
        "low": _shorten(low),
        "high": _shorten(high),
        "log": log,
        "least": 0.0 if positive or time else None,
        "open": positive,
    }


def _shorten(x: float) -> float:
    return float(f"{x:.3g}")


def _round_up(x: float) -> float:
    return 5.0 * math.ceil(x / 5.0)


def _scale(neuron: Neuron, unit: str) -> float:
    """Return the size of values of a unit in a neuron that has a zero among them."""
    like = [abs(float(q.value)) for n, q in neuron.parameters.items() if neuron.unit(n) == unit and q.value]  # type: ignore[arg-type]
    return float(np.max(like)) if like else 1.0
