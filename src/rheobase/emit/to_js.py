"""The rows as JavaScript: translated, node by node, from the very Python text that the clock engine runs.

So the order of every floating-point operation is the engine's, and a run in the browser or in Node gives its spike
steps. What is not arithmetic (the loop over steps, deliveries, refractoriness) is written here once more, in the
order of operations of `rheobase.engines.reference`.

Names of ours begin with ``_`` or ``$``, which no user's name does; a user's name that JavaScript keeps for itself
gets a ``$`` at its end.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Mapping
from typing import Any

from rheobase.derive.additive import additive_ports
from rheobase.derive.facts import rest_facts, step_facts
from rheobase.derive.integrate import derive_step
from rheobase.derive.propagate import clamp_sets, clamp_tag
from rheobase.derive.structure import analyse, threshold_function
from rheobase.derive.write import write_expression
from rheobase.emit.js_expression import Namer, mangle, translate, translate_node
from rheobase.emit.to_python import row_functions
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron

__all__ = ["print_program"]


def _names_in(text: str) -> set[str]:
    tree = ast.parse(text, mode="eval")
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called} - {"pi"}


def _take(neuron: Neuron, texts: Collection[str], states: bool) -> str:
    """Return the declarations of what stands in some texts: states from the array $s, all else from the object $p."""
    found = set().union(*(_names_in(t) for t in texts)) - {"t"}
    parts = [f"{mangle(s)} = $s[{i}]" for i, s in enumerate(neuron.states) if states and s in found]
    parts += [f"{mangle(n)} = $p.{n}" for n in sorted(found - set(neuron.states if states else ()))]
    return f"const {', '.join(parts)}; " if parts else ""


def _matrix(rows: Collection[Collection[str]]) -> str:
    return "[" + ", ".join("[" + ", ".join(translate(t) for t in row) + "]" for row in rows) + "]"


class _Rows:
    """The row functions of a neuron as Python's syntax trees, to be put into a loop."""

    def __init__(self, neuron: Neuron, lines: list[str]) -> None:
        self.states = neuron.states
        tree = ast.parse("\n".join(lines))
        self.functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}

    def used(self) -> set[str]:
        """Return the names of what the functions are given besides the states."""
        return {a.arg for f in self.functions.values() for a in f.args.args} - set(self.states)

    def statements(self, name: str, rename: Namer) -> list[str]:
        """Return a function's statements, and what it returns assigned to the states."""
        out: list[str] = []
        declared: set[str] = set()
        for line in self.functions[name].body:
            match line:
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    new = target not in self.states and target not in declared
                    declared.add(target)
                    out.append(f"{'let ' if new else ''}{rename(target)} = {translate_node(value, rename)[0]};")
                case ast.Return(value=ast.Tuple(elts=values)):
                    pairs = zip(self.states, (translate_node(v, rename)[0] for v in values), strict=True)
                    out += [f"{rename(s)} = {text};" for s, text in pairs if text != rename(s)]
        return out

    def value(self, name: str, rename: Namer) -> str:
        """Return what a function of one line returns."""
        last = self.functions[name].body[-1]
        assert isinstance(last, ast.Return)
        assert last.value is not None
        return translate_node(last.value, rename)[0]


def _later(name: str) -> str:
    """Name what holds at the end of a step, where all but the flow happens."""
    return {"t": "$after", "w_i": "$w"}.get(name) or mangle(name)


def _flow(neuron: Neuron, rows: _Rows) -> list[str]:
    lines: list[str] = []
    for clamped in reversed(clamp_sets(neuron)):
        tail = "_clamped_" + "__".join(sorted(clamped)) if clamped else ""
        test = " && ".join(f"$left_{s}[$i] > 0" for s in sorted(clamped))
        head = f"if ({test}) {{" if clamped else "{"
        lines += [("else " if lines else "") + head, *_indent(rows.statements(f"_flow{tail}", mangle)), "}"]
    return lines


