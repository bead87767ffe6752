"""What all sets of event recordings share: labels, binning, a look for damaged files, a bar while it takes long."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from rheobase.errors import InputError, RheobaseError
from rheobase.learn.events.events import Events
from rheobase.learn.trains import read_time

__all__ = ["EventDataset", "read_bytes", "time_first"]


class EventDataset(Dataset[tuple[Any, Any]], ABC):
    """Recordings with labels, as a torch data set.

    ``data[i]`` is (x, label): x a dense tensor ``[time, *shape]`` where `dt` is given, else `Events`.

    Parameters
    ----------
    dt : time, optional
        Width of a time bin.
    until : time, optional
        Length of every sample: later events are left out. Without it samples differ in length, and `time_first`
        fills the shorter ones up with silence.
    clip : bool
        Whether several events in one bin count as one.
    coarser : int
        Pixels (or channels) joined: 4 makes 32 by 32 of 128 by 128.
    transform : callable, optional
        Applied to x last.
    """

    labels: Tensor
    classes: tuple[str, ...]
    shape: tuple[int, ...]

    def __init__(
        self,
        labels: Sequence[int],
        classes: tuple[str, ...],
        shape: tuple[int, ...],
        *,
        dt: Any = None,
        until: Any = None,
        clip: bool = False,
        coarser: int = 1,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.labels = torch.as_tensor(labels, dtype=torch.long)
        self.classes = classes
        self.dt = None if dt is None else read_time(dt, "dt")
        self.until = None if until is None else read_time(until, "until")
        self.clip = bool(clip)
        self.transform = transform
        self.shape = Events.of([], [], shape).coarser(coarser).shape
        self._coarser = coarser
        self._kept: dict[int, Events] = {}

    @abstractmethod
    def _read(self, i: int) -> Events:
        """Return recording i from its file."""

    @abstractmethod
    def _where(self, i: int) -> str:
        """Return in which file recording i is, for messages."""

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        binned = f"bins of {self.dt:g} ms" if self.dt else "events"
        return f"{type(self).__name__}({len(self)} recordings, {len(self.classes)} classes, {self.shape}, {binned})"

    def events(self, i: int) -> Events:
        """Return recording i as events, until `until`.

        Raises
        ------
        InputError
            If its file is damaged; the message names the file and the place.
        """
        if not -len(self) <= i < len(self):
            raise IndexError(f"recording {i} of {len(self)}")
        i %= len(self)
        if i in self._kept:
            return self._kept[i]
        e = self._read(i).coarser(self._coarser)
        return e if self.until is None else e.window(0, self.until)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        e = self.events(int(i))
        x: Any = e if self.dt is None else e.dense(self.dt, self.until, clip=self.clip)
        return (x if self.transform is None else self.transform(x)), self.labels[i]

    def preload(self, *, most_bytes: float = 8e9, progress: bool = True) -> None:
        """Read all recordings into memory, as events (16 bytes each), with a bar; later epochs read no file.

        Raises
        ------
        InputError
            If they need more than `most_bytes`, or a file is damaged.
        """
        from tqdm.auto import tqdm

        kept, size = {}, 0
        for i in tqdm(range(len(self)), desc=type(self).__name__, unit=" files", disable=not progress):
            kept[i] = self.events(i)
            size += 16 * len(kept[i])
            if size > most_bytes:
                raise InputError(
                    f"the first {i + 1} of {len(self)} recordings have {size / 1e9:.1f} GB already;"
                    " leave them in their files, give until=, or a larger most_bytes="
                )
        self._kept = kept

    def check(self, *, progress: bool = True) -> list[str]:
        """Return what is wrong with which recording, after reading each once, with a bar; empty if nothing is."""
        from tqdm.auto import tqdm

        found = []
        for i in tqdm(range(len(self)), desc=f"checking {type(self).__name__}", unit=" files", disable=not progress):
            try:
                self._read(i)
            except RheobaseError as error:
                message = str(error)
                found.append(message if self._where(i) in message else f"{self._where(i)}: {message}")
        return found

    @staticmethod
    def _folder(folder: Any, name: str) -> Path:
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise InputError(
                f"{path} is no folder. Nothing is downloaded here: get {name} from its authors and give its folder"
            )
        return path


def read_bytes(path: Path, most: int) -> bytes:
    """Return a file's content, refused before it is read if it is larger than such files are."""
    try:
        size = path.stat().st_size
        if size > most:
            raise InputError(f"{path} has {size / 2**20:.0f} MiB; files of this kind have at most {most / 2**20:.0f}")
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def time_first(samples: Sequence[tuple[Any, Any]]) -> tuple[Any, Tensor]:
    """Return a batch ``[time, batch, ...]`` and its labels; for ``DataLoader(collate_fn=time_first)``.

    Shorter samples end in silence. Events stay a list.

    Examples
    --------
    >>> x, y = time_first([(torch.ones(3, 2), 0), (torch.ones(5, 2), 1)])
    >>> x.shape, y
    (torch.Size([5, 2, 2]), tensor([0, 1]))
    """
    if not samples:
        raise InputError("an empty batch; is the data set empty?")
    xs, labels = zip(*samples, strict=True)
    y = torch.as_tensor([int(label) for label in labels])
    if isinstance(xs[0], Events):
        return list(xs), y
    return torch.nn.utils.rnn.pad_sequence(list(xs)), y
