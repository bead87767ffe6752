"""The numbers an event-driven layer runs on: tables of the flow, of its transpose, of what an arrival adds."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, final

import numpy as np

from rheobase.derive import modal as _modal
from rheobase.derive import reading as _reading
from rheobase.derive import search as _search
from rheobase.derive.additive import port_gains
from rheobase.derive.affine import AffineSystem, assemble_system
from rheobase.derive.crossing import prepare_crossing, work_size
from rheobase.derive.eventprop import AdjointFacts
from rheobase.derive.facts import ExactFacts
from rheobase.emit.event_layer import EventPlan, EventSource, find_event_layer
from rheobase.model.compute import compute_text
from rheobase.model.neuron import Neuron

__all__ = ["Tables", "build_tables", "parameter_gradients", "peak", "scratch"]

_GAUSS: Final = np.polynomial.legendre.leggauss(10)


@final
@dataclass(frozen=True)
class Tables:
    """Arrays named as the arguments of the compiled loops, and what the text of these depends on."""

    plan: EventPlan
    system: AffineSystem
    arrays: Mapping[str, Any]
    values: Mapping[str, float | np.ndarray]
    start: Mapping[str, np.ndarray]
    real: bool

    @cached_property
    def source(self) -> EventSource:
        """The text of the loops."""
        return find_event_layer(self.plan, digest(self.real))


def build_tables(
    neuron: Neuron,
    facts: ExactFacts,
    port: str,
    trained: Sequence[str],
    values: Mapping[str, float | np.ndarray],
    start: Mapping[str, np.ndarray],
    n: int,
    top: int | None = None,
) -> Tables:
    """Return the tables of n neurons with these parameters and starts; `top` is a state whose maximum is read."""
    system = assemble_system(neuron, facts, n, values, start)
    size, states, modes = system.size, len(neuron.states), len(system.clamps)
    blocks, kinds = system.layout[:, 1], system.layout[:, 2 + size + 1 : 2 + size + 1 + size]
    single = bool(np.all(blocks == size) and np.all(kinds == _modal.SINGLE))
    square = size * size
    to_modes = system.numbers[:, :square].reshape(-1, size, size)
    from_modes = system.numbers[:, square : 2 * square].reshape(-1, size, size)
    rates = system.numbers[:, 3 * square : 3 * square + size]
    found = port_gains(neuron, port, values)
    jump = np.zeros((len(to_modes), size))
    for i, s in enumerate(neuron.states):
        for row in range(len(jump)):
            held = s in system.clamps[row % modes]
            jump[row, i] = 0.0 if held or found is None else found.get(s, 0.0)
    seen = np.einsum("rs,rsk->rk", system.normals, from_modes)
    gain = np.einsum("rks,rs->rk", to_modes, jump)
    drag = -np.einsum("rst,rt->rs", system.matrices, jump)
    normal = system.normals.copy()
    normal[:, states:] = 0.0
    back = [_modal.decompose(m.T) for m in system.matrices] if not single else []
    eye = np.broadcast_to(np.eye(size), to_modes.shape)
    arrays: dict[str, Any] = {
        "_f": system.numbers.ravel(),
        "_p": system.layout.ravel(),
        "_table": system.numbers.shape[1],
        "_layout": system.layout.shape[1],
        "_strict": bool(system.strict),
        "_rate": np.ascontiguousarray(rates),
        "_seen": np.ascontiguousarray(seen),
        "_gain": np.ascontiguousarray(gain),
        "_modes": modes,
        "_kind": system.kind,
        "_start": system.start,
        "_first_code": 2 * modes * system.kind,
        "_leave": np.ascontiguousarray(to_modes.transpose(0, 2, 1) if single else eye),
        "_enter": np.ascontiguousarray(from_modes.transpose(0, 2, 1) if single else eye),
        "_matrix": np.ascontiguousarray(system.matrices[:, :states]),
        "_normal": normal,
        "_by_weight": gain if single else jump,
        "_by_time": np.ascontiguousarray(-rates * gain if single else drag),
        "_f_back": np.concatenate([m.numbers for m in back]) if back else np.zeros(1),
        "_p_back": np.concatenate([m.layout for m in back]) if back else np.zeros(1, dtype=np.int64),
        "_table_back": _modal.table_size(size),
        "_layout_back": _modal.layout_size(size),
        "_fastest": np.abs(system.matrices).sum(axis=2).max(axis=1),
        "_knots": 0.5 * (_GAUSS[0] + 1.0),
        "_shares": 0.5 * _GAUSS[1],
        **_extremum_tables(system, from_modes, top),
    }
    plan = EventPlan(
        neuron,
        port,
        tuple(sorted((k, "scalar" if np.ndim(v) == 0 else "neuron") for k, v in values.items())),
        tuple(trained),
        size,
        single,
        found is not None,
        tuple(int(k) for k in range(size) if single and np.all(rates[:, k] == 0.0)),
        tuple(int(k) for k in range(size) if single and np.all(seen[:, k] == 0.0)),
        tuple(int(k) for k in range(size) if single and np.all(gain[:, k] == 0.0)),
        top is not None,
    )
    return Tables(plan, system, arrays, values, start, system.real)


def _extremum_tables(system: AffineSystem, from_modes: np.ndarray, top: int | None) -> dict[str, Any]:
    """Return what finds where a state stops rising (down) and stops falling (up)."""
    if top is None:
        return {}
    down = [prepare_crossing(m, -m[top]) for m in system.matrices]
    up = [prepare_crossing(m, m[top]) for m in system.matrices]
    return {
        "_see": np.ascontiguousarray(from_modes[:, top]),
        "_f_down": np.concatenate([c.numbers for c in down]),
        "_p_down": np.concatenate([c.layout for c in down]),
        "_f_up": np.concatenate([c.numbers for c in up]),
        "_p_up": np.concatenate([c.layout for c in up]),
    }


def scratch(tables: Tables, n: int) -> dict[str, Any]:
    """Return the arrays a thread works in."""
    size, states = tables.system.size, len(tables.plan.neuron.states)
    return {
        "_y": np.zeros((n, size)),
        "_lane": np.zeros((2, size, n)),
        **{name: np.zeros(n) for name in ("_at", "_safe", "_event", "_carry", "_owed", "_l_at", "_doubt", "_away")},
        **{name: np.zeros(n, dtype=np.int64) for name in ("_code", "_same", "_l_code", "_live", "_rec")},
        **{name: np.zeros(size) for name in ("_x", "_l_x", "_x_after")},
        **{name: np.zeros(states) for name in ("_l_new", "_f_before", "_f_after")},
        "_l": np.zeros((n, size)),
        "_work": np.zeros(work_size(size) + 8),
        **{f"_left_{s}": np.full(n, -1.0) for s in tables.plan.neuron.refractory},
    }


def parameter_gradients(
    tables: Tables,
    adjoint: AdjointFacts,
    slopes: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return dL/dp, shape (n,), for each trained parameter, from what the way back has collected.

    Parameters
    ----------
    adjoint : AdjointFacts
        Derivatives of flow, threshold and start.
    slopes : mapping
        Those of the states at t = 0, shape (n, states): see `rheobase.derive.eventprop.start_slopes`.
    found : mapping
        `_g_matrix`, `_g_normal`, `_g_value`, `_g_wait`, `_g_start`: see `rheobase.emit.event_backward`.
    """
    plan, system, neuron = tables.plan, tables.system, tables.plan.neuron
    size, states, modes = system.size, len(neuron.states), len(system.clamps)
    n = len(system.kind)
    integral = np.zeros((n, states, states + 1))  # of adjoint i times state j (or 1), where i is not clamped
    rows = system.kind[:, None] * modes + np.arange(modes)
    collected = found["_g_matrix"]
    if plan.single:
        leave, from_modes = tables.arrays["_leave"][rows], tables.arrays["_enter"].transpose(0, 2, 1)[rows]
        collected = np.einsum("nmsj,nmjk,nmtk->nmst", leave, collected, from_modes)
    for m, clamp in enumerate(system.clamps):
        moving = np.array([s not in clamp for s in neuron.states], dtype=float)
        part = collected[:, m, :states] * moving[:, None]
        integral[:, :, :states] += part[:, :, :states]
        integral[:, :, states] += part[:, :, size - 1]
    out = {}
    for k, p in enumerate(plan.trained):
        total = found["_g_value"][:, k].copy()
        for i, j, text in adjoint.flow[p]:
            total += integral[:, i, j] * compute_text(text, tables.values)
        for _, j, text in adjoint.threshold[p]:
            total += found["_g_normal"][:, j] * compute_text(text, tables.values)
        targets = [*neuron.refractory]
        for slot, target in enumerate(targets):
            if neuron.refractory[target] == p:
                total += found["_g_wait"][:, slot]
        total += np.sum(found["_g_start"][:, : slopes[p].shape[1]] * slopes[p], axis=1)
        if p in neuron.states:
            total += found["_g_start"][:, neuron.states.index(p)]
        out[p] = total
    return out


@lru_cache(maxsize=2)
def digest(real: bool) -> str:
    """Return what tells versions of the crossing kernels apart."""
    text = "".join(inspect.getsource(part) for part in (_modal, _reading, _search))
    return f"{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}, {'real' if real else 'any'} rates"


def peak(tables: Tables) -> float:
    """Return the height to which one arrival of weight 1 raises g of "fires where g > 0", and 0 if it does not."""
    system = tables.system
    modal = _modal.decompose(system.matrices[0])
    jump = np.zeros(system.size)
    gain = tables.arrays["_gain"][0]
    jump[:] = system.numbers[0, system.size**2 : 2 * system.size**2].reshape(system.size, system.size) @ gain
    rates = np.abs(modal.nodes[modal.nodes != 0.0])
    span = 5.0 / float(rates.min()) if len(rates) else 1.0
    path = modal.propagate(jump, np.concatenate([[0.0], np.geomspace(span * 1e-4, span, 400)]))
    height = float((path @ system.normals[0]).max())
    return height if math.isfinite(height) else 0.0
