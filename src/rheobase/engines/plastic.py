"""Plastic synapses as the network's loop holds them: each with its states, found from its source and from its target.

Every part of a group holds all synapses onto its neurons, so that what happens at a synapse is computed by one thread,
in the order of its events. Where it lies depends on the number of parts, what becomes of it does not; the outside
(`weights`, snapshots) sees synapses in the order of `Projection.synapses`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, Final, final

import numpy as np

from rheobase.emit.synapse_loop import Plasticity, Rule
from rheobase.engines.checkpoint import ExactSnapshot, Snapshot
from rheobase.engines.mpi import World
from rheobase.engines.parts import Parts
from rheobase.engines.synapses import steps_of
from rheobase.errors import InputError
from rheobase.model.compute import compute
from rheobase.model.synapse import Synapse
from rheobase.network.connect import build
from rheobase.network.projection import Projection
from rheobase.random import derive_key

__all__ = ["Plastic", "make_plastic", "synapse_states"]

_BITS: Final = 31  # steps are counted in 32 bits
_NEVER: Final = 1 << 62
_SETS: Final = 20_000  # sets of matrices: a few seconds, some hundred megabytes


@final
class Plastic:
    """The synapses of a plastic projection.

    Parameters
    ----------
    projection : Projection
    plan : Plasticity
        Where it stands in the loop.
    rule : Rule
        Its printed rows.
    first : (int, int)
        The numbers of the source's and the target's first neuron in their groups.
    bounds : array (parts + 1,)
        Where the target's group is cut into parts.
    parts : Parts
        Which of these are this process's; it holds the synapses onto their neurons.
    """

    def __init__(
        self,
        projection: Projection,
        plan: Plasticity,
        rule: Rule,
        *,
        first: tuple[int, int],
        bounds: np.ndarray,
        parts: Parts,
        dt: float,
        seed: int,
    ) -> None:
        assert projection.synapse is not None
        self.projection, self.plan, self.rule, self.dt = projection, plan, rule, dt
        self.synapse: Synapse = projection.synapse
        made = build(projection, derive_key(seed, "projection", projection.index))
        self.whole = len(made)
        self.given: dict[str, Any] = {n: self.synapse.value(n) for n in self.synapse.parameters if n not in made.values}
        self.given |= made.values
        _check_drawn(self.synapse, made.values, projection.name)
        self.powers, self.number = _powers(self.synapse, self.given, dt, projection.name)
        step = np.broadcast_to(steps_of(made.delay, dt, projection), (self.whole,)).astype(np.int64)
        delays = np.unique(step)[::-1]
        weight = np.broadcast_to(made.weight, (self.whole,))
        self._check_bounds(weight)
        target, pre = made.post.astype(np.int64) + first[1], made.pre
        self.mine: np.ndarray | None = None  # the own ones' places in Projection.synapses, if they are not all
        if parts.ranks > 1:
            self.mine = np.flatnonzero((target >= bounds[parts.first]) & (target < bounds[parts.last]))
            step, target, pre, weight = step[self.mine], target[self.mine], pre[self.mine], weight[self.mine]
            self.number = self.number[self.mine] if len(self.number) else self.number
            self.given |= {n: x[self.mine] for n, x in made.values.items()}
        self.count, self.weight = len(target), weight
        column = np.searchsorted(-delays, -step)
        part = np.searchsorted(bounds, target, side="right") - 1
        n_pre, n_post, many = projection.source.n, projection.target.n, len(delays)
        cell = (part * n_pre + pre) * many + column
        narrow = np.int32 if self.count < 1 << 31 else np.int64
        self.order = np.lexsort((target, cell)).astype(narrow)  # place in the loop -> place in Projection.synapses
        self.arrays: dict[str, Any] = {"_due": delays, "_target": target[self.order].astype(np.int32)}
        self.arrays["_start"] = np.zeros((len(bounds) - 1) * n_pre * many + 1, dtype=np.int64)
        own = slice(parts.first * n_pre * many, parts.last * n_pre * many + 1)  # others' parts stay unwritten
        self.arrays["_start"][own] = np.searchsorted(cell[self.order], np.arange(own.start, own.stop))
        self.arrays |= {"_from": first[0], "_pres": n_pre, "_to": first[1], "_posts": n_post}
        self.longest_back = 0
        if plan.fires:
            post, late = target[self.order] - first[1], column[self.order] if plan.dendritic else 0
            back = 2 * delays if plan.dendritic else np.zeros(1, dtype=np.int64)
            self.longest_back = int(back.max(initial=0))
            where = post * len(back) + late
            onto = np.lexsort((self.order, where)).astype(narrow)
            self.arrays |= {
                "_back": back,
                "_onto": onto,
                "_of": np.searchsorted(where[onto], np.arange(n_post * len(back) + 1)),
            }
        self.held = self._begin(self.weight)
        self._plan_sums((target - first[1]).astype(np.int32))

    def again(self, projection: Projection) -> Plastic:
        """Return the same synapses as they begin, with another number as weight, or other numbers in their rows."""
        out = copy.copy(self)
        assert projection.synapse is not None
        out.projection, out.synapse = projection, projection.synapse
        weight = getattr(projection.weight, "value", None)
        if projection.weight is not self.projection.weight and isinstance(weight, float):
            out.weight = np.broadcast_to(weight, (self.count,))
        if not out.synapse.varying:
            out.given = {n: out.synapse.value(n) for n in out.synapse.parameters}
            out.powers, out.number = _powers(out.synapse, out.given, out.dt, projection.name)
        out._check_bounds(out.weight)
        out.held = out._begin(out.weight)
        out._plan_sums(self.post)
        return out

    def _begin(self, weight: np.ndarray) -> np.ndarray:
        """Return the numbers of each synapse, shape (n_synapses, n_columns); an event touches one or two lines."""
        out = np.zeros((self.count, len(self.rule.columns)))
        for i, name in enumerate(self.rule.columns):
            if name == "w":
                out[:, i] = weight[self.order]
            elif name in self.given:
                out[:, i] = np.broadcast_to(self.given[name], (self.count,))[self.order]
            elif name in self.synapse.states:
                out[:, i] = self.synapse.value(name)
            elif name == "_met":
                out[:, i] = -1.0
            elif name == "_set":
                out[:, i] = self.number[self.order]
        return out

    def _plan_sums(self, post: np.ndarray) -> None:
        """Note when the weights onto a neuron are next brought to their sum."""
        self.post, self.every, self.next = post, 0, _NEVER
        normalise = self.projection.normalise
        if normalise is not None:
            self.every, self.next = max(1, round(normalise.every / self.dt)), 0
            if abs(self.every * self.dt - normalise.every) > 1e-6 * self.dt:
                raise InputError(
                    f"projection {self.projection.name}: normalise every {normalise.every:g} ms is not a whole number"
                    f" of steps of {self.dt:g} ms; give a multiple of dt"
                )
            self.total = np.zeros(self.projection.target.n)
            self.total[self.projection.target.indices] = normalise.total

    def normalise(self, k: int) -> None:
        """Bring the weights onto each neuron to their sum, if that is due at step k.

        The sums are taken in the order of `Projection.synapses`, so that they do not depend on the number of parts.
        """
        if k < self.next:
            return
        w = self.rule.columns.index("w")
        size = np.empty(self.count)
        size[self.order] = np.abs(self.held[:, w])
        found = np.bincount(self.post, weights=size, minlength=len(self.total))
        factor = np.divide(self.total, found, out=np.ones_like(self.total), where=found > 0)
        self.held[:, w] *= factor[self.post[self.order]]
        self.next = (k // self.every + 1) * self.every

    def _check_bounds(self, weight: np.ndarray) -> None:
        """Refuse weights that the first event would move to a bound."""
        values = dict(self.given)
        for name, e in self.synapse.rows.derived:  # each uses earlier ones only
            values[name] = compute(e.tree, values)
        for b in self.synapse.rows.bounds:
            if b.state == "w" and len(weight):
                limit = np.broadcast_to(compute(b.right.tree, values), weight.shape)
                low = b.side == ">="
                bad = np.flatnonzero(weight < limit if low else weight > limit)
                if len(bad):
                    at = bad[np.argmax(np.abs(weight[bad] - limit[bad]))]
                    raise InputError(
                        f"projection {self.projection.name}: a weight of {weight[at]:g} is"
                        f" {'below' if low else 'above'} the bound w {b.side} {b.right.text} = {limit[at]:g} of"
                        f" {self.synapse.name}; change one of them"
                    )

    @property
    def shortest(self) -> int:
        """The shortest delay in steps."""
        return int(self.arrays["_due"].min(initial=1 << 20))

    @property
    def longest(self) -> int:
        """The longest delay in steps."""
        return int(self.arrays["_due"].max(initial=1))

    def room(self, bounds: np.ndarray) -> np.ndarray:
        """Return how many synapses each part has."""
        return np.diff(np.searchsorted(np.sort(self.arrays["_target"]), bounds))

    def rewards(self, k0: int, k1: int) -> np.ndarray:
        """Return the given rewards of steps k0+1..k1, those of one step summed."""
        out = np.zeros(k1 - k0)
        if self.projection.reward is not None:
            at = np.maximum(np.rint(self.projection.reward.times / self.dt).astype(np.int64), 1) - (k0 + 1)
            inside = (at >= 0) & (at < k1 - k0)
            np.add.at(out, at[inside], self.projection.reward.amounts[inside])
        return out

    def arguments(self, y: int) -> dict[str, Any]:
        """Return what the loop reads and writes, by name."""
        out = {f"y{y}{a}": x for a, x in {**self.arrays, "_at": self.held}.items()}
        out |= {f"y{y}p_{n}": self.given[n] for n in self.synapse.parameters if n not in self.rule.columns}
        return out | ({} if self.powers is None else {f"y{y}_powers": self.powers})

    def snapshot(self, world: World | None = None) -> dict[str, np.ndarray]:
        """Return all that changes, in the order of `Projection.synapses`; of several ranks, what all have."""
        back = np.empty_like(self.held)
        back[self.order] = self.held
        if world is not None:
            back, own = np.empty((self.whole, back.shape[1])), back
            for places, values in world.gather((self.mine, own)):
                back[places] = values
        return {f"synapse {self.projection.index} {name}": back[:, i] for i, name in enumerate(self.rule.columns)}

    def restore(self, arrays: Mapping[str, np.ndarray], k: int) -> None:
        """Put everything as it was at a snapshot's step k."""
        which = self.order if self.mine is None else self.mine[self.order]
        for i, name in enumerate(self.rule.columns):
            self.held[:, i] = arrays[f"synapse {self.projection.index} {name}"][which]
        self.next = (k // self.every + 1) * self.every if self.every else _NEVER

    def check_finite(self) -> None:
        """Refuse to go on with a state that has become infinite or NaN."""
        if np.all(np.isfinite(self.held)):
            return
        for i, name in enumerate(self.rule.columns):
            if name in self.synapse.states and not np.all(np.isfinite(self.held[:, i])):
                what = f"{self.projection.name}: the state {name} of a synapse is not finite any more"
                raise InputError(f"{what}; bound it by a line such as  {name} <= 1")


def _check_drawn(synapse: Synapse, values: Mapping[str, np.ndarray], what: str) -> None:
    """Refuse drawn values that are not finite; their bounds are those of the distribution."""
    for name, x in values.items():
        if not np.all(np.isfinite(x)):
            raise InputError(f"projection {what}: a value of {name} of {synapse.name} is not finite; bound it by high=")


def _powers(synapse: Synapse, values: Mapping[str, Any], dt: float, what: str) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the step matrix of the coupled states to the power 1, 2, 4, ..., and which one each synapse has.

    Their shape is (31, n, n + 1), or (n_sets, 31, n, n + 1) where a parameter that differs is in them; None if no
    states are coupled.
    """
    from rheobase.derive.synapse import coupled_states, driving, flow_matrix
    from rheobase.emit.synapse_rule import alike

    plain, none = alike(synapse), np.zeros(0)
    names = coupled_states(plain)
    if not names:
        return None, none
    from scipy.linalg import expm

    def steps(own: Mapping[str, float]) -> np.ndarray:
        a = flow_matrix(plain, names, own)
        with np.errstate(over="ignore", invalid="ignore"):  # more steps than any run has
            return np.stack([expm(a * (dt * 2.0**b))[:-1] for b in range(_BITS)])

    inside = driving(plain)
    differ = [n for n in inside if n in synapse.varying]
    if not differ:
        return np.ascontiguousarray(steps({n: values[n] for n in inside})), none
    sets, number = np.unique(np.stack([values[n] for n in differ], axis=1), axis=0, return_inverse=True)
    if len(sets) > _SETS:
        raise InputError(
            f"projection {what}: {', '.join(differ)} of {synapse.name} have {len(sets)} different values, and each"
            f" makes matrices of its own, for {', '.join(names)} drive each other; give {_SETS} at most"
        )
    rest = {n: values[n] for n in inside if n not in differ}
    made = [steps(rest | dict(zip(differ, map(float, own), strict=True))) for own in sets]
    return np.ascontiguousarray(np.stack(made)), number.ravel().astype(float)


def make_plastic(
    projections: list[Projection],
    place: Mapping[str, tuple[int, int]],
    bounds: list[np.ndarray],
    parts: Parts,
    dt: float,
    seed: int,
    share: Callable[..., Plastic] | None = None,
    world: World | None = None,
) -> tuple[list[Plastic], list[Rule]]:
    """Return the plastic projections as the loop holds them, and their rules.

    Parameters
    ----------
    place : mapping
        Population -> (its group, or -1 - s for a source; the number of its first neuron there).
    bounds : list of arrays
        For each group, where it is cut into parts.
    parts : Parts
    share : function, optional
        `rheobase.engines.shared.Shared.plastic`, which takes over what an earlier run has made.
    """
    if not projections:
        return [], []
    from rheobase.emit.synapse_rule import number_rules

    rules, which = number_rules([p.synapse for p in projections if p.synapse is not None])
    made = []
    for p, number in zip(projections, which, strict=True):
        assert p.synapse is not None
        (source, lo), (target, to) = place[p.source.name], place[p.target.name]
        rows = p.synapse.rows.receive
        critic = place[p.reward.critic.name][0] if p.reward is not None and p.reward.critic is not None else None
        plan = Plasticity(
            number,
            target,
            p.port,
            source,
            bool(rows["on_post"]),
            p.synapse.delay == "dendritic",
            bool(rows["on_reward"]),
            critic,
        )
        how: dict[str, Any] = {"first": (lo, to), "bounds": bounds[target], "parts": parts, "dt": dt, "seed": seed}
        make = partial(Plastic, p, plan, rules[number], **how)
        with nullcontext() if world is None else world.together():
            about = (plan, rules[number], lo, to, dt, seed, bounds[target].tobytes())
            plastic = make() if share is None else share(p, make, *about)
        if p.reward is not None and p.reward.critic is not None:
            part = p.reward.critic
            plastic.arrays = plastic.arrays | {
                "_critic": place[part.name][1],
                "_critics": part.n,
                "_late": plastic.shortest,
            }
        made.append(plastic)
    return made, rules


def synapse_states(
    projection: Projection, snapshot: Snapshot | ExactSnapshot | None, seed: int
) -> dict[str, np.ndarray]:
    """Return the states of a projection's synapses at a snapshot, in the order of `Projection.synapses`.

    Where nothing is plastic it is the weight as given.
    """
    if not projection.is_plastic or not isinstance(snapshot, Snapshot) or projection.synapse is None:
        made = build(projection, derive_key(seed, "projection", projection.index))
        return {"w": np.full(len(made), made.weight, dtype=np.float64)}
    from rheobase.derive.synapse import advance_states
    from rheobase.emit.synapse_rule import alike

    synapse, stem = projection.synapse, f"synapse {projection.index}"
    own = {n: snapshot.arrays[f"{stem} {n}"] for n in synapse.varying if n in synapse.parameters}
    values = {n: synapse.value(n) for n in synapse.parameters if n not in own} | own
    at = {s: snapshot.arrays[f"{stem} {s}"] for s in synapse.states}
    since = (snapshot.k - snapshot.arrays[f"{stem} _last"]) * snapshot.engine.dt
    return advance_states(alike(synapse), at, since, values) | own