def _deliver(neuron: Neuron, rows: _Rows, port: str, additive: bool) -> list[str]:
    """Return the lines that act on what arrives at a port, clamped states kept."""
    moved = [j.state for j in neuron.rows.receive[port]]
    held = [s for s in neuron.refractory if s in moved]
    act = [f"const $old_{s} = {mangle(s)};" for s in held] + rows.statements(f"_receive_{port}", _later)
    act += [f"if ($left_{s}[$i] > 0) {mangle(s)} = $old_{s};" for s in held]
    if additive:
        return [
            f"if ($sum_{port} !== null) {{",
            *_indent([f"const $w = $sum_{port}[$row * $n + $i];", "if ($w !== 0) {", *_indent(act), "}"]),
            "}",
        ]
    return [
        f"if ($turn_{port} !== null) {{",
        *_indent(
            [
                f"const {{edges: $from_{port}, weights: $weight_{port}}} = $turn_{port}, $at_{port} = $row * $n + $i;",
                f"for (let $e = $from_{port}[$at_{port}]; $e < $from_{port}[$at_{port} + 1]; $e++) {{",
                *_indent([f"const $w = $weight_{port}[$e];", *act]),
                "}",
            ]
        ),
        "}",
    ]


def _advance(neuron: Neuron, rows: _Rows, varying: Collection[str], normals: int) -> list[str]:
    """Return the loop over steps and neurons."""
    states, targets, additive = neuron.states, list(neuron.refractory), additive_ports(neuron)
    held = sorted(rows.used() - {*varying, "t", "dt", "w_i"} - {f"_z_{j}" for j in range(normals)})
    inputs = sorted(set(varying) & rows.used())
    take = ["$n = $.n", "dt = $.dt", "$keep = $.keep", "$spikes = $.spikes"]
    take += [f"$at_{s} = $.at.{s}" for s in states] + [f"$trace_{s} = $.traces.{s}" for s in states]
    take += [f"$left_{s} = $.left.{s}" for s in targets] + [f"$steps_{s} = $.held._steps_{s}" for s in targets]
    take += [f"{mangle(p)} = $.held.{p}" for p in held]
    take += [
        f"$in_{u} = $.inputs.{u}.data, $step_{u} = $.inputs.{u}.step, $each_{u} = $.inputs.{u}.each" for u in inputs
    ]
    take += [
        f"$sum_{p} = $.sums.{p} ?? null" if p in additive else f"$turn_{p} = $.turns.{p} ?? null" for p in neuron.ports
    ]
    take += [f"$z_{j} = $.normals[{j}]" for j in range(normals)]
    take += ["$u = $.uniforms"] if neuron.rows.hazard is not None else []
    body = [f"let {', '.join(f'{mangle(s)} = $at_{s}[$i]' for s in states)};"]
    body += [f"const {mangle(u)} = $in_{u}[$row * $step_{u} + $i * $each_{u}];" for u in inputs]
    body += [f"const _z_{j} = $z_{j}[$row * $n + $i];" for j in range(normals)]
    body += _flow(neuron, rows)
    for port in neuron.ports:
        body += _deliver(neuron, rows, port, port in additive)
    test = None
    if neuron.rows.threshold is not None:
        test = rows.value("_fires", _later)
    elif neuron.rows.hazard is not None:
        test = f"$u[$row * $n + $i] < 1 - $exp(-({rows.value('_hazard', _later)}) * dt)"
    count_down = [f"if ($left_{s}[$i] > 0) $left_{s}[$i]--;" for s in targets]
    if test is not None:
        quiet = "".join(f"$left_{s}[$i] === 0 && " for s in targets)
        after = ["$spikes.push($k + 1, $i);", *rows.statements("_reset", _later)]
        after += [f"$left_{s}[$i] = $steps_{s};" for s in targets]
        body += [f"if ({quiet}({test})) {{", *_indent(after), "}"]
        body += [f"else {{ {' '.join(count_down)} }}"] if count_down else []
    body += [f"$at_{s}[$i] = {mangle(s)};" for s in states]
    body += ["if ($keep) {", *_indent([f"$trace_{s}[($row + 1) * $n + $i] = {mangle(s)};" for s in states]), "}"]
    steps = ["const $row = $k - $.from, t = $k * dt, $after = ($k + 1) * dt;"]
    steps += ["for (let $i = 0; $i < $n; $i++) {", *_indent(body), "}"]
    return [
        "($) => {",
        *_indent([f"const {', '.join(take)};", "for (let $k = $.from; $k < $.to; $k++) {", *_indent(steps), "}"]),
        "}",
    ]


