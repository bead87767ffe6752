"""When does an affine state first reach a threshold? The first crossing, with a proof that none was missed.

Let ``x' = M x`` and ``g(t) = c . x(t)`` (voltage minus threshold, say). With the eigenvalues l_0, l_1, ...
that g contains, put ``g_0 = g`` and ``g_{k+1} = (D - l_k) g_k``; after K steps nothing is left: g_K = 0.

**Counting** (Budan and Fourier, for real l). ``g_{k+1} = exp(l_k t) D (exp(-l_k t) g_k)``, so where g_k
passes through zero, g_{k+1} has the opposite sign just before and the same sign just after: one sign
variation of the sequence ``g_0, ..., g_{K-1}`` disappears, and a zero of an inner g_k can only remove an
even number. The last, ``g_{K-1} = const exp(l_{K-1} t)``, has no zero. Hence, with V(t) the number of
variations at t,

    zeros of g in (a, b], with multiplicity  =  V(a) - V(b) - (an even number >= 0).

The fastest eigenvalue is taken out first. Then ``g(t) = sum_k g_k(a) phi_k(t - a)`` with the divided
differences ``phi_k = exp[l_0, ..., l_k] > 0``, which is the sharpest such basis of a half line; V(a) = 0
settles most intervals with K dot products and no exponential. D g has the sequence
``D g_k = g_{k+1} + l_k g_k``: its variations are counted from the same numbers, and tell how many extrema an
interval can hold.

A sign smaller than its rounding error counts as whichever is worse (most variations at a, fewest at b), so
rounding can cost time but no crossing.

**Curvature** (any l). On [a, b] of length h, g lies below ``max(g(a), g(b)) + h^2/8 max|g''|``. With
complex eigenvalues the bounds come from ``|exp(B s) z| <= exp(mu s) |z|``, mu the largest eigenvalue of
``(B + B^T)/2`` (Dahlquist's logarithmic norm), and signs of g' and g'' on an interval from their value at a
and the next bound.

An interval that neither settles is halved. This ends: either a bound decides, or h^2/8 max|g''| falls below
the rounding error of g, where the two ends stand for the whole interval.

**Rules.** `strict` fires where g > 0, otherwise where g >= 0. If the condition holds just after 0 the
crossing time is 0 (the limit dt -> 0 of a grid that tests at the end of each step). A maximum that only
touches is decided by its value in double precision: ``g(t*) > 0`` (strict) or ``g(t*) >= 0``, relaxed by
`tolerance`.

Sources: Coppel 1971, Disconjugacy (LNM 220), for the factorised operators; Karlin and Studden 1966,
Tchebycheff Systems, for the count; Brette 2007, Neural Comput. 19:2604, for Descartes' rule in spiking
neurons.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheobase.derive import modal as _modal
from rheobase.derive.kernels import Floats
from rheobase.derive.modal import CLUSTER, PAIR, SINGLE, Modal, decompose
from rheobase.derive.reading import UNIT, glance
from rheobase.derive.search import KERNELS, REAL, first_crossing

__all__ = [
    "KERNELS",
    "REAL",
    "Crossing",
    "first_crossing",
    "glance",
    "layout_size",
    "prepare_crossing",
    "stack_crossings",
    "table_size",
    "work_size",
]

# The table of one kind is that of `modal`, then c (n), at offset a, then
#   real:    F = N A (n*n), its error (n*n), A (n*n), its error (n*n), N (n*n), rates (n), rows of g' and
#            g'' (2n), constant (n), first horizon, last horizon; z = A x are coordinates in which each
#            cluster is a chain z_k' = l_k z_k + z_{k+1}, and g_k = N_k z;
#   general: rows of g to its third derivative on the modes (4n), their norms per block (4n), logarithmic
#            norms (n), scales of the modes (n), first stride, period, growth, c M^k (n*n), its error (n*n).
# The layout is that of `modal`, then K, whether general, and per mode the size of the block it starts or 0.


def work_size(n: int) -> int:
    """Return how many floats of scratch `first_crossing` and `propagate_state` need for n states."""
    return 3 * n * n + 10 * n + 8 + 201


def table_size(n: int) -> int:
    """Return how many floats the packed table of an n-state `Crossing` holds."""
    return _modal.table_size(n) + max(5 * n * n + 5 * n + 2, 2 * n * n + 11 * n + 3)


def layout_size(n: int) -> int:
    """Return how many integers the packed layout of an n-state `Crossing` holds."""
    return _modal.layout_size(n) + n + 2


@dataclass(frozen=True)
class Crossing:
    """The threshold functional ``g = c . x`` of one affine system, prepared for `first_crossing`.

    Attributes
    ----------
    modal : Modal
        Modes of the matrix.
    row : (n,) array
        c.
    rates : (K,) array
        Eigenvalues that g contains, in the order they are taken out; empty if some are complex.
    numbers, layout : 1-D arrays
        Packed tables for the kernels; they begin with those of `modal`, so `propagate_state` reads them too.
    """

    modal: Modal
    row: Floats
    rates: Floats
    numbers: Floats
    layout: NDArray[np.int64]

    def first(self, x: ArrayLike, until: float = math.inf, strict: bool = False, tolerance: float = 0.0) -> float:
        """Return the first time in (0, until] at which g > 0 (or g >= 0), 0 if at once, inf if never.

        Parameters
        ----------
        x : (n,) array
            State at time 0.
        until : float
            End of the interval (ms); may be inf.
        strict : bool
            Ask g > 0; otherwise g >= 0.
        tolerance : float
            A maximum of g no further than this below zero counts as a crossing (unit of g).

        Raises
        ------
        ValueError
            If x has the wrong length or an entry that is not finite, if `until` is negative, or if
            `tolerance` is set where g contains no constant.
        ArithmeticError
            If several undamped oscillations neither reach the threshold nor certainly stay below it and
            `until` is inf: give an end.

        Examples
        --------
        >>> lif = [[-0.05, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]  # v' = -v/20 + I, I, 1
        >>> reach = prepare_crossing(lif, [1.0, 0.0, -15.0])  # threshold 15
        >>> round(reach.first([0.0, 1.0, 1.0]), 12)  # 20 ln(20/5)
        27.725887222398
        >>> reach.first([0.0, 0.7, 1.0])
        inf
        """
        n = len(self.row)
        state = np.asarray(x, dtype=np.float64)
        if state.shape != (n,) or not np.all(np.isfinite(state)):
            raise ValueError(f"x = {x!r} is not a finite state of {n} entries; pass shape ({n},)")
        if not until >= 0.0:
            raise ValueError(f"until = {until} is not a time >= 0; pass a positive time or inf")
        if tolerance < 0.0 or (tolerance > 0.0 and not self._has_constant):
            raise ValueError(f"tolerance = {tolerance} needs to be >= 0, and 0 where g contains no constant")
        f, p, w = self._lists
        time = first_crossing(state.tolist(), until, strict, tolerance, f, 0, p, 0, w)
        if math.isnan(time):
            raise ArithmeticError(f"until = {until}: undamped oscillations come near the threshold; set an end")
        return time

    @cached_property
    def _lists(self) -> tuple[list[float], list[int], list[float]]:
        return self.numbers.tolist(), self.layout.tolist(), [0.0] * work_size(len(self.row))

    @cached_property
    def _has_constant(self) -> bool:
        return self.layout[_modal.layout_size(len(self.row)) + 1] == 1 or bool(np.any(self.rates == 0.0))


def prepare_crossing(matrix: ArrayLike | Modal, row: ArrayLike, level: int | None = None) -> Crossing:
    """Return the prepared search for ``c . x(t) > 0`` (or >= 0) under ``x' = M x``.

    Parameters
    ----------
    matrix : (n, n) array or Modal
        M, or its decomposition.
    row : (n,) array
        c: for a voltage and a threshold theta, 1 at v and -theta at the constant.
    level : int, optional
        A constant state that holds where g ends, computed with more digits than ``c . x`` can: just above rheobase
        the asymptote and the threshold cancel. Used where the rates are real.

    Raises
    ------
    ValueError
        If the row does not fit the matrix or is not finite.

    Examples
    --------
    >>> psp = prepare_crossing([[-0.1, 0.1, 0.0], [0.0, -0.1, 0.0], [0.0, 0.0, 0.0]], [1.0, 0.0, -1.0])
    >>> psp.first([0.0, 2.0, 1.0]), round(psp.first([0.0, 2.72, 1.0]), 6)  # the peak is 2.72/e
    (inf, 9.648706)
    """
    modal = matrix if isinstance(matrix, Modal) else decompose(matrix)
    n = len(modal.nodes)
    c = np.array(row, dtype=np.float64)
    if c.shape != (n,) or not np.all(np.isfinite(c)):
        raise ValueError(f"row = {row!r} is not a finite functional of {n} states; pass shape ({n},)")
    own = np.zeros(table_size(n) - _modal.table_size(n))
    own[:n] = c
    if _sees_real_only(modal, c @ modal.from_modes):
        rates, layout = _pack_real(modal, c, own[n:], level)
    else:
        rates, layout = _pack_general(modal, c, own[n:])
    numbers = np.concatenate([modal.numbers, own])
    return Crossing(modal, c, rates, numbers, np.concatenate([modal.layout, layout]))


def stack_crossings(crossings: Sequence[Crossing]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the tables of several kinds, ``(n_kinds, table_size)`` and ``(n_kinds, layout_size)``.

    Kernels read kind k of the flattened arrays from ``o = k * table_size(n)`` and ``q = k * layout_size(n)``.

    Raises
    ------
    ValueError
        If the kinds differ in their number of states, or there is none.
    """
    sizes = {len(crossing.row) for crossing in crossings}
    if len(sizes) != 1:
        raise ValueError(f"crossings have {sorted(sizes)} states; stack kinds of one model only")
    return np.stack([c.numbers for c in crossings]), np.stack([c.layout for c in crossings])


def _sees_real_only(modal: Modal, weights: Floats) -> bool:
    spans = zip(modal.kinds, modal.starts[:-1], modal.starts[1:], strict=True)
    return all(kind in (SINGLE, CLUSTER) or not np.any(weights[i:j]) for kind, i, j in spans)


def _pack_real(modal: Modal, c: Floats, out: Floats, level: int | None = None) -> tuple[Floats, NDArray[np.int64]]:
    """Fill the table of a kind with real eigenvalues; return its rates and its part of the layout."""
    n = len(c)
    weights, sizes = c @ modal.from_modes, np.abs(c) @ np.abs(modal.from_modes)
    to_size = np.abs(modal.to_modes)
    chains: list[tuple[list[float], list[Floats], list[Floats]]] = []
    for i, j in zip(modal.starts[:-1], modal.starts[1:], strict=True):
        block, value, size = modal.blocks[i:j, i:j], weights[i:j], sizes[i:j]
        nodes, rows, errors = [], [], []
        for node in modal.nodes[i:j]:
            if not np.any(value):
                break
            nodes.append(float(node))
            rows.append(value @ modal.to_modes[i:j])
            errors.append(size @ to_size[i:j])
            shifted = block - node * np.eye(j - i)
            value, size = value @ shifted, size @ np.abs(shifted)
        if len(nodes) == 1 and [nodes[0]] in [known[0] for known in chains]:
            known = next(known for known in chains if known[0] == nodes)  # equal rates, uncoupled: one mode
            known[1][0], known[2][0] = known[1][0] + rows[0], known[2][0] + errors[0]
        elif nodes:
            chains.append((nodes, rows, errors))
    for nodes, rows, errors in chains:
        if nodes == [0.0] and level is not None:
            rows[0] = errors[0] = np.eye(n)[level]
    chains.sort(key=lambda chain: chain[0][0])
    rates = np.array([node for chain in chains for node in chain[0]])
    k_all = len(rates)
    shift = float(rates.max()) if k_all else 0.0  # exp(-shift t) g has the zeros of g and rates <= 0
    chain_matrix = np.diag(rates)
    first, block_sizes, constant = np.zeros(k_all), np.zeros(n, dtype=np.int64), np.zeros(n)
    i = 0
    for nodes, _, _ in chains:
        first[i], block_sizes[i] = 1.0, len(nodes)
        unit = 1.0 if nodes[-1] == 0.0 and not np.any(constant) else 0.0
        for k, node in enumerate(nodes):
            constant[i + k] = unit
            unit *= -node
            if k + 1 < len(nodes):
                chain_matrix[i + k, i + k + 1] = 1.0
        i += len(nodes)
    newton = np.zeros((k_all, k_all))
    value = first
    for k in range(k_all):
        newton[k] = value
        value = value @ (chain_matrix - rates[k] * np.eye(k_all))
    a_rows = np.array([row for chain in chains for row in chain[1]]).reshape(k_all, n)
    a_errors = np.array([row for chain in chains for row in chain[2]]).reshape(k_all, n) * (32.0 * n * UNIT)
    shifted = chain_matrix - shift * np.eye(k_all)
    slope = first @ shifted
    square = n * n
    for place, part in enumerate((newton @ a_rows, np.abs(newton) @ a_errors, a_rows, a_errors)):
        out[place * square : place * square + k_all * n] = part.ravel()
    wide = np.zeros((n, n))
    wide[:k_all, :k_all] = newton
    out[4 * square : 5 * square] = wide.ravel()
    for place, part in enumerate((rates - shift, slope, slope @ shifted, constant[:k_all])):
        out[5 * square + place * n : 5 * square + place * n + k_all] = part
    decaying = [1.0 / (shift - rate) for rate in rates if rate < shift]
    slowest = max(decaying, default=0.25)
    ramp = any(len(chain[0]) > 1 and chain[0][-1] == shift for chain in chains)
    out[5 * square + 4 * n] = 4.0 * slowest
    out[5 * square + 4 * n + 1] = max(800.0 * slowest, 1e15) if ramp else 800.0 * slowest
    return rates, np.array([k_all, 0, *block_sizes], dtype=np.int64)


def _pack_general(modal: Modal, c: Floats, out: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Fill the table of a kind with complex eigenvalues; return no rates, and its part of the layout."""
    n = len(c)
    rows = [c @ modal.from_modes]
    for _ in range(3):
        rows.append(rows[-1] @ modal.blocks)
    scales, undamped = np.ones(n), []
    reach = growth = 0.0
    spans = zip(modal.kinds, modal.starts[:-1], modal.starts[1:], strict=True)
    for place, (kind, i, j) in enumerate(spans):
        block = modal.blocks[i:j, i:j]
        scales[i:j], norm = _scale_block(block)
        if kind == PAIR:
            norm = float(block[0, 0])
            omega = math.sqrt(-block[0, 1] * block[1, 0])
            if abs(norm) <= 1e-13 * omega:
                norm = 0.0
                undamped.append(2.0 * math.pi / omega)
        seen = np.any(rows[0][i:j])
        for order in range(4):
            out[4 * n + order * n + place] = np.linalg.norm(rows[order][i:j] / scales[i:j]) if seen else 0.0
        out[8 * n + place] = norm if seen else 0.0
        if seen:
            reach = max(reach, float(np.abs(block).sum(axis=1).max()))
            growth = max(growth, float(modal.nodes[i:j].max()))
    out[: 4 * n] = np.concatenate(rows)
    out[9 * n : 10 * n] = scales
    out[10 * n] = 0.5 / reach
    out[10 * n + 1] = -1.0 if len(undamped) > 1 else max(undamped, default=0.0)
    out[10 * n + 2] = growth
    power: Floats = c
    size: Floats = np.abs(c)
    m = np.abs(modal.matrix)
    for k in range(n):
        out[10 * n + 3 + k * n : 10 * n + 3 + (k + 1) * n] = power
        out[10 * n + 3 + (n + k) * n : 10 * n + 3 + (n + k + 1) * n] = size * (8.0 * n * UNIT)
        power, size = power @ modal.matrix, size @ m
    return np.empty(0), np.array([0, 1, *[0] * n], dtype=np.int64)


def _scale_block(block: Floats) -> tuple[Floats, float]:
    """Return scales s of the modes and the logarithmic norm of ``S B S^-1``.

    Complex pairs are made normal. Couplings between the parts of a block are scaled down only as far as makes
    the norm of a decaying block negative, for every factor in s loosens the bounds.
    """
    m = len(block)
    own: Floats = np.ones(m)
    part = np.zeros(m)
    for i in range(1, m):
        pair = block[i, i - 1] != 0.0
        part[i] = part[i - 1] + (not pair)
        if pair:
            own[i] = math.sqrt(abs(block[i - 1, i] / block[i, i - 1]))
    slowest = float(np.diag(block).max())
    norms = []
    for power in range(12 if slowest < 0.0 else 1):
        scales = np.asarray(own * 2.0 ** (power * part), dtype=np.float64)
        scaled = block * scales[:, None] / scales[None, :]
        norms.append(float(np.linalg.eigvalsh(0.5 * (scaled + scaled.T))[-1]))
        if norms[-1] <= 0.5 * slowest:
            return scales, norms[-1]
    return own, norms[0]
