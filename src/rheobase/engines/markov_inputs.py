"""Inputs of a Markov run: read, and brought to steps on a common time axis or functions of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rheobase.errors import InputError, nearest
from rheobase.model.markov import MarkovNeuron
from rheobase.units import to_number

__all__ = ["Steps", "count_neurons", "cut_steps", "find_edges", "read_bound", "read_grid", "read_inputs"]


#: name -> (times (k,), values (k, 1) or (k, n))
Steps = dict[str, tuple[np.ndarray, np.ndarray]]


def read_inputs(model: MarkovNeuron, inputs: dict[str, Any], end: float) -> tuple[Steps, dict[str, Callable[..., Any]]]:
    """Return the inputs that hold still between given times, and those that are functions of time."""
    steps: Steps = {}
    functions: dict[str, Callable[..., Any]] = {}
    for name, value in inputs.items():
        if callable(value):
            model.read_input(name, 0.0)  # the name
            functions[name] = _take_arrays(value, name, end)
        elif isinstance(value, tuple) and len(value) == 2 and np.ndim(value[0]) == 1:
            when = np.array([to_number(x, "ms", f"a time of {name}") for x in value[0]])
            if not len(when) or when[0] > 0 or np.any(np.diff(when) <= 0):
                raise InputError(f"{name}: the times {when.tolist()!s:.60} must increase, and begin at 0")
            if len(value[1]) != len(when):
                raise InputError(f"{name} has {len(when)} times and {len(value[1])} values; give one value a time")
            rows = [np.atleast_1d(model.read_input(name, row)) for row in value[1]]
            if len({len(r) for r in rows}) > 1:
                raise InputError(f"{name}: every step needs the same number of values, 1 or one a neuron")
            steps[name] = when, np.stack(rows)
        else:
            steps[name] = np.zeros(1), np.atleast_1d(model.read_input(name, value))[None, :]
    for name in model.inputs:
        if name not in inputs:
            d = model.dimensions.get(name)
            raise InputError(
                f"the input '{name}'{f' ({d.unit})' if d else ''} is missing; give inputs={{'{name}': ...}}"
            )
    return steps, functions


def _take_arrays(f: Callable[..., Any], name: str, end: float) -> Callable[..., Any]:
    """Return the function of an array that a function of one number may not be."""
    try:
        if np.shape(f(np.array([0.0, end]))) == (2,):
            return f
    except (TypeError, ValueError):
        pass
    if np.ndim(f(0.0)) != 0:
        raise InputError(f"{name}(t) must return one number for one t; for a value a neuron, run the neurons apart")
    return lambda t: np.array([float(f(float(x))) for x in t])


def count_neurons(model: MarkovNeuron, steps: Steps, n: int) -> int:
    """Return how many neurons there are, from n and the arrays."""
    sizes = {name: values.shape[1] for name, (_, values) in steps.items()}
    sizes |= {name: len(q.value) for name, q in model.parameters.items() if q.shape}  # type: ignore[arg-type]
    for name, size in sizes.items():
        if size not in (1, n) and n != 1:
            raise InputError(f"{name} has {size} values, but there are n = {n} neurons; give 1 value or {n}")
        n = max(n, size)
    return n


def read_grid(every: Any, end: float) -> np.ndarray:
    """Return the times 0, every, 2 every, ... up to the end."""
    if every is None:
        return np.empty(0)
    step = to_number(every, "ms", "every")
    if not 0 < step <= end or end / step > 1e7:
        raise InputError(f"every = {every!r} must be positive and at most until = {end:g} ms, in at most 1e7 points")
    return np.arange(int(end / step * (1 + 1e-12)) + 1) * step


def read_bound(model: MarkovNeuron, functions: Mapping[str, Any], steps: Steps, bound: Any) -> dict[int, float | None]:
    """Return for every state its bound in kHz, or None where the rates themselves are known ahead."""
    needy = {
        a for (a, _), rate in zip(model.transitions, model.rates.values(), strict=True) if _names(rate) & set(functions)
    }
    if isinstance(bound, Mapping):
        for s in bound:
            if s not in model.states:
                hint = nearest(str(s), model.states)
                raise InputError(f"bound: '{s}' is no state.{hint} States: {', '.join(model.states)}")
        given = {model.states.index(s): to_number(b, "kHz", f"bound of '{s}'") for s, b in bound.items()}
    else:
        given = {} if bound is None else dict.fromkeys(needy, to_number(bound, "kHz", "bound"))
    for a in needy:
        if a not in given:
            s = model.states[a]
            raise InputError(
                f"{', '.join(functions)} is a function of time, so a rate that leaving '{s}'"
                f" never exceeds must be stated: bound={{'{s}': ...}} in kHz"
            )
        if not 0 < given[a] < math.inf:
            raise InputError(f"bound of '{model.states[a]}' = {given[a]:g} kHz must be positive and finite")
    return {a: given[a] if a in needy else None for a in range(len(model.states))}


def _names(rate: Any) -> set[str]:
    return set(rate.names) if hasattr(rate, "tree") else set()


def find_edges(steps: Steps, end: float) -> np.ndarray:
    """Return 0, the times at which any input steps, and the end."""
    inner = {float(x) for when, _ in steps.values() for x in when if 0 < x < end}
    return np.array([0.0, *sorted(inner), end])


def cut_steps(steps: Steps, first: int, last: int) -> Steps:
    """Return the steps of neurons first..last-1."""
    return {k: (when, v if v.shape[1] == 1 else v[:, first:last]) for k, (when, v) in steps.items()}
