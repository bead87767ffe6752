"""SHD and SSC: spoken digits and commands as spikes of 700 channels of an artificial ear, in one HDF5 file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError
from rheobase.learn.events.dataset import EventDataset
from rheobase.learn.events.events import Events

__all__ = ["SHD", "SSC"]

_CHANNELS: Final = 700
_MOST_SAMPLES: Final = 10**7
_MOST_SPIKES: Final = 10**8  # of one sample: 1.6 GB, far beyond any real one
_DIGITS: Final = tuple(f"{language} {n}" for language in ("en", "de") for n in range(10))


class _Heidelberg(EventDataset):
    """The layout ``spikes/times`` (s), ``spikes/units``, ``labels``; a row of each is a sample."""

    def __init__(self, file: Any, name: str, classes: tuple[str, ...], options: dict[str, Any]) -> None:
        self._path = Path(file).expanduser()
        if not self._path.is_file():
            raise InputError(
                f"{self._path} is no file. Nothing is downloaded here: get {name} from its authors and unpack the .h5"
            )
        self._file: Any = None
        self._process = -1
        labels = self._guard(self._read_labels)
        if len(labels) and not (labels.min() >= 0 and labels.max() < len(classes)):
            wrong = int(labels.min() if labels.min() < 0 else labels.max())
            raise InputError(f"{self._path}: a label is {wrong}; {name} has classes 0 .. {len(classes) - 1}")
        super().__init__(labels, classes, (_CHANNELS,), **options)

    def _open(self) -> Any:
        """Return the open file; each process of a data loader opens its own, since HDF5 must not cross a fork."""
        if self._file is None or self._process != os.getpid():
            import h5py

            self._file, self._process = h5py.File(self._path, "r"), os.getpid()
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}

    def _guard(self, work: Any, *arguments: Any) -> Any:
        """Return what `work` does; whatever HDF5 says of a damaged file becomes an error that names it."""
        try:
            return work(*arguments)
        except InputError:
            raise
        except (
            OSError,
            KeyError,
            ValueError,
            RuntimeError,
            TypeError,
            MemoryError,
            OverflowError,
            AttributeError,
        ) as e:
            raise InputError(f"{self._path} is damaged or no such file: {str(e).splitlines()[0]:.200}") from None

    def _dataset(self, name: str) -> Any:
        import h5py

        file: Any = self._open()
        for part in name.split("/"):
            if not isinstance(file, h5py.Group) or part not in file:
                raise InputError(
                    f"{self._path} has no '{name}'; a file of this kind has spikes/times, spikes/units, labels"
                )
            if not isinstance(file.get(part, getlink=True), h5py.HardLink):  # never follow a link to another file
                raise InputError(f"{self._path}: '{name}' is a link, not data")
            file = file[part]
        if not isinstance(file, h5py.Dataset) or file.ndim != 1 or file.external or file.is_virtual:
            raise InputError(f"{self._path}: '{name}' must be one row of values stored in this file")
        if file.shape[0] > _MOST_SAMPLES:
            raise InputError(f"{self._path}: '{name}' says it has {file.shape[0]} samples; that is too many")
        return file

    def _read_labels(self) -> np.ndarray:
        import h5py

        labels, times, units = (self._dataset(n) for n in ("labels", "spikes/times", "spikes/units"))
        if not len(labels) == len(times) == len(units):
            raise InputError(f"{self._path}: {len(labels)} labels, {len(times)} rows of times, {len(units)} of units")
        if not np.issubdtype(labels.dtype, np.integer):
            raise InputError(f"{self._path}: labels are {labels.dtype}, not whole numbers")
        for rows, kind, what in ((times, np.floating, "times"), (units, np.integer, "units")):
            element = h5py.check_vlen_dtype(rows.dtype)
            if element is None or not np.issubdtype(element, kind):
                raise InputError(f"{self._path}: spikes/{what} are {rows.dtype}, not rows of {kind.__name__} numbers")
        return np.asarray(labels[:], dtype=np.int64)

    def _read(self, i: int) -> Events:
        t, u = self._guard(self._read_row, i)
        if t.shape != u.shape:
            raise InputError(f"{self._path}: sample {i} has {t.size} times but {u.size} units")
        try:
            return Events.of(t * 1000, u, (_CHANNELS,))
        except InputError as error:
            raise InputError(f"{self._path}: sample {i}: {error}") from None

    def _read_row(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        t, u = self._dataset("spikes/times")[i], self._dataset("spikes/units")[i]
        if max(len(t), len(u)) > _MOST_SPIKES:
            raise InputError(f"{self._path}: sample {i} says it has {max(len(t), len(u))} spikes; that is too many")
        return np.asarray(t, dtype=np.float64), np.asarray(u, dtype=np.int64)

    def _where(self, i: int) -> str:
        return f"{self._path}: sample {i}"


@final
class SHD(_Heidelberg):
    """Spiking Heidelberg Digits: ten digits in English (classes 0-9) and German (10-19), 700 channels, about 1 s.

    Parameters
    ----------
    file : path
        ``shd_train.h5`` or ``shd_test.h5``, unpacked.
    dt, until, clip, coarser, transform
        As of `EventDataset`; ``coarser=5`` makes 140 channels.

    Raises
    ------
    InputError
        If the file is missing, damaged, or laid out otherwise; nothing is downloaded.

    References
    ----------
    Cramer, Stradmann, Schemmel & Zenke, IEEE TNNLS 33, 2744 (2022).
    """

    def __init__(self, file: Any, **options: Any) -> None:
        super().__init__(file, "SHD", _DIGITS, options)


@final
class SSC(_Heidelberg):
    """Spiking Speech Commands: 35 words, 700 channels, about 1 s; the layout of `SHD`.

    Parameters
    ----------
    file : path
        ``ssc_train.h5``, ``ssc_valid.h5`` or ``ssc_test.h5``, unpacked.
    dt, until, clip, coarser, transform
        As of `EventDataset`.

    References
    ----------
    Cramer, Stradmann, Schemmel & Zenke, IEEE TNNLS 33, 2744 (2022).
    """

    def __init__(self, file: Any, **options: Any) -> None:
        super().__init__(file, "SSC", tuple(str(k) for k in range(35)), options)
