"""A run's recording, written while it goes on, and read back: whole up to the last piece, whatever ended the run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from time import perf_counter
from typing import Any, Final, final

import numpy as np

from rheobase.engines.checkpoint import fingerprint
from rheobase.engines.forecast import trace_bytes
from rheobase.engines.frames import (
    BEGIN,
    END,
    MORE,
    PIECE,
    Frame,
    Key,
    pack,
    preamble,
    read_array,
    read_arrays,
    read_frames,
    read_head,
)
from rheobase.engines.record import Piece, Samples, samples_of
from rheobase.engines.result import Recording, Result
from rheobase.errors import InputError, nearest
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network

__all__ = ["Stored", "Stream", "check_target"]

_FORMAT: Final = "rheobase recording"
_SYNC: Final = 3.0  # seconds after which what was written is sent to the disk itself
_NEVER: Final = 1 << 62  # a step that no run comes to
_OTHERS: Final = frozenset({".h5", ".hdf5", ".npz", ".npy", ".csv", ".nwb", ".json"})


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
        self._whole, self._k, self._synced = 0, -1, 0.0
        needed = sum(trace_bytes(recordings[n], p.n, until, dt) for n, p in net.populations.items() if n in recordings)
        free = shutil.disk_usage(self.path.parent).free
        if needed > free:
            raise InputError(
                f"the recorded states take {needed / 1e9:.3g} GB, but {free / 1e9:.3g} GB are free where {self.path} is"
                " to be; record less: every=, neurons=, start=, stop=, reduce='mean'"
            )

    def begin(self, results: Mapping[str, Result], total: int) -> None:
        """Make the file, with the description of the run; or open the one in which it goes on."""
        if self._behind is not None:
            self._go_on(self._behind, total)
            return
        populations, arrays = [], {}
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
        head = {"format": _FORMAT, "dt": self.dt, "seed": self.seed, "total": total, "network": fingerprint(self.net)}
        head |= {"engine": next(iter(results.values())).engine, "populations": populations}
        data = b"".join([preamble(), *pack(BEGIN, -1, -1, head, arrays)])
        check_target(self.path, self._overwrite)  # it may have come to be while the network was built
        partial = self.path.with_name(self.path.name + ".part")
        try:  # a file that is replaced is there until the new one has its description
            partial.write_bytes(data)
            os.replace(partial, self.path)
            self._file = _open(self.path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise InputError(f"cannot write {self.path}: {error.strerror}") from None
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
        self._write(pack(MORE, k, k, {"total": total}, {}))

    def add(self, piece: Piece) -> None:
        """Write the next piece, whole or not at all."""
        arrays: dict[Key, np.ndarray] = {}
        for name, (steps, neurons) in piece.spikes.items():
            if len(steps):
                arrays["steps", name, ""] = steps.astype(np.int32)
                arrays["neurons", name, ""] = neurons.astype(np.int32)
        for name, own in piece.traces.items():
            arrays |= {("trace", name, s): x for s, x in own.items() if len(x)}
        self._write(pack(PIECE, piece.k0, piece.k1, {}, arrays))
        self._k = piece.k1

    def end(self, results: Mapping[str, Result]) -> None:
        """Write the states at the end, and how long it took."""
        arrays = {("final", name, s): x for name, r in results.items() for s, x in r.final.items()}
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
                f"cannot write into {self.path}: {error.strerror or error}. The run was stopped; the file holds"
                f" {reached}, {self._whole:,} bytes, and can be read"
            ) from None
        self._whole += sum(map(len, frame))

    def _take_back(self) -> None:
        """Cut off what was written in part."""
        assert self._file is not None
        with contextlib.suppress(OSError):  # the reader leaves it out
            self._file.truncate(self._whole)
        self.close()


def check_same_run(stored: Stored, net: Network, dt: float, seed: int) -> None:
    """Refuse a recording of another network, seed or step.

    Raises
    ------
    InputError
        If it is one.
    """
    if (stored.dt, stored.seed, stored.head.get("network")) != (dt, seed, fingerprint(net)):
        raise InputError(f"{stored.path} is the recording of another run; it cannot go on there")


def _up_to(frames: list[Frame], k: int, path: Path) -> list[Frame]:
    """Return the frames up to the piece that ends at step k."""
    at = next((i for i, f in enumerate(frames) if f.kind == PIECE and f.k1 == k), None)
    if at is None:
        raise InputError(f"{path} holds no piece that ends at step {k}; it is not the recording of this run")
    return frames[: at + 1]


@final
class Stored:
    """A recording in a file, as far as it is whole; spikes and traces are read when they are asked for.

    Attributes
    ----------
    head : dict
        The description: dt, seed, total (steps that were planned), engine, populations.
    arrays : dict
        ("neurons" | "spiking" | "value", population, name) -> array.
    k : int
        The last step that is recorded; -1 if there is nothing beside the description.
    size : int
        Bytes up to the last piece.
    is_complete : bool
        Whether the run came to its end, or was stopped by Ctrl-C; not if it was killed, or its disk was full.
    final : dict
        (population, state) -> array, the states at the end, if it came to that.

    With a step `k`, only what the file holds up to it, where a piece must end.
    """

    def __init__(self, path: str | os.PathLike[str], salvage: bool = False, k: int | None = None) -> None:
        self.path = Path(path)
        try:
            frames = read_frames(self.path, salvage)
            if k is not None:
                frames = _up_to(frames, k, self.path)
            with self.path.open("rb") as file:
                self.head = read_head(file, frames[0])
                self.arrays = read_arrays(file, frames[0])
                if self.head["format"] != _FORMAT:
                    raise InputError(f"{self.path} is no recording of rheobase")
                self._frames = [f for f in frames if f.kind == PIECE]
                kept = [f for f in frames if f.kind != END]
                self.size = kept[-1].offset + kept[-1].length
                more = [read_head(file, f) for f in frames if f.kind == MORE]
                ends = frames[-1].kind == END
                self.is_complete = ends or k is not None
                last = read_arrays(file, frames[-1]) if ends else {}
                ended = read_head(file, frames[-1]) if ends else {}
            self.k = self._frames[-1].k1 if self._frames else -1
            self.seconds: dict[str, float] = dict(ended.get("seconds", {}))
            self.final = {(name, s): x for (what, name, s), x in last.items() if what == "final"}
            self.populations: dict[str, dict[str, Any]] = {p["name"]: p for p in self.head["populations"]}
            self.dt, self.seed = float(self.head["dt"]), int(self.head["seed"])
            self.total = int([self.head, *more][-1]["total"])
            self.engine, self.until = str(self.head["engine"]), max(self.k, 0) * self.dt
        except FileNotFoundError:
            raise InputError(f"there is no file {self.path}") from None
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from None
        except InputError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path} is no recording of rheobase ({type(error).__name__})") from None

    def pieces(self, *wanted: Key) -> Iterator[dict[Key, np.ndarray]]:
        """Give, piece by piece, those of the wanted arrays that it has."""
        try:
            with self.path.open("rb") as file:
                for frame in self._frames:
                    yield self._of(file, frame, wanted)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path} was changed while it was read ({type(error).__name__})") from None

    @staticmethod
    def _of(file: Any, frame: Frame, wanted: tuple[Key, ...]) -> dict[Key, np.ndarray]:
        found = {key: read_array(file, frame, key) for key in wanted}
        return {key: x for key, x in found.items() if x is not None}

    def spikes(self, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give (steps, neurons) of a population, piece by piece, each sorted by step, then neuron."""
        for found in self.pieces(("steps", name, ""), ("neurons", name, "")):
            if found:
                steps, neurons = found["steps", name, ""], found["neurons", name, ""]
                order = np.lexsort((neurons, steps))
                yield steps[order], neurons[order]

    def samples(self, name: str) -> np.ndarray:
        """Return the steps at which the states of a population were kept."""
        if name not in self.populations or "samples" not in self.populations[name]:
            return np.empty(0, dtype=np.int64)
        first, every, last = self.populations[name]["samples"]
        return Samples(first, every, last).steps(-1, self.k)

    def trace(self, name: str, state: str) -> Iterator[np.ndarray]:
        """Give the samples of a state, piece by piece, each of shape (n_samples, n_kept)."""
        if state not in self.populations[name].get("states", ()):
            raise InputError(f"{self.path} has no {state} of {name}.{nearest(state, self.populations[name])}")
        for found in self.pieces(("trace", name, state)):
            yield from found.values()

    def width(self, name: str) -> int:
        """Return how many values a sample of a population has."""
        own = self.populations[name]
        if own.get("reduce"):
            return 1
        which = self.arrays.get(("neurons", name, ""))
        return int(own["n"]) if which is None else len(which)
