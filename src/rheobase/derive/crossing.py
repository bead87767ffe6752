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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rheobase.derive import modal as _modal
from rheobase.derive.modal import (
    CLUSTER,
    PAIR,
    SINGLE,
    Floats,
    Layout,
    Modal,
    Table,
    Work,
    decompose,
    divided_exponentials,
    flow_modes,
    kernel,
)

MANY = 1000  # more sign variations than any sequence here has
UNIT = 2.0**-53

# The table of one kind is that of `modal`, then c (n), at offset a, then
#   real:    F = N A (n*n), its error (n*n), A (n*n), its error (n*n), N (n*n), rates (n), rows of g' and
#            g'' (2n), constant (n), first horizon, last horizon; z = A x are coordinates in which each
#            cluster is a chain z_k' = l_k z_k + z_{k+1}, and g_k = N_k z;
#   general: rows of g to its third derivative on the modes (4n), their norms per block (4n), logarithmic
#            norms (n), scales of the modes (n), first stride, period, growth, c M^k (n*n), its error (n*n).
# The layout is that of `modal`, then K, whether general, and per mode the size of the block it starts or 0.


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
def bracket_root(
    f: Table, o: int, p: Layout, q: int, a: int, s: int, g0: float, w: Work, low: float, high: float,
    t: float, g: float, slope: float, curve: float, strict: bool,
) -> float:  # fmt: skip
    """Return where g first holds in (low, high], given that it fails at low, holds at high and changes once.

    Starts from g, g', g'' at t in [low, high]. Third-order steps to the root of the local parabola,
    ``-2 g / (g' + sqrt(g'^2 - 2 g g''))``, stay quick near a graze; where it has
    none, to that of the local exponential, exact for a single time constant; bisection wherever a step leaves the
    bracket or the bracket shrinks too slowly.
    """
    size = 0.0
    width = high - low
    slow = 0
    for _ in range(200):
        new = math.inf
        if slope > 0.0:
            inside = slope * slope - 2.0 * g * curve
            left = 1.0 - g * curve / (slope * slope)
            if inside >= 0.0:
                new = t - 2.0 * g / (slope + math.sqrt(inside))
            elif left > 0.0 and curve < 0.0:
                new = t + math.log(left) * slope / curve  # saturating towards an asymptote above zero
            else:
                new = t - g / slope
            if abs(g) <= 2.0 * UNIT * size or abs(new - t) <= UNIT * t:
                return min(max(new, low), high)  # as near as the rounding of g allows
        if not (low < new < high) or slow >= 3:
            new = 0.5 * (low + high)
            slow = 0
            if not (low < new < high):
                return high
        t = new
        g, slope, curve, size = read_threshold(f, o, p, q, a, s, g0, t, w)
        if holds(g, strict):
            high = t
        else:
            low = t
        slow = slow + 1 if high - low > 0.5 * width else 0
        width = high - low
    return high


@kernel
def pass_maximum(
    f: Table, o: int, p: Layout, q: int, a: int, s: int, g0: float, w: Work, low: float, high: float,
    g: float, slope: float, curve: float, strict: bool, tolerance: float,
) -> float:  # fmt: skip
    """Return the crossing on (low, high], where g rises, turns and falls, or -1 if its maximum stays below.

    Starts from g, g', g'' at low. Newton steps to the zero of g', bisection as in `bracket_root`; they end
    when what is left to gain, ``g'^2 / (2 |g''|)``, is a trifle of what is missing, or g holds.
    """
    t = low
    g_low, slope_low, curve_low = g, slope, curve
    best = g
    best_t = t
    width = high - low
    slow = 0
    for _ in range(200):
        new = t - slope / curve if curve < 0.0 else math.inf
        if low <= new <= high and slope * slope <= -curve * abs(best) * 1e-8:
            break
        if not (low < new < high) or slow >= 3:
            new = 0.5 * (low + high)
            slow = 0
            if not (low < new < high):
                break
        t = new
        g, slope, curve, _size = read_threshold(f, o, p, q, a, s, g0, t, w)
        if g > best:
            best = g
            best_t = t
        if holds(g, strict):  # the bracket of the maximum narrows to (low, t], where g changes once
            if slope <= 0.0 or g > -g_low:
                return bracket_root(f, o, p, q, a, s, g0, w, low, t, low, g_low, slope_low, curve_low, strict)
            return bracket_root(f, o, p, q, a, s, g0, w, low, t, t, g, slope, curve, strict)
        if slope > 0.0:
            low, g_low, slope_low, curve_low = t, g, slope, curve
        else:
            high = t
        slow = slow + 1 if high - low > 0.5 * width else 0
        width = high - low
    if tolerance > 0.0 and holds(best + tolerance, strict):
        return best_t
    return -1.0


