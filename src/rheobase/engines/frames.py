"""A file of frames that only grows: each frame has its length and checksums, so that a torn one is known as such.

The file begins with 16 bytes: 8 that say what it is, the version, 4 zeros. A frame is a header of 48 bytes (marker,
kind, length of the JSON, k0, k1, length of the payload, CRC-32 of the payload, CRC-32 of the header) and the payload:
JSON that lists the arrays, then their bytes, one after the other. All numbers are little-endian.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, final

import numpy as np

from rheobase.errors import InputError

__all__ = [
    "BEGIN",
    "END",
    "MORE",
    "PIECE",
    "Frame",
    "Key",
    "is_recording",
    "pack",
    "preamble",
    "read_array",
    "read_arrays",
    "read_frames",
    "read_head",
]

_MAGIC: Final = b"\x8fRHEO\r\n\x1a"
_VERSION: Final = 1
_PREAMBLE: Final = struct.Struct("<8sII")
_HEADER: Final = struct.Struct("<4sIIqqQII")
_MARKER: Final = b"\xf5rec"
_TYPES: Final = frozenset({"<i4", "<i8", "<f8"})
_SMALL: Final = 1 << 18  # bytes that are copied rather than written by themselves
_BLOCK: Final = 1 << 22  # bytes read at once

#: Kinds of frames: the description, what happened in some steps, the end; instead of the end, that the run went on.
BEGIN: Final = 1
PIECE: Final = 2
END: Final = 3
MORE: Final = 4

Key = tuple[str, str, str]  # what, population, state or name


@final
@dataclass(frozen=True)
class Frame:
    """Where a whole frame lies in its file: its payload begins at `offset` with `text` bytes of JSON."""

    kind: int
    k0: int
    k1: int
    offset: int
    text: int
    length: int


def preamble() -> bytes:
    """Return the bytes that a file begins with."""
    return _PREAMBLE.pack(_MAGIC, _VERSION, 0)


def is_recording(path: Path) -> bool:
    """Return whether a file begins as recordings do."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def pack(
    kind: int, k0: int, k1: int, head: Mapping[str, Any], arrays: Mapping[Key, np.ndarray]
) -> list[bytes | memoryview]:
    """Return a frame as the bytes that are to be written one after the other; large arrays are not copied."""
    listed: list[Any] = []
    parts: list[bytes | memoryview] = []
    for key, value in arrays.items():
        x = np.ascontiguousarray(value, dtype=np.dtype(value.dtype).newbyteorder("<")).reshape(np.shape(value))
        if x.dtype.str not in _TYPES:
            raise InputError(f"arrays of {x.dtype} are not written: {' '.join(key)}")
        listed.append([*key, x.dtype.str, list(x.shape)])
        parts.append(x.tobytes() if x.nbytes < _SMALL or not x.ndim else x.data.cast("B"))
    text = json.dumps({**head, "arrays": listed}, separators=(",", ":")).encode()
    crc, length = zlib.crc32(text), len(text) + sum(map(len, parts))
    for part in parts:
        crc = zlib.crc32(part, crc)
    header = _HEADER.pack(_MARKER, kind, len(text), k0, k1, length, crc, 0)[:-4]
    whole = [header + struct.pack("<I", zlib.crc32(header)) + text, *parts]
    return whole if length > 4 * _SMALL else [b"".join(whole)]


