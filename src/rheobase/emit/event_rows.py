"""The rows of a neuron in an event-driven layer: the calls of reset and receive, forward and transposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rheobase.derive.backwards import transpose_jump
from rheobase.derive.propagate import clamp_sets
from rheobase.emit.to_python import print_expression
from rheobase.model.neuron import Neuron

if TYPE_CHECKING:
    from rheobase.emit.event_layer import EventPlan

__all__ = ["back_functions", "lines_of_rows"]


def back_functions(neuron: Neuron, port: str, trained: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the source of `_receive_back` and `_reset_back`, and each one's arguments."""
    source: list[str] = []
    arguments: dict[str, list[str]] = {}
    jumps = {"_receive_back": neuron.rows.receive.get(port, ()), "_reset_back": neuron.rows.reset}
    for name, rows in jumps.items():
        back = transpose_jump(neuron, rows, trained)
        own = {n for n, _ in back.statements}
        given = [*neuron.states, *(f"_l_{s}" for s in neuron.states)]
        more = {s.name for _, e in back.statements for s in getattr(e, "free_symbols", ())} - own - {*given}
        arguments[name] = [*given, *sorted(more)]
        source += [
            "",
            "",
            f"def {name}({', '.join(arguments[name])}):",
            '    """The adjoint before a jump, from after."""',
        ]
        source += [f"    {n} = {print_expression(e)}" for n, e in back.statements]
        source.append(f"    return {', '.join(back.results)}")
    return source, arguments


def lines_of_rows(
    plan: EventPlan, calls: Mapping[str, list[str]], back_calls: Mapping[str, list[str]]
) -> dict[str, str]:
    """Return the lines that put rows to work in the loops of a layer; under "used" all that name parameters."""
    neuron = plan.neuron
    states, targets = list(neuron.states), list(neuron.refractory)
    kinds = dict(plan.kinds)
    clamped = [s for s in targets if s != "threshold"]
    sets = clamp_sets(neuron)

    def place(name: str, x: str, time: str) -> str:
        if name in states:
            return f"{x}[{states.index(name)}]"
        if name.startswith("_l_"):
            return f"_l_x[{states.index(name[3:])}]"
        if name in ("w_i", "t"):
            return {"w_i": "_w_i", "t": time}[name]
        return name if kinds[name] == "scalar" else f"{name}[_i]"

    def call(function: str, names: Sequence[str], x: str, time: str) -> str:
        return f"{function}({', '.join(place(a, x, time) for a in names)})"

    def jump(function: str, to: str, x: str, time: str, hold: bool) -> list[str]:
        got = "".join(f"_got_{s}, " for s in states).strip()
        out = [f"{got} = {call(function, calls[function], x, time)}"]
        for k, s in enumerate(states):
            test = f"if not _left_{s}[_i] >= {time}:\n    " if hold and s in clamped else ""
            out.append(f"{test}{to}[{k}] = _got_{s}")
        return out

    def back(function: str, x: str, time: str) -> list[str]:
        results = [f"_l_new[{k}]" for k in range(len(states))]
        got = ", ".join([*results, "_d_w", "_d_t", *(f"_d_{p}" for p in plan.trained)])
        lines = [f"{got} = {call(function, back_calls[function], x, time)}"]
        return lines + [f"_g_value[_i, {k}] += _d_{p}" for k, p in enumerate(plan.trained)]

    mode = ["_next = inf"]
    mode += [f"if _left_{s}[_i] > _now and _left_{s}[_i] < _next:\n    _next = _left_{s}[_i]" for s in targets]
    mode += ["_mode = 0"]
    for m, c in enumerate(sets):
        if c:
            test = [f"_left_{s}[_i] > _now" if s in c else f"not _left_{s}[_i] > _now" for s in clamped]
            mode += [f"if {' and '.join(test)}:\n    _mode = {m}"]
    mode += [f"_code[_i] = 2*(_kind[_i]*{len(sets)} + _mode) + (1 if _next < inf else 0)"]
    release, release_back = [], []
    for k, s in enumerate(targets):
        release += [f"if 0.0 <= _left_{s}[_i] <= _at[_i]:\n    _left_{s}[_i] = -1.0\n    _record[_r, 7] = {k}"]
        release_back += [f"if _record[_r, 7] == {k}:\n    _g_wait[_i, {k}] += _total"]
    reset = jump("_reset", "_x", "_x", "_at[_i]", hold=False) if neuron.rows.reset else []
    reset += [f"_left_{s}[_i] = _at[_i] + {place(neuron.refractory[s], '', '')}" for s in targets]
    reset_back = jump("_reset", "_x_after", "_x", "_r_time[_r]", hold=False) if neuron.rows.reset else []
    reset_back += back("_reset_back", "_x", "_r_time[_r]")
    if plan.additive:
        arrive = ["_row = _code[_i] >> 1"]
        arrive += [f"_y[_i, {k}] += _gain[_row, {k}]*_w_i" for k in range(plan.size)]
        arrive += ["if not _code[_i] & 1:\n    _bound(_i, {arguments})"]
        receive_back: list[str] = []
    else:
        function = f"_receive_{plan.port}"
        arrive = [
            "_read(_i, {arguments})",
            *jump(function, "_x", "_x", "_at[_i]", hold=True),
            "_write(_i, {arguments})",
        ]
        held = {s: [m for m, c in enumerate(sets) if s in c] for s in clamped}
        masks = [f"_held_{s} = {' or '.join(f'_row % _modes == {m}' for m in held[s])}" for s in clamped]
        receive_back = list(masks)
        for s in clamped:
            k = states.index(s)
            receive_back += [f"_kept_{s} = _l_x[{k}] if _held_{s} else 0.0", f"_l_x[{k}] -= _kept_{s}"]
        receive_back += back("_receive_back", "_x", "_now")
        for s in clamped:
            k = states.index(s)
            receive_back += [f"_l_new[{k}] += _kept_{s}", f"_l_x[{k}] += _kept_{s}"]
    lines = {
        "mode": mode,
        "left": [f"_left_{s}[_i] = -1.0" for s in targets],
        "release": release,
        "release_back": release_back,
        "reset": reset,
        "reset_back": reset_back,
        "arrive": arrive,
        "receive_back": receive_back,
    }
    out = {name: "\n".join(part) for name, part in lines.items()}
    return {**out, "used": "\n".join(out.values())}
