"""The four rows typeset: MathML as nested lists, in the order in which the rows were written.

A tree is ``[tag, child, child, ...]`` with texts as leaves. The page makes elements of it one by one, so that nothing
of it is ever read as HTML.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Final

from rheobase.model.neuron import Neuron

__all__ = ["name_tree", "typeset"]

Tree = list[Any]

_GREEK: Final = dict(
    alpha="α", beta="β", gamma="γ", delta="δ", Delta="Δ", epsilon="ε", eta="η", theta="ϑ", lambda_="λ", mu="μ", nu="ν",
    xi="ξ", rho="ρ", sigma="σ", Sigma="Σ", tau="τ", phi="φ", chi="χ", psi="ψ", omega="ω", Omega="Ω", Gamma="Γ",
)  # fmt: skip
_SIGNS: Final[dict[type, str]] = {
    ast.Gt: ">",
    ast.GtE: "≥",
    ast.Lt: "<",
    ast.LtE: "≤",
    ast.Eq: "=",
    ast.NotEq: "≠",
    ast.And: "and",
    ast.Or: "or",
}
_SUM, _PRODUCT, _SIGN, _POWER = 1, 2, 3, 4


def name_tree(name: str) -> Tree:
    """Return a name as it is printed: Greek letters, what follows an underscore below the line.

    >>> name_tree("tau_m")
    ['msub', ['mi', 'τ'], ['mi', 'm']]
    """
    head, _, tail = re.sub(r"^([A-Za-z]+)(\d+)$", r"\1_\2", name).partition("_")
    first: Tree = ["mi", _GREEK.get(head, head)]
    if not tail:
        return first
    below = ",".join(_GREEK.get(part, part) for part in tail.split("_"))
    return ["msub", first, ["mn" if below.isdigit() else "mi", below]]


def _number(x: float) -> Tree:
    return ["mn", f"{x:g}".replace("-", "−")]


def _row(*parts: Tree) -> Tree:
    return ["mrow", *parts]


def _operator(sign: str) -> Tree:
    return ["mo", sign]


def _brackets(tree: Tree) -> Tree:
    return _row(_operator("("), tree, _operator(")"))


def _strength(node: ast.expr) -> int:
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return _SUM
        case ast.UnaryOp():
            return _SIGN if not isinstance(node.op, ast.Not) else 0
        case ast.BinOp(left=ast.UnaryOp(op=ast.USub()), op=ast.Div()):
            return _SIGN
        case ast.BinOp(op=ast.Mult()):
            return _PRODUCT
        case ast.BinOp(op=ast.Pow()):
            return _POWER
        case ast.Compare() | ast.BoolOp():
            return 0
    return _POWER + 1  # a fraction brackets itself


def _inside(node: ast.expr, least: int) -> Tree:
    tree = _tree(node)
    return tree if _strength(node) >= least else _brackets(tree)


def _tree(node: ast.expr) -> Tree:
    match node:
        case ast.Constant(value=number):
            return _number(float(number))  # type: ignore[arg-type]
        case ast.Name(id="pi"):
            return ["mi", "π"]
        case ast.Name(id=name):
            return name_tree(name)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _row(_operator("−"), _inside(inner, _PRODUCT))
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return _row(["mtext", "not\u00a0"], _inside(inner, 1))
        case ast.UnaryOp(operand=inner):
            return _tree(inner)
        case ast.BinOp(left=ast.UnaryOp(op=ast.USub(), operand=inner), op=ast.Div(), right=right):
            return _row(_operator("−"), ["mfrac", _tree(inner), _tree(right)])
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            below = [_inside(right, _PRODUCT)]
            while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Div):  # a/b/c has one bar
                below = [_inside(left.right, _PRODUCT), _operator("\u2062"), *below]
                left = left.left
            return ["mfrac", _tree(left), _tree(right) if len(below) == 1 else _row(*below)]
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base = left if _strength(left) > _POWER and not isinstance(left, ast.BinOp | ast.Call) else None
            return ["msup", _tree(left) if base is not None else _brackets(_tree(left)), _tree(right)]
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            sign = "·" if isinstance(right, ast.Constant) else "\u2062"
            if isinstance(right, ast.UnaryOp):
                return _row(_inside(left, _PRODUCT), _operator(sign), _brackets(_tree(right)))
            return _row(_inside(left, _PRODUCT), _operator(sign), _inside(right, _SIGN))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _row(_tree(left), _operator("−"), _inside(right, _PRODUCT))
        case ast.BinOp(left=left, right=right):
            return _row(_tree(left), _operator("+"), _tree(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _row(_inside(left, 1), _operator(_SIGNS[type(op)]), _inside(right, 1))
        case ast.BoolOp(op=op, values=parts):
            out: Tree = ["mrow", _inside(parts[0], 1)]
            for part in parts[1:]:
                out += [["mtext", f"\u00a0{_SIGNS[type(op)]}\u00a0"], _inside(part, 1)]
            return out
        case ast.Call(func=ast.Name(id="exp"), args=[inner]) if not isinstance(inner, ast.Constant):
            return ["msup", ["mi", "e"], _tree(inner)]
        case ast.Call(func=ast.Name(id="sqrt"), args=[inner]):
            return ["msqrt", _tree(inner)]
        case ast.Call(func=ast.Name(id="abs"), args=[inner]):
            return _row(_operator("|"), _tree(inner), _operator("|"))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            between: Tree = []
            for i, a in enumerate(arguments):
                between += [_operator(","), _tree(a)] if i else [_tree(a)]
            return _row(["mi", name], _operator("("), *between, _operator(")"))
    raise TypeError(f"no way to typeset {ast.dump(node):.60}")


def _jumps(jumps: Any) -> list[Tree]:
    return [_row(name_tree(j.state), _operator("←"), _tree(j.right.tree)) for j in jumps]


def typeset(neuron: Neuron) -> list[tuple[str, list[Tree]]]:
    """Return the table of a neuron: a heading and lines of mathematics for each row."""
    rows = neuron.rows
    evolve: list[Tree] = []
    for f in rows.flows:
        slope: Tree = ["mfrac", _row(["mi", "d"], name_tree(f.state)), _row(["mi", "d"], ["mi", "t"])]
        left = [slope] if f.coefficient is None else [_inside(f.coefficient.tree, _PRODUCT), ["mspace"], slope]
        evolve.append(_row(*left, _operator("="), _tree(f.right.tree)))
    evolve += [_row(name_tree(n), _operator("="), _tree(e.tree)) for n, e in rows.derived]
    evolve += [_row(name_tree(b.state), _operator(b.side.replace(">=", "≥").replace("<=", "≤")), _tree(b.right.tree))
               for b in rows.bounds]  # fmt: skip
    out = [("evolve", evolve)]
    for port, jumps in rows.receive.items():
        out.append(("receive" if port == "spikes" else f"receive ({port})", _jumps(jumps)))
    if rows.threshold is not None:
        out.append(("threshold", [_tree(rows.threshold.tree)]))
    if rows.hazard is not None:
        out.append(("hazard", [_row(["mi", "ρ"], _operator("="), _tree(rows.hazard.tree))]))
    if rows.reset:
        out.append(("reset", _jumps(rows.reset)))
    if neuron.refractory:
        groups: dict[str, list[str]] = {}
        for state, time in neuron.refractory.items():
            groups.setdefault(time, []).append(state)
        lines = []
        for time, held in groups.items():
            parts: Tree = ["mrow"]
            for i, s in enumerate(held):
                parts += [_operator(",")] if i else []
                parts.append(["mtext", "threshold"] if s == "threshold" else name_tree(s))
            means = "off" if held == ["threshold"] else "held"
            lines.append(_row(parts, ["mtext", f"\u00a0{means} for\u00a0"], name_tree(time)))
        out.append(("refractory", lines))
    return out
