"""What makes the synapses of a projection change: their rows, rewards, sums of weights; read by `connect`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.model.synapse import Synapse
from rheobase.network.part import Part
from rheobase.network.values import read_weight
from rheobase.units import Dimension, to_number

__all__ = ["Normalise", "Reward", "read_normalise", "read_reward", "read_synapse"]


@final
@dataclass(frozen=True, eq=False)
class Reward:
    """Rewards for the synapses of a projection: given ones (times in ms, amounts), or the spikes of a population."""

    times: np.ndarray
    amounts: np.ndarray
    critic: Part | None = None


@final
@dataclass(frozen=True, eq=False)
class Normalise:
    """The sum of the weights' sizes that each target neuron is brought to, (n_target,), and how often, in ms."""

    total: np.ndarray
    every: float


def read_synapse(given: Any, plastic: Any, model: Neuron, port: str, what: str) -> Synapse | None:
    """Return the rows of a projection's synapses; refuse what does not fit the port."""
    if not isinstance(plastic, bool | np.bool_):
        raise InputError(f"{what}: plastic = {plastic!r:.40} must be True or False")
    if given is None:
        return None
    if not isinstance(given, Synapse):
        called = f"; write {given.__name__}()" if callable(given) and hasattr(given, "__name__") else ""
        raise InputError(f"{what}: synapse = {given!r:.60} is no Synapse, such as rb.stdp(...){called}")
    if all("w_i" not in j.right.names for j in model.rows.receive[port]):
        raise InputError(f"{what}: the row at port {port} has no w_i, so a synapse that changes it has no effect there")
    wanted = model.dimensions.get(f"w_i:{port}")
    for name in ("w", "w_i"):
        unit = given.dimensions.get(name)
        if unit is not None and wanted is not None and unit != wanted:
            raise UnitMismatch(
                f"{what}: {name} of {given.name} is in {unit.unit}, but the row at port {port} wants {wanted.unit}"
            )
    return given


def read_reward(given: Any, synapse: Synapse | None, source: Part, what: str) -> Reward | None:
    """Return the rewards of a projection, which its synapses must have a row for."""
    wanted = synapse is not None and bool(synapse.rows.receive["on_reward"])
    if given is None and not wanted:
        return None
    if not wanted:
        raise InputError(f"{what}: reward= is given, but the synapse has no on_reward row; leave it out")
    if given is None:
        raise InputError(
            f"{what}: what is the reward? give reward=(times, amounts), or the population whose spikes are rewards"
        )
    none = np.empty(0)
    if isinstance(given, Part):
        if given.network is not source.network:
            raise InputError(f"{what}: reward = {given} belongs to another network; add it to this one")
        if not given.is_whole:
            raise InputError(f"{what}: reward = {given} is a part of a population; give the whole one")
        return Reward(none, none, given)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(f"{what}: reward = {given!r:.60} must be (times, amounts), or a population")
    times = np.atleast_1d(np.asarray(read_quantity(given[0], f"{what}: reward times").value, dtype=float))
    amounts = np.atleast_1d(np.asarray(read_quantity(given[1], f"{what}: rewards").value, dtype=float))
    if times.ndim != 1 or amounts.shape not in ((1,), times.shape):
        raise InputError(f"{what}: reward has {times.size} times and {amounts.size} amounts; give one each")
    if not (np.all(np.isfinite(times)) and np.all(np.isfinite(amounts)) and np.all(times > 0)):
        raise InputError(f"{what}: rewards must be finite, and their times later than 0")
    return Reward(times, np.broadcast_to(amounts, times.shape).copy())


def read_normalise(
    given: Any, synapse: Synapse | None, target: Part, wanted: Dimension | None, what: str
) -> Normalise | None:
    """Return the sums that the weights onto the target are brought to."""
    if given is None:
        return None
    if synapse is None:
        raise InputError(
            f"{what}: normalise= is given, but the synapses are static; give synapse=, or the right weights"
        )
    if any(f.value != 0 for f in synapse.rows.flows if f.state == "w"):
        raise InputError(
            f"{what}: normalise= takes a weight that stays as it is between events; {synapse.name} has dw/dt"
        )
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(f"{what}: normalise = {given!r:.60} must be (total, every), such as ('20 mV', '500 ms')")
    total = read_weight(given[0], wanted, f"{what}: normalise")
    if not isinstance(total, Quantity) or isinstance(total.value, Distribution):
        raise InputError(f"{what}: normalise: the total must be a number, or one for each target neuron")
    values = np.asarray(total.value, dtype=float)
    if values.shape not in ((), (len(target),)) or not np.all(values > 0):
        raise InputError(
            f"{what}: normalise: the total = {total} must be positive, one number or {len(target)}, one a target neuron"
        )
    every = to_number(given[1], "ms", f"{what}: normalise, every")
    if not 0 < every < float("inf"):
        raise InputError(f"{what}: normalise: every = {every:g} ms is not positive")
    return Normalise(np.broadcast_to(values, (len(target),)).copy(), every)