def read_frames(path: Path, salvage: bool = False) -> list[Frame]:
    """Return where the whole frames of a file are; what is torn at its end is left out.

    Raises
    ------
    InputError
        If it is something else, or damaged before its end; with `salvage` what precedes the damage is returned.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(_PREAMBLE.size)
        if not start.startswith(_MAGIC):
            raise InputError(f"{path} is no recording of rheobase")
        if len(start) < _PREAMBLE.size:
            raise InputError(f"{path} is cut off before its description: there is nothing recorded in it")
        version = _PREAMBLE.unpack(start)[1]
        if version != _VERSION:
            raise InputError(f"{path} was written by a newer rheobase (its form is {version}, known is {_VERSION})")
        frames: list[Frame] = []
        at = _PREAMBLE.size
        while at < size:
            frame = _frame_at(file, at, size)
            if frame is None or not _follows(frames, frame):
                if not salvage and (frame is not None or _is_followed(file, at + 1, size)):
                    raise InputError(
                        f"{path} is damaged at byte {at} of {size}; what was recorded before that is read by"
                        " rb.load(path, salvage=True)"
                    )
                break
            frames.append(frame)
            at = frame.offset + frame.length
    if not frames:
        raise InputError(f"{path} is cut off before its description: there is nothing recorded in it")
    return frames


def _follows(frames: list[Frame], frame: Frame) -> bool:
    """Return whether a frame can come next: a description, then steps without a gap, then the end."""
    if not frames:
        return frame.kind == BEGIN
    last = frames[-1]
    if frame.kind in (END, MORE):
        return last.kind in (PIECE, MORE) and frame.k1 == last.k1
    if frame.kind == PIECE:
        return frame.k0 == (-1 if last.kind == BEGIN else last.k1) and frame.k1 > frame.k0 and last.kind != END
    return False


def _frame_at(file: BinaryIO, at: int, size: int) -> Frame | None:
    """Return the frame that begins at a byte, if it is whole."""
    frame = _header_at(file, at)
    if frame is None or frame[0].offset + frame[0].length > size:
        return None
    crc, left = 0, frame[0].length
    while left:
        block = file.read(min(left, _BLOCK))
        if not block:
            return None
        crc, left = zlib.crc32(block, crc), left - len(block)
    return frame[0] if crc == frame[1] else None


def _header_at(file: BinaryIO, at: int) -> tuple[Frame, int] | None:
    file.seek(at)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    marker, kind, text, k0, k1, length, crc, own = _HEADER.unpack(header)
    if marker != _MARKER or own != zlib.crc32(header[:-4]) or text > length:
        return None
    return Frame(kind, k0, k1, at + _HEADER.size, text, length), crc


def _is_followed(file: BinaryIO, at: int, size: int) -> bool:
    """Return whether a whole frame comes later: then something is damaged, not torn."""
    while at < size:
        file.seek(at)
        block = file.read(_BLOCK + len(_MARKER) - 1)
        found = block.find(_MARKER)
        while found >= 0:
            if _frame_at(file, at + found, size) is not None:
                return True
            found = block.find(_MARKER, found + 1)
        at += _BLOCK
    return False


def read_head(file: BinaryIO, frame: Frame) -> dict[str, Any]:
    """Return the JSON of a frame."""
    file.seek(frame.offset)
    head = json.loads(file.read(frame.text))
    if not isinstance(head, dict):
        raise ValueError("no JSON object")
    return head


def _places(file: BinaryIO, frame: Frame) -> Iterator[tuple[Key, int, np.dtype[Any], tuple[int, ...]]]:
    at = frame.offset + frame.text
    for what, name, state, kind, shape in read_head(file, frame)["arrays"]:
        if kind not in _TYPES or any(not isinstance(x, int) or x < 0 for x in shape):
            raise ValueError("an array of another kind")
        dtype = np.dtype(kind)
        yield (what, name, state), at, dtype, tuple(shape)
        at += dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if at > frame.offset + frame.length:
            raise ValueError("arrays longer than their frame")


def read_array(file: BinaryIO, frame: Frame, key: Key) -> np.ndarray | None:
    """Return an array of a frame; None if there is no such array."""
    for k, at, dtype, shape in _places(file, frame):
        if k == key:
            return _array(file, at, dtype, shape)
    return None


def read_arrays(file: BinaryIO, frame: Frame) -> dict[Key, np.ndarray]:
    """Return all arrays of a frame."""
    return {key: _array(file, at, dtype, shape) for key, at, dtype, shape in [*_places(file, frame)]}


def _array(file: BinaryIO, at: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    file.seek(at)
    raw = file.read(dtype.itemsize * int(np.prod(shape, dtype=np.int64)))
    return np.frombuffer(raw, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))
