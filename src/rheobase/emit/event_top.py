"""The largest value of a state over time as source: from extremum to extremum, by the kernels that find crossings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rheobase.emit.event_seek import below_lines, fill, indent

__all__ = ["CLIMB", "DESCEND", "EDGE", "TOP", "watch_lines"]

CLIMB: Final = '''

def _note_top(_b, _i, _level, _t, _e, {arguments}):
    """Keep the largest value of what is read, its time and slope, and how many arrivals came before."""
    if _level > _read_value[_b, 0, _i]:
        _read_value[_b, 0, _i] = _level
        _top_time[_b, _i] = _t
        _top_place[_b, _i] = _e
        _top_slope[_b, _i] = 0.0
        for _k in _range({size}):
            _top_slope[_b, _i] += _matrix[_code[_i] >> 1, _read_state, _k]*_x[_k]


def _climb(_b, _i, _to, _e, {arguments}):
    """Follow what is read up to _to, from extremum to extremum."""
    _row = _code[_i] >> 1
    _from = _at[_i]
    {glance}
    _turns = 0
    while True:
        propagate_modes(_y, _i, _from - _at[_i], _f, _row*_table, _p, _row*_layout, _work, _x)
        _note_top(_b, _i, _x[_read_state], _from, _e, {arguments})
        _wait = first_crossing(_x, _to - _from, True, 0.0, _f_down, _row*_table, _p_down, _row*_layout, _work)
        _top = _from + _wait if _wait < _to - _from else _to
        propagate_modes(_y, _i, _top - _at[_i], _f, _row*_table, _p, _row*_layout, _work, _x)
        _note_top(_b, _i, _x[_read_state], _top, _e, {arguments})
        _wait = first_crossing(_x, _to - _top, True, 0.0, _f_up, _row*_table, _p_up, _row*_layout, _work)
        if not _wait < _to - _top or _turns > 100:
            return
        _from = _top + _wait
        _turns += 1
'''

#: Most intervals cannot hold a new maximum: what is read stays below two lines (see `rheobase.emit.event_seek`).
_WATCH: Final = """
{terms}
_level = {read_level}
_start_slope = {read_slope}
_end_slope = {next_slope}
_end_level = {next_level}
if _level > _best:
    _best = _level
    _read_value[_b, 0, _i] = _level
    _top_time[_b, _i] = {from}
    _top_place[_b, _i] = _e
    _top_slope[_b, _i] = _start_slope
if _end_level > _best:
    _best = _end_level
    _read_value[_b, 0, _i] = _end_level
    _top_time[_b, _i] = {to}
    _top_place[_b, _i] = _e
    _top_slope[_b, _i] = _end_slope
_steep = {steep}
_flat = {flat}
_sure = True
if _steep > 0.0 and _flat < 0.0:
    _wait = {to} - {from}
    if {lines} > (_best - 1e-14*abs(_best))*(_steep - _flat):
        {inside}
"""
_SUMMIT: Final = """
if _start_slope > 0.0 and _end_slope < 0.0:
    _reach = log(-_r{two}/_r{one})/(_h{one} - _h{two})
    _sure = 0.0 <= _reach <= _wait
    _level = {level}
    if _sure and _level > _best:
        _best = _level
        _read_value[_b, 0, _i] = _level
        _top_time[_b, _i] = {from} + _reach
        _top_place[_b, _i] = _e
        _top_slope[_b, _i] = 0.0
"""

#: The same for any interval; what is in doubt is climbed through.
_GLANCE: Final = """
{begin}
_best = _read_value[_b, 0, _i]
if _from < _to < inf{tame}:
    {end}
    {watch}
    if _sure:
        return
"""

#: A maximum that was read: its time does not matter where the slope is 0; at a kink it moves with the arrival there.
TOP: Final = """
_pull = _g_read[_b, 0, _i]
_place = _top_place[_b, _i] if _pull != 0.0 else -1
"""
DESCEND: Final = """
if _e == _place:
    _l_at[_i] = _top_time[_b, _i]  # nothing later matters: such a neuron does not fire
    _live[_i] = 1
    _row = _l_code[_i] >> 1
    for _k in _range({size}):
        _l[_i, _k] += _enter[_row, _k, _read_state]*_pull
    if _e > 0 and _a_time[_e - 1] == _top_time[_b, _i]:
        _carry[_i] += _pull*_top_slope[_b, _i]
    _place = -1
"""
EDGE: Final = """
if _e == _place and _t == _top_time[_b, _i]:
    _carry[_i] += _pull*_top_slope[_b, _i]
"""


def watch_lines(size: int, moving: Sequence[int]) -> str:
    """Return lines that look for a maximum between the last arrival and the next; what is in doubt is left."""
    return _watch(size, moving, "_a_time[_e - 1]", "_a_time[_e]") + "\nif not _sure:\n    break"


def glance_lines(size: int, moving: Sequence[int]) -> str:
    """Return lines that look for a maximum from _from to _to, and are done with it if they can tell."""
    load = [f"_y{k} = _y[_i, {k}]" for k in range(size)] + [f"_see{k} = _see[_row, {k}]" for k in range(size)]
    parts = {
        "begin": load + [f"_h{k} = _rate[_row, {k}]" for k in moving],
        "end": [f"_f{k} = _y{k}*exp(_h{k}*(_to - _from))" for k in moving],
        "watch": _watch(size, moving, "_from", "_to").splitlines(),
    }
    text = _GLANCE.strip()
    for name, lines in parts.items():
        text = indent(text, name, "\n".join(lines) or "pass")
    return text.replace("{tame}", "".join(f" and _h{k}*(_to - _from) < 600.0" for k in moving))


def _watch(size: int, moving: Sequence[int], start: str, to: str) -> str:
    every = range(size)
    terms = [f"_a{k} = _see{k}*_y{k}" for k in every] + [f"_z{k} = _see{k}*_f{k}" for k in moving]
    terms += [f"_r{k} = _h{k}*_a{k}" for k in moving] + [f"_q{k} = _h{k}*_z{k}" for k in moving]
    inside = "_sure = False"
    if len(moving) == 2:
        level = [f"_a{k}*exp(_h{k}*_reach)" if k in moving else f"_a{k}" for k in every]
        one, two = moving
        inside = fill(_SUMMIT.strip(), {"one": str(one), "two": str(two), "level": " + ".join(level)})
    parts = {
        "read_level": " + ".join(f"_a{k}" for k in every),
        "read_slope": " + ".join(f"_r{k}" for k in moving) or "0.0",
        "next_level": " + ".join(f"_{'z' if k in moving else 'a'}{k}" for k in every),
        "next_slope": " + ".join(f"_q{k}" for k in moving) or "0.0",
        "steep": " + ".join(f"(_r{k} if _r{k} > _q{k} else _q{k})" for k in moving) or "0.0",
        "flat": " + ".join(f"(_r{k} if _r{k} < _q{k} else _q{k})" for k in moving) or "0.0",
        "lines": below_lines("_level", "_end_level", "_steep", "_flat", "_wait"),
        "from": start,
        "to": to,
    }
    return fill(indent(indent(_WATCH.strip(), "terms", "\n".join(terms)), "inside", inside).strip(), parts)
