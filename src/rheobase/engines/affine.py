"""From a population to the linear systems that the exact engine runs: one matrix a kind and a clamp set.

The augmented state holds the neuron's states, the inputs' generator states, constants that differ from neuron
to neuron, and the constant 1; between events it obeys x' = M x. Neurons that share all rates share a kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import sympy

from rheobase.derive.crossing import Crossing, prepare_crossing, stack_crossings
from rheobase.derive.evaluate import evaluate
from rheobase.derive.integrate import clamp_sets
from rheobase.derive.structure import Structure, analyse, threshold_function
from rheobase.engines.population import Population
from rheobase.errors import InputError, NotExact
from rheobase.model.algebra import symbol
from rheobase.network.generators import Generator, generate, join

__all__ = ["AffineSystem", "build_system"]

_ELSE = "run it with engine=rb.Precise() or rb.Clock(dt='0.1 ms')"


@final
@dataclass(frozen=True)
class AffineSystem:
    """Packed tables (see `rheobase.derive.crossing`) and initial augmented states.

    `numbers` and `layout` hold, for kind k and clamp set m, row ``k * len(clamps) + m``. `breaks` are the times
    at which generator states are set, `settings` (n_breaks, 1 or n, n_generator) their values, NaN where a state
    goes on as it was.
    """

    size: int
    clamps: tuple[frozenset[str], ...]
    numbers: np.ndarray
    layout: np.ndarray
    kind: np.ndarray
    start: np.ndarray
    breaks: np.ndarray
    settings: np.ndarray
    first_setting: int
    strict: bool


def check_exact(population: Population) -> tuple[Structure, Any, bool]:
    """Return (structure, threshold function, strict), or raise `NotExact` naming what is in the way."""
    neuron = population.neuron
    structure = analyse(neuron, tuple(sorted(population.inputs)))
    if neuron.noises:
        raise NotExact(
            f"evolve row: {neuron.noises[0]} is white noise, whose threshold crossings have no closed form; "
            "run it with engine=rb.Clock(dt='0.1 ms')"
        )
    if neuron.rows.hazard is not None:
        raise NotExact("hazard row: firing by chance has no exact crossing; run it with engine=rb.Clock(dt='0.1 ms')")
    if neuron.rows.bounds:
        raise NotExact(f"evolve row: the bound on {neuron.rows.bounds[0].state} makes the flow piecewise; {_ELSE}")
    if structure.timed:
        raise NotExact(
            f"evolve row: t stands in the rows; give the current as a stimulus such as rb.sine(), or {_ELSE}"
        )
    if structure.affine is None:
        states = set(structure.states)
        for flow, e in zip(neuron.rows.flows, structure.drift, strict=True):
            slopes = [sympy.simplify(sympy.diff(e, s)) for s in states]
            if any(s.free_symbols & (states | set(structure.inputs)) for s in slopes) or e.has(
                sympy.Piecewise, sympy.Min, sympy.Max, sympy.Abs
            ):
                raise NotExact(f"evolve row: d{flow.state}/dt = {flow.right.text} is not linear in the states; {_ELSE}")
        raise NotExact(f"evolve row: the flow is not linear with constant coefficients; {_ELSE}")
    found = threshold_function(neuron)
    if neuron.rows.threshold is not None:
        g = None if found is None else found[0]
        affine = g is not None and not any(
            sympy.diff(g, s).free_symbols & {*structure.states, *structure.inputs} for s in structure.states
        )
        if not affine or g is None or (g.free_symbols & {*structure.inputs, symbol("t")}):
            raise NotExact(
                f"threshold row: {neuron.rows.threshold.text} is not one comparison linear in the states; {_ELSE}"
            )
    return structure, (found[0] if found else None), (found[1] if found else True)


def build_system(population: Population, until: float) -> AffineSystem:
    """Return the systems of a population, or raise `NotExact`."""
    structure, g, strict = check_exact(population)
    assert structure.affine is not None
    neuron, n, values = population.neuron, population.n, population.values
    parts = {
        u.name: generate(population.inputs[u.name], until, n, population.key("input", u.name), u.name)
        for u in structure.inputs
    }
    whole = (
        join([*parts.values()]) if parts else Generator(np.zeros((0, 0)), np.zeros(0), np.zeros(0), np.zeros((0, 1, 0)))
    )
    a, b, c = structure.affine
    ns, nz = len(structure.states), len(whole.reading)

    def number(e: Any) -> np.ndarray:
        return np.asarray(evaluate(e, values), dtype=float)

    constants: list[tuple[int, np.ndarray]] = []  # (row of M, or -1 for the threshold; one value a neuron)
    entries: dict[tuple[int, int], np.ndarray] = {
        (i, j): number(a[i, j]) for i in range(ns) for j in range(ns) if a[i, j] != 0
    }
    at = ns
    for j, u in enumerate(structure.inputs):
        width = len(parts[u.name].reading)
        for i in range(ns):
            if b[i, j] != 0:
                for offset, r in enumerate(parts[u.name].reading):
                    if r != 0:
                        entries[i, at + offset] = number(b[i, j]) * r
        at += width
    shared: dict[int, float] = {}
    for i in range(ns):
        value = number(c[i])
        if value.ndim:
            constants.append((i, value))
        elif value != 0:
            shared[i] = float(value)
    row: dict[int, np.ndarray] = {}
    level = 0.0
    if g is not None:
        row = {i: number(sympy.diff(g, s)) for i, s in enumerate(structure.states)}
        rest = number(sympy.expand(g - sum(sympy.diff(g, s) * s for s in structure.states)))
        if rest.ndim:
            constants.append((-1, rest))
        else:
            level = float(rest)
    size = ns + nz + len(constants) + 1
    flat = [*entries.values(), *row.values()]
    varied = any(x.ndim for x in flat)
    table = np.stack([np.broadcast_to(x, (n if varied else 1,)) for x in flat], axis=1) if flat else np.zeros((1, 0))
    unique, inverse = np.unique(table, axis=0, return_inverse=True)
    if len(unique) > 20_000:
        raise InputError(
            f"{len(unique)} different sets of rates need that many decompositions; use engine=rb.Clock(dt='0.1 ms')"
        )
    kind = np.broadcast_to(inverse.reshape(-1), (n,)).astype(np.int64) if varied else np.zeros(n, dtype=np.int64)
    clamps = tuple(clamp_sets(neuron))
    crossings: list[Crossing] = []
    for numbers in unique:
        matrix = np.zeros((size, size))
        matrix[ns : ns + nz, ns : ns + nz] = whole.matrix
        for (i, j), x in zip(entries, numbers, strict=False):
            matrix[i, j] = x
        for i, x in shared.items():
            matrix[i, size - 1] = x
        functional = np.zeros(size)
        functional[size - 1] = level
        for i, x in zip(row, numbers[len(entries) :], strict=True):
            functional[i] = x
        for position, (i, _) in enumerate(constants):
            if i >= 0:
                matrix[i, ns + nz + position] = 1.0
            else:
                functional[ns + nz + position] = 1.0
        for clamp in clamps:
            held = matrix.copy()
            held[[i for i, s in enumerate(structure.states) if s.name in clamp]] = 0.0
            crossings.append(prepare_crossing(held, functional))
    stacked, layout = stack_crossings(crossings)
    start = np.zeros((n, size))
    for i, s in enumerate(structure.states):
        start[:, i] = population.initial[s.name]
    for position, (_, x) in enumerate(constants):
        start[:, ns + nz + position] = x
    start[:, size - 1] = 1.0
    inside = whole.times <= until
    return AffineSystem(
        size,
        clamps,
        np.ascontiguousarray(stacked),
        np.ascontiguousarray(layout),
        kind,
        start,
        whole.times[inside],
        np.ascontiguousarray(whole.values[inside]),
        ns,
        strict,
    )
