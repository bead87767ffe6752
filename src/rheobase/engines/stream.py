"""A run's recording, written while it goes on, and read back: whole up to the last piece, whatever ended the run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from time import perf_counter
from typing import Any, Final, final

import numpy as np

from rheobase.engines.checkpoint import fingerprint
from rheobase.engines.forecast import trace_bytes
from rheobase.engines.frames import BEGIN, END, MORE, PIECE, Key, pack, preamble, read_frames, read_head
from rheobase.engines.record import Piece, samples_of
from rheobase.engines.result import Recording, Result
from rheobase.engines.stored import FORMAT, Stored, check_same_run, part_path
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network

__all__ = ["Share", "Stream", "check_target"]

_SYNC: Final = 3.0  # seconds after which what was written is sent to the disk itself
_NEVER: Final = 1 << 62  # a step that no run comes to
_OTHERS: Final = frozenset({".h5", ".hdf5", ".npz", ".npy", ".csv", ".nwb", ".json"})


@final
@dataclass(frozen=True)
class Share:
    """What one of several ranks records: `own` has each population's first neuron of it, and the one after its last.

    `run` is the same on all ranks, and on no other run's.
    """

    rank: int
    ranks: int
    run: str
    own: Mapping[str, tuple[int, int]]


def check_target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Return the path of a file that is to be written; refuse it now if it cannot be.

    Raises
    ------
    InputError
        If it exists already, or its folder does not or cannot be written.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise InputError(f"{path!r:.60} is no path of a file; give for example record_to='run.rheo'")
    out = Path(path)
    if out.is_dir():
        raise InputError(f"cannot write {out}: it is a folder; give the name of a file in it")
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists already; give overwrite=True to replace it, or another name")
    if not out.parent.is_dir():
        raise InputError(f"cannot write {out}: there is no folder {out.parent}")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {out}: the folder {out.parent} cannot be written")
    return out


def _open(path: Path) -> FileIO:
    """Return a file to write behind, without a buffer: what is written is the system's, and outlives this process."""
    return FileIO(path, "ab")


