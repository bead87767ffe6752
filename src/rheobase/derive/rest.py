"""Where a neuron starts when nobody says: at rest, without input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rheobase.derive.facts import RestFacts, rest_facts
from rheobase.derive.propagate import compute_matrix
from rheobase.model.compute import compute_text
from rheobase.model.neuron import Neuron

__all__ = ["rest_state", "rest_values"]


def is_current(name: str) -> bool:
    """Return whether a name is an injected current by the books' convention: I, I_e, I_bias."""
    return name == "I" or name.startswith("I_")


def rest_state(neuron: Neuron, values: Mapping[str, Any], n: int) -> dict[str, np.ndarray]:
    """Return each state's value at rest, shape (n,).

    The fixed point of the flow without input: currents (names I, I_e, ...) at the model's own default, or at 0.
    If there is none, or it is unstable or already above threshold, a state starts where a constant reset row puts it,
    and at 0 if there is no such row.

    Parameters
    ----------
    values : mapping
        Parameter values, floats or shape (n,); inputs that are missing count as 0.
    """
    env = rest_values(neuron, values)
    facts = rest_facts(neuron)
    start = _after_reset(neuron, facts, env, n)
    found = _fixed_point(neuron, facts, env, n, start)
    if found is None:
        return start
    fires = np.zeros(n, dtype=bool)
    if facts.threshold is not None:
        fires = np.broadcast_to(compute_text(facts.threshold, env | found), (n,))
    moved = {j.state for j in neuron.rows.reset}
    return {s: np.where(fires, start[s], x) if s in moved else x for s, x in found.items()}


def rest_values(neuron: Neuron, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that hold at rest: those given, but currents at the model's own default, or at 0."""
    env: dict[str, Any] = dict.fromkeys(neuron.inputs, 0.0)
    env |= values
    env |= {u: 0.0 for u in neuron.inputs if is_current(u)}
    for name, q in neuron.parameters.items():
        if is_current(name) or name not in values:  # what varies in time counts as the model has it
            env[name] = q.value if isinstance(q.value, float | np.ndarray) else env.get(name, 0.0)
    env["t"] = 0.0
    return env


def _after_reset(neuron: Neuron, facts: RestFacts, env: Mapping[str, Any], n: int) -> dict[str, np.ndarray]:
    out = {s: np.zeros(n) for s in neuron.states}
    for state, text in facts.reset:
        if text is not None:
            out[state] = np.broadcast_to(np.asarray(compute_text(text, env), dtype=float), (n,)).copy()
    return out


def _fixed_point(
    neuron: Neuron, facts: RestFacts, env: Mapping[str, Any], n: int, start: dict[str, np.ndarray]
) -> dict[str, np.ndarray] | None:
    """Newton's method on the drift, all neurons at once; exact in one step for affine rows."""
    names = neuron.states
    x = np.stack([start[s] for s in names], axis=-1)
    for _ in range(60):
        here = {**env, **{s: x[:, i] for i, s in enumerate(names)}}
        f = np.broadcast_to(compute_matrix([facts.drift], here)[..., 0, :], (n, len(names)))
        j = np.broadcast_to(compute_matrix(facts.jacobian, here), (n, len(names), len(names)))
        if not (np.isfinite(f).all() and np.isfinite(j).all()) or np.any(np.abs(np.linalg.det(j)) < 1e-300):
            return None
        try:
            move = np.linalg.solve(j, f[..., None])[..., 0]
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(move).all() or np.abs(move).max() > 1e12:
            return None
        x = x - move
        if np.all(np.abs(move) <= 1e-12 * (1.0 + np.abs(x))):
            stable = np.linalg.eigvals(j).real.max() <= 1e-9
            return {s: np.ascontiguousarray(x[:, i]) for i, s in enumerate(names)} if stable else None
    return None
