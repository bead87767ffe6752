"""PyNN's recorders, fed from the collector of the run."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from pyNN import recording

from rheobase.pynn import simulator

__all__ = ["Recorder"]


@final
class Recorder(recording.Recorder):
    """What is recorded of one population."""

    _simulator = simulator

    def _record(self, variable: Any, new_ids: Any, sampling_interval: float | None = None) -> None:
        if sampling_interval is not None and variable.name != "spikes":
            self.sampling_interval = sampling_interval

    @property
    def every(self) -> int:
        """How many steps lie between two samples."""
        return max(1, round(self.sampling_interval / simulator.state.dt))

    def _begin(self) -> float:
        return float(self._recording_start_time)

    def _get_spiketimes(self, ids: Any, clear: bool = False) -> Any:
        state, population = simulator.state, self.population
        pieces = state.collector.spikes.get(population.key, [])
        steps = np.concatenate([np.empty(0, dtype=np.int64), *(s for s, _ in pieces)])
        neurons = np.concatenate([np.empty(0, dtype=np.int64), *(i for _, i in pieces)])
        times = population.exact_times(steps * state.dt, neurons)
        late = times > self._begin() if self._begin() > 0 else np.ones(len(times), dtype=bool)
        times, neurons = times[late], neurons[late]
        many = hasattr(ids, "__len__")
        wanted = ids if many else [ids]
        found = {int(i): np.sort(times[neurons == population.id_to_index(i)]) for i in wanted}
        return found if many else found[int(ids)]

    def _get_all_signals(self, variable: Any, ids: Any, clear: bool = False) -> tuple[np.ndarray, None]:
        state, population = simulator.state, self.population
        rows = [population.id_to_index(i) for i in ids]
        first = round(self._begin() / state.dt)
        every = self.every
        steps = np.arange(first, state.k + 1, every)
        out = np.full((len(steps), len(rows)), np.nan)
        name = population.state_of(variable.name)
        for k0, k1, traces, kept in state.collector.traces.get(population.key, []):
            if name not in traces:
                continue
            block = traces[name]
            at = np.arange(0, k1 + 1, every)
            at = at[at > k0][: len(block)]
            inside = (at >= first) & ((at - first) % every == 0)
            place = {int(neuron): column for column, neuron in enumerate(kept)}
            for j, row in enumerate(rows):
                if row in place:
                    out[(at[inside] - first) // every, j] = block[: len(at)][inside, place[row]]
        if len(steps) and np.isnan(out[0]).all() and first == 0:  # nothing was run yet
            out[0] = population.initial_array(variable.name)[rows]
        return out, None

    def _local_count(self, variable: Any, filter_ids: Any = None) -> dict[int, int]:
        if variable.name != "spikes":
            raise ValueError("only spikes are counted")
        ids = sorted(self.filter_recorded(variable, filter_ids))
        return {i: len(times) for i, times in self._get_spiketimes(ids).items()}

    def _clear_simulator(self) -> None:
        """What has been read is cut off by the time at which recording begins anew."""

    def _reset(self) -> None:
        """PyNN forgets what is recorded; the next run asks again."""
