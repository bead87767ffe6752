"""The clock engine: a fixed step, the order of operations of the reference loop, compiled."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, Final, final

import numpy as np

from rheobase.derive.additive import additive_ports
from rheobase.derive.facts import StepFacts, step_facts
from rheobase.derive.propagate import clamp_sets, propagators
from rheobase.emit.intrinsics import power_of_two
from rheobase.emit.loop import ClockSource, find_loop
from rheobase.emit.source import write_module
from rheobase.emit.to_numba import compiled_module, plain_module, waiting
from rheobase.engines.blocks import BLOCK, Worker, sort_by_block
from rheobase.engines.population import Population, line_up
from rheobase.engines.result import Recording, Result
from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.network.sources import Arrivals
from rheobase.network.stimulus import Sampler
from rheobase.units import to_number

__all__ = ["Clock", "ClockRun"]

#: What `Clock` can compute in.
PRECISIONS: Final = ("auto", "float64", "mixed", "float32")
_FIT: Final = 100_000  # random numbers and inputs of a block and a chunk of steps that stay in the L2 cache
_SMALL: Final = 12_000  # neuron-steps that plain Python runs while kept code is loaded


@final
@dataclass(frozen=True)
class Clock:
    """Run on a grid of step `dt`.

    Parameters
    ----------
    dt : time
        The step, in ms; spike times are multiples of it.
    method : str
        "auto" chooses by the structure of the rows (see `rheobase.derive.integrate`): exact for affine rows
        and additive noise, exponential Euler or RK4 otherwise. "euler" is what the tutorials use.
    threads : int, optional
        At most so many threads, all cores if None; one where that is quicker. Results do not depend on it.
    precision : str
        How numbers are kept: "float64"; "mixed", states as float64, a network's weights and what arrives as
        float32; "float32", all as float32. Arithmetic between two steps is in 64 bits always. "auto" is the most
        accurate of those that take at most a fifth longer than the fastest (docs/decisions/0013): "mixed" in networks
        of a million synapses or more, none of them plastic, where a neuron gets more than 0.2 spikes in a step if all
        fire at 10 Hz (2,000 synapses a neuron at a step of 0.01 ms, 200 at 0.1 ms); else "float64". A run's `engine`
        says which it was.

    Examples
    --------
    >>> Clock(dt="0.5 ms").dt
    0.5
    """

    dt: float = 0.1
    method: str = "auto"
    threads: int | None = None
    precision: str = "auto"

    def __init__(
        self, dt: Any = "0.1 ms", method: str = "auto", threads: int | None = None, precision: str = "auto"
    ) -> None:
        step = to_number(dt, "ms", "dt")
        if not 0 < step < math.inf:
            raise InputError(f"dt = {step:g} ms is not positive; give for example Clock(dt='0.1 ms')")
        if threads is not None and (int(threads) != threads or threads < 1):
            raise InputError(f"threads = {threads!r} must be a whole number from 1")
        object.__setattr__(self, "dt", step)
        object.__setattr__(self, "method", method)
        if precision not in PRECISIONS:
            raise InputError(f"precision = {precision!r:.60} must be one of {', '.join(PRECISIONS)}")
        object.__setattr__(self, "threads", threads)
        object.__setattr__(self, "precision", precision)

    def run(self, population: Population, until: float, recording: Recording) -> Result:
        """Return the result of running one population of unconnected neurons until `until` (ms)."""
        run = ClockRun(population, self, recording, steps_until(until, self.dt))
        run.advance(run.total)
        return run.result()


def steps_until(until: float, dt: float) -> int:
    """Return how many steps of dt reach `until`."""
    steps = round(until / dt)
    if steps < 1:
        raise InputError(f"until = {until:g} ms is shorter than one step of dt = {dt:g} ms")
    return steps


def count_steps(time: float | np.ndarray, dt: float) -> Any:
    """Return round(time/dt), halves up, as integers."""
    return np.floor(np.asarray(time) / dt + 0.5 + 1e-9).astype(np.int64)


def is_worth_compiling(size: int, path: Path) -> bool:
    """Return whether to run so many neuron-steps of a generated module compiled, or while that takes longer, plain.

    Compiling takes a second, but then the code is kept, so the first run pays a tenth of it.
    """
    return size > _SMALL * min(waiting(path) / 0.06, 3.0)


def held_values(neuron: Neuron, step: StepFacts, values: Mapping[str, Any], dt: float) -> dict[str, Any]:
    """Return all that a loop holds fixed: parameters, the step's coefficients, refractory times in steps."""
    held = {**values, **propagators(step, clamp_sets(neuron), values, dt)}
    for target, name in neuron.refractory.items():
        counts = count_steps(held[name], dt)
        held[f"_steps_{target}"] = int(counts) if counts.ndim == 0 else counts
    return {name: as_held(x) for name, x in held.items()}


