"""An exact network at the beginning of a window: taken out of its arrays, and put back into those of a longer run.

Modes, and not states, are kept: they go on bit for bit. They mean something to one decomposition of the matrices only,
which another version of the linear algebra may choose otherwise; so the states are kept, too.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from rheobase.engines.exact_groups import ExactGroup, note_all
from rheobase.errors import InputError

__all__ = ["put_state", "take_state"]

_BLOCK: Final = 1 << 14  # neurons whose matrices are gathered at once


def take_state(
    groups: Sequence[ExactGroup], loop: Mapping[str, Any], spikes: Sequence[tuple[np.ndarray, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return all that is needed to go on from here; nothing in it depends on how many threads there were.

    Parameters
    ----------
    groups : sequence of ExactGroup
    loop : mapping
        The arguments of the loop that do not belong to a group: where links, sources and inputs have come to.
    spikes : sequence of (times, neurons)
        What each group has fired so far.
    """
    arrays: dict[str, np.ndarray] = {}
    for g, group in enumerate(groups):
        a = group.arrays
        count = int(a["_all_count"][0])
        done = int(a["_sampled"].max(initial=0))
        arrays |= {
            f"modes {g}": a["_y"].copy(),
            f"code {g}": a["_code"].copy(),
            f"states {g}": _turn(group, a["_y"], 1),
            f"tables {g}": _digest(group),
            f"flight times {g}": a["_all_time"][:count].copy(),
            f"flight neurons {g}": a["_all_neuron"][:count].copy(),
            f"sampled {g}": a["_sampled"].copy(),
            f"trace {g}": a["_trace"][:, :, :done],  # what follows is written anew, with the same bits
            f"spike times {g}": spikes[g][0],
            f"spike neurons {g}": spikes[g][1],
        }
        arrays |= {f"left {g} {s}": a[f"_left_{s}"].copy() for s in group.whole.neuron.refractory}
    for name in _places(loop):
        arrays[f"at {name}"] = loop[name].copy()
    return arrays


def put_state(
    groups: Sequence[ExactGroup], loop: Mapping[str, Any], arrays: Mapping[str, np.ndarray], window: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Put groups and loop as they were at the beginning of a window; return what each group has fired so far.

    There must be room for the spikes under way.

    Raises
    ------
    InputError
        If arrays are missing, or have another shape.
    """
    spikes = []
    for g, group in enumerate(groups):
        a = group.arrays
        modes = _fitting(arrays, f"modes {g}", a["_y"].shape)
        a["_y"][:] = modes
        a["_code"][:] = _fitting(arrays, f"code {g}", a["_code"].shape)
        if _fitting(arrays, f"tables {g}", None).tobytes() != _digest(group).tobytes():
            warnings.warn(
                "this machine's linear algebra takes the neurons' matrices apart otherwise than the one that wrote the"
                " checkpoint: the run goes on to rounding error, not bit for bit",
                stacklevel=2,
            )
            states = np.array(_fitting(arrays, f"states {g}", (modes.shape[0], group.cells.size)))
            a["_y"][:, :-2] = _turn(group, states, 0)
        for s in group.whole.neuron.refractory:
            a[f"_left_{s}"][:] = _fitting(arrays, f"left {g} {s}", a[f"_left_{s}"].shape)
        times, neurons = _pair(arrays, f"flight times {g}", f"flight neurons {g}")
        a["_all_time"][: len(times)], a["_all_neuron"][: len(times)] = times, neurons
        a["_all_count"][0] = len(times)
        a["_sampled"][:] = _fitting(arrays, f"sampled {g}", a["_sampled"].shape)
        done = int(a["_sampled"].max(initial=0))
        a["_trace"][:, :, :done] = _fitting(arrays, f"trace {g}", (*a["_trace"].shape[:2], done))
        note_all(a, window)
        spikes.append(_pair(arrays, f"spike times {g}", f"spike neurons {g}"))
    for name in _places(loop):
        found, held = _fitting(arrays, f"at {name}", None), loop[name]
        if found.ndim != 1 or len(found) > len(held):
            raise InputError(f"the checkpoint does not fit the network: 'at {name}' has the shape {found.shape}")
        held[: len(found)] = found
    return spikes


def _places(loop: Mapping[str, Any]) -> Iterator[str]:
    """Give the names of the loop's arguments that say how far it has come."""
    for name in loop:
        if name.startswith(("_begin", "_place", "_at_break", "_at_outside")):
            yield name


def _fitting(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...] | None) -> np.ndarray:
    found = arrays.get(name)
    if found is None:
        raise InputError(f"the checkpoint has no '{name}'; it is damaged, or of another version of rheobase")
    if shape is not None and found.shape != shape:
        raise InputError(f"the checkpoint does not fit the network: '{name}' has the shape {found.shape}, not {shape}")
    return found


def _pair(arrays: Mapping[str, np.ndarray], first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    times = _fitting(arrays, first, None)
    return times, _fitting(arrays, second, times.shape)


def _digest(group: ExactGroup) -> np.ndarray:
    """Return what tells decompositions apart."""
    digest = hashlib.blake2b(digest_size=16)
    for name in ("_f", "_p", "_kind"):
        digest.update(np.ascontiguousarray(group.arrays[name]).tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)


def _turn(group: ExactGroup, x: np.ndarray, which: int) -> np.ndarray:
    """Return neurons' modes made of their states (`which` 0), or states of modes (1), shape (n, size)."""
    size, a = group.cells.size, group.arrays
    tables = a["_f"].reshape(-1, a["_table"])[:, which * size * size : (which + 1) * size * size]
    out = np.empty((len(x), size))
    for low in range(0, len(x), _BLOCK):
        part = slice(low, low + _BLOCK)
        matrices = tables[a["_code"][part] >> 1].reshape(-1, size, size)
        out[part] = np.einsum("nij,nj->ni", matrices, x[part, :size])
    return out
