"""Runs in NumPy's ``.npz`` and in HDF5; an archive is read as plain arrays after a look at what it declares."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from rheobase.errors import InputError
from rheobase.formats.content import Content, Group, writing
from rheobase.formats.guard import MOST_BYTES, check_size

__all__ = ["from_npz", "to_hdf5", "to_npz"]


def lay_out(content: Content) -> tuple[str, dict[str, np.ndarray]]:
    """Return (head, arrays by path): the layout of `rheobase.recorded.convert_recording`; the head is JSON."""
    arrays: dict[str, np.ndarray] = {}
    told: dict[str, Any] = {}
    for g in content.groups:
        name = g.name.replace("/", "_")
        told[name] = {"n": g.n, "units": dict(g.units)}
        arrays |= {f"{name}/spikes/times": g.times, f"{name}/spikes/neurons": g.neurons}
        arrays |= {f"{name}/traces/{s}": x.T for s, x in g.traces.items()}
        arrays |= {f"{name}/t": g.t, f"{name}/neurons": np.asarray(g.whose)} if g.traces else {}
        arrays |= {} if g.kept is None else {f"{name}/spiking": g.kept}
    return json.dumps({**content.about, "until": content.until, "populations": told}), arrays


def to_npz(content: Content, path: str | Path, overwrite: bool) -> Path:
    """Write all spikes and traces (see `lay_out`); return the path."""
    out = writing(path, overwrite)
    head, arrays = lay_out(content)
    try:
        with out.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, head=np.array(head), **arrays)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from None
    return out


def to_hdf5(content: Content, path: str | Path, overwrite: bool) -> Path:
    """Write the same arrays as HDF5, the head as an attribute; return the path."""
    import h5py

    out = writing(path, overwrite)
    head, arrays = lay_out(content)
    try:
        with h5py.File(out, "w") as file:
            file.attrs["head"] = head
            for name, x in arrays.items():
                file.create_dataset(name, data=x)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from None
    return out


def from_npz(path: str | Path) -> Content:
    """Return the spikes and traces of what ``run.save`` or ``rb.convert_recording`` wrote, or of arrays times, neurons.

    Raises
    ------
    InputError
        If it is truncated, holds Python objects, or declares more than can be read.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if len(infos) > 100_000:
                raise InputError(f"{path} has {len(infos)} arrays")
            check_size((sum(i.file_size for i in infos),), 1, str(path), MOST_BYTES)
            arrays = {i.filename.removesuffix(".npy"): _array(archive, i, path) for i in infos}
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except InputError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} is truncated or no .npz file: {str(error)[:160]}") from None
    head = _head(arrays.get("head"))
    if "times" in arrays and "neurons" in arrays:
        return _single(arrays, head)
    names = sorted({k.partition("/")[0] for k in arrays if "/" in k})
    if not names:
        raise InputError(f"{path} holds {', '.join(sorted(arrays))[:200]}; wanted times and neurons")
    return Content(tuple(_population(n, arrays, head) for n in names), _number(head, "until", 0.0))


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> np.ndarray:
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise InputError(f"{path}: {info.filename} holds Python objects, which are not read")
        check_size(shape, dtype.itemsize, f"{path}: {info.filename}")
    with archive.open(info) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _head(array: np.ndarray | None) -> dict[str, Any]:
    try:
        head = json.loads(str(array)) if array is not None else {}
    except ValueError:
        return {}
    return head if isinstance(head, dict) else {}


def _number(told: dict[str, Any], name: str, default: float) -> float:
    """Return a number below 2**31 that the head tells, or the default where it tells something else."""
    value = told.get(name)
    plain = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**31
    return float(value) if plain and value is not None else float(default)


def _trains(times: Any, neurons: Any) -> tuple[np.ndarray, np.ndarray, int]:
    t, who = np.asarray(times, dtype=float), np.asarray(neurons)
    if t.ndim != 1 or t.shape != who.shape or who.dtype.kind not in "iu" or (len(who) and int(who.min()) < 0):
        raise InputError(f"times {t.shape} and neurons {who.shape} of {who.dtype} are no spikes")
    order = np.lexsort((who, t))
    return t[order], who[order].astype(np.int64), int(who.max()) + 1 if len(who) else 1


def _single(arrays: dict[str, np.ndarray], head: dict[str, Any]) -> Content:
    t, who, least = _trains(arrays["times"], arrays["neurons"])
    n = max(int(_number(head, "n", least)), least)
    model = head.get("model")
    name = str(model.get("name", "run")) if isinstance(model, dict) else "run"
    traces = {k.removeprefix("trace "): np.atleast_2d(x) for k, x in arrays.items() if k.startswith("trace ")}
    rows = max((len(x) for x in traces.values()), default=0)
    whose = arrays.get("recorded", np.arange(rows))
    group = Group(name, n, t, who, arrays.get("kept"), arrays.get("t", np.empty(0)), traces, {}, whose)
    return Content((group,), _number(head, "until", float(t.max()) if len(t) else 0.0))


def _population(name: str, arrays: dict[str, np.ndarray], head: dict[str, Any]) -> Group:
    own = {k.partition("/")[2]: x for k, x in arrays.items() if k.startswith(f"{name}/")}
    t, who, least = _trains(
        own.get("spikes/times", np.empty(0)), own.get("spikes/neurons", np.empty(0, dtype=np.int64))
    )
    told = head.get("populations")
    mine = told.get(name) if isinstance(told, dict) else None
    mine = mine if isinstance(mine, dict) else {}
    n = max(int(_number(mine, "n", least)), least)
    units = {str(k): str(x) for k, x in mine["units"].items()} if isinstance(mine.get("units"), dict) else {}
    traces = {k.removeprefix("traces/"): x.T for k, x in own.items() if k.startswith("traces/") and x.ndim == 2}
    rows = max((len(x) for x in traces.values()), default=0)
    whose = own.get("neurons", np.arange(rows))
    return Group(name, n, t, who, own.get("spiking"), own.get("t", np.empty(0)), traces, units, whose)