def _level(neuron: Neuron) -> tuple[str, str] | None:
    """Return a state and the text of the level that it has to cross to fire: v and theta of ``v > theta``."""
    found = threshold_function(neuron)
    if found is None:
        return None
    for name in neuron.states:
        x = symbol(name)
        slope = found[0].diff(x)
        if slope in (1, -1):
            return name, write_expression((x - found[0] / slope).expand())
    return None


def _coefficients(neuron: Neuron, names: Collection[str]) -> list[list[Any]]:
    """Return name, number of the clamped set, row and column of each coefficient of the exact method."""
    tags = {clamp_tag(neuron.states, c): i for i, c in enumerate(clamp_sets(neuron))}
    out = []
    for name in names:
        head, _, rest = name.partition("__")
        row, _, column = rest.partition("_")
        out.append([name, tags[head], int(row), column])
    return out


def print_program(neuron: Neuron, varying: Collection[str], method: str = "auto") -> str:
    """Return a neuron as the text of a JavaScript object that page/engine.js runs.

    Parameters
    ----------
    varying : collection of str
        Inputs, and parameters, that may change in time.
    method : str
        As for `Clock`.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> text = print_program(LIF(), ["I"])
    >>> [line.strip() for line in text.splitlines() if "_P__0_u0" in line][-1]
    'let _new_v = I * _P__0_u0 + _P__0_0 * v + _P__0_c;'
    """
    facts = step_facts(neuron, varying, method)
    structure = analyse(neuron, sorted(varying))
    step = derive_step(neuron, structure, facts.method)
    lines, _ = row_functions(neuron, step)
    rows = _Rows(neuron, lines)
    rest = rest_facts(neuron)
    flat = [text for row in rest.jacobian for text in row]
    told: Mapping[str, Any] = {
        "states": list(neuron.states),
        "varying": sorted(varying),
        "ports": list(neuron.ports),
        "additive": sorted(additive_ports(neuron)),
        "method": facts.method,
        "order": facts.order,
        "normals": facts.normals,
        "hazard": neuron.rows.hazard is not None,
        "refractory": dict(neuron.refractory),
        "clamps": [sorted(c) for c in clamp_sets(neuron)],
        "coefficients": _coefficients(neuron, facts.coefficients),
        "noisy": list(facts.noisy),
        "moved": sorted({j.state for j in neuron.rows.reset}),
    }
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in told.items()]
    flow = ", ".join(map(translate, rest.drift))
    parts.append(f"drift: ($s, $p, t) => {{ {_take(neuron, rest.drift, True)}return [{flow}]; }}")
    parts.append(f"jacobian: ($s, $p, t) => {{ {_take(neuron, flat, True)}return {_matrix(rest.jacobian)}; }}")
    if rest.threshold is not None:
        take = _take(neuron, [rest.threshold], True)
        parts.append(f"fires: ($s, $p, t) => {{ {take}return {translate(rest.threshold)}; }}")
    if (level := _level(neuron)) is not None:
        state, text = level
        take = _take(neuron, [text], True)
        parts.append(f"level: {{state: {json.dumps(state)}, at: ($s, $p, t) => {{ {take}return {translate(text)}; }}}}")
    constant = [(s, text) for s, text in rest.reset if text is not None]
    take = _take(neuron, [text for _, text in constant], False)
    pairs = ", ".join(f"[{json.dumps(s)}, {translate(text)}]" for s, text in constant)
    parts.append(f"restart: ($p, t) => {{ {take}return [{pairs}]; }}")
    if facts.coefficients:
        named = dict(zip("abcg", (facts.a, facts.b, facts.c, facts.noise), strict=True))
        every = [text for part in named.values() for row in part for text in row]
        fields = ", ".join(f"{name}: {_matrix(part)}" for name, part in named.items())
        parts.append(f"matrices: ($p) => {{ {_take(neuron, every, False)}return {{{fields}}}; }}")
    loop = _advance(neuron, rows, varying, facts.normals)
    parts.append("\n".join(["advance: " + loop[0], *loop[1:]]))
    return "{\n" + ",\n".join(parts) + "\n}"


def _indent(lines: list[str]) -> list[str]:
    return ["  " + line for line in lines]
