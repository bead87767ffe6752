"""Plastic synapses as the network's loop holds them: each with its states, found from its source and from its target.

Every part of a group holds all synapses onto its neurons, so that what happens at a synapse is computed by one thread,
in the order of its events. Where it lies depends on the number of parts, what becomes of it does not; the outside
(`weights`, snapshots) sees synapses in the order of `Projection.synapses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

import numpy as np

from rheobase.emit.synapse_loop import Plasticity, Rule
from rheobase.engines.checkpoint import Snapshot
from rheobase.engines.synapses import steps_of
from rheobase.errors import InputError
from rheobase.model.compute import compute
from rheobase.model.synapse import Synapse
from rheobase.network.connect import build
from rheobase.network.projection import Projection
from rheobase.random import derive_key

__all__ = ["Plastic", "make_plastic", "synapse_states"]

_BITS: Final = 31  # steps are counted in 32 bits


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
    """

    def __init__(
        self,
        projection: Projection,
        plan: Plasticity,
        rule: Rule,
        *,
        first: tuple[int, int],
        bounds: np.ndarray,
        dt: float,
        seed: int,
    ) -> None:
        assert projection.synapse is not None
        self.projection, self.plan, self.rule, self.dt = projection, plan, rule, dt
        self.synapse: Synapse = projection.synapse
        made = build(projection, derive_key(seed, "projection", projection.index))
        self.count = len(made)
        step = np.broadcast_to(steps_of(made.delay, dt, projection), (self.count,)).astype(np.int64)
        delays = np.unique(step)[::-1]
        column = np.searchsorted(-delays, -step)
        target = made.post.astype(np.int64) + first[1]
        part = np.searchsorted(bounds, target, side="right") - 1
        n_pre, n_post, many = projection.source.n, projection.target.n, len(delays)
        cell = (part * n_pre + made.pre) * many + column
        narrow = np.int32 if self.count < 1 << 31 else np.int64
        self.order = np.lexsort((target, cell)).astype(narrow)  # place in the loop -> place in Projection.synapses
        cells = (len(bounds) - 1) * n_pre * many
        self.arrays: dict[str, Any] = {"_due": delays, "_target": target[self.order].astype(np.int32)}
        self.arrays["_start"] = np.searchsorted(cell[self.order], np.arange(cells + 1))
        self.arrays |= {"_from": first[0], "_pres": n_pre, "_to": first[1], "_posts": n_post}
        self.longest_back = 0
        if plan.fires:
            post, late = made.post.astype(np.int64)[self.order], column[self.order] if plan.dendritic else 0
            back = 2 * delays if plan.dendritic else np.zeros(1, dtype=np.int64)
            self.longest_back = int(back.max(initial=0))
            where = post * len(back) + late
            onto = np.lexsort((self.order, where)).astype(narrow)
            self.arrays |= {
                "_back": back,
                "_onto": onto,
                "_of": np.searchsorted(where[onto], np.arange(n_post * len(back) + 1)),
            }
        self.held = self._begin(made.weight)
        self.powers = _powers(self.synapse, dt)

    def _begin(self, weight: float | np.ndarray) -> np.ndarray:
        """Return the numbers of each synapse, shape (n_synapses, n_columns); an event touches one or two lines."""
        out = np.zeros((self.count, len(self.rule.columns)))
        for i, name in enumerate(self.rule.columns):
            if name == "w":
                out[:, i] = np.broadcast_to(weight, (self.count,))[self.order]
                self._check_bounds(out[:, i])
            elif name in self.synapse.states:
                out[:, i] = self.synapse.value(name)
            elif name == "_met":
                out[:, i] = -1.0
        return out

    def _check_bounds(self, weight: np.ndarray) -> None:
        """Refuse weights that the first event would move to a bound."""
        values: dict[str, Any] = {n: self.synapse.value(n) for n in self.synapse.parameters}
        for name, e in self.synapse.rows.derived:  # each uses earlier ones only
            values[name] = compute(e.tree, values)
        for b in self.synapse.rows.bounds:
            if b.state == "w" and len(weight):
                limit = float(compute(b.right.tree, values))
                low = b.side == ">="
                worst = float(weight.min() if low else weight.max())
                if worst < limit if low else worst > limit:
                    raise InputError(
                        f"projection {self.projection.name}: a weight of {worst:g} is {'below' if low else 'above'} the"
                        f" bound w {b.side} {b.right.text} = {limit:g} of {self.synapse.name}; change one of them"
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
        out |= {f"y{y}p_{name}": self.synapse.value(name) for name in self.synapse.parameters}
        return out | ({} if self.powers is None else {f"y{y}_powers": self.powers})

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return all that changes, in the order of `Projection.synapses`."""
        back = np.empty_like(self.held)
        back[self.order] = self.held
        return {f"synapse {self.projection.index} {name}": back[:, i] for i, name in enumerate(self.rule.columns)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put everything as it was at a snapshot."""
        for i, name in enumerate(self.rule.columns):
            self.held[:, i] = arrays[f"synapse {self.projection.index} {name}"][self.order]

    def check_finite(self) -> None:
        """Refuse to go on with a state that has become infinite or NaN."""
        if np.all(np.isfinite(self.held)):
            return
        for i, name in enumerate(self.rule.columns):
            if name in self.synapse.states and not np.all(np.isfinite(self.held[:, i])):
                what = f"{self.projection.name}: the state {name} of a synapse is not finite any more"
                raise InputError(f"{what}; bound it by a line such as  {name} <= 1")


def _powers(synapse: Synapse, dt: float) -> np.ndarray | None:
    """Return the step matrix of the coupled states to the power 1, 2, 4, ..., shape (31, n, n + 1), if any."""
    from rheobase.derive.synapse import coupled_states, flow_matrix

    names = coupled_states(synapse)
    if not names:
        return None
    from scipy.linalg import expm

    a = flow_matrix(synapse, names, {n: synapse.value(n) for n in synapse.parameters})
    with np.errstate(over="ignore", invalid="ignore"):  # more steps than any run has
        return np.ascontiguousarray(np.stack([expm(a * (dt * 2.0**b))[:-1] for b in range(_BITS)]))


def make_plastic(
    projections: list[Projection],
    place: Mapping[str, tuple[int, int]],
    bounds: list[np.ndarray],
    dt: float,
    seed: int,
) -> tuple[list[Plastic], list[Rule]]:
    """Return the plastic projections as the loop holds them, and their rules.

    Parameters
    ----------
    place : mapping
        Population -> (its group, or -1 - s for a source; the number of its first neuron there).
    bounds : list of arrays
        For each group, where it is cut into parts.
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
        plastic = Plastic(p, plan, rules[number], first=(lo, to), bounds=bounds[target], dt=dt, seed=seed)
        if p.reward is not None and p.reward.critic is not None:
            part = p.reward.critic
            plastic.arrays |= {"_critic": place[part.name][1], "_critics": part.n, "_late": plastic.shortest}
        made.append(plastic)
    return made, rules


def synapse_states(projection: Projection, snapshot: Snapshot | None, seed: int) -> dict[str, np.ndarray]:
    """Return the states of a projection's synapses at a snapshot, in the order of `Projection.synapses`.

    Where nothing is plastic it is the weight as given.
    """
    if not projection.is_plastic or snapshot is None or projection.synapse is None:
        made = build(projection, derive_key(seed, "projection", projection.index))
        return {"w": np.full(len(made), made.weight, dtype=np.float64)}
    from rheobase.derive.synapse import advance_states

    synapse, stem = projection.synapse, f"synapse {projection.index}"
    values = {n: synapse.value(n) for n in synapse.parameters}
    at = {s: snapshot.arrays[f"{stem} {s}"] for s in synapse.states}
    return advance_states(synapse, at, (snapshot.k - snapshot.arrays[f"{stem} _last"]) * snapshot.engine.dt, values)
