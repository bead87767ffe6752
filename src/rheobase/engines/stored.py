"""A recording in its files, as far as they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.engines.checkpoint import fingerprint
from rheobase.engines.frames import (
    END,
    MORE,
    PIECE,
    Frame,
    Key,
    read_array,
    read_arrays,
    read_frames,
    read_head,
)
from rheobase.engines.record import Samples
from rheobase.errors import InputError, nearest
from rheobase.network.network import Network

__all__ = ["FORMAT", "Stored", "check_same_run", "part_path"]

FORMAT: Final = "rheobase recording"


def part_path(path: Path, rank: int) -> Path:
    """Return where a rank writes what it records: rank 0 into the file itself, the others into files beside it.

    >>> part_path(Path("run.rheo"), 1).name
    'run.rank1.rheo'
    """
    return path if rank == 0 else path.with_name(f"{path.stem}.rank{rank}{path.suffix}")


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
    missing : list of Path
        Files of other ranks that should be there.
    final : dict
        (population, state) -> array, the states at the end, if it came to that.

    With a step `k`, only what the file holds up to it, where a piece must end. If several ranks have recorded, the
    file is that of the first, the others' are beside it, and what all of them have is there.
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
                if self.head["format"] != FORMAT:
                    raise InputError(f"{self.path} is no recording of rheobase")
                more = {f.k1: read_head(file, f) for f in frames if f.kind == MORE}
                frames, self._whole, self._ends = _join(self.path, self.head, more, frames, salvage)
                most = max(int(h.get("ranks", 1)) for h in (self.head, *more.values()))
                self.missing = [p for r in range(1, most) if not (p := part_path(self.path, r)).exists()]
                kept = [f for f in frames if f.kind != END]
                self.size = kept[-1].offset + kept[-1].length
                ends = frames[-1].kind == END
                self.is_complete = ends or k is not None
                ended = read_head(file, frames[-1]) if ends else {}
            last = [_read(*at) for at in self._ends] if ends else []
            self.k = self._whole[-1][0][1].k1 if self._whole else -1
            self.seconds: dict[str, float] = dict(ended.get("seconds", {}))
            self.final: dict[tuple[str, str], np.ndarray] = {}
            for what, name, s in {key: None for found in last for key in found}:
                if what == "final":
                    self.final[name, s] = np.concatenate([found[what, name, s] for found in last])
            self.populations: dict[str, dict[str, Any]] = {p["name"]: p for p in self.head["populations"]}
            self.dt, self.seed = float(self.head["dt"]), int(self.head["seed"])
            self.total = int([self.head, *more.values()][-1]["total"])
            self.engine, self.until = str(self.head["engine"]), max(self.k, 0) * self.dt
        except FileNotFoundError:
            raise InputError(f"there is no file {path}") from None
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from None
        except InputError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path} is no recording of rheobase ({type(error).__name__})") from None

    def pieces(self, *wanted: Key) -> Iterator[dict[Key, np.ndarray]]:
        """Give, piece by piece, those of the wanted arrays that it has."""
        try:
            with ExitStack() as stack:
                paths = dict.fromkeys(path for piece in self._whole for path, _ in piece)
                files = {path: stack.enter_context(path.open("rb")) for path in paths}
                for piece in self._whole:
                    yield self._of([(files[path], frame) for path, frame in piece], wanted)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path} was changed while it was read ({type(error).__name__})") from None

    @staticmethod
    def _of(piece: Sequence[tuple[Any, Frame]], wanted: tuple[Key, ...]) -> dict[Key, np.ndarray]:
        """Return those of the wanted arrays that a piece has; ranks have spikes and columns of traces, in order."""
        out = {}
        for key in wanted:
            each = [x for file, frame in piece if (x := read_array(file, frame, key)) is not None]
            if each:
                out[key] = each[0] if len(each) == 1 else np.concatenate(each, axis=1 if key[0] == "trace" else 0)
        return out

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


@final
@dataclass(frozen=True)
class _File:
    """The file of a rank: its frames by kind and steps."""

    path: Path
    frames: dict[tuple[int, int, int], Frame]


_Place = tuple[Path, Frame]


def _join(
    path: Path, head: dict[str, Any], more: dict[int, dict[str, Any]], frames: list[Frame], salvage: bool
) -> tuple[list[Frame], list[list[_Place]], list[_Place]]:
    """Return the first rank's frames as far as all ranks have them; for each piece, and the end, where they lie."""
    ranks = int(head.get("ranks", 1))
    most = max([ranks, *(int(m.get("ranks", 1)) for m in more.values())])
    others = [_open(part_path(path, r), head, salvage) for r in range(1, most)]
    kept, pieces, ends = list[Frame](), list[list[_Place]](), list[_Place]()
    for frame in frames:
        if frame.kind == MORE:
            ranks = int(more[frame.k1].get("ranks", 1))
        if frame.kind in (PIECE, END) and ranks > 1:
            found = [None if o is None else o.frames.get((frame.kind, frame.k0, frame.k1)) for o in others[: ranks - 1]]
            if any(f is None for f in found):
                break
            whole = [(path, frame), *((o.path, f) for o, f in zip(others, found, strict=False) if o and f)]
        else:
            whole = [(path, frame)]
        kept.append(frame)
        if frame.kind == PIECE:
            pieces.append(whole)
        ends = whole if frame.kind == END else []
    return kept, pieces, ends


def _open(path: Path, head: dict[str, Any], salvage: bool) -> _File | None:
    """Return the file of another rank; None if there is none that belongs to this run."""
    try:
        frames = read_frames(path, salvage)
        with path.open("rb") as file:
            if read_head(file, frames[0]).get("run") != head.get("run"):
                return None
    except FileNotFoundError:
        return None
    except InputError:
        if path.stat().st_size < 64:  # killed while it was made
            return None
        raise
    return _File(path, {(f.kind, f.k0, f.k1): f for f in frames})


def _read(path: Path, frame: Frame) -> dict[Key, np.ndarray]:
    with path.open("rb") as file:
        return read_arrays(file, frame)
