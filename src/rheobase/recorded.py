"""Recordings in files: read back as runs, and converted for other programs."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.engines.checkpoint import Snapshot
from rheobase.engines.frames import is_recording
from rheobase.engines.spikes import Spikes
from rheobase.engines.stored import Stored, check_same_run
from rheobase.engines.stream import check_target
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network
from rheobase.run import NetworkRun, Run, read_run

__all__ = ["convert_recording", "load", "open_recording"]

_HDF5: Final = b"\x89HDF\r\n\x1a\n"


def load(path: str | os.PathLike[str], salvage: bool = False) -> Run | NetworkRun:
    """Return the run in a file: what `Run.save` wrote, or what ``simulate(net, record_to=)`` recorded.

    Of a recording spikes and traces are read from the file when they are asked for. If the run was killed, or is still
    going on, all that was whole by then is there, `until` tells how far, and a warning says so.

    Parameters
    ----------
    path : str or Path
    salvage : bool
        Of a recording that is damaged in its middle, take what precedes the damage.

    Raises
    ------
    InputError
        If the file is missing, damaged, or something else.

    Examples
    --------
    >>> import tempfile
    >>> from rheobase.networks import cuba
    >>> from rheobase.simulation import simulate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = simulate(cuba(100), until="50 ms", seed=1, record_to=f"{folder}/run.rheo", record={"E": "v"})
    ...     run = load(f"{folder}/run.rheo")
    ...     run.until, run["E"].v.shape
    (50.0, (80, 501))
    """
    path = Path(path)
    try:
        streamed = is_recording(path)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if not streamed:
        with path.open("rb") as file:
            if file.read(len(_HDF5)) == _HDF5:
                raise InputError(f"{path} is HDF5: open it by h5py.File(path); rb.load reads the .rheo it came from")
        return read_run(path)
    stored = Stored(path, salvage)
    if not stored.is_complete:
        reached, planned = stored.until, stored.total * stored.dt
        lost = ", ".join(p.name for p in stored.missing)
        why = f"it needs {lost} beside it" if lost else "the run did not come to its end"
        warnings.warn(f"{path} holds {reached:g} of {planned:g} ms: {why}", stacklevel=2)
    return as_run(stored)


def open_recording(
    path: Path, net: Network, resume: Callable[[Any, int | None, bool], NetworkRun], state: Snapshot
) -> NetworkRun:
    """Return the run whose recording this is, up to a snapshot, and what carries it on.

    Raises
    ------
    InputError
        If the file is missing, is not of this network, or does not reach the snapshot.
    """
    stored = Stored(path, k=state.k)
    check_same_run(stored, net, state.engine.dt, state.seed)
    stored.final = {(n, s): state.arrays[f"state {n} {s}"].astype(float) for n, s in _final(net)}
    return replace(as_run(stored), network=net, _resume=resume, _state=state)


def _final(net: Network) -> Iterator[tuple[str, str]]:
    for name, part in net.populations.items():
        if isinstance(part.model, Neuron):
            yield from ((name, s) for s in part.model.states)


def as_run(stored: Stored) -> NetworkRun:
    """Return a recording as a run whose populations are read when they are asked for."""
    offsets, at = {}, 0
    for name, own in stored.populations.items():
        offsets[name], at = at, at + int(own["n"])
    until = stored.until
    populations = _Populations(stored)
    return NetworkRun(
        populations, offsets, until, stored.seed, stored.engine, stored.seconds, None, None, None, stored.path
    )


@final
class _Populations(Mapping[str, Run | Spikes]):
    """The populations of a recording, each read when it is asked for."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._read = cache(self._make)

    def __getitem__(self, name: str) -> Run | Spikes:
        if name not in self._stored.populations:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored.populations)

    def __len__(self) -> int:
        return len(self._stored.populations)

    def _make(self, name: str) -> Run | Spikes:
        stored, own = self._stored, self._stored.populations[name]
        n = int(own["n"])
        spikes = _spikes(stored, name, n)
        if own["model"] is None:
            return spikes
        values = {key: _plain(x) for (what, p, key), x in stored.arrays.items() if (what, p) == ("value", name)}
        return Run(
            Neuron.from_dict(own["model"]),
            n,
            False,
            stored.until,
            stored.seed,
            spikes,
            stored.samples(name) * stored.dt,
            _Traces(stored, name),
            {s: x for (p, s), x in stored.final.items() if p == name},
            stored.engine,
            own["method"],
            own["order"],
            stored.seconds,
            values,
            stored.arrays.get(("neurons", name, "")),
            own.get("reduce"),
        )


@final
class _Traces(Mapping[str, np.ndarray]):
    """The states of a population in a recording, each read when it is asked for: arrays (n_kept, n_times)."""

    def __init__(self, stored: Stored, name: str) -> None:
        self._stored, self._name = stored, name
        self._states = tuple(stored.populations[name].get("states", ()))
        self._read = cache(self._make)

    def __getitem__(self, state: str) -> np.ndarray:
        if state not in self._states:
            raise KeyError(state)
        return self._read(state)

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def _make(self, state: str) -> np.ndarray:
        out = np.empty((len(self._stored.samples(self._name)), self._stored.width(self._name)))
        at = 0
        for block in self._stored.trace(self._name, state):
            out[at : at + len(block)] = block
            at += len(block)
        return out.T


