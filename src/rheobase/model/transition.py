"""States, transitions and starts: read and checked against the names there are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from rheobase.errors import InputError, nearest
from rheobase.model.expression import RESERVED, normalise

__all__ = [
    "check_reachable",
    "read_name",
    "read_probabilities",
    "read_spike",
    "read_start",
    "read_states",
    "read_transition",
]


def read_states(states: Any) -> tuple[str, ...]:
    """Return the names of the states."""
    if isinstance(states, str) or not isinstance(states, Sequence) or not states:
        raise InputError(f"states = {states!r:.60}: give a tuple of names, such as ('rest', 'spike', 'refractory')")
    out = tuple(str(s).strip() for s in states)
    for s in out:
        if not s or "->" in s or "→" in s or not s.isprintable() or len(s) > 60:
            raise InputError(f"{s!r:.70} cannot be the name of a state; use a word without '->'")
        if out.count(s) > 1:
            raise InputError(f"the state '{s}' is named twice")
    return out


def _find_state(name: str, states: tuple[str, ...]) -> int:
    name = name.strip()
    if name not in states:
        raise InputError(f"'{name}' is no state.{nearest(name, states)} States: {', '.join(states)}")
    return states.index(name)


def read_transition(key: Any, states: tuple[str, ...]) -> tuple[int, int]:
    """Return the two states (numbers) of a text 'a -> b'."""
    parts = re.split(r"->|→", key) if isinstance(key, str) else []
    if len(parts) != 2:
        raise InputError(f"{key!r:.70} is no transition; write 'from -> to', such as '{states[0]} -> {states[-1]}'")
    return _find_state(parts[0], states), _find_state(parts[1], states)


def read_spike(
    spike: Any, states: tuple[str, ...], ends: tuple[tuple[int, int], ...]
) -> tuple[str | None, tuple[bool, ...]]:
    """Return the spike as text, and which transitions are one."""
    if spike is None:
        return None, (False,) * len(ends)
    if not isinstance(spike, str):
        raise InputError(f"spike = {spike!r:.60}: name a state, such as '{states[-1]}', or a transition 'a -> b'")
    if "->" in spike or "→" in spike:
        a, b = read_transition(spike, states)
        flags, spike = tuple(end == (a, b) for end in ends), f"{states[a]} -> {states[b]}"
    else:
        state = _find_state(spike, states)
        flags, spike = tuple(b == state and a != b for a, b in ends), states[state]
    if not any(flags):
        raise InputError(f"spike = '{spike}' can never happen: no rate leads there; add one to rates=")
    return spike, flags


def read_start(start: Any, states: tuple[str, ...]) -> str | Mapping[str, float]:
    """Return the state at t = 0, or the probabilities that are not 0."""
    if start is None:
        raise InputError(f"start= is missing; name the state at t = 0, such as start='{states[0]}'")
    if isinstance(start, str):
        return states[_find_state(start, states)]
    if not isinstance(start, Mapping):
        raise InputError(f"start = {start!r:.60}: name a state, or map states to probabilities")
    p = np.zeros(len(states))
    for s, value in start.items():
        p[_find_state(str(s), states)] = value
    p = read_probabilities(p, states, "start")
    return MappingProxyType({s: float(x) for s, x in zip(states, p, strict=True) if x > 0})


def read_probabilities(p: Any, states: tuple[str, ...], name: str = "p0") -> np.ndarray:
    """Return one probability a state, shape (n_states,)."""
    array = np.asarray(p, dtype=float)
    if array.shape != (len(states),):
        raise InputError(f"{name} has shape {array.shape}; one probability a state is wanted, ({len(states)},)")
    if not np.all(array >= 0) or not abs(array.sum() - 1.0) < 1e-9:
        raise InputError(f"{name} = {array.tolist()} are no probabilities: none negative, sum 1 (here {array.sum():g})")
    return array


def read_name(name: str) -> str:
    """Return a parameter's name in plain letters."""
    clean = normalise(name).text
    if not clean.isidentifier() or "__" in clean or clean.startswith("_") or clean in RESERVED | {"p0", "self"}:
        raise InputError(f"{name!r:.60} cannot be the name of a parameter")
    return clean


def check_reachable(states: tuple[str, ...], p0: np.ndarray, transitions: tuple[tuple[int, int], ...]) -> None:
    """Refuse states that can never be reached from the start."""
    seen = {i for i, p in enumerate(p0) if p > 0}
    while new := {b for a, b in transitions if a in seen} - seen:
        seen |= new
    for i, s in enumerate(states):
        if i not in seen:
            start = ", ".join(name for name, p in zip(states, p0, strict=True) if p > 0)
            raise InputError(
                f"the state '{s}' can never be reached from the start ({start}); add a rate"
                f" that leads to it, such as '{states[min(seen)]} -> {s}', or leave the state out"
            )
