"""The exact engine on a network: no grid, windows of the smallest delay, one compiled loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Final, final

import numpy as np

from rheobase.emit.exact_plan import find_exact_network
from rheobase.emit.to_numba import compiled_module, jit, plain_module, waiting
from rheobase.engines import arrivals as _arrivals
from rheobase.engines.checkpoint import ExactSnapshot
from rheobase.engines.exact import COMPILING, Exact, digest, kernels
from rheobase.engines.exact_groups import ExactGroup, make_group
from rheobase.engines.exact_state import put_state, take_state
from rheobase.engines.exact_wiring import gather_links, gather_outside
from rheobase.engines.groups import alike
from rheobase.engines.parts import share
from rheobase.engines.population import prepare
from rheobase.engines.progress import Progress, bar, waiting_for_ctrl_c
from rheobase.engines.result import Recording, Result
from rheobase.engines.shared import Shared
from rheobase.engines.spikes import Spikes
from rheobase.engines.threads import PLAIN, Team, cores, intrinsics
from rheobase.errors import InputError, NotExact
from rheobase.model.neuron import Neuron
from rheobase.network.connect import Synapses, build
from rheobase.network.network import Network, Projection
from rheobase.network.sources import SpikeSource
from rheobase.random import derive_key

__all__ = ["MANY", "run_exact_network"]

MANY: Final = 2_000  # neurons from which several threads are taken, unless it is said how many
_LOOK: Final = 6e-5  # seconds that plain Python takes for one neuron
_MOST_WINDOWS: Final = 10**10
_WIDEST: Final = 10.0  # ms of a window where delays are longer, or there are none
_OFTEN: Final = 0.3  # seconds after which it is seen whether Ctrl-C was pressed


def run_exact_network(
    net: Network,
    engine: Exact,
    until: float,
    recordings: Mapping[str, Recording],
    seed: int,
    shared: Shared | None = None,
    start: ExactSnapshot | None = None,
    progress: Progress = False,
) -> tuple[dict[str, Result], ExactSnapshot]:
    """Return a result for each population of a network, run until `until` (ms), and what is needed to go on.

    It begins where `start` ends; `shared` has what an earlier run of a batch has built. After Ctrl-C it returns what
    has been simulated so far; `ExactSnapshot.until` tells how far.
    """
    for p in net.projections:
        if p.is_plastic:
            raise NotExact(
                f"the synapses of {p.name} are plastic, which Exact does not run; run the network with"
                " engine=rb.Clock(dt='0.1 ms'), or connect it with plastic=False"
            )
    if start is not None and start.until > until:
        raise InputError(f"the run has already reached {start.until:g} ms; give a later until=")
    building = nullcontext() if shared is None else shared.building
    with building:
        begin = perf_counter()
        run = _Run(net, until, recordings, seed, engine.threads, build if shared is None else shared.synapses, building)
    try:
        if start is not None:
            run.restore(start)
        prepared = perf_counter() - begin
        arrays = run.advance(progress)
    finally:
        run.team.close()
    snapshot = ExactSnapshot(run.last, run.until, engine, seed, recordings, arrays)
    return run.results({"prepare": prepared, **run.seconds}, "Exact()"), snapshot


@final
class _Run:
    def __init__(
        self,
        net: Network,
        until: float,
        recordings: Mapping[str, Recording],
        seed: int,
        threads: int | None,
        make: Callable[[Projection, int], Synapses],
        building: AbstractContextManager[Any],
    ) -> None:
        self.net, self.until, self.seed, self.building = net, until, seed, building
        self.parts = _count_parts(net, threads)  # of the neurons of each group; a thread has one or several
        self.team = Team(self.parts)
        parts = net.populations
        cells = {name: part.model for name, part in parts.items() if isinstance(part.model, Neuron)}
        if not cells:
            raise InputError("the network has no neurons; add a population: net.add('E', 100, rb.LIF())")
        prepared = {name: prepare(m, dict(parts[name].values), seed, parts[name].n, name) for name, m in cells.items()}
        self.values = {name: p.values for name, p in prepared.items()}
        self.place: dict[str, tuple[int, int]] = {}  # population -> (group, offset)
        self.groups: list[ExactGroup] = []
        for names in alike(prepared):
            for offset, name in zip(np.cumsum([0, *(prepared[n].n for n in names)]).tolist(), names, strict=False):
                self.place[name] = (len(self.groups), offset)
            self.groups.append(make_group(net, names, prepared, recordings, until, self.parts))
        self.sources = {name: p.model for name, p in parts.items() if isinstance(p.model, SpikeSource)}
        self.values_of: dict[str, Any] = {}
        self.emitted: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for s, (name, source) in enumerate(self.sources.items()):
            times, neurons, _ = source.in_time(until, parts[name].n, derive_key(seed, name, "source"))
            order = np.lexsort((neurons, times))
            times, neurons = np.ascontiguousarray(times[order], dtype=float), neurons[order].astype(np.int32)
            self.emitted[name] = (times, neurons)
            self.values_of |= {f"_source_time{s}": times, f"_source_neuron{s}": neurons}
        self.links, own, shortest = gather_links(net, self.groups, self.place, self.emitted, seed, make)
        self.outside, more = gather_outside(self.groups, prepared, until)
        self.values_of |= own | more
        self._take_width(shortest)
        self._load()
        self.at = 0  # the window that comes next
        self.spikes: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in self.groups]
        self.kept = [0] * len(self.groups)  # how many spikes at the head of the buffer are already in `spikes`
        self.seconds = {"compile": 0.0, "run": 0.0}

    def _take_width(self, shortest: float) -> None:
        """Choose how wide a window is, given the shortest delay between neurons."""
        # a little less than that, so that no rounding lets a spike arrive in its own window
        self.width = min(shortest, _WIDEST) * (1.0 - 2.0**-40)
        if self.until / self.width > _MOST_WINDOWS:
            raise InputError(
                f"the smallest delay is {shortest:g} ms: Exact moves on by windows of it,"
                f" {self.until / shortest:g} here; give longer delays or a shorter run"
            )

    def _load(self) -> None:
        self.real = all(g.real for g in self.groups)
        self.path, self.arguments, *self.functions = find_exact_network(
            [g.cells for g in self.groups], self.links, self.outside, digest(self.real)
        )
        self.module: ModuleType = plain_module(self.path)
        vars(self.module).update(PLAIN)
        self.compiled = False
        self.status = np.zeros((self.parts, 8), dtype=np.int64)
        self.shared = np.zeros(8 + self.parts, dtype=np.int64)
        self._make_units(4096)
        self._end_at(self.until)
        self.values_of |= {
            "_width": self.width,
            "_parts": self.parts,
            "_statuses": self.status,
            "_shared": self.shared,
            "_barrier": self.team.barrier,
        }
        for g, group in enumerate(self.groups):
            group.arrays["_rate"] = (1.0 - 2.0**-50) / self.width  # a look is noted too early rather than too late
            self.values_of[f"_at_break{g}"] = np.zeros(1, dtype=np.int64)
            own = {f"g{g}{a}" if a.startswith("_") else f"g{g}_{a}": x for a, x in group.arrays.items()}
            self.values_of |= own

    def _make_units(self, count: int) -> None:
        self.values_of |= {f"_unit_{what}": np.zeros(count, dtype=np.int64) for what in ("what", "low", "high")}
        self.values_of |= {"_unit_time": np.zeros(count)}
        self.values_of |= {name: np.zeros(count, dtype=np.int64) for name in ("_order", "_spare")}

    def _end_at(self, until: float) -> None:
        """Let the run end at a time, which lies in the window `last`."""
        last = int(until / self.width)
        while last * self.width > until:
            last -= 1
        while (last + 1) * self.width <= until:
            last += 1
        self.until, self.last = until, last
        self.values_of |= {"_until": until, "_last": math.nextafter(until, math.inf)}

    def restore(self, start: ExactSnapshot) -> None:
        """Put everything as it was at a snapshot."""
        if not start.window * self.width <= start.until < (start.window + 1) * self.width:
            raise InputError(
                f"the checkpoint does not fit the network: {start.until:g} ms is not in window {start.window} of"
                f" {self.width:g} ms"
            )
        for g, group in enumerate(self.groups):
            while len(start.arrays.get(f"flight times {g}", ())) > group.arrays["_room"]:
                self._widen(g)
        self.spikes = [[found] for found in put_state(self.groups, self.values_of, start.arrays, start.window)]
        self.kept = [int(group.arrays["_all_count"][0]) for group in self.groups]
        self.at = start.window

    def advance(self, progress: Progress) -> dict[str, np.ndarray]:
        """Run to the end, or until Ctrl-C; return the state at the beginning of the last window.

        In plain Python as long as that takes less than compiling, then compiled; same bits. Where the run ends must not
        matter to one that goes on, but windows are where neurons meet: it goes on from the beginning of the last one.
        """
        begin = perf_counter()
        with (
            waiting_for_ctrl_c() as stopped,
            bar(self.until - self.at * self.width, progress) as report,
        ):
            self._pass_whole(stopped, report)
            if self.at < self.last:
                self._end_at(self.at * self.width)
            self.spikes = [[_concatenate(own)] for own in self.spikes]
            state = take_state(self.groups, self.values_of, [own[0] for own in self.spikes])
            while self.at <= self.last:
                self.at = self._call(self.at, self.last + 1)
            report(self.until - self.last * self.width)
        self.seconds["run"] = perf_counter() - begin - self.seconds["compile"]
        return state

    def _pass_whole(self, stopped: Sequence[int], report: Callable[[float], None]) -> None:
        """Run the windows before the last."""
        price = min(waiting(self.path), COMPILING)
        begin, start, step = perf_counter(), self.at, 1
        first = _LOOK * sum(g.whole.n for g in self.groups)  # every neuron is looked at in the first window
        if self.parts > 1 or first > price:  # threads wait for each other in compiled code only
            self._compile()
        while self.at < self.last and not stopped:
            before, since = self.at, perf_counter()
            spent, done = since - begin, before - start
            if not self.compiled and spent > min(0.2, price) and done and spent / done * (self.last - before) > price:
                self._compile()
                since = perf_counter()
            self.at = self._call(before, min(before + step, self.last))
            report((self.at - before) * self.width)
            spent = perf_counter() - since
            if spent < (_OFTEN / 2 if self.compiled else 0.1):
                step = min(2 * step, max(1, self.last // (50 if self.compiled else 10)))
            elif spent > 2 * _OFTEN:
                step = max(1, step // 2)

    def _compile(self) -> None:
        with self.building:
            begin = perf_counter()
            inner, apart = self.functions
            self.module, self.compiled = _compiled(self.path, inner, apart, self.real), True
            self._call(self.at, self.at)
            self.seconds["compile"] = perf_counter() - begin

    def _call(self, start: int, stop: int) -> int:
        """Run windows start..stop-1, or as many as there is room for; return the first not run."""
        self.status[:], self.shared[:] = 0, 0
        reached = [start]

        def work(i: int, size: int) -> None:
            low, high = share(self.parts, size, i)
            mine = {"_thread": i, "_size": size, "_low_part": low, "_high_part": high}
            values = {**self.values_of, **mine, "_from": start, "_until_window": stop}
            found = int(self.module.run(*(values[a] for a in self.arguments)))
            if i == 0:
                reached[0] = found

        self.team.run(work, max(stop - start, 1))
        if self.shared[1] == 3:
            self._make_units(2 * int(self.shared[2]))
        elif reached[0] < 0:
            self._fail()
        self._collect()
        return reached[0]

    def _fail(self) -> None:
        i = int(np.argmax(self.shared[8:] > 0))
        what, g, j = int(self.shared[8 + i]), int(self.status[i, 1]), int(self.status[i, 2])
        group = self.groups[g]
        if what == 2:
            raise InputError(
                f"neuron {j} of {group.whole.name} fires without end at one instant: the reset leaves it at or above"
                " its threshold; lower v_r, raise the threshold, or give refractory="
            )
        at = group.arrays["_out_times"][i, -1]
        raise InputError(
            f"a runaway: the neurons of {group.whole.name} fire more than {group.arrays['_room']:,} times within"
            f" {self.width:g} ms, at t = {at:g} ms; lower the weights, or give refractory="
        )

    def _collect(self) -> None:
        """Take the spikes out of the buffers, keeping those under way."""
        for g, group in enumerate(self.groups):
            a = group.arrays
            count = int(a["_all_count"][0])
            new = slice(self.kept[g], count)
            if new.start < count:
                self.spikes[g].append((a["_all_time"][new].copy(), a["_all_neuron"][new].copy()))
            mine = [k for k, link in enumerate(self.links) if link.source == g]
            first = min((int(self.values_of[f"_begin{k}"][0]) for k in mine), default=count)
            if first > 0:
                rest = count - first
                for buffer in (a["_all_time"], a["_all_neuron"]):
                    buffer[:rest] = buffer[first:count].copy()
                for k in mine:
                    self.values_of[f"_begin{k}"] -= first
                    place = self.values_of.get(f"_place{k}")
                    if place is not None:
                        place[:rest] = place[first:count].copy()
                        place[rest:count] = 0
                a["_all_count"][0] = count = rest
            self.kept[g] = count
            while count > a["_room"]:  # delays are long
                self._widen(g)

    def _widen(self, g: int) -> None:
        """Make more room for the spikes of a group that are under way."""
        group = self.groups[g]
        group.widen()
        for name in ("_room", "_all_time", "_all_neuron"):
            self.values_of[f"g{g}{name}"] = group.arrays[name]
        for k, link in enumerate(self.links):
            if link.source == g and link.delays:
                place = self.values_of[f"_place{k}"]
                self.values_of[f"_place{k}"] = np.concatenate([place, np.zeros_like(place)])

    def results(self, seconds: Mapping[str, float], engine: str) -> dict[str, Result]:
        """Return the result of each population."""
        out: dict[str, Result] = {}
        method, order = "exact flow and crossings", "exact (rounding error)"
        none = np.empty(0)
        for g, group in enumerate(self.groups):
            times, neurons = _concatenate(self.spikes[g])
            states = group.whole.neuron.states
            count = int(np.searchsorted(group.samples, self.until, "right"))
            for name, lo, hi in zip(group.names, group.offsets, group.offsets[1:], strict=False):
                inside = (neurons >= lo) & (neurons < hi)
                spikes = Spikes.from_table(times[inside], neurons[inside] - lo, hi - lo)
                rows = np.flatnonzero((group.chosen >= lo) & (group.chosen < hi))
                traces = {s: group.arrays["_trace"][i][rows, :count] for i, s in enumerate(states)} if len(rows) else {}
                final = {s: group.arrays["_final"][lo:hi, i].copy() for i, s in enumerate(states)}
                t = group.samples[:count] if len(rows) else none
                out[name] = Result(spikes, t, traces, final, engine, method, order, seconds, self.values[name])
        for name, (times, neurons) in self.emitted.items():
            inside = times <= self.until
            own = times[inside], neurons[inside].astype(np.int64)
            spikes = Spikes.from_table(*own, self.net.populations[name].n)
            out[name] = Result(spikes, none, {}, {}, engine, "given spikes", order, seconds)
        return {name: out[name] for name in self.net.populations}


def _concatenate(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return spikes, (times, neurons), as one table."""
    times = np.concatenate([np.empty(0), *(t for t, _ in parts)])
    return times, np.concatenate([np.empty(0, dtype=np.int32), *(i for _, i in parts)])


def _count_parts(net: Network, asked: int | None) -> int:
    """Return how many threads may run: they meet twice in each window, which must hold enough work."""
    if asked is not None:
        return asked
    return cores() if sum(part.n for part in net.populations.values()) >= MANY else 1


def _compiled(path: Path, inner: tuple[str, ...], apart: tuple[str, ...], real: bool) -> ModuleType:
    def given() -> dict[str, Any]:
        names = [
            *("first_crossing", "glance", "pass_modes", "propagate_modes"),
            *("first_quadratic", "glance_quadratic", "pass_quadratic", "propagate_quadratic"),
        ]
        found = {name: kernels(real)[name] for name in names}
        found |= intrinsics()
        return found | {name: jit(getattr(_arrivals, name)) for name in ("order_spikes", "order_units")}

    return compiled_module(path, inner, ("run",), given, tuple(f for f in apart if f != "run"))
