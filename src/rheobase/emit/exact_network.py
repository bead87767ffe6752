"""The loop of an exact network as source: window by window, spike by spike, without a grid.

A window is no longer than the smallest delay, so what is fired within it arrives after it: the arrivals of a
window are known when it begins, and neurons do not influence each other within it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rheobase.emit.exact_cells import cells_source
from rheobase.emit.exact_plan import Cells, Link

__all__ = ["exact_network_source"]

_HEADER = '''"""An exact network, written by rheobase from the rows of {names}.

Within a window (no longer than the smallest delay) all arrivals are known. They are applied in the order of
their times; what arrives together, in the order: changes of inputs, projections by source neuron and synapse,
spikes from outside. A neuron is looked at again when it may reach its threshold by itself, not before.
Mathematics of version {digest}.
"""

from math import atan, cos, cosh, exp, expm1, floor, inf, log, sin, sinh, sqrt, tan, tanh

from rheobase.derive.crossing import first_crossing, glance
from rheobase.derive.modal import pass_modes, propagate_modes
from rheobase.derive.riccati import first_quadratic, glance_quadratic, pass_quadratic, propagate_quadratic
from rheobase.engines.arrivals import order_spikes, order_units

_len, _range = len, range  # a state or parameter may be called so


def exprel(x):
    """(exp(x) - 1)/x, and 1 at 0."""
    return expm1(x)/x if x != 0.0 else 1.0
'''


def exact_network_source(
    groups: Sequence[Cells], links: Sequence[Link], outside: Sequence[tuple[int, str]], digest: str
) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the text of a module with ``run``, run's arguments in order, the functions to inline, and the others.

    Parameters
    ----------
    outside : sequence of (group, port)
        Where spikes arrive from outside the network.
    """
    functions: list[str] = []
    arguments = ["_from", "_until_window", "_width", "_until", "_last", "_unit_time", "_unit_what", "_unit_low"]
    arguments += ["_unit_high", "_order", "_spare", "_status"]
    inline: list[str] = ["exprel"]
    common = []
    for g, cells in enumerate(groups):
        lines, names, quick = cells_source(g, cells)
        functions += lines
        inline += [*quick, *(line.split("(")[0][4:] for line in lines if line.startswith("def "))]
        own = [a if a in ("_until", "_status") else _name(g, a) for a in names]
        common.append(", ".join(own))
        arguments += [a for a in own if a not in arguments]
        arguments += [_name(g, "_breaks")] if cells.set_count else []
    gather: list[str] = []  # what arrives in a window
    bounds: list[str] = []  # at most how much it is
    counts: list[str] = []  # how much it is
    process: list[str] = []
    what = 0
    for g, cells in enumerate(groups):
        if cells.set_count:
            gather += _take(f"_at_break{g}", _name(g, "_breaks"), what)
            bounds += _count(f"_at_break{g}", _name(g, "_breaks"))
            counts += _count(f"_at_break{g}", _name(g, "_breaks"))
            process += _case(what, [f"_error = _set{g}(_unit_low[_u], _t, _w, {common[g]})"], "_error > 0")
            arguments.append(f"_at_break{g}")
            what += 1
    for k, link in enumerate(links):
        found, bound, count, more = _gather(k, link, what)
        gather += found
        bounds += bound
        counts += count
        # + 0 makes the number of the neuron an int64 like those from elsewhere: compiled once, not twice
        call = (
            f"_arrive{link.target}_{link.port}(_target{k}[_e] + 0, _t, {_weight(k, link)}, _w, {common[link.target]})"
        )
        process += _case(
            what,
            ["for _e in _range(_unit_low[_u], _unit_high[_u]):", f"    _error = {call}", *_stop("_error > 0", 1)],
        )
        arguments += [a for a in more if a not in arguments]
        what += 1
    for k, (g, port) in enumerate(outside):
        gather += _take(f"_at_outside{k}", f"_outside_time{k}", what)
        bounds += _count(f"_at_outside{k}", f"_outside_time{k}")
        counts += _count(f"_at_outside{k}", f"_outside_time{k}")
        call = f"_arrive{g}_{port}(_outside_neuron{k}[_e], _t, _outside_weight{k}[_e], _w, {common[g]})"
        process += _case(what, ["_e = _unit_low[_u]", f"_error = {call}"], "_error > 0")
        arguments += [f"_at_outside{k}", f"_outside_time{k}", f"_outside_neuron{k}", f"_outside_weight{k}"]
        what += 1
    looks: list[str] = []
    for g in range(len(groups)):
        looks += [f"_error = _look{g}(_w, _to, {common[g]})", *_stop("_error > 0", 0, f"_status[1] = {g}")]
    begins = [f"_first{g} = {_name(g, '_count')}[0]" for g in range(len(groups))]
    sorts = [
        f"order_spikes({_name(g, '_out_time')}, {_name(g, '_out_neuron')}, _first{g}, {_name(g, '_count')}[0])"
        for g in range(len(groups))
    ]
    room = [f"if {_name(g, '_count')}[0] > {_name(g, '_room')}:\n    return _w" for g in range(len(groups))]
    arguments += [_name(g, "_room") for g in range(len(groups))]
    loop = [
        "for _w in _range(_from, _until_window):",
        *_indent(room),
        "    _to = (_w + 1)*_width if (_w + 1)*_width < _last else _last",
        *_indent(begins),
        "    _units = 0",
        *_indent(bounds),
        "    if _units > _len(_unit_time):",
        "        _units = 0",
        *_indent(counts, 2),
        "        if _units > _len(_unit_time):",
        "            _status[0] = 3",
        "            _status[1] = _units",
        "            return _w",
        "    _units = 0",
        *_indent(gather),
        "    order_units(_unit_time, _order, _spare, _units)",
        "    for _n in _range(_units):",
        "        _u = _order[_n]",
        "        _t = _unit_time[_u]",
        *_indent(process or ["pass"], 2),
        *_indent(looks),
        *_indent(sorts),
        "if _until_window*_width >= _last:",
        *_indent([f"_finish{g}({common[g]})" for g in range(len(groups))]),
        "return _until_window",
    ]
    text = [
        "",
        "",
        f"def run({', '.join(arguments)}):",
        '    """Carry the network to window _until_window; return the window reached, or -1 for an error."""',
        *_indent(loop),
        "",
    ]
    header = _HEADER.format(names=", ".join(c.neuron.name for c in groups).replace('"', "'"), digest=digest)
    whole = header + "\n".join([*functions, *text])
    defined = re.findall(r"^def (\w+)", whole, re.MULTILINE)
    return (
        whole,
        tuple(arguments),
        tuple(f for f in defined if f in inline),
        tuple(f for f in defined if f not in inline),
    )


