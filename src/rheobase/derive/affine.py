"""From neurons to the linear systems that run between events: one matrix a kind and a clamp set.

The augmented state holds the neuron's states, the inputs' generator states, constants that differ from neuron
to neuron, and the constant 1; between events it obeys x' = M x. Neurons that share all rates share a kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from rheobase.derive.crossing import Crossing, prepare_crossing, stack_crossings
from rheobase.derive.facts import ZERO, ExactFacts
from rheobase.derive.modal import layout_size
from rheobase.derive.propagate import clamp_sets, find_unique
from rheobase.derive.riccati import prepare_quadratic
from rheobase.errors import InputError, NotExact
from rheobase.model.compute import compute_text
from rheobase.model.neuron import Neuron

__all__ = ["AffineSystem", "Drive", "assemble_system"]


class Drive(Protocol):
    """States that generate an input: z' = matrix z, the input is reading . z; set to `values` at `times`."""

    @property
    def matrix(self) -> np.ndarray: ...
    @property
    def reading(self) -> np.ndarray: ...
    @property
    def times(self) -> np.ndarray: ...
    @property
    def values(self) -> np.ndarray: ...


@final
@dataclass(frozen=True)
class AffineSystem:
    """Packed tables (see `rheobase.derive.crossing`) and initial augmented states.

    `numbers` and `layout` hold, for kind k and clamp set m, row ``k * len(clamps) + m``. `breaks` are the times
    at which generator states are set, `settings` (n_breaks, 1 or n, n_generator) their values, NaN where a state
    goes on as it was. With `quadratic` the tables are those of `rheobase.derive.riccati`. `matrices` and `normals` are
    M and the functional g = normal . x of "fires where g > 0", in the same order (without use where quadratic).
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
    quadratic: bool
    matrices: np.ndarray
    normals: np.ndarray

    @property
    def real(self) -> bool:
        """Whether thresholds see real rates only, for all kinds and clamp sets."""
        return not np.any(self.layout[:, layout_size(self.size) + 1])


def assemble_system(
    neuron: Neuron,
    facts: ExactFacts,
    n: int,
    values: Mapping[str, Any],
    initial: Mapping[str, Any],
    parts: Sequence[Drive] = (),
    whole: Drive | None = None,
    until: float = math.inf,
) -> AffineSystem:
    """Return the systems of n neurons.

    Parameters
    ----------
    values, initial : mapping
        Parameters and constant inputs, and the states at t = 0: floats or shape (n,).
    parts, whole
        The generators of the inputs that vary, in the order of their names, and all of them joined.
    until : float
        What is set later is left out.
    """
    a, b, c = facts.a, facts.b, facts.c
    ns, nz = len(neuron.states), 0 if whole is None else len(whole.reading)

    def number(text: str) -> np.ndarray:
        return np.asarray(compute_text(text, values), dtype=float)

    constants: list[tuple[int, np.ndarray]] = []  # (row of M, or -1 for the threshold; one value a neuron)
    entries: dict[tuple[int, int], np.ndarray] = {
        (i, j): number(a[i][j]) for i in range(ns) for j in range(ns) if a[i][j] != ZERO
    }
    at = ns
    for j, part in enumerate(parts):
        width = len(part.reading)
        for i in range(ns):
            if b[i][j] != ZERO:
                for offset, r in enumerate(part.reading):
                    if r != 0:
                        entries[i, at + offset] = number(b[i][j]) * r
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
    end = _asymptote(facts, values) if not nz else None
    if end is not None:
        constants.append((-2, end))
    if facts.slope:
        row = {i: number(text) for i, text in enumerate(facts.slope)}
        rest = number(facts.level)
        if rest.ndim:
            constants.append((-1, rest))
        else:
            level = float(rest)
    size = ns + nz + len(constants) + 1
    flat = [*entries.values(), *row.values()]
    quadratic = facts.bend != ZERO
    if quadratic:
        if whole is not None and np.any(whole.matrix):
            raise NotExact(
                f"evolve row: d{neuron.states[0]}/dt is quadratic, which has a closed form while the input is constant;"
                " this one varies between its jumps; run it with engine=rb.Precise() or rb.Clock(dt='0.1 ms')"
            )
        flat += [number(facts.bend), number(facts.middle)]
    varied = any(x.ndim for x in flat)
    table = np.stack([np.broadcast_to(x, (n if varied else 1,)) for x in flat], axis=1) if flat else np.zeros((1, 0))
    first, inverse = find_unique(table)
    unique = table[first]
    if len(unique) > 20_000:
        raise InputError(
            f"{len(unique)} different sets of rates need that many decompositions; use engine=rb.Clock(dt='0.1 ms')"
        )
    kind = np.broadcast_to(inverse, (n,)).astype(np.int64) if varied else np.zeros(n, dtype=np.int64)
    clamps = tuple(clamp_sets(neuron))
    crossings: list[Crossing] = []
    tables: list[tuple[np.ndarray, np.ndarray]] = []
    flows: list[tuple[np.ndarray, np.ndarray]] = []
    for numbers in unique:
        matrix = np.zeros((size, size))
        if whole is not None:
            matrix[ns : ns + nz, ns : ns + nz] = whole.matrix
        for (i, j), x in zip(entries, numbers, strict=False):
            matrix[i, j] = x
        for i, x in shared.items():
            matrix[i, size - 1] = x
        functional = np.zeros(size)
        functional[size - 1] = level
        for i, x in zip(row, numbers[len(entries) :], strict=False):
            functional[i] = x
        for position, (i, _) in enumerate(constants):
            if i >= 0:
                matrix[i, ns + nz + position] = 1.0
            elif i == -1:
                functional[ns + nz + position] = 1.0
        for clamp in clamps:
            held = matrix.copy()
            held[[i for i, s in enumerate(neuron.states) if s in clamp]] = 0.0
            flows.append((held, functional))
            if quadratic:
                bend, middle = (0.0, 0.0) if clamp else numbers[-2:]
                tables.append(prepare_quadratic(held[0], bend, middle, functional))
            else:
                place = None if clamp or end is None else ns + nz + [i for i, _ in constants].index(-2)
                crossings.append(prepare_crossing(held, functional, place))
    stacked, layout = (np.stack(x) for x in zip(*tables, strict=True)) if quadratic else stack_crossings(crossings)
    start = np.zeros((n, size))
    for i, s in enumerate(neuron.states):
        start[:, i] = initial[s]
    for position, (_, x) in enumerate(constants):
        start[:, ns + nz + position] = x
    start[:, size - 1] = 1.0
    times, settings = (np.zeros(0), np.zeros((0, 1, 0))) if whole is None else (whole.times, whole.values)
    inside = times <= until
    return AffineSystem(
        size,
        clamps,
        np.ascontiguousarray(stacked),
        np.ascontiguousarray(layout),
        kind,
        start,
        times[inside],
        np.ascontiguousarray(settings[inside]),
        ns,
        facts.strict,
        quadratic,
        np.stack([m for m, _ in flows]),
        np.stack([c for _, c in flows]),
    )


def _asymptote(facts: ExactFacts, values: Mapping[str, Any]) -> np.ndarray | None:
    """Return where the threshold function ends, slope . x + level at the fixed point; None if there is none.

    Computed in extended precision, where the machine has it: 1e-7 above rheobase seven digits of it cancel.
    """
    n = len(facts.a)
    if not facts.slope or facts.bend != ZERO:
        return None
    wide = {k: np.asarray(x, dtype=np.longdouble) for k, x in values.items()}

    def number(text: str) -> np.ndarray:
        return np.asarray(compute_text(text, wide), dtype=np.longdouble)

    m = [[number(facts.a[i][j]) for j in range(n)] + [-number(facts.c[i])] for i in range(n)]
    for i in range(n):  # elimination without exchange of rows: cascades are triangular
        if not np.all(np.isfinite(m[i][i])) or np.any(m[i][i] == 0.0):
            return None
        for j in range(n):
            if j != i and np.any(m[j][i] != 0.0):
                factor = m[j][i] / m[i][i]
                m[j] = [x - factor * y for x, y in zip(m[j], m[i], strict=True)]
    terms = [number(facts.level), *(number(facts.slope[i]) * m[i][n] / m[i][i] for i in range(n))]
    total, size = sum(terms), sum(abs(x) for x in terms)
    # what is given are doubles: 0.2 nA means the rheobase, not 1e-17 above it
    end = np.asarray(np.where(np.abs(total) <= 1e-15 * size, 0.0, total), dtype=float)
    return end if np.all(np.isfinite(end)) else None
