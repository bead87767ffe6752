"""A plastic synapse's rows as functions of one event.

Between events nothing is computed. With h steps since a synapse's last event, a state x whose flow ``dx/dt = a*x + b``
stands alone becomes ``x_inf + (x - x_inf)*exp(a*h*dt)``; states that drive each other are multiplied by powers of their
step's matrix, one for each bit of h (the engine makes them by `scipy.linalg.expm`). Parameters in which synapses
differ stand beside their states; where such a one changes the matrix, each synapse has the number of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from rheobase.derive.synapse import coupled_states, driving, flow_parts
from rheobase.emit.synapse_loop import Rule
from rheobase.emit.to_python import print_expression
from rheobase.model.quantity import Quantity
from rheobase.model.synapse import Synapse

__all__ = ["alike", "number_rules", "write_rule"]

_SAID: Final = {
    "on_pre": "A presynaptic spike is at synapse _m",
    "on_post": "The target of synapse _m fires",
    "on_reward": "A reward arrives",
}


def alike(synapse: Synapse) -> Synapse:
    """Return a synapse with numbers in place of what differs between synapses: it has the same functions.

    >>> alike(Synapse(on_pre="w <- w + c", c=[1, 2])).value("c")
    1.0
    """
    values = {**synapse.parameters, **synapse.initial}
    return synapse.replace(**{n: Quantity(1.0, values[n].dimension) for n in synapse.varying})


def _advance_lines(synapse: Synapse, numbered: bool) -> list[str]:
    """Carry the states over the steps since the last event."""
    together = coupled_states(synapse)
    lines = []
    powers = "_powers[_set, _b" if numbered else "_powers[_b"
    for state, (factors, rest) in flow_parts(synapse).items():
        if state in together:
            continue
        rate = factors.get(state, 0)
        if rate == 0:
            if rest != 0:
                lines.append(f"{state} = {state} + ({print_expression(rest)})*(_h*_dt)")
            continue
        decay = f"exp(({print_expression(rate)})*(_h*_dt))"
        if rest == 0:
            lines.append(f"{state} = {state}*{decay}")
        else:
            end = print_expression((-rest / rate).simplify())
            lines.append(f"{state} = ({end}) + ({state} - ({end}))*{decay}")
    if together:
        n = len(together)
        new = [
            " + ".join([*(f"{powers}, {i}, {j}]*{s}" for j, s in enumerate(together)), f"{powers}, {i}, {n}]"])
            for i in range(n)
        ]
        lines += ["_b = 0", "while _h > 0.0:", "    if _h % 2.0 == 1.0:"]
        lines += [f"        {', '.join(together)} = {', '.join(new)}", "    _h = _h // 2.0", "    _b = _b + 1"]
    return lines


@lru_cache(maxsize=64)
def write_rule(synapse: Synapse, number: int, varying: tuple[str, ...] = ()) -> Rule:
    """Return a rule's functions, such as ``_on_pre0``, which returns what arrives at the target.

    `varying` are the parameters in which synapses differ.
    """
    rows, states = synapse.rows, synapse.states
    written = {row: {j.state for j in jumps} for row, jumps in rows.receive.items()}
    first, second = ("on_pre", "on_post") if synapse.delay == "axonal" else ("on_post", "on_pre")
    read = rows.expand(n for j in rows.receive[second] for n in j.right.names)
    kept = tuple(s for s in states if s in written[first] - written[second] and s in read and s != "w")
    numbered = bool({*driving(synapse)} & {*varying})
    columns = ("_last", *states, *(("_met", *(f"_kept_{s}" for s in kept)) if kept else ()))
    columns = (*columns, *varying, *(("_set",) if numbered else ()))
    at = {name: f"_at[_m, {i}]" for i, name in enumerate(columns)}
    arguments = ["_at"]
    arguments += ["_powers"] if coupled_states(synapse) else []
    arguments += sorted({*synapse.parameters} - {*varying})
    advance = _advance_lines(synapse, numbered)
    own = [*(f"{n} = {at[n]}" for n in varying), *([f"_set = int({at['_set']})"] if numbered else [])]
    text = []
    for row, said in _SAID.items():
        lines = [f"_h = _now - {at['_last']}", *(f"{s} = {at[s]}" for s in states), *own]
        lines += ["if _h > 0:", f"    {at['_last']} = _now", *(f"    {line}" for line in advance)]
        if kept and row == first:
            keep = [f"    {at[f'_kept_{s}']} = {s}" for s in kept]
            lines += [f"if {at['_met']} != _now:", f"    {at['_met']} = _now", *keep]
        held = kept if row == second else ()
        lines += [f"{at[s]} = {s}" for s in held]
        if held:
            lines += [f"if {at['_met']} == _now:", *(f"    {s} = {at[f'_kept_{s}']}" for s in held)]
        delivers = False
        for j in rows.receive[row]:
            delivers |= j.state == "w_i"
            lines.append(f"{j.state} = {print_expression(rows.substitute(j.value))}")
        for b in rows.bounds:
            if b.state not in held:
                limit, sign = print_expression(rows.substitute(b.right.value)), "<" if b.side == ">=" else ">"
                lines.append(f"{b.state} = {limit} if {b.state} {sign} {limit} else {b.state}")
        lines += [f"{at[s]} = {s}" for s in states if s not in held]
        lines.append("return w_i" if delivers else "return w")
        more = ["reward"] if row == "on_reward" else []
        text += ["", "", f"def _{row}{number}({', '.join(['_m', '_now', '_dt', *more, *arguments])}):"]
        text += [f'    """{said}; {row} of {_plain(synapse.name)}."""', *(f"    {line}" for line in lines)]
    return Rule("\n".join(text), tuple(arguments), tuple(f"_{row}{number}" for row in _SAID), columns)


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in " -" else " " for c in name)[:60]


def number_rules(synapses: Sequence[Synapse]) -> tuple[list[Rule], list[int]]:
    """Return the rules that differ, and which of them each synapse has."""
    found: dict[Any, int] = {}
    rules: list[Rule] = []
    which = []
    for s in synapses:
        varying = tuple(n for n in sorted(s.parameters) if n in s.varying)
        key = (s.rows.texts, s.delay, s.name, tuple(sorted(s.parameters)), varying)
        if key not in found:
            found[key] = len(rules)
            rules.append(write_rule(alike(s), len(rules), varying))
        which.append(found[key])
    return rules, which
