"""The search for the first crossing: brackets, bounds, halving; the theory is told in `rheobase.derive.crossing`.

Kernels in plain Python over flat tables, to be compiled by an engine.
"""

import math
from collections.abc import Callable
from typing import Any

from rheobase.derive.kernels import KERNELS as KERNELS  # those of `modal` come first: callees before callers
from rheobase.derive.kernels import Layout, Table, Work, kernel
from rheobase.derive.modal import PAIR, flow_modes
from rheobase.derive.reading import (
    UNIT,
    count_variations,
    flow_real,
    glance,
    holds,
    read_general,
    read_modes,
    read_threshold,
)


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
