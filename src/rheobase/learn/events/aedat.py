"""AEDAT 3.1: packets of typed events, as the recordings of DVS-Gesture are stored."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError
from rheobase.learn.events.events import Events
from rheobase.units import to_number

__all__ = ["AedatFile"]

_START: Final = b"#!AER-DAT3.1"
_END: Final = b"#!END-HEADER"
_PACKET: Final = struct.Struct("<hhiiiiii")  # type, source, size, time offset, time overflow, capacity, number, valid
_POLARITY: Final = 1
_MOST_HEADER: Final = 2**20
_NAMES: Final = ("type", "source", "event size", "time offset", "time overflow", "capacity", "number", "valid")


@final
class AedatFile:
    """A recording in AEDAT 3.1, read window by window: memory grows with the window, not with the file.

    Opening walks over the headers of the packets. A file that is cut off or damaged can be read up to the damage;
    a window beyond it is an error that names the byte.

    Parameters
    ----------
    path : path
    shape : (2, height, width)
        Of the camera.

    Raises
    ------
    InputError
        If it is no AEDAT 3.1 file.

    References
    ----------
    The format: iniVation, "AEDAT 3.1" in its documentation of file formats. All numbers have their low byte first;
    a polarity event is 32 bits (x in bits 31-17, y in 16-2, ON in 1, valid in 0) and 32 bits of microseconds.
    """

    def __init__(self, path: Any, shape: tuple[int, int, int] = (2, 128, 128)) -> None:
        self.path = Path(path)
        self.shape = shape
        #: What is wrong with the file, or empty.
        self.damage = ""
        try:
            with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                self._index = self._walk(data, self._skip_header(data))
        except ValueError as error:  # mmap of an empty file
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.path} is empty") from None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from None

    def __len__(self) -> int:
        """Number of events."""
        return int(self._index[:, 1].sum())

    def __repr__(self) -> str:
        return f"AedatFile({self.path.name}, {len(self)} events, shape={self.shape})"

    def read(self, start: Any = 0, stop: Any = None) -> Events:
        """Return the events from `start` to `stop` (not included), times counted from `start`.

        Raises
        ------
        InputError
            If the window reaches into a damaged part, or an event is outside the camera.
        """
        a = to_number(start, "ms", "start") * 1000
        b = np.inf if stop is None else to_number(stop, "ms", "stop") * 1000
        if not a < b:
            raise InputError(f"start = {start!r} must be before stop = {stop!r}")
        if self.damage and (not len(self._index) or b > self._index[:, 3].max()):
            raise InputError(self.damage)
        chosen = self._index[(self._index[:, 3] >= a) & (self._index[:, 2] < b)]
        times, units = [np.zeros(0)], [np.zeros(0, np.int64)]
        with self.path.open("rb") as file:
            for offset, number, _, _, overflow in chosen.tolist():
                file.seek(offset)
                packet = np.frombuffer(file.read(8 * number), dtype="<u4")
                if len(packet) < 2 * number:
                    raise InputError(f"{self.path} has become shorter while it was open")
                word, t = packet[0::2], packet[1::2].astype(np.int64) + (overflow << 31)
                keep = (t >= a) & (t < b) & (word & 1 == 1)
                times.append((t[keep] - a) / 1000)
                units.append(self._locate(word[keep].astype(np.int64), offset))
        return Events.of(np.concatenate(times), np.concatenate(units), self.shape)

    def _locate(self, word: np.ndarray, offset: int) -> np.ndarray:
        x, y, on = word >> 17, (word >> 2) & 0x7FFF, (word >> 1) & 1
        outside = (x >= self.shape[2]) | (y >= self.shape[1])
        if outside.any():
            k = int(np.argmax(outside))
            raise InputError(
                f"{self.path}: an event of the packet at byte {offset} is at x = {x[k]}, y = {y[k]},"
                f" outside {self.shape[2]} by {self.shape[1]} pixels"
            )
        return np.ravel_multi_index((on, y, x), self.shape)

    def _skip_header(self, data: mmap.mmap) -> int:
        if data[: len(_START)] != _START:
            told = bytes(data[:14]).split(b"\r")[0]
            raise InputError(f"{self.path} begins with {told!r}, not with {_START.decode()!r}; it is no AEDAT 3.1 file")
        end = data.find(_END, 0, _MOST_HEADER)
        line = data.find(b"\n", end, end + len(_END) + 2) if end >= 0 else -1
        if line < 0:
            raise InputError(f"{self.path}: the header has no end, a line {_END.decode()!r}; the file is cut off")
        return line + 1

    def _walk(self, data: mmap.mmap, offset: int) -> np.ndarray:
        """Return offset, number, first and last time in microseconds, overflow of each packet of polarity events."""
        found = []
        while offset < len(data):
            if offset + _PACKET.size > len(data):
                self.damage = f"{self.path}: cut off at byte {offset}, within the header of a packet"
                break
            kind, _, size, when, overflow, capacity, number, valid = _PACKET.unpack_from(data, offset)
            body = offset + _PACKET.size
            wrong = _find_fault(kind, size, when, overflow, capacity, number, valid)
            if wrong:
                self.damage = f"{self.path}: the packet at byte {offset} is damaged: {wrong}"
                break
            if body + size * number > len(data):
                self.damage = (
                    f"{self.path}: cut off at byte {len(data)}, within the packet at byte {offset}, which should have"
                    f" {number} events of {size} bytes"
                )
                break
            if kind == _POLARITY and number:
                # times do not fall within a file, but a wrong clock must not hide events: take both ends
                t = np.frombuffer(data, dtype="<u4", count=2 * number, offset=body)[1::2]
                found.append((body, number, int(t.min()) + (overflow << 31), int(t.max()) + (overflow << 31), overflow))
                del t  # a map cannot be closed while an array looks into it
            offset = body + size * number
        return np.array(found, dtype=np.int64).reshape(-1, 5)


def _find_fault(kind: int, size: int, when: int, overflow: int, capacity: int, number: int, valid: int) -> str:
    """Return what cannot be in a packet's header, or an empty string."""
    if kind < 0 or size <= 0 or number < 0 or capacity < number or not 0 <= valid <= number:
        values = (kind, size, capacity, number, valid)
        named = (_NAMES[i] for i in (0, 2, 5, 6, 7))
        return ", ".join(f"{n} {v}" for n, v in zip(named, values, strict=True))
    if kind == _POLARITY and (size != 8 or when != 4):
        return f"polarity events of {size} bytes with their time at byte {when}; they have 8 and 4"
    if not 0 <= overflow < 2**20:
        return f"time overflow {overflow}"
    return ""
