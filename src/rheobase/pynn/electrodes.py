"""PyNN's current sources as stimuli."""

from __future__ import annotations

from typing import Any

import numpy as np
import quantities as pq
from pyNN.common import Assembly
from pyNN.parameters import ParameterSpace, Sequence
from pyNN.standardmodels import StandardCurrentSource, build_translations, electrodes

from rheobase.errors import InputError
from rheobase.network.inputs import noise, sampled, sine, step
from rheobase.network.stimulus import Stimulus
from rheobase.pynn import simulator

__all__ = ["ACSource", "DCSource", "NoisyCurrentSource", "StepCurrentSource"]

_END = 1e9  # ms: what counts as never


class _Source(StandardCurrentSource):
    """A current that is injected into some cells; `targets` are (population, row)."""

    def __init__(self, **parameters: Any) -> None:
        object.__setattr__(self, "values", {})
        object.__setattr__(self, "targets", [])
        super().__init__(**parameters)
        object.__setattr__(self, "number", len(simulator.state.current_sources))
        simulator.state.current_sources.append(self)
        space = ParameterSpace(self.default_parameters, self.get_schema(), shape=(1,))
        space.update(**parameters)
        self.set_native_parameters(self.translate(space))

    def set_native_parameters(self, parameters: Any) -> None:
        """Take values that have been given or changed."""
        parameters.evaluate(simplify=True)
        for name, value in parameters.items():
            self.values[name] = np.array(value.value, dtype=float) if isinstance(value, Sequence) else value
        self._check()
        simulator.state.changed = True

    def get_native_parameters(self) -> Any:
        """Return the values."""
        space = ParameterSpace(dict(self.values))
        for name, value in self.values.items():
            if not isinstance(value, np.ndarray):
                space[name].shape = (1,)
        return space

    def inject_into(self, cells: Any) -> None:
        """Inject the current into a population, a view, an assembly or a list of cells."""
        members = cells.all_cells if isinstance(cells, Assembly) or hasattr(cells, "all_cells") else cells
        for cell in members:
            if not cell.celltype.injectable:
                raise TypeError("Can't inject current into a spike source.")
        self.targets.extend((cell.parent, int(cell.parent.id_to_index(cell))) for cell in members)
        simulator.state.changed = True

    def record(self) -> None:
        """Record the current; it is known from its parameters at any time."""

    def _get_data(self) -> tuple[np.ndarray, np.ndarray]:
        state = simulator.state
        count = state.k + 1
        values = np.asarray(self.stimulus().start(state.dt, 1, self.number + 1)(0, count), dtype=float)
        return np.arange(count) * state.dt, np.broadcast_to(values.reshape(count, -1)[:, 0], (count,)).copy()

    def get_data(self) -> Any:
        """Return the current as a Neo signal, in nA."""
        import neo

        _, values = self._get_data()
        period = simulator.state.dt * pq.ms
        return neo.AnalogSignal(values, units="nA", t_start=0 * pq.ms, sampling_period=period, name="current")

    def _check(self) -> None:
        """Refuse values that cannot be."""

    def stimulus(self) -> Stimulus:
        """Return the current."""
        raise NotImplementedError

    def _window(self) -> dict[str, float]:
        return {"on": max(float(self.values["start"]), 0.0), "off": min(float(self.values["stop"]), _END)}


def _same(base: Any) -> Any:
    return build_translations(*((name, name) for name in base.default_parameters))


class DCSource(_Source, electrodes.DCSource):
    """A constant current for a while."""

    __doc__ = electrodes.DCSource.__doc__
    translations = _same(electrodes.DCSource)

    def stimulus(self) -> Stimulus:
        return step(float(self.values["amplitude"]), **self._window())


class ACSource(_Source, electrodes.ACSource):
    """A sine for a while."""

    __doc__ = electrodes.ACSource.__doc__
    translations = _same(electrodes.ACSource)

    def stimulus(self) -> Stimulus:
        v = self.values
        phase = float(v["phase"]) * np.pi / 180.0
        return sine(float(v["amplitude"]), float(v["frequency"]), phase, float(v["offset"]), **self._window())


class StepCurrentSource(_Source, electrodes.StepCurrentSource):
    """A current that changes at given times."""

    __doc__ = electrodes.StepCurrentSource.__doc__
    translations = _same(electrodes.StepCurrentSource)

    def _check(self) -> None:
        times = self.values.get("times")
        if times is None or not len(np.atleast_1d(times)):
            return
        if np.min(times) < 0:
            raise ValueError("Step current cannot accept negative timestamps.")
        if np.any(np.diff(times) <= 0):
            raise ValueError("Step current timestamps should be monotonically increasing.")
        amplitudes = np.atleast_1d(self.values.get("amplitudes", ()))
        if len(amplitudes) == len(times):
            steps = np.floor(np.asarray(times) / simulator.state.dt + 0.5 + 1e-9)
            last = np.append(np.diff(steps) > 0, True)  # of several in one step the last one counts
            self.values["times"], self.values["amplitudes"] = steps[last] * simulator.state.dt, amplitudes[last]

    def stimulus(self) -> Stimulus:
        times, amplitudes = (np.atleast_1d(self.values[n]).astype(float) for n in ("times", "amplitudes"))
        if len(times) != len(amplitudes):
            raise InputError(f"StepCurrentSource: {len(times)} times for {len(amplitudes)} amplitudes")
        if not len(times):
            return step(0.0)
        return sampled(amplitudes, times=times)


class NoisyCurrentSource(_Source, electrodes.NoisyCurrentSource):
    """A Gaussian current, the same for all cells that it is injected into."""

    __doc__ = electrodes.NoisyCurrentSource.__doc__
    translations = _same(electrodes.NoisyCurrentSource)

    def stimulus(self) -> Stimulus:
        v = self.values
        every = max(float(v["dt"]), simulator.state.dt)
        frozen = 1000 * (simulator.state.seed + 1) + self.number
        return noise(float(v["mean"]), float(v["stdev"]), every=every, frozen=frozen, **self._window())
