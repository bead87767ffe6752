"""Projection: the synapses from one part of a network to another, as a rule; and how `connect` reads one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from rheobase.errors import InputError, UnitMismatch, nearest
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.model.synapse import Synapse
from rheobase.network.learning import Normalise, Reward, read_normalise, read_reward, read_synapse
from rheobase.network.part import Part
from rheobase.network.rule import (
    AllToAll,
    Distance,
    InDegree,
    OneToOne,
    OutDegree,
    Pairs,
    Probability,
    Rule,
    Total,
    read_matrix,
    read_rule,
)
from rheobase.network.values import DistanceFunction, read_delay, read_weight
from rheobase.random import derive_key
from rheobase.units import DIMENSIONLESS, Dimension, to_number

if TYPE_CHECKING:
    from rheobase.network.connect import Synapses

__all__ = ["Options", "Projection", "change_projection", "read_projection"]


@final
@dataclass(frozen=True)
class Options:
    """What else holds for a projection.

    `self_connections` False leaves out i to i within one population; `periodic` is the extent at which space
    closes on itself, one number a dimension, in um.
    """

    self_connections: bool = True
    periodic: tuple[float, ...] | None = None


@final
@dataclass(frozen=True, eq=False, repr=False)
class Projection:
    """The synapses from one part of a network to another at one port, as a rule.

    `weight` (in the port's unit) and `delay` (ms) are quantities, or functions of distance. `index` counts
    the projections of a network. `synapse` are the rows of its synapses (None: static), in force if `plastic`.
    `rheobase.network.connect.build` makes the synapses.
    """

    source: Part
    target: Part
    port: str
    rule: Rule
    weight: Quantity | DistanceFunction
    delay: Quantity | DistanceFunction
    options: Options
    name: str
    index: int
    synapse: Synapse | None = None
    plastic: bool = True
    reward: Reward | None = None
    normalise: Normalise | None = None

    @property
    def is_plastic(self) -> bool:
        """Whether spikes change anything in its synapses."""
        return self.synapse is not None and self.plastic and not self.synapse.is_static

    @property
    def weight_dimension(self) -> Dimension | None:
        """The dimension of the weights as the port's row wants it; None if no unit was ever given."""
        return self.target.model.dimensions.get(f"w_i:{self.port}") if isinstance(self.target.model, Neuron) else None

    def synapses(self, seed: int) -> Synapses:
        """Return the synapses that a run with this seed has, sorted by (pre, post).

        Parameters
        ----------
        seed : int
            ``run.seed``, or what `simulate` will be given.

        Examples
        --------
        >>> from rheobase.model.zoo import LIF
        >>> from rheobase.network.network import Network
        >>> net = Network()
        >>> E = net.add("E", 50, LIF())
        >>> s = net.connect(E, E, indegree=4, weight="0.5 mV", delay="1 ms").synapses(seed=1)
        >>> len(s), s.weight
        (200, 0.5)
        """
        from rheobase.network.connect import build

        return build(self, derive_key(seed, "projection", self.index))

    def __repr__(self) -> str:
        return f"<{self.name}: {self.rule}>"


def read_projection(
    source: Part,
    target: Part,
    to: str | None,
    rules: Mapping[str, Any],
    *,
    weight: Any,
    delay: Any,
    self_connections: bool,
    multapses: bool | None,
    periodic: Any,
    reach: Any,
    name: str | None,
    index: int,
    synapse: Any = None,
    plastic: Any = True,
    reward: Any = None,
    normalise: Any = None,
) -> Projection:
    """Return the projection that the arguments of `Network.connect` describe.

    Raises
    ------
    InputError
        For an unknown port, no rule or several, numbers out of range, NaN, or a delay that is not positive.
    UnitMismatch
        If weight or delay is in another unit.
    """
    what = f"connect {source} to {target}"
    if not isinstance(self_connections, bool | np.bool_):
        raise InputError(f"{what}: self_connections = {self_connections!r:.40} must be True or False")
    model, port = _read_port(target, to, what)
    size = (len(source), len(target))
    given, entries = dict(rules), None
    if given.get("matrix") is not None:
        given["matrix"], entries = read_matrix(given["matrix"], size, what)
    rule = read_rule(given, size, multapses, reach, what)
    strength = _one_each(_choose_weight(weight, entries, model, port, what), rule, size)
    weights = read_weight(strength, model.dimensions.get(f"w_i:{port}"), what)
    if delay is None:
        raise InputError(f"{what}: how late? give delay=, for example delay='1.5 ms'")
    delays = read_delay(_one_each(delay, rule, size), what)
    _check_length(weights, rule, size, f"{what}: weight")
    _check_length(delays, rule, size, f"{what}: delay")
    options = Options(bool(self_connections), _read_extent(periodic, source, what))
    called = _read_name(name, source, target, port)
    rows = read_synapse(synapse, plastic, model, port, what)
    if rows is not None:
        for key, q in {**rows.parameters, **rows.initial}.items():
            _check_length(q, rule, size, f"{what}: {key} of {rows.name}")
    rewards = read_reward(reward, rows, source, what)
    sums = read_normalise(normalise, rows, target, model.dimensions.get(f"w_i:{port}"), what)
    projection = Projection(
        source, target, port, rule, weights, delays, options, called, index, rows, bool(plastic), rewards, sums
    )
    _check_distances(projection, what)
    _check_enough(projection, what)
    return projection


#: The number that a rule can be given anew by its keyword.
_NUMBERS: Final = {Probability: "p", InDegree: "indegree", OutDegree: "outdegree", Total: "total"}


def change_projection(projection: Projection, name: str, value: Any) -> Projection:
    """Return a projection with another weight, delay, number of its rule, or value of its synapse.

    Raises
    ------
    InputError
        If it has no such value, or cannot have this one.
    UnitMismatch
        If it is in another unit.
    """
    p, rule = projection, projection.rule
    size, what = (len(p.source), len(p.target)), f"connect {p.source} to {p.target}"
    number = _NUMBERS.get(type(rule))
    synapse = p.synapse
    inside = () if synapse is None else (*synapse.parameters, *(s for s in synapse.states if s != "w"))
    if name in ("weight", "delay"):
        each = _one_each(value, rule, size)
        read = read_weight(each, p.weight_dimension, what) if name == "weight" else read_delay(each, what)
        _check_length(read, rule, size, f"{what}: {name}")
        p = replace(p, weight=read) if name == "weight" else replace(p, delay=read)
        _check_distances(p, what)
    elif name == number:
        again = getattr(rule, "multapses", None)
        p = replace(p, rule=read_rule({name: value}, size, again, None, what))
        _check_enough(p, what)
    elif synapse is not None and name in inside:
        try:
            rows = synapse.replace(**{name: value})
        except UnitMismatch as error:
            raise UnitMismatch(f"{what}: {error}") from None
        except InputError as error:
            raise InputError(f"{what}: {error}") from None
        p = replace(p, synapse=read_synapse(rows, p.plastic, *_read_port(p.target, p.port, what), what))
        _check_length(({**rows.parameters, **rows.initial})[name], rule, size, f"{what}: {name} of {rows.name}")
    else:
        known = ["weight", "delay", *([number] if number else []), *inside]
        raise InputError(
            f"the projection {p.name} has no '{name!s:.60}'.{nearest(str(name), known)} It has: {', '.join(known)}"
        )
    return p


def _read_port(target: Part, to: str | None, what: str) -> tuple[Neuron, str]:
    if not isinstance(target.model, Neuron):
        raise InputError(f"{what}: {target} is a source of spikes; nothing can arrive there")
    ports = target.model.ports
    if not ports:
        raise InputError(f"{what}: {target.model.name} has no port; give it a row such as receive='v <- v + w_i'")
    if to is None:
        if len(ports) > 1:
            raise InputError(
                f"{what}: {target.model.name} has the ports {', '.join(ports)}; choose one by to='{ports[0]}'"
            )
        return target.model, ports[0]
    if to not in ports:
        raise InputError(
            f"{what}: to = {to!r:.60} is no port of {target.model.name}.{nearest(str(to), ports)}"
            f" Ports: {', '.join(ports)}"
        )
    return target.model, to


def _choose_weight(weight: Any, entries: Quantity | None, model: Neuron, port: str, what: str) -> Any:
    """Return the weight, the matrix entries in its place, or 1 for a port whose row has no weight."""
    rows = model.rows
    used = any("w_i" in j.right.names for j in rows.receive[port])  # w_i stands in no derived quantity
    if weight is not None and not used:
        raise InputError(f"{what}: the row at port {port} has no w_i, so weight= has no meaning; leave it out")
    if weight is not None or not used:
        return 1.0 if weight is None else weight
    if entries is None:
        unit = model.dimensions.get(f"w_i:{port}")
        example = "0.5" if unit is None or unit == DIMENSIONLESS else f"'0.5 {unit.unit}'"
        raise InputError(f"{what}: how strong? give weight=, for example weight={example}")
    return entries


def _one_each(given: Any, rule: Rule, size: tuple[int, int]) -> Any:
    """Return a table of values for all pairs as one value a synapse."""
    plain = not isinstance(given, str | Quantity) and not callable(given)
    return np.ravel(given) if plain and isinstance(rule, AllToAll) and np.shape(given) == size else given


def _check_length(q: Quantity | DistanceFunction, rule: Rule, size: tuple[int, int], what: str) -> None:
    if not isinstance(q, Quantity) or not q.shape:
        return
    match rule:
        case OneToOne():
            count = size[0]
        case AllToAll():
            count = size[0] * size[1]
        case Pairs():
            count = len(rule.pre)
        case _:
            raise InputError(
                f"{what} is an array, but the synapses are drawn at random ({rule}); give a"
                " constant, a distribution or (of weight and delay) a function of distance"
            )
    if q.shape != (count,):
        raise InputError(f"{what} has {q.shape[0]} values, but there are {count} synapses; give one each")


def _read_extent(given: Any, source: Part, what: str) -> tuple[float, ...] | None:
    if given is None:
        return None
    dimensions = 1 if source.places is None else source.places.shape[1]
    several = isinstance(given, list | tuple | np.ndarray) and np.ndim(given) == 1
    parts = list(given) if several else [given] * dimensions
    extent = tuple(to_number(x, "um", f"{what}: periodic") for x in parts)
    if source.places is None:
        raise InputError(f"{what}: periodic= asks for positions; give them by net.add(..., positions=)")
    if len(extent) != dimensions:
        raise InputError(f"{what}: periodic has {len(extent)} numbers, but positions have {dimensions}")
    if not all(0 < x < float("inf") for x in extent):
        raise InputError(f"{what}: periodic = {given!r:.60} must be positive; it is the extent of space")
    return extent


def _check_distances(projection: Projection, what: str) -> None:
    wants = [k for k, v in (("weight", projection.weight), ("delay", projection.delay)) if callable(v)]
    if isinstance(projection.rule, Distance):
        wants.append("distance")
    if not wants:
        if projection.options.periodic is not None:
            raise InputError(f"{what}: periodic= is given, but nothing here is a function of distance; leave it out")
        return
    places = [part.places for part in (projection.source, projection.target)]
    for part, place in zip((projection.source, projection.target), places, strict=True):
        if place is None:
            raise InputError(
                f"{what}: {wants[0]} is a function of distance, but {part.name} has no"
                f" positions; give them by net.add('{part.name}', ..., positions=)"
            )
    a, b = (p.shape[1] for p in places if p is not None)
    if a != b:
        raise InputError(f"{what}: the positions have {a} and {b} dimensions; distances need the same number")


def _check_enough(projection: Projection, what: str) -> None:
    """Refuse more synapses than there are pairs to draw from."""
    rule, source, target = projection.rule, projection.source, projection.target
    without_self = not projection.options.self_connections and source.name == target.name
    loops = len(np.intersect1d(source.indices, target.indices)) if without_self else 0
    match rule:
        case InDegree() | OutDegree():
            wanted, most = rule.k, len(source if isinstance(rule, InDegree) else target) - (loops > 0)
            kind = "indegree" if isinstance(rule, InDegree) else "outdegree"
        case Total():
            kind, wanted, most = "total", rule.count, len(source) * len(target) - loops
        case _:
            return
    if wanted > 0 and most == 0:
        raise InputError(f"{what}: {kind} = {wanted}, but without self-connections there is none to draw from")
    if wanted > most and not rule.multapses:
        raise InputError(
            f"{what}: {kind} = {wanted}, but there are only {most} to draw from; say multapses=True or take fewer"
        )


def _read_name(name: str | None, source: Part, target: Part, port: str) -> str:
    if name is None:
        single = isinstance(target.model, Neuron) and len(target.model.ports) == 1
        return f"{source} to {target}" + ("" if single else f" ({port})")
    if not isinstance(name, str) or not name.strip() or len(name) > 100:
        raise InputError(f"name = {name!r:.60} must be a text of 1 to 100 characters")
    return name
