"""What an event-driven layer is given, checked: counts, ports, names, delays, readings; each error says what to do."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rheobase.errors import InputError, nearest
from rheobase.model.neuron import Neuron
from rheobase.units import to_number

__all__ = ["check_train", "read_count", "read_delays", "read_port", "read_reading", "read_threads", "read_until"]


def read_count(n: Any, name: str) -> int:
    """Return a number of something, at least 1."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise InputError(f"{name} = {n!r:.60} must be a number of neurons, at least 1")
    return n


def read_threads(threads: Any) -> int:
    """Return how many threads may be used."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return read_count(threads, "threads")


def read_port(cell: Neuron, port: str | None) -> str:
    """Return the port at which spikes arrive."""
    if not cell.ports:
        raise InputError(f"{cell.name} has no receive row: nothing can arrive; give receive='I <- I + w_i'")
    if port is None and len(cell.ports) == 1:
        return cell.ports[0]
    if port not in cell.ports:
        said = "" if port is None else f"port = {port!r:.40} is none of them.{nearest(str(port), cell.ports)} "
        raise InputError(f"{said}{cell.name} has the ports {', '.join(cell.ports)}; say which: port='{cell.ports[0]}'")
    return port


def read_until(until: Any) -> float:
    """Return the end in ms, infinite if there is none."""
    if until is None:
        return math.inf
    end = to_number(until, "ms", "until")
    if not (math.isfinite(end) and end > 0):
        raise InputError(f"until = {until!r:.60} must be a time > 0, or None")
    return end


def check_train(cell: Neuron, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the cell's numbers that training changes."""
    known = ["weight", "delay", *cell.parameters, *cell.inputs, *cell.states]
    for name in names:
        if name not in known:
            raise InputError(
                f"train: there is no '{name!s:.60}'.{nearest(str(name), known)} There are: {', '.join(known)}"
            )
    return tuple(dict.fromkeys(n for n in names if n not in ("weight", "delay")))


def read_delays(given: Any, default: float, shape: tuple[int, int], name: str, low: float) -> Tensor:
    """Return delays in ms: one, or one a synapse."""
    if given is None:
        return torch.tensor(default, dtype=torch.float64)
    if isinstance(given, Tensor | np.ndarray | list | tuple):
        value = torch.as_tensor(given).detach().to("cpu", torch.float64).clone()
    else:
        value = torch.tensor(to_number(given, "ms", name), dtype=torch.float64)
    if value.ndim and tuple(value.shape) != shape:
        raise InputError(f"{name} have the shape {tuple(value.shape)}; one time, or {shape} (to, from) is wanted")
    if not bool(torch.isfinite(value).all()) or float(value.min()) < low:
        wanted = "finite times >= 0" if low == 0 else "finite times > 0, for a neuron cannot wait for itself"
        raise InputError(f"{name} must be {wanted}; the least is {float(value.min()):g} ms")
    return value


def read_reading(cell: Neuron, read: str | None, at: Any, until: float) -> tuple[tuple[str, str] | None, np.ndarray]:
    """Return (kind, state) and the times of readings."""
    none = np.zeros(0)
    if read is None or read == "spikes":
        if at is not None:
            raise InputError(f"at= says when a state is read: give read='{cell.states[0]}'")
        if cell.rows.threshold is None:
            raise InputError(
                f"{cell.name} has no threshold row and never fires; read a state: read='max {cell.states[0]}'"
            )
        return None, none
    words = str(read).split()
    known = [*cell.states, *(f"{k} {s}" for s in cell.states for k in ("last", "mean", "max"))]
    if " ".join(words) not in known:
        raise InputError(
            f"read = {read!r:.60} is unknown.{nearest(str(read), known)} Readings: spikes, {', '.join(known)}"
        )
    if len(words) == 1:
        times = none if at is None else np.sort(np.atleast_1d(np.asarray(at, dtype=float)))
        if not len(times) or not np.all(np.isfinite(times)) or times[0] < 0 or times[-1] > until:
            raise InputError(f"read = {read!r:.40} needs times from 0 to until, in ms: at=[10.0, 20.0]")
        return ("at", words[0]), times
    if at is not None:
        raise InputError(f"read = {read!r:.40} is one number; at= goes with read='{words[1]}'")
    if until == math.inf:
        raise InputError(f"read = {read!r:.40} needs an end: EventLayer(..., until='100 ms')")
    if words[0] == "max":
        if cell.rows.threshold is not None:
            raise InputError(
                f"read = {read!r:.40}: {cell.name} fires, and its {words[1]} is reset; read the maximum of a neuron"
                " that does not: cell.replace(threshold=None)"
            )
        return ("max", words[1]), none
    return (words[0], words[1]), np.array([until])
