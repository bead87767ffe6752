"""What follows from the rates of a chain: the long run, the way there, the times between spikes."""

from __future__ import annotations

import numpy as np

from rheobase.errors import InputError

__all__ = ["exponential", "intervals", "stationary"]


def stationary(Q: np.ndarray, states: tuple[str, ...]) -> np.ndarray:
    """Return p with p Q = 0, shape (n,), for one generator Q (n, n).

    Elimination from the last state to the first, without a subtraction: W. K. Grassmann, M. I. Taksar &
    D. P. Heyman (1985), Oper. Res. 33:1107.
    """
    reach = (Q > 0) | np.eye(len(Q), dtype=bool)
    for k in range(len(Q)):
        reach |= reach[:, k : k + 1] & reach[k : k + 1]
    closed = [i for i in range(len(Q)) if np.all(reach[reach[i], i])]
    first = reach[closed[0]]
    if other := [i for i in closed if not first[i]]:
        a, b = (", ".join(s for s, r in zip(states, reach[i], strict=True) if r) for i in (closed[0], other[0]))
        raise InputError(f"the long run depends on the start: neither {{{a}}} nor {{{b}}} is ever left; use master(t)")
    members = np.flatnonzero(first)
    A = Q[np.ix_(members, members)].copy()
    for k in range(len(A) - 1, 0, -1):
        A[:k, k] /= A[k, :k].sum()
        A[:k, :k] += np.outer(A[:k, k], A[k, :k])
    p = np.ones(len(A))
    for k in range(1, len(A)):
        p[k] = p[:k] @ A[:k, k]
        if p[k] > 1e200:  # rates of very different size
            p[: k + 1] /= p[k]
    out = np.zeros(len(Q))
    out[members] = p / p.sum()
    return out


def exponential(X: np.ndarray) -> np.ndarray:
    """Return exp(X) for X = Q t, a stack (..., n, n) of generators times time.

    exp(X) = exp(-s) exp(X + s), with s the largest rate times time: all terms are nonnegative. J. Xue &
    Q. Ye (2013), Math. Comp. 82:1577.
    """
    n = X.shape[-1]
    top = -np.min(np.diagonal(X, axis1=-2, axis2=-1), axis=-1, initial=0.0)
    halvings = int(max(0, np.ceil(np.log2(max(float(np.max(top, initial=0.0)), 1.0)))))
    h = 0.5**halvings
    shift = (top * h)[..., None]
    A = X * h
    A[..., range(n), range(n)] += shift
    term = np.broadcast_to(np.eye(n), X.shape).copy()
    P = term.copy()
    for k in range(1, 30):  # the largest row sum is 1: 1/30! is far below rounding
        term = term @ A / k
        P += term
    P /= P.sum(axis=-1, keepdims=True)
    for _ in range(halvings):
        P = P @ P
        P /= P.sum(axis=-1, keepdims=True)
    return P


def intervals(
    p: np.ndarray, rates: np.ndarray, transitions: tuple[tuple[int, int], ...], spiking: tuple[bool, ...]
) -> tuple[float, float]:
    """Return mean and variance of the time between spikes in the long run p; inf and nan if there are none.

    From the mean time m_a from state a to the next spike, D m = -1, with D the generator without the transitions that
    spike: M. F. Neuts (1979), J. Appl. Prob. 16:764.
    """
    D = np.zeros((len(p), len(p)))
    flux = 0.0
    for (a, b), r, fires in zip(transitions, rates, spiking, strict=True):
        D[a, a] -= r
        if fires:
            flux += p[a] * r
        elif a != b:
            D[a, b] += r
    if flux == 0.0:
        return np.inf, np.nan
    recurrent = np.flatnonzero(p > 0)
    m = np.linalg.solve(-D[np.ix_(recurrent, recurrent)], np.ones(len(recurrent)))
    mean = 1.0 / flux
    return float(mean), float(max(2.0 * mean * float(p[recurrent] @ m) - mean**2, 0.0))