def _plain(x: np.ndarray) -> float | np.ndarray:
    return x if x.ndim else float(x)


def _spikes(stored: Stored, name: str, n: int) -> Spikes:
    pieces = [*stored.spikes(name)]
    none = np.empty(0, dtype=np.int32)
    steps, neurons = (np.concatenate([none, *(p[i] for p in pieces)]).astype(np.int64) for i in (0, 1))
    return Spikes(steps * stored.dt, neurons, n, stored.arrays.get(("spiking", name, "")))


# ------------------------------------------------------------------ other programs
def convert_recording(
    source: str | os.PathLike[str], target: str | os.PathLike[str], overwrite: bool = False, salvage: bool = False
) -> Path:
    """Write a recording as HDF5 (``.h5``, ``.hdf5``) or NumPy's ``.npz``, whole or not at all; return the path.

    Each population is a group: ``E/spikes/times`` (ms) and ``E/spikes/neurons``, sorted by time, then neuron;
    ``E/t`` (ms) and ``E/traces/v``, of shape (n_times, n_neurons); ``E/neurons``, those the traces are of, if not all;
    ``E/spiking``, those whose spikes were recorded, if not all; ``E/final/v``; ``E/values/tau``. What describes the
    run is JSON, the attribute (or array) ``head``.

    Parameters
    ----------
    source : str or Path
        What ``simulate(net, record_to=)`` wrote.
    target : str or Path
        The suffix says the form.
    overwrite : bool
        Replace a file that is there.
    salvage : bool
        As in `load`.

    Raises
    ------
    InputError
        If the recording cannot be read, or the other file not be written.

    Examples
    --------
    >>> import tempfile
    >>> from rheobase.networks import cuba
    >>> from rheobase.simulation import simulate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = simulate(cuba(100), until="50 ms", seed=1, record_to=f"{folder}/run.rheo", record={"E": "v"})
    ...     with np.load(convert_recording(f"{folder}/run.rheo", f"{folder}/run.npz")) as data:
    ...         print(data["E/traces/v"].shape)
    (501, 80)
    """
    suffix = Path(target).suffix.lower()
    if suffix not in (".h5", ".hdf5", ".npz"):
        raise InputError(f"{target}: a recording is converted to .h5, .hdf5 or .npz; give a name that ends so")
    stored = Stored(source, salvage)
    out = check_target(target, overwrite)
    partial = out.with_name(out.name + ".part")
    try:
        (_write_npz if suffix == ".npz" else _write_hdf5)(stored, partial)
        os.replace(partial, out)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"cannot write {out}: {getattr(error, 'strerror', None) or error}") from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return out


def _describe(stored: Stored) -> str:
    own = {"until": stored.until, "is_complete": stored.is_complete, "seconds": stored.seconds}
    return json.dumps({**stored.head, **own} | {"arrays": None})


def _groups(stored: Stored) -> dict[str, str]:
    """Return population -> the name of its group: a slash would make another group."""
    out: dict[str, str] = {}
    for name in stored.populations:
        safe = name.replace("/", "_").replace(".", "_") if set(name) & set("/.") else name
        while safe in out.values() or (safe != name and safe in stored.populations):
            safe += "_"
        out[name] = safe
    return out


def _small(stored: Stored, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Give the arrays of a population that are in memory already."""
    for (what, p, key), x in stored.arrays.items():
        if p == name:
            yield (f"values/{key}" if what == "value" else what), x
    for (p, s), x in stored.final.items():
        if p == name:
            yield f"final/{s}", x
    if stored.populations[name].get("states"):
        yield "t", stored.samples(name) * stored.dt


def _write_hdf5(stored: Stored, path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["head"] = _describe(stored)
        groups = _groups(stored)
        for name, own in stored.populations.items():
            group = file.create_group(groups[name])
            group.attrs["n"] = int(own["n"])
            for key, x in _small(stored, name):
                group[key] = x
            times = group.create_dataset("spikes/times", (0,), "f8", maxshape=(None,), chunks=(16384,))
            neurons = group.create_dataset("spikes/neurons", (0,), "i4", maxshape=(None,), chunks=(16384,))
            for steps, who in stored.spikes(name):
                _append(times, steps.astype(np.int64) * stored.dt)
                _append(neurons, who)
            for s in own.get("states", ()):
                width = stored.width(name)
                rows = int(np.clip(131072 // max(width, 1), 1, 4096))
                trace = group.create_dataset(
                    f"traces/{s}", (0, width), "f8", maxshape=(None, width), chunks=(rows, max(width, 1))
                )
                for block in stored.trace(name, s):
                    _append(trace, block)


def _append(data: Any, block: np.ndarray) -> None:
    at = data.shape[0]
    data.resize(at + len(block), axis=0)
    data[at:] = block


def _write_npz(stored: Stored, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

        def put(name: str, x: np.ndarray) -> None:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(x), allow_pickle=False)

        put("head", np.array(_describe(stored)))
        groups = _groups(stored)
        for name, own in stored.populations.items():
            spikes, group = _spikes(stored, name, int(own["n"])), groups[name]
            put(f"{group}/spikes/times", spikes.times)
            put(f"{group}/spikes/neurons", spikes.neurons)
            for key, x in _small(stored, name):
                put(f"{group}/{key}", x)
            for s in own.get("states", ()):
                put(f"{group}/traces/{s}", _Traces(stored, name)[s].T)
