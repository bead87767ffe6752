"""HDF5 files from elsewhere: looked over before anything is read, so that a hostile one costs a message, not memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rheobase.errors import InputError

__all__ = ["MOST_BYTES", "check_size", "opened"]

#: What all arrays of a file may take in memory together.
MOST_BYTES: Final = 2 << 30
_MOST_OBJECTS: Final = 100_000
_MOST_DEPTH: Final = 40
#: Deflate, shuffle, Fletcher32, scale-offset: what comes with HDF5. Others would load a library.
_FILTERS: Final = {1: "gzip", 2: "shuffle", 3: "fletcher32", 6: "scaleoffset"}


@contextmanager
def opened(path: str | os.PathLike[str], what: str, most: int = MOST_BYTES, soft: bool = False) -> Iterator[Any]:
    """Open an HDF5 file for reading, after a look at every object in it.

    Parameters
    ----------
    path : str or Path
    what : str
        What it should be, for messages: "a NIR graph".
    most : int
        Bytes that the arrays may declare together.
    soft : bool
        Whether links to other places of the same file are allowed.

    Raises
    ------
    InputError
        If it is missing, truncated or no HDF5; if it links to another file, stores data elsewhere, wants a filter that
        HDF5 does not have, or declares more than `most` bytes, too many objects, or groups within groups without end.
    """
    import h5py

    path = Path(path)
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path} is truncated or no HDF5 file, so it is not {what}: {_short(error)}") from None
    with file:
        try:
            _look(file, path, most, soft)
            yield file
        except InputError:
            raise
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError, MemoryError) as error:
            raise InputError(f"{path} is damaged or not {what}: {_short(error)}") from None


def check_size(shape: tuple[int, ...], itemsize: int, name: str, most: int = MOST_BYTES) -> int:
    """Return the bytes that an array of a declared shape takes.

    Raises
    ------
    InputError
        If they are more than `most`.
    """
    size = math.prod(int(n) for n in shape) * itemsize
    if size > most:
        raise InputError(
            f"{name} declares the shape {tuple(map(int, shape))}, {size:.3g} bytes; the limit is {most:.3g}"
        )
    return size


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]


def _look(file: Any, path: Path, most: int, soft: bool) -> None:
    import h5py

    rest, seen, total = [(file, 0)], 0, 0
    while rest:
        group, depth = rest.pop()
        if depth > _MOST_DEPTH:
            raise InputError(f"{path}: groups lie more than {_MOST_DEPTH} deep, at {group.name[-60:]}")
        for name in group:
            seen += 1
            if seen > _MOST_OBJECTS:
                raise InputError(f"{path} has more than {_MOST_OBJECTS} objects")
            link, place = group.get(name, getlink=True), f"{path}: {group.name.rstrip('/')}/{name}"
            if isinstance(link, h5py.ExternalLink):
                raise InputError(f"{place} is a link into another file; such files are not read")
            if isinstance(link, h5py.SoftLink):
                if not soft:
                    raise InputError(f"{place} is a link to {link.path[:60]!r}; only plain groups and arrays are read")
                continue
            thing = group[name]
            if isinstance(thing, h5py.Group):
                rest.append((thing, depth + 1))
            elif isinstance(thing, h5py.Dataset):
                total += _look_at(thing, place, most)
                if total > most:
                    raise InputError(f"{path}: the arrays declare more than {most:.3g} bytes together")


def _look_at(data: Any, place: str, most: int) -> int:
    plan = data.id.get_create_plist()
    if plan.get_external_count():
        raise InputError(f"{place} keeps its data in another file; such files are not read")
    if data.is_virtual:
        raise InputError(f"{place} is a virtual dataset, made of other files; such files are not read")
    for i in range(plan.get_nfilters()):
        number = plan.get_filter(i)[0]
        if number not in _FILTERS:
            raise InputError(f"{place} is packed by filter {number}; only {', '.join(_FILTERS.values())} are unpacked")
    shape = data.shape
    return 0 if shape is None else check_size(shape, max(data.dtype.itemsize, 1), place, most)