@final
class Stream:
    """The recording of a network's run on its way into a file.

    Made before the run, so that what cannot work is refused then; `begin`, `add`, `end` and `close` are called by the
    engine. With `behind` it goes on in a file whose last step that is, or, with `rewind`, one that it holds.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        net: Network,
        recordings: Mapping[str, Recording],
        dt: float,
        until: float,
        seed: int,
        overwrite: bool = False,
        behind: int | None = None,
        rewind: bool = False,
    ) -> None:
        self._behind, self._overwrite, self._rewind = behind, overwrite, rewind
        self.path = check_target(path, overwrite or behind is not None)
        if self.path.suffix.lower() in _OTHERS:
            other = self.path.with_suffix(".rheo").name
            raise InputError(
                f"record_to = {self.path.name!r}: a run is recorded in a form of its own, which survives whatever ends"
                f" it; write '{other}', then rb.convert_recording('{other}', '{self.path.name}')"
            )
        self.net, self.recordings, self.dt, self.seed = net, recordings, dt, seed
        self._file: FileIO | None = None
        self._share: Share | None = None
        self._own_path = self.path
        self._whole, self._k, self._synced = 0, -1, 0.0
        needed = sum(trace_bytes(recordings[n], p.n, until, dt) for n, p in net.populations.items() if n in recordings)
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise InputError(
                f"the recorded states take {needed / 1e9:.3g} GB, but {free / 1e9:.3g} GB are free where {self.path} is"
                " to be; record less: every=, neurons=, start=, stop=, reduce='mean'"
            )

    @property
    def name(self) -> str:
        """The file, and whether it is begun or goes on."""
        return f"{self.path.resolve()}, {'begun' if self._behind is None else f'on from step {self._behind}'}"

    def take_share(self, share: Share) -> None:
        """Write what one of several ranks records, into a file of its own."""
        self._share, self._own_path = share, part_path(self.path, share.rank)

    def begin(self, results: Mapping[str, Result], total: int) -> None:
        """Make the file, with the description of the run; or open the one in which it goes on."""
        rank = 0 if self._share is None else self._share.rank
        if self._behind is not None:
            (self._go_on if rank == 0 else self._go_on_beside)(self._behind, total)
            return
        head: dict[str, Any] = {"format": FORMAT, "total": total}
        if self._share is not None:
            head |= {"run": self._share.run, "ranks": self._share.ranks, "rank": rank}
        if rank == 0:
            described, arrays = self._describe(results)
            self._make({**head, **described}, arrays)
        else:
            self._make(head, {})

    def _describe(self, results: Mapping[str, Result]) -> tuple[dict[str, Any], dict[Key, np.ndarray]]:
        """Return what the first frame says of a run."""
        populations, arrays = list[dict[str, Any]](), dict[Key, np.ndarray]()
        for name, part in self.net.populations.items():
            r, found = self.recordings.get(name, Recording()), results[name]
            own: dict[str, Any] = {"name": name, "n": part.n, "method": found.method, "order": found.order}
            own |= {"model": part.model.to_dict() if isinstance(part.model, Neuron) else None}
            if r.states:
                s = samples_of(name, r, self.dt, _NEVER)
                own |= {"states": list(r.states), "reduce": r.reduce, "samples": [s.first, s.every, s.last]}
            for what, which in (("neurons", r.neurons), ("spiking", r.spikes)):
                if which is not None:
                    arrays[what, name, ""] = np.asarray(which, dtype=np.int64)
            arrays |= {("value", name, key): np.asarray(x, dtype=float) for key, x in found.values.items()}
            populations.append(own)
        head = {"dt": self.dt, "seed": self.seed, "network": fingerprint(self.net)}
        head |= {"engine": next(iter(results.values())).engine, "populations": populations}
        return head, arrays

    def _make(self, head: Mapping[str, Any], arrays: Mapping[Key, np.ndarray]) -> None:
        """Make the file with its first frame."""
        data = b"".join([preamble(), *pack(BEGIN, -1, -1, head, arrays)])
        path = self._own_path
        check_target(path, self._overwrite)  # it may have come to be while the network was built
        partial = path.with_name(path.name + ".part")
        try:  # a file that is replaced is there until the new one has its description
            partial.write_bytes(data)
            os.replace(partial, path)
            self._file = _open(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise InputError(f"cannot write {path}: {error.strerror}") from None
        self._whole, self._synced = len(data), perf_counter()

    def _go_on(self, k: int, total: int) -> None:
        """Open the file behind its last piece."""
        stored = Stored(self.path, k=k if self._rewind else None)
        if (stored.k, stored.seed, stored.dt) != (k, self.seed, self.dt):
            raise InputError(
                f"{self.path} is no longer as this run left it, at {k * self.dt:g} ms; it cannot go on there"
            )
        check_same_run(stored, self.net, self.dt, self.seed)
        try:
            self._file = _open(self.path)
            self._whole = stored.size
            self._file.truncate(self._whole)
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}") from None
        self._k, self._synced = k, perf_counter()
        ranks = {} if self._share is None else {"ranks": self._share.ranks}
        self._write(pack(MORE, k, k, {"total": total, **ranks}, {}))

    def _go_on_beside(self, k: int, total: int) -> None:
        """Open the file of a rank that is not the first; what it lacks up to step k is elsewhere."""
        path = self._own_path
        with self.path.open("rb") as file:
            run = read_head(file, read_frames(self.path)[0]).get("run")
        frames = read_frames(path) if path.exists() else []
        if frames:
            with path.open("rb") as file:
                if read_head(file, frames[0]).get("run") != run:
                    raise InputError(f"{path} belongs to another run; remove it, or record into another file")
        kept = [f for f in frames if f.kind in (BEGIN, PIECE) and f.k1 <= k]
        if not kept:
            self._overwrite = True
            assert self._share is not None
            self._make({"format": FORMAT, "total": total, "run": run, "rank": self._share.rank}, {})
        else:
            self._file = _open(path)
            self._whole = kept[-1].offset + kept[-1].length
            self._file.truncate(self._whole)
        self._k, self._synced = k, perf_counter()
        reached = kept[-1].k1 if kept else -1
        if reached < k:
            self._write(pack(PIECE, reached, k, {}, {}))

    def add(self, piece: Piece) -> None:
        """Write the next piece, whole or not at all."""
        arrays: dict[Key, np.ndarray] = {}
        for name, (steps, neurons) in piece.spikes.items():
            if len(steps):
                arrays["steps", name, ""] = steps.astype(np.int32)
                arrays["neurons", name, ""] = neurons.astype(np.int32)
        for name, own in piece.traces.items():
            if self._share is None or self._share.rank == 0 or self.recordings[name].reduce is None:
                arrays |= {("trace", name, s): x for s, x in own.items() if len(x)}
        self._write(pack(PIECE, piece.k0, piece.k1, {}, arrays))
        self._k = piece.k1

    def end(self, results: Mapping[str, Result]) -> None:
        """Write the states at the end, and how long it took."""
        own = {name: slice(None) if self._share is None else slice(*self._share.own[name]) for name in results}
        arrays = {("final", name, s): x[own[name]] for name, r in results.items() for s, x in r.final.items()}
        self._write(pack(END, self._k, self._k, {"seconds": dict(next(iter(results.values())).seconds)}, arrays), True)

    def close(self) -> None:
        """Close the file; it is whole up to the last piece."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, frame: Sequence[bytes | memoryview], sync: bool = False) -> None:
        assert self._file is not None
        try:
            for part in frame:
                left = memoryview(part)
                while len(left):
                    left = left[self._file.write(left) or 0 :]
            if sync or perf_counter() - self._synced > _SYNC:
                os.fsync(self._file.fileno())
                self._synced = perf_counter()
        except OSError as error:
            self._take_back()
            reached = f"up to t = {self._k * self.dt:g} ms" if self._k >= 0 else "nothing yet"
            raise InputError(
                f"cannot write into {self._own_path}: {error.strerror or error}. The run was stopped; the file holds"
                f" {reached}, {self._whole:,} bytes, and can be read"
            ) from None
        self._whole += sum(map(len, frame))

    def _take_back(self) -> None:
        """Cut off what was written in part."""
        assert self._file is not None
        with contextlib.suppress(OSError):  # the reader leaves it out
            self._file.truncate(self._whole)
        self.close()
