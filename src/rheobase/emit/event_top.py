"""The largest value of a state over time as source: from extremum to extremum, by the kernels that find crossings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["CLIMB", "DESCEND", "EDGE", "TOP", "fill", "watch_lines"]

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

#: Where the slope has one zero at most, the ends of an interval tell whether there is a maximum inside.
_WATCH: Final = """
_level = {read_level}
_start_slope = {read_slope}
{read_next}
_end_slope = {next_slope}
_end_level = {next_level}
if _level > _read_value[_b, 0, _i]:
    _read_value[_b, 0, _i] = _level
    _top_time[_b, _i] = _t
    _top_place[_b, _i] = _e
    _top_slope[_b, _i] = _start_slope
if {doubt}_start_slope > 0.0 and _end_slope < 0.0:
    break
if _end_level > _read_value[_b, 0, _i]:
    _read_value[_b, 0, _i] = _end_level
    _top_time[_b, _i] = _a_time[_e]
    _top_place[_b, _i] = _e
    _top_slope[_b, _i] = _end_slope
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
    """Return lines that look for a maximum between the present arrival and the next."""
    every = range(size)
    levels = {k: f"_see[0, {k}]*_{{y}}{k}" for k in every}
    slopes = {k: f"_rate[0, {k}]*_see[0, {k}]*_{{y}}{k}" for k in moving}
    faded = [f"_z{k} = _y{k}*_fading[_e, {k}]" if k in moving else f"_z{k} = _y{k}" for k in every]
    parts = {
        "read_level": " + ".join(levels.values()).replace("{y}", "y"),
        "read_slope": " + ".join(slopes.values()).replace("{y}", "y") or "0.0",
        "read_next": "\n".join(faded),
        "next_level": " + ".join(levels.values()).replace("{y}", "z"),
        "next_slope": " + ".join(slopes.values()).replace("{y}", "z") or "0.0",
        "doubt": "" if len(moving) <= 2 else "True or ",
    }
    return "\n        ".join(fill(_WATCH.strip(), parts).splitlines())


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with texts put in where ``{name}`` stands."""
    for key, value in parts.items():
        template = template.replace("{" + key + "}", value)
    return template
