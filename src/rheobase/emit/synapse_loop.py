"""The events of a step at plastic synapses: spikes that arrive, neurons that fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

__all__ = ["RULE_HEADER", "Plasticity", "Rule", "arrive_lines", "fire_lines", "reward_lines"]

#: What the functions of rules call.
RULE_HEADER: Final = '''
from math import atan, cos, cosh, exp, expm1, floor, log, sin, sinh, sqrt, tan, tanh


def exprel(x):
    """(exp(x) - 1)/x, and 1 at 0."""
    return expm1(x)/x if x != 0.0 else 1.0
'''


@final
@dataclass(frozen=True)
class Rule:
    """The text of a rule's functions, and what they take after the synapse, the step and dt: arrays and numbers.

    `columns` are the numbers that each synapse has: the step of its last event, its states, those states that are
    kept for an event in the same instant and the step of that.
    """

    text: str
    arguments: tuple[str, ...]
    functions: tuple[str, ...]
    columns: tuple[str, ...]


@final
@dataclass(frozen=True)
class Plasticity:
    """A plastic projection in the loop.

    Its rule, the target's group and port, the source's group (or ``-1 - s`` for a spike source); whether it has an
    on_post row, whether its delay is dendritic; whether it has an on_reward row, and the group (or source) whose
    spikes are rewards.
    """

    rule: int
    target: int
    port: str
    source: int
    fires: bool
    dendritic: bool
    rewarded: bool = False
    critic: int | None = None


def _values(y: int, rule: Rule) -> list[str]:
    """Return the names of a projection's own arrays and numbers in the network's loop."""
    return [f"y{y}{a}" if a.startswith("_") else f"y{y}p_{a}" for a in rule.arguments]


def arrive_lines(y: int, p: Plasticity, rule: Rule, turn: bool, arguments: list[str]) -> list[str]:
    """Carry out on_pre for the spikes that are due, the oldest first, and let arrive what it returns."""
    s = f"q{p.source}" if p.source >= 0 else f"s{-1 - p.source}"
    values = _values(y, rule)
    arguments += [f"y{y}{x}" for x in ("_due", "_start", "_target", "_from", "_pres")]
    arguments += values
    call = f"_on_pre{p.rule}(m, k + 1, dt, {', '.join(values)})"
    deliver = [f"total[y{y}_target[m] - lo] += {call}"]
    if turn:
        deliver = [
            "if used < len(near):",
            f"    near[used] = y{y}_target[m]",
            f"    force[used] = {call}",
            "    used += 1",
            "else:",
            "    _status[0] = 1",
        ]
    return [
        f"for i in range(len(y{y}_due)):",
        f"    r = row + {s}_past - y{y}_due[i]",
        "    for other in range(_parts):",
        f"        base = {s}_base[other]",
        f"        for e in range(base + {s}_edge[other, r], base + {s}_edge[other, r + 1]):",
        f"            pre = {s}_log[e] - y{y}_from",
        f"            if pre >= 0 and pre < y{y}_pres:",
        f"                cell = (part*y{y}_pres + pre)*len(y{y}_due) + i",
        f"                for m in range(y{y}_start[cell], y{y}_start[cell + 1]):",
        *(f"                    {line}" for line in deliver),
    ]


def fire_lines(y: int, p: Plasticity, rule: Rule, arguments: list[str]) -> list[str]:
    """Carry out on_post at all synapses onto the neurons that fired, or whose spike reaches them now."""
    g = p.target
    arguments += [f"y{y}{x}" for x in ("_back", "_onto", "_of", "_to", "_posts")]
    return [
        f"for i in range(len(y{y}_back)):",
        f"    r = row + q{g}_past - y{y}_back[i]",
        f"    base = q{g}_base[part]",
        f"    for e in range(base + q{g}_edge[part, r], base + q{g}_edge[part, r + 1]):",
        f"        post = q{g}_log[e] - y{y}_to",
        f"        if post >= 0 and post < y{y}_posts:",
        f"            cell = post*len(y{y}_back) + i",
        f"            stop = y{y}_of[cell + 1]",
        f"            for h in range(y{y}_of[cell], stop):",
        f"                ahead = y{y}_onto[min(h + 8, stop - 1)]*{len(rule.columns)}",
        *(f"                _prefetch(y{y}_at, ahead + {i})" for i in range(0, len(rule.columns), 7)),
        f"                _on_post{p.rule}(y{y}_onto[h], k + 1, dt, {', '.join(_values(y, rule))})",
    ]


def reward_lines(y: int, p: Plasticity, rule: Rule, arguments: list[str]) -> list[str]:
    """Carry out on_reward at all synapses of a part: given rewards, and 1 for each spike of the critic."""
    arguments += [f"y{y}_reward"]
    lines = [f"amount = y{y}_reward[row]"]
    if p.critic is not None:
        s = f"q{p.critic}" if p.critic >= 0 else f"s{-1 - p.critic}"
        arguments += [f"y{y}_critic", f"y{y}_critics", f"y{y}_late"]
        lines += [
            f"r = row + {s}_past - y{y}_late",
            "for other in range(_parts):",
            f"    base = {s}_base[other]",
            f"    for e in range(base + {s}_edge[other, r], base + {s}_edge[other, r + 1]):",
            f"        pre = {s}_log[e] - y{y}_critic",
            f"        if pre >= 0 and pre < y{y}_critics:",
            "            amount += 1.0",
        ]
    per = f"y{y}_pres*len(y{y}_due)"
    return [
        *lines,
        "if amount != 0.0:",
        f"    for m in range(y{y}_start[part*{per}], y{y}_start[(part + 1)*{per}]):",
        f"        _on_reward{p.rule}(m, k + 1, dt, amount, {', '.join(_values(y, rule))})",
    ]
