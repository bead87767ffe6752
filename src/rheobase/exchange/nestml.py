"""to_nestml: a neuron as NESTML text (Plotnikov et al. 2016; version 8 and later), of which NEST's code is made."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final, final

import numpy as np

from rheobase.engines.population import prepare
from rheobase.errors import InputError, NotExportable
from rheobase.exchange.text_file import write_text
from rheobase.model.expression import Expression
from rheobase.model.neuron import Neuron
from rheobase.model.rows import Jump
from rheobase.units import DIMENSIONLESS, Dimension

__all__ = ["to_nestml"]

_FUNCTIONS: Final = {
    "log": "ln",
    **{n: n for n in ("exp", "abs", "min", "max", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
}
#: Words of the language and names of its functions.
_TAKEN: Final = frozenset(
    {"spike", "state", "input", "output", "update", "model", "function", "internals", "parameters", "equations", "t",
     "e", "inf", "steps", "resolution", "refractory_steps", "and", "or", "not", "true", "false", "real", "integer",
     "timestep", "for", "while", "if", "else", "elif", "end", "return", "recordable", "inline", "kernel"}
)  # fmt: skip


def to_nestml(neuron: Neuron, file: str | Path | None = None, overwrite: bool = False) -> str:
    """Return a neuron as a NESTML model, and write it to a file.

    Parameters
    ----------
    neuron : Neuron
    file : str or Path, optional
        Its name should end in ``.nestml``.
    overwrite : bool

    Raises
    ------
    NotExportable
        With all that NESTML cannot say: noise, a hazard, values that differ between neurons, some functions.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> print(to_nestml(LIF(refractory=None)))
    model LIF_neuron:
        state:
            v mV = -70.0 mV
    <BLANKLINE>
        equations:
            v' = (E_L - v + R * I) / tau
    <BLANKLINE>
        parameters:
            tau ms = 20.0 ms
            R MOhm = 100.0 MOhm
            E_L mV = -70.0 mV
            theta mV = -50.0 mV
            v_r mV = -70.0 mV
            I nA = 0.0 nA
    <BLANKLINE>
        input:
            spikes <- spike
    <BLANKLINE>
        output:
            spike
    <BLANKLINE>
        update:
            integrate_odes()
    <BLANKLINE>
        onReceive(spikes):
            v = v + (spikes * 1 s * 1 mV)
    <BLANKLINE>
        onCondition(v > theta):
            v = v_r
            emit_spike()
    <BLANKLINE>
    """
    if not isinstance(neuron, Neuron):
        raise InputError(f"to_nestml wants a Neuron, not {type(neuron).__name__}")
    text = _Printer(neuron).text()
    if file is not None:
        write_text(file, text, overwrite)
    return text


def _unit(d: Dimension | None) -> str:
    return "real" if d is None or d == DIMENSIONLESS else d.unit


@final
class _Printer:
    def __init__(self, neuron: Neuron) -> None:
        self.neuron = neuron
        p = prepare(neuron, dict.fromkeys(neuron.inputs, 0.0), 0)
        problems = _problems(neuron)
        if p.n != 1:
            problems.append("values that differ between neurons")
        if problems:
            raise NotExportable(f"NESTML cannot say of {neuron.name}: {', '.join(problems)}")
        self.values = {k: float(np.asarray(x).reshape(-1)[0]) for k, x in p.values.items() if k not in neuron.inputs}
        self.start = {k: float(x[0]) for k, x in p.initial.items()}
        self.has_units = any(d is not None and d != DIMENSIONLESS for d in neuron.dimensions.values())
        waits = [*neuron.refractory.values()]
        self.wait = waits[0] if waits and self.values[waits[0]] > 0 else None
        self.held = [s for s in neuron.refractory if s != "threshold"] if self.wait else []

    def text(self) -> str:
        rows = self.neuron.rows
        name = re.sub(r"\W", "_", self.neuron.name)
        blocks = [("state", self._state()), ("equations", self._equations()), ("parameters", self._parameters())]
        if self.wait:
            blocks.append(("internals", [f"n_held integer = steps({self.wait})"]))
        blocks += [
            ("input", self._inputs()),
            ("output", ["spike"] if rows.threshold is not None else []),
            ("update", self._update()),
        ]
        for port, jumps in rows.receive.items():
            blocks.append((f"onReceive({port})", self._receive(port, jumps)))
        if rows.threshold is not None:
            blocks.append(self._fire(rows.threshold))
        told = ["\n".join([f"    {head}:", *(f"        {x}" for x in lines)]) for head, lines in blocks if lines]
        return f"model {name}_neuron:\n" + "\n\n".join(told) + "\n"

    def _quantity(self, name: str, value: float) -> str:
        unit = _unit(self.neuron.dimensions.get(name))
        return f"{name} {unit} = {value!r}" + ("" if unit == "real" else f" {unit}")

    def _state(self) -> list[str]:
        out = [self._quantity(s, self.start[s]) for s in self.neuron.states]
        return [*out, *(["held integer = 0"] if self.wait else [])]

    def _equations(self) -> list[str]:
        out = []
        for name, e in self.neuron.rows.derived:
            out.append(f"inline {name} {_unit(self.neuron.dimensions.get(name))} = {_say(e)}")
        for f in self.neuron.rows.flows:
            right = _say(f.right)
            if f.coefficient is not None:
                c = f.coefficient
                right = f"({right}) / {_say(c) if isinstance(c.tree, ast.Name) else f'({_say(c)})'}"
            if not self.has_units:
                right = f"({right}) / (1 ms)"
            out.append(f"{f.state}' = {right}")
        return out

    def _parameters(self) -> list[str]:
        return [self._quantity(k, x) for k, x in self.values.items()]

    def _inputs(self) -> list[str]:
        ports = [f"{port} <- spike" for port in self.neuron.ports]
        return [*ports, *(f"{u} {_unit(self.neuron.dimensions.get(u))} <- continuous" for u in self.neuron.inputs)]

    def _update(self) -> list[str]:
        out = ["integrate_odes()"]
        if self.held:
            free = [s for s in self.neuron.states if s not in self.held]
            flow = [f"    integrate_odes({', '.join(free)})"] if free else []
            out = ["if held > 0:", *flow, "    held -= 1", "else:", "    integrate_odes()"]
        elif self.wait:
            out += ["if held > 0:", "    held -= 1"]
        for b in self.neuron.rows.bounds:
            pick = "max" if b.side == ">=" else "min"
            out.append(f"{b.state} = {pick}({b.state}, {_say(b.right)})")
        return out

    def _receive(self, port: str, jumps: tuple[Jump, ...]) -> list[str]:
        unit = _unit(self.neuron.dimensions.get(f"w_i:{port}"))
        weight = f"({port} * 1 s" + (")" if unit == "real" else f" * 1 {unit})")
        out = []
        for j in jumps:
            line = f"{j.state} = {_say(j.right, {'w_i': weight})}"
            out += ["if held == 0:", f"    {line}"] if j.state in self.held else [line]
        return out

    def _fire(self, threshold: Expression) -> tuple[str, list[str]]:
        condition = _say(threshold)
        lines = [f"{j.state} = {_say(j.right)}" for j in self.neuron.rows.reset]
        if self.wait:
            condition, lines = f"held == 0 and ({condition})", ["held = n_held", *lines]
        return f"onCondition({condition})", [*lines, "emit_spike()"]


def _problems(neuron: Neuron) -> list[str]:
    out = []
    if neuron.noises:
        out.append(f"white noise ({', '.join(neuron.noises)})")
    if neuron.hazard is not None:
        out.append("a hazard")
    if len(set(neuron.refractory.values())) > 1:
        out.append("different refractory times of its states")
    names = (*neuron.states, *neuron.parameters, *neuron.inputs, *neuron.ports)
    out += [f"the name '{name}'" for name in names if name in {*_TAKEN, "held", "n_held"}]
    for e in neuron.rows.expressions():
        for node in ast.walk(e.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id not in (*_FUNCTIONS, "sqrt", "where"):
                    out.append(f"{node.func.id}() in the {e.row} row")
            elif isinstance(node, ast.Name) and node.id == "t":
                out.append(f"t in the {e.row} row")
    return out


def _say(e: Expression, names: dict[str, str] | None = None) -> str:
    tree = ast.parse(ast.unparse(e.tree), mode="eval").body  # a copy: the rows stay as they are
    return ast.unparse(_Words(names or {}).visit(tree))


@final
class _Words(ast.NodeTransformer):
    """Puts NESTML's words in place of ours; operators and their precedence are the same, but for ``where``."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        assert isinstance(node.func, ast.Name)
        told = [ast.unparse(self.visit(a)) for a in node.args]
        if node.func.id == "where":
            return ast.Name(f"(({told[0]}) ? ({told[1]}) : ({told[2]}))")
        if node.func.id == "sqrt":
            return ast.Name(f"(({told[0]}) ** 0.5)")
        function, out = _FUNCTIONS[node.func.id], told[0]
        for x in told[1:]:  # min and max take two
            out = f"{function}({out}, {x})"
        return ast.Name(out if len(told) > 1 else f"{function}({out})")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.names.get(node.id, "3.141592653589793" if node.id == "pi" else node.id))
