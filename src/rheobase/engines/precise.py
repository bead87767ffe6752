"""The precise engine: any smooth model, by an adaptive method of high order with event location."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, final

import numpy as np

from rheobase.derive.evaluate import evaluate
from rheobase.derive.integrate import Step, stage_limit
from rheobase.derive.propagate import clamp_sets
from rheobase.derive.structure import analyse, threshold_function
from rheobase.emit.source import write_module
from rheobase.emit.to_numba import plain_module
from rheobase.emit.to_python import print_expression, row_functions
from rheobase.engines.exact import _arrivals
from rheobase.engines.population import Population
from rheobase.engines.result import Recording, Result
from rheobase.engines.spikes import Spikes
from rheobase.errors import DidNotConverge, InputError, NotExact
from rheobase.network.generators import Generator, generate, join

__all__ = ["Precise"]

_SAME: int = 10_000


@final
@dataclass(frozen=True)
class Precise:
    """Run smooth rows without a fixed step: Dormand and Prince's method of order 8 (Hairer, Norsett & Wanner 1993).

    Between events the rows are integrated by `scipy.integrate.solve_ivp` with relative tolerance `rtol`; the
    threshold is located on the dense output. For EIF, AdEx, Izhikevich, Hodgkin-Huxley, conductances; noise and
    hazards need `Clock`. The error of a run is of the order of `rtol`, magnified by the dynamics; run twice with
    two tolerances to see it.

    Parameters
    ----------
    rtol : float
        Relative tolerance of each step, from 1e-13.
    """

    rtol: float = 1e-9

    def __post_init__(self) -> None:
        if not isinstance(self.rtol, int | float) or not 1e-13 <= self.rtol <= 1e-2:
            raise InputError(f"rtol = {self.rtol!r} must lie in 1e-13 .. 1e-2")

    def run(self, population: Population, until: float, recording: Recording) -> Result:
        """Return the result of running one population of unconnected neurons until `until` (ms)."""
        begin = perf_counter()
        model = _Smooth(population, until)
        every = recording.every or 0.1
        samples = np.arange(0, math.floor(until / every + 1e-9) + 1) * every if recording.states else np.empty(0)
        chosen = np.arange(population.n) if recording.neurons is None else np.sort(recording.neurons)
        rows = {int(i): r for r, i in enumerate(chosen)} if recording.states else {}
        traces = np.zeros((len(population.neuron.states), len(rows), len(samples)))
        trains, final_states = [], []
        for i in range(population.n):
            row = rows.get(i)
            times, final_state = model.run_one(
                i,
                self.rtol,
                samples if row is not None else np.empty(0),
                traces[:, row, :] if row is not None else None,
            )
            trains.append(np.array(times))
            final_states.append(final_state)
        spikes = Spikes.from_table(
            np.concatenate(trains), np.repeat(np.arange(population.n), [len(x) for x in trains]), population.n
        )
        names = population.neuron.states
        kept = {s: traces[names.index(s)] for s in recording.states}
        ends = {s: np.array([f[i] for f in final_states]) for i, s in enumerate(names)}
        return Result(
            spikes,
            samples,
            kept,
            ends,
            f"Precise(rtol={self.rtol:g})",
            "DOP853 with event location",
            f"8 (adaptive, relative error {self.rtol:g} a step)",
            {"run": perf_counter() - begin},
        )


@final
class _Smooth:
    """The right side, the threshold and the jumps of a population as plain functions."""

    def __init__(self, population: Population, until: float) -> None:
        neuron = population.neuron
        if neuron.noises or neuron.rows.hazard is not None:
            what = "evolve row: white noise" if neuron.noises else "hazard row: firing by chance"
            raise NotExact(f"{what} needs a step; run it with engine=rb.Clock(dt='0.1 ms')")
        if neuron.rows.bounds:
            raise NotExact("evolve row: a bound makes the flow not smooth; run it with engine=rb.Clock(dt='0.01 ms')")
        found = threshold_function(neuron)
        if neuron.rows.threshold is not None and found is None:
            raise NotExact(
                f"threshold row: {neuron.rows.threshold.text} is not one comparison; use engine=rb.Clock(dt='0.01 ms')"
            )
        self.population, self.until = population, until
        self.strict = found[1] if found else True
        structure = analyse(neuron, tuple(sorted(population.inputs)))
        parts = {
            u.name: generate(population.inputs[u.name], until, population.n, population.key("input", u.name), u.name)
            for u in structure.inputs
        }
        self.generator = (
            join([*parts.values()])
            if parts
            else Generator(np.zeros((0, 0)), np.zeros(0), np.zeros(0), np.zeros((0, 1, 0)))
        )
        self.readings, at = {}, 0
        for name, part in parts.items():
            self.readings[name] = (at, part.reading)
            at += len(part.reading)
        self.limits = {structure.states.index(x): theta for x, theta in stage_limit(neuron, structure).items()}
        nothing = Step("none", "", {c: () for c in clamp_sets(neuron)})
        functions, self.calls = row_functions(neuron, nothing)
        values = sorted(population.values)
        slopes = ", ".join(print_expression(e) for e in structure.drift) + ("," if len(structure.drift) == 1 else "")
        every = [*neuron.states, *(u.name for u in structure.inputs), *values, "t"]
        extra = ["", "", f"def _slope({', '.join(every)}):", f"    return {slopes}", "", ""]
        extra += [
            f"def _margin({', '.join(every)}):",
            f"    return {print_expression(found[0]) if found else '-1.0'}",
            "",
        ]
        header = '"""Rows of a smooth neuron, written by rheobase."""\n\nfrom math import *\n\n\ndef exprel(x):\n'
        header += "    return expm1(x)/x if x != 0.0 else 1.0\n"
        self.module = plain_module(write_module("precise", header + "\n".join(functions + extra)))
        self.names, self.inputs = values, [u.name for u in structure.inputs]
        self.targets = list(neuron.refractory)
        self.ports, self.edges, self.events = _arrivals(population, until)

    def run_one(
        self, i: int, rtol: float, samples: np.ndarray, trace: np.ndarray | None
    ) -> tuple[list[float], np.ndarray]:
        from scipy.integrate import solve_ivp

        p, g = self.population, self.generator
        ns = len(p.neuron.states)
        values = [float(np.broadcast_to(p.values[name], (p.n,))[i]) for name in self.names]
        by_name = dict(zip(self.names, values, strict=True))
        x = np.concatenate([[p.initial[s][i] for s in p.neuron.states], np.zeros(len(g.reading))])
        left = dict.fromkeys(self.targets, -1.0)
        scale = np.maximum(np.abs(x[:ns]), 1.0)
        atol = np.concatenate([rtol * 1e-3 * scale, np.full(len(g.reading), rtol * 1e-3)])
        t, sample, event, setting, same = 0.0, 0, int(self.edges[i]), 0, 0
        last = int(self.edges[i + 1])
        fired: list[float] = []
        reads = [(self.readings[u][0], self.readings[u][1]) for u in self.inputs]

        # beyond its threshold an exponential upstroke would overflow before the step that crosses is accepted
        ceilings = {k: float(evaluate(e, by_name)) for k, e in self.limits.items()}
        ceilings = {k: theta + 0.05 * max(abs(theta - x[k]), 1.0) for k, theta in ceilings.items()}

        def arguments(time: float, y: np.ndarray) -> list[float]:
            for k, top in ceilings.items():
                if y[k] > top:
                    y = y.copy()
                    y[k] = top
            currents = [float(r @ y[ns + a : ns + a + len(r)]) for a, r in reads]
            return [*y[:ns].tolist(), *currents, *values, time]

        while True:
            while setting < len(g.times) and g.times[setting] <= t:
                row = g.values[setting, i if g.values.shape[1] > 1 else 0]
                x[ns:] = np.where(np.isnan(row), x[ns:], row)
                setting += 1
            while event < last and self.events[0][event] <= t:
                port, w = self.ports[self.events[1][event]], float(self.events[2][event])
                got = self._jump(f"_receive_{port}", x[:ns], by_name, t, w)
                held = [left.get(s, -1.0) >= t and left.get(s, -1.0) >= 0 for s in p.neuron.states]
                x[:ns] = np.where(held, x[:ns], got)
                event += 1
            left = {s: (end if end > t else -1.0) for s, end in left.items()}
            frozen = np.array([left.get(s, -1.0) > t for s in p.neuron.states] + [False] * len(g.reading))
            quiet = any(end > t for end in left.values())
            stop = min(
                [
                    self.until,
                    *([g.times[setting]] if setting < len(g.times) else []),
                    *([self.events[0][event]] if event < last else []),
                    *(e for e in left.values() if e > t),
                ]
            )

            def slope(time: float, y: np.ndarray, frozen: np.ndarray = frozen) -> np.ndarray:
                dx = np.concatenate([self.module._slope(*arguments(time, y)), g.matrix @ y[ns:]])
                return np.where(frozen, 0.0, dx)

            def margin(time: float, y: np.ndarray) -> float:
                return float(self.module._margin(*arguments(time, y)))

            now = margin(t, x)
            fires = not quiet and (now > 0 or (now == 0 and not self.strict))
            if not fires and stop > t:
                margin.terminal, margin.direction = True, 1.0  # type: ignore[attr-defined]
                events: Callable[..., Any] | None = None if quiet else margin
                try:
                    with np.errstate(over="ignore", invalid="ignore"):
                        sol = solve_ivp(
                            slope,
                            (t, stop),
                            x,
                            method="DOP853",
                            rtol=max(rtol, 3e-14),
                            atol=atol,
                            events=events,
                            dense_output=len(samples) > 0,
                        )
                except (OverflowError, ValueError, ZeroDivisionError) as error:
                    raise DidNotConverge(
                        f"neuron {i}: the rows cannot be computed near t = {t:g} ms ({error}); check the parameters"
                    ) from None
                # an upstroke faster than the clock's last digit: the threshold is reached at this very time
                blown = (
                    sol.status == -1
                    and not quiet
                    and any(
                        slope(sol.t[-1], sol.y[:, -1])[k] * np.spacing(sol.t[-1]) * 1000 > top - sol.y[k, -1]
                        for k, top in ceilings.items()
                    )
                )
                if sol.status == -1 and not blown:
                    raise DidNotConverge(f"neuron {i}: the integration stopped at t = {sol.t[-1]:g} ms ({sol.message})")
                fires = sol.status == 1 or blown
                located = sol.status == 1
                end = float(sol.t_events[0][0]) if located else float(sol.t[-1])
                while (
                    sample < len(samples)
                    and trace is not None
                    and (samples[sample] < end or (end >= self.until and not fires))
                ):
                    trace[:, sample] = sol.sol(min(samples[sample], end))[:ns]
                    sample += 1
                x = np.where(frozen, x, sol.y_events[0][0] if located else sol.y[:, -1])
                same = 0 if end > t else same
                t = end
            if fires:
                fired.append(t)
                same += 1
                if same > _SAME:
                    raise InputError(
                        f"neuron {i} fires without end at t = {t:g} ms: the reset leaves it at or above its threshold"
                    )
                x[:ns] = self._jump("_reset", x[:ns], by_name, t, 0.0)
                left = {s: t + by_name[p.neuron.refractory[s]] for s in self.targets}
            elif t >= self.until:
                while sample < len(samples) and trace is not None:
                    trace[:, sample] = x[:ns]
                    sample += 1
                return fired, x[:ns].copy()

    def _jump(self, function: str, state: np.ndarray, values: dict[str, float], t: float, weight: float) -> np.ndarray:
        known = {**values, "w_i": weight, "t": t}
        wanted = self.calls[function][len(state) :]
        return np.array(getattr(self.module, function)(*state.tolist(), *(known[a] for a in wanted)), dtype=float)
