"""Runs as Neo objects (Garcia et al. 2014, doi:10.3389/fninf.2014.00010), and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheobase.errors import InputError
from rheobase.formats.content import Content, Group, need, step_of

__all__ = ["from_neo", "is_neo", "to_neo"]

#: Units that the package quantities calls by other names.
_NAMES = {"": "dimensionless", "1": "dimensionless", "MOhm": "megaohm", "kHz": "kHz", "uS": "uS", "mM": "mmol/L"}


def to_neo(content: Content) -> Any:
    """Return a ``neo.Block`` of a run."""
    neo, pq = need("neo", "to_neo()"), need_quantities()
    block = neo.Block(
        name="rheobase run", **{k: v for k, v in content.about.items() if isinstance(v, str | int | float)}
    )
    segment = neo.Segment(name="run", index=0)
    block.segments.append(segment)
    for g in content.groups:
        members = neo.Group(name=g.name)
        block.groups.append(members)
        end = max(content.until, float(g.times.max()) if len(g.times) else 0.0)
        for i, times in zip(g.spiking, g.trains(), strict=True):
            train = neo.SpikeTrain(
                times, units="ms", t_stop=end, name=f"{g.name} {i}", population=g.name, neuron=int(i)
            )
            segment.spiketrains.append(train)
            members.add(train)
        for state, values in g.traces.items():
            signal = _signal(neo, pq, g, state, values)
            kept = segment.analogsignals if isinstance(signal, neo.AnalogSignal) else segment.irregularlysampledsignals
            kept.append(signal)
            members.add(signal)
    segment.check_relationships() if hasattr(segment, "check_relationships") else None
    return block


def need_quantities() -> Any:
    """Return the package quantities, which neo brings along."""
    import quantities

    return quantities


def _signal(neo: Any, pq: Any, g: Group, state: str, values: np.ndarray) -> Any:
    unit = g.units.get(state, "")
    try:
        units = pq.Quantity(1.0, _NAMES.get(unit, unit)).units
    except LookupError:
        units = pq.dimensionless
    label: dict[str, Any] = {"name": f"{g.name} {state}", "population": g.name, "state": state, "unit": unit}
    if len(g.whose):
        label["array_annotations"] = {"neuron": np.asarray(g.whose)}
    step = step_of(g.t)
    if step is None:
        return neo.IrregularlySampledSignal(g.t, values.T, units=units, time_units="ms", **label)
    return neo.AnalogSignal(values.T, units=units, sampling_period=step * pq.ms, t_start=float(g.t[0]) * pq.ms, **label)


def is_neo(thing: Any) -> bool:
    """Return whether it is a Neo object, without importing neo."""
    return type(thing).__module__.partition(".")[0] == "neo"


def from_neo(thing: Any) -> Content:
    """Return what a Neo Block, Segment, SpikeTrain or signal holds; populations by their annotation, or by name.

    Raises
    ------
    InputError
        If it holds neither spike trains nor signals.
    """
    kind = type(thing).__name__
    if kind == "Block":
        segments = list(thing.segments)
        if len(segments) != 1:
            raise InputError(f"the Block has {len(segments)} segments; give one of them, block.segments[0]")
        thing, kind = segments[0], "Segment"
    if kind == "Segment":
        trains = list(thing.spiketrains)
        signals = [*thing.analogsignals, *thing.irregularlysampledsignals]
    else:
        trains = [thing] if kind == "SpikeTrain" else []
        signals = [thing] if kind in ("AnalogSignal", "IrregularlySampledSignal") else []
    if not trains and not signals:
        raise InputError(f"a neo.{kind} without spike trains and signals")
    by_train: dict[str, list[tuple[int, np.ndarray]]] = {}
    for k, train in enumerate(trains):
        times = np.asarray(train.rescale("ms").magnitude, dtype=float)
        own = by_train.setdefault(str(train.annotations.get("population", "neo")), [])
        own.append((int(train.annotations.get("neuron", k)), times))
    by_signal: dict[str, list[Any]] = {}
    for signal in signals:
        by_signal.setdefault(str(signal.annotations.get("population", signal.name or "neo")), []).append(signal)
    names = [*by_train, *(n for n in by_signal if n not in by_train)]
    until = max([float(t.t_stop.rescale("ms")) for t in [*trains, *signals]])
    return Content(tuple(_group(n, by_train.get(n, []), by_signal.get(n, [])) for n in names), until)


def _group(name: str, trains: list[tuple[int, np.ndarray]], signals: list[Any]) -> Group:
    ids = np.array([i for i, _ in trains], dtype=np.int64)
    times = np.concatenate([np.empty(0), *(x for _, x in trains)])
    neurons = np.repeat(ids, [len(x) for _, x in trains]) if len(ids) else np.empty(0, dtype=np.int64)
    order = np.lexsort((neurons, times))
    n = int(ids.max()) + 1 if len(ids) else 0
    t, traces, units, whose = np.empty(0), {}, {}, np.empty(0, dtype=np.int64)
    for signal in signals:
        state = str(signal.annotations.get("state", signal.name or "signal"))
        unit = signal.annotations.get("unit")
        traces[state] = np.asarray(signal.magnitude, dtype=float).T
        units[state] = str(signal.units.dimensionality) if unit is None else str(unit)
        t = np.asarray(signal.times.rescale("ms").magnitude, dtype=float)
        whose = np.asarray(signal.array_annotations.get("neuron", np.arange(traces[state].shape[0])))
        n = max(n, traces[state].shape[0])
    kept = None if len(ids) == n and np.array_equal(np.sort(ids), np.arange(n)) else np.sort(ids)
    return Group(name, n, times[order], neurons[order], kept, t, traces, units, whose)
