"""One neuron of an event-driven layer as source: what arrives at it, the flow, the next crossing, its records."""

from __future__ import annotations

from typing import Final

__all__ = ["NEURON", "SEARCH"]

NEURON: Final = '''
def _first(_times, _low, _high, _t):
    """Return the first of the sorted entries _low.._high-1 that is not before _t."""
    while _low < _high:
        _middle = (_low + _high)//2
        if _times[_middle] < _t:
            _low = _middle + 1
        else:
            _high = _middle
    return _low


def _sort(_times, _one, _two, _low, _high):
    """Sort entries _low.._high-1 by time, then by _one (Shell's way)."""
    _gap = 1
    while _gap < (_high - _low)//3:
        _gap = 3*_gap + 1
    while _gap > 0:
        for _i in _range(_low + _gap, _high):
            _t = _times[_i]
            _a = _one[_i]
            _b = _two[_i]
            _j = _i - _gap
            while _j >= _low and (_times[_j] > _t or (_times[_j] == _t and _one[_j] > _a)):
                _times[_j + _gap] = _times[_j]
                _one[_j + _gap] = _one[_j]
                _two[_j + _gap] = _two[_j]
                _j -= _gap
            _times[_j + _gap] = _t
            _one[_j + _gap] = _a
            _two[_j + _gap] = _b
        _gap //= 3


def _gather(_b, _i, _begin, _low, _high, {arguments}):
    """List what arrives at neuron _i (or, where delays are shared, at all) in _low <= t < _high; return how much."""
    _n = 0
    _sorted = True
    _room = _len(_a_time)
    _end = _in_offset[_b + 1]
    _s = _first(_in_time, _in_offset[_b], _end, _low - _long_in - 1e-6)
    while _s < _end and _in_time[_s] + _short_in < _high:
        _t = _in_time[_s] + (_delay_in if _uniform else _delay[_i, _in_neuron[_s]])
        if _low <= _t < _high:
            if _n >= _room:
                return -1
            _sorted = _sorted and (_n == 0 or _a_time[_n - 1] <= _t)
            _a_time[_n] = _t
            _a_source[_n] = _in_neuron[_s]
            _a_spike[_n] = _s
            _n += 1
        _s += 1
    if _recurrent:
        _end = _count[2]
        _s = _first(_o_time, _begin, _end, _low - _long_own - 1e-6)
        while _s < _end and _o_time[_s] + _short_own < _high:
            _j = _inputs + _o_neuron[_s]
            _t = _o_time[_s] + (_delay_own if _uniform else _delay[_i, _j])
            if _low <= _t < _high:
                if _n >= _room:
                    return -1
                _sorted = _sorted and (_n == 0 or _a_time[_n - 1] <= _t)
                _a_time[_n] = _t
                _a_source[_n] = _j
                _a_spike[_n] = _s
                _n += 1
            _s += 1
    for _k in _range(_len(_read_time)):
        if _low <= _read_time[_k] < _high:
            if _n >= _room:
                return -1
            _sorted = _sorted and (_n == 0 or _a_time[_n - 1] <= _read_time[_k])
            _a_time[_n] = _read_time[_k]
            _a_source[_n] = _sources + _k
            _a_spike[_n] = _k
            _n += 1
    if not _sorted:
        _sort(_a_time, _a_source, _a_spike, 0, _n)
    return _n


def _fade(_n, {arguments}):
    """Compute how much each mode fades between one shared arrival and the next."""
    for _e in _range(1, _n):
        _wait = _a_time[_e] - _a_time[_e - 1]
        {fade}


def _flow(_i, _to, {arguments}):
    """Let time pass for neuron _i up to _to."""
    _row = _code[_i] >> 1
    _wait = _to - _at[_i]
    if _wait > 0.0:
        {flow}
    _at[_i] = _to


def _read(_i, {arguments}):
    """Write the states of neuron _i to _x."""
    _o = (_code[_i] >> 1)*_table + {square}
    for _k in _range({size}):
        _sum = 0.0
        for _m in _range({size}):
            _sum += _f[_o + _k*{size} + _m]*_y[_i, _m]
        _x[_k] = _sum


def _write(_i, {arguments}):
    """Set the modes of neuron _i from _x, and what follows from its refractoriness."""
    _now = _at[_i]
    {mode}
    _o = (_code[_i] >> 1)*_table
    for _k in _range({size}):
        _sum = 0.0
        for _m in _range({size}):
            _sum += _f[_o + _k*{size} + _m]*_x[_m]
        _y[_i, _k] = _sum
    if _code[_i] & 1:
        _safe[_i] = _next
    else:
        _bound(_i, {arguments})


def _bound(_i, {arguments}):
    """Find a time before which neuron _i surely stays below its threshold."""
    {bound}


def _keep(_i, _part, {arguments}):
    """Note the modes of neuron _i just before (0) or after (1) an event, to go back through it."""
    _s = _count[3] + _part
    if _s < _trace.shape[0]:
        for _k in _range({size}):
            _trace[_s, _k] = _y[_i, _k]
    if _part == 1:
        _count[3] += 2


def _note(_b, _i, _kind_of, _e, _w, {arguments}):
    """Add a record of what happens to neuron _i now; return its place, -1 if there is no room."""
    _r = _count[0]
    if _r >= _len(_r_time):
        return -1
    _count[0] += 1
    _r_time[_r] = _at[_i]
    for _k in _range({size}):
        _r_state[_r, _k] = _x[_k]
    _record[_r, 0] = _kind_of
    _record[_r, 1] = _code[_i]
    _record[_r, 3] = _e
    _record[_r, 4] = _w
    _record[_r, 5] = _head[_b, _i]
    _record[_r, 6] = 0
    _record[_r, 7] = -1
    _head[_b, _i] = _r
    return _r

{functions}

def _settle(_b, _i, _to, _e, _w, {arguments}):
    """Bring neuron _i to where nothing happens before _to; return what went wrong."""
    while _safe[_i] < _to:
        if _code[_i] & 1:
            _flow(_i, _safe[_i], {arguments})
            _read(_i, {arguments})
            _r = _note(_b, _i, 1, _e, _w, {arguments})
            if _r < 0:
                return 1
            if _tracing:
                _keep(_i, 0, {arguments})
            {release}
            _write(_i, {arguments})
            _record[_r, 2] = _code[_i]
            _event[_i] = _at[_i]
            if _tracing:
                _keep(_i, 1, {arguments})
            continue
        {approach}
        {search}
    return 0
'''

