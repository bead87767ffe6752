"""What a run holds, as plain arrays: the one form from which every format is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError

__all__ = ["Content", "Group", "need", "step_of", "writing"]


@final
@dataclass(frozen=True, eq=False)
class Group:
    """The spikes and traces of one population.

    Attributes
    ----------
    name : str
    n : int
        How many neurons it has.
    times, neurons : array (n_spikes,)
        Sorted by time (ms), then neuron.
    kept : array or None
        Whose spikes were recorded; None: all.
    t : array (n_times,)
        Times of the traces, ms.
    traces : mapping
        State -> array (n_recorded, n_times).
    units : mapping
        State -> unit, such as "mV"; empty where there is none.
    whose : array (n_recorded,)
        The neurons whose traces they are; empty if they are means over neurons.
    """

    name: str
    n: int
    times: np.ndarray
    neurons: np.ndarray
    kept: np.ndarray | None
    t: np.ndarray
    traces: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    whose: np.ndarray

    @property
    def spiking(self) -> np.ndarray:
        """The neurons whose spikes were recorded."""
        return np.arange(self.n) if self.kept is None else self.kept

    def trains(self) -> list[np.ndarray]:
        """Return the times of each neuron of `spiking`."""
        order = np.argsort(self.neurons, kind="stable")
        edges = np.searchsorted(self.neurons[order], np.arange(self.n + 1))
        times = self.times[order]
        return [times[edges[i] : edges[i + 1]] for i in self.spiking]


@final
@dataclass(frozen=True, eq=False)
class Content:
    """The populations of a run, how long it took, and what describes it (plain JSON types)."""

    groups: tuple[Group, ...]
    until: float
    about: Mapping[str, Any] = field(default_factory=dict)

    def one_group(self, what: str) -> Group:
        """Return the only population; an error names them if there are several."""
        if len(self.groups) != 1:
            raise InputError(f"{what}: there are the populations {', '.join(g.name for g in self.groups)}; name one")
        return self.groups[0]


_EXTRAS: Final = {"neo": "neo", "pynwb": "nwb", "xarray": "xarray", "pyarrow": "parquet", "pandas": "pandas"}


def need(package: str, what: str) -> Any:
    """Return an optional package, imported now.

    Raises
    ------
    ImportError
        With what to install.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError:
        extra = _EXTRAS[package.partition(".")[0]]
        raise ImportError(f"{what} needs {package.partition('.')[0]}: pip install 'rheobase[{extra}]'") from None


def step_of(t: np.ndarray) -> float | None:
    """Return the distance of regular times, None if they are not regular.

    >>> step_of(np.array([0.0, 0.1, 0.2])), step_of(np.array([0.0, 1.0, 3.0]))
    (0.1, None)
    """
    if len(t) < 2:
        return None
    step = float(t[-1] - t[0]) / (len(t) - 1)
    regular = step > 0 and np.allclose(t, t[0] + step * np.arange(len(t)), rtol=0, atol=1e-6 * step)
    return float(f"{step:.12g}") if regular else None


def writing(path: str | Path, overwrite: bool) -> Path:
    """Return the path of a file to be written.

    Raises
    ------
    InputError
        If it is there already, or its folder is not.
    """
    out = Path(path)
    if out.exists() and not overwrite:
        raise InputError(f"{out} is there already; give another name, or overwrite=True")
    if not out.parent.is_dir():
        raise InputError(f"there is no folder {out.parent}")
    return out
