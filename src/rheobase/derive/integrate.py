"""One-step formulas: from the rows to the states one step later, for each method.

=================== ======================================================== ================
method              for                                                      order (states)
=================== ======================================================== ================
exact               affine rows; additive noise by the exact                 exact
                    Ornstein-Uhlenbeck transition
exponential euler   rows in which each state is linear in itself             1
rk4                 smooth rows without noise                                4
heun                smooth rows; additive noise (Stratonovich = Ito there)   2 (noise: 1)
euler               everything; with noise Euler-Maruyama (Ito)              1 (noise: 1/2)
sequential euler    as euler, each state using those already advanced        1
=================== ======================================================== ================

Inputs are held over a step. Spike times lie on the grid, so their error is at most one step whatever the
method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import sympy

from rheobase.derive.propagate import clamp_sets, clamp_tag
from rheobase.derive.structure import Structure, threshold_function
from rheobase.errors import InputError, nearest
from rheobase.model.algebra import exprel, symbol
from rheobase.model.neuron import Neuron

__all__ = ["METHODS", "Step", "choose_method", "derive_step", "noisy_states", "stage_limit"]

METHODS: Final = ("exact", "exponential euler", "rk4", "heun", "euler", "sequential euler")
_DT: Final = symbol("dt")

Statements = tuple[tuple[str, Any], ...]


@final
@dataclass(frozen=True)
class Step:
    """How a neuron's states are advanced by one step.

    `branches` maps each set of clamped states to the statements that compute the new values, named
    ``_new_<state>``; `coefficients` are the names whose values `propagators` computes (exact method);
    `normals` is how many Gaussian numbers a neuron needs in a step, named ``_z_0``, ``_z_1``...
    """

    method: str
    order: str
    branches: Mapping[frozenset[str], Statements]
    coefficients: tuple[str, ...] = ()
    normals: int = 0


def choose_method(structure: Structure, method: str = "auto") -> str:
    """Return the method that "auto" stands for, or `method` after checking that it can be used."""
    noisy = bool(structure.noises)
    if method == "auto":
        if structure.affine is not None and structure.additive_noise:
            return "exact"
        if noisy:
            return "heun" if structure.additive_noise else "euler"
        return "exponential euler" if structure.linear_in_own_state else "rk4"
    if method not in METHODS:
        raise InputError(
            f"method = {method!r} is unknown.{nearest(str(method), METHODS)} Methods: auto, {', '.join(METHODS)}"
        )
    if method == "exact" and (structure.affine is None or not structure.additive_noise):
        raise InputError(
            "method = 'exact' needs evolve rows that are linear in the states with constant coefficients; "
            f"these are not, use method='auto' (here: '{choose_method(structure)}')"
        )
    if method == "exponential euler" and not structure.linear_in_own_state:
        raise InputError("method = 'exponential euler' needs each d/dt to be linear in its own state; use 'rk4'")
    if noisy and method == "rk4":
        raise InputError("method = 'rk4' is for rows without noise; use 'heun' or 'euler'")
    if noisy and method == "heun" and not structure.additive_noise:
        raise InputError(
            "method = 'heun' would read this noise in the sense of Stratonovich, rows are Ito; use 'euler'"
        )
    return method


def derive_step(neuron: Neuron, structure: Structure, method: str) -> Step:
    """Return the one-step formula of a neuron for a method (see `choose_method`)."""
    orders = {
        "exact": "exact",
        "exponential euler": "1",
        "rk4": "4",
        "heun": "2",
        "euler": "1",
        "sequential euler": "1",
    }
    order = orders[method]
    if structure.noises and method != "exact":
        order = "1 (strong)" if structure.additive_noise else "1/2 (strong)"
    normals = len(structure.noises)
    if method == "exact":
        normals = len(noisy_states(structure)) if structure.noises else 0
        branches = {c: _exact(structure, c) for c in clamp_sets(neuron)}
    else:
        make = {
            "euler": _euler,
            "sequential euler": _sequential_euler,
            "heun": _heun,
            "rk4": _rk4,
            "exponential euler": _exponential_euler,
        }[method]
        limit = stage_limit(neuron, structure)
        branches = {c: make(structure, c, limit) for c in clamp_sets(neuron)}
    names = sorted({s.name for b in branches.values() for _, e in b for s in e.free_symbols if s.name.startswith("_P")})
    return Step(method, order, branches, tuple(names), normals)


def _free(structure: Structure, clamped: frozenset[str]) -> list[int]:
    return [i for i, s in enumerate(structure.states) if s.name not in clamped]


def stage_limit(neuron: Neuron, structure: Structure) -> dict[sympy.Symbol, Any]:
    """Return a state's threshold where a stage beyond it would only overflow.

    exp((v - V_T)/Delta) at a stage far above the threshold is infinite and spoils the other states; beyond its
    threshold the neuron fires at the end of the step anyway, and the reset moves the state.
    """
    found = threshold_function(neuron)
    if found is None or structure.linear_in_own_state:
        return {}
    g, _ = found
    for x in structure.states:
        theta = sympy.expand(x - g)
        moved = any(j.state == x.name for j in neuron.rows.reset)
        if moved and not theta.free_symbols & {*structure.states, *structure.inputs, symbol("t")}:
            return {x: theta}
    return {}


def _with_cse(pairs: list[tuple[str, Any]], prefix: str) -> list[tuple[str, Any]]:
    """Return the statements with common subexpressions computed once."""
    names = (symbol(f"{prefix}{i}") for i in range(10_000))
    shared, reduced = sympy.cse([e for _, e in pairs], symbols=names, order="canonical")
    return [(s.name, e) for s, e in shared] + [(n, e) for (n, _), e in zip(pairs, reduced, strict=True)]


def _noise_term(structure: Structure, i: int) -> Any:
    terms = [g * symbol(f"_z_{j}") for j, g in enumerate(structure.noise[i])]
    return sympy.sqrt(_DT) * sum(terms) if terms else sympy.Integer(0)


def _keep(structure: Structure, clamped: frozenset[str]) -> list[tuple[str, Any]]:
    return [(f"_new_{s.name}", s) for s in structure.states if s.name in clamped]


def _euler(structure: Structure, clamped: frozenset[str], limit: dict[sympy.Symbol, Any]) -> Statements:
    pairs = [
        (f"_new_{structure.states[i].name}", structure.states[i] + _DT * structure.drift[i] + _noise_term(structure, i))
        for i in _free(structure, clamped)
    ]
    return (*_with_cse(pairs, "_x"), *_keep(structure, clamped))


def _sequential_euler(structure: Structure, clamped: frozenset[str], limit: dict[sympy.Symbol, Any]) -> Statements:
    out: list[tuple[str, Any]] = []
    done: dict[sympy.Symbol, sympy.Symbol] = {}
    for i in _free(structure, clamped):
        x = structure.states[i]
        out.append(
            (
                f"_new_{x.name}",
                (
                    x
                    + _DT * structure.drift[i].subs({s: n for s, n in done.items() if s != x})
                    + _noise_term(structure, i)
                ),
            )
        )
        done[x] = symbol(f"_new_{x.name}")
    return (*out, *_keep(structure, clamped))


def _stage(
    structure: Structure, clamped: frozenset[str], name: str, at: dict[sympy.Symbol, Any], time: Any
) -> list[tuple[str, Any]]:
    replaced = {**at, symbol("t"): time}
    pairs = [
        (f"_{name}_{structure.states[i].name}", structure.drift[i].subs(replaced, simultaneous=True))
        for i in _free(structure, clamped)
    ]
    return _with_cse(pairs, f"_x{name}_")


def _shift(
    structure: Structure, clamped: frozenset[str], slope: str, step: Any, limit: dict[sympy.Symbol, Any]
) -> tuple[list[tuple[str, Any]], dict[sympy.Symbol, Any]]:
    """Return statements for the states moved along a slope, and what to put in their place."""
    statements, places = [], {}
    for i in _free(structure, clamped):
        x = structure.states[i]
        moved = x + step * symbol(f"_{slope}_{x.name}")
        if x in limit:
            moved = sympy.Min(moved, limit[x])
        name = f"_at_{slope}_{x.name}"
        statements.append((name, moved))
        places[x] = symbol(name)
    return statements, places


def _heun(structure: Structure, clamped: frozenset[str], limit: dict[sympy.Symbol, Any]) -> Statements:
    free = _free(structure, clamped)
    out = _stage(structure, clamped, "k1", {}, symbol("t"))
    places: dict[sympy.Symbol, Any] = {}
    for i in free:
        x = structure.states[i]
        moved = x + _DT * symbol(f"_k1_{x.name}") + _noise_term(structure, i)
        out.append((f"_at_k1_{x.name}", sympy.Min(moved, limit[x]) if x in limit else moved))
        places[x] = symbol(f"_at_k1_{x.name}")
    out += _stage(structure, clamped, "k2", places, symbol("t") + _DT)
    for i in free:
        x = structure.states[i]
        mean = (symbol(f"_k1_{x.name}") + symbol(f"_k2_{x.name}")) * (_DT / 2)
        out.append((f"_new_{x.name}", x + mean + _noise_term(structure, i)))
    return (*out, *_keep(structure, clamped))


def _rk4(structure: Structure, clamped: frozenset[str], limit: dict[sympy.Symbol, Any]) -> Statements:
    half, t = _DT / 2, symbol("t")
    out = _stage(structure, clamped, "k1", {}, t)
    for slope, after, step in (("k1", "k2", half), ("k2", "k3", half), ("k3", "k4", _DT)):
        moved, places = _shift(structure, clamped, slope, step, limit)
        out += moved
        out += _stage(structure, clamped, after, places, t + step)
    for i in _free(structure, clamped):
        x = structure.states[i]
        k1, k2, k3, k4 = (symbol(f"_k{j}_{x.name}") for j in (1, 2, 3, 4))
        out.append((f"_new_{x.name}", x + _DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)))
    return (*out, *_keep(structure, clamped))


def _exponential_euler(structure: Structure, clamped: frozenset[str], limit: dict[sympy.Symbol, Any]) -> Statements:
    """dx/dt = a x + b with a, b held: x + dt f exprel(a dt)."""
    pairs = []
    for i in _free(structure, clamped):
        x, f = structure.states[i], structure.drift[i]
        a = sympy.diff(f, x)
        pairs.append((f"_new_{x.name}", x + _DT * f * (exprel(a * _DT) if a != 0 else 1) + _noise_term(structure, i)))
    return (*_with_cse(pairs, "_x"), *_keep(structure, clamped))


def noisy_states(structure: Structure) -> list[int]:
    """Return the states whose exact transition is random: those the noise reaches through the flow."""
    assert structure.affine is not None
    a = structure.affine[0]
    reached = {i for i, row in enumerate(structure.noise) if any(g != 0 for g in row)}
    while True:
        more = {i for i in range(len(structure.states)) for j in reached if a[i, j] != 0} | reached
        if more == reached:
            return sorted(reached)
        reached = more


def _exact(structure: Structure, clamped: frozenset[str]) -> Statements:
    """X -> P x + Q u + r (+ L z), the entries being coefficients that `propagators` computes."""
    assert structure.affine is not None
    a, b, c = structure.affine
    free = _free(structure, clamped)
    tag = clamp_tag([x.name for x in structure.states], clamped)
    n = len(structure.states)
    reach = _reachability(a, free, n)
    noisy = noisy_states(structure) if structure.noises else []
    out = []
    for i in free:
        total: Any = sympy.Integer(0)
        sources = [k for k in free if reach[i][k]]
        for j in range(n):
            if (j in free and reach[i][j]) or (j not in free and any(a[k, j] != 0 for k in sources)):
                total += symbol(f"{tag}__{i}_{j}") * structure.states[j]
        for j, u in enumerate(structure.inputs):
            if any(b[k, j] != 0 for k in sources):
                total += symbol(f"{tag}__{i}_u{j}") * u
        if any(c[k] != 0 for k in sources):
            total += symbol(f"{tag}__{i}_c")
        for m in range(len(noisy)):
            if i in noisy and noisy.index(i) >= m:
                total += symbol(f"{tag}__{i}_z{m}") * symbol(f"_z_{m}")
        out.append((f"_new_{structure.states[i].name}", total))
    return (*out, *_keep(structure, clamped))


def _reachability(a: sympy.Matrix, free: list[int], n: int) -> list[list[bool]]:
    """Return whether state j can move state i within a step, through free states only."""
    reach = [[i == j for j in range(n)] for i in range(n)]
    for _ in range(n):
        for i in free:
            for j in free:
                reach[i][j] = reach[i][j] or any(a[i, k] != 0 and reach[k][j] for k in free)
    return reach
