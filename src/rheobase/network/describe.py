"""A network as the tables in which papers describe one.

The form is that of Nordlie E, Gewaltig M-O, Plesser HE (2009), Towards reproducible descriptions of neuronal
network models, PLoS Computational Biology 5(8): e1000456: A summary, B populations, C connectivity, D neuron
models, E input. (Its table F, measurements, belongs to a run.)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.network.rule import (
    AllToAll,
    Distance,
    InDegree,
    OneToOne,
    OutDegree,
    Pairs,
    Probability,
    Total,
    Where,
)
from rheobase.network.sources import Poisson, SpikeSource, SpikeSum, SpikeTrains
from rheobase.network.stimulus import Constant, Product, Stimulus, Sum
from rheobase.units import DIMENSIONLESS

if TYPE_CHECKING:
    from rheobase.network.network import Network, Part, Projection

__all__ = ["write_tables"]

_RULES: Final = {
    OneToOne: "one-to-one",
    AllToAll: "all-to-all",
    Probability: "random, independent pairs",
    InDegree: "random, fixed in-degree",
    OutDegree: "random, fixed out-degree",
    Total: "random, fixed number of synapses",
    Pairs: "given pairs",
    Where: "a function of the pair",
    Distance: "random, by distance",
}
_WRITTEN: Final = 14  # characters of a number that somebody wrote by hand
_COLUMNS: Final = ("Name", "Source", "Target", "Port", "Pattern", "Weight", "Delay")


def write_tables(network: Network) -> str:
    """Return the tables of a network as text."""
    parts = [*network.populations.values()]
    neurons = [p for p in parts if isinstance(p.model, Neuron)]
    inputs = [row for part in parts for row in _inputs(part)]
    out = [
        _title("A", "Model summary"),
        _table([], _summary(network, neurons, inputs)),
        _title("B", "Populations"),
        _table(["Name", "Elements", "Size", "Values"], [_population(p) for p in parts]),
        _title("C", "Connectivity"),
        _table(_COLUMNS, [_projection(p) for p in network.projections]),
        _title("D", "Neuron models"),
        *(_unique(str(p.model) for p in neurons) or ["none"]),
        *_unique(f"{p.name}: {p.synapse}{_sum(p)}" for p in network.projections if p.synapse and p.is_plastic),
        _title("E", "Input"),
        _table(["Type", "Target", "Description"], inputs),
    ]
    return "\n".join(out)


def _title(letter: str, text: str) -> str:
    return f"{'' if letter == 'A' else chr(10)}{letter}  {text}\n{'-' * (len(text) + 3)}"


def _unique(items: Iterable[str]) -> list[str]:
    return [*dict.fromkeys(items)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns as wide as their longest cell."""
    if not rows:
        return "none"
    lines = [*([head] if head else []), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _summary(network: Network, neurons: list[Part], inputs: list[list[str]]) -> list[list[str]]:
    parts = network.populations.values()
    places = _unique(f"{p.places.shape[1]}-dimensional space" for p in parts if p.places is not None)
    ports = _unique(f"{p.model.name}: {port}" for p in neurons if isinstance(p.model, Neuron) for port in p.model.ports)
    rows = {
        "Populations": ", ".join(p.name for p in parts),
        "Topology": ", ".join(places),
        "Size": _size(network, neurons),
        "Connectivity": ", ".join(_unique(_RULES[type(p.rule)] for p in network.projections)),
        "Neuron model": ", ".join(_unique(p.model.name for p in neurons if isinstance(p.model, Neuron))),
        "Synapse model": f"jumps at the ports {', '.join(ports)}" if ports else "",
        "Plasticity": ", ".join(_unique(p.synapse.name for p in network.projections if p.synapse and p.is_plastic)),
        "Input": ", ".join(_unique(row[0] for row in inputs)),
    }
    return [[name, text or "none"] for name, text in rows.items()]


def _size(network: Network, neurons: list[Part]) -> str:
    """Return how many neurons and synapses there are; expected ones, where each pair is decided by chance."""
    counts = [_count(p) for p in network.projections]
    known = [c for c in counts if c is not None]
    about = "about " if any(isinstance(p.rule, Probability) for p in network.projections) else ""
    more = " and more" if len(known) < len(counts) else ""
    return f"{sum(p.n for p in neurons):,} neurons, {about}{round(sum(known)):,} synapses{more}"


def _count(p: Projection) -> float | None:
    """Return the (expected) number of synapses, or None where a function decides."""
    n, m = len(p.source), len(p.target)
    without = not p.options.self_connections and p.source.name == p.target.name
    loops = len(np.intersect1d(p.source.indices, p.target.indices)) if without else 0
    match p.rule:
        case OneToOne():
            return n if not without else int(np.sum(p.source.indices != p.target.indices))
        case AllToAll():
            return n * m - loops
        case Probability():
            return p.rule.p * (n * m - loops)
        case InDegree():
            return p.rule.k * m
        case OutDegree():
            return p.rule.k * n
        case Total():
            return p.rule.count
        case Pairs():
            own = p.source.indices[p.rule.pre] == p.target.indices[p.rule.post] if without else np.zeros(1, dtype=bool)
            return len(p.rule.pre) - int(own.sum())
    return None


def _population(part: Part) -> list[str]:
    model = part.model
    if not isinstance(model, Neuron):
        return [part.name, _kind(model), str(part.n), ""]
    set_here = [
        f"{k} = {_short(v)}" for k, v in part.values.items() if isinstance(v, Quantity) and k not in model.inputs
    ]
    return [part.name, model.name, str(part.n), ", ".join(set_here)]


def _projection(p: Projection) -> list[str]:
    options = "" if p.options.self_connections or p.source.name != p.target.name else ", no self-connections"
    if p.options.periodic is not None:
        options += f", periodic at {', '.join(f'{x:g}' for x in p.options.periodic)}"
    unit = p.weight_dimension
    weight = _value(p.weight, "" if unit is None or unit == DIMENSIONLESS else unit.unit)
    return [p.name, str(p.source), str(p.target), p.port, f"{p.rule}{options}", weight, _value(p.delay, "ms")]


def _sum(p: Projection) -> str:
    if p.normalise is None:
        return ""
    unit = p.weight_dimension
    low, high = p.normalise.total.min(), p.normalise.total.max()
    total = f"{low:g}{f' .. {high:g}' if high > low else ''}{'' if unit in (None, DIMENSIONLESS) else f' {unit.unit}'}"
    return f"\n  normalise   the weights onto each target neuron sum to {total}, every {p.normalise.every:g} ms"


def _value(value: Any, unit: str) -> str:
    if not isinstance(value, Quantity):
        return f"{getattr(value, '__name__', 'f')}(distance)"
    return _short(value) if value.dimension is not None or not unit else f"{_short(value)} {unit}"


def _short(value: Quantity) -> str:
    """Return a quantity as it was written; a computed one to six digits."""
    said = str(value)
    if not isinstance(value.value, float) or len(said) <= _WRITTEN:
        return said
    return str(Quantity(float(f"{value.value:.6g}"), value.dimension))


def _inputs(part: Part) -> list[list[str]]:
    if not isinstance(part.model, Neuron):
        return [[_kind(part.model), part.name, _say(part.model)]]
    rows = []
    for name, value in part.values.items():
        if isinstance(value, SpikeSource):
            rows.append([_kind(value), f"{part.name}, port {name}", _say(value)])
        elif isinstance(value, Stimulus):
            rows.append([_kind(value), f"{part.name}, {name}", _say(value)])
        elif name in part.model.inputs:
            rows.append(["Constant", f"{part.name}, {name}", _value(value, part.model.unit(name))])
    return rows


def _kind(value: SpikeSource | Stimulus) -> str:
    match value:
        case Sum() | SpikeSum():
            return " + ".join(_unique(_kind(p) for p in value.parts))
        case Product():
            return _kind(value.part)
        case Poisson():
            return "Poisson spikes"
        case SpikeTrains():
            return "Spike trains"
    return type(value).__name__


def _say(value: SpikeSource | Stimulus) -> str:
    """Return what a stimulus or a source is, in words."""
    match value:
        case Constant():
            return str(value.value)
        case Sum() | SpikeSum():
            return " + ".join(_say(p) for p in value.parts)
        case Product():
            return f"{value.factor} * ({_say(value.part)})"
        case SpikeTrains():
            return f"{len(value.times)} given spikes" + ("" if value.neurons is not None else " for every neuron")
        case Poisson():
            return _say_poisson(value)
    shown = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}  # type: ignore[arg-type]
    return ", ".join(f"{name} = {text}" for name, text in shown.items() if text)


def _say_poisson(source: Poisson) -> str:
    rate = source.rate
    if isinstance(rate, Constant) and isinstance(rate.value.value, float):
        said = f"{1000.0 * rate.value.value:g} Hz"
    elif isinstance(rate, Constant) and isinstance(rate.value.value, np.ndarray):
        said = f"{1000.0 * rate.value.value.min():g} to {1000.0 * rate.value.value.max():g} Hz"
    else:
        said = f"rate: {_say(rate)} (kHz)"
    many = f"{source.sources} sources of " if source.sources > 1 else ""
    weight = (
        "" if source.weight.value == 1.0 and source.weight.dimension is None else f", weight {_short(source.weight)}"
    )
    shared = (
        ""
        if source.frozen is False
        else ", one train for all neurons"
        if source.frozen is True
        else ", the same in every run"
    )
    window = "" if source.on == 0 and math.isinf(source.off) else f", from {source.on:g} to {source.off:g} ms"
    return f"{many}{said}{weight}{shared}{window}"


def _plain(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.size} values"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"{', '.join(map(_plain, value[:6]))}{', ...' if len(value) > 6 else ''}"
    if callable(value):
        return getattr(value, "__name__", "f")
    return "" if value is None or value is False else str(value)
