"""The symbols behind `rheobase.derive.eventprop`: derivatives of flow, threshold and jumps, taken by SymPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import sympy

from rheobase.derive.symbolic import check_affine
from rheobase.derive.write import write_expression
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron
from rheobase.model.rows import Jump

__all__ = ["JumpBack", "describe_adjoint", "transpose_jump"]


@final
@dataclass(frozen=True)
class JumpBack:
    """A jump ``x+ = R(x-, w, t, p)`` transposed, as statements.

    From the names `_l_<state>` of the adjoint l+ after the jump they compute ``R_x^T l+`` (`_b_<state>`), and l+ times
    R_w, R_t and R_p (`_d_w`, `_d_t`, `_d_<parameter>`).
    """

    statements: tuple[tuple[str, Any], ...]
    results: tuple[str, ...]


def describe_adjoint(neuron: Neuron, trained: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `AdjointFacts` as plain JSON."""
    structure, g, _ = check_affine(neuron, ())
    assert structure.affine is not None
    a, _, c = structure.affine
    n = len(structure.states)
    out: dict[str, dict[str, list[list[Any]]]] = {"flow": {}, "threshold": {}, "start": {}}
    for name in trained:
        p = symbol(name)
        if name in neuron.states:  # an initial value: nothing else depends on it
            out["flow"][name] = out["threshold"][name] = out["start"][name] = []
            continue
        entries = [(i, j, a[i, j]) for i in range(n) for j in range(n)] + [(i, n, c[i]) for i in range(n)]
        out["flow"][name] = _slopes(entries, p)
        terms: list[tuple[int, int, Any]] = []
        if g is not None:
            slope = [sympy.diff(g, s) for s in structure.states]
            level = sympy.expand(g - sum(d * s for d, s in zip(slope, structure.states, strict=True)))
            terms = [(0, j, e) for j, e in enumerate([*slope, level])]
        out["threshold"][name] = _slopes(terms, p)
        resets = [(neuron.states.index(j.state), 0, neuron.rows.substitute(j.value)) for j in neuron.rows.reset]
        states = set(structure.states)
        out["start"][name] = _slopes([r for r in resets if not r[2].free_symbols & states], p)
    return out


def transpose_jump(neuron: Neuron, jumps: Sequence[Jump], trained: Sequence[str]) -> JumpBack:
    """Return the transposed derivative of jumps that are carried out one after the other."""
    states = [symbol(s) for s in neuron.states]
    after: dict[Any, Any] = {s: s for s in states}
    for j in jumps:
        value = neuron.rows.substitute(j.value).subs(after, simultaneous=True)
        after = {**after, symbol(j.state): value}
    total = sum(symbol(f"_l_{s.name}") * after[s] for s in states)
    wanted = [(f"_b_{s.name}", s) for s in states]
    wanted += [("_d_w", symbol("w_i")), ("_d_t", symbol("t")), *((f"_d_{p}", symbol(p)) for p in trained)]
    initial = {f"_d_{s}" for s in neuron.states}  # of a state's initial value: the jump does not depend on it
    slopes = [sympy.S.Zero if name in initial else _clean(sympy.diff(total, x)) for name, x in wanted]
    names = (symbol(f"_x{i}") for i in range(10_000))
    shared, reduced = sympy.cse(slopes, symbols=names, order="canonical")
    statements = [(s.name, e) for s, e in shared]
    statements += [(name, e) for (name, _), e in zip(wanted, reduced, strict=True)]
    return JumpBack(tuple(statements), tuple(name for name, _ in wanted))


def _slopes(entries: Sequence[tuple[int, int, Any]], p: Any) -> list[list[Any]]:
    found = [(i, j, _clean(sympy.diff(e, p))) for i, j, e in entries if p in sympy.sympify(e, strict=True).free_symbols]
    return [[i, j, write_expression(e)] for i, j, e in found if e != 0]


def _clean(e: Any) -> Any:
    """Return a derivative without the points where there is none: a kink of min or abs, a step of floor or sign."""
    e = e.replace(lambda x: isinstance(x, sympy.Derivative | sympy.Subs | sympy.DiracDelta), lambda x: sympy.S.Zero)
    return e.replace(
        lambda x: isinstance(x, sympy.Heaviside),
        lambda x: sympy.Piecewise((sympy.S.One, x.args[0] > 0), (sympy.S.Zero, True)),
    )
