"""The synapses onto one port, as the network's loop reads them: by part, source and delay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, final

import numpy as np

from rheobase.engines.mpi import World
from rheobase.engines.parts import Parts
from rheobase.engines.sorting import arrange, per_word, target_type
from rheobase.errors import InputError
from rheobase.model.distribution import Distribution
from rheobase.model.quantity import Quantity
from rheobase.network.connect import SOURCES, Rows, expect_synapses, is_built_in_pieces
from rheobase.network.network import Projection

__all__ = ["Bundle", "Table", "build_table", "check_delays", "steps_of"]

_LONGEST: Final = 1 << 24  # steps


@final
@dataclass(frozen=True)
class Bundle:
    """The projections from one population to one port: with each, the number of the target's first neuron."""

    name: str
    n: int
    first: int  # the table's row of its first neuron
    rows: tuple[tuple[Rows, int], ...]

    @property
    def projections(self) -> list[Projection]:
        return [r.projection for r, _ in self.rows]


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Synapses onto one port.

    The synapses of table row i with the j-th delay onto part p are those from ``start[p*cells + i*stride + j]`` to
    the next entry; targets count from the part's first neuron. `due[j]` are the delays in steps, the longest first,
    and after each whether a source has synapses of that delay. If the synapses of a row share a weight, `weight` has
    one for each row, and `packed` is 0. Else weights and targets lie side by side, so that one fetch from memory gets
    both: `target` is the same memory as `weight`, read as integers of which `packed` take the room of a weight. Entries
    of `start` count weights; from s to e there are ``n = packed*(e - s)//(packed + 1)`` synapses, their weights from s,
    their targets from packed*(s + n).
    """

    due: np.ndarray
    start: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    packed: int
    stride: int
    cells: int


def build_table(
    bundles: Sequence[Bundle],
    sources: Sequence[int],
    n_rows: int,
    bounds: np.ndarray,
    dt: float,
    kind: type[np.floating[Any]],
    threads: int,
    parts: Parts | None = None,
    edges: tuple[int, ...] = (),
    world: World | None = None,
) -> Table:
    """Return the table of one port; of several ranks each draws the synapses of some sources, and keeps its own.

    Parameters
    ----------
    bundles : sequence of Bundle
    sources : sequence of int
        For each bundle, which of the loop's sources its population belongs to.
    n_rows : int
        How many neurons the sources have together.
    bounds : array (parts + 1,)
        Where the targets are cut into parts.
    kind : type
        Of the weights.
    parts, edges, world
        How the targets are cut among ranks, and the ends of all their parts; without, all is this process's.

    Raises
    ------
    InputError
        If a delay is shorter than one step.
    """
    parts = parts or Parts(len(bounds) - 1)
    cut = np.array(edges) if world is not None else bounds
    each = any(_own_weights(b) for b in bundles)
    many = int(sum(expect_synapses(p) for b in bundles for p in b.projections))
    mine = many if world is None else _expect_onto(bundles, parts.own(cut))
    jobs = [(b, lo, min(lo + SOURCES, b.n)) for b in bundles for lo in range(0, b.n, SOURCES)]
    narrow = target_type(cut)
    packed = per_word(kind, narrow) if each else 0
    store = _Growing(int(mine * (1 + 1 / packed)) if each else mine, kind if each else narrow)
    pieces: list[tuple[Bundle, int, np.ndarray, np.ndarray, int]] = []

    def make(job: tuple[Bundle, int, int]) -> Any:
        return _chunk(*job, bounds=cut, dt=dt, kind=kind, each=each, many=many)

    several = threads if many > 1_000_000 else 1
    found = _in_order(make, jobs, several) if world is None else _dealt(make, jobs, bundles, several, parts, world)
    for number, (steps, start, items) in enumerate(found) if world is None else found:
        if len(items):
            bundle, lo, _ = jobs[number]
            pieces.append((bundle, lo, steps, start, store.count))
            store.append(items)
    items = weight = store.done()
    delays = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(p[2] for p in pieces)]))[::-1]
    index = np.uint32 if len(items) < 1 << 32 else np.int64
    table = np.zeros((len(bounds) - 1, n_rows, len(delays) + 1), dtype=index)  # others' parts stay unwritten
    own = slice(parts.first, parts.last)
    due = np.zeros((len(delays), 1 + max(sources, default=0) + 1), dtype=np.int64)
    due[:, 0] = delays
    for bundle, lo, steps, start, at in pieces:
        column = np.searchsorted(-steps, -delays, side="left")  # how many of the piece's delays are longer
        rows = slice(bundle.first + lo, bundle.first + lo + start.shape[1])
        table[own, rows, :-1] = start[:, :, column] + at
        table[own, rows, -1] = start[:, :, -1] + at
        due[np.isin(delays, steps), 1 + sources[bundles.index(bundle)]] = 1
    if not each:
        weight = np.zeros(n_rows, dtype=kind)
        for b in bundles:
            weight[b.first : b.first + b.n] = b.projections[0].weight.value  # type: ignore[union-attr]
    return Table(due, table.ravel(), items.view(narrow), weight, packed, len(delays) + 1, n_rows * (len(delays) + 1))


def _expect_onto(bundles: Sequence[Bundle], own: tuple[int, int]) -> int:
    """Return about how many synapses lead onto some neurons."""
    expected = 0.0
    for rows, offset in (x for b in bundles for x in b.rows):
        at = rows.projection.target.indices + offset
        share = np.count_nonzero((at >= own[0]) & (at < own[1])) / max(len(at), 1)
        expected += share * expect_synapses(rows.projection)
    return int(expected)


def _own_weights(bundle: Bundle) -> bool:
    values = [getattr(p.weight, "value", None) for p in bundle.projections]
    return not all(isinstance(v, float) and v == values[0] for v in values)


def _in_order(make: Any, jobs: Sequence[Any], threads: int) -> Iterator[Any]:
    """Yield make(job) for each job in order, some ahead on other threads."""
    if threads == 1:
        yield from map(make, jobs)
        return
    with ThreadPoolExecutor(threads) as pool:
        rest = iter(jobs)
        waiting: list[Future[Any]] = [pool.submit(make, job) for job in islice(rest, 2 * threads)]
        while waiting:
            found = waiting.pop(0).result()
            waiting += [pool.submit(make, job) for job in islice(rest, 1)]
            yield found


def _dealt(
    make: Any, jobs: Sequence[Any], bundles: Sequence[Bundle], threads: int, parts: Parts, world: World
) -> Iterator[tuple[int, Any]]:
    """Yield (number of the job, this rank's part of what it made), whichever rank has done the job.

    Jobs go round the ranks; those of a bundle that must be drawn in one piece stay with one. What fails on one rank
    fails on all.
    """
    whose = []
    for number, (bundle, _, _) in enumerate(jobs):
        is_whole = not all(is_built_in_pieces(p) for p in bundle.projections)
        whose.append((bundles.index(bundle) if is_whole else number) % world.size)
    mine = [n for n, rank in enumerate(whose) if rank == world.rank]
    made = _in_order(lambda n: _or_error(make, jobs[n]), mine, threads)
    for turn in range(max(whose.count(rank) for rank in range(world.size))):
        pieces: list[Any] = [None] * world.size
        if turn < len(mine):
            got = next(made)
            pieces = [got] * world.size if isinstance(got, Exception) else _split(mine[turn], got, parts)
        for rank, piece in enumerate(world.hand_over(pieces)):
            if isinstance(piece, Exception):
                raise world.everywhere(piece if rank == world.rank else InputError(f"rank {rank}: {piece}"))
            if piece is not None:
                yield piece


def _or_error(make: Any, job: Any) -> Any:
    try:
        return make(job)
    except Exception as error:
        return InputError(str(error)) if not isinstance(error, InputError) else error


def _split(number: int, made: tuple[np.ndarray, np.ndarray, np.ndarray], parts: Parts) -> list[Any]:
    """Return for each rank what a job has made for its parts."""
    steps, start, items = made
    out: list[Any] = []
    for first in range(0, parts.everywhere, parts.each):
        own = start[first : first + parts.each]
        if own.size == 0 or own[0, 0, 0] == own[-1, -1, -1]:
            out.append(None)
            continue
        low, high = int(own[0, 0, 0]), int(own[-1, -1, -1])
        out.append((number, (steps, own - low, items[low:high])))
    return out


def _chunk(
    bundle: Bundle, lo: int, hi: int, *, bounds: np.ndarray, dt: float, kind: Any, each: bool, many: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (delays in steps, the longest first; start; items) of the synapses of sources lo..hi-1."""
    taken = [(r.take(lo, hi), offset, r.projection) for r, offset in bundle.rows]
    parts = [(s, offset, p) for s, offset, p in taken if len(s)]
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return none, np.empty((len(bounds) - 1, 0, 0)), none
    pre = _one([s.pre - lo if lo else s.pre for s, _, _ in parts])
    post = _one([s.post + offset if offset else s.post for s, offset, _ in parts])
    steps = [steps_of(s.delay, dt, p) for s, _, p in parts]
    if all(np.ndim(s) == 0 and s == steps[0] for s in steps):
        delays, column = np.array([int(steps[0])]), np.zeros(1, dtype=np.uint8)
        column = np.broadcast_to(column, (len(pre),)) if many <= 1_500_000 else np.zeros(len(pre), dtype=np.uint8)
    else:
        step = _one([np.broadcast_to(x, (len(s),)) for x, (s, _, _) in zip(steps, parts, strict=True)])
        seen = np.zeros(int(step.max()) + 1, dtype=np.bool_)
        seen[step] = True
        delays = np.flatnonzero(seen)[::-1]
        place = np.zeros(int(delays[0]) + 1, dtype=np.uint8 if len(delays) <= 256 else np.int32)
        place[delays] = np.arange(len(delays))
        column = place[step]
    weight = np.empty(0, dtype=kind)
    if each:
        weight = _one([np.broadcast_to(np.asarray(s.weight, dtype=kind), (len(s),)) for s, _, _ in parts])
    shape = (hi - lo, len(delays))
    return delays, *arrange(pre, post, column, np.ascontiguousarray(weight), bounds, shape, many)


def _one(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def steps_of(delay: float | np.ndarray, dt: float, projection: Projection) -> Any:
    """Return delays in steps, rounded, halves up."""
    steps = np.asarray(delay) / dt
    steps += 0.5 + 1e-9
    if steps.size and steps.min() < 1:
        raise _too_short(float(np.min(delay)), dt, projection)
    if steps.size and steps.max() >= _LONGEST:
        raise InputError(
            f"projection {projection.name}: a delay of {np.max(delay):g} ms is {np.max(steps):.0f} steps of"
            f" dt = {dt:g} ms; at most {_LONGEST} can be kept in flight"
        )
    return steps.astype(np.uint16 if steps.size and steps.max() < 1 << 16 else np.int64)


def _too_short(delay: float, dt: float, projection: Projection) -> InputError:
    return InputError(
        f"projection {projection.name}: a delay of {delay:g} ms is shorter than one step of dt = {dt:g} ms;"
        " give longer delays or a smaller dt"
    )


def check_delays(projections: Sequence[Projection], dt: float) -> None:
    """Refuse given delays that are shorter than one step, before anything is built.

    Raises
    ------
    InputError
        If there is one. Delays that are drawn, or are functions of distance, are looked at when they are made.
    """
    for p in projections:
        if isinstance(p.delay, Quantity) and not isinstance(p.delay.value, Distribution):
            if np.min(p.delay.value) < dt * (1 - 1e-9):  # one that is drawn is rounded; one that is given is meant
                raise _too_short(float(np.min(p.delay.value)), dt, p)
            steps_of(p.delay.value, dt, p)


@final
class _Growing:
    """An array that grows at its end, in place where the system can."""

    def __init__(self, expected: int, kind: Any) -> None:
        self.count = 0
        self._kind, self._room = kind, int(expected * 1.01) + 1024
        self._items = np.empty(0, dtype=kind)

    def append(self, items: np.ndarray) -> None:
        end = self.count + len(items)
        if not len(self._items):
            self._room = max(self._room, end)
            self._items = np.empty(self._room, dtype=self._kind)
        elif end > self._room:
            self._room = max(end, int(self._room * 1.2))
            self._items.resize(self._room, refcheck=False)
        self._items[self.count : end] = items
        self.count = end

    def done(self) -> np.ndarray:
        self._items.resize(self.count, refcheck=False)
        return self._items
