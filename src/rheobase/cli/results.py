"""Runs -> files: CSV, HDF5, NumPy's .npz; the ending of the name says which."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

import rheobase as rb
from rheobase.errors import InputError

__all__ = ["ENDINGS", "check_target", "write_run"]

ENDINGS: Final = (".csv", ".h5", ".hdf5", ".npz")


def check_target(path: Path, overwrite: bool) -> Path:
    """Return the path if a run can be written there; asked before the run, so that nothing is lost after it."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path}: results are written as {', '.join(ENDINGS)}; give a name that ends so")
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; give another name, or --overwrite")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write into {path.parent}")
    return path


def write_run(run: rb.Run | rb.NetworkRun, path: Path) -> list[Path]:
    """Write spikes and traces; return the files.

    CSV is two files: ``out.csv`` with population, neuron, time (ms) of each spike, and, where states were recorded,
    ``out_traces.csv`` with population, neuron, time and the states. HDF5 and .npz hold for each population
    ``spikes/times``, ``spikes/neurons``, ``t``, ``traces/v`` and what describes the run as JSON.
    """
    parts = _parts(run)
    try:
        if path.suffix.lower() == ".csv":
            return _write_csv(parts, path)
        arrays = {f"{name}/{key}": x for name, part in parts.items() for key, x in _arrays(part).items()}
        head = json.dumps({"format": "rheobase results", "until": run.until, "seed": run.seed, "engine": run.engine})
        if path.suffix.lower() == ".npz":
            np.savez_compressed(path, allow_pickle=False, head=np.array(head), **arrays)
        else:
            import h5py

            with h5py.File(path, "w") as file:
                file.attrs["head"] = head
                for name, x in arrays.items():
                    file.create_dataset(name, data=x)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    return [path]


def _parts(run: rb.Run | rb.NetworkRun) -> Mapping[str, Any]:
    return run.populations if isinstance(run, rb.NetworkRun) else {run.model.name: run}


def _arrays(part: Any) -> dict[str, np.ndarray]:
    if not isinstance(part, rb.Run):
        return {"spikes/times": part.times, "spikes/neurons": part.neurons}
    out = {"spikes/times": part.spikes.times, "spikes/neurons": part.spikes.neurons}
    if part.traces:
        out |= {"t": part.t} | {f"traces/{s}": x for s, x in part.traces.items()}
    if part.recorded is not None:
        out["neurons"] = part.recorded
    return out


def _write_csv(parts: Mapping[str, Any], path: Path) -> list[Path]:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["population", "neuron", "time"])
        for name, part in parts.items():
            spikes = part.spikes if isinstance(part, rb.Run) else part
            out.writerows([name, int(i), repr(float(t))] for t, i in zip(spikes.times, spikes.neurons, strict=True))
    traced = {name: p for name, p in parts.items() if isinstance(p, rb.Run) and p.traces}
    if not traced:
        return [path]
    states = list(dict.fromkeys(s for p in traced.values() for s in p.traces))
    more = path.with_name(path.stem + "_traces" + path.suffix)
    with more.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["population", "neuron", "time", *states])
        for name, p in traced.items():
            first = next(iter(p.traces.values()))
            whose = range(len(first)) if p.recorded is None else p.recorded
            for row, i in enumerate(whose):
                kept = [p.traces[s][row] if s in p.traces else None for s in states]
                for k, t in enumerate(p.t):
                    out.writerow(
                        [name, int(i), repr(float(t)), *("" if x is None else repr(float(x[k])) for x in kept)]
                    )
    return [path, more]
