"""DVS-Gesture: eleven gestures of 29 people before an event camera."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, final

from rheobase.errors import InputError
from rheobase.learn.events.aedat import AedatFile
from rheobase.learn.events.dataset import EventDataset, read_bytes
from rheobase.learn.events.events import Events

__all__ = ["DVSGesture"]

_CLASSES: Final = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter clockwise",
    "left arm clockwise",
    "left arm counter clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
_COLUMNS: Final = ["class", "startTime_usec", "endTime_usec"]
_MOST_TEXT: Final = 2**20

# the index of a file is 40 bytes a packet; a data loader goes through a file's gestures one after the other
_open = lru_cache(maxsize=32)(AedatFile)


@final
class DVSGesture(EventDataset):
    """DVS-Gesture: 1,342 gestures of 11 classes, 128 by 128 pixels, about 6 s each.

    Parameters
    ----------
    folder : path
        With ``trials_to_train.txt``, ``trials_to_test.txt`` and, for each recording that they list, the ``.aedat``
        file and its ``_labels.csv``, as the archive unpacks.
    train : bool
        Recordings of the first list or of the second; other people are in each.
    dt, until, clip, coarser, transform
        As of `EventDataset`. ``coarser=4`` makes 32 by 32 pixels.

    Raises
    ------
    InputError
        If a listed file is missing or a line of a label file cannot be read; nothing is downloaded.

    References
    ----------
    Amir et al., "A low power, fully event-based gesture recognition system", CVPR (2017).
    """

    def __init__(self, folder: Any, train: bool = True, **options: Any) -> None:
        root = self._folder(folder, "DVS-Gesture")
        trials: list[tuple[Path, float, float]] = []
        labels = []
        for name in _read_list(root / ("trials_to_train.txt" if train else "trials_to_test.txt")):
            path = root / name
            if not path.is_file():
                raise InputError(f"{path} is listed but missing")
            for label, start, stop in _read_labels(path.with_name(f"{path.stem}_labels.csv")):
                trials.append((path, start, stop))
                labels.append(label)
        self._trials = trials
        super().__init__(labels, _CLASSES, (2, 128, 128), **options)

    def _read(self, i: int) -> Events:
        path, start, stop = self._trials[i]
        return _open(path).read(start, stop)

    def _where(self, i: int) -> str:
        return str(self._trials[i][0])


def _read_list(path: Path) -> list[str]:
    names = [line.strip() for line in _read_text(path).splitlines() if line.strip()]
    for name in names:
        if Path(name).name != name or not name.endswith(".aedat"):
            raise InputError(f"{path}: '{name:.60}' is no name of an .aedat file in this folder")
    if not names:
        raise InputError(f"{path} lists no recording")
    return names


def _read_labels(path: Path) -> list[tuple[int, float, float]]:
    """Return class from 0, start and stop in ms, of each gesture."""
    lines = [*csv.reader(_read_text(path).splitlines())]
    if not lines or [c.strip() for c in lines[0]] != _COLUMNS:
        raise InputError(f"{path}: the first line must be {','.join(_COLUMNS)}")
    out = []
    for k, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        try:
            label, start, stop = (int(c) for c in line)
        except ValueError:
            raise InputError(f"{path}, line {k}: {','.join(line)[:60]!r} is not three whole numbers") from None
        if not (1 <= label <= len(_CLASSES) and 0 <= start < stop < 2**62):
            raise InputError(
                f"{path}, line {k}: {','.join(line)[:60]!r}: a class is from 1 to 11, a start before its stop"
            )
        out.append((label - 1, start / 1000, stop / 1000))
    return out


def _read_text(path: Path) -> str:
    try:
        return read_bytes(path, _MOST_TEXT).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text") from None