@kernel
def bound_curvature(f: Table, a: int, n: int, p: Layout, s: int, h: float, w: Work, z: int) -> float:
    """Return a bound of |g''| over the time h from modes ``w[z:]`` on: ``phi_k(h) <= h^k / k!``."""
    second = a + 5 * n * n + 3 * n
    size = p[s]
    bound = 0.0
    k = 0
    while k < size:
        m = p[s + 2 + k]
        for i in range(min(m, 3)):
            reach = 0.0
            power = 1.0
            for j in range(i, m):
                reach += power * abs(w[z + k + j])
                power *= h / (j - i + 1)
            bound += abs(f[second + k + i]) * reach
        k += m
    return bound


@kernel
def search_real(
    f: Table, o: int, p: Layout, q: int, a: int, s: int, g0: float, until: float, strict: bool,
    tolerance: float, w: Work,
) -> float:  # fmt: skip
    """Return the first crossing in (0, until], or inf (real kinds); modes and errors are at ``w[0:2n]``."""
    n = p[q]
    size = p[s]
    horizon = a + 5 * n * n + 5 * n
    slope_row = a + 5 * n * n + 2 * n
    zl, zh, stack = 2 * n, 4 * n, 3 * n * n + 10 * n + 8
    for i in range(2 * n):
        w[zl + i] = w[i]
    at_low = count_variations(f, a, n, size, w, zl, zl + n)
    low = 0.0
    g_low = g0
    slope_low = 0.0
    curve_low = 0.0
    for i in range(size):
        slope_low += f[slope_row + i] * w[i]
        curve_low += f[slope_row + n + i] * w[i]
    endless = until == math.inf
    high = f[horizon] if endless else until
    depth = 0
    while True:
        flow_real(f, a, n, p, s, high, w, zh)
        at_high = count_variations(f, a, n, size, w, zh, zh + n)
        g_high = 0.0
        g_size = 0.0
        slope_high = 0.0
        curve_high = 0.0
        error = 0.0
        for i in range(size):
            z = w[zh + i]
            slope_high += f[slope_row + i] * z
            curve_high += f[slope_row + n + i] * z
            if p[s + 2 + i] > 0:
                g_high += z
                g_size += abs(z)
                error += w[zl + n + i]
        if abs(g_high) < 1e-3 * g_size:
            g_high, slope_high, curve_high, g_size = read_modes(f, a, n, p, s, g0, high, w)
        found = -1.0
        zeros = at_low[0] - at_high[1]
        if zeros > 0:
            summit = zeros > 1 and slope_low > 0.0 and slope_high < 0.0
            if zeros > 1 and at_low[2] - at_high[3] > 1:
                h = high - low
                bump = bound_curvature(f, a, n, p, s, h, w, zl) * h * h / 8.0
                if max(g_low, g_high) + bump < -error:
                    zeros = 0
                elif bump > error and depth < 200:
                    w[stack + depth] = high
                    depth += 1
                    high = 0.5 * (low + high)
                    continue
            if zeros > 0 and holds(g_high, strict):
                if slope_low > 0.0:
                    return bracket_root(f, o, p, q, a, s, g0, w, low, high, low, g_low, slope_low, curve_low, strict)
                return bracket_root(f, o, p, q, a, s, g0, w, low, high, high, g_high, slope_high, curve_high, strict)
            if zeros > 0 and summit:
                found = pass_maximum(f, o, p, q, a, s, g0, w, low, high, g_low, slope_low, curve_low, strict, tolerance)
        if found >= 0.0:
            return found
        if depth > 0:
            depth -= 1
            next_high = w[stack + depth]
        elif endless and at_high[0] > 0 and high < f[horizon + 1]:
            next_high = 4.0 * high  # V falls to 0 in the end: go there, or to where all that decays is gone
        else:
            return math.inf
        for i in range(2 * n):
            w[zl + i] = w[zh + i]
        at_low = at_high
        low, g_low, slope_low, curve_low = high, g_high, slope_high, curve_high
        high = next_high


