"""Populations of a network as the exact engine's loop runs them: those of equal rows together, laid out in arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from rheobase.derive import modal as _modal
from rheobase.derive.additive import port_gains
from rheobase.derive.crossing import work_size
from rheobase.derive.modal import layout_size, table_size
from rheobase.emit.exact_plan import Cells
from rheobase.engines.affine import AffineSystem, build_system
from rheobase.engines.clock import as_held
from rheobase.engines.groups import chosen_neurons, merge
from rheobase.engines.parts import cut
from rheobase.engines.population import Population
from rheobase.engines.result import Recording
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network

__all__ = ["ExactGroup", "make_group", "note_all"]

_SLOTS: Final = 1024  # windows for which neurons are noted; what is further off is noted for the last of them
_ROOM: Final = 16  # spikes of every neuron in one window, for which there is always room
_LEAST: Final = 100_000  # spikes for which there is always room
_STRIDES: Final = 31.0  # first strides of a search that does not know its end: it doubles them, and ends after five


@final
@dataclass(eq=False)
class ExactGroup:
    """Populations of equal rows, one after the other, and the arrays of their loop."""

    names: list[str]
    offsets: list[int]
    whole: Population
    cells: Cells
    arrays: dict[str, Any]
    samples: np.ndarray
    chosen: np.ndarray
    real: bool

    def widen(self) -> None:
        """Make twice the room for spikes under way."""
        a = self.arrays
        a["_room"] *= 2
        for name in ("_all_time", "_all_neuron"):
            a[name] = np.concatenate([a[name], np.empty_like(a[name])])


def make_group(
    net: Network,
    names: list[str],
    prepared: Mapping[str, Population],
    recordings: Mapping[str, Recording],
    until: float,
    parts: int,
) -> ExactGroup:
    """Return the group of populations `names`, its neurons cut into so many parts, as it is at t = 0."""
    whole = merge([prepared[n] for n in names])
    offsets = np.cumsum([0, *(prepared[n].n for n in names)]).tolist()
    neuron = whole.neuron
    system = build_system(whole, until)
    used = {p.port for p in net.projections if p.target.name in names}
    used |= {port for name in names for port in prepared[name].sources}
    gains = {p: port_gains(neuron, p, whole.values) for p in neuron.ports if p in used}
    table = _simple_table(system, neuron, gains)
    every = next((recordings[x].every for x in names if recordings[x].states), None) or 0.1
    chosen = [
        chosen_neurons(recordings[x], prepared[x].n) + o
        for x, o in zip(names, offsets, strict=False)
        if recordings[x].states
    ]
    rows = np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)
    samples = np.arange(0, math.floor(until / every + 1e-9) + 1) * every if chosen else np.empty(0)
    kinds = {k: "scalar" if np.ndim(v) == 0 else "neuron" for k, v in whole.values.items()}
    size = system.size
    cells = Cells(
        neuron,
        size,
        kinds,
        {p: g is not None for p, g in gains.items()},
        _is_single(system),
        tuple(int(k) for k in range(size) if np.all(table[:, k] == 0.0)),
        tuple(int(k) for k in range(size) if np.all(table[:, size + k] == 0.0)),
        system.first_setting,
        system.settings.shape[2] if len(system.breaks) else 0,
        bool(chosen),
        system.quadratic,
    )
    arrays = _lay_out(whole, system, table, parts, rows, samples)
    return ExactGroup(names, offsets, whole, cells, arrays, samples, rows, system.real)


def _lay_out(
    whole: Population,
    system: AffineSystem,
    table: np.ndarray,
    parts: int,
    rows: np.ndarray,
    samples: np.ndarray,
) -> dict[str, Any]:
    """Return the arrays of the loop, named as its arguments."""
    neuron, n, size = whole.neuron, whole.n, system.size
    y = np.zeros((n, size + 2))
    for kind in range(len(system.numbers) // len(system.clamps)):
        to_modes = system.numbers[kind * len(system.clamps), : size * size].reshape(size, size)
        mine = system.kind == kind
        y[mine, :size] = system.start[mine] @ to_modes.T
    room = min(max(_ROOM * n, _LEAST), 50_000_000)
    traced = np.full(n, -1, dtype=np.int64)
    traced[rows] = np.arange(len(rows))
    arrays: dict[str, Any] = {
        "_y": y,
        "_code": (2 * len(system.clamps) * system.kind).astype(np.int64),
        "_kind": system.kind,
        "_f": system.numbers.ravel(),
        "_p": system.layout.ravel(),
        "_h": table.ravel(),
        "_table": system.numbers.shape[1],
        "_layout": system.layout.shape[1],
        "_stride": table.shape[1],
        "_strict": system.strict,
        "_reach": _reach(system),
        "_heads": np.empty((parts, _SLOTS), dtype=np.int64),
        "_due": np.empty(n, dtype=np.int64),
        "_after": np.empty(n, dtype=np.int64),
        "_before": np.empty(n, dtype=np.int64),
        "_all_time": np.empty(2 * room),
        "_all_neuron": np.empty(2 * room, dtype=np.int32),
        "_all_count": np.zeros(1, dtype=np.int64),
        "_out_times": np.empty((parts, room // parts)),
        "_out_neurons": np.empty((parts, room // parts), dtype=np.int32),
        "_counts": np.zeros((parts, 8), dtype=np.int64),
        "_room": room,
        "_final": np.zeros((n, len(neuron.states))),
        "_xs": np.zeros((parts, size + 8)),
        "_works": np.zeros((parts, work_size(size) + 8)),
        "_breaks": system.breaks,
        "_settings": system.settings,
        "_traced": traced,
        "_sampled": np.zeros(len(rows), dtype=np.int64),
        "_samples": samples,
        "_trace": np.zeros((len(neuron.states), len(rows), len(samples))),
    }
    arrays |= {f"_left_{s}": np.full(n, -1.0) for s in neuron.refractory}
    arrays |= {name: as_held(x) for name, x in whole.values.items()}
    arrays["_cuts"] = cut(n, parts)
    note_all(arrays, 0)
    return arrays


def note_all(arrays: dict[str, Any], window: int) -> None:
    """Note every neuron for a window: who need not be looked at there is then noted for later."""
    arrays["_heads"][:], arrays["_after"][:], arrays["_before"][:] = -1, -1, -1
    arrays["_due"][:] = window
    edges = arrays["_cuts"]
    for i, (low, high) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        if low < high:
            arrays["_heads"][i, window % _SLOTS] = low
            arrays["_after"][low : high - 1] = np.arange(low + 1, high)
            arrays["_before"][low + 1 : high] = np.arange(low, high - 1)


def _reach(system: AffineSystem) -> float:
    """Return how far ahead crossings are searched for, in ms, whatever the end of the run.

    Real rates and quadratic rows come to an end of their own; of oscillations a search sees the next few turns, and
    goes on from there when their time has come.
    """
    n = system.size
    if system.quadratic or system.real:
        return math.inf
    general = system.layout[:, layout_size(n) + 1] == 1
    return _STRIDES * float(system.numbers[general, table_size(n) + 11 * n].min())


def _is_single(system: AffineSystem) -> bool:
    """Whether each mode is one real exponential, for all kinds and clamp sets."""
    n = system.size
    blocks, kinds = system.layout[:, 1], system.layout[:, 2 + n + 1 : 2 + n + 1 + n]
    return bool(np.all(blocks == n) and np.all(kinds == _modal.SINGLE))


def _simple_table(system: AffineSystem, neuron: Neuron, gains: Mapping[str, Mapping[str, float] | None]) -> np.ndarray:
    """Return, a row for each kind and clamp set: rates, the threshold on the modes, what a weight of 1 adds to them."""
    n = system.size
    rows = []
    for r, numbers in enumerate(system.numbers):
        to_modes, from_modes = numbers[: n * n].reshape(n, n), numbers[n * n : 2 * n * n].reshape(n, n)
        nodes, functional = numbers[3 * n * n : 3 * n * n + n], numbers[3 * n * n + n + 1 :][:n]
        clamp = system.clamps[r % len(system.clamps)]
        row = [nodes, functional @ from_modes]
        for gain in gains.values():
            jump = np.zeros(n)
            for i, s in enumerate(neuron.states):
                jump[i] = 0.0 if gain is None or s in clamp else gain.get(s, 0.0)
            row.append(to_modes @ jump)
        rows.append(np.concatenate(row))
    return np.stack(rows)
