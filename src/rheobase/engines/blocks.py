"""What one thread needs to run blocks of neurons through the clock engine's loop: buffers, random numbers, arrivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from rheobase.engines.noise import fill_normals, fill_uniforms
from rheobase.random import neuron_keys

if TYPE_CHECKING:
    from rheobase.engines.clock import ClockRun

__all__ = ["BLOCK", "Worker", "sort_by_block"]

BLOCK: Final = 512  # neurons advanced together: their states, noise and inputs stay in the L2 cache


@final
class Worker:
    """One thread's buffers."""

    def __init__(self, run: ClockRun) -> None:
        self.run_ = run
        n, p = min(run.population.n, BLOCK), run.population
        self.normals = [np.empty((run.chunk, n)) for _ in range(run.step.normals)]
        self.uniforms = np.empty((run.chunk, n)) if p.neuron.rows.hazard is not None else None
        self.sums = {port: np.empty((run.chunk, n)) for port in run.arrivals if port in run.additive}
        self.steps = np.empty(run.chunk * n, dtype=np.int64)
        self.neurons = np.empty(run.chunk * n, dtype=np.int64)
        self.keys = neuron_keys(p.key("noise"), 0, p.n) if self.normals or self.uniforms is not None else None
        self.noise = [p.key("noise", f"{j}") for j in range(run.step.normals)]
        fired = np.zeros(n + -n % 64, dtype=np.bool_)
        self.values: dict[str, Any] = {
            **run.values,
            "dt": run.engine.dt,
            **{f"_at_{s}": x for s, x in run.states.items()},
            **{f"_left_{t}": x for t, x in run.left.items()},
            "_fired": fired,
            "_words": fired.view(np.uint64),
            "_out_step": self.steps,
            "_out_neuron": self.neurons,
            "_chosen": run.chosen,
            **{f"_trace_{s}": x for s, x in run.traces.items()},
        }

    def warm_up(self) -> None:
        """Compile by a call that does nothing."""
        self.run([(0, 0)], 0, 0, self.run_.gather(0, 1))

    def run(
        self, blocks: list[tuple[int, int]], k0: int, k1: int, shared: Mapping[str, Any]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        r, found = self.run_, []
        values: dict[str, Any] = {**self.values, **shared, "_k0": k0, "_k1": k1}
        for lo, hi in blocks:
            values["_lo"], values["_hi"] = lo, hi
            self._draw(values)
            for port in r.arrivals:
                self._deliver(port, values)
            first, last = np.searchsorted(r.chosen, [lo, hi]) if len(r.chosen) else (0, 0)
            values["_first"], values["_last"] = int(first), int(last)
            count = int(r.module.advance(*[values[a] for a in r.source.arguments]))
            if count:
                found.append((self.steps[:count].copy(), self.neurons[:count].copy()))
        return found

    def _draw(self, values: dict[str, Any]) -> None:
        """Put the random numbers of a block of neurons in."""
        if self.keys is None:
            return
        r = self.run_
        lo, hi, k0, k1 = values["_lo"], values["_hi"], values["_k0"], values["_k1"]
        keys = self.keys[lo:hi]
        for j, buffer in enumerate(self.normals):
            values[f"_z_{j}"] = part = _of_width(buffer, hi - lo)
            fill_normals(self.noise[j], keys, k0, k1, part, r.compiled)
        if self.uniforms is not None:
            values["_u_0"] = part = _of_width(self.uniforms, hi - lo)
            fill_uniforms(r.population.key("hazard"), keys, k0, k1, part, r.compiled)

    def _deliver(self, port: str, values: dict[str, Any]) -> None:
        """Put the spikes that arrive at a block of neurons in."""
        lo, hi, k0, k1 = values["_lo"], values["_hi"], values["_k0"], values["_k1"]
        edges, *columns = values[f"_arrivals_{port}"]
        first, last = edges[lo // BLOCK], edges[-(-hi // BLOCK)]
        steps, neurons, weights = (x[first:last] for x in columns)
        if port in self.run_.additive:
            total = _of_width(self.sums[port], hi - lo)
            total[: k1 - k0] = 0.0
            np.add.at(total.reshape(-1), (steps - (k0 + 1)) * (hi - lo) + (neurons - lo), weights)
            values[f"_sum_{port}"] = total
        else:
            values[f"_edges_{port}"] = np.searchsorted(steps, np.arange(k0 + 1, k1 + 2))
            values[f"_hits_{port}"] = np.ascontiguousarray(neurons)
            values[f"_weights_{port}"] = np.ascontiguousarray(weights)


def _of_width(buffer: np.ndarray, width: int) -> np.ndarray:
    """Return a buffer of rows as one of narrower rows, in the same memory."""
    rows, whole = buffer.shape
    return buffer if width == whole else buffer.reshape(-1)[: rows * width].reshape(rows, width)


def sort_by_block(arrivals: Sequence[np.ndarray], n: int) -> tuple[np.ndarray, ...]:
    """Return arrivals (steps, neurons, weights) sorted by block of neurons, after where each block begins."""
    blocks = -(-n // BLOCK)
    block = arrivals[1] // BLOCK
    order = np.argsort(block.astype(np.uint16) if blocks <= 65_536 else block, kind="stable")  # 16 bits: radix sort
    return np.searchsorted(block[order], np.arange(blocks + 1)), *(x[order] for x in arrivals)
