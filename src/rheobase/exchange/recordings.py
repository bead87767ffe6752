"""Spikes and traces of other programs as stimuli: read_spikes, read_trace."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError, NotRecorded, nearest
from rheobase.formats.content import Content, Group
from rheobase.formats.convertible import Convertible
from rheobase.formats.labelled import from_xarray, is_xarray
from rheobase.formats.neo import from_neo, is_neo
from rheobase.formats.npz import from_npz
from rheobase.formats.nwb import from_nwb
from rheobase.formats.sonata import from_sonata
from rheobase.formats.tables import from_csv, from_frame, from_parquet, is_frame
from rheobase.model.quantity import read_quantity
from rheobase.network.inputs import sampled
from rheobase.network.sources import SpikeSource, SpikeTrains
from rheobase.network.stimulus import Stimulus
from rheobase.run import read_run

__all__ = ["read_spikes", "read_trace"]

_HDF5: Final = b"\x89HDF\r\n\x1a\n"


def read_spikes(source: Any, population: str | None = None, weight: Any = 1.0, n: int | None = None) -> SpikeSource:
    """Return the spikes of a file, or of another program's object, as a source.

    Parameters
    ----------
    source : str, Path or object
        A file ``.nwb``, ``.h5`` (SONATA), ``.csv``, ``.parquet``, ``.npz`` or ``.rheo``; a run; a neo Block, Segment or
        SpikeTrain; a Dataset or DataTree of xarray; a DataFrame with the columns neuron, time.
    population : str, optional
        Needed if there are several.
    weight : number, str
        Of every spike; leave it out for a population, ``net.add(name, n, read_spikes(...))``.
    n : int, optional
        How many neurons there are, where the file does not tell: silent ones at the end have no spikes in it.

    Raises
    ------
    InputError
        If the file is missing, truncated, hostile or something else, or n is too small.

    Examples
    --------
    >>> import tempfile
    >>> import rheobase as rb
    >>> run = rb.simulate(rb.LIF(), I="0.3 nA", until="100 ms", dt="0.1 ms")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_spikes(run.to_csv(f"{folder}/spikes.csv")).times
    array([22., 46., 70., 94.])
    """
    g = _choose(_content(source), population, "spikes")
    count = g.n
    if n is not None:
        if len(g.neurons) and int(g.neurons.max()) >= n:
            raise InputError(f"n = {n}, but neuron {int(g.neurons.max())} has spikes")
        count = int(n)
    if len(g.times) and g.times.min() < 0:
        raise InputError(f"{g.name}: a spike at {g.times.min():g} ms lies before 0")
    q = read_quantity(weight, "weight")
    weights = np.full(len(g.times), np.asarray(q.value, dtype=float))
    return SpikeTrains(g.times, g.neurons, weights, q.dimension, count)


def read_trace(
    source: Any,
    name: str | None = None,
    population: str | None = None,
    neurons: Sequence[int] | int | None = None,
    unit: str | None = None,
    interpolate: str = "hold",
) -> Stimulus:
    """Return a recorded trace as a stimulus: a current that was measured, or that another run produced.

    Parameters
    ----------
    source : str, Path or object
        As for `read_spikes`; or a signal of neo, a DataArray of xarray.
    name : str, optional
        Which trace; needed if there are several.
    population : str, optional
    neurons : int or list of int, optional
        Whose; by default all of them, one each.
    unit : str, optional
        In place of the one that is told there.
    interpolate : {"hold", "linear"}
        As for `sampled`.

    Raises
    ------
    InputError
        If the file cannot be read, or there is no such trace.

    Examples
    --------
    >>> import rheobase as rb
    >>> run = rb.simulate(rb.LIF(), I="0.3 nA", until="100 ms", dt="0.1 ms")
    >>> read_trace(run, "v").start(0.1, 1, 0)(0, 2).ravel().round(3)
    array([-70.  , -69.85])
    """
    content = _content(source)
    with_traces = Content(tuple(g for g in content.groups if g.traces), content.until)
    g = _choose(with_traces, population, "traces")
    if name is None:
        if len(g.traces) != 1:
            raise InputError(f"{g.name} has the traces {', '.join(g.traces)}; name one")
        name = next(iter(g.traces))
    if name not in g.traces:
        raise InputError(f"{g.name} has no trace '{name:.60}'.{nearest(name, g.traces)} It has: {', '.join(g.traces)}")
    values = g.traces[name]
    if neurons is not None:
        rows = [_row(g, int(i)) for i in np.atleast_1d(np.asarray(neurons))]
        values = values[rows]
    told = g.units.get(name, "") if unit is None else unit
    data = values[0] if len(values) == 1 else values.T
    return sampled(data, times=g.t, interpolate=interpolate, unit=told)


def _row(g: Group, i: int) -> int:
    found = np.flatnonzero(g.whose == i)
    if not len(found):
        raise NotRecorded(f"{g.name}: there is no trace of neuron {i}; there are {', '.join(map(str, g.whose[:10]))}")
    return int(found[0])


def _choose(content: Content, population: str | None, what: str) -> Group:
    if not content.groups:
        raise InputError(f"there are no {what}")
    if population is None:
        return content.one_group(what)
    found = {g.name: g for g in content.groups}
    if population not in found:
        raise InputError(
            f"there is no population '{population:.60}'.{nearest(population, found)} There are: {', '.join(found)}"
        )
    return found[population]


def _content(source: Any) -> Content:
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source))
    if isinstance(source, Convertible):
        return source.content()
    for is_one, read in ((is_neo, from_neo), (is_xarray, from_xarray), (is_frame, from_frame)):
        if is_one(source):
            return read(source)
    raise InputError(
        f"{type(source).__name__} holds no spikes or traces; give a file, a run, or an object of neo, xarray or pandas"
    )


def _read_file(path: Path) -> Content:
    try:
        with path.open("rb") as file:
            first = file.read(8)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    kinds: dict[str, Callable[[Path], Content]] = {".csv": from_csv, ".parquet": from_parquet, ".nwb": from_nwb}
    suffix = path.suffix.lower()
    if first == _HDF5:
        return from_nwb(path) if suffix == ".nwb" else from_sonata(path)
    if first[:4] == b"PAR1":
        return from_parquet(path)
    if suffix == ".rheo":
        from rheobase.recorded import load

        return load(path).content()
    if suffix == ".npz":
        content = from_npz(path)  # looks at what is declared before anything is made of it
        try:
            return read_run(path).content()
        except InputError:
            return content
    if suffix in kinds:
        return kinds[suffix](path)
    raise InputError(
        f"{path}: no format is known by its suffix '{suffix}'; known are .nwb, .h5, .csv, .parquet, .npz, .rheo"
    )
