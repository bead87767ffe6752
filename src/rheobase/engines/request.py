"""What of a network's run is to be recorded, as the user says it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.engines.result import Recording
from rheobase.errors import InputError, nearest
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network
from rheobase.network.part import Part
from rheobase.units import to_number

__all__ = ["Record", "read_recordings"]


@final
@dataclass(frozen=True, init=False, eq=False)
class Record:
    """What to record of a population: which states, how often, of which neurons, when; and whose spikes.

    Parameters
    ----------
    states : str, list of str or bool
        Names of states; True: all; none by default.
    every : time, optional
        Keep the states this often, a multiple of dt; each step by default.
    neurons : array of int, slice or Part, optional
        Keep the states of these neurons: ``[0, 7]``, ``slice(100)``, ``E[:100]``. All by default.
    start, stop : time, optional
        Keep the states at start, start + every, ... up to stop. From 0 to the end by default.
    reduce : str, optional
        "mean" keeps the mean over the neurons, one value a time.
    spikes : bool, array of int, slice or Part
        Keep the spikes of all neurons, of none (False), or of these; from 0 to the end.

    Raises
    ------
    InputError
        For a time that is negative, a window without length, an unknown `reduce`.

    Examples
    --------
    >>> from rheobase.networks import cuba
    >>> from rheobase.simulation import simulate
    >>> net = cuba(100)
    >>> which = {"E": Record("v", every="1 ms", start="20 ms", stop="30 ms", reduce="mean"), "I": Record(spikes=[0, 1])}
    >>> run = simulate(net, until="40 ms", seed=1, record=which)
    >>> run["E"].v.shape, run["I"].spikes.kept
    ((11,), array([0, 1]))
    """

    states: tuple[str, ...] | bool
    every: float | None
    neurons: Any
    start: float
    stop: float
    reduce: str | None
    spikes: Any

    def __init__(
        self,
        states: str | Iterable[str] | bool = (),
        every: Any = None,
        neurons: Any = None,
        start: Any = 0.0,
        stop: Any = None,
        reduce: str | None = None,
        spikes: Any = True,
    ) -> None:
        if states is None:
            states = ()
        if isinstance(states, str):
            states = (states,)
        if not isinstance(states, Iterable | bool) or not (isinstance(states, bool) or _are_names(states := [*states])):
            raise InputError(f"states = {states!r:.60} must be the name of a state, a list of names, True or False")
        begin = to_number(start or 0.0, "ms", "start")
        end = math.inf if stop is None else to_number(stop, "ms", "stop")
        step = None if every is None else to_number(every, "ms", "every")
        if not 0 <= begin < math.inf:
            raise InputError(f"start = {begin:g} ms must be a time from 0 on")
        if not end >= begin:
            raise InputError(f"stop = {end:g} ms comes before start = {begin:g} ms; swap them or give a later stop")
        if step is not None and not 0 < step < math.inf:
            raise InputError(f"every = {step:g} ms is not positive")
        if reduce not in (None, "mean"):
            raise InputError(f"reduce = {reduce!r:.60} is not known; it is 'mean', or is left out")
        own = {"states": states if isinstance(states, bool) else tuple(states), "every": step, "neurons": neurons}
        own |= {"start": begin, "stop": end, "reduce": reduce, "spikes": spikes}
        for name, value in own.items():
            object.__setattr__(self, name, value)


def _are_names(names: Iterable[Any]) -> bool:
    return all(isinstance(s, str) for s in names)


def read_recordings(
    net: Network, record: Any, every: Any, neurons: Any, until: float = math.inf
) -> dict[str, Recording]:
    """Return what is recorded of each population.

    Parameters
    ----------
    net : Network
    record : None, str, list of str, bool, Record, or a dict of them by population
        States are kept of what is named; spikes of all but where a `Record` says otherwise.
    every, neurons
        `record_every` and `record_neurons` of `simulate`; `neurons` may be a dict by population.
    until : float
        The end of the run in ms.

    Raises
    ------
    InputError
        For an unknown population or state, a neuron that is not there, a window after the end.
    """
    cells = {name: part.model for name, part in net.populations.items() if isinstance(part.model, Neuron)}
    wanted = record if isinstance(record, Mapping) else dict.fromkeys(cells, record)
    for what, names in (("record", wanted), ("record_neurons", neurons if isinstance(neurons, Mapping) else {})):
        for name in names:
            if name not in net.populations:
                raise InputError(
                    f"{what}: there is no population '{name}'.{nearest(str(name), net.populations)}"
                    f" There are: {', '.join(net.populations)}"
                )
    if any(isinstance(w, Record) for w in wanted.values()) and (every is not None or neurons is not None):
        raise InputError("record_every= and record_neurons= do not go with rb.Record; write rb.Record(..., every=)")
    out = {}
    for name in net.populations:
        mine = neurons.get(name, []) if isinstance(neurons, Mapping) else neurons
        one = wanted.get(name)
        if not isinstance(one, Record):
            if isinstance(one, str | list | tuple):
                one = [s for s in ([one] if isinstance(one, str) else one) if s != "spikes"]
            one = Record(one or (), every, mine if name in cells else None)
        out[name] = _resolve(net, name, one, until)
    return out


def _resolve(net: Network, name: str, one: Record, until: float) -> Recording:
    """Return what is recorded of a population."""
    part = net.populations[name]
    names = part.model.states if isinstance(part.model, Neuron) else ()
    states = (names if one.states else ()) if isinstance(one.states, bool) else one.states
    for s in states:
        if s not in names:
            of = f"States: {', '.join(names)}" if names else "It is a source of spikes"
            raise InputError(f"record = '{s}' is no state of {name}.{nearest(s, names)} {of}")
    if states and one.start > until:
        raise InputError(f"{name}: the recording begins at start = {one.start:g} ms, after the end at {until:g} ms")
    chosen = _numbers(one.neurons, part, "record_neurons")
    if states and chosen is not None and not len(chosen):
        states = ()
    spiking = one.spikes
    spikes = None if spiking is True else _numbers([] if spiking is False else spiking, part, "spikes")
    states = tuple(s for s in names if s in states)
    return Recording(states, one.every, chosen, one.start, one.stop, one.reduce, spikes)


def _numbers(which: Any, part: Part, what: str) -> np.ndarray | None:
    """Return the numbers of neurons, sorted; None for all."""
    if which is None:
        return None
    if isinstance(which, Part):
        if which.name != part.name:
            raise InputError(f"{what}: {which} is no part of {part.name}")
        return np.unique(which.indices)
    array = np.atleast_1d(np.arange(part.n)[which] if isinstance(which, slice) else np.asarray(which))
    if array.dtype == bool:
        if array.shape != (part.n,):
            raise InputError(f"{what}: the mask has shape {array.shape}, but {part.name} has {part.n} neurons")
        return np.flatnonzero(array)
    if array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= part.n):
        raise InputError(f"{what}: {part.name} has neurons 0 to {part.n - 1}")
    return np.unique(array.astype(np.int64))
