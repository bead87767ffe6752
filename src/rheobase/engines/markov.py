"""simulate_markov: exact random paths of a `MarkovNeuron`, jump by jump.

Between jumps nothing happens, so nothing is stepped: the waiting time is drawn from its own law. With inputs
that hold still between given times this is Gillespie's direct method (1977, J. Phys. Chem. 81:2340), the
unit-exponential wait being used up piece by piece. With inputs that are functions of time, candidates are
drawn at a rate that is never exceeded and kept in proportion: thinning (Lewis & Shedler 1979, Naval Res.
Logist. 26:403; Ogata 1981, IEEE Trans. Inf. Theory 27:23).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, final

import numpy as np

from rheobase.emit.to_numba import Compiled
from rheobase.engines.markov_inputs import (
    Steps,
    count_neurons,
    cut_steps,
    find_edges,
    read_bound,
    read_grid,
    read_inputs,
)
from rheobase.engines.markov_run import MarkovRun, count_states, split_spikes
from rheobase.errors import InputError
from rheobase.model.markov import MarkovNeuron
from rheobase.random import derive_key, neuron_keys, uniforms
from rheobase.units import to_number

__all__ = ["MarkovRun", "simulate_markov"]

# Sizes of working arrays (entries), so that a million neurons need no more memory than ten thousand.
_TABLE: Final = 8_000_000
_DRAWS: Final = 2_000_000
_NEURONS: Final = 16_384
# Below so many expected jumps, plain Python is done before Numba is imported.
_SMALL: Final = 20_000


def simulate_markov(
    model: MarkovNeuron,
    until: Any,
    n: int = 1,
    *,
    seed: int = 0,
    inputs: Mapping[str, Any] | None = None,
    every: Any = None,
    bound: Any = None,
    compiled: bool | None = None,
) -> MarkovRun:
    """Return exact random paths of n independent neurons.

    Neuron i's k-th random number is a hash of (seed, i, k): its path is the same, bit for bit, whatever n is
    and however the run is computed.

    Parameters
    ----------
    model : MarkovNeuron
        States and rates.
    until : float or str
        Length, ms or with unit (``"1 s"``).
    n : int
        How many neurons. An input or parameter that is an array of shape (n,) sets it.
    seed : int
        Another seed, other paths.
    inputs : dict, optional
        One entry for each input of the model: a number or text with unit; an array (n,), one value a neuron;
        steps ``(times, values)``, values of shape (n_steps,) or (n_steps, n), each holding from its time (ms,
        the first one 0) to the next; or a function of t (ms), which should take an array (m,) and return one.
    every : float or str, optional
        Step of the grid on which `occupancy` is given, ms.
    bound : float, str or dict, optional
        With a function among the inputs: what the summed rate of leaving a state never exceeds, kHz; a dict
        gives one for each state, ``{"rest": "200 Hz"}``. States whose rates name no function need none.
    compiled : bool, optional
        Whether Numba compiles the loop; default: from 20,000 expected jumps on. The bits do not depend on it.

    Raises
    ------
    InputError
        If an input is missing, has another shape, or a rate comes out negative or above its bound.

    References
    ----------
    D. T. Gillespie (1977), J. Phys. Chem. 81:2340. P. A. W. Lewis & G. S. Shedler (1979), Naval Res. Logist.
    26:403. Y. Ogata (1981), IEEE Trans. Inf. Theory 27:23.

    Examples
    --------
    >>> poisson = MarkovNeuron(["free"], {"free -> free": "f*u"}, spike="free -> free", start="free", f="20 Hz")
    >>> run = simulate_markov(poisson, "1 s", n=100, inputs={"u": ([0, 500], [0.0, 2.0])}, seed=1)
    >>> run
    MarkovRun of Markov neuron: 100 neuron(s), 1000 ms, ... jumps, ... spikes (exact)
    >>> bool(min(s[0] for s in run.spikes if s.size) >= 500.0)
    True
    """
    end = to_number(until, "ms", "until")
    if not 0 < end < math.inf:
        raise InputError(f"until = {until!r} must be positive and finite, such as '1 s'")
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise InputError(f"n = {n!r} neurons; give a whole number from 1 on")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise InputError(f"seed = {seed!r}; give a whole number")
    seed = int(seed)
    steps, functions = read_inputs(model, dict(inputs or {}), end)
    n = count_neurons(model, steps, int(n))
    grid = read_grid(every, end)
    if functions:
        ceilings = read_bound(model, functions, steps, bound)
    elif bound is not None:
        raise InputError("bound= is for inputs that are functions of time; there is none here, leave it out")

    key = derive_key(seed, "markov")
    start_key = derive_key(seed, "markov", "start")
    begin = np.empty(n, dtype=np.intp)
    cuts, possible = np.cumsum(model.p0)[:-1], np.flatnonzero(model.p0)[-1]
    offsets, times, jumps = [np.zeros(1, dtype=np.intp)], [], []
    table = len(find_edges(steps, end)) * len(model.transitions)
    size = _NEURONS if functions else max(1, min(_NEURONS, _TABLE // table))
    for first in range(0, n, size):
        last = min(n, first + size)
        keys = neuron_keys(key, first, last)
        drawn = np.searchsorted(cuts, uniforms(start_key, keys, 0, 1)[0], side="right")
        begin[first:last] = np.minimum(drawn, possible)  # the cuts may sum to a little less than 1
        parameters = {k: q.value[first:last] for k, q in model.parameters.items() if q.shape}  # type: ignore[index]
        group = _Group(end, key, keys, begin[first:last], parameters, cut_steps(steps, first, last))
        blocks = _thin(model, group, functions, ceilings) if functions else _draw(model, group, compiled)
        counts, when, which = _join(last - first, blocks)
        offsets.append(counts)
        times.append(when)
        jumps.append(which)
    where = np.cumsum(np.concatenate(offsets))
    t, which = np.concatenate(times), np.concatenate(jumps)
    spikes = split_spikes(model, n, where, t, which)
    return MarkovRun(model, end, spikes, grid, count_states(model, begin, t, which, grid), begin, where, t, which)


@final
@dataclass(frozen=True)
class _Group:
    """Some neurons that are run together."""

    end: float
    key: int
    keys: np.ndarray  # (m,)
    begin: np.ndarray  # state of each at t = 0, (m,)
    parameters: dict[str, np.ndarray]  # those that differ between neurons, (m,)
    steps: Steps


# ------------------------------------------------------------------ inputs that hold still between times

_Block = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # neurons (m,), counts (m,), times (m, K), jumps (m, K)


def _draw(model: MarkovNeuron, group: _Group, compiled: bool | None) -> Iterator[_Block]:
    """Yield the jumps of some neurons, block by block."""
    begin, edges = group.begin, find_edges(group.steps, group.end)
    values = dict(group.parameters)
    for name, (when, v) in group.steps.items():
        values[name] = v[np.searchsorted(when, edges[:-1], side="right") - 1]
    r = model.evaluate(values)
    rates = np.ascontiguousarray(np.broadcast_to(r.reshape((1,) * (3 - r.ndim) + r.shape), (len(edges) - 1, *_wide(r))))
    order = np.argsort([a for a, _ in model.transitions], kind="stable")
    first = np.searchsorted([model.transitions[k][0] for k in order], np.arange(len(model.states) + 1))
    target = np.array([b for _, b in model.transitions])
    leave = np.zeros((*rates.shape[:2], len(model.states)))
    for k in order:
        leave[..., model.transitions[k][0]] += rates[..., k]
    if compiled is None:
        compiled = len(begin) * group.end * float(leave.max()) > _SMALL
    advance = _compile() if compiled else _advance
    alive = np.arange(len(begin))
    time, state, piece = np.zeros(len(begin)), begin.astype(np.int64), np.zeros(len(begin), dtype=np.int64)
    K, k = 32, 0
    while len(alive):
        K = int(min(2 * K, max(8, _DRAWS // len(alive))))
        u = uniforms(group.key, group.keys[alive], 2 * k, 2 * (k + K))
        when, which = np.empty((len(alive), K)), np.empty((len(alive), K), dtype=np.int32)
        counts = np.empty(len(alive), dtype=np.int64)
        column = alive if rates.shape[1] > 1 else np.zeros_like(alive)
        advance(
            time,
            state,
            piece,
            alive,
            column,
            u,
            edges,
            rates,
            leave,
            order,
            first,
            target,
            when,
            which,
            counts,
        )
        yield alive, counts, when, which
        alive = alive[counts == K]
        k += K


def _wide(r: np.ndarray) -> tuple[int, int]:
    return (r.shape[-2] if r.ndim > 1 else 1, r.shape[-1])


def _advance(
    time: Any,
    state: Any,
    piece: Any,
    alive: Any,
    column: Any,
    u: Any,
    edges: Any,
    rates: Any,
    leave: Any,
    order: Any,
    first: Any,
    target: Any,
    when: Any,
    which: Any,
    counts: Any,
) -> None:
    """Carry each neuron on by at most K jumps. Compiled or run as it is, the bits are the same."""
    K = when.shape[1]
    for i in range(len(alive)):
        neuron, c = alive[i], column[i]
        t, s, p = time[neuron], state[neuron], piece[neuron]
        k = 0
        while k < K:
            need = -math.log(u[2 * k, i])
            while p < len(edges) - 1:
                x = leave[p, c, s]
                offer = x * (edges[p + 1] - t)
                if offer > need:
                    break
                need -= offer
                t = edges[p + 1]
                p += 1
            if p == len(edges) - 1:
                break
            t = min(t + need / leave[p, c, s], edges[p + 1])
            left = u[2 * k + 1, i] * leave[p, c, s]
            chosen = -1
            for j in range(first[s], first[s + 1]):
                q = rates[p, c, order[j]]
                if q > 0.0:
                    chosen = order[j]
                    left -= q
                    if left < 0.0:
                        break
            when[i, k] = t
            which[i, k] = chosen
            s = target[chosen]
            k += 1
        counts[i] = k
        time[neuron], state[neuron], piece[neuron] = t, s, p


@cache
def _compile() -> Callable[..., None]:
    return Compiled(_advance)


# ------------------------------------------------------------------ inputs that are functions of time


def _thin(
    model: MarkovNeuron,
    group: _Group,
    functions: Mapping[str, Callable[..., Any]],
    ceilings: Mapping[int, float | None],
) -> Iterator[_Block]:
    """Yield the jumps of some neurons: all take their k-th candidate together."""
    source, target = np.array(model.transitions).T
    n, end, edges = len(group.begin), group.end, find_edges(group.steps, group.end)

    def rates_at(t: np.ndarray, who: np.ndarray) -> np.ndarray:
        values = {name: v[who] for name, v in group.parameters.items()}
        for name, (when, v) in group.steps.items():
            k = np.searchsorted(when, t, side="right") - 1
            values[name] = v[k, who if v.shape[1] > 1 else 0]
        values |= {name: np.asarray(f(t), dtype=float) for name, f in functions.items()}
        return np.broadcast_to(model.evaluate(values), (len(t), len(source)))

    top = np.zeros((n, len(model.states)))
    everyone = np.arange(n)
    for left in edges[:-1] if any(c is None for c in ceilings.values()) else ():
        rates = rates_at(np.full(n, left), everyone)
        for a, given in ceilings.items():
            if given is None:
                top[:, a] = np.maximum(top[:, a], rates[:, source == a].sum(axis=1))
    for a, given in ceilings.items():
        if given is not None:
            top[:, a] = given

    time, state, alive = np.zeros(n), group.begin.copy(), everyone
    block, k = 64, 0
    while len(alive):
        block = int(min(2 * block, max(8, _DRAWS // len(alive))))
        neurons, u = alive, uniforms(group.key, group.keys[alive], 2 * k, 2 * (k + block))
        when, which = np.empty((len(neurons), block)), np.empty((len(neurons), block), dtype=np.int32)
        counts = np.zeros(len(neurons), dtype=np.int64)
        row = np.arange(len(neurons))
        for c in range(block):
            ceiling = top[alive, state[alive]]
            with np.errstate(divide="ignore"):
                time[alive] += -np.log(u[2 * c, row]) / ceiling
            keep = time[alive] < end
            alive, row, ceiling = alive[keep], row[keep], ceiling[keep]
            if not len(alive):
                break
            t, s = time[alive], state[alive]
            rates = np.where(source == s[:, None], rates_at(t, alive), 0.0)
            total = np.cumsum(rates, axis=1)
            if np.any(high := total[:, -1] > ceiling * (1 + 1e-9)):
                i = int(np.flatnonzero(high)[0])
                raise InputError(
                    f"leaving '{model.states[s[i]]}' has the rate {total[i, -1]:g} kHz"
                    f" at t = {t[i]:g} ms, above its bound {ceiling[i]:g}; give a larger bound="
                )
            mark = u[2 * c + 1, row] * ceiling
            taken = mark < total[:, -1]
            jump = np.argmax(total[taken] > mark[taken, None], axis=1)
            r = row[taken]
            when[r, counts[r]], which[r, counts[r]] = t[taken], jump
            counts[r] += 1
            state[alive[taken]] = target[jump]
        yield neurons, counts, when, which
        k += block


# ------------------------------------------------------------------ gathering


def _join(n: int, blocks: Iterator[_Block]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return jumps of each neuron (n,), and all times and jumps, neuron after neuron."""
    total, kept = np.zeros(n, dtype=np.intp), []
    for neurons, counts, when, which in blocks:
        mask = np.arange(when.shape[1]) < counts[:, None]
        kept.append((neurons, counts, total[neurons].copy(), when[mask], which[mask]))
        total[neurons] += counts
    start = np.cumsum(total) - total
    times, jumps = np.empty(int(total.sum())), np.empty(int(total.sum()), dtype=np.int32)
    for neurons, counts, before, when, which in kept:
        place = np.repeat(start[neurons] + before - (np.cumsum(counts) - counts), counts) + np.arange(len(when))
        times[place], jumps[place] = when, which
    return total, times, jumps
