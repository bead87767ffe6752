"""Populations, views and assemblies of PyNN over populations of rheobase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
from pyNN import common, errors
from pyNN.parameters import ParameterSpace, Sequence, simplify

from rheobase.model.neuron import Neuron
from rheobase.model.rows import parse_rows
from rheobase.network.inputs import step
from rheobase.network.network import Network
from rheobase.network.part import Part
from rheobase.network.sources import poisson, spikes
from rheobase.pynn import simulator
from rheobase.pynn.cells import (
    SpikeSourceArray,
    SpikeSourceGamma,
    SpikeSourcePoisson,
    SpikeSourcePoissonRefractory,
    Table,
    table_of,
)
from rheobase.pynn.recording import Recorder
from rheobase.pynn.renewal import dead_time_train, gamma_train

__all__ = ["Assembly", "Population", "PopulationView"]


@final
class Assembly(common.Assembly):
    """Several populations or views together."""

    _simulator = simulator


class _Parameters:
    """Getting and setting parameters, the same for a population and a view of it."""

    celltype: Any
    size: int

    def _get_parameters(self, *names: str) -> Any:
        root, rows = self._root()
        found = {name: root.parameters[name][rows] for name in names}
        space = {name: simplify(x) if x.dtype != object else x for name, x in found.items()}
        return ParameterSpace(space, self.celltype.get_schema(), shape=(self.size,))

    def _set_parameters(self, parameter_space: Any) -> None:
        parameter_space.evaluate(simplify=False)
        root, rows = self._root()
        for name, value in parameter_space.items():
            values = np.asarray(value)
            if name == "spike_times":
                _check_order(values)
            root.parameters[name][rows] = values
        simulator.state.changed = True

    def _set_initial_value_array(self, variable: str, initial_values: Any) -> None:
        root, rows = self._root()
        values = initial_values.evaluate(simplify=True)
        root.start.setdefault(variable, np.zeros(root.size))[rows] = values
        simulator.state.changed = True

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)

    def _root(self) -> tuple[Population, Any]:
        raise NotImplementedError


@final
class PopulationView(_Parameters, common.PopulationView):
    """Some cells of a population."""

    _assembly_class = Assembly
    _simulator = simulator

    def _root(self) -> tuple[Population, Any]:
        return self.grandparent, self.index_in_grandparent(np.arange(self.size))


@final
class Population(_Parameters, common.Population):
    """Cells of one type: a population of rheobase's network.

    `parameters` holds an array (size,) for each of PyNN's parameters, `start` the initial values.
    """

    __doc__ = common.Population.__doc__
    _simulator = simulator
    _recorder_class = Recorder
    _assembly_class = Assembly

    def _create_cells(self) -> None:
        state = simulator.state
        first = state.id_counter
        self.all_cells = np.array([simulator.ID(i) for i in range(first, first + self.size)], dtype=simulator.ID)
        for cell in self.all_cells:
            cell.parent = self
        state.id_counter += self.size
        self._mask_local = np.ones(self.size, dtype=bool)
        self.key = f"population {len(state.populations)}"  # not the label: random numbers depend on it
        space = self.celltype.native_parameters
        space.shape = (self.size,)
        space.evaluate(simplify=False)
        self.parameters: dict[str, np.ndarray] = {}
        for name, value in space.items():
            self.parameters[name] = np.array(np.broadcast_to(np.asarray(value), (self.size,)))
        if "spike_times" in self.parameters:
            _check_order(self.parameters["spike_times"])
        self.start: dict[str, np.ndarray] = {}
        state.populations.append(self)
        state.changed = True

    def _root(self) -> tuple[Population, Any]:
        return self, slice(None)

    # ------------------------------------------------------------ as rheobase has it
    def add_to(self, net: Network) -> Part:
        """Describe the population in a network; return its part."""
        p = self.parameters
        if isinstance(self.celltype, SpikeSourceArray):
            return net.add(self.key, self.size, spikes([np.asarray(t.value, dtype=float) for t in p["spike_times"]]))
        if isinstance(self.celltype, SpikeSourcePoisson):
            return net.add(self.key, self.size, self._poisson())
        if self.is_renewal:
            return net.add(self.key, self.size, spikes(self._renewal()))
        model = self.neuron()
        values = {name: x.astype(float) for name, x in p.items() if name in model.parameters}
        initial = {self.state_of(v): x for v, x in self.start.items() if self.state_of(v) in model.states}
        return net.add(self.key, self.size, model, i_inj=self._injected(), **values, **initial)

    def neuron(self) -> Neuron:
        """Return the rows of the cells, with the first cell's values."""
        table: Table = table_of(self.celltype)
        rows: dict[str, Any] = {
            "evolve": table.evolve,
            "receive": table.receive,
            "threshold": table.threshold,
            "reset": table.reset,
        }
        used = parse_rows(table.evolve, table.receive, table.threshold, table.reset, None)
        names = {*used.names(), *(table.clamp or ())}
        values: dict[str, Any] = {n: float(x[0]) for n, x in self.parameters.items() if n in names}
        clamp = {table.clamp[0]: table.clamp[1]} if table.clamp else None
        return Neuron(**rows, refractory=clamp, name=type(self.celltype).__name__, **(values | dict(table.fixed)))

    @property
    def is_renewal(self) -> bool:
        """Whether spikes are drawn interval by interval, ahead of each run."""
        return isinstance(self.celltype, SpikeSourcePoissonRefractory | SpikeSourceGamma)

    def _renewal(self) -> list[np.ndarray]:
        state = simulator.state
        gamma = isinstance(self.celltype, SpikeSourceGamma)
        make: Callable[..., np.ndarray] = gamma_train if gamma else dead_time_train
        names = ("alpha", "beta") if gamma else ("rate", "tau_refrac")
        columns = [self.parameters[n].astype(float) for n in (*names, "start", "duration")]
        key = (state.seed, state.segment_counter, state.populations.index(self))
        return [make((*key, i), *(float(c[i]) for c in columns), state.horizon) for i in range(self.size)]

    def _poisson(self) -> Any:
        rate, on, length = (self.parameters[name].astype(float) for name in ("rate", "start", "duration"))
        off = np.minimum(on + length, 1e9)
        if np.ptp(on) == 0 and np.ptp(off) == 0:
            return poisson(rate if np.ptp(rate) else float(rate[0]), on=float(on[0]), off=float(off[0]))
        current = step(0.0)
        for begin, end in sorted({*zip(on.tolist(), off.tolist(), strict=True)}):
            current = current + step(np.where((on == begin) & (off == end), rate, 0.0), on=begin, off=end)
        return poisson(current)

    def _injected(self) -> Any:
        """Return the sum of the currents that are injected into the cells; always something that varies in time."""
        total = step(0.0)
        for source in simulator.state.current_sources:
            share = np.zeros(self.size)
            for population, row in source.targets:
                share[row] += population is self
            if share.any():
                total = total + source.stimulus() * share
        return total

    # ------------------------------------------------------------ what is recorded
    def recorded_states(self) -> tuple[tuple[str, ...], np.ndarray, int]:
        """Return the states that are to be kept, of which neurons, every how many steps."""
        names, rows = set(), set()
        for variable, ids in self.recorder.recorded.items():
            if variable.name != "spikes" and ids:
                names.add(self.state_of(variable.name))
                rows |= {int(self.id_to_index(i)) for i in ids}
        return tuple(sorted(names)), np.array(sorted(rows), dtype=np.int64), self.recorder.every

    def state_of(self, variable: str) -> str:
        """Return the state that one of PyNN's variables is."""
        table = getattr(self.celltype, "table", None)
        return dict(table.states).get(variable, variable) if table else variable

    def initial_array(self, variable: str) -> np.ndarray:
        """Return the initial value of each cell."""
        return np.array(self.start.get(variable, np.zeros(self.size)), dtype=float)

    def exact_times(self, times: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Return spike times as they are told: those of given spikes as they were given, not on the grid."""
        if not isinstance(self.celltype, SpikeSourceArray) or not len(times):
            return times
        out = times.astype(float).copy()
        for i, given in enumerate(self.parameters["spike_times"]):
            value = np.asarray(given.value, dtype=float)
            mine = np.flatnonzero(neurons == i)
            if len(value) and len(mine):
                near = np.abs(value[None, :] - times[mine, None])
                best = near.argmin(axis=1)
                ok = near[np.arange(len(mine)), best] <= simulator.state.dt
                out[mine[ok]] = value[best[ok]]
        return out


def _check_order(trains: Any) -> None:
    for train in np.ravel(trains):
        values = np.asarray(train.value if isinstance(train, Sequence) else train, dtype=float)
        if np.any(np.diff(values) < 0):
            raise errors.InvalidParameterValueError("Spike times given to SpikeSourceArray must be in increasing order")
