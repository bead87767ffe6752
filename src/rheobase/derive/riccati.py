r"""How does a quadratic neuron move between events, and when does it fire? A Riccati equation in closed form.

With constant input, ``dv/dt = alpha (v - m)^2 + delta`` (quadratic integrate-and-fire). Put u = v - m; then

    u(t) = u_0 + (delta + alpha u_0^2) S / (C - alpha u_0 S),

with ``S = sin(w t)/w, C = cos(w t)`` for ``w^2 = alpha delta > 0``, ``sinh`` and ``cosh`` for ``alpha delta < 0``,
and ``S = t, C = 1`` in between. The potential reaches ``u_0 + d`` when

    S/C = d / (delta + alpha u_0 (u_0 + d)),

if no fixed point lies in the way. Ermentrout and Kopell 1986 (SIAM J. Appl. Math. 46:233); Izhikevich 2007,
Dynamical Systems in Neuroscience, section 3.3.8.

The kernels have the arguments of those for affine flows (`rheobase.derive.crossing`, `rheobase.derive.modal`), and
their table begins like a modal one with the identity for the transforms, so the same loops run them. After it come
the threshold functional c (n), the row of delta on the state (n), alpha and m. State 0 is the potential, the others
are constant.
"""

import math

import numpy as np
from numpy.typing import NDArray

from rheobase.derive import modal as _modal
from rheobase.derive.crossing import layout_size, table_size
from rheobase.derive.kernels import Floats, Layout, Table, Work, kernel

__all__ = [
    "first_quadratic",
    "flow_quadratic",
    "glance_quadratic",
    "pass_quadratic",
    "prepare_quadratic",
    "propagate_quadratic",
]


@kernel
def move_quadratic(v: float, delta: float, bend: float, middle: float, t: float) -> float:
    """Return the potential a time t after v."""
    u = v - middle
    slope = delta + bend * u * u
    square = bend * delta
    if square > 0.0:
        rate = math.sqrt(square)
        s = math.sin(rate * t) / rate
        c = math.cos(rate * t)
    elif square < 0.0:
        rate = math.sqrt(-square)
        s = math.tanh(rate * t) / rate  # both over cosh
        c = 1.0
    else:
        s = t
        c = 1.0
    return v + slope * s / (c - bend * u * s)


@kernel
def flow_quadratic(x: Work, t: float, f: Table, o: int, p: Layout, q: int, w: Work, out: Work) -> None:
    """Write x(t) to `out` (may be `x` itself)."""
    n = p[q]
    own = o + 3 * n * n + n + 1
    delta = 0.0
    for i in range(n):
        delta += f[own + n + i] * x[i]
    v = move_quadratic(x[0], delta, f[own + 2 * n], f[own + 2 * n + 1], t)
    for i in range(1, n):
        out[i] = x[i]
    out[0] = v


@kernel
def propagate_quadratic(y: Work, j: int, t: float, f: Table, o: int, p: Layout, q: int, w: Work, out: Work) -> None:
    """Write to `out` the state a time t after that in row j of `y`."""
    for i in range(p[q]):
        w[i] = y[j, i]
    flow_quadratic(w, t, f, o, p, q, w, out)


@kernel
def pass_quadratic(y: Work, j: int, t: float, f: Table, o: int, p: Layout, q: int, w: Work) -> None:
    """Let a time t pass for the state in row j of `y`."""
    propagate_quadratic(y, j, t, f, o, p, q, w, w)
    y[j, 0] = w[0]


@kernel
def first_quadratic(
    x: Work, until: float, strict: bool, tolerance: float, f: Table, o: int, p: Layout, q: int, w: Work
) -> float:
    """Return the first time at which ``c . x(t)`` is above zero, 0 if at once, inf if never or after `until`."""
    n = p[q]
    own = o + 3 * n * n + n + 1
    g = 0.0
    delta = 0.0
    for i in range(n):
        g += f[own + i] * x[i]
        delta += f[own + n + i] * x[i]
    if g > 0.0 or (g == 0.0 and not strict):
        return 0.0
    bend = f[own + 2 * n]
    u = x[0] - f[own + 2 * n + 1]
    slope = delta + bend * u * u
    sign = 1.0 if f[own] > 0.0 else -1.0
    if not sign * slope > 0.0 or f[own] == 0.0:
        return math.inf  # at rest, or on its way from the threshold: one state does not turn
    if g == 0.0:
        return 0.0
    way = abs(g / f[own])
    rest = sign * (slope + bend * u * sign * way)
    square = bend * delta
    if square > 0.0:
        rate = math.sqrt(square)
        time = math.atan2(rate * way, rest) / rate
    elif square < 0.0:
        rate = math.sqrt(-square)
        ratio = rate * way / rest if rest > 0.0 else 1.0
        time = 0.5 * math.log1p(2.0 * ratio / (1.0 - ratio)) / rate if ratio < 1.0 else math.inf
    else:
        time = way / rest if rest > 0.0 else math.inf
    return time if time <= until else math.inf


@kernel
def glance_quadratic(x: Work, strict: bool, f: Table, o: int, p: Layout, q: int) -> float:
    """Return 0 if the condition holds from the start, inf if it never will, nan if it will."""
    found = first_quadratic(x, math.inf, strict, 0.0, f, o, p, q, x)
    return math.nan if 0.0 < found < math.inf else found


def prepare_quadratic(row: Floats, bend: float, middle: float, functional: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the packed table and layout of one kind.

    Parameters
    ----------
    row : (n,) array
        delta on the state; all zero, and `bend` 0, while the potential is clamped.
    bend, middle : float
        alpha and m.
    functional : (n,) array
        c: the neuron fires where ``c . x`` is above zero.
    """
    n = len(row)
    numbers, layout = np.zeros(table_size(n)), np.zeros(layout_size(n), dtype=np.int64)
    numbers[: n * n] = numbers[n * n : 2 * n * n] = np.eye(n).ravel()
    own = _modal.table_size(n)
    numbers[own : own + n], numbers[own + n : own + 2 * n] = functional, row
    numbers[own + 2 * n : own + 2 * n + 2] = bend, middle
    layout[0] = n
    return numbers, layout