#: Where modes are not single exponentials, less is searched if the neuron is brought first to where it may cross.
APPROACH: Final = """
if _safe[_i] > _at[_i]:
    _flow(_i, _safe[_i], {arguments})
    _bound(_i, {arguments})
    if _safe[_i] >= _to:
        return 0
"""

SEARCH: Final = """
_row = _code[_i] >> 1
_from = _at[_i]
{seek}
if _wait != _wait:
    return 4
if not _from + _wait < _to:
    _safe[_i] = _to
    return 0
_same[_i] = _same[_i] + 1 if _wait == 0.0 else 0
if _same[_i] > 10000:
    _count[4] = _i
    return 2
_flow(_i, _from + _wait, {arguments})
_read(_i, {arguments})
_r = _note(_b, _i, 0, _e, _w, {arguments})
if _r < 0 or _count[1] >= _len(_o_time):
    return 1
if _r - _count[5] > _most:
    _count[4] = _i
    return 5
_record[_r, 6] = 1 if _wait == 0.0 and _from == _event[_i] else 0
_record[_r, 7] = _count[1]
_o_time[_count[1]] = _at[_i]
_o_neuron[_count[1]] = _i
_o_record[_count[1]] = _r
_count[1] += 1
if _tracing:
    _keep(_i, 0, {arguments})
{reset}
_write(_i, {arguments})
_record[_r, 2] = _code[_i]
_event[_i] = _at[_i]
if _tracing:
    _keep(_i, 1, {arguments})
"""
