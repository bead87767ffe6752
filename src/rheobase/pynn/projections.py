"""PyNN's projections: synapses as arrays, one entry each."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from pyNN import common, errors
from pyNN.space import Space

from rheobase.engines.plastic import synapse_states
from rheobase.errors import InputError
from rheobase.network.network import Network
from rheobase.network.part import Part
from rheobase.pynn import simulator
from rheobase.pynn.synapses import StaticSynapse, rows_of

__all__ = ["Connection", "Projection"]

_DEFAULT_SPACE = Space()


@final
class Connection(common.Connection):
    """One synapse; its attributes are entries of the projection's arrays."""

    def __init__(self, projection: Projection, number: int) -> None:
        object.__setattr__(self, "_of", (projection, number))

    @property
    def presynaptic_index(self) -> int:
        projection, number = self._of
        return int(projection.pre_rows[number])

    @property
    def postsynaptic_index(self) -> int:
        projection, number = self._of
        return int(projection.post_rows[number])

    @property
    def presynaptic_cell(self) -> Any:
        return self._of[0].pre[self.presynaptic_index]

    @property
    def postsynaptic_cell(self) -> Any:
        return self._of[0].post[self.postsynaptic_index]

    def __getattr__(self, name: str) -> Any:
        projection, number = self._of
        if name not in projection.values:
            raise AttributeError(f"a connection has no {name!r}; it has {', '.join(projection.values)}")
        return float(projection.current(name)[number])

    def __setattr__(self, name: str, value: Any) -> None:
        projection, number = self._of
        projection.values[name][number] = value
        simulator.state.changed = True

    def as_tuple(self, *attribute_names: str) -> tuple[Any, ...]:
        """Return some attributes."""
        return tuple(getattr(self, name) for name in attribute_names)