def _counter(steps: Any) -> type[np.signedinteger[Any]]:
    """Return the narrowest type that counts so many steps: the loop over neurons waits for memory."""
    most = int(np.max(steps))
    return np.int16 if most < 1 << 15 else np.int32 if most < 1 << 31 else np.int64


def as_held(x: Any) -> Any:
    """Return a value as compiled code takes it: a number of Python's, or an array in C order."""
    return line_up(np.asarray(x)) if np.ndim(x) else np.asarray(x).item()


def check_step(population: Population, method: str, dt: float) -> None:
    """Refuse a step with which Euler's method is unstable for the given time constants."""
    if method not in ("euler", "sequential euler"):
        return
    for name, value in population.values.items():
        if (name == "tau" or name.startswith("tau_")) and np.min(value) < dt:
            raise InputError(
                f"dt = {dt:g} ms is larger than {name} = {np.min(value):g} ms; Euler's method is unstable beyond"
                f" 2 {name}: choose dt below {name}/10, or method='auto'"
            )


def find_source(
    neuron: Neuron,
    method: str,
    varying: Sequence[str],
    kinds: Mapping[str, str],
    ports: Collection[str],
    fed: Collection[str] = (),
    late: Collection[str] = (),
) -> ClockSource:
    """Return the loop of a neuron for a method (see `rheobase.emit.clock_loop.clock_source`)."""

    def build() -> ClockSource:
        from rheobase.derive.integrate import derive_step
        from rheobase.derive.structure import analyse
        from rheobase.emit.clock_loop import clock_source

        return clock_source(neuron, derive_step(neuron, analyse(neuron, varying), method), kinds, ports, fed, late)

    about = [method, [*varying], sorted(kinds.items()), sorted(ports), sorted(fed), sorted(late)]
    return find_loop("clock", neuron, about, build)


