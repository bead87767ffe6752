"""One neuron, many, or a network, run and looked at in the same way: spikes of all, states by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network
from rheobase.run import Run
from rheobase.simulation import Engine, simulate
from rheobase.units import to_number

__all__ = ["View", "take_view"]

_CHOSEN = ("dt", "engine", "method", "record", "record_every", "record_neurons", "seed")
_MOST = 4_000_000  # values of a network's states that are kept to be compared: 32 MB


@final
@dataclass(frozen=True, eq=False)
class View:
    """Spikes and states of a run; a network's states are called ``E.v``, its neurons numbered through."""

    spikes: Spikes
    t: np.ndarray
    traces: Mapping[str, np.ndarray]
    engine: str
    method: str
    until: float

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.spikes)


def take_view(
    model: Neuron | Network, engine: Engine, until: Any, every: float, seed: int, inputs: Mapping[str, Any]
) -> View:
    """Return what a run of the model on an engine shows, its states kept every so often (ms)."""
    for name in _CHOSEN:
        if name in inputs:
            raise InputError(
                f"{name}= cannot be given here: check_dt takes dts=, method= and truth=, compare takes engines= and"
                " seed="
            )
    if isinstance(model, Neuron):
        run = simulate(model, until=until, engine=engine, seed=seed, record=True, record_every=every, **inputs)
        return View(run.spikes, run.t, run.traces, run.engine, run.method, run.until)
    if not isinstance(model, Network):
        raise InputError(f"a Neuron or a Network is wanted, not {type(model).__name__}")
    states = sum(p.n * len(p.model.states) for p in model.populations.values() if isinstance(p.model, Neuron))
    keep = states * (to_number(until, "ms", "until") / every + 1) <= _MOST
    whole = simulate(
        model, until=until, engine=engine, seed=seed, record=keep, record_every=every if keep else None, **inputs
    )
    runs = {name: p for name, p in whole.populations.items() if isinstance(p, Run)}
    first = next(iter(runs.values()))
    traces = {f"{name}.{s}": x for name, run in runs.items() for s, x in run.traces.items()}
    return View(whole.spikes, first.t, traces, first.engine, first.method, whole.until)
