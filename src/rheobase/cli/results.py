"""Runs -> files: CSV, HDF5, NumPy's .npz; the ending of the name says which."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

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
    """Write spikes and traces, and return the files: as ``run.to_csv``, ``run.to_hdf5`` and ``run.to_npz`` do.

    CSV is a file of spikes, ``out.csv``, and one for each state that was recorded, ``out_v.csv``.
    """
    if path.suffix.lower() == ".csv":
        states = dict.fromkeys(s for g in run.content().groups for s in g.traces)
        more = [run.to_csv(path.with_name(f"{path.stem}_{s}{path.suffix}"), s, overwrite=True) for s in states]
        return [run.to_csv(path, overwrite=True), *more]
    write = run.to_npz if path.suffix.lower() == ".npz" else run.to_hdf5
    return [write(path, overwrite=True)]
