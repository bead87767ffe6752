"""From a rule to synapses: who is joined to whom, how strongly, how late.

Every draw comes from a stream that depends on the key alone, so the same key gives the same synapses. The
time grows with the number of synapses, except for `where` and `distance` without reach, which ask all pairs.
Where the rule allows it, sources are taken 1024 at a time, each block with a stream of its own, so that the synapses
of many neurons can be made a part at a time and by several threads.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.quantity import Quantity
from rheobase.network.distance import Found, ask_all, ask_near, ask_pairs, values_of_distance
from rheobase.network.network import Part, Projection
from rheobase.network.pairs import draw_total, fixed_degree, skip, sort_pairs, split, unsigned
from rheobase.network.rule import (
    AllToAll,
    Distance,
    InDegree,
    OneToOne,
    OutDegree,
    Pairs,
    Probability,
    Total,
    Where,
)
from rheobase.network.values import DistanceFunction, read_delay, read_weight
from rheobase.random import Fill, Numbers, derive_key

__all__ = ["SOURCES", "Rows", "Synapses", "build", "expect_synapses", "is_built_in_pieces"]

SOURCES: Final = 1024  # sources that share a stream of random numbers
_MOST: Final = 1 << 53  # pairs that a float can count


@final
@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses sorted by (pre, post); several of one pair keep the order they were given in.

    Attributes
    ----------
    pre, post : int32 arrays (n_synapses,)
        Numbers of neurons in the whole populations.
    weight : float or float64 array (n_synapses,)
        A float if all share it, in the coherent unit.
    delay : float or float64 array (n_synapses,)
        In ms.
    values : mapping of str to float64 array (n_synapses,)
        Of plastic synapses: those of their parameters and initial values in which they differ.
    """

    pre: np.ndarray
    post: np.ndarray
    weight: float | np.ndarray
    delay: float | np.ndarray
    values: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pre)


def build(projection: Projection, key: int, fill: Fill | None = None) -> Synapses:
    """Return the synapses of a projection, the same ones for the same 64-bit key.

    `fill` draws Gaussian numbers, the same bits in less time (see `rheobase.random.Numbers`).

    Raises
    ------
    InputError
        If a function of the user's returns no probability, NaN, or a delay that is not positive.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> from rheobase.network.network import Network
    >>> net = Network()
    >>> E = net.add("E", 3, LIF(), I=0)
    >>> s = build(net.connect(E, E, all_to_all=True, self_connections=False, weight=0.5, delay=1), key=1)
    >>> s.pre, s.post, s.weight
    (array([0, 0, 1, 1, 2, 2], dtype=int32), array([1, 2, 0, 2, 0, 1], dtype=int32), 0.5)
    """
    pieces = _split(projection, key)
    if len(pieces) == 1:
        return _build_one(*pieces[0], fill)
    found = [_build_one(*piece, fill) for piece in pieces]

    def whole(values: list[Any]) -> Any:
        return values[0] if np.ndim(values[0]) == 0 else np.concatenate(values)

    pre, post = (np.concatenate([getattr(s, x) for s in found]) for x in ("pre", "post"))
    weight, delay = whole([s.weight for s in found]), whole([s.delay for s in found])
    values = {name: whole([s.values[name] for s in found]) for name in found[0].values}
    if not _is_rising(projection.source):
        order = np.argsort(pre, kind="stable")
        pre, post = pre[order], post[order]
        weight, delay = (x if np.ndim(x) == 0 else x[order] for x in (weight, delay))
        values = {name: x[order] for name, x in values.items()}
    return Synapses(pre, post, weight, delay, values)


