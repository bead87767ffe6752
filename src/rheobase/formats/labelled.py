"""Runs as labelled arrays of xarray, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheobase.errors import InputError
from rheobase.formats.content import Content, Group, need

__all__ = ["from_xarray", "is_xarray", "to_xarray"]


def to_xarray(content: Content) -> Any:
    """Return a Dataset of one population, or a DataTree of several."""
    xr = need("xarray", "to_xarray()")
    about = {k: v for k, v in content.about.items() if isinstance(v, str | int | float)}
    sets = {g.name: _dataset(xr, g, {**about, "until": content.until, "population": g.name}) for g in content.groups}
    if not content.about.get("network"):
        return sets[content.one_group("to_xarray()").name]
    tree = xr.DataTree.from_dict({name.replace("/", "_"): x for name, x in sets.items()})
    tree.attrs.update({**about, "until": content.until})
    return tree


def _dataset(xr: Any, g: Group, about: dict[str, Any]) -> Any:
    dims = ("neuron", "time") if len(g.whose) else ("mean", "time")
    variables: dict[str, Any] = {
        s: (dims, x, {"units": g.units[s]} if g.units.get(s) else {}) for s, x in g.traces.items()
    }
    variables["spike_time"] = ("spike", g.times, {"units": "ms"})
    variables["spike_neuron"] = ("spike", g.neurons)
    coordinates: dict[str, Any] = {}
    if g.traces:
        coordinates["time"] = ("time", g.t, {"units": "ms"})
        if len(g.whose):
            coordinates["neuron"] = ("neuron", np.asarray(g.whose))
    if g.kept is not None:
        coordinates["spiking"] = ("spiking", g.kept)
    return xr.Dataset(variables, coordinates, {**about, "n": g.n})


def is_xarray(thing: Any) -> bool:
    """Return whether it is an object of xarray, without importing it."""
    return type(thing).__module__.partition(".")[0] == "xarray"


def from_xarray(thing: Any) -> Content:
    """Return what `to_xarray` made, or a DataArray with the dimension time (ms)."""
    kind = type(thing).__name__
    if kind == "DataTree":
        sets = {name: child.to_dataset() for name, child in thing.children.items()}
    elif kind == "Dataset":
        sets = {str(thing.attrs.get("population", "xarray")): thing}
    elif kind == "DataArray":
        sets = {"xarray": thing.to_dataset(name=thing.name or "values")}
    else:
        raise InputError(f"xarray.{kind} holds no run; give a Dataset, a DataTree or a DataArray")
    groups = tuple(_group(name, x) for name, x in sets.items())
    return Content(groups, max([float(x.attrs.get("until", 0.0)) for x in sets.values()], default=0.0))


def _group(name: str, data: Any) -> Group:
    spikes = "spike_time" in data and "spike_neuron" in data
    times = np.asarray(data["spike_time"], dtype=float) if spikes else np.empty(0)
    neurons = np.asarray(data["spike_neuron"], dtype=np.int64) if spikes else np.empty(0, dtype=np.int64)
    traces, units = {}, {}
    for state, values in data.data_vars.items():
        if "time" not in values.dims or not set(values.dims) <= {"time", "neuron", "mean"}:
            continue
        array = np.asarray(values.transpose(..., "time"), dtype=float)
        traces[str(state)], units[str(state)] = np.atleast_2d(array), str(values.attrs.get("units", ""))
    t = np.asarray(data["time"], dtype=float) if traces else np.empty(0)
    rows = max((len(x) for x in traces.values()), default=0)
    whose = np.asarray(data["neuron"], dtype=np.int64) if "neuron" in data.coords else np.arange(rows)
    n = int(data.attrs.get("n", max(rows, int(neurons.max()) + 1 if len(neurons) else 0)))
    kept = np.asarray(data["spiking"], dtype=np.int64) if "spiking" in data.coords else None
    return Group(name, n, times, neurons, kept, t, traces, units, whose)
