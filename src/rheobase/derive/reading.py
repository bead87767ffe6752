"""The threshold function g, its derivatives and its signs at a time, from the modes: what a search looks at.

Kernels in plain Python over flat tables; how the tables are packed is told in `rheobase.derive.crossing`.
"""

import math

from rheobase.derive.kernels import Layout, Table, Work, kernel
from rheobase.derive.modal import divided_exponentials, flow_modes

MANY = 1000  # more sign variations than any sequence here has
UNIT = 2.0**-53


@kernel
def note_sign(value: float, error: float, counts: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the sign variations so far: most if the last sign is +, most if -, fewest if +, fewest if -.

    A value of no more than its error may have either sign or none; with no error at all it is zero.
    """
    mp, mm, lp, lm = counts
    if value > error:
        return max(mp, mm + 1), -MANY, min(lp, lm + 1), MANY
    if value < -error:
        return -MANY, max(mm, mp + 1), MANY, min(lm, lp + 1)
    if error > 0.0:
        return max(mp, mm + 1), max(mm, mp + 1), lp, lm
    return counts


@kernel
def count_variations(f: Table, a: int, n: int, size: int, w: Work, z: int, e: int) -> tuple[int, int, int, int]:
    """Return most and fewest sign variations of g, then of g', at modes ``w[z:]`` known to ``w[e:]``."""
    rates = a + n + 5 * n * n
    row = a + n + 4 * n * n
    of_g = (-1, -1, 0, 0)
    of_slope = (-1, -1, 0, 0)
    before = 0.0
    before_error = 0.0
    for k in range(size):
        value = 0.0
        error = 0.0
        for i in range(k, size):
            entry = f[row + k * n + i]
            value += entry * w[z + i]
            error += abs(entry) * w[e + i]
        of_g = note_sign(value, error, of_g)
        if k > 0:
            rate = f[rates + k - 1]
            of_slope = note_sign(value + rate * before, error - rate * before_error, of_slope)
        before = value
        before_error = error
    rate = f[rates + size - 1]
    of_slope = note_sign(rate * before, -rate * before_error, of_slope)
    return (
        max(of_g[0], of_g[1], 0),
        min(of_g[2], of_g[3]),
        max(of_slope[0], of_slope[1], 0),
        min(of_slope[2], of_slope[3]),
    )


@kernel
def read_modes(
    f: Table, a: int, n: int, p: Layout, s: int, g0: float, t: float, w: Work
) -> tuple[float, float, float, float]:
    """Return g, g', g'' and the size of the terms of g at time t from the modes ``w[0:K]`` at 0 (real kinds).

    g is summed twice, as ``g(0) + sum (exp - 1)`` and as ``sum exp``; the sum of smaller terms is kept.
    """
    size = p[s]
    rates = a + n + 5 * n * n
    first = rates + n
    second = first + n
    rise = g0
    rise_size = abs(g0)
    level = 0.0
    level_size = 0.0
    slope = 0.0
    curve = 0.0
    k = 0
    while k < size:
        m = p[s + 2 + k]
        rate = f[rates + k]
        u = rate * t
        if u == 0.0:
            less = 0.0
            grow = 1.0
        elif u > -1.0:
            less = math.expm1(u)
            grow = 1.0 + less
        else:
            grow = math.exp(u)
            less = grow - 1.0
        z = grow * w[k]
        d = less * w[k]
        if m == 1:
            slope += f[first + k] * z
            curve += f[second + k] * z
        elif m == 2:
            gap = (f[rates + k + 1] - rate) * t
            grow = math.exp(f[rates + k + 1] * t)
            next_z = grow * w[k + 1]
            more = t * next_z * (-math.expm1(-gap) / gap if gap > 0.0 else 1.0)
            z += more
            d += more
            slope += f[first + k] * z + f[first + k + 1] * next_z
            curve += f[second + k] * z + f[second + k + 1] * next_z
        else:
            x = 8 * n + 8
            divided_exponentials(f, rates + k, m, t, w, x)
            for j in range(1, m):
                more = w[x + j] * w[k + j]
                z += more
                d += more
            slope += f[first + k] * z
            curve += f[second + k] * z
            for i in range(1, min(m, 3)):  # g'' reaches two entries along a chain, no more
                total = 0.0
                for j in range(i, m):
                    total += w[x + i * m + j] * w[k + j]
                slope += f[first + k + i] * total
                curve += f[second + k + i] * total
        rise += d
        rise_size += abs(d)
        level += z
        level_size += abs(z)
        k += m
    if rise_size <= level_size:
        return rise, slope, curve, rise_size
    return level, slope, curve, level_size


@kernel
def flow_real(f: Table, a: int, n: int, p: Layout, s: int, t: float, w: Work, z: int) -> None:
    """Write the modes at time t to ``w[z:]``, their error bounds to ``w[z+n:]``, from those at ``w[0:]``."""
    size = p[s]
    rates = a + n + 5 * n * n
    k = 0
    while k < size:
        m = p[s + 2 + k]
        grow = math.exp(f[rates + k] * t)
        if m == 1:
            w[z + k] = grow * w[k]
            w[z + n + k] = grow * w[n + k]
        elif m == 2:
            gap = (f[rates + k + 1] - f[rates + k]) * t
            next_grow = math.exp(f[rates + k + 1] * t)
            cross = t * next_grow * (-math.expm1(-gap) / gap if gap > 0.0 else 1.0)
            w[z + k] = grow * w[k] + cross * w[k + 1]
            w[z + n + k] = grow * w[n + k] + cross * w[n + k + 1]
            w[z + k + 1] = next_grow * w[k + 1]
            w[z + n + k + 1] = next_grow * w[n + k + 1]
        else:
            x = 8 * n + 8
            divided_exponentials(f, rates + k, m, t, w, x)
            for i in range(m):
                total = 0.0
                error = 0.0
                for j in range(i, m):
                    total += w[x + i * m + j] * w[k + j]
                    error += w[x + i * m + j] * w[n + k + j]
                w[z + k + i] = total
                w[z + n + k + i] = error
        k += m


@kernel
def read_general(f: Table, o: int, p: Layout, q: int, a: int, t: float, w: Work) -> tuple[float, float, float, float]:
    """Return g, g', g'' and the size of the terms of g at time t (any kind).

    From the modes ``w[0:n]`` at time 0; those at time t are left in ``w[6n:7n]``.
    """
    n = p[q]
    flow_modes(f, o, p, q, t, False, w, 0, 6 * n, 8 * n + 8)
    level = 0.0
    level_size = 0.0
    slope = 0.0
    curve = 0.0
    for i in range(n):
        z = w[6 * n + i]
        term = f[a + n + i] * z
        level += term
        level_size += abs(term)
        slope += f[a + 2 * n + i] * z
        curve += f[a + 3 * n + i] * z
    return level, slope, curve, level_size


@kernel
def read_threshold(
    f: Table, o: int, p: Layout, q: int, a: int, s: int, g0: float, t: float, w: Work
) -> tuple[float, float, float, float]:
    """Return g, g', g'' and the size of the terms of g at time t, by whichever reader the kind needs."""
    if p[s + 1] == 0:
        return read_modes(f, a, p[q], p, s, g0, t, w)
    return read_general(f, o, p, q, a, t, w)


@kernel
def holds(g: float, strict: bool) -> bool:
    """Return whether the threshold condition holds at the value g."""
    return g > 0.0 or (g == 0.0 and not strict)


@kernel
def glance(x: Work, strict: bool, f: Table, o: int, p: Layout, q: int) -> float:
    """Return 0 if the condition holds from the start, inf if it certainly never will, nan if in doubt.

    No exponential and no scratch: a compiled loop may ask this first and call `first_crossing` on nan only.
    """
    n = p[q]
    a = o + 3 * n * n + n + 1
    s = q + 2 * n + 3
    g0 = 0.0
    for i in range(n):
        g0 += f[a + i] * x[i]
    if g0 > 0.0 or (g0 == 0.0 and not strict):
        return 0.0
    general = p[s + 1] == 1
    row = a + 11 * n + 3 if general else a + n
    for k in range(1, n if general else p[s]):
        value = 0.0
        error = 0.0
        for i in range(n):
            value += f[row + k * n + i] * x[i]
            error += f[row + n * n + k * n + i] * abs(x[i])
        if g0 == 0.0 and abs(value) > error:
            if value > 0.0:
                return 0.0  # from the threshold upwards: the first derivative that is surely not zero decides
            g0 = -1.0
        if value > -error and g0 < 0.0:
            return math.nan
    return math.nan if general or g0 == 0.0 else math.inf
