"""A network's run at a moment: all that is needed to go on bit for bit; and its file, for either engine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from rheobase.engines.clock import Clock
from rheobase.engines.mpi import find_world
from rheobase.engines.result import Recording
from rheobase.errors import InputError
from rheobase.network.network import Network

if TYPE_CHECKING:
    from rheobase.engines.exact import Exact

__all__ = ["ExactSnapshot", "Snapshot", "fingerprint", "read_snapshot", "write_snapshot"]

_FORMAT: Final = "rheobase checkpoint"
_CLOCK: Final = 2  # versions of the file: of a run on a grid
_EXACT: Final = 3  # and of an exact one
_ADDRESS: Final = re.compile(r" at 0x[0-9A-Fa-f]+")


@final
@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network at step `k`: states, refractory counters, spikes and traces so far, population by population.

    Random numbers are counted by neuron and step, so that they need
    no state. Nothing depends on how many threads there were.

    Attributes
    ----------
    arrays : mapping
        ``state E v``, ``left E v``, ``trace E v``: (n,), (n,), (n_times, n_recorded); ``steps E`` and ``neurons E``,
        what was recorded; ``flight steps 0`` and ``flight neurons 0``, the latest spikes of the loop's first group;
        for projection 3, if plastic, ``synapse 3 w`` and so on, in the order of `Projection.synapses`.
    recording : Path or None
        The file that has what was recorded, if it is not here.
    """

    k: int
    engine: Clock
    seed: int
    recordings: Mapping[str, Recording]
    arrays: Mapping[str, np.ndarray]
    recording: Path | None = None


@final
@dataclass(frozen=True, eq=False)
class ExactSnapshot:
    """A network on the exact engine, at the beginning of the window in which its run ended at `until` (ms).

    What the run did in that window is computed anew by one that goes on, so windows are those of an unbroken run.

    Attributes
    ----------
    arrays : mapping
        By group (see `rheobase.engines.exact_state`): ``modes 0``, ``code 0``, ``left 0 v``, ``spike times 0``, and
        so on; ``at ...``, how far synapses, sources and inputs have come.
    """

    window: int
    until: float
    engine: Exact
    seed: int
    recordings: Mapping[str, Recording]
    arrays: Mapping[str, np.ndarray]


def write_snapshot(
    snapshot: Snapshot | ExactSnapshot, net: Network, path: str | Path, recording: Path | None = None
) -> Path:
    """Write a snapshot into a file (``.npz``: arrays and JSON), whole or not at all; return the path.

    `recording` is the file that the run was recorded into, if it was. Of several ranks, which all have the same
    snapshot, the first writes it.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        path = path.with_name(path.name + ".npz")
    world = find_world()
    if world is not None and world.rank > 0:
        return path
    head: dict[str, Any] = {
        "format": _FORMAT,
        **_say_when(snapshot),
        "seed": snapshot.seed,
        "network": fingerprint(net),
        "recordings": {
            name: [list(r.states), r.every, r.start, r.stop, r.reduce] for name, r in snapshot.recordings.items()
        },
    }
    if recording is not None:
        head["recording"] = _say_where(recording, path.parent)
    arrays = dict(snapshot.arrays)
    arrays |= {f"chosen {n}": r.neurons for n, r in snapshot.recordings.items() if r.neurons is not None}
    arrays |= {f"spiking {n}": r.spikes for n, r in snapshot.recordings.items() if r.spikes is not None}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, head=np.array(json.dumps(head)), **arrays)
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(buffer.getvalue())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    return path


def _say_when(snapshot: Snapshot | ExactSnapshot) -> dict[str, Any]:
    """Return what the head of the file says of time and engine."""
    if isinstance(snapshot, ExactSnapshot):
        exact = {"window": snapshot.window, "until": snapshot.until, "threads": snapshot.engine.threads}
        return {"version": _EXACT, "exact": exact}
    e = snapshot.engine
    own = {"dt": e.dt, "method": e.method, "threads": e.threads, "precision": e.precision}
    return {"version": _CLOCK, "k": snapshot.k, "engine": own}


def read_snapshot(path: str | Path, net: Network) -> Snapshot | ExactSnapshot:
    """Return the snapshot in a file.

    Raises
    ------
    InputError
        If there is no such file, it is truncated or something else, or belongs to another network.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            arrays = {k: data[k] for k in data.files if k != "head"}
        if head["format"] != _FORMAT or head["version"] not in (_CLOCK, _EXACT):
            raise InputError(f"{path} holds no checkpoint of rheobase, or one of a newer version")
        seed, network = int(head["seed"]), str(head["network"])
        recordings = {
            str(n): Recording(
                tuple(map(str, states)),
                every,
                arrays.pop(f"chosen {n}", None),
                start,
                stop,
                reduce,
                arrays.pop(f"spiking {n}", None),
            )
            for n, (states, every, start, stop, reduce) in head["recordings"].items()
        }
        snapshot = _of_version(head, path, seed, recordings, arrays)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is truncated or no checkpoint of rheobase ({type(error).__name__})") from None
    if network != fingerprint(net):
        raise InputError(f"{path} was written for another network; give the same populations and projections")
    return snapshot


def _of_version(
    head: Mapping[str, Any], path: Path, seed: int, recordings: Mapping[str, Recording], arrays: dict[str, np.ndarray]
) -> Snapshot | ExactSnapshot:
    if head["version"] == _EXACT:
        from rheobase.engines.exact import Exact

        own = head["exact"]
        window, until = int(own["window"]), float(own["until"])
        return ExactSnapshot(window, until, Exact(own["threads"]), seed, recordings, arrays)
    engine, k, where = Clock(**head["engine"]), int(head["k"]), head.get("recording")
    return Snapshot(k, engine, seed, recordings, arrays, None if where is None else path.parent / str(where))


def _say_where(recording: Path, folder: Path) -> str:
    """Return the way from a folder to a file, so that both can be moved together."""
    try:
        return Path(os.path.relpath(recording.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return str(recording.resolve())


def fingerprint(net: Network) -> str:
    """Return a digest of a network's description, with every number of its arrays.

    It is the same in another process, so functions count by their names only.
    """
    digest = hashlib.blake2b(_ADDRESS.sub("", net.describe()).encode(), digest_size=16)
    for part in net.populations.values():
        for name, value in part.values.items():
            _add(digest, name, value)
    for p in net.projections:
        for item in (p.source.indices, p.target.indices, p.rule, p.weight, p.delay):
            _add(digest, p.port, item)
        if p.synapse is not None and p.is_plastic:
            _add(digest, p.port, p.synapse)
            for name, q in {**p.synapse.parameters, **p.synapse.initial}.items():
                _add(digest, name, q)
        if p.is_plastic and p.normalise is not None:
            _add(digest, "normalise", p.normalise.total)
            _add(digest, "every", p.normalise.every)
        if p.is_plastic and p.reward is not None:
            _add(digest, "times", p.reward.times)
            _add(digest, "amounts", p.reward.amounts)
            _add(digest, "critic", p.reward.critic)
    return digest.hexdigest()


def _add(digest: Any, name: str, value: Any) -> None:
    array = getattr(value, "value", value)
    digest.update(_ADDRESS.sub("", f"{name}{value if not isinstance(value, np.ndarray) else ''}").encode())
    if isinstance(array, np.ndarray):
        digest.update(np.ascontiguousarray(array).tobytes())
