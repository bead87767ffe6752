"""What a synapse's evolve row does over a stretch of time: linear equations with constant coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rheobase.derive.evaluate import evaluate
from rheobase.model.algebra import affine_parts
from rheobase.model.synapse import Synapse

__all__ = ["advance_states", "coupled_states", "driving", "flow_matrix", "flow_parts"]


@lru_cache(maxsize=64)
def flow_parts(synapse: Synapse) -> dict[str, tuple[dict[str, Any], Any]]:
    """Return for each state ({state: coefficient}, rest) of its dx/dt, as SymPy.

    >>> flow_parts(Synapse(evolve="tau dx/dt = 1 - x", tau="5 ms"))["x"]
    ({'x': -1/tau}, 1/tau)
    """
    rows = synapse.rows
    out = {}
    for f in rows.flows:
        parts = affine_parts(rows.substitute(f.value), rows.states)
        assert parts is not None  # the synapse has seen to it
        out[f.state] = parts
    return out


def coupled_states(synapse: Synapse) -> tuple[str, ...]:
    """Return the states that drive, or are driven by, another one.

    >>> coupled_states(Synapse(evolve="tau dx/dt = -x; tau dy/dt = x - y; tau dz/dt = -z", tau="5 ms"))
    ('x', 'y')
    """
    joined: set[str] = set()
    for state, (factors, _) in flow_parts(synapse).items():
        others = set(factors) - {state}
        joined |= {state, *others} if others else set()
    return tuple(s for s in synapse.states if s in joined)


def driving(synapse: Synapse) -> tuple[str, ...]:
    """Return the parameters that the flow of the coupled states depends on.

    >>> driving(Synapse(evolve="tau dx/dt = -x; tau dy/dt = x - y; tau_z dz/dt = -z", tau="5 ms", tau_z="1 ms"))
    ('tau',)
    """
    parts, together = flow_parts(synapse), coupled_states(synapse)
    found = {x.name for s in together for e in (*parts[s][0].values(), parts[s][1]) for x in e.free_symbols}
    return tuple(sorted(found & {*synapse.parameters}))


def flow_matrix(synapse: Synapse, names: Sequence[str], values: Mapping[str, float]) -> np.ndarray:
    """Return A of d/dt (x, 1) = A (x, 1) for some states x, shape (n + 1, n + 1), per ms."""
    parts = flow_parts(synapse)
    a = np.zeros((len(names) + 1, len(names) + 1))
    for i, s in enumerate(names):
        factors, rest = parts[s]
        for other, factor in factors.items():
            a[i, names.index(other)] = evaluate(factor, values)
        a[i, -1] = evaluate(rest, values)
    return a


def advance_states(
    synapse: Synapse, states: Mapping[str, np.ndarray], time: np.ndarray, values: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the states after a time (ms) of their own for each synapse, without any event; within their bounds.

    `values` are the parameters, floats or one value a synapse.

    >>> s = Synapse(evolve="tau dx/dt = -x", tau="5 ms")
    >>> after = advance_states(s, {"w": np.ones(1), "x": np.ones(1)}, np.array([5.0]), {"tau": 5.0})
    >>> float(after["x"][0])
    0.36787944117144233
    """
    from scipy.linalg import expm

    out: dict[str, np.ndarray] = {}
    together = coupled_states(synapse)
    for state, (factors, rest) in flow_parts(synapse).items():
        if state in together:
            continue
        rate = np.asarray(evaluate(factors.get(state, rest * 0), values), dtype=float)
        drive = np.asarray(evaluate(rest, values), dtype=float)
        still = np.where(rate == 0.0, 1.0, rate)
        end = -drive / still
        moved = end + (states[state] - end) * np.exp(rate * time)
        out[state] = np.where(rate == 0.0, states[state] + drive * time, moved)
    if together:
        names = driving(synapse)
        each = np.stack([time, *(np.broadcast_to(values[n], np.shape(time)) for n in names)])
        x = np.stack([*(states[s] for s in together), np.ones_like(time, dtype=float)])
        kinds, which = np.unique(each, axis=1, return_inverse=True)
        for k, (t, *own) in enumerate(kinds.T):
            mine = which.ravel() == k
            a = flow_matrix(synapse, together, dict(zip(names, own, strict=True)))
            x[:, mine] = expm(a * t) @ x[:, mine]
        out |= dict(zip(together, x, strict=False))
    for b in synapse.rows.bounds:
        limit = np.asarray(evaluate(synapse.rows.substitute(b.right.value), values), dtype=float)
        out[b.state] = (np.maximum if b.side == ">=" else np.minimum)(out[b.state], limit)
    return {s: out[s] for s in synapse.states}
