"""The values that a population and a projection are given, read once and checked at the door."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.network.sources import Poisson, SpikeSource, SpikeSum, SpikeTrains, as_source
from rheobase.network.stimulus import Constant, Stimulus, as_stimulus
from rheobase.units import DIMENSIONLESS, Dimension, parse_unit, strip_units

__all__ = [
    "DistanceFunction",
    "check_sign",
    "check_source",
    "read_count",
    "read_delay",
    "read_places",
    "read_values",
    "read_weight",
]

#: From distances, shape (n,), to one value for each.
DistanceFunction = Callable[[np.ndarray], Any]
_MS: Final = parse_unit("ms")[1]
_LENGTH: Final = parse_unit("um")[1]
_CONDUCTANCE: Final = parse_unit("uS")[1]


def read_values(
    neuron: Neuron, given: Mapping[str, Any], n: int, owner: str
) -> dict[str, Quantity | Stimulus | SpikeSource]:
    """Return the values of a population of n neurons by name: parameters, initial values, inputs and spikes.

    Raises
    ------
    InputError
        For an unknown name, a missing input, a value no neuron can have, or an array that has not n values.
    UnitMismatch
        If a value has another unit than the rows ask for.
    """
    known = [*neuron.inputs, *neuron.ports, *neuron.parameters, *neuron.states]
    out: dict[str, Quantity | Stimulus | SpikeSource] = {}
    for name, value in given.items():
        wanted = neuron.dimensions.get(name)
        if name in neuron.ports:
            source = out[name] = as_source(value, name)
            _check_unit(f"{owner}: the weight at port {name}", source.dimension, neuron.dimensions.get(f"w_i:{name}"))
            _check_signs(source, neuron.dimensions.get(f"w_i:{name}"), f"{owner}: port {name}")
            size = source.size
        elif name in neuron.states:
            if isinstance(value, Stimulus) or callable(value):
                raise InputError(f"{owner}: {name} is a state; its initial value is a number, not a current over time")
            start = out[name] = read_quantity(value, name)
            _check_unit(f"{owner}: {name}", start.dimension, wanted)
            size = start.shape[0] if start.shape else None
        elif name in neuron.inputs or name in neuron.parameters:
            stimulus = as_stimulus(value, name)
            _check_unit(f"{owner}: {name}", stimulus.dimension, wanted)
            if not isinstance(stimulus, Constant) and name in neuron.refractory.values():
                raise InputError(f"{owner}: {name} is the refractory time; it cannot vary in time")
            out[name] = stimulus.value if isinstance(stimulus, Constant) else stimulus
            size = stimulus.size
        else:
            raise InputError(
                f"{owner}: '{name}' is no input, parameter, state or port of {neuron.name}."
                f"{nearest(name, known)} It has: {', '.join(known)}"
            )
        if size is not None and size != n:
            raise InputError(f"{owner}: {name} has {size} values, but there are {n} neurons; give one value a neuron")
    if neuron.size is not None and neuron.size != n:
        raise InputError(f"{owner}: the arrays of {neuron.name} describe {neuron.size} neurons, but there are {n}")
    missing = next((u for u in neuron.inputs if u not in out), None)
    if missing:
        unit = f" (in {neuron.unit(missing)})" if neuron.unit(missing) else ""
        raise InputError(
            f"{owner}: {neuron.name} needs the input {missing}{unit}; give {missing}=..., for example {missing}=0"
        )
    for name, q in out.items():
        if name in neuron.inputs and isinstance(q, Quantity) and not _is_finite(q):
            raise InputError(f"{owner}: the input {name} = {q} is not finite")
    changed = {k: q for k, q in out.items() if k not in (*neuron.inputs, *neuron.ports) and isinstance(q, Quantity)}
    if changed:
        try:  # the neuron itself knows which values it can have
            neuron.replace(**changed)
        except InputError as error:
            raise InputError(f"{owner}: {error}") from None
    return out


def _check_unit(what: str, given: Dimension | None, wanted: Dimension | None) -> None:
    if given is not None and wanted is not None and given != wanted:
        raise UnitMismatch(f"{what} is in {given.unit}, but the rows want {wanted.unit}")


def _check_signs(source: SpikeSource, wanted: Dimension | None, what: str) -> None:
    match source:
        case SpikeSum():
            for part in source.parts:
                _check_signs(part, wanted, what)
        case Poisson():
            check_sign(source.weight, wanted, what)
        case SpikeTrains():
            check_sign(Quantity(source.weights, source.unit), wanted, what)


def _is_finite(q: Quantity) -> bool:
    return isinstance(q.value, Distribution) or bool(np.all(np.isfinite(q.value)))


def check_source(source: SpikeSource, given: Mapping[str, Any], n: int, owner: str) -> None:
    """Refuse a spike source that cannot be a population of n sources.

    Raises
    ------
    InputError
        If it has weights (those belong to `connect`), describes another number, or values are given.
    """
    if given:
        name = next(iter(given))
        raise InputError(f"{owner}: a source of spikes has no '{name}'; its rate or times are given where it is made")
    if source.size is not None and source.size != n:
        raise InputError(f"{owner}: the source describes {source.size} spike trains, but n = {n}")
    if source.dimension is not None or not _has_unit_weights(source):
        raise InputError(
            f"{owner}: the weight of a source population is given by connect(..., weight=); leave it out here"
        )


def _has_unit_weights(source: SpikeSource) -> bool:
    match source:
        case Poisson():
            return isinstance(source.weight.value, float) and source.weight.value == 1.0
        case SpikeTrains():
            return bool(np.all(source.weights == 1.0))
        case SpikeSum():
            return all(_has_unit_weights(p) for p in source.parts)
    return True


def read_count(value: Any, name: str, low: int) -> int:
    """Return a whole number from `low` on."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not value >= low or not float(value).is_integer():
        raise InputError(f"{name} = {value!r:.60} must be a whole number from {low}")
    return int(value)


