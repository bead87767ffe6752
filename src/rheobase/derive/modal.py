"""How does an affine state move between events? Modes of a constant matrix, exact for any time constants.

Between events the augmented state (one entry is the constant 1) obeys ``x' = M x``. Once per parameter set
M is block-diagonalised, ``M = V B V^-1``, so that ``x(t) = V exp(B t) V^-1 x(0)`` costs one exponential per
mode. Diagonalising fully is hopeless near equal time constants, so close eigenvalues stay together in one
triangular block, whose exponential is a Newton series in divided differences of exp,

    exp(B t) = sum_k  exp[lambda_0, ..., lambda_k](t)  (B - lambda_0) ... (B - lambda_{k-1}),

every term of which is smooth through equality: nothing special happens at tau_m = tau_s.

`rheobase.derive.blocks` finds V and B; the functions marked `kernel` run as they are or compiled
(`rheobase.derive.kernels`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheobase.derive.blocks import find_blocks
from rheobase.derive.kernels import Floats, Layout, Table, Work, kernel
from rheobase.derive.kernels import compile_kernels as compile_kernels

SINGLE, PAIR, CLUSTER, MIXED = 0, 1, 2, 3


# ---------------------------------------------------------------------------------------------- kernels
# Packed table of one kind, n states: V^-1 (n*n), V (n*n), B (n*n), Newton nodes (n)
# and the fastest rate. Packed layout: n, number of blocks, n + 1 block starts, n block kinds.


@kernel
def divided_exponentials(f: Table, o: int, m: int, t: float, w: Work, s: int) -> None:
    """Write exp[l_i, ..., l_j](t), i <= j < m, to ``w[s + i*m + j]`` for ascending nodes ``l = f[o:o+m]``.

    Wide spans use the recurrence ``(F[i+1,j] - F[i,j-1]) / (l_j - l_i)``; narrow ones the series about the
    mean, ``t^k e^(mean) sum_p h_p(u) / (k+p)!`` with the complete homogeneous polynomials h_p of the offsets.
    By Hermite-Genocchi the sum is at least 1/k!, and the neglected terms are below ``u_max^p / p! / k!``.
    Mixed use after McCurdy, Ng and Parlett 1984 (Math. Comput. 43:501). Scratch: m more entries.
    """
    h = s + m * m
    for k in range(m):
        for i in range(m - k):
            j = i + k
            if k == 0:
                w[s + i * m + i] = math.exp(f[o + i] * t)
                continue
            gap = f[o + j] - f[o + i]
            span = gap * t
            if k == 1:
                ratio = -math.expm1(-span) / span if span > 0.0 else 1.0
                w[s + i * m + j] = t * w[s + j * m + j] * ratio
            elif span > 0.5 * (k + 1):
                w[s + i * m + j] = (w[s + (i + 1) * m + j] - w[s + i * m + j - 1]) / gap
            else:
                mean = 0.0
                for a in range(i, j + 1):
                    mean += f[o + a] - f[o + i]
                mean = f[o + i] + mean / (k + 1)
                widest = 0.0
                for a in range(k + 1):
                    w[h + a] = 1.0
                    widest = max(widest, abs(f[o + i + a] - mean) * t)
                total = 1.0
                coefficient = 1.0
                bound = widest
                p = 1
                while bound > 1e-18 and p < 60:
                    w[h] *= (f[o + i] - mean) * t
                    for a in range(1, k + 1):
                        w[h + a] = w[h + a - 1] + (f[o + i + a] - mean) * t * w[h + a]
                    coefficient /= k + p
                    total += coefficient * w[h + k]
                    p += 1
                    bound *= widest / p
                scale = math.exp(mean * t) * total
                for a in range(1, k + 1):
                    scale *= t / a
                w[s + i * m + j] = scale


@kernel
def multiply(m: int, w: Work, a: int, b: int, c: int) -> None:
    """Write the product of the (m, m) matrices at ``w[a:]`` and ``w[b:]`` to ``w[c:]``."""
    for i in range(m):
        for j in range(m):
            total = 0.0
            for k in range(m):
                total += w[a + i * m + k] * w[b + k * m + j]
            w[c + i * m + j] = total


@kernel
def flow_mixed(f: Table, b: int, n: int, m: int, t: float, w: Work, y: int, z: int, s: int) -> None:
    """Write ``(exp(B t) - 1) y`` to ``w[z:]``; B at ``f[b]``, rows of length n.

    Taylor series of ``F = exp(N h) - 1``, N the deviation from the mean rate, then ``F <- 2 F + F^2`` until h
    is t. Scratch: 3 m^2.
    """
    size = m * m
    mean = 0.0
    for i in range(m):
        mean += f[b + i * n + i] / m
    norm = 0.0
    for i in range(m):
        row = 0.0
        for j in range(m):
            entry = (f[b + i * n + j] - (mean if i == j else 0.0)) * t
            w[s + i * m + j] = entry
            row += abs(entry)
        norm = max(norm, row)
    doublings = 0
    while norm > 0.5 and doublings < 1000:
        norm *= 0.5
        doublings += 1
    scale = 0.5**doublings
    for i in range(size):
        w[s + i] *= scale
        w[s + size + i] = w[s + i]
    p = 2
    bound = norm
    while bound > 1e-18 and p < 40:
        bound *= norm / p
        p += 1
    degree = p
    for q in range(degree, 1, -1):  # F = N (1 + N/2 (1 + N/3 (...)))
        for i in range(m):
            for j in range(m):
                k = i * m + j
                w[s + size + k] = w[s + size + k] / q if q == degree else w[s + 2 * size + k] / q
            w[s + size + i * m + i] += 1.0
        multiply(m, w, s, s + size, s + 2 * size)
    for i in range(size):
        w[s + size + i] = w[s + 2 * size + i]
    for _ in range(doublings):
        multiply(m, w, s + size, s + size, s + 2 * size)
        for i in range(size):
            w[s + size + i] = 2.0 * w[s + size + i] + w[s + 2 * size + i]
    grow = math.exp(mean * t)
    less = math.expm1(mean * t)
    for i in range(m):
        total = 0.0
        for j in range(m):
            total += w[s + size + i * m + j] * w[y + j]
        w[z + i] = less * w[y + i] + grow * total


@kernel
def flow_modes(f: Table, o: int, p: Layout, q: int, t: float, delta: bool, w: Work, y: int, z: int, s: int) -> None:
    """Write ``exp(B t) y`` (or, with `delta`, ``(exp(B t) - 1) y``) to ``w[z:z+n]``; y is ``w[y:y+n]``."""
    n = p[q]
    b = o + 2 * n * n
    nodes = o + 3 * n * n
    for block in range(p[q + 1]):
        k = p[q + 2 + block]
        m = p[q + 3 + block] - k
        kind = p[q + 3 + n + block]
        if kind == SINGLE:
            u = f[nodes + k] * t
            w[z + k] = w[y + k] * (math.expm1(u) if delta else math.exp(u))
        elif kind == PAIR:
            at = b + k * n + k
            real = f[at] * t
            up = f[at + 1]
            down = f[at + n]
            omega = math.sqrt(-up * down)
            decay = math.exp(real)
            sine = decay * math.sin(omega * t) / omega
            if delta:
                half = math.sin(0.5 * omega * t)
                cosine = math.expm1(real) - 2.0 * decay * half * half
            else:
                cosine = decay * math.cos(omega * t)
            w[z + k] = cosine * w[y + k] + up * sine * w[y + k + 1]
            w[z + k + 1] = down * sine * w[y + k] + cosine * w[y + k + 1]
        elif kind == CLUSTER:
            divided_exponentials(f, nodes + k, m, t, w, s)
            r = s + m * m + m
            first = math.expm1(f[nodes + k] * t) if delta else w[s]
            for i in range(m):
                w[r + i] = w[y + k + i]
                w[z + k + i] = first * w[y + k + i]
            for a in range(1, m):
                node = f[nodes + k + a - 1]
                for i in range(m):  # upper triangular: rows above are done before those they need
                    total = (f[b + (k + i) * n + k + i] - node) * w[r + i]
                    for j in range(i + 1, m):
                        total += f[b + (k + i) * n + k + j] * w[r + j]
                    w[r + i] = total
                    w[z + k + i] += w[s + a] * total
        else:
            flow_mixed(f, b + k * n + k, n, m, t, w, y + k, z + k, s)
            if not delta:
                for i in range(m):
                    w[z + k + i] += w[y + k + i]


@kernel
def propagate_state(x: Work, t: float, f: Table, o: int, p: Layout, q: int, w: Work, out: Work) -> None:
    """Write x(t) to `out` (may be `x` itself); tables start at ``f[o]`` and ``p[q]``; see `work_size`.

    Short steps add the increment ``V (exp(B t) - 1) V^-1 x`` to x, which keeps all digits of slow changes;
    long ones evaluate ``V exp(B t) V^-1 x``, which keeps the relative digits of what decays.
    """
    n = p[q]
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += f[o + i * n + j] * x[j]
        w[i] = total
    delta = f[o + 3 * n * n + n] * t < 0.25
    flow_modes(f, o, p, q, t, delta, w, 0, n, 2 * n)
    v = o + n * n
    for i in range(n):
        total = x[i] if delta else 0.0
        for j in range(n):
            total += f[v + i * n + j] * w[n + j]
        out[i] = total


@kernel
def pass_modes(y: Work, j: int, t: float, f: Table, o: int, p: Layout, q: int, w: Work) -> None:
    """Let a time t pass for the modes in row j of `y`."""
    n = p[q]
    for i in range(n):
        w[i] = y[j, i]
    flow_modes(f, o, p, q, t, False, w, 0, n, 2 * n)
    for i in range(n):
        y[j, i] = w[n + i]


@kernel
def propagate_modes(y: Work, j: int, t: float, f: Table, o: int, p: Layout, q: int, w: Work, out: Work) -> None:
    """Write to `out` the states a time t after the modes in row j of `y`."""
    n = p[q]
    for i in range(n):
        w[i] = y[j, i]
    flow_modes(f, o, p, q, t, False, w, 0, n, 2 * n)
    v = o + n * n
    for i in range(n):
        total = 0.0
        for k in range(n):
            total += f[v + i * n + k] * w[n + k]
        out[i] = total


# --------------------------------------------------------------------------------------- decomposition


def table_size(n: int) -> int:
    """Return how many floats the packed table of an n-state `Modal` holds."""
    return 3 * n * n + n + 1


def layout_size(n: int) -> int:
    """Return how many integers the packed layout of an n-state `Modal` holds."""
    return 2 * n + 3


def work_size(n: int) -> int:
    """Return how many floats of scratch `propagate_state` needs for n states."""
    return 3 * n * n + 5 * n


@dataclass(frozen=True)
class Modal:
    """Block-diagonal form ``M = V B V^-1`` of one constant matrix.

    Attributes
    ----------
    matrix, to_modes, from_modes, blocks : (n, n) arrays
        M, V^-1, V and B (rates in 1/ms where times are in ms).
    nodes : (n,) array
        Eigenvalues (real parts), ascending within each block: the nodes of the Newton series.
    starts : tuple of int
        First index of each block, and n.
    kinds : tuple of int
        SINGLE (1x1), PAIR (2x2, complex), CLUSTER (real, close) or MIXED (anything else) for each block.
    numbers, layout : 1-D arrays
        The same packed flat for the kernels (float64 and int64).
    """

    matrix: Floats
    to_modes: Floats
    from_modes: Floats
    blocks: Floats
    nodes: Floats
    starts: tuple[int, ...]
    kinds: tuple[int, ...]
    numbers: Floats
    layout: NDArray[np.int64]

    @property
    def is_real(self) -> bool:
        """Whether all eigenvalues are real."""
        return all(kind in (SINGLE, CLUSTER) for kind in self.kinds)

    def propagate(self, x: ArrayLike, t: ArrayLike) -> Floats:
        """Return the state at time t, ``exp(M t) x``; shape ``t.shape + (n,)``.

        Parameters
        ----------
        x : (n,) array
            State at time 0.
        t : float or array
            Times >= 0.

        Raises
        ------
        ValueError
            If a time is negative or x has the wrong length.

        Examples
        --------
        >>> leak = decompose([[-0.1, 0.2], [0.0, 0.0]])
        >>> leak.propagate([0.0, 1.0], 10.0).round(6)
        array([1.264241, 1.      ])
        """
        n = len(self.nodes)
        start = np.asarray(x, dtype=np.float64)
        times = np.asarray(t, dtype=np.float64)
        if start.shape != (n,):
            raise ValueError(f"x has shape {start.shape}; this system has {n} states, so pass shape ({n},)")
        if np.any(~(times >= 0.0)):
            raise ValueError(f"t = {times.min()} is not a time >= 0; the flow runs forward only")
        f, p, w = self.numbers.tolist(), self.layout.tolist(), [0.0] * work_size(n)
        state, out = start.tolist(), [0.0] * n
        result = np.empty((times.size, n))
        for i, time in enumerate(times.ravel().tolist()):
            propagate_state(state, time, f, 0, p, 0, w, out)
            result[i] = out
        return result.reshape((*times.shape, n))

    def magnitude(self, x: ArrayLike, t: float) -> Floats:
        """Return ``|V| |exp(B t)| |V^-1| |x|``, the size of the terms summed into each state at time t.

        ``magnitude / |x(t)|`` is the condition number of each state: `propagate` is accurate to about
        ``(4 + rate * t)`` rounding errors times it.
        """
        n = len(self.nodes)
        f, p = self.numbers.tolist(), self.layout.tolist()
        flow = np.zeros((n, n))
        for j in range(n):
            w = [0.0] * work_size(n)
            w[j] = 1.0
            flow_modes(f, 0, p, 0, t, False, w, 0, n, 2 * n)
            flow[:, j] = w[n : 2 * n]
        sizes = np.abs(self.to_modes) @ np.abs(np.asarray(x, dtype=np.float64))
        return np.asarray(np.abs(self.from_modes) @ (np.abs(flow) @ sizes))


def decompose(matrix: ArrayLike, gap: float = 0.125, slow: float = 1e-4) -> Modal:
    """Return the block-diagonal form of a constant matrix.

    Parameters
    ----------
    matrix : (n, n) array
        M of ``x' = M x``.
    gap : float
        Eigenvalues closer than this fraction of the larger one share a block. Coupled groups of p and q such
        eigenvalues do so below ``gap^(1/(p+q-1))``: split at a distance d they lose a factor ``d^-(p+q-1)``.
    slow : float
        So do eigenvalues that are both below this rate (1/ms: 1e-4 is a time constant of 10 s). A leak that
        slow beside a constant or a ramp loses digits at ordinary times if it is split off.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite.

    Examples
    --------
    >>> alpha = decompose([[-0.5, 1.0], [0.0, -0.5]])  # equal time constants
    >>> alpha.kinds, alpha.propagate([0.0, 1.0], 2.0).round(6)
    ((2,), array([0.735759, 0.367879]))
    """
    m = np.array(matrix, dtype=np.float64)
    if m.ndim != 2 or m.shape[0] != m.shape[1] or m.shape[0] == 0:
        raise ValueError(f"matrix has shape {m.shape}; pass a square matrix of the augmented state")
    if not np.all(np.isfinite(m)):
        raise ValueError("matrix has an entry that is not finite; check the parameters it was built from")
    n = len(m)
    to_modes, from_modes, blocks, groups = find_blocks(m, gap, slow)
    starts, kinds, nodes, mixed = [0], [], [], list[bool]()
    for group in groups:
        size = sum(len(spectrum) for spectrum in group)
        nodes += sorted(z.real for spectrum in group for z in spectrum)
        real = all(len(spectrum) == 1 for spectrum in group)
        kinds.append((SINGLE if size == 1 else CLUSTER) if real else (PAIR if size == 2 else MIXED))
        starts.append(starts[-1] + size)
        mixed += [kinds[-1] in (PAIR, MIXED)] * size
    fastest = float(max(np.abs(nodes).max(), np.abs(blocks).sum(axis=1)[mixed].max(initial=0.0)))
    numbers = np.concatenate([to_modes.ravel(), from_modes.ravel(), blocks.ravel(), nodes, [fastest]])
    pad = [0] * (n - len(kinds))
    layout = np.array([n, len(kinds), *starts, *pad, *kinds, *pad], dtype=np.int64)
    return Modal(m, to_modes, from_modes, blocks, np.array(nodes), tuple(starts), tuple(kinds), numbers, layout)
