"""Which modes of a constant matrix belong together, and the transforms that part the others: ``M = V B V^-1``.

States are first put in the order of who drives whom, so that a cascade (currents into a voltage) is
triangular as it stands: its eigenvalues are its diagonal, exactly, and zeros stay zeros. Only states in a
loop (voltage and adaptation, a sinusoid) go through a balanced real Schur form. Blocks are then
separated by the recurrence for ``T V = V B`` (Bavely and Stewart 1979, SIAM J. Numer. Anal. 16:359),
which divides only by differences of eigenvalues of different clusters.
"""

import math

import numpy as np
from numpy.typing import NDArray

from rheobase.derive.kernels import Floats

Groups = list[list[list[complex]]]  # for each block, the eigenvalues of each of its parts: one, or a complex pair


def find_blocks(m: Floats, gap: float, slow: float) -> tuple[Floats, Floats, Floats, Groups]:
    """Return V^-1, V, B and the eigenvalues, grouped by block; `gap` and `slow` as for `modal.decompose`."""
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
    groups = [[spectrum[a] for a in ranks if family[a] == c] for c in dict.fromkeys(family[a] for a in ranks)]
    return u[order] @ to_t, from_t @ v[:, order], b[np.ix_(order, order)], groups


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
