"""The loop of an exact network as source: window by window, spike by spike, without a grid.

A window is no longer than the smallest delay, so what is fired within it arrives after it: the arrivals of a
window are known when it begins, and neurons do not influence each other within it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rheobase.emit.exact_cells import cells_source
from rheobase.emit.exact_plan import Cells, Link
from rheobase.emit.loop import MEET

__all__ = ["exact_network_source"]

#: what each part of the neurons has of its own -> all of it
_OF_PARTS = {
    "_head": "_heads",
    "_x": "_xs",
    "_work": "_works",
    "_out_time": "_out_times",
    "_out_neuron": "_out_neurons",
    "_count": "_counts",
}

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


{meet}

def _first_from(target, low, high, neuron):
    """Return the first of the synapses low..high-1, sorted by target, whose target is not below neuron."""
    while low < high:
        middle = (low + high) // 2
        if target[middle] < neuron:
            low = middle + 1
        else:
            high = middle
    return low
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
    arguments = [
        "_thread",
        "_size",
        "_parts",
        "_low_part",
        "_high_part",
        "_barrier",
        "_shared",
        "_from",
        "_until_window",
        "_width",
        "_until",
        "_last",
    ]
    arguments += ["_unit_time", "_unit_what", "_unit_low", "_unit_high", "_order", "_spare", "_statuses"]
    inline: list[str] = ["exprel", "_first_from"]
    common = []
    choose = ["_status = _statuses[_p]"]  # what belongs to a part of the neurons
    for g, cells in enumerate(groups):
        lines, names, quick = cells_source(g, cells)
        functions += lines
        inline += [*quick, *(line.split("(")[0][4:] for line in lines if line.startswith("def "))]
        own = [a if a in ("_until", "_status") else _name(g, a) for a in names]
        common.append(", ".join(own))
        views = {_name(g, a): f"{_name(g, many)}[_p]" for a, many in _OF_PARTS.items()}
        choose += [f"{a} = {row}" for a, row in views.items()]
        shared = ["_room", "_cuts", "_all_time", "_all_neuron", "_all_count", *_OF_PARTS.values()]
        arguments += [a for a in [*own, *(_name(g, a) for a in shared)] if a not in [*arguments, *views, "_status"]]
        arguments += [_name(g, "_breaks"), f"_at_break{g}"] if cells.set_count else []
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
            call = f"_set{g}(_unit_low[_u], {_low(g)}, {_high(g)}, _t, _w, {common[g]})"
            process += _case(what, g, [f"_error = {call}"])
            what += 1
    for k, link in enumerate(links):
        g = link.target
        found, bound, count, more = _gather(k, link, what)
        gather += found
        bounds += bound
        counts += count
        # + 0 makes the number of the neuron an int64 like those from elsewhere: compiled once, not twice
        call = f"_arrive{g}_{link.port}(_target{k}[_e] + 0, _t, {_weight(k, link)}, _w, {common[g]})"
        lines = [
            "_begin = _unit_low[_u]",
            "_end = _unit_high[_u]",
            "if _parts > 1:",
            f"    _begin = _first_from(_target{k}, _begin, _end, {_low(g)})",
            f"    _end = _first_from(_target{k}, _begin, _end, {_high(g)})",
            "for _e in _range(_begin, _end):",
            f"    _error = {call}",
            "    if _error > 0:",
            "        break",
        ]
        process += _case(what, g, lines)
        arguments += [a for a in more if a not in arguments]
        what += 1
    for k, (g, port) in enumerate(outside):
        gather += _take(f"_at_outside{k}", f"_outside_time{k}", what)
        bounds += _count(f"_at_outside{k}", f"_outside_time{k}")
        counts += _count(f"_at_outside{k}", f"_outside_time{k}")
        call = f"_arrive{g}_{port}(_outside_neuron{k}[_e], _t, _outside_weight{k}[_e], _w, {common[g]})"
        mine = f"if {_low(g)} <= _outside_neuron{k}[_e] < {_high(g)}:"
        process += _case(what, g, ["_e = _unit_low[_u]", mine, f"    _error = {call}"])
        arguments += [f"_at_outside{k}", f"_outside_time{k}", f"_outside_neuron{k}", f"_outside_weight{k}"]
        what += 1
    looks: list[str] = []
    merge: list[str] = []
    for g in range(len(groups)):
        looks += ["if _error == 0:", f"    _error = _look{g}(_w, _to, {common[g]})"]
        looks += ["    if _error > 0:", f"        _status[1] = {g}"]
        merge += _merge(g)
    loop = [
        "_goal = 0",
        "for _w in _range(_from, _until_window):",
        "    _to = (_w + 1)*_width if (_w + 1)*_width < _last else _last",
        "    if _thread == 0:",
        "        _shared[1] = 0",
        *_indent(
            [f"if {_name(g, '_all_count')}[0] > {_name(g, '_room')}:\n    _shared[1] = 1" for g in range(len(groups))],
            2,
        ),
        "        _units = 0",
        *_indent(bounds, 2),
        "        if _units > _len(_unit_time):",
        "            _units = 0",
        *_indent(counts, 3),
        "            if _units > _len(_unit_time):",
        "                _shared[1] = 3",
        "                _shared[2] = _units",
        "        if _shared[1] == 0:",
        "            _units = 0",
        *_indent(gather, 3),
        "            order_units(_unit_time, _order, _spare, _units)",
        "            _shared[0] = _units",
        "    if _size > 1:",
        "        _goal += _size",
        "        _meet(_barrier, _goal)",
        "    if _shared[1] > 0:",
        "        return _w",
        "    for _p in _range(_low_part, _high_part):",
        *_indent(choose, 2),
        "        _error = 0",
        *_indent([f"{_name(g, '_count')}[0] = 0" for g in range(len(groups))], 2),
        "        for _n in _range(_shared[0]):",
        "            _u = _order[_n]",
        "            _t = _unit_time[_u]",
        *_indent(process or ["pass"], 3),
        "            if _error > 0:",
        "                break",
        *_indent(looks, 2),
        "        _shared[8 + _p] = _error",
        "    if _size > 1:",
        "        _goal += _size",
        "        _meet(_barrier, _goal)",
        "    for _i in _range(_parts):",
        "        if _shared[8 + _i] > 0:",
        "            return -1",
        "    if _thread == 0:",
        *_indent(merge, 2),
        "if _until_window*_width >= _last:",
        "    for _p in _range(_low_part, _high_part):",
        *_indent(choose, 2),
        *_indent([f"_finish{g}({_low(g)}, {_high(g)}, {common[g]})" for g in range(len(groups))], 2),
        "return _until_window",
    ]
    text = [
        "",
        "",
        f"def run({', '.join(arguments)}):",
        '    """Carry the network to window _until_window, as one thread of _size; return the one reached, or -1."""',
        *_indent(loop),
        "",
    ]
    header = _HEADER.format(meet=MEET, names=", ".join(c.neuron.name for c in groups).replace('"', "'"), digest=digest)
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


def _low(g: int) -> str:
    return f"{_name(g, '_cuts')}[_p]"


def _high(g: int) -> str:
    return f"{_name(g, '_cuts')}[_p + 1]"


def _weight(k: int, link: Link) -> str:
    return f"_weight{k}[_e]" if link.weights else f"_weight{k}"


def _indent(lines: Sequence[str], levels: int = 1) -> list[str]:
    return ["    " * levels + part for line in lines for part in line.splitlines()]


def _case(what: int, g: int, lines: list[str]) -> list[str]:
    word = "if" if what == 0 else "elif"
    note = ["if _error > 0:", f"    _status[1] = {g}"]
    return [f"{word} _unit_what[_u] == {what}:", *_indent([*lines, *note])]


def _merge(g: int) -> list[str]:
    """Return lines that put the spikes of all threads on their way, sorted by time, then neuron."""
    total, times, neurons = (_name(g, f"_all_{what}") for what in ("count", "time", "neuron"))
    found = [_name(g, f"_{what}") for what in ("counts", "out_times", "out_neurons")]
    return [
        f"_first = {total}[0]",
        f"_place = {total}[0]",
        "for _i in _range(_parts):",
        f"    for _s in _range({found[0]}[_i, 0]):",
        f"        {times}[_place] = {found[1]}[_i, _s]",
        f"        {neurons}[_place] = {found[2]}[_i, _s]",
        "        _place += 1",
        f"order_spikes({times}, {neurons}, _first, _place)",
        f"{total}[0] = _place",
    ]


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
        times, neurons = _name(link.source, "_all_time"), _name(link.source, "_all_neuron")
        count = f"{_name(link.source, '_all_count')}[0]"
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
