"""What is done of a sweep, in a file: a line for each point, so that a killed sweep goes on where it was.

Each line is JSON with a checksum. A line that was being written when the process was killed is incomplete, and is
cut off.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, final

import numpy as np

from rheobase.errors import InputError

__all__ = ["Ledger"]

_FORMAT: Final = "rheobase sweep"
_KINDS: Final = frozenset("biuf")
_LONGEST: Final = 1 << 30  # bytes of a line


@final
class Ledger:
    """The file of a sweep: `done` is what it holds, `add` writes one more point."""

    def __init__(self, path: Path, grid: str, work: str, seed: int, points: int, overwrite: bool) -> None:
        self.path = path
        self.done: dict[int, dict[str, np.ndarray]] = {}
        self._file: BinaryIO
        head = {"format": _FORMAT, "version": 1, "grid": grid, "work": work, "seed": seed, "points": points}
        try:
            if overwrite or not path.exists() or path.stat().st_size == 0:
                self._file = path.open("wb")
                self._write(head)
            else:
                size = self._read(head)
                self._file = path.open("r+b")
                self._file.truncate(size)
                self._file.seek(size)
                if size == 0:
                    self._write(head)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from None

    def add(self, index: int, values: Mapping[str, np.ndarray]) -> None:
        """Write what a point gave; it is in the file when this returns."""
        packed = {
            name: [x.dtype.str, [*x.shape], base64.b64encode(np.ascontiguousarray(x).tobytes()).decode()]
            for name, x in values.items()
        }
        try:
            self._write({"point": index, "values": packed})
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}; what is in it is kept") from None

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, separators=(",", ":")).encode()
        self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, head: Mapping[str, Any]) -> int:
        """Read what is whole; return how many bytes that is."""
        at = 0
        with self.path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(_LONGEST), b"")):
                line = _whole(raw)
                if line is None:
                    if number == 0 and not (raw[9:].startswith(b'{"format":"rheobase sweep"') and b"\n" not in raw):
                        raise InputError(f"{self.path} is there and is no sweep; give another name, or overwrite=True")
                    if file.read(1):
                        raise InputError(
                            f"{self.path} is damaged at byte {at}; take it away, or sweep anew with overwrite=True"
                        )
                    break
                if number == 0:
                    self._check(line, head)
                else:
                    index = line.get("point")
                    if not isinstance(index, int) or not 0 <= index < head["points"]:
                        raise InputError(f"{self.path}: point {index!r:.40} is none of this sweep's {head['points']}")
                    self.done[index] = {name: _array(*x) for name, x in line["values"].items()}
                at += len(raw)
        return at

    def _check(self, line: Mapping[str, Any], head: Mapping[str, Any]) -> None:
        if line.get("format") != _FORMAT or line.get("version") != 1:
            raise InputError(f"{self.path} is no sweep, or one of a newer rheobase; give another name")
        for key, told in (("grid", "another grid"), ("work", "other work"), ("seed", "another seed")):
            if line.get(key) != head[key]:
                raise InputError(
                    f"{self.path} is a sweep of {told} ({line.get(key)!r:.60}, not {head[key]!r:.60});"
                    " give another name, or overwrite=True"
                )


def _whole(raw: bytes) -> dict[str, Any] | None:
    """Return what a line says; None if it is torn."""
    if not raw.endswith(b"\n") or len(raw) < 10:
        return None
    try:
        if int(raw[:8], 16) != zlib.crc32(raw[9:-1]):
            return None
        line = json.loads(raw[9:-1])
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _array(kind: str, shape: list[int], text: str) -> np.ndarray:
    dtype = np.dtype(kind)
    if dtype.kind not in _KINDS:
        raise InputError(f"a sweep holds numbers, not {dtype}")
    return np.frombuffer(base64.b64decode(text), dtype=dtype).reshape(shape).copy()
