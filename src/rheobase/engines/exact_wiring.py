"""What arrives at the neurons of an exact network: synapses in tables, sorted; spikes from outside, in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rheobase.emit.exact_plan import Link
from rheobase.engines.exact_groups import ExactGroup
from rheobase.engines.population import Population
from rheobase.network.connect import Synapses
from rheobase.network.network import Network, Projection
from rheobase.random import derive_key

__all__ = ["gather_links", "gather_outside"]


def gather_links(
    net: Network,
    groups: Sequence[ExactGroup],
    place: Mapping[str, tuple[int, int]],
    emitted: Mapping[str, tuple[np.ndarray, np.ndarray]],
    seed: int,
    make: Callable[[Projection, int], Synapses],
) -> tuple[list[Link], dict[str, Any], float]:
    """Return the links between groups, the loop's arguments for them, and the shortest delay between neurons (ms).

    Projections between the same groups and port share one table, sorted by source, delay and target.

    Parameters
    ----------
    place : mapping
        Population -> (group, its first neuron there).
    emitted : mapping
        Population of sources -> (times, neurons) of its spikes.
    make : callable
        Returns the synapses of a projection, given its key.
    """
    found: dict[tuple[int, int, str], list[tuple[np.ndarray, np.ndarray, Any, Any]]] = {}
    for projection in net.projections:
        synapses = make(projection, derive_key(seed, "projection", projection.index))
        target, to = place[projection.target.name]
        if projection.source.name in place:
            source, offset = place[projection.source.name]
        else:
            source, offset = -1 - [*emitted].index(projection.source.name), 0
        if len(synapses):
            found.setdefault((source, target, projection.port), []).append(
                (synapses.pre + offset, synapses.post + to, synapses.weight, synapses.delay)
            )
    links: list[Link] = []
    values: dict[str, Any] = {}
    shortest = math.inf
    for k, ((source, target, port), parts) in enumerate(found.items()):
        sizes = [len(p[0]) for p in parts]
        pre, post = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        weight, own = _join([p[2] for p in parts], sizes, float)
        delay, spread = _join([p[3] for p in parts], sizes, float)
        order = np.lexsort((post, delay, pre)) if spread else np.lexsort((post, pre))
        pre, post = pre[order], post[order]
        name = "" if source >= 0 else [*emitted][-1 - source]
        n_pre = groups[source].whole.n if source >= 0 else net.populations[name].n
        low = float(np.min(delay))
        shortest = min(shortest, low) if source >= 0 else shortest
        links.append(Link(source, target, port, own, spread))
        values |= {
            f"_begin{k}": np.zeros(1, dtype=np.int64),
            f"_start{k}": np.searchsorted(pre, np.arange(n_pre + 1)).astype(np.int64),
            f"_target{k}": post.astype(np.int32),
            f"_weight{k}": weight[order] if own else float(weight),
            f"_delay{k}": delay[order] if spread else float(delay),
            f"_shortest{k}": low,
        }
        if spread:
            room = len(groups[source].arrays["_all_time"]) if source >= 0 else len(emitted[name][0])
            values[f"_place{k}"] = np.zeros(room, dtype=np.int32)
    return links, values, shortest


def gather_outside(
    groups: Sequence[ExactGroup], prepared: Mapping[str, Population], until: float
) -> tuple[list[tuple[int, str]], dict[str, Any]]:
    """Return where spikes arrive from outside, (group, port), and the loop's arguments for them, sorted by time."""
    outside: list[tuple[int, str]] = []
    values: dict[str, Any] = {}
    for g, group in enumerate(groups):
        for port in group.cells.ports:
            columns = []
            for name, offset in zip(group.names, group.offsets, strict=False):
                p = prepared[name]
                if port in p.sources:
                    times, neurons, weights = p.sources[port].in_time(until, p.n, p.key("port", port))
                    columns.append((times, neurons + offset, weights))
            if not columns:
                continue
            times, neurons, weights = (np.concatenate(c) for c in zip(*columns, strict=True))
            order = np.argsort(times, kind="stable")  # equal times stay in the order of neurons
            k = len(outside)
            outside.append((g, port))
            values |= {
                f"_at_outside{k}": np.zeros(1, dtype=np.int64),
                f"_outside_time{k}": np.ascontiguousarray(times[order], dtype=float),
                f"_outside_neuron{k}": neurons[order].astype(np.int64),
                f"_outside_weight{k}": np.ascontiguousarray(weights[order], dtype=float),
            }
    return outside, values


def _join(parts: Sequence[Any], sizes: Sequence[int], kind: Any) -> tuple[Any, bool]:
    """Return one value if all synapses share it, else one for each."""
    if all(np.ndim(p) == 0 for p in parts) and len({float(p) for p in parts}) == 1:
        return kind(parts[0]), False
    return np.concatenate(
        [np.broadcast_to(np.asarray(p, dtype=kind), (size,)) for p, size in zip(parts, sizes, strict=True)]
    ), True
