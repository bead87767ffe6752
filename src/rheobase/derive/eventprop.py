"""How a small change spreads backwards through a spiking neuron: the adjoint, derived from the rows.

Between events the augmented state obeys ``x' = M x``, so its adjoint ``l = dL/dx`` obeys ``-l' = M^T l``, and a
parameter p of the flow gets ``integral of l . (dM/dp) x``.

At an event at time t the state jumps, ``x+ = R(x-, p)``. If x- changes by d and t by s, the state just after, seen at
a fixed time, changes by ``R_x (d + f- s) + R_t s - f+ s + R_p dp``, where f is the flow before and after. So

    l- = R_x^T l+,    dL/dp += R_p^T l+,    dL/dt = l+ . (R_x f- + R_t - f+),

and the last goes to whatever determines t: the time and the delay of a spike that arrives; the neuron's spike whose
refractoriness ends; or, where the neuron fires because ``g(x, p)`` reaches 0, by the implicit function theorem

    s = -(g_x . d + g_p dp) / (g_x . f-).

All derivatives are SymPy's, of the rows as they are written; there is no neuron this file knows by name.

Sources: Wunderlich and Pehle 2021, Sci. Rep. 11:12829 (the adjoint of a LIF network, with jumps); Galan, Feehery and
Barton 1999, Appl. Numer. Math. 31:17 (sensitivities of hybrid systems: what a jump does to them).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.derive.facts import ExactFacts, rest_facts
from rheobase.derive.propagate import compute_matrix
from rheobase.derive.rest import is_current, rest_state, rest_values
from rheobase.model.compute import compute_text
from rheobase.model.neuron import Neuron
from rheobase.remember import remember

__all__ = ["AdjointFacts", "adjoint_facts", "start_slopes"]

Terms = tuple[tuple[int, int, str], ...]


@final
@dataclass(frozen=True)
class AdjointFacts:
    """Derivatives with respect to each of some parameters, as texts.

    Attributes
    ----------
    flow : mapping of str to tuples
        ``(i, j, text)``: how the flow of state i changes, per state j (j = number of states: per 1).
    threshold : mapping of str to tuples
        ``(0, j, text)``: how g of "fires where g > 0" changes, likewise.
    start : mapping of str to tuples
        ``(i, 0, text)``: how the value changes that the reset row gives to state i, where it is free of states.
    """

    flow: Mapping[str, Terms]
    threshold: Mapping[str, Terms]
    start: Mapping[str, Terms]


def adjoint_facts(neuron: Neuron, trained: Collection[str]) -> AdjointFacts:
    """Return the derivatives of an affine neuron's flow and threshold with respect to `trained` parameters.

    Raises
    ------
    NotExact
        If the exact engine cannot run the neuron.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> adjoint_facts(LIF(), ["theta"]).threshold
    {'theta': ((0, 1, '-1.0'),)}
    """
    names = sorted(trained)

    def derive() -> Any:
        from rheobase.derive.backwards import describe_adjoint

        return describe_adjoint(neuron, names)

    known = remember("adjoint", [neuron.rows.texts, names], derive)
    return AdjointFacts(*({p: _terms(known[part][p]) for p in names} for part in ("flow", "threshold", "start")))


def start_slopes(
    neuron: Neuron,
    facts: ExactFacts,
    adjoint: AdjointFacts,
    values: Mapping[str, Any],
    free: Sequence[str],
    n: int,
) -> dict[str, np.ndarray]:
    """Return dx(0)/dp, shape (n, states), for each parameter p in `adjoint`.

    States in `free` start at rest (see `rheobase.derive.rest`), where ``A x + c = 0``, hence
    ``dx/dp = -A^-1 (A_p x + c_p)``; or where the reset row puts them. The others do not depend on parameters.
    """
    states = neuron.states
    out = {p: np.zeros((n, len(states))) for p in adjoint.flow}
    if not free:
        return out
    env = rest_values(neuron, values)
    start = rest_state(neuron, values, n)
    x = np.stack([start[s] for s in states], axis=1)
    a = np.broadcast_to(compute_matrix(facts.a, env), (n, len(states), len(states)))
    c = np.broadcast_to(compute_matrix([facts.c], env)[..., 0, :], (n, len(states)))
    size = (np.abs(a) @ np.abs(x)[..., None])[..., 0] + np.abs(c)
    resting = np.all(np.abs((a @ x[..., None])[..., 0] + c) <= 1e-9 * size + 1e-300, axis=1)
    given = {s: text for s, text in rest_facts(neuron).reset if text is not None}
    for p, slopes in out.items():
        if is_current(p):  # rest is where the model's own currents leave it
            continue
        push = np.zeros((n, len(states)))
        for i, j, text in adjoint.flow[p]:
            push[:, i] += compute_text(text, env) * (x[:, j] if j < len(states) else 1.0)
        if np.any(resting):
            slopes[resting] = -np.linalg.solve(a[resting], push[resting][..., None])[..., 0]
        for i, _, text in adjoint.start[p]:
            if states[i] in given:
                slopes[~resting, i] = np.broadcast_to(compute_text(text, env), (n,))[~resting]
        slopes[:, [i for i, s in enumerate(states) if s not in free]] = 0.0
    return out


def _terms(found: Sequence[Sequence[Any]]) -> Terms:
    return tuple((int(i), int(j), str(text)) for i, j, text in found)