@final
class Projection(common.Projection):
    """Synapses of one type between two groups of cells.

    `pre_rows`, `post_rows` are indices within `pre` and `post`; `values` an array for each attribute.
    """

    __doc__ = common.Projection.__doc__
    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(
        self,
        presynaptic_population: Any,
        postsynaptic_population: Any,
        connector: Any,
        synapse_type: Any = None,
        source: Any = None,
        receptor_type: str | None = None,
        space: Any = _DEFAULT_SPACE,
        label: str | None = None,
    ) -> None:
        common.Projection.__init__(
            self,
            presynaptic_population,
            postsynaptic_population,
            connector,
            synapse_type,
            source,
            receptor_type,
            space,
            label,
        )
        self._pieces: list[tuple[np.ndarray, int, dict[str, Any]]] = []
        connector.connect(self)
        counts = [len(pre) for pre, _, _ in self._pieces]
        none = np.empty(0, dtype=np.int64)
        self.pre_rows = np.concatenate([none, *(pre for pre, _, _ in self._pieces)]).astype(np.int64)
        self.post_rows = np.repeat(np.array([post for _, post, _ in self._pieces], dtype=np.int64), counts)
        names = self._pieces[0][2] if self._pieces else dict.fromkeys(self.synapse_type.get_native_names())
        self.values: dict[str, np.ndarray] = {}
        for name in names:
            parts = [np.broadcast_to(np.asarray(v[name], float), (len(pre),)) for pre, _, v in self._pieces]
            self.values[name] = np.concatenate([np.empty(0), *parts])
        del self._pieces
        self._check_delays()
        simulator.state.projections.append(self)
        simulator.state.changed = True

    def _convergent_connect(
        self, presynaptic_indices: Any, postsynaptic_index: int, location_selector: Any = None, **parameters: Any
    ) -> None:
        if location_selector is not None:
            raise InputError("location_selector is for cells of several compartments; these are points")
        self._pieces.append((np.atleast_1d(np.asarray(presynaptic_indices)), int(postsynaptic_index), parameters))

    @property
    def delays(self) -> np.ndarray:
        """The delay of each synapse in ms."""
        return self.values["delay"]

    def _check_delays(self) -> None:
        least = simulator.state.dt
        if len(self) and self.delays.min() < least - 1e-9:
            raise errors.ConnectionError(
                f"{self.label}: a delay of {self.delays.min():g} ms is shorter than the time step of {least:g} ms"
            )

    # ------------------------------------------------------------ PyNN's side
    def __len__(self) -> int:
        return len(self.pre_rows)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [Connection(self, k) for k in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(f"connection {i} of {len(self)}")
        return Connection(self, int(i) % len(self))

    @property
    def connections(self) -> list[Connection]:
        """All synapses as objects."""
        return [Connection(self, k) for k in range(len(self))]

    def _set_attributes(self, parameter_space: Any) -> None:
        parameter_space.evaluate()
        for name, value in parameter_space.items():
            if name in self.values:
                table = np.broadcast_to(np.asarray(value, dtype=float), self.shape)
                self.values[name] = table[self.pre_rows, self.post_rows].copy()
        self._check_delays()
        simulator.state.changed = True

    def _set_initial_value_array(self, variable: str, value: Any) -> None:
        """Synapses of rheobase begin as their rules say."""

    def _get_attributes_as_list(self, names: Any) -> list[Any]:
        columns = [self._column(name) for name in names]
        return [*zip(*(c.tolist() for c in columns), strict=True)]

    def _get_attributes_as_arrays(self, names: Any, multiple_synapses: str = "sum") -> list[np.ndarray]:
        join = common.Projection.MULTI_SYNAPSE_OPERATIONS[multiple_synapses]
        out = []
        for name in names:
            table = np.full(self.shape, np.nan)
            for i, j, x in zip(self.pre_rows, self.post_rows, self._column(name), strict=True):
                table[i, j] = x if np.isnan(table[i, j]) else join(table[i, j], x)
            out.append(table)
        return out

    def _column(self, name: str) -> np.ndarray:
        if name == "presynaptic_index":
            return self.pre_rows.astype(float)
        if name == "postsynaptic_index":
            return self.post_rows.astype(float)
        return self.current(name)

    def current(self, name: str) -> np.ndarray:
        """Return an attribute as it is now: weights that have changed by themselves, too."""
        snapshot = simulator.state.snapshot
        if name != "weight" or snapshot is None or isinstance(self.synapse_type, StaticSynapse):
            return self.values[name]
        found = np.array(self.values["weight"])
        for projection, which in getattr(self, "_made", []):
            seed = simulator.state.seed + simulator.state.segment_counter
            states = synapse_states(projection, snapshot, seed)
            drawn = projection.synapses(seed)
            order = np.lexsort((drawn.post, drawn.pre))
            mine = which[np.lexsort((self._places(which, "post"), self._places(which, "pre")))]
            found[mine] = states["w"][order]
        return found

    def _places(self, which: np.ndarray, side: str) -> np.ndarray:
        cells, rows = (self.pre, self.pre_rows) if side == "pre" else (self.post, self.post_rows)
        return np.array([cells[int(r)].parent.id_to_index(cells[int(r)]) for r in rows[which]], dtype=np.int64)

    # ------------------------------------------------------------ as rheobase has it
    def add_to(self, net: Network, parts: dict[Any, Part], number: int) -> None:
        """Describe the synapses in a network."""
        self._made: list[tuple[Any, np.ndarray]] = []
        if not len(self):
            return
        pre, post = _owners(self.pre), _owners(self.post)
        dt = simulator.state.dt
        delay = np.maximum(np.floor(self.values["delay"] / dt + 0.5 + 1e-9), 1) * dt
        for a, (source, first) in enumerate(pre):
            for b, (target, second) in enumerate(post):
                inside = np.flatnonzero(np.isin(self.pre_rows, first["view"]) & np.isin(self.post_rows, second["view"]))
                for which, rule in self._by_rule(inside):
                    i = first["row"][np.searchsorted(first["view"], self.pre_rows[which])]
                    j = second["row"][np.searchsorted(second["view"], self.post_rows[which])]
                    extra = {} if rule is None else {"synapse": rule}
                    made = net.connect(
                        parts[source],
                        parts[target],
                        to=self.receptor_type,
                        pairs=(i, j),
                        weight=self.values["weight"][which],
                        delay=delay[which],
                        name=f"{number}.{a}.{b}.{len(self._made)} {self.label}"[:100],
                        **extra,
                    )
                    self._made.append((made, which))

    def _by_rule(self, inside: np.ndarray) -> list[tuple[np.ndarray, Any]]:
        """Return the synapses that share the values of a rule, and the rule."""
        if not len(inside):
            return []
        own = [n for n in self.values if n not in ("weight", "delay", "dendritic_delay_fraction")]
        if not own:
            return [(inside, rows_of(self.synapse_type, {}))]
        table = np.array([self.values[n][inside] for n in own])
        kinds, group = np.unique(table, axis=1, return_inverse=True)
        return [
            (
                inside[np.ravel(group) == k],
                rows_of(self.synapse_type, dict(zip(own, kinds[:, k].tolist(), strict=True))),
            )
            for k in range(kinds.shape[1])
        ]


def _owners(cells: Any) -> list[tuple[Any, dict[str, np.ndarray]]]:
    """Return the populations that some cells belong to, with their places in the group ("view") and there ("row")."""
    found: dict[Any, list[tuple[int, int]]] = {}
    for place, cell in enumerate(cells.all_cells):
        found.setdefault(cell.parent, []).append((place, int(cell.parent.id_to_index(cell))))
    return [
        (owner, {"view": np.array([p for p, _ in pairs]), "row": np.array([r for _, r in pairs])})
        for owner, pairs in found.items()
    ]
