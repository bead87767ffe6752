"""How does an affine state move between events? Modes of a constant matrix, exact for any time constants.

Between events the augmented state (one entry is the constant 1) obeys ``x' = M x``. Once per parameter set
M is block-diagonalised, ``M = V B V^-1``, so that ``x(t) = V exp(B t) V^-1 x(0)`` costs one exponential per
mode. Diagonalising fully is hopeless near equal time constants, so close eigenvalues stay together in one
triangular block, whose exponential is a Newton series in divided differences of exp,

    exp(B t) = sum_k  exp[lambda_0, ..., lambda_k](t)  (B - lambda_0) ... (B - lambda_{k-1}),

every term of which is smooth through equality: nothing special happens at tau_m = tau_s.

Functions marked `kernel` are plain Python over flat sequences and floats. They run as they are, and
`compile_kernels` hands them unchanged to a compiler chosen by the caller; this module imports none.
"""

import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Table = Sequence[float] | Floats  # what a kernel reads
Layout = Sequence[int] | NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])
Work = Any  # what a kernel writes: a list of floats or a float64 array

SINGLE, PAIR, CLUSTER, MIXED = 0, 1, 2, 3
KERNELS: list[Callable[..., Any]] = []


def kernel(function: Function) -> Function:
    """Return the function itself, noted in `KERNELS` in order of definition (callees come first)."""
    KERNELS.append(function)
    return function


def compile_kernels(
    jit: Callable[[Any], Any],
    kernels: Sequence[Callable[..., Any]],
    instead: Mapping[str, Callable[..., Any]] | None = None,
) -> dict[str, Any]:
    """Return the compiled kernels by name; each calls the compiled form of those before it.

    Every function is rebuilt on a copy of its module's globals in which earlier kernels are already the
    compiled ones, so the originals stay plain Python. The code objects keep their file and line, hence
    tracebacks and on-disk caches of the compiler keep working.

    Parameters
    ----------
    jit : callable
        Takes a Python function, returns its compiled form, for example ``numba.njit(cache=True)``.
    kernels : sequence of functions
        In dependency order, for example `KERNELS` of `rheobase.derive.crossing`.
    instead : mapping, optional
        Functions that take the place of kernels of that name.

    Examples
    --------
    >>> compiled = compile_kernels(lambda function: function, KERNELS)
    >>> "propagate_state" in compiled
    True
    """
    compiled: dict[str, Any] = {}
    for own in kernels:
        function = (instead or {}).get(own.__name__, own)
        namespace = {**function.__globals__, **compiled}
        clone = types.FunctionType(function.__code__, namespace, function.__name__, function.__defaults__)
        clone.__module__ = function.__module__
        clone.__qualname__ = function.__qualname__
        compiled[own.__name__] = jit(clone)
    return compiled


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

    States are first put in the order of who drives whom, so that a cascade (currents into a voltage) is
    triangular as it stands: its eigenvalues are its diagonal, exactly, and zeros stay zeros. Only states in a
    loop (voltage and adaptation, a sinusoid) go through a balanced real Schur form. Blocks are then
    separated by the recurrence for ``T V = V B`` (Bavely and Stewart 1979, SIAM J. Numer. Anal. 16:359),
    which divides only by differences of eigenvalues of different clusters.

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
    t, to_t, from_t, atoms = _triangularise(m)
    spectrum = [_eigenvalues(t[i:j, i:j]) for i, j in atoms]
    coupled = _find_coupled(t)[np.ix_([i for i, _ in atoms], [i for i, _ in atoms])]
    family = _cluster(spectrum, coupled, gap, slow)
    v, b = _separate(t, atoms, family)
    family = _split_uncoupled(b, atoms)
    u = np.eye(n)
    for i in range(n - 2, -1, -1):
        u[i, i + 1 :] = -(v[i, i + 1 :] @ u[i + 1 :, i + 1 :])
    mean = {
        c: float(np.mean([z.real for a, z_ in zip(family, spectrum, strict=True) if a == c for z in z_]))
        for c in family
    }
    ranks = sorted(range(len(atoms)), key=lambda a: (mean[family[a]], family[a], a))
    order = [i for a in ranks for i in range(*atoms[a])]
    starts, kinds, nodes, mixed = [0], [], [], list[bool]()
    for c in dict.fromkeys(family[a] for a in ranks):
        members = [a for a in ranks if family[a] == c]
        size = sum(len(spectrum[a]) for a in members)
        nodes += sorted(z.real for a in members for z in spectrum[a])
        real = all(len(spectrum[a]) == 1 for a in members)
        kinds.append((SINGLE if size == 1 else CLUSTER) if real else (PAIR if size == 2 else MIXED))
        starts.append(starts[-1] + size)
        mixed += [kinds[-1] in (PAIR, MIXED)] * size
    to_modes, from_modes, blocks = u[order] @ to_t, from_t @ v[:, order], b[np.ix_(order, order)]
    fastest = float(max(np.abs(nodes).max(), np.abs(blocks).sum(axis=1)[mixed].max(initial=0.0)))
    numbers = np.concatenate([to_modes.ravel(), from_modes.ravel(), blocks.ravel(), nodes, [fastest]])
    pad = [0] * (n - len(kinds))
    layout = np.array([n, len(kinds), *starts, *pad, *kinds, *pad], dtype=np.int64)
    return Modal(m, to_modes, from_modes, blocks, np.array(nodes), tuple(starts), tuple(kinds), numbers, layout)


