"""Network: populations and the projections between them, as a description that runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypedDict, Unpack, final, overload

from rheobase.errors import InputError, nearest
from rheobase.model.markov import MarkovNeuron
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.model.synapse import Synapse
from rheobase.network.part import Part
from rheobase.network.projection import Options, Projection, read_projection
from rheobase.network.sources import SpikeSource
from rheobase.network.stimulus import Stimulus
from rheobase.network.values import check_source, read_count, read_places, read_values

__all__ = ["Network", "Options", "Part", "Projection"]

_MOST: Final = 2**31 - 1  # synapses hold the numbers of neurons in 32 bits


class _How(TypedDict, total=False):
    """The keywords of `connect`, for type checkers."""

    p: Any
    indegree: Any
    outdegree: Any
    total: Any
    one_to_one: bool
    all_to_all: bool
    pairs: Any
    matrix: Any
    where: Any
    distance: Any
    weight: Any
    delay: Any
    self_connections: bool
    multapses: bool | None
    periodic: Any
    reach: Any
    name: str | None
    synapse: Synapse | None
    plastic: bool
    reward: Any
    normalise: Any


@final
@dataclass(eq=False, repr=False)
class Network:
    """Populations of neurons and the projections that join them; it grows by `add` and `connect`.

    Examples
    --------
    >>> from rheobase.model.distribution import uniform
    >>> from rheobase.model.zoo import CUBA
    >>> net = Network()
    >>> E = net.add("E", 3200, CUBA(), v=uniform("-60 mV", "-50 mV"))
    >>> I = net.add("I", 800, CUBA(), v=uniform("-60 mV", "-50 mV"))
    >>> _ = net.connect(E, [E, I], to="exc", p=0.02, weight="1.62 mV", delay="0.1 ms")
    >>> _ = net.connect(I, [E, I], to="inh", p=0.02, weight="-9 mV", delay="0.1 ms")
    >>> net
    <Network: populations E (3200), I (800); 4 projections>
    """

    _parts: dict[str, Part] = field(default_factory=dict, init=False)
    _projections: list[Projection] = field(default_factory=list, init=False)

    @property
    def populations(self) -> Mapping[str, Part]:
        """The whole populations by name, in the order they were added."""
        return MappingProxyType(self._parts)

    @property
    def projections(self) -> tuple[Projection, ...]:
        """The projections in the order they were made."""
        return tuple(self._projections)

    def __getitem__(self, name: str) -> Part:
        if name not in self._parts:
            has = f"It has: {', '.join(self._parts)}" if self._parts else "It is empty; add populations by net.add(...)"
            raise InputError(
                f"there is no population '{name!s:.60}' in this network.{nearest(str(name), self._parts)} {has}"
            )
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __repr__(self) -> str:
        sizes = ", ".join(f"{p.name} ({p.n})" for p in self._parts.values())
        return f"<Network: populations {sizes or 'none'}; {len(self._projections)} projections>"

    def describe(self) -> str:
        """Return the network as the tables of Nordlie, Gewaltig & Plesser (2009), as text."""
        from rheobase.network.describe import write_tables

        return write_tables(self)

    def replace(self, values: Mapping[str, Any]) -> Network:
        """Return another network, with some values changed; this one stays as it is.

        Parameters
        ----------
        values : mapping
            Names and values as `add` and `connect` take them: ``"E.tau"`` is a parameter, an initial value, an input
            or the spikes at a port of population E, ``"drive.rate"`` the rate of a Poisson source; ``"E to I.weight"``
            and ``.delay`` are those of the projections of that name, ``.p``, ``.indegree``, ``.outdegree``, ``.total``
            the number of their rule, and ``"E to I.A_plus"`` a value of their synapse.

        Raises
        ------
        InputError
            If a name is unknown, or a value cannot be used.
        UnitMismatch
            If a value has another unit than the rows ask for.

        Examples
        --------
        >>> from rheobase.model.zoo import LIF
        >>> net = Network()
        >>> E = net.add("E", 50, LIF(), I="0.3 nA")
        >>> _ = net.connect(E, E, indegree=4, weight="0.5 mV", delay="1 ms", name="EE")
        >>> other = net.replace({"E.tau": "10 ms", "EE.weight": "1 mV", "EE.indegree": 2})
        >>> other.projections[0], str(other.projections[0].weight)
        (<EE: random, fixed in-degree 2, multapses>, '1 mV')
        """
        from rheobase.network.change import change

        return change(self, values)

    def add(self, name: str, n: int, model: Neuron | SpikeSource, positions: Any = None, **values: Any) -> Part:
        """Return the handle of a new population of `n` neurons.

        Parameters
        ----------
        name : str
            Another one for each population.
        n : int
            How many.
        model : Neuron or SpikeSource
            A source, such as ``rb.poisson("8 Hz")``, makes n independent ones; the weights of its spikes are
            given by `connect`.
        positions : array (n,), (n, 2) or (n, 3), optional
            Where the neurons are, in um (or any unit of yours), for rules and values that ask for distances.
        **values
            As `simulate` takes them: inputs, parameters, initial values, spikes at ports. Numbers, arrays
            with one value a neuron, distributions, stimuli.

        Raises
        ------
        InputError
            If the name is taken, n < 1, a name is unknown or missing, or an array has another length.
        UnitMismatch
            If a value has another unit than the rows ask for.

        Examples
        --------
        >>> from rheobase.model.zoo import LIF
        >>> E = Network().add("E", 100, LIF(), I="0.3 nA")
        >>> len(E), len(E[:10]), E[[1, 5]].indices
        (100, 10, array([1, 5]))
        """
        if not isinstance(name, str) or not name.strip() or len(name) > 100:
            raise InputError(f"name = {name!r:.60} must be a text of 1 to 100 characters, such as 'E'")
        if name in self._parts:
            raise InputError(f"there is a population '{name}' already; give another name")
        count = read_count(n, f"{name}: n", 1)
        if count > _MOST:
            raise InputError(f"{name}: n = {count} is more than {_MOST}, the most that a population can have")
        read: Mapping[str, Quantity | Stimulus | SpikeSource] = {}
        if isinstance(model, SpikeSource):
            check_source(model, values, count, name)
        elif isinstance(model, Neuron):
            read = read_values(model, values, count, name)
        elif isinstance(model, MarkovNeuron):
            raise InputError(f"{name}: a Markov chain neuron cannot be part of a network; run it alone by rb.simulate")
        else:
            called = f"; write {model.__name__}()" if callable(model) and hasattr(model, "__name__") else ""
            raise InputError(
                f"{name}: model = {model!r:.60} is no Neuron and no source of spikes such as rb.poisson('8 Hz'){called}"
            )
        places = read_places(positions, count, name)
        self._parts[name] = Part(self, name, count, model, MappingProxyType(dict(read)), range(count), places)
        return self._parts[name]

    @overload
    def connect(
        self, source: Part | str, target: Part | str, to: str | None = None, **how: Unpack[_How]
    ) -> Projection: ...
    @overload
    def connect(
        self,
        source: Part | str,
        target: list[Part | str] | list[Part] | tuple[Part | str, ...],
        to: str | None = None,
        **how: Unpack[_How],
    ) -> list[Projection]: ...
    def connect(
        self,
        source: Part | str,
        target: Part | str | list[Part | str] | list[Part] | tuple[Part | str, ...],
        to: str | None = None,
        *,
        p: Any = None,
        indegree: Any = None,
        outdegree: Any = None,
        total: Any = None,
        one_to_one: bool = False,
        all_to_all: bool = False,
        pairs: Any = None,
        matrix: Any = None,
        where: Any = None,
        distance: Any = None,
        weight: Any = None,
        delay: Any = None,
        self_connections: bool = True,
        multapses: bool | None = None,
        periodic: Any = None,
        reach: Any = None,
        name: str | None = None,
        synapse: Synapse | None = None,
        plastic: bool = True,
        reward: Any = None,
        normalise: Any = None,
    ) -> Projection | list[Projection]:
        """Return the projection from a source to a target, or a list of them for a list of targets.

        Parameters
        ----------
        source, target : Part or str
            What `add` returned, a slice of it, or a population's name.
        to : str, optional
            The port of the target's `receive` row; not needed if there is only one.
        p : float
            Rule: each pair, independently, with this probability.
        indegree, outdegree : int
            Rule: so many synapses for each target (each source), their other ends drawn at random.
        total : int
            Rule: so many synapses in all.
        one_to_one, all_to_all : bool
            Rule: neuron i to neuron i; every pair.
        pairs : (i, j)
            Rule: synapse m from i[m] to j[m], two arrays of numbers within the source and the target.
        matrix : array or scipy.sparse matrix (n_source, n_target)
            Rule: a synapse for every entry (of a dense one: every entry but 0); the entries are the weights
            if `weight` is not given.
        where : function
            Rule: of arrays (i, j), numbers within source and target; returns True or False, or a probability.
        distance : function
            Rule: from distances to probabilities; needs positions.
        weight : number, str, array, distribution or function
            In the unit of the port's row. Arrays, one value a synapse, go with one_to_one, all_to_all, pairs
            and matrix. A function takes distances.
        delay : number, str, array, distribution or function
            In ms; the same forms. A distribution is redrawn outside its low= and high=.
        self_connections : bool
            False: no neuron is joined to itself.
        multapses : bool, optional
            Whether indegree, outdegree and total may join a pair more than once (default True, as in NEST).
        periodic : number or one a dimension, optional
            Space closes on itself at this extent; distances are the shortest ways around.
        reach : number, optional
            For distance=: no pair further apart is joined. With it the time grows with the number of pairs
            within reach, not of all pairs.
        name : str, optional
            For tables and results.
        synapse : Synapse, optional
            Rows that change the synapses, such as ``rb.stdp(w_max="2 mV")``; ``run.weights(projection)`` returns the
            weights at the end. Run by `Clock`.
        plastic : bool
            False: the rows of `synapse` are not in force; each spike delivers the weight as given.
        reward : (times, amounts) or Part, optional
            For a synapse with an on_reward row: when (in ms, or a text with unit) and how much; or a population, each
            of whose spikes is a reward of 1 after the shortest delay of the projection.
        normalise : (total, every), optional
            Of plastic synapses: at t = 0 and then every so many ms (or a text with unit), after all that happens there,
            the weights onto each target neuron are multiplied by one number, so that their sizes sum to `total`, a
            number in the unit of the weight, or one for each target neuron.

        Raises
        ------
        InputError
            For an unknown port, no rule or several, numbers out of range, NaN, or a delay that is not
            positive.
        UnitMismatch
            If weight or delay is in another unit.

        Examples
        --------
        >>> from rheobase.model.zoo import LIF
        >>> net = Network()
        >>> E = net.add("E", 100, LIF(), I="0.3 nA")
        >>> net.connect(E[:80], E, indegree=10, weight="0.5 mV", delay="1.5 ms", self_connections=False)
        <E[0:80] to E: random, fixed in-degree 10, multapses>
        """
        rules = {
            "p": p,
            "indegree": indegree,
            "outdegree": outdegree,
            "total": total,
            "one_to_one": one_to_one,
            "all_to_all": all_to_all,
            "pairs": pairs,
            "matrix": matrix,
            "where": where,
            "distance": distance,
        }
        begin = self._part(source, "source")
        several = isinstance(target, list | tuple)
        ends = [self._part(t, "target") for t in (target if isinstance(target, list | tuple) else [target])]
        if not ends:
            raise InputError(f"connect {begin}: the list of targets is empty")
        made = [  # all are read before one is kept: an error leaves the network as it was
            read_projection(
                begin,
                end,
                to,
                rules,
                weight=weight,
                delay=delay,
                self_connections=self_connections,
                multapses=multapses,
                periodic=periodic,
                reach=reach,
                name=name,
                index=len(self._projections) + i,
                synapse=synapse,
                plastic=plastic,
                reward=reward,
                normalise=normalise,
            )
            for i, end in enumerate(ends)
        ]
        self._projections.extend(made)
        return made if several else made[0]

    def _part(self, given: Any, what: str) -> Part:
        if isinstance(given, str):
            return self[given]
        if not isinstance(given, Part):
            raise InputError(
                f"connect: {what} = {given!r:.60} is no population; give what net.add(...) returned, or its name"
            )
        if given.network is not self:
            raise InputError(f"connect: {given} belongs to another network; add it to this one")
        return given
