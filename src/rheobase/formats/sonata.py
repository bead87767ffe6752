"""SONATA files of spikes and of reports (Dai et al. 2020, doi:10.1371/journal.pcbi.1007696), and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError, nearest
from rheobase.formats.content import Content, Group, step_of, writing
from rheobase.formats.guard import opened

__all__ = ["from_sonata", "to_sonata"]

_MAGIC: Final = 0x0A7A
_SORTING: Final = {"none": 0, "by_id": 1, "by_time": 2}


def to_sonata(content: Content, path: str | Path, state: str | None = None, overwrite: bool = False) -> Path:
    """Write the spikes, or a report of one state; return the path."""
    import h5py

    out = writing(path, overwrite)
    chosen = [g for g in content.groups if state is None or state in g.traces]
    if state is not None and not chosen:
        known = {s for g in content.groups for s in g.traces}
        raise InputError(
            f"'{state:.60}' was not recorded.{nearest(state, known)} There are: {', '.join(sorted(known)) or 'none'}"
        )
    names = [g.name.replace("/", "_") for g in chosen]
    try:
        with h5py.File(out, "w") as file:
            file.attrs["magic"], file.attrs["version"] = np.uint32(_MAGIC), np.array([0, 1], dtype=np.uint32)
            for name, g in zip(names, chosen, strict=True):
                if state is None:
                    _write_spikes(file.create_group(f"spikes/{name}"), g)
                else:
                    _write_report(file.create_group(f"report/{name}"), g, state)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from None
    return out


def _write_spikes(group: Any, g: Group) -> None:
    import h5py

    kind = h5py.enum_dtype(_SORTING, basetype="u1")
    group.attrs.create("sorting", _SORTING["by_time"], dtype=kind)
    times = group.create_dataset("timestamps", data=g.times)
    times.attrs["units"] = "ms"
    group.create_dataset("node_ids", data=g.neurons.astype(np.uint64))


def _write_report(group: Any, g: Group, state: str) -> None:
    step = step_of(g.t)
    if step is None:
        raise InputError(f"{g.name}: SONATA reports have regular times, these are not; run on a grid, rb.Clock(dt=...)")
    data = group.create_dataset("data", data=g.traces[state].T.astype(np.float32))  # all that readers take
    data.attrs["units"] = g.units.get(state, "") or "1"
    whose = g.whose if len(g.whose) else np.zeros(1)
    mapping = group.create_group("mapping")
    mapping.create_dataset("node_ids", data=whose.astype(np.uint64)).attrs["sorted"] = np.uint8(1)
    mapping.create_dataset("index_pointers", data=np.arange(len(whose) + 1, dtype=np.uint64))
    mapping.create_dataset("element_ids", data=np.zeros(len(whose), dtype=np.uint32))
    times = mapping.create_dataset("time", data=np.array([g.t[0], g.t[0] + step * len(g.t), step]))
    times.attrs["units"] = "ms"


def from_sonata(path: str | Path) -> Content:
    """Return the spikes and reports of a SONATA file.

    Raises
    ------
    InputError
        If it is no such file, truncated, links to others, or declares too much.
    """
    with opened(path, "a SONATA file") as file:
        groups = [_read_spikes(str(n), x, path) for n, x in file.get("spikes", {}).items()]
        groups += [_read_report(str(n), x, path) for n, x in file.get("report", {}).items()]
    if not groups:
        raise InputError(f"{path} is no SONATA file: it has neither spikes nor a report")
    ends = [float(x) for g in groups for x in [*g.times[-1:], *g.t[-1:]]]
    return Content(tuple(groups), max(ends, default=0.0))


def _read_spikes(name: str, group: Any, path: str | Path) -> Group:
    if "timestamps" not in group or "node_ids" not in group:
        raise InputError(f"{path}: spikes/{name} lacks timestamps or node_ids")
    times = np.asarray(group["timestamps"][()], dtype=float) * _in_ms(group["timestamps"], f"{path}: spikes/{name}")
    ids = np.asarray(group["node_ids"][()])
    if times.ndim != 1 or times.shape != ids.shape or ids.dtype.kind not in "iu":
        raise InputError(f"{path}: spikes/{name} has {times.shape} times and {ids.shape} node_ids of {ids.dtype}")
    if ids.size and int(ids.max()) >= 2**31:
        raise InputError(f"{path}: spikes/{name} names the node {int(ids.max())}; numbers go up to 2**31 - 1")
    neurons = ids.astype(np.int64)
    order = np.lexsort((neurons, times))
    n = int(neurons.max()) + 1 if len(neurons) else 1
    none = np.empty(0, dtype=np.int64)
    return Group(name, n, times[order], neurons[order], None, np.empty(0), {}, {}, none)


def _in_ms(data: Any, place: str) -> float:
    unit = data.attrs.get("units", "ms")
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    factor = {"ms": 1.0, "s": 1000.0, "seconds": 1000.0, "us": 1e-3}.get(unit)
    if factor is None:
        raise InputError(f"{place}: times in {unit!r:.40}; wanted ms or s")
    return factor


def _read_report(name: str, group: Any, path: str | Path) -> Group:
    place = f"{path}: report/{name}"
    if "data" not in group or "mapping" not in group or "time" not in group["mapping"]:
        raise InputError(f"{place} lacks data or mapping/time")
    data, mapping = np.asarray(group["data"][()], dtype=float), group["mapping"]
    time = np.asarray(mapping["time"][()], dtype=float) * _in_ms(mapping["time"], place)
    ids = np.asarray(mapping["node_ids"][()]) if "node_ids" in mapping else np.empty(0)
    pointers = np.asarray(mapping["index_pointers"][()]) if "index_pointers" in mapping else np.arange(len(ids) + 1)
    if (
        data.ndim != 2
        or time.shape != (3,)
        or time[2] <= 0
        or not np.array_equal(pointers, np.arange(data.shape[1] + 1))
    ):
        raise InputError(f"{place}: wanted (n_times, n_nodes) with one element a node; data is {data.shape}")
    if len(ids) != data.shape[1]:
        raise InputError(f"{place}: {data.shape[1]} columns for {len(ids)} node_ids")
    unit = group["data"].attrs.get("units", "")
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    t = time[0] + time[2] * np.arange(len(data))
    whose = ids.astype(np.int64)
    none = np.empty(0, dtype=np.int64)
    n = int(whose.max()) + 1 if len(whose) else 1
    return Group(
        name, n, np.empty(0), none, none, t, {"report": data.T}, {"report": "" if unit == "1" else unit}, whose
    )
