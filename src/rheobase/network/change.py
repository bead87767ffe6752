"""Another network: one with some values changed, and several for a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.network.network import Network
from rheobase.network.part import Part
from rheobase.network.projection import Projection, change_projection
from rheobase.network.sources import Poisson, SpikeSource, poisson
from rheobase.network.stimulus import Stimulus
from rheobase.network.values import check_source, read_values

__all__ = ["change", "read_batch"]

_SOURCE: Final = ("rate", "source")


def change(net: Network, values: Mapping[str, Any]) -> Network:
    """Return another network, with some values changed (see `Network.replace`)."""
    if not isinstance(values, Mapping):
        raise InputError(f"the changes are a mapping such as {{'E.tau': '10 ms'}}, not {type(values).__name__}")
    models: dict[str, dict[str, Any]] = {}
    synapses: dict[int, list[tuple[str, Any]]] = {}
    for key, value in values.items():
        owner, name = _split(net, key)
        part = net.populations.get(owner)
        if part is not None and (name not in ("weight", "delay") or not _named(net, owner)):
            models.setdefault(owner, {})[name] = value
            continue
        for p in _named(net, owner):
            synapses.setdefault(p.index, []).append((name, value))
    out = Network()
    parts: dict[str, Part] = {}
    for owner, part in net.populations.items():
        parts[owner] = _change_part(part, models[owner], out) if owner in models else replace(part, network=out)
    projections = []
    for p in net.projections:
        reward = p.reward
        if reward is not None and reward.critic is not None:
            reward = replace(reward, critic=parts[reward.critic.name])
        source, target = (replace(parts[x.name], chosen=x.chosen) for x in (p.source, p.target))
        p = replace(p, source=source, target=target, reward=reward)
        for name, value in synapses.get(p.index, ()):
            p = change_projection(p, name, value)
        projections.append(p)
    out._parts.update(parts)
    out._projections.extend(projections)
    return out


def _named(net: Network, name: str) -> list[Projection]:
    return [p for p in net.projections if p.name == name]


def _split(net: Network, key: Any) -> tuple[str, str]:
    """Return (population or projection, name of the value) of a key such as ``E.tau``."""
    if not isinstance(key, str) or "." not in key:
        raise InputError(
            f"{key!r:.60} names no value of a network; write the population's or projection's name, a dot and the"
            " value's, such as 'E.tau' or 'E to I (exc).weight'"
        )
    owner, _, name = key.rpartition(".")
    known = [*net.populations, *dict.fromkeys(p.name for p in net.projections)]
    if owner not in known:
        raise InputError(
            f"'{key:.80}': there is no population or projection '{owner:.60}'.{nearest(owner, known)}"
            f" There are: {', '.join(known)}"
        )
    return owner, name


def _change_part(part: Part, values: Mapping[str, Any], net: Network) -> Part:
    """Return a population with other values, as a part of another network."""
    if isinstance(part.model, Neuron):
        read = read_values(part.model, {**part.values, **values}, part.n, part.name)
        return replace(part, network=net, values=MappingProxyType(read))
    model: SpikeSource = part.model
    for name, value in values.items():
        if name not in _SOURCE:
            raise InputError(
                f"{part.name} is a source of spikes and has no '{name:.60}'.{nearest(name, _SOURCE)}"
                " It has: rate (of a Poisson source), source (another source in its place)"
            )
        if name == "source":
            if not isinstance(value, SpikeSource):
                raise InputError(
                    f"{part.name}.source = {value!r:.60} is no source of spikes, such as rb.poisson('8 Hz')"
                )
            model = value
        elif isinstance(model, Poisson):
            model = replace(model, rate=_rate(value))
        else:
            raise InputError(f"{part.name}.rate: {type(model).__name__} has no rate; give '{part.name}.source'")
    check_source(model, {}, part.n, part.name)
    return replace(part, network=net, model=model)


def _rate(value: Any) -> Stimulus:
    made = poisson(value)
    assert isinstance(made, Poisson)
    return made.rate


# ------------------------------------------------------------------ several networks
def read_batch(net: Network, batch: Any, seed: int) -> tuple[dict[str, tuple[Any, ...]], list[tuple[Network, int]]]:
    """Return the values of a batch by name, and for each of its runs the network and the seed.

    Raises
    ------
    InputError
        If a name is unknown, a value cannot be used, or the lists differ in length.
    UnitMismatch
        If a value has another unit than the rows ask for.
    """
    if not isinstance(batch, Mapping) or not batch:
        raise InputError(f"batch = {batch!r:.60} must be a mapping of names to values, such as {{'E.tau': [10, 20]}}")
    values = {str(key): _read_list(str(key), given) for key, given in batch.items()}
    first = next(iter(values))
    for key, given in values.items():
        if len(given) != len(values[first]):
            raise InputError(
                f"batch: '{key}' has {len(given)} values, but '{first}' has {len(values[first])}; they are taken"
                " together, run by run: give one value each (for all combinations, such as itertools.product makes)"
            )
    runs = []
    for i in range(len(values[first])):
        own = seed
        if "seed" in values:
            own = values["seed"][i]
            if isinstance(own, bool) or not isinstance(own, int | np.integer) or own < 0:
                raise InputError(f"batch['seed'][{i}] = {own!r:.60} must be a whole number from 0")
        try:
            changed = change(net, {key: given[i] for key, given in values.items() if key != "seed"})
        except UnitMismatch as error:
            raise UnitMismatch(f"batch, run {i}: {error}") from None
        except InputError as error:
            raise InputError(f"batch, run {i}: {error}") from None
        runs.append((changed, int(own)))
    return values, runs


def _read_list(key: str, given: Any) -> tuple[Any, ...]:
    if isinstance(given, str) or (hasattr(given, "units") and np.ndim(getattr(given, "magnitude", given)) == 1):
        q = read_quantity(given, key)  # "[1, 2] ms", or an array of a unit library
        if isinstance(q.value, np.ndarray):
            return tuple(Quantity(float(x), q.dimension) for x in q.value)
        given = q.value
    usable = isinstance(given, Sequence | np.ndarray | range) or (
        isinstance(given, Iterable) and not isinstance(given, Mapping | Distribution | Stimulus | SpikeSource)
    )
    if not usable or isinstance(given, str | bytes) or (isinstance(given, np.ndarray) and given.ndim == 0):
        raise InputError(f"batch: '{key:.60}' = {given!r:.60} must be a list of values, one a run")
    out = tuple(given)
    if not out:
        raise InputError(f"batch: '{key:.60}' has no values")
    return out
