"""N-MNIST and N-Caltech101: a file of 40-bit events for each sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError
from rheobase.learn.events.dataset import EventDataset, read_bytes
from rheobase.learn.events.events import Events

__all__ = ["NMNIST", "read_bin"]

_EVENT: Final = 5  # bytes: x, y, then a bit of polarity and 23 bits of microseconds
_WRAP_ROW: Final = 240  # of the camera: not a pixel, but the mark that its clock has begun anew ...
_WRAP_US: Final = 2**13  # ... after that many microseconds
_MOST_BYTES: Final = 128 * 2**20  # an N-MNIST file has 20 kB, one of N-Caltech101 up to a few MB


def read_bin(path: Any, shape: tuple[int, int, int] = (2, 34, 34)) -> Events:
    """Return the events of a ``.bin`` file of N-MNIST.

    Bits 39-32 of each event are x, 31-24 y, 23 the polarity, 22-0 the time in microseconds, big end first.

    Parameters
    ----------
    path : path
    shape : (2, height, width)
        Of N-MNIST; N-Caltech101 has up to (2, 240, 304), of which files hold addresses up to 255.

    Raises
    ------
    InputError
        If the file is missing, cut off within an event, too large, or holds an address outside `shape`.

    References
    ----------
    Orchard et al., Frontiers in Neuroscience 9:437 (2015).
    """
    path = Path(path)
    raw = np.frombuffer(read_bytes(path, _MOST_BYTES), dtype=np.uint8)
    if len(raw) % _EVENT:
        raise InputError(
            f"{path} has {len(raw)} bytes: {len(raw) // _EVENT} events of 5 bytes and {len(raw) % _EVENT} bytes more;"
            " it is cut off or no such file"
        )
    x, y, high, middle, low = raw.reshape(-1, _EVENT).T.astype(np.int64)
    t = (high & 127) << 16 | middle << 8 | low
    wraps = y == _WRAP_ROW
    if wraps.any() and shape[1] <= _WRAP_ROW:
        t = (t + _WRAP_US * np.cumsum(wraps))[~wraps]
        x, y, high = x[~wraps], y[~wraps], high[~wraps]
    outside = (x >= shape[2]) | (y >= shape[1])
    if outside.any():
        k = int(np.argmax(outside))
        raise InputError(f"{path}: event {k} is at x = {x[k]}, y = {y[k]}, outside {shape[2]} by {shape[1]} pixels")
    return Events.of(t / 1000, np.ravel_multi_index((high >> 7, y, x), shape), shape)


@final
class NMNIST(EventDataset):
    """N-MNIST: the digits as an event camera saw them, moved in three saccades of 100 ms; 34 by 34 pixels.

    Parameters
    ----------
    folder : path
        With ``Train/0/00002.bin`` ... ``Test/9/...``, as the archives unpack.
    train : bool
        The 60,000 training samples or the 10,000 test samples.
    dt, until, clip, coarser, transform
        As of `EventDataset`.

    Raises
    ------
    InputError
        If the folder does not look like that; nothing is downloaded.

    References
    ----------
    Orchard, Jayawant, Cohen & Thakor, Frontiers in Neuroscience 9:437 (2015).
    """

    def __init__(self, folder: Any, train: bool = True, **options: Any) -> None:
        root = self._folder(folder, "N-MNIST") / ("Train" if train else "Test")
        if not root.is_dir():
            raise InputError(f"{root} is missing; unpack {root.name}.zip of N-MNIST in {root.parent}")
        files = [(path, int(sub.name)) for sub in sorted(root.glob("[0-9]")) for path in sorted(sub.glob("*.bin"))]
        if not files:
            raise InputError(f"there are no files such as {root / '0' / '00002.bin'}")
        self._files = files
        super().__init__([label for _, label in files], tuple("0123456789"), (2, 34, 34), **options)

    def _read(self, i: int) -> Events:
        return read_bin(self._files[i][0])

    def _where(self, i: int) -> str:
        return str(self._files[i][0])