def read_places(given: Any, n: int, owner: str) -> np.ndarray | None:
    """Return positions as a read-only array (n, d), d from 1 to 3; None stays None."""
    if given is None:
        return None
    stripped = strip_units(given)
    if stripped is not None:
        if stripped[1] != _LENGTH:
            raise UnitMismatch(f"{owner}: positions are in {stripped[1].unit}; they are lengths, in um")
        given = stripped[0]
    try:
        places = np.array(given, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{owner}: positions must be an array of numbers of shape ({n},) to ({n}, 3), in um") from None
    if places.ndim == 1:
        places = places[:, None]
    if places.ndim != 2 or places.shape[0] != n or not 1 <= places.shape[1] <= 3:
        raise InputError(
            f"{owner}: positions have shape {np.shape(given)}; give one point a neuron, ({n},), ({n}, 2) or ({n}, 3)"
        )
    if not np.all(np.isfinite(places)):
        raise InputError(
            f"{owner}: the position of neuron {int(np.argwhere(~np.isfinite(places))[0, 0])} is not finite"
        )
    places.flags.writeable = False
    return places


def read_weight(given: Any, wanted: Dimension | None, what: str) -> Quantity | DistanceFunction:
    """Return the weights of a projection; `what` names it in messages, `wanted` is the port's dimension.

    Raises
    ------
    InputError
        If a weight is NaN or infinite.
    UnitMismatch
        If it is in another unit than the port's row asks for.
    """
    if not isinstance(given, Distribution) and callable(given):
        return given
    q = read_quantity(given, f"{what}: weight")
    if not _is_finite(q):
        raise InputError(f"{what}: weight = {q} is not finite")
    if q.dimension is not None and wanted is not None and q.dimension != wanted:
        unit = wanted.unit if wanted != DIMENSIONLESS else "a number without unit"
        raise UnitMismatch(f"{what}: weight = {q} is in {q.dimension.unit}, but the port's row wants {unit}")
    check_sign(q, wanted, what)
    return q


def check_sign(weight: Quantity, wanted: Dimension | None, what: str) -> None:
    """Refuse a negative jump of a conductance: it is the reversal potential that makes a synapse inhibit.

    Raises
    ------
    InputError
        If a weight is, or can be drawn, below 0 where a conductance is wanted.
    """
    if wanted != _CONDUCTANCE:
        return
    value = weight.value
    least = value.lowest if isinstance(value, Distribution) else float(np.min(value)) if np.size(value) else 0.0
    if least < 0:
        hint = (
            "bound it from below, as in low='0 nS'" if isinstance(value, Distribution) else "give it without the sign"
        )
        raise InputError(
            f"{what}: weight = {weight} is negative, but the port's row adds to a conductance, which cannot be;"
            f" inhibition comes from the reversal potential, so {hint}"
        )


def read_delay(given: Any, what: str) -> Quantity | DistanceFunction:
    """Return the delays of a projection in ms.

    Raises
    ------
    InputError
        If a delay is not positive, or a distribution has no positive lower bound.
    UnitMismatch
        If it is no time.
    """
    if not isinstance(given, Distribution) and callable(given):
        return given
    q = read_quantity(given, f"{what}: delay")
    if q.dimension is not None and q.dimension != _MS:
        raise UnitMismatch(f"{what}: delay = {q} is in {q.dimension.unit}; it is a time, such as '1.5 ms'")
    if isinstance(q.value, Distribution):
        if q.value.lowest <= 0:
            raise InputError(f"{what}: delay = {q} is not always positive; bound it from below, as in low='0.1 ms'")
        return q
    values = np.atleast_1d(np.asarray(q.value))
    bad = np.flatnonzero(~(values > 0) | ~np.isfinite(values))
    if len(bad):
        at = f" at index {bad[0]}" if len(values) > 1 else ""
        worst = float(values[bad[0]])
        reason = "positive" if math.isfinite(worst) else "finite"
        raise InputError(f"{what}: delay = {worst:g} ms{at} is not {reason}; a spike arrives after it was sent")
    return q