@kernel
def bound_block(f: Table, a: int, n: int, p: Layout, q: int, block: int, order: int, w: Work, z: int) -> float:
    """Return a bound of the part of one block in ``|D^order g|`` at the modes ``w[z:]``."""
    total = 0.0
    for i in range(p[q + 2 + block], p[q + 3 + block]):
        scaled = f[a + 10 * n + i] * w[z + i]
        total += scaled * scaled
    return f[a + 5 * n + order * n + block] * math.sqrt(total)


@kernel
def bound_general(f: Table, a: int, n: int, p: Layout, q: int, order: int, h: float, w: Work, z: int) -> float:
    """Return a bound of ``|D^order g|`` over the time h from the modes ``w[z:]`` on, by logarithmic norms."""
    bound = 0.0
    for block in range(p[q + 1]):
        part = bound_block(f, a, n, p, q, block, order, w, z)
        bound += part * math.exp(min(700.0, max(0.0, f[a + 9 * n + block] * h)))
    return bound


@kernel
def bound_tail(f: Table, o: int, p: Layout, q: int, a: int, w: Work, z: int) -> tuple[float, float]:
    """Return an upper bound of g for ever after the modes ``w[z:]``, and the part of it that fades."""
    n = p[q]
    nodes = o + 3 * n * n
    bound = 0.0
    fading = 0.0
    for block in range(p[q + 1]):
        k = p[q + 2 + block]
        m = p[q + 3 + block] - k
        grow = f[a + 9 * n + block]
        if m <= 2 and p[q + 3 + n + block] != PAIR and f[nodes + k] == 0.0 and f[nodes + k + m - 1] == 0.0:
            level = 0.0  # a constant, or a ramp: the signs are known
            slope = 0.0
            for i in range(k, k + m):
                level += f[a + n + i] * w[z + i]
                slope += f[a + 2 * n + i] * w[z + i]
            bound += level if slope <= 0.0 else math.inf
            continue
        part = bound_block(f, a, n, p, q, block, 0, w, z)
        if part > 0.0:
            bound += part if grow <= 0.0 else math.inf
            fading += part if grow < 0.0 else 0.0
    return bound, fading


@kernel
def search_general(
    f: Table, o: int, p: Layout, q: int, a: int, s: int, g0: float, until: float, strict: bool,
    tolerance: float, w: Work,
) -> float:  # fmt: skip
    """Return the first crossing in (0, until], inf, or nan if a search without end found none."""
    n = p[q]
    zl, stack = 2 * n, 3 * n * n + 10 * n + 8
    extra = a + 11 * n
    low = 0.0
    _, slope_low, curve_low, _ = read_general(f, o, p, q, a, 0.0, w)
    g_low = g0
    start_error = 0.0
    for i in range(n):
        w[zl + i] = w[i]
        start_error += abs(f[a + n + i]) * w[n + i]
    stride = f[extra]
    high = min(until, stride)
    depth = 0
    windows = 0
    settled = math.inf
    while windows < 2000 or until < math.inf:
        g_high, slope_high, curve_high, g_size = read_general(f, o, p, q, a, high, w)
        h = high - low
        noise = start_error * math.exp(min(700.0, f[extra + 2] * high)) + 4.0 * UNIT * g_size
        error = noise + 4.0 * UNIT * bound_general(f, a, n, p, q, 0, h, w, zl)
        second = bound_general(f, a, n, p, q, 2, h, w, zl)
        bump = second * h * h / 8.0
        if not (max(g_low, g_high) + bump < -error - tolerance):
            monotone = abs(slope_low) > second * h
            bent = abs(curve_low) > bound_general(f, a, n, p, q, 3, h, w, zl) * h
            if not (monotone or bent or bump <= noise or depth >= 200):
                w[stack + depth] = high
                depth += 1
                high = 0.5 * (low + high)
                continue
            if holds(g_high, strict):
                return bracket_root(f, o, p, q, a, s, g0, w, low, high, high, g_high, slope_high, curve_high, strict)
            if slope_low > 0.0 and slope_high < 0.0:
                found = pass_maximum(f, o, p, q, a, s, g0, w, low, high, g_low, slope_low, curve_low, strict, tolerance)
                if found >= 0.0:
                    return found
                flow_modes(f, o, p, q, high, False, w, 0, 6 * n, 8 * n + 8)  # again the modes at `high`
        for i in range(n):
            w[zl + i] = w[6 * n + i]
        low, g_low, slope_low, curve_low = high, g_high, slope_high, curve_high
        if depth > 0:
            depth -= 1
            high = w[stack + depth]
            continue
        if low >= until:
            return math.inf
        windows += 1
        bound, fading = bound_tail(f, o, p, q, a, w, zl)
        if bound < -error - tolerance:
            return math.inf
        if until == math.inf and f[extra + 1] >= 0.0 and fading <= error and bound < math.inf:
            settled = min(settled, low)
            if low - settled >= f[extra + 1]:
                return math.inf  # only a periodic part is left, and one whole period has been seen
        stride = min(2.0 * stride, 1024.0 * f[extra])
        high = min(until, low + stride)
    return math.nan


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