@final
class ClockRun:
    """A run in progress: states, counters, buffers; `advance` carries it forward by any number of steps."""

    def __init__(
        self,
        population: Population,
        engine: Clock,
        recording: Recording,
        total: int,
        fed: tuple[str, ...] = (),
        compiled: bool | None = None,
        traced: tuple[str, ...] = (),
        late: Collection[str] = (),
    ) -> None:
        begin = perf_counter()
        self.population, self.engine, self.total, self.k = population, engine, total, 0
        self.fed, self.late = fed, late  # ports that a network fills; those where few receive something
        neuron, n, dt = population.neuron, population.n, engine.dt
        self.step = step_facts(neuron, population.inputs, engine.method)
        self.method, self.order = self.step.method, self.step.order
        check_step(population, self.method, dt)
        self.recording = _check_recording(recording, neuron, n, dt, total)
        self._record_states = recording.states or traced  # `traced`: a network keeps these by itself
        self.samplers: dict[str, Sampler] = {
            u: s.start(dt, n, population.key("input", u)) for u, s in population.inputs.items()
        }
        self.additive = additive_ports(neuron)
        self.arrivals: dict[str, Arrivals] = {
            p: s.on_grid(dt, n, population.key("port", p), p not in self.additive)
            for p, s in population.sources.items()
        }
        self.states = {s: line_up(population.initial[s], float) for s in neuron.states}
        self.values = held_values(neuron, self.step, population.values, dt)
        counters = {t: _counter(self.values[f"_steps_{t}"]) for t in neuron.refractory}
        self.left = {t: line_up(np.zeros(n, dtype=kind)) for t, kind in counters.items()}
        if engine.precision == "float32":  # only where compiled: plain Python would round each operation, too
            compiled = True
            narrow = np.float32
            self.states = {s: line_up(x, narrow) for s, x in self.states.items()}
            self.values = {
                k: line_up(v, narrow) if np.ndim(v) and v.dtype == np.float64 else v for k, v in self.values.items()
            }
        buffers = self.step.normals + (neuron.rows.hazard is not None) + len(self.arrivals)
        fit = _FIT // (min(n, BLOCK) * max(buffers, 1))
        self.chunk = int(np.clip(min(2_000_000 // n, fit), 16, 1024)) // 2 * 2
        self.module, self.source = self.load(compiled)
        self._deliver_at_zero()
        every, chosen = self.recording
        self.times = np.arange(0, total + 1, every) if chosen is not None else np.empty(0, dtype=np.int64)
        self.chosen = chosen if chosen is not None else np.empty(0, dtype=np.int64)
        self.traces = {s: np.empty((len(self.times), len(self.chosen))) for s in recording.states}
        for s, trace in self.traces.items():
            trace[0] = self.states[s][self.chosen]
        self.spike_steps: list[np.ndarray] = []
        self.spike_neurons: list[np.ndarray] = []
        self.seconds = {"prepare": perf_counter() - begin, "compile": 0.0, "run": 0.0}

    def load(self, compiled: bool | None = None) -> tuple[ModuleType, ClockSource]:
        """Return the loop, as compiled code or plain Python; by the amount of work if it is not said which."""
        p = self.population
        probe = {u: sampler(0, 1).shape[1] for u, sampler in self.samplers.items()}
        kinds = {name: "scalar" if np.ndim(v) == 0 else "neuron" for name, v in self.values.items()}
        kinds |= {u: "time" if width == 1 else "both" for u, width in probe.items()}
        kinds |= {f"_trace_{s}": "yes" for s in self._record_states}
        source = find_source(
            p.neuron, self.method, sorted(p.inputs), kinds, {*p.sources, *self.fed}, self.fed, self.late
        )
        path = write_module("clock", source.text)
        self.compiled = is_worth_compiling(p.n * self.total, path) if compiled is None else compiled
        if self.compiled:
            return compiled_module(path, source.functions, ("advance",), lambda: {"_two_to": power_of_two()}), source
        return plain_module(path), source

    def _deliver_at_zero(self) -> None:
        """Spikes due at t = 0 act on the initial state."""
        module = plain_module(write_module("clock", self.source.text)) if self.compiled else self.module
        names = list(self.states)
        for port, arrivals in self.arrivals.items():
            _, neurons, weights = arrivals(-1, 0)
            function = getattr(module, f"_receive_{port}")
            arguments = function.__code__.co_varnames[: function.__code__.co_argcount][len(names) + 1 :]
            for i, w in zip(neurons, weights, strict=True):
                more = [self._value_at(a, int(i)) for a in arguments]
                got = function(*(self.states[s][i] for s in names), w, *more)
                for s, x in zip(names, got, strict=True):
                    self.states[s][i] = x

    def _value_at(self, name: str, i: int) -> float:
        """Return what a name stands for at t = 0 in neuron i."""
        if name in ("t", "dt"):
            return 0.0 if name == "t" else self.engine.dt
        value = self.values[name] if name in self.values else self.samplers[name](0, 1)[0]
        return float(np.broadcast_to(value, (self.population.n,))[i])

    def advance(self, until_step: int) -> None:
        """Carry the run forward to a step; any split gives the same bits."""
        until_step = min(until_step, self.total)
        n = self.population.n
        blocks = [(lo, min(lo + BLOCK, n)) for lo in range(0, n, BLOCK)]
        threads = min(self.engine.threads or os.cpu_count() or 1, len(blocks)) if self.compiled else 1
        workers = [Worker(self) for _ in range(threads)]
        self._warm_up(workers[0])
        begin = perf_counter()
        pool = ThreadPoolExecutor(threads) if threads > 1 else None
        try:
            while self.k < until_step:
                stop = min(self.k + self.chunk, until_step)
                shared = self.gather(self.k, stop)
                parts = [blocks[w::threads] for w in range(threads)]
                if not self.compiled:
                    found = [self._run_plain(workers[0], blocks, stop, shared)]
                elif pool is None:
                    found = [workers[0].run(blocks, self.k, stop, shared)]
                else:
                    jobs = [
                        pool.submit(w.run, part, self.k, stop, shared) for w, part in zip(workers, parts, strict=True)
                    ]
                    found = [j.result() for j in jobs]
                for steps, neurons in (pair for part in found for pair in part):
                    self.spike_steps.append(steps)
                    self.spike_neurons.append(neurons)
                self.k = stop
        finally:
            if pool is not None:
                pool.shutdown()
        self.seconds["run"] += perf_counter() - begin
        self.check_finite()

    def _warm_up(self, worker: Worker) -> None:
        if self.compiled and not getattr(self.module, "_warm", False):
            begin = perf_counter()
            worker.warm_up()
            self.module._warm = True  # type: ignore[attr-defined]
            self.seconds["compile"] += perf_counter() - begin

    def _run_plain(
        self, worker: Worker, blocks: list[tuple[int, int]], stop: int, shared: Mapping[str, Any]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Run a chunk as plain Python; where that raises (1/0, exp(1000)), do it anew compiled, with inf and nan."""
        arrays = [*self.states.values(), *self.left.values()]
        before = [x.copy() for x in arrays]
        try:
            with np.errstate(all="raise", under="ignore"):
                return worker.run(blocks, self.k, stop, shared)
        except (ArithmeticError, ValueError):
            for x, old in zip(arrays, before, strict=True):
                x[:] = old
        self.module, self.source = self.load(compiled=True)
        self._warm_up(worker)
        return worker.run(blocks, self.k, stop, shared)

    def gather(self, k0: int, k1: int) -> dict[str, Any]:
        """Return what all blocks share in a chunk of steps: inputs, arrivals, which rows are recorded."""
        shared: dict[str, Any] = {}
        for u, sampler in self.samplers.items():
            values = np.ascontiguousarray(sampler(k0, k1))
            if np.isnan(values).any():
                raise InputError(
                    f"the input {u} is NaN at t = {(k0 + np.argwhere(np.isnan(values))[0][0]) * self.engine.dt:g} ms"
                )
            shared[u] = values[:, 0].copy() if values.shape[1] == 1 else values
        for port, arrivals in self.arrivals.items():
            shared[f"_arrivals_{port}"] = sort_by_block(arrivals(k0, k1), self.population.n)
        record = np.full(k1 - k0, -1, dtype=np.int64)
        if len(self.times):
            every = self.recording[0]
            at = np.arange(k0 + 1, k1 + 1)
            record = np.where(at % every == 0, at // every, -1)
        shared["_record"] = record
        return shared

    def check_finite(self) -> None:
        for s, x in self.states.items():
            if not np.isfinite(x).all():
                i = int(np.flatnonzero(~np.isfinite(x))[0])
                raise InputError(
                    f"{s} of neuron {i} is {x[i]} before t = {self.k * self.engine.dt:g} ms: the numbers overflowed;"
                    " choose a smaller dt, another method, or check the parameters"
                )

    def result(self) -> Result:
        """Return what has been simulated so far."""
        dt = self.engine.dt
        steps = np.concatenate([*self.spike_steps, np.empty(0, dtype=np.int64)])
        neurons = np.concatenate([*self.spike_neurons, np.empty(0, dtype=np.int64)])
        place = np.sort(steps * self.population.n + neurons)  # by time, then neuron
        spikes = Spikes(place // self.population.n * dt, place % self.population.n, self.population.n)
        done = int(np.searchsorted(self.times, self.k, side="right"))
        traces = {s: x[:done].T for s, x in self.traces.items()}
        return Result(
            spikes,
            self.times[:done] * dt,
            traces,
            {s: x.astype(float) for s, x in self.states.items()},
            f"Clock(dt={dt:g} ms)" if self.engine.precision != "float32" else f"Clock(dt={dt:g} ms, float32)",
            self.method,
            self.order,
            dict(self.seconds),
        )


def _check_recording(
    recording: Recording, neuron: Neuron, n: int, dt: float, total: int
) -> tuple[int, np.ndarray | None]:
    """Return every how many steps to record, and which neurons; (1, None) for no traces."""
    if not recording.states:
        return 1, None
    every = 1 if recording.every is None else max(1, round(recording.every / dt))
    if recording.every is not None and abs(every * dt - recording.every) > 1e-6 * dt:
        raise InputError(
            f"record_every = {recording.every:g} ms is not a whole number of steps of {dt:g} ms; give a multiple of dt"
        )
    chosen = np.arange(n) if recording.neurons is None else np.sort(np.asarray(recording.neurons, dtype=np.int64))
    return every, chosen
