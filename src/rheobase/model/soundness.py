"""The checks of rows that take symbols, or all rows together; made when they are seen for the first time."""

from __future__ import annotations

import ast
from typing import Final

from rheobase.errors import RowError
from rheobase.model.algebra import has_equality
from rheobase.model.expression import Expression
from rheobase.model.rows import Rows

__all__ = ["check_expansion", "check_rows"]

MAX_EXPANDED: Final = 5_000


def check_rows(rows: Rows) -> None:
    """Refuse what only shows in the rows as a whole."""
    check_expansion(rows)
    states = set(rows.states)
    if rows.threshold is not None:
        if rows.hazard is not None:
            raise RowError("hazard", "a neuron fires by a threshold or by a hazard, not both; leave one out")
        value = rows.substitute(rows.threshold.value)
        if not {s.name for s in value.free_symbols} & states:
            raise RowError(
                "threshold",
                "no state stands here, so it can never be reached or always is; write for example"
                f"  {rows.states[0]} > theta",
                rows.threshold.clean.line,
            )
        if has_equality(value):
            raise RowError(
                "threshold", "'==' holds for an instant that no step meets; write >= or >", rows.threshold.clean.line
            )
    if rows.reset and rows.threshold is None and rows.hazard is None:
        raise RowError("reset", "there is a reset but nothing that fires; give threshold= or hazard=")
    for e in rows.expressions():
        for s in sorted(e.names):
            if s == "w_i" and e.row != "receive":
                raise RowError(
                    e.row, "w_i is the weight of the arriving synapse; it exists in the receive row only", e.clean.line
                )
            if (s == "xi" or s.startswith("xi_")) and e.row != "evolve":
                raise RowError(e.row, f"{s} is white noise; it exists in the evolve row only", e.clean.line)
            if s == "dt":
                raise RowError(e.row, "'dt' is the engine's step, not part of a neuron", e.clean.line)
    for f in rows.flows:
        noise = [s for s in rows.substitute(f.value).free_symbols if s.name == "xi" or s.name.startswith("xi_")]
        for s in noise:
            if rows.substitute(f.value).diff(s).free_symbols & set(noise):
                raise RowError(
                    "evolve", f"white noise {s.name} may only be multiplied by a factor and added", f.right.clean.line
                )


def check_expansion(rows: Rows) -> None:
    """Refuse definitions that grow without bound when put in: a = v + v, b = a + a, c = b + b, ..."""
    size: dict[str, int] = {}

    def count(e: Expression) -> int:
        nodes = [*ast.walk(e.tree)]
        total = len(nodes) + sum(size.get(n.id, 0) for n in nodes if isinstance(n, ast.Name))
        if total > MAX_EXPANDED:
            raise RowError(
                e.row, f"with its definitions put in, this has {total} terms; {MAX_EXPANDED} are the most", e.clean.line
            )
        return total

    for name, e in rows.derived:
        size[name] = count(e)
    for e in rows.expressions():
        count(e)
