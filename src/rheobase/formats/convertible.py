"""The conversions that a run offers, each a call of the file that knows the format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from rheobase.formats.content import Content

__all__ = ["Convertible"]


class Convertible(ABC):
    """What has spikes and traces, and can be handed to other programs."""

    @abstractmethod
    def content(self) -> Content:
        """Return spikes, traces and units as plain arrays."""

    def to_neo(self) -> Any:
        """Return a ``neo.Block``: a SpikeTrain (ms) for each neuron, an AnalogSignal for each state, in one segment.

        Trains carry the annotations ``population`` and ``neuron``, signals ``population``, ``state`` and the array
        annotation ``neuron``. Needs neo.

        Raises
        ------
        ImportError
            If neo is not installed.
        """
        from rheobase.formats.neo import to_neo

        return to_neo(self.content())

    def to_nwb(self, path: str | Path, overwrite: bool = False, **session: Any) -> Path:
        """Write an NWB file, and return its path; times in s, a unit for each neuron, a TimeSeries for each state.

        Parameters
        ----------
        path : str or Path
        overwrite : bool
        **session
            Fields of ``pynwb.NWBFile``: ``session_description=``, ``session_start_time=``, ``experimenter=`` ...

        Raises
        ------
        InputError
            If the file is there or cannot be written.
        ImportError
            If pynwb is not installed.
        """
        from rheobase.formats.nwb import to_nwb

        return to_nwb(self.content(), path, overwrite, session)

    def to_sonata(self, path: str | Path, state: str | None = None, overwrite: bool = False) -> Path:
        """Write a SONATA file, and return its path: the spikes, or with `state` a report of that state.

        Parameters
        ----------
        path : str or Path
        state : str, optional
            SONATA keeps spikes and the traces of one variable in separate files.
        overwrite : bool

        Raises
        ------
        InputError
            If the file is there or cannot be written, or the state was not recorded.
        """
        from rheobase.formats.sonata import to_sonata

        return to_sonata(self.content(), path, state, overwrite)

    def to_xarray(self) -> Any:
        """Return an ``xarray.Dataset`` (of a network a ``DataTree`` with one for each population).

        States have the dimensions neuron and time (ms); spikes are ``spike_time`` and ``spike_neuron`` along ``spike``.
        Needs xarray.
        """
        from rheobase.formats.labelled import to_xarray

        return to_xarray(self.content())

    def to_csv(self, path: str | Path, state: str | None = None, overwrite: bool = False) -> Path:
        """Write a CSV file, and return its path: population, neuron, time (ms); or of a state a column for each neuron.

        Numbers are written so that they read back the same.
        """
        from rheobase.formats.tables import to_csv

        return to_csv(self.content(), path, state, overwrite)

    def to_npz(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write NumPy's ``.npz``, and return its path: ``E/spikes/times`` (ms), ``E/spikes/neurons``, ``E/traces/v``.

        Traces are (n_times, n_neurons); ``head`` is JSON. ``run.save`` keeps the model of a single population, too.
        """
        from rheobase.formats.npz import to_npz

        return to_npz(self.content(), path, overwrite)

    def to_hdf5(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write HDF5, and return its path; the arrays are those of `to_npz`, ``head`` is an attribute."""
        from rheobase.formats.npz import to_hdf5

        return to_hdf5(self.content(), path, overwrite)

    def to_parquet(self, path: str | Path, state: str | None = None, overwrite: bool = False) -> Path:
        """Write a Parquet file, and return its path; the columns are those of `to_csv`. Needs pyarrow."""
        from rheobase.formats.tables import to_parquet

        return to_parquet(self.content(), path, state, overwrite)
