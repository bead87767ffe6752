"""A neuron model with everything an engine needs to run it: numbers, inputs, arrivals, random keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from rheobase.derive.rest import rest_state
from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.network.sources import SpikeSource, as_source
from rheobase.network.stimulus import Constant, Stimulus, as_stimulus
from rheobase.random import derive_key
from rheobase.units import Dimension

__all__ = ["Population", "line_up", "prepare"]

_LINE: Final = 64  # bytes of a line of the cache, and of the widest vector


@final
@dataclass(frozen=True)
class Population:
    """n neurons of one model.

    `values` holds the parameters and the inputs that do not change in time, floats or shape (n,);
    `inputs` the inputs that do; `sources` the spikes that arrive from outside at each port.
    """

    neuron: Neuron
    n: int
    single: bool
    values: Mapping[str, float | np.ndarray]
    initial: Mapping[str, np.ndarray]
    inputs: Mapping[str, Stimulus]
    sources: Mapping[str, SpikeSource]
    seed: int
    name: str = ""

    def key(self, *path: str) -> int:
        """Return the random key of one use of random numbers in this population."""
        return derive_key(self.seed, self.name, *path)


def prepare(neuron: Neuron, given: Mapping[str, Any], seed: int, n: int | None = None, name: str = "") -> Population:
    """Return the population that runs `neuron` with what a user gave by keyword.

    A name may be an input, a parameter (another value for this run), a state (its initial value) or a port.

    Raises
    ------
    InputError
        For an unknown name, a missing input, arrays of different lengths, or NaN.
    UnitMismatch
        If a value has another unit than the rows ask for.
    """
    known = [*neuron.inputs, *neuron.ports, *neuron.parameters, *neuron.states]
    held: dict[str, Quantity] = dict(neuron.parameters)
    initial: dict[str, Quantity] = dict(neuron.initial)
    inputs: dict[str, Stimulus] = {}
    sources: dict[str, SpikeSource] = {}
    for key, value in given.items():
        if key in neuron.ports:
            sources[key] = as_source(value, key)
            _check_unit(key, sources[key].dimension, neuron.dimensions.get(f"w_i:{key}"), "the weight at port ")
        elif key in neuron.states:
            initial[key] = _reading(key, value)
            _check_unit(key, initial[key].dimension, neuron.dimensions.get(key))
        elif key in neuron.inputs or key in neuron.parameters:
            stimulus = as_stimulus(value, key)
            _check_unit(key, stimulus.dimension, neuron.dimensions.get(key))
            if isinstance(stimulus, Constant):
                held[key] = stimulus.value
            elif key in neuron.refractory.values():
                raise InputError(f"{key} is the refractory time; it cannot vary in time")
            else:
                held.pop(key, None)
                inputs[key] = stimulus
        else:
            what = (
                "spikes arrive at no port"
                if key in ("spikes", "exc", "inh")
                else "is no input, parameter, state or port"
            )
            raise InputError(f"'{key}' {what} of {neuron.name}.{nearest(key, known)} It has: {', '.join(known)}")
    missing = [u for u in neuron.inputs if u not in held and u not in inputs]
    if missing:
        unit = f" (in {neuron.unit(missing[0])})" if neuron.unit(missing[0]) else ""
        raise InputError(
            f"{neuron.name} needs the input {missing[0]}{unit}: give {missing[0]}=..., for example "
            f"{missing[0]}=rb.step(...) or {missing[0]}=0"
        )
    sizes = {k: q.shape[0] for k, q in [*held.items(), *initial.items()] if q.shape}
    sizes |= {k: s.size for k, s in inputs.items() if s.size is not None}
    sizes |= {k: s.size for k, s in sources.items() if s.size is not None}
    for key, size in sizes.items():
        first = next(iter(sizes))
        wanted = n if n is not None else sizes[first]
        if size != wanted:
            other = f"there are {n} neurons" if n is not None else f"{first} has {wanted}"
            raise InputError(f"{key} has {size} values, but {other}; arrays need one value a neuron")
    random = any(hasattr(q.value, "sample") for q in [*held.values(), *initial.values()])
    count = n if n is not None else next(iter(sizes.values()), 1)
    population = Population(neuron, count, n is None and not sizes, {}, {}, inputs, sources, seed, name)

    def draw(group: str, key: str, q: Quantity) -> float | np.ndarray:
        if not isinstance(q.value, Distribution):  # numpy.random takes longer to import than a small run
            return q.value
        rng = np.random.Generator(np.random.Philox(key=population.key(group, key)))
        return q.draw(count, rng)

    values = {k: draw("parameter", k, q) for k, q in held.items()}
    for key, x in values.items():
        if random or key in given:
            _check_value(neuron, key, x, held[key])
    for key, q in initial.items():
        if not hasattr(q.value, "sample") and not np.isfinite(q.value).all():
            raise InputError(f"the initial value {key} = {q} is not finite")
    start = rest_state(neuron, values, count) if set(initial) != set(neuron.states) else {}
    for key, q in initial.items():
        start[key] = np.broadcast_to(np.asarray(draw("initial", key, q), dtype=float), (count,)).copy()
    return Population(neuron, count, n is None and not sizes, values, start, inputs, sources, seed, name)


def line_up(x: np.ndarray, kind: Any = None) -> np.ndarray:
    """Return a copy that begins with a line of the cache: a vector that lies in two lines takes twice the time.

    >>> line_up(np.arange(3.0)).ctypes.data % 64
    0
    """
    kind = np.dtype(x.dtype if kind is None else kind)
    room = np.empty(x.size * kind.itemsize + _LINE, dtype=np.uint8)
    begin = -room.ctypes.data % _LINE
    out = room[begin : begin + x.size * kind.itemsize].view(kind).reshape(x.shape)
    out[...] = x
    return out


def _reading(key: str, value: Any) -> Quantity:
    if isinstance(value, Stimulus):
        raise InputError(f"{key} is a state; its initial value is a number, not a current over time")
    return read_quantity(value, key)


def _check_value(neuron: Neuron, key: str, x: float | np.ndarray, q: Quantity) -> None:
    """Refuse what `Neuron` refuses, in values that were drawn or given for one run."""
    if not np.isfinite(x).all():
        raise InputError(f"{key} = {q} is not finite; give a number")
    drawn = hasattr(q.value, "sample")
    if (key in neuron.rows.leading or key == "tau" or key.startswith("tau_")) and np.min(x) <= 0:
        if drawn:
            raise InputError(f"{key}: a value drawn from {q} is not positive; bound it with low=")
        raise InputError(f"{key} = {q} is not positive; {key} multiplies d/dt or is a time constant")
    if key in neuron.refractory.values() and np.min(x) < 0:
        raise InputError(
            f"the refractory time {key} = {q} is negative" + ("; bound it with low=" if drawn else "; give 0 or more")
        )


def _check_unit(key: str, given: Dimension | None, wanted: Dimension | None, what: str = "") -> None:
    if given is None or wanted is None or given == wanted:
        return
    raise UnitMismatch(f"{what}{key} is in {given.unit}, but the rows want {wanted.unit}")
