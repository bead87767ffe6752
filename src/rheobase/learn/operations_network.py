"""Counting what a simulated network did in a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from rheobase.errors import InputError
from rheobase.learn.account import Entry
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network

__all__ = ["count_network"]


def count_network(net: Network, run: Any, weight_bytes: int, state_bytes: int) -> tuple[list[Entry], int]:
    """Return one entry a population and a projection for a whole run, and the number of steps.

    A spike costs one accumulate for each synapse it goes out by. An engine without a step (Exact) updates a neuron
    where something arrives, so updates are counted as arrivals there.
    """
    if not (hasattr(run, "populations") and hasattr(run, "until")):
        raise InputError(
            f"for a Network, data must be its run, energy(net, rb.simulate(net, ...)), not {type(run).__name__}"
        )
    missing = [name for name in net.populations if name not in run.populations]
    if missing or (run.network is not None and run.network is not net):
        raise InputError(f"this is the run of another network{f' (no population {missing[0]})' if missing else ''}")
    counts, steps = {}, _steps(run)
    for name, part in net.populations.items():
        found = run.populations[name]
        spikes = found.spikes if hasattr(found, "spikes") else found
        if spikes.kept is not None and len(spikes.kept) < part.n:
            raise InputError(f"not all spikes of {name} were recorded; run with spikes recorded of all its neurons")
        counts[name] = np.bincount(spikes.neurons, minlength=part.n)
    arrivals = dict.fromkeys(net.populations, 0.0)
    edges = []
    for p in net.projections:
        synapses = p.synapses(run.seed)
        out = np.bincount(synapses.pre, minlength=p.source.n)
        done = float(out @ counts[p.source.name])
        arrivals[p.target.name] += done
        dense = float(len(synapses)) * (steps or 0)
        edges.append(Entry(p.name, "synapses", 0.0, dense, 0.0, done, 0.0, done * weight_bytes, 0.0))
    cells = []
    for name, part in net.populations.items():
        model = part.model
        updates = 0.0
        if isinstance(model, Neuron):
            updates = float(part.n * steps) if steps else arrivals[name]
        states = len(model.states) if isinstance(model, Neuron) else 0
        cells.append(
            Entry(
                name,
                "neurons",
                float(counts[name].sum()),
                updates=updates,
                state_bytes=2.0 * states * updates * state_bytes,
            )
        )
    return [*cells, *edges], steps


def _steps(run: Any) -> int:
    """Return the steps of a run on a grid, 0 for one without: its account of itself says which."""
    _, _, rest = run.engine.partition("dt=")
    if not rest:
        return 0
    number = rest.split()[0].rstrip(",)")
    return max(1, round(run.until / float(number)))