@final
class Rows:
    """The synapses of a projection, some sources at a time: `take` may be called from several threads."""

    def __init__(self, projection: Projection, key: int, fill: Fill | None = None) -> None:
        self.projection = projection
        self.key, self._fill = key, fill
        self._pieces = _split(projection, key) if projection.source.is_whole else []
        self._lock = threading.Lock()
        self._whole: Synapses | None = None
        self._left = projection.source.n

    def relabel(self, weight: float) -> Rows:
        """Return the same synapses, all with this weight."""
        return Rows(dataclasses.replace(self.projection, weight=Quantity(weight)), self.key, self._fill)

    def take(self, lo: int, hi: int) -> Synapses:
        """Return the synapses of neurons lo..hi-1 of the source population, lo a multiple of `SOURCES`; each once."""
        if len(self._pieces) > 1:
            return _build_one(*self._pieces[lo // SOURCES], self._fill)
        with self._lock:
            whole = self._whole = build(self.projection, self.key, self._fill) if self._whole is None else self._whole
            self._left -= hi - lo
            if self._left <= 0:
                self._whole = None
        a, b = np.searchsorted(whole.pre, [lo, hi])

        def part(x: Any) -> Any:
            return x if np.ndim(x) == 0 else x[a:b]

        return Synapses(whole.pre[a:b], whole.post[a:b], part(whole.weight), part(whole.delay))


def expect_synapses(projection: Projection) -> float:
    """Return about how many synapses a projection has; for functions of pairs or of distance an upper bound.

    >>> from rheobase.model.zoo import LIF
    >>> from rheobase.network.network import Network
    >>> net = Network()
    >>> E = net.add("E", 100, LIF(), I=0)
    >>> expect_synapses(net.connect(E, E, p=0.1, weight=0.5, delay=1))
    1000.0
    """
    n, m = len(projection.source), len(projection.target)
    match projection.rule:
        case Probability(p):
            return p * n * m
        case InDegree(k):
            return float(k * m)
        case OutDegree(k):
            return float(k * n)
        case Total(count):
            return float(count)
        case OneToOne():
            return float(n)
        case Pairs(pre, _):
            return float(len(pre))
    return float(n * m)


def is_built_in_pieces(projection: Projection) -> bool:
    """Return whether the synapses of some sources can be drawn without those of the others."""
    rule = projection.rule
    return isinstance(rule, Probability | OutDegree) or (isinstance(rule, Total) and rule.multapses)


def _split(projection: Projection, key: int) -> list[tuple[Projection, int]]:
    """Return a projection as several, of `SOURCES` sources each, with their keys; in one piece if it must be."""
    source, rule = projection.source, projection.rule
    if len(source) <= SOURCES or not is_built_in_pieces(projection):
        return [(projection, key)]
    parts = [source[lo : lo + SOURCES] for lo in range(0, len(source), SOURCES)]
    rules = [rule] * len(parts)
    if isinstance(rule, Total):
        loops = not projection.options.self_connections and source.name == projection.target.name
        pairs = np.array([len(p) * len(projection.target) for p in parts], dtype=float)
        pairs -= [len(_own_pairs(p, projection.target)) if loops else 0 for p in parts]
        rng = np.random.Generator(np.random.Philox(key=derive_key(key, "counts")))
        counts = rng.multinomial(rule.count, pairs / pairs.sum())
        rules = [dataclasses.replace(rule, count=int(c)) for c in counts]
    return [
        (dataclasses.replace(projection, source=part, rule=r), derive_key(key, "block", c))
        for c, (part, r) in enumerate(zip(parts, rules, strict=True))
    ]


def _build_one(projection: Projection, key: int, fill: Fill | None) -> Synapses:
    """Return the synapses of a projection, drawn in one go."""
    source, target = projection.source, projection.target
    what = f"connect {source} to {target}"
    if len(source) * len(target) > _MOST:
        raise InputError(f"{what}: {len(source)} x {len(target)} pairs are more than can be counted")
    pre, post, given = _join(projection, key, what)
    pre, post = _number(source, pre), _number(target, post)
    if isinstance(projection.rule, Pairs) or not (_is_rising(source) and _is_rising(target)):
        flat = pre.astype(np.int64) * target.n + post
        if np.any(flat[1:] < flat[:-1]):
            order = np.argsort(flat, kind="stable")
            pre, post = pre[order], post[order]
            given = None if given is None else given[order]

    def draw(value: Quantity | DistanceFunction, use: str, read: Callable[[Any], Any]) -> float | np.ndarray:
        if not isinstance(value, Quantity):
            return values_of_distance(projection, value, pre, post, read)
        drawn = value.draw(len(pre), Numbers(derive_key(key, use), fill))
        return drawn[given] if value.shape else drawn  # type: ignore[index]

    weight = draw(projection.weight, "weight", lambda w: read_weight(w, projection.weight_dimension, what))
    delay = draw(projection.delay, "delay", lambda d: read_delay(d, what))
    own: dict[str, np.ndarray] = {}
    if projection.synapse is not None and projection.is_plastic:
        for name, q in {**projection.synapse.parameters, **projection.synapse.initial}.items():
            if q.varies:
                own[name] = np.asarray(draw(q, f"synapse {name}", lambda x: x))
    return Synapses(pre, post, weight, delay, own)


def _join(projection: Projection, key: int, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return (pre, post, which): numbers within the parts, and which of the given values each synapse has."""
    source, target, rule = projection.source, projection.target, projection.rule
    rng = np.random.Generator(np.random.Philox(key=derive_key(key, "pairs")))
    n_pre, n_post = len(source), len(target)
    loops = not projection.options.self_connections and source.name == target.name
    match rule:
        case InDegree():
            own = _place_in(source, target) if loops else None
            posts, pres = fixed_degree(rng, n_post, n_pre, rule.k, own, rule.multapses)
            return *sort_pairs(pres, posts, n_pre, n_post), None
        case OutDegree():
            own = _place_in(target, source) if loops else None
            pres, posts = fixed_degree(rng, n_pre, n_post, rule.k, own, rule.multapses)
            return *sort_pairs(pres, posts, n_pre, n_post), None
        case Total():
            own = _own_pairs(source, target) if loops else np.empty(0, dtype=np.int64)
            return *split(draw_total(rng, n_pre * n_post, rule.count, own, rule.multapses), n_post), None
        case Probability():
            pre, post = split(skip(rng, rule.p, n_pre * n_post), n_post)
            which = None
        case AllToAll():
            pre, post = split(np.arange(n_pre * n_post, dtype=unsigned(n_pre * n_post)), n_post)
            which = np.arange(n_pre * n_post)
        case OneToOne():
            pre = post = which = np.arange(n_pre)
        case Pairs():
            pre, post, which = rule.pre, rule.post, np.arange(len(rule.pre))
        case Where():
            pre, post = _collect(ask_pairs(rule.function, rng, n_pre, n_post, what))
            which = None
        case Distance():
            ask = ask_all if rule.reach is None else ask_near
            pre, post = _collect(ask(projection, rule, rng, what))
            which = None
    if loops:
        keep = _number(source, pre) != _number(target, post)
        pre, post, which = pre[keep], post[keep], None if which is None else which[keep]
    return pre, post, which


def _number(part: Part, local: np.ndarray) -> np.ndarray:
    """Return the numbers in the whole population, int32."""
    if part.is_whole:
        return local.astype(np.int32, copy=False)
    if isinstance(part.chosen, range):
        found = local.astype(np.int32)
        found *= np.int32(part.chosen.step)
        found += np.int32(part.chosen.start)
        return found
    return part.indices.astype(np.int32)[local]


def _is_rising(part: Part) -> bool:
    return part.chosen.step > 0 if isinstance(part.chosen, range) else bool(np.all(np.diff(part.chosen) > 0))


def _place_in(whole: Part, asking: Part) -> np.ndarray:
    """Return for each neuron of `asking` its place within `whole`, -1 if it is not there."""
    place = np.full(whole.n, -1, dtype=np.int64)
    place[whole.indices] = np.arange(len(whole))
    return place[asking.indices]


def _own_pairs(source: Part, target: Part) -> np.ndarray:
    """Return the sorted numbers of the pairs that join a neuron to itself."""
    place = _place_in(source, target)
    has = np.flatnonzero(place >= 0)
    return np.sort(place[has] * len(target) + has)


def _collect(parts: Found) -> tuple[np.ndarray, np.ndarray]:
    pre, post = zip(*parts, strict=True)
    return np.concatenate(pre).astype(np.int32), np.concatenate(post).astype(np.int32)
