"""The exact method's numbers: what a linear flow with noise does to the states in one step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from rheobase.derive.modal import decompose
from rheobase.model.compute import compute_text
from rheobase.model.neuron import Neuron

if TYPE_CHECKING:
    from rheobase.derive.facts import StepFacts

__all__ = ["clamp_sets", "clamp_tag", "compute_matrix", "find_unique", "propagators"]


def clamp_sets(neuron: Neuron) -> list[frozenset[str]]:
    """Return the sets of states that can be clamped at the same time, the empty set first.

    States with the same refractory time are clamped and released together.
    """
    groups: dict[str, list[str]] = {}
    for state, time in neuron.refractory.items():
        if state != "threshold":
            groups.setdefault(time, []).append(state)
    return [frozenset().union(*c) for r in range(len(groups) + 1) for c in combinations(groups.values(), r)]


def clamp_tag(states: Sequence[str], clamped: Collection[str]) -> str:
    """Return how the names of the coefficients for a set of clamped states begin."""
    return "_P" + "".join(str(i) for i, s in enumerate(states) if s in clamped)


def compute_matrix(texts: Sequence[Sequence[str]], values: Mapping[str, Any]) -> np.ndarray:
    """Return a matrix of texts as numbers, shape (..., rows, columns)."""
    entries = [[np.asarray(compute_text(text, values), dtype=float) for text in row] for row in texts]
    shape = np.broadcast_shapes(*(x.shape for row in entries for x in row), ())
    out = np.zeros((*shape, len(texts), len(texts[0]) if texts else 0))
    for i, row in enumerate(entries):
        for j, x in enumerate(row):
            out[..., i, j] = x
    return out


def propagators(
    step: StepFacts, clamped: Collection[frozenset[str]], values: Mapping[str, Any], dt: float
) -> dict[str, float | np.ndarray]:
    """Return the values of the exact method's coefficients.

    The step matrix is the exponential of the augmented matrix [[A, B, c], [0]] dt, computed numerically: a
    printed closed form loses all digits near tau_m = tau_s. The covariance of the noise is Van Loan's integral
    (1978), its Cholesky factor multiplies the Gaussian numbers.
    """
    if not step.coefficients:
        return {}
    n = len(step.states)
    full, inputs, constant = (compute_matrix(part, values) for part in (step.a, step.b, step.c))
    out: dict[str, float | np.ndarray] = {}
    for clamp in clamped:
        tag = clamp_tag(step.states, clamp)
        held = full.copy()
        fixed = [i for i, s in enumerate(step.states) if s in clamp]
        held[..., fixed, :] = 0.0
        moving = np.eye(n)
        moving[fixed] = 0.0
        # [[A, 1], [0, 0]]: its exponential holds exp(A dt) and the integral of exp(A s) that B and c are multiplied by
        block = np.concatenate([held, np.broadcast_to(moving, held.shape)], axis=-1)
        e = _exponential(np.concatenate([block, np.zeros_like(block)], axis=-2), dt)
        p, integral = e[..., :n, :n], e[..., :n, n:]
        q, r = integral @ inputs, integral @ constant
        factor = _noise_factor(step, values, held, fixed, dt) if step.normals else None
        for name in step.coefficients:
            head, _, rest = name.partition("__")
            if head != tag:
                continue
            row, _, column = rest.partition("_")
            i = int(row)
            if column.startswith("z"):
                assert factor is not None
                x = factor[..., i, int(column[1:])]
            else:
                x = (
                    r[..., i, 0]
                    if column == "c"
                    else q[..., i, int(column[1:])]
                    if column.startswith("u")
                    else p[..., i, int(column)]
                )
            out[name] = float(x) if x.ndim == 0 else np.ascontiguousarray(x)
    return out


def _exponential(matrices: np.ndarray, dt: float) -> np.ndarray:
    """Return exp(M dt) for M of shape (..., n, n).

    A few different matrices go through `rheobase.derive.modal`, which keeps the digits of cascades; many
    (neurons that all differ) through SciPy, which takes them at once.
    """
    flat = matrices.reshape(-1, *matrices.shape[-2:])
    first, inverse = find_unique(flat.reshape(len(flat), -1))
    unique = flat[first]
    if len(unique) > 64:
        from scipy.linalg import expm

        return np.asarray(expm(matrices * dt))
    eye = np.eye(flat.shape[-1])
    powers = []
    for m in unique:
        modal = decompose(m)
        powers.append(np.stack([modal.propagate(column, dt) for column in eye], axis=1))
    return np.stack(powers)[inverse].reshape(matrices.shape)


def find_unique(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the different rows of (n, k) finite numbers stand first, in rising order, and which one each row is.

    Only columns that differ are looked at, as numbers: `numpy.unique` compares whole rows, and takes 50 times as long.

    >>> first, which = find_unique(np.array([[1.0, 7.0], [1.0, 5.0], [1.0, 7.0]]))
    >>> first, which
    (array([1, 0]), array([1, 0, 1]))
    """
    differ = rows[:, np.any(rows != rows[:1], axis=0)] if len(rows) else rows[:, :0]
    if not differ.shape[1]:
        return np.arange(min(len(rows), 1)), np.zeros(len(rows), dtype=np.int64)
    order = np.lexsort(differ.T[::-1])
    begins = np.concatenate([[True], np.any(differ[order[1:]] != differ[order[:-1]], axis=1)])
    which = np.empty(len(rows), dtype=np.int64)
    which[order] = np.cumsum(begins) - 1
    return order[begins], which


def _noise_factor(step: StepFacts, values: Mapping[str, Any], a: np.ndarray, fixed: list[int], dt: float) -> np.ndarray:
    """Return L with L L^T = integral of exp(A s) G G^T exp(A^T s) over a step; columns are the noisy states."""
    n = len(step.states)
    g = compute_matrix(step.noise, values)
    shape = np.broadcast_shapes(a.shape[:-2], g.shape[:-2])
    noise = np.broadcast_to(g, (*shape, *g.shape[-2:])).copy()
    noise[..., fixed, :] = 0.0
    q = noise @ np.swapaxes(noise, -1, -2)
    block = np.zeros((*shape, 2 * n, 2 * n))
    block[..., :n, :n], block[..., :n, n:], block[..., n:, n:] = -a, q, np.swapaxes(a, -1, -2)
    e = _exponential(block, dt)
    covariance = np.swapaxes(e[..., n:, n:], -1, -2) @ e[..., :n, n:]
    noisy = list(step.noisy)
    out = np.zeros((*shape, n, len(noisy)))
    small = covariance[..., noisy, :][..., :, noisy]
    # a plain loop over the few columns: covariances are often singular (one noise, several states)
    factor = np.zeros_like(small)
    for j in range(len(noisy)):
        d = small[..., j, j] - (factor[..., j, :j] ** 2).sum(-1)
        tiny = d <= 1e-14 * np.maximum(small[..., j, j], 1e-300)
        root = np.sqrt(np.where(tiny, 0.0, d))
        factor[..., j, j] = root
        for i in range(j + 1, len(noisy)):
            rest = small[..., i, j] - (factor[..., i, :j] * factor[..., j, :j]).sum(-1)
            factor[..., i, j] = np.where(tiny, 0.0, rest / np.where(tiny, 1.0, root))
    out[..., noisy, :] = factor
    return out