def _name(g: int, argument: str) -> str:
    return f"g{g}{argument}" if argument.startswith("_") else f"g{g}_{argument}"


def _weight(k: int, link: Link) -> str:
    return f"_weight{k}[_e]" if link.weights else f"_weight{k}"


def _indent(lines: Sequence[str], levels: int = 1) -> list[str]:
    return ["    " * levels + part for line in lines for part in line.splitlines()]


def _stop(test: str, levels: int, note: str = "") -> list[str]:
    lines = [f"if {test}:", "    _status[0] = _error", *([f"    {note}"] if note else []), "    return -1"]
    return _indent(lines, levels)


def _case(what: int, lines: list[str], test: str = "") -> list[str]:
    word = "if" if what == 0 else "elif"
    return [f"{word} _unit_what[_u] == {what}:", *_indent([*lines, *(_stop(test, 0) if test else [])])]


def _unit(time: str, what: int, low: str, high: str) -> list[str]:
    return [
        f"_unit_time[_units] = {time}",
        f"_unit_what[_units] = {what}",
        f"_unit_low[_units] = {low}",
        f"_unit_high[_units] = {high}",
        "_units += 1",
    ]


def _take(at: str, times: str, what: int) -> list[str]:
    """Return lines that note what happens from outside in this window."""
    return [
        f"while {at}[0] < _len({times}) and {times}[{at}[0]] < _to:",
        *_indent([*_unit(f"{times}[{at}[0]]", what, f"{at}[0]", f"{at}[0] + 1"), f"{at}[0] += 1"]),
    ]


def _count(at: str, times: str) -> list[str]:
    return [
        f"_s = {at}[0]",
        f"while _s < _len({times}) and {times}[_s] < _to:",
        "    _s += 1",
        f"_units += _s - {at}[0]",
    ]


def _gather(k: int, link: Link, what: int) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return lines that note which synapses of a link the spikes under way reach in this window.

    And lines that bound and that count them, and their arguments.
    """
    if link.source >= 0:
        times, neurons = _name(link.source, "_out_time"), _name(link.source, "_out_neuron")
        count = f"{_name(link.source, '_count')}[0]"
    else:
        s = -1 - link.source
        times, neurons, count = f"_source_time{s}", f"_source_neuron{s}", f"_len(_source_time{s})"
    arguments = [times, neurons, f"_begin{k}", f"_start{k}", f"_target{k}", f"_weight{k}", f"_delay{k}"]
    if not link.delays:
        due = [f"_s = _begin{k}[0]", f"while _s < {count} and {times}[_s] + _delay{k} < _to:"]
        tally = [*due, "    _s += 1", f"_units += _s - _begin{k}[0]"]
        found = [
            *due,
            f"    _pre = {neurons}[_s]",
            f"    if _start{k}[_pre] < _start{k}[_pre + 1]:",
            *_indent(_unit(f"{times}[_s] + _delay{k}", what, f"_start{k}[_pre]", f"_start{k}[_pre + 1]"), 2),
            "    _s += 1",
            f"_begin{k}[0] = _s",
        ]
        return found, tally, tally, arguments
    due = [  # rows are sorted by delay: each spike under way keeps its place in its row
        f"_s = _begin{k}[0]",
        f"while _s < {count} and {times}[_s] + _shortest{k} < _to:",
        f"    _pre = {neurons}[_s]",
        f"    _e = _start{k}[_pre] + _place{k}[_s]",
        f"    _end = _start{k}[_pre + 1]",
    ]
    bound = [*due, "    _units += _end - _e", "    _s += 1"]
    tally = [
        *due,
        f"    while _e < _end and {times}[_s] + _delay{k}[_e] < _to:",
        "        _e += 1",
        "        _units += 1",
        "    _s += 1",
    ]
    found = [
        *due,
        f"    while _e < _end and {times}[_s] + _delay{k}[_e] < _to:",
        "        _low = _e",
        f"        while _e < _end and _delay{k}[_e] == _delay{k}[_low]:",
        "            _e += 1",
        *_indent(_unit(f"{times}[_s] + _delay{k}[_low]", what, "_low", "_e"), 2),
        f"    _place{k}[_s] = _e - _start{k}[_pre]",
        f"    if _e >= _end and _s == _begin{k}[0]:",
        f"        _begin{k}[0] += 1",
        "    _s += 1",
    ]
    return found, bound, tally, [*arguments, f"_shortest{k}", f"_place{k}"]