def _triangularise(m: Floats) -> tuple[Floats, Floats, Floats, list[tuple[int, int]]]:
    """Return quasi-triangular T, the transforms to and from it, and its diagonal blocks (start, stop)."""
    n = len(m)
    needs = np.eye(n, dtype=bool) | (m != 0.0)
    for _ in range(n.bit_length()):
        needs = (needs.astype(np.int64) @ needs.astype(np.int64)) > 0
    loop = needs & needs.T
    leader = loop.argmax(axis=1)
    order = sorted(range(n), key=lambda i: (-int(needs[i].sum()), leader[i], i))
    to_t, from_t = np.eye(n)[order], np.eye(n)[:, order]
    t = m[np.ix_(order, order)]
    atoms: list[tuple[int, int]] = []
    i = 0
    while i < n:
        j = i + int(loop[order[i]].sum())
        if j > i + 1:
            from scipy.linalg import matrix_balance, schur

            balanced, (scale, _) = matrix_balance(t[i:j, i:j], permute=False, separate=True)
            form, z = schur(balanced, output="real")
            t[i:j, :] = z.T @ (t[i:j, :] / scale[:, None])
            t[:, i:j] = (t[:, i:j] * scale) @ z
            t[i:j, i:j] = form
            to_t[i:j] = z.T @ (to_t[i:j] / scale[:, None])
            from_t[:, i:j] = (from_t[:, i:j] * scale) @ z
        while i < j:
            size = 2 if i + 1 < j and t[i + 1, i] != 0.0 else 1
            atoms.append((i, i + size))
            i += size
    return t, to_t, from_t, atoms


def _eigenvalues(block: Floats) -> list[complex]:
    """Return the eigenvalues of a 1x1 block or of a standardised 2x2 block [[a, b], [c, a]], b c < 0."""
    if len(block) == 1:
        return [complex(block[0, 0])]
    omega = math.sqrt(-block[0, 1] * block[1, 0])
    return [complex(block[0, 0], omega), complex(block[1, 1], -omega)]


def _find_coupled(t: Floats) -> NDArray[np.bool_]:
    """Return which states drive one another, directly or through others, in either direction."""
    reach = ((t != 0.0) | np.eye(len(t), dtype=bool)).astype(np.int64)
    for _ in range(len(t).bit_length()):
        reach = np.minimum(reach @ reach, 1)
    return np.asarray((reach | reach.T) > 0)


def _cluster(spectrum: list[list[complex]], coupled: NDArray[np.bool_], gap: float, slow: float) -> list[int]:
    """Return a family number per diagonal block: chains of close eigenvalues belong together."""
    count = len(spectrum)
    family = list(range(count))
    pairs = [(i, j) for i in range(count) for j in range(i)]
    apart = [[math.inf] * count for _ in range(count)]
    for i, j in pairs:
        for a in spectrum[i]:
            for b in spectrum[j]:
                larger = max(abs(a), abs(b))
                apart[i][j] = min(apart[i][j], 0.0 if larger <= slow else abs(a - b) / larger)
        if apart[i][j] <= gap:
            family = _join(family, i, j)
    sizes = [sum(len(z) for z, c in zip(spectrum, family, strict=True) if c == own) for own in family]
    for i, j in pairs:
        if apart[i][j] ** max(1, sizes[i] + sizes[j] - 1) <= gap and coupled[i, j]:
            family = _join(family, i, j)
    return family


def _join(family: list[int], i: int, j: int) -> list[int]:
    """Return the families with those of i and j made one."""
    old, new = family[i], family[j]
    return [new if c == old else c for c in family]


def _separate(t: Floats, atoms: list[tuple[int, int]], family: list[int]) -> tuple[Floats, Floats]:
    """Return unit upper triangular V and block-diagonal B with ``T V = V B``."""
    n = len(t)
    v, b = np.eye(n), np.zeros((n, n))
    for i, j in atoms:
        b[i:j, i:j] = t[i:j, i:j]
    for distance in range(1, len(atoms)):
        for first in range(len(atoms) - distance):
            (i, i2), (j, j2) = atoms[first], atoms[first + distance]
            rest = t[i:i2, j:j2] + t[i:i2, i2:j] @ v[i2:j, j:j2] - v[i:i2, i2:j] @ b[i2:j, j:j2]
            if family[first] == family[first + distance]:
                b[i:i2, j:j2] = rest
            elif np.any(rest):
                left, right = t[i:i2, i:i2], t[j:j2, j:j2]
                if rest.size == 1:
                    v[i, j] = rest[0, 0] / (right[0, 0] - left[0, 0])
                else:
                    system = np.kron(left, np.eye(j2 - j)) - np.kron(np.eye(i2 - i), right.T)
                    v[i:i2, j:j2] = np.linalg.solve(system, -rest.ravel()).reshape(rest.shape)
    return v, b


def _split_uncoupled(b: Floats, atoms: list[tuple[int, int]]) -> list[int]:
    """Return a family number per diagonal block, equal only where B really couples them."""
    family = list(range(len(atoms)))
    for i in range(len(atoms)):
        for j in range(i):
            if np.any(b[slice(*atoms[j]), slice(*atoms[i])]):
                family = _join(family, i, j)
    return family