@kernel
def first_crossing(
    x: Work, until: float, strict: bool, tolerance: float, f: Table, o: int, p: Layout, q: int, w: Work
) -> float:
    """Return the first time in (0, until] at which ``c . x(t)`` is above zero, 0 if at once, inf if never.

    Parameters
    ----------
    x : state at time 0 (not changed). until : end of the interval, may be inf.
    strict : whether g > 0 is asked (else g >= 0). tolerance : how far below zero a maximum still counts.
    f, o, p, q : packed tables and where those of this kind start. w : scratch, `work_size` floats.
    """
    seen = glance(x, strict, f, o, p, q)
    if seen == 0.0 or (seen == math.inf and tolerance == 0.0):
        return seen
    n = p[q]
    a = o + 3 * n * n + n + 1
    s = q + 2 * n + 3
    size = p[s]
    g0 = 0.0
    for i in range(n):
        g0 += f[a + i] * x[i]
    if p[s + 1] == 1:
        for i in range(n):
            value = 0.0
            error = 0.0
            for j in range(n):
                value += f[o + i * n + j] * x[j]
                error += abs(f[o + i * n + j] * x[j])
            w[i] = value
            w[n + i] = error * (32.0 * n * UNIT)
        return search_general(f, o, p, q, a, s, g0, until, strict, tolerance, w)
    if size == 0:
        return math.inf
    row = a + n + 2 * n * n
    constant = a + 5 * n * n + 4 * n
    for k in range(size):
        value = 0.0
        error = f[constant + k] * tolerance
        for i in range(n):
            value += f[row + k * n + i] * x[i]
            error += f[row + n * n + k * n + i] * abs(x[i])
        w[k] = value
        w[n + k] = error
    return search_real(f, o, p, q, a, s, g0, until, strict, tolerance, w)


KERNELS = _modal.KERNELS  # those of `modal` come first: callees before callers


def _read_real(
    f: Table, o: int, p: Layout, q: int, a: int, s: int, g0: float, t: float, w: Work
) -> tuple[float, float, float, float]:
    return read_modes(f, a, p[q], p, s, g0, t, w)


def _search_nothing(
    f: Table, o: int, p: Layout, q: int, a: int, s: int, g0: float, until: float, strict: bool,
    tolerance: float, w: Work,
) -> float:  # fmt: skip
    return math.nan


#: What takes the place of kernels where no kind has complex eigenvalues: two thirds of the code are for those.
REAL: dict[str, Callable[..., Any]] = {"read_threshold": _read_real, "search_general": _search_nothing}


# --------------------------------------------------------------------------------------- preparation


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


def prepare_crossing(matrix: ArrayLike | Modal, row: ArrayLike) -> Crossing:
    """Return the prepared search for ``c . x(t) > 0`` (or >= 0) under ``x' = M x``.

    Parameters
    ----------
    matrix : (n, n) array or Modal
        M, or its decomposition.
    row : (n,) array
        c: for a voltage and a threshold theta, 1 at v and -theta at the constant.

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
    pack = _pack_real if _sees_real_only(modal, c @ modal.from_modes) else _pack_general
    rates, layout = pack(modal, c, own[n:])
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


def _pack_real(modal: Modal, c: Floats, out: Floats) -> tuple[Floats, NDArray[np.int64]]:
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
