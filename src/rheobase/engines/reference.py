"""The order of operations, in plain Python: the definition that every other engine must match.

State at t_k = k dt is what holds after everything that happens at t_k. From t_k to t_k+1:

1. flow, with the inputs held at their value on [t_k, t_k+1);
2. deliver every spike due at t_k+1 (receive rows);
3. fire where the threshold row holds at t_k+1 and the neuron is not refractory; the spike's time is t_k+1;
4. reset, and start refractoriness: round(t_ref/dt) steps, counted in integers, in which the clamped state
   ignores flow and deliveries.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from types import ModuleType
from typing import Any, final

import numpy as np

from rheobase.emit.source import write_module
from rheobase.emit.to_numba import plain_module
from rheobase.engines.clock import Clock, ClockRun, steps_until
from rheobase.engines.population import Population
from rheobase.engines.result import Recording, Result
from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError
from rheobase.random import neuron_keys, normals, uniforms

__all__ = ["Reference"]


@final
@dataclass(frozen=True)
class Reference:
    """Run one neuron after the other, one step after the other, in plain Python (slow; for checking)."""

    dt: float = 0.1
    method: str = "auto"

    def __init__(self, dt: Any = "0.1 ms", method: str = "auto") -> None:
        object.__setattr__(self, "dt", Clock(dt).dt)
        object.__setattr__(self, "method", method)

    def run(self, population: Population, until: float, recording: Recording) -> Result:
        """Return the result of running one population of unconnected neurons until `until` (ms)."""
        begin = perf_counter()
        total = steps_until(until, self.dt)
        plan = ClockRun(population, Clock(self.dt, self.method, 1), Recording(population.neuron.states), total)
        rows = plain_module(write_module("clock", plan.source.text))
        arrivals = {p: take(0, total) for p, take in plan.arrivals.items()}
        times, neurons = [], []
        traces = {s: np.empty((population.n, total + 1)) for s in population.neuron.states}
        for i in range(population.n):
            try:
                fired = _run_one(_One(plan, rows, i, total, arrivals), traces, i)
            except ArithmeticError:  # compiled code goes on with inf and nan
                fired, bad = [], True
            else:
                bad = any(not math.isfinite(trace[i, -1]) for trace in traces.values())
            if bad:
                raise InputError(
                    f"neuron {i}: the numbers overflowed; choose a smaller dt, another method, or check the parameters"
                )
            times += [k * self.dt for k in fired]
            neurons += [i] * len(fired)
        spikes = Spikes.from_table(np.array(times), np.array(neurons, dtype=np.int64), population.n)
        every = 1 if recording.every is None else max(1, round(recording.every / self.dt))
        chosen = slice(None) if recording.neurons is None else recording.neurons
        kept = {s: traces[s][chosen, ::every] for s in recording.states}
        ends = {s: x[:, -1].copy() for s, x in traces.items()}
        return Result(
            spikes,
            np.arange(0, total + 1, every) * self.dt,
            kept,
            ends,
            f"Reference(dt={self.dt:g} ms)",
            plan.method,
            plan.order,
            {"run": perf_counter() - begin},
        )


def _run_one(cell: _One, traces: dict[str, np.ndarray], i: int) -> list[int]:
    state, left, fired = cell.start(), dict.fromkeys(cell.refractory_steps, 0), []
    for k in range(cell.total + 1):
        if k > 0:
            clamped = frozenset(s for s, steps in left.items() if steps > 0)
            state = cell.flow(state, k - 1, clamped)  # 1. from t_k-1 to t_k, inputs held
            for port, weight in cell.due(k):  # 2. in a fixed order
                received = cell.receive(state, port, weight, k - 1)
                state = {s: state[s] if s in clamped else received[s] for s in state}
            fires = not clamped and cell.fires(state, k)  # 3. at t_k
            left = {s: max(steps - 1, 0) for s, steps in left.items()}
            if fires:  # 4.
                fired.append(k)
                state = cell.reset(state, k - 1)
                left = dict(cell.refractory_steps)
        for s, x in state.items():
            traces[s][i, k] = x
    return fired


@final
class _One:
    """One neuron's rows with its own values put in."""

    def __init__(self, plan: ClockRun, rows: ModuleType, i: int, total: int, arrivals: dict[str, Any]) -> None:
        self.plan, self.rows, self.i, self.total = plan, rows, i, total
        n = plan.population.n
        self.names = list(plan.states)
        self.values = {name: float(np.broadcast_to(v, (n,))[i]) for name, v in plan.values.items()}
        self.inputs = {u: np.broadcast_to(s(0, total), (total, n))[:, i] for u, s in plan.samplers.items()}
        self.refractory_steps = {t: int(self.values[f"_steps_{t}"]) for t in plan.left}
        self.arrivals: dict[int, list[tuple[str, float]]] = {}
        for port in plan.population.neuron.ports:
            if port in arrivals:
                steps, neurons, weights = arrivals[port]
                for step, weight in zip(steps[neurons == i], weights[neurons == i], strict=True):
                    self.arrivals.setdefault(int(step), []).append((port, float(weight)))
        keys, population = neuron_keys(plan.population.key("noise"), i, i + 1), plan.population
        self.z = {
            f"_z_{j}": normals(population.key("noise", f"{j}"), keys, 0, total)[:, 0] for j in range(plan.step.normals)
        }
        self.u = (
            uniforms(population.key("hazard"), keys, 0, total)[:, 0]
            if population.neuron.rows.hazard is not None
            else None
        )

    def start(self) -> dict[str, float]:
        return {s: float(self.plan.states[s][self.i]) for s in self.names}

    def _call(self, function: Callable[..., Any], state: dict[str, float], k: int, **more: float) -> Any:
        """Return what a row gives in the step from t_k to t_k+1; all but the flow happens at t_k+1."""
        code = function.__code__
        after = 0 if code.co_name.startswith("_flow") else 1
        known = {**self.values, **more, "t": (k + after) * self.plan.engine.dt, "dt": self.plan.engine.dt}
        known |= {u: float(x[k]) for u, x in self.inputs.items() if k < self.total}
        known |= {z: float(x[k]) for z, x in self.z.items() if k < self.total}
        wanted = code.co_varnames[len(state) : code.co_argcount]
        return function(*state.values(), *(known[name] for name in wanted))

    def flow(self, state: dict[str, float], k: int, clamped: frozenset[str]) -> dict[str, float]:
        held = sorted(clamped - {"threshold"})
        function = getattr(self.rows, "_flow" + ("_clamped_" + "__".join(held) if held else ""))
        return dict(zip(self.names, self._call(function, state, k), strict=True))

    def due(self, k: int) -> list[tuple[str, float]]:
        """Return what arrives at t_k; at a port that only adds, the weights are summed first."""
        out: list[tuple[str, float]] = []
        for port in self.plan.population.neuron.ports:
            weights = [w for p, w in self.arrivals.get(k, []) if p == port]
            out += (
                [(port, sum(weights[1:], start=0.0 + weights[0]))]
                if weights and port in self.plan.additive
                else [(port, w) for w in weights]
            )
        return out

    def receive(self, state: dict[str, float], port: str, weight: float, k: int) -> dict[str, float]:
        return dict(
            zip(self.names, self._call(getattr(self.rows, f"_receive_{port}"), state, k, w_i=weight), strict=True)
        )

    def fires(self, state: dict[str, float], k: int) -> bool:
        neuron = self.plan.population.neuron
        if neuron.rows.threshold is not None:
            return bool(self._call(self.rows._fires, state, k - 1))
        if self.u is not None:
            return bool(
                self.u[k - 1] < 1.0 - math.exp(-self._call(self.rows._hazard, state, k - 1) * self.plan.engine.dt)
            )
        return False

    def reset(self, state: dict[str, float], k: int) -> dict[str, float]:
        return dict(zip(self.names, self._call(self.rows._reset, state, k), strict=True))
