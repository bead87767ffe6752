"""What the page offers: the zoo, the twenty firing patterns, and the small models of its other tabs."""

from __future__ import annotations

from typing import Any, Final

from rheobase.explorer.describe import describe_neuron
from rheobase.model import zoo
from rheobase.model.neuron import Neuron
from rheobase.remember import remember

__all__ = ["PATTERNS", "describe_catalogue"]

#: a name of the zoo -> (what it is called in the list, step in ms, duration in ms)
_SHOWN: Final[dict[str, tuple[str, float, float]]] = {
    "LIF": ("Leaky integrate-and-fire", 0.1, 200),
    "IF": ("Perfect integrator", 0.1, 100),
    "IAF": ("Constant leak, soft reset", 0.1, 100),
    "LIFexp": ("LIF, exponential currents", 0.1, 200),
    "LIFalpha": ("LIF, alpha currents", 0.1, 200),
    "LIFbiexp": ("LIF, double-exponential currents", 0.1, 200),
    "CUBA": ("LIF, exponential synapses (voltage)", 0.1, 300),
    "COBA": ("LIF, conductance synapses", 0.1, 300),
    "ALIF": ("Adaptive threshold", 0.1, 200),
    "LIFsfa": ("Adaptation current", 0.1, 400),
    "MAT": ("Multi-timescale adaptive threshold", 0.1, 300),
    "MihalasNiebur": ("Mihalas-Niebur", 0.1, 300),
    "GLIF": ("Generalised LIF, level 5", 0.1, 300),
    "QIF": ("Quadratic", 0.05, 200),
    "EIF": ("Exponential", 0.05, 200),
    "AdEx": ("Adaptive exponential", 0.05, 400),
    "Izhikevich": ("Izhikevich 2003", 0.1, 400),
    "Izhikevich2007": ("Izhikevich 2007, with units", 0.1, 400),
    "HH": ("Hodgkin-Huxley", 0.025, 100),
    "EscapeLIF": ("LIF, escape noise", 0.1, 300),
    "SRM": ("Spike response model", 0.1, 300),
    "NoisyLIF": ("LIF, white noise", 0.1, 300),
}
PATTERNS: Final = "ABCDEFGHIJKLMNOPQRST"

#: one text for the leaky and the perfect integrator (seed 004): leak is 1 or 0
_RELIABILITY: Final = {
    "evolve": "tau dx/dt = a*I - leak*x + sigma*sqrt(2*tau)*xi",
    "threshold": "x > 1",
    "reset": "x <- 0",
    "refractory": {"threshold": "5 ms"},
    "name": "noisy integrator",
    "tau": "10 ms",
    "sigma": 0.03,
    "leak": 1.0,
    "a": 0.65,
    "x": 0.0,
}


def describe_catalogue() -> dict[str, Any]:
    """Return all models that every page offers: ``models`` (plain JSON) and ``programs`` (texts, by number)."""
    found: dict[str, Any] = remember("page", [], _describe)
    return found


def _describe() -> dict[str, Any]:
    programs: list[str] = []
    models: list[dict[str, Any]] = []

    def add(identifier: str, group: str, python: str, neuron: Neuron, method: str = "auto", **more: Any) -> None:
        described, program = describe_neuron(neuron, method)
        if program not in programs:
            programs.append(program)
        like = next(
            (m for m in models if group == "pattern" == m["group"] and m.get("table") == described["table"]), None
        )
        if like is not None:  # the rows of a pattern are said once
            described = {k: x for k, x in described.items() if like.get(k) != x} | {"like": like["id"]}
        known = {"id": identifier, "group": group, "python": python, "program": programs.index(program)}
        models.append({**described, **known, **more})

    for name, make in zoo.NEURONS.items():
        label, dt, until = _SHOWN[name]
        add(name, "zoo", f"rb.{name}()", make(), label=label, dt=dt, until=until)
    for letter in PATTERNS:
        neuron, stimulus, dt, until, criterion = zoo.izhikevich_pattern(letter)
        add(
            f"pattern-{letter}",
            "pattern",
            letter,
            neuron,
            "sequential euler",
            label=f"{letter}  {neuron.about}",
            dt=dt,
            until=until,
            pieces=_shorten(stimulus, dt),
            criterion=criterion,
        )
    add("reliability", "hidden", "", Neuron(**_RELIABILITY), dt=0.1, until=1000)  # type: ignore[arg-type]
    add("staircase", "hidden", "", zoo.IF(reset="v <- v - theta"), "euler", dt=1, until=100)
    add("network", "hidden", "", network_cell(), dt=0.1, until=400)
    return {"models": models, "programs": programs}


def _shorten(stimulus: dict[str, Any], dt: float) -> list[list[float]]:
    """Return an author's samples as [first step, start, value, slope]: value + slope (t - start) from that step on."""
    pending = [*zip(stimulus["starts"], stimulus["values"], stimulus["slopes"], strict=True)]
    pieces: list[list[float]] = []
    for k, x in enumerate(stimulus["samples"]):

        def fits(start: float, value: float, slope: float, t: float = k * dt, x: float = x) -> bool:
            return bool(value + slope * (t - start) == x)

        while not pieces or not fits(*pieces[-1][1:]):
            pieces.append([k, *pending.pop(0)])
    return pieces


def network_cell() -> Neuron:
    """Return the neuron of the small network: that of `rheobase.networks.brunel`."""
    return zoo.LIF(
        tau="20 ms",
        R="1 MOhm",
        E_L="0 mV",
        theta="20 mV",
        v_r="10 mV",
        refractory="2 ms",
        threshold="v >= theta",
        receive={"exc": "v <- v + w_i", "inh": "v <- v + w_i", "ext": "v <- v + w_i"},
        v="0 mV",
        name="Brunel A",
    )
