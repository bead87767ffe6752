"""NWB files (Rübel et al. 2022, doi:10.7554/eLife.78362): written by pynwb, read back as plain HDF5."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np

from rheobase.errors import InputError
from rheobase.formats.content import Content, Group, need, step_of, writing
from rheobase.formats.guard import opened

__all__ = ["from_nwb", "to_nwb"]

#: Coherent unit -> SI unit and factor; NWB keeps SI units beside a conversion.
_SI: Final = {
    "mV": ("volts", 1e-3),
    "nA": ("amperes", 1e-9),
    "uS": ("siemens", 1e-6),
    "MOhm": ("ohms", 1e6),
    "nF": ("farads", 1e-9),
    "ms": ("seconds", 1e-3),
    "kHz": ("hertz", 1e3),
}


def to_nwb(content: Content, path: str | Path, overwrite: bool, session: dict[str, Any]) -> Path:
    """Write an NWB file; return its path."""
    pynwb = need("pynwb", "to_nwb()")
    out = writing(path, overwrite)
    fields = {
        "session_description": "simulation by rheobase",
        "identifier": str(uuid4()),
        "session_start_time": datetime.now(UTC),
        **session,
    }
    file = pynwb.NWBFile(**fields)
    _add_units(pynwb, file, content)
    for g in content.groups:
        for state, values in g.traces.items():
            file.add_acquisition(_series(pynwb, g, state, values))
    try:
        with pynwb.NWBHDF5IO(str(out), "w") as io:
            io.write(file)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error}") from None
    return out


def _add_units(pynwb: Any, file: Any, content: Content) -> None:
    trains = [(g, i, times) for g in content.groups for i, times in zip(g.spiking, g.trains(), strict=True)]
    if not trains:
        return
    table = pynwb.misc.Units(name="units", description="spikes of the simulated neurons, one row a neuron")
    table.add_column("population", "the population's name")
    table.add_column("neuron", "the neuron's number in its population")
    end = content.until / 1000.0
    for g, i, times in trains:
        seconds = times / 1000.0
        table.add_unit(spike_times=seconds, obs_intervals=[[0.0, end]], population=g.name, neuron=int(i))
    file.units = table


def _series(pynwb: Any, g: Group, state: str, values: np.ndarray) -> Any:
    unit, factor = _SI.get(g.units.get(state, ""), (g.units.get(state, "") or "n/a", 1.0))
    step = step_of(g.t)
    when: dict[str, Any] = (
        {"timestamps": g.t / 1000.0}
        if step is None
        else {"starting_time": float(g.t[0]) / 1000.0, "rate": 1000.0 / step}
    )
    about = json.dumps({"population": g.name, "state": state, "neurons": [int(i) for i in g.whose]})
    name = f"{g.name}_{state}".replace("/", "_").replace(":", "_")
    return pynwb.TimeSeries(name=name, data=values.T, unit=unit, conversion=factor, comments=about, **when)


def from_nwb(path: str | Path) -> Content:
    """Return spikes (the units table) and time series (the acquisition) of an NWB file, without pynwb.

    Raises
    ------
    InputError
        If it is no such file, truncated, links to others, or declares too much.
    """
    with opened(path, "an NWB file", soft=True) as file:
        if "units" not in file and "acquisition" not in file:
            raise InputError(f"{path} is no NWB file: it has neither units nor an acquisition")
        spikes = _read_units(file["units"], path) if "units" in file and "spike_times" in file["units"] else {}
        series = [_read_series(str(n), x, path) for n, x in file.get("acquisition", {}).items() if _is_series(x)]
    names = [*spikes, *(s[0] for s in series if s[0] not in spikes)]
    groups = tuple(_group(n, spikes.get(n), [s for s in series if s[0] == n]) for n in dict.fromkeys(names))
    if not groups:
        raise InputError(f"{path} holds neither spike times nor time series")
    ends = [float(x) for g in groups for x in [*g.times[-1:], *g.t[-1:]]]
    return Content(groups, max(ends, default=0.0))


def _is_series(x: Any) -> bool:
    return hasattr(x, "keys") and "data" in x and len(x["data"].shape) in (1, 2) and x["data"].dtype.kind in "biuf"


def _read_units(table: Any, path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    times = np.asarray(table["spike_times"][()], dtype=float)
    ends = np.asarray(table["spike_times_index"][()]).astype(np.int64)
    if (
        ends.ndim != 1
        or times.ndim != 1
        or np.any(np.diff(ends, prepend=0) < 0)
        or (len(ends) and ends[-1] > len(times))
    ):
        raise InputError(f"{path}: units/spike_times_index does not fit spike_times")
    count = len(ends)
    if any(c in table and table[c].shape != ends.shape for c in ("population", "neuron")) or count > 1 << 24:
        raise InputError(f"{path}: the columns of units have different lengths, or more than 2**24 rows")
    names = (
        [x.decode() if isinstance(x, bytes) else str(x) for x in table["population"][()]]
        if "population" in table
        else []
    )
    numbers = np.asarray(table["neuron"][()]).astype(np.int64) if "neuron" in table else np.arange(count)
    names = names or ["units"] * count
    if len(names) != count or len(numbers) != count or np.any(numbers < 0):
        raise InputError(f"{path}: the columns of units have different lengths")
    which = np.repeat(np.arange(count), np.diff(ends, prepend=0))
    out = {}
    for name in dict.fromkeys(names):
        rows = np.array([k for k, x in enumerate(names) if x == name])
        here = np.isin(which, rows)
        out[name] = (times[: len(which)][here] * 1000.0, numbers[which[here]], numbers[rows])
    return out


def _read_series(name: str, x: Any, path: str | Path) -> tuple[str, str, np.ndarray, np.ndarray, str, np.ndarray]:
    data = x["data"]
    values: np.ndarray = np.asarray(data[()], dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    si, factor = _text(data.attrs.get("unit", "")), float(data.attrs.get("conversion", 1.0))
    if "timestamps" in x:
        t: np.ndarray = np.asarray(x["timestamps"][()], dtype=float) * 1000.0
    elif "starting_time" in x and "rate" in x["starting_time"].attrs:
        start, rate = float(x["starting_time"][()]), float(x["starting_time"].attrs["rate"])
        if rate <= 0:
            raise InputError(f"{path}: acquisition/{name} has a rate of {rate:g} Hz")
        t = start * 1000.0 + np.arange(len(values)) * float(f"{1000.0 / rate:.12g}")
    else:
        raise InputError(f"{path}: acquisition/{name} has neither timestamps nor a rate")
    unit, scale = next(
        ((ours, factor / f) for ours, (u, f) in _SI.items() if u == si), (si if si != "n/a" else "", factor)
    )
    if abs(scale - 1.0) > 1e-12:
        values = values * scale
    try:
        about = json.loads(_text(x.attrs.get("comments", "")))
        population, state, whose = (
            str(about["population"]),
            str(about["state"]),
            np.array(about["neurons"], dtype=np.int64),
        )
    except (ValueError, KeyError, TypeError):
        population, state, whose = name, "values", np.arange(values.shape[1])
    return population, state, t, values.T, unit, whose


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _group(name: str, spikes: Any, series: list[Any]) -> Group:
    none = np.empty(0, dtype=np.int64)
    times, neurons, rows = spikes if spikes is not None else (np.empty(0), none, none)
    order = np.lexsort((neurons, times))
    t = series[0][2] if series else np.empty(0)
    same = [s for s in series if np.array_equal(s[2], t)]
    whose = same[0][5] if same else none
    n = max([int(x.max()) + 1 for x in (rows, whose) if len(x)] or [1])
    kept = None if len(rows) == n else np.sort(rows)
    traces, units = {s[1]: s[3] for s in same}, {s[1]: s[4] for s in same}
    return Group(name, n, times[order], neurons[order], kept, t, traces, units, whose)
