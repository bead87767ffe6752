"""The exact engine: from event to event, spike times to rounding error."""

from __future__ import annotations

import hashlib
import inspect
import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Final, final

import numpy as np

from rheobase.derive import modal as _modal
from rheobase.derive import reading as _reading
from rheobase.derive import riccati as _riccati
from rheobase.derive import search as _search
from rheobase.derive.crossing import work_size
from rheobase.derive.kernels import compile_kernels
from rheobase.derive.propagate import clamp_sets
from rheobase.emit.loop import ClockSource, find_loop
from rheobase.emit.source import write_module
from rheobase.emit.to_numba import compiled_module, jit, plain_module, waiting
from rheobase.engines.affine import AffineSystem, build_system, check_exact
from rheobase.engines.population import Population
from rheobase.engines.result import Recording, Result
from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError, NotExact
from rheobase.model.neuron import Neuron

__all__ = ["COMPILING", "Exact", "digest", "is_exact", "kernels"]

_MANY: Final = 300_000  # events that plain Python runs in the time of compiling
COMPILING: Final = 5.0  # seconds that compiling the crossing kernels into a loop takes, once for a user
_MANY_SPIKES: Final = 50_000_000


@final
@dataclass(frozen=True)
class Exact:
    """Run from event to event, without a step.

    For rows whose flow is linear with constant coefficients between events (LIF and its synaptic currents,
    adaptation, moving thresholds, the generalised LIF models) and inputs made of constants, lines, sines and
    exponentials. Between events the state is a sum of exponentials, its first threshold crossing is found
    with a proof that none was missed (`rheobase.derive.crossing`), for any ratio of time constants. So is the
    quadratic neuron with constant input, by its closed form (`rheobase.derive.riccati`). A model of another kind
    raises `NotExact`, which names the row and an engine that can run it.

    Networks move on by windows of the smallest delay, in which neurons do not influence each other; delays are any
    real numbers. A neuron is touched when a spike arrives at it or when it may fire, not in between.

    Parameters
    ----------
    threads : int, optional
        At most how many threads; as many as pay if None. Results do not depend on it.

    Examples
    --------
    >>> import rheobase as rb
    >>> rb.simulate(rb.LIF(), I="0.3 nA", until="50 ms", engine=rb.Exact()).spikes[0]
    array([21.97224577, 45.94449155])
    """

    threads: int | None = None

    def run(self, population: Population, until: float, recording: Recording) -> Result:
        """Return the result of running one population of unconnected neurons until `until` (ms)."""
        begin = perf_counter()
        system = build_system(population, until)
        neuron, n = population.neuron, population.n
        ports, edges, events = _arrivals(population, until)
        values = {k: np.ascontiguousarray(x) if np.ndim(x) else float(x) for k, x in population.values.items()}
        kinds = tuple(sorted((k, "scalar" if np.ndim(v) == 0 else "neuron") for k, v in values.items()))
        source = _source(neuron, kinds, ports, system.quadratic, system.real)
        path = write_module("exact", source.text)
        price = min(waiting(path), COMPILING)
        compiled = n + len(events[0]) + len(system.breaks) * n > _MANY * price / COMPILING
        every = recording.every or 0.1
        samples = np.arange(0, math.floor(until / every + 1e-9) + 1) * every if recording.states else np.empty(0)
        chosen = np.arange(n) if recording.neurons is None else np.sort(recording.neurons)
        traces = np.zeros((len(chosen) if recording.states else 0, len(neuron.states), len(samples)))
        rows = {int(i): r for r, i in enumerate(chosen)} if recording.states else {}
        ready = perf_counter()
        job = _Job(
            source.arguments,
            plain_module(path),
            system,
            population,
            until,
            edges,
            events,
            values,
            samples,
            traces,
            rows,
        )
        done = 0 if compiled else job.run_for(price)
        if done < n:
            job.compile(_compiled(path, source.functions, system.real))
            job.run_one(done)  # compile before the threads meet
            rest = range(done + 1, n)
            threads = max(1, min(self.threads or os.cpu_count() or 1, len(rest)))
            with ThreadPoolExecutor(threads) as pool:
                size = max(1, len(rest) // (8 * threads))
                list(pool.map(job.run_some, [rest[i : i + size] for i in range(0, len(rest), size)]))
        counts = [len(s) for s in job.spikes]
        spikes = Spikes.from_table(np.concatenate(job.spikes), np.repeat(np.arange(n), counts), n)
        kept = {s: traces[:, neuron.states.index(s)] for s in recording.states}
        ends = {s: job.final[:, i].copy() for i, s in enumerate(neuron.states)}
        seconds = {"prepare": ready - begin, "run": perf_counter() - ready}
        return Result(
            spikes, samples, kept, ends, "Exact()", "exact flow and crossings", "exact (rounding error)", seconds
        )


def is_exact(population: Population) -> bool:
    """Return whether `Exact` can run a population."""
    try:
        check_exact(population)
    except NotExact:
        return False
    return all(_simple(s) for s in population.inputs.values())


def _simple(stimulus: Any) -> bool:
    from rheobase.network.generators import generate

    try:
        generate(stimulus, 0.001, 1, 0, "")
    except NotExact:
        return False
    return True


@final
class _Job:
    """What the threads share: each neuron is run alone, so its result depends on nothing else."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        module: ModuleType,
        system: AffineSystem,
        population: Population,
        until: float,
        edges: np.ndarray,
        events: tuple[np.ndarray, np.ndarray, np.ndarray],
        values: Mapping[str, Any],
        samples: np.ndarray,
        traces: np.ndarray,
        rows: Mapping[int, int],
    ) -> None:
        self.arguments, self.module, self.system, self.population, self.until = (
            arguments,
            module,
            system,
            population,
            until,
        )
        self.edges, self.events, self.values, self.samples, self.traces, self.rows = (
            edges,
            events,
            values,
            samples,
            traces,
            rows,
        )
        self.compiled = False
        self.spikes: list[np.ndarray] = [np.empty(0)] * population.n
        self.final = np.zeros((population.n, len(population.neuron.states)))
        self.flat: tuple[Any, Any] = (system.numbers.ravel().tolist(), system.layout.ravel().tolist())

    def compile(self, module: ModuleType) -> None:
        """Go on with compiled code; the results are the same bits."""
        self.module, self.compiled = module, True
        self.flat = (self.system.numbers.ravel(), self.system.layout.ravel())

    def run_for(self, price: float) -> int:
        """Run neurons in plain Python as long as the rest will take less than compiling; return the first not run."""
        n, begin = self.population.n, perf_counter()
        for i in range(n):
            spent = perf_counter() - begin
            if i and spent > min(0.2, price) and spent / i * (n - i) > price:
                return i
            if not self.run_one(i, patient=False):
                return i
        return n

    def run_some(self, neurons: range) -> None:
        for i in neurons:
            self.run_one(i)

    def run_one(self, i: int, patient: bool = True) -> bool:
        """Run one neuron to the end; false if it has more spikes than an impatient caller wants to wait for."""
        s = self.system
        none = np.zeros((0, 0))
        capacity = 256
        while True:
            x = s.start[i].copy()
            out = np.empty(capacity)
            row = self.rows.get(i)
            given: dict[str, Any] = {
                **self.values,
                "_i": i,
                "_kind": int(s.kind[i]),
                "_until": self.until,
                "_x": x if self.compiled else x.tolist(),
                "_y": np.empty(s.size),
                "_w": np.zeros(work_size(s.size)),
                "_f": self.flat[0],
                "_p": self.flat[1],
                "_modes": len(s.clamps),
                "_table_size": s.numbers.shape[1],
                "_layout_size": s.layout.shape[1],
                "_strict": s.strict,
                "_breaks": s.breaks,
                "_settings": s.settings,
                "_first_setting": s.first_setting,
                "_event_times": self.events[0],
                "_event_ports": self.events[1],
                "_event_weights": self.events[2],
                "_first_event": int(self.edges[i]),
                "_last_event": int(self.edges[i + 1]),
                "_samples": self.samples if row is not None else np.empty(0),
                "_trace": self.traces[row] if row is not None else none,
                "_out": out,
            }
            if not self.compiled:
                given |= {"_y": [0.0] * s.size, "_w": [0.0] * work_size(s.size)}
            count = int(self.module.run(*(given[a] for a in self.arguments)))
            if count == -2:
                raise InputError(
                    f"neuron {i} of {self.population.neuron.name} fires without end at one instant: the reset leaves it"
                    " at or above its threshold; lower v_r, raise the threshold, or give refractory="
                )
            if count >= 0:
                break
            if not patient and capacity >= 2048:
                return False
            capacity *= 8
            if capacity > _MANY_SPIKES:
                raise InputError(
                    f"neuron {i} of {self.population.neuron.name} fires more than {_MANY_SPIKES:,} times before"
                    f" {self.until:g} ms; check its input, or give refractory="
                )
        self.spikes[i] = out[:count].copy()
        self.final[i] = np.asarray(given["_x"])[: self.final.shape[1]]
        return True


def _arrivals(
    population: Population, until: float
) -> tuple[tuple[str, ...], np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the ports in use, where each neuron's arrivals begin, and the arrivals sorted by neuron, then time."""
    ports = tuple(p for p in population.neuron.ports if p in population.sources)
    n = population.n
    columns: list[tuple[np.ndarray, ...]] = []
    for number, port in enumerate(ports):
        times, neurons, weights = population.sources[port].in_time(until, n, population.key("port", port))
        columns.append((times, neurons, weights, np.full(len(times), number)))
    if not columns:
        empty = np.empty(0)
        return ports, np.zeros(n + 1, dtype=np.int64), (empty, np.empty(0, dtype=np.int64), empty)
    times, neurons, weights, numbers = (np.concatenate(c) for c in zip(*columns, strict=True))
    order = np.lexsort((numbers, times, neurons))
    edges = np.searchsorted(neurons[order], np.arange(n + 1))
    return ports, edges, (times[order].astype(float), numbers[order].astype(np.int64), weights[order].astype(float))


@lru_cache(maxsize=2)
def digest(real: bool) -> str:
    """Return what tells versions of the crossing kernels apart."""
    text = "".join(inspect.getsource(part) for part in (_modal, _reading, _search, _riccati))
    return f"{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}, {'real' if real else 'any'} rates"


def _source(
    neuron: Neuron, kinds: tuple[tuple[str, str], ...], ports: tuple[str, ...], quadratic: bool, real: bool
) -> ClockSource:
    def build() -> ClockSource:
        from rheobase.derive.integrate import Step
        from rheobase.emit.exact_loop import exact_source

        nothing = Step("none", "", {c: () for c in clamp_sets(neuron)})
        return exact_source(neuron, nothing, dict(kinds), ports, quadratic, digest(real))

    return find_loop("exact", neuron, [kinds, ports, quadratic, digest(real)], build)


@lru_cache(maxsize=2)
def kernels(real: bool) -> dict[str, Any]:
    """Return the crossing kernels, compiled; for real rates without what takes most of the time to compile."""
    instead: dict[str, Callable[..., Any]] = _search.REAL if real else {}

    return compile_kernels(jit, _search.KERNELS, instead)


def _compiled(path: Path, functions: tuple[str, ...], real: bool) -> ModuleType:
    def given() -> dict[str, Any]:
        names = ("first_crossing", "propagate_state", "first_quadratic", "flow_quadratic")
        return {name: kernels(real)[name] for name in names}

    return compiled_module(path, functions, ("run",), given)
