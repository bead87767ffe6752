"""A layer of event-driven neurons as source, forward: one element of a batch after the other, from event to event.

What may happen to a neuron of its own (a crossing, the end of refractoriness) is bounded and searched for as in
`rheobase.emit.exact_cells`. Without recurrent synapses a neuron passes through all its arrivals at once; with them
time moves on by windows of their smallest delay. Each spike and each end of refractoriness leaves a record, from which
`rheobase.emit.event_backward` finds its way back: time, state just before, how many arrivals of the window were over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["ADVANCE", "CLIMB", "FORWARD", "forward_parts"]

FORWARD: Final = '''
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
        if _safe[_i] > _at[_i]:
            _flow(_i, _safe[_i], {arguments})
            _bound(_i, {arguments})
            if _safe[_i] >= _to:
                return 0
        {search}
    return 0
'''

_SEARCH: Final = """
_read(_i, {arguments})
_row = _code[_i] >> 1
_from = _at[_i]
_wait = first_crossing(_x, _to - _from, _strict, 0.0, _f, _row*_table, _p, _row*_layout, _work)
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

ADVANCE: Final = '''

def _advance(_b, _i, _n, _high, _w, {arguments}):
    """Carry neuron _i through the arrivals of a window; return what went wrong."""
    _e = 0
    while True:
        _t = _a_time[_e] if _e < _n else _high
        {climb}
        if _safe[_i] < _t:
            _error = _settle(_b, _i, _t, _e, _w, {arguments})
            if _error > 0:
                return _error
        if _e >= _n:
            return 0
        _source = _a_source[_e]
        if _source >= _sources:
            if _safe[_i] <= _t:  # a reading is of what holds after all that happens at its time
                _error = _settle(_b, _i, _t + 3e-16*_t + 1e-300, _e, _w, {arguments})
                if _error > 0:
                    return _error
            if _t > _at[_i]:
                _flow(_i, _t, {arguments})
            _read(_i, {arguments})
            _read_value[_b, _source - _sources, _i] = _x[_read_state]
            if _tracing:
                _keep(_i, 1, {arguments})
            _e += 1
            continue
        _flow(_i, _t, {arguments})
        _w_i = _weight[_i, _source]
        if _tracing:
            _keep(_i, 0, {arguments})
        {arrive}
        _event[_i] = _t
        if _tracing:
            _keep(_i, 1, {arguments})
        _e += 1
        {quick}


def _element(_b, {arguments}):
    """Run one element of the batch; return 0, or what went wrong."""
    _begin = _count[1]
    _count[2] = _begin
    _count[3] = 0
    _count[5] = _count[0]
    for _i in _range(_len(_safe)):
        _at[_i] = 0.0
        _event[_i] = 0.0
        _same[_i] = 0
        _head[_b, _i] = -1
        {top}
        {left}
        for _k in _range({size}):
            _x[_k] = _start[_i, _k]
        _write(_i, {arguments})
    _w = 0
    while True:
        _low = _w*_width if _recurrent else 0.0
        _high = min((_w + 1)*_width, _last) if _recurrent else _last
        _n = 0
        if _uniform:
            _n = _gather(_b, 0, _begin, _low, _high, {arguments})
            if _n < 0:
                return 3
            _fade(_n, {arguments})
        for _i in _range(_len(_safe)):
            if not _uniform:
                _n = _gather(_b, _i, _begin, _low, _high, {arguments})
                if _n < 0:
                    return 3
            _error = _advance(_b, _i, _n, _high, _w, {arguments})
            if _error > 0:
                return _error
        _sort(_o_time, _o_neuron, _o_record, _count[2], _count[1])
        for _s in _range(_count[2], _count[1]):
            _record[_o_record[_s], 7] = _s
        _count[2] = _count[1]
        if _high >= _last:
            break
        _pending = _in_offset[_b + 1] > _in_offset[_b] and _in_time[_in_offset[_b + 1] - 1] + _long_in >= _high
        _pending = _pending or (_count[1] > _begin and _o_time[_count[1] - 1] + _long_own >= _high)
        for _k in _range(_len(_read_time)):
            _pending = _pending or _read_time[_k] >= _high
        _w += 1
        if not _pending:  # nothing arrives any more: go to where a neuron may do something of its own
            _soon = _last
            for _i in _range(_len(_safe)):
                _soon = min(_soon, _safe[_i])
            if _soon >= _last:
                break
            _w = max(_w, int(_soon/_width))
    _windows[_b] = _w
    if _tracing and _count[3] > _trace.shape[0]:
        return 6
    return 0


def forward(_from_b, _to_b, {arguments}):
    """Run elements _from_b.._to_b-1 of the batch; return the first not run, because of _count[6]."""
    for _b in _range(_from_b, _to_b):
        _records = _count[0]
        _outs = _count[1]
        _count[6] = _element(_b, {arguments})
        if _count[6] > 0:
            _count[0] = _records
            _count[1] = _outs
            return _b
        _o_size[_b] = _count[1] - _outs
        _records_at[_b] = _records
        _outs_at[_b] = _outs
    return _to_b
'''

_BOUND: Final = """
_row = _code[_i] >> 1
{terms}
_g = {level}
_up = _g + 1e-15*({sizes})
_rise = {rises}
if _up >= 0.0:
    _safe[_i] = _at[_i]
elif _rise > 0.0:
    _safe[_i] = _at[_i] - 0.999999*_up/_rise
else:
    _safe[_i] = inf
"""

_GLANCE: Final = """
_read(_i, {arguments})
_row = _code[_i] >> 1
_seen_now = glance(_x, _strict, _f, _row*_table, _p, _row*_layout)
_safe[_i] = inf if _seen_now == inf else _at[_i]
"""

_QUICK: Final = """
if _quick and _code[_i] == 0 and not _tracing:
{load}
    _t = _a_time[_e - 1]
    _go = _safe[_i]
    while _e < _n and _go >= _a_time[_e] and _a_source[_e] < _sources:
        {watch}
{step}
        _w_i = _weight[_i, _a_source[_e]]
{add}
        _t = _a_time[_e]
        _e += 1
{terms}
        _up = {level} + 1e-15*({sizes})
        _rise = {rises}
        _go = inf if _up < 0.0 and _rise <= 0.0 else _t
        if _up < 0.0 and _rise > 0.0 and _e < _n and -0.999999*_up > _rise*(_a_time[_e] - _t):
            _go = _a_time[_e]
{store}
    _at[_i] = _t
    _event[_i] = _t
    _bound(_i, {arguments})
"""


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


def forward_parts(
    size: int, single: bool, fires: bool, additive: bool, fixed: Sequence[int], unseen: Sequence[int], climbs: bool
) -> dict[str, str]:
    """Return the lines of the flow, the bound and the inner loop: one exponential a mode, or the kernels'.

    Parameters
    ----------
    single : bool
        Whether every mode is one real exponential.
    fires, additive : bool
        Whether there is a threshold; whether an arrival just adds a multiple of its weight.
    fixed, unseen : sequences of int
        Modes that do not change in time, and that the threshold does not see.
    climbs : bool
        Whether the maximum of a state is read.
    """
    watch = {"climb": "_here = min(_t, _until)\n_climb(_b, _i, _here, _e, {arguments})" if climbs else "pass"}
    watch["top"] = "_read_value[_b, 0, _i] = -inf" if climbs else "pass"
    moving = [k for k in range(size) if k not in fixed]
    if not single:
        flow = "pass_modes(_y, _i, _wait, _f, _row*_table, _p, _row*_layout, _work)"
        bound = _GLANCE.strip() if fires else "_safe[_i] = inf"
        return {"flow": flow, "fade": "pass", "bound": bound, "quick": "", "search": _SEARCH.strip(), **watch}
    seen = [k for k in range(size) if k not in unseen] or [0]
    rising = [k for k in moving if k in seen]

    def terms(row: str, mode: str) -> str:
        lines = [f"_a{k} = _seen[{row}, {k}]*{mode.format(k=k)}" for k in seen]
        return "\n".join([*lines, *(f"_r{k} = _rate[{row}, {k}]*_a{k}" for k in rising)])

    sums = {
        "level": " + ".join(f"_a{k}" for k in seen),
        "sizes": " + ".join(f"abs(_a{k})" for k in seen),
        "rises": " + ".join(f"(_r{k} if _r{k} > 0.0 else 0.0)" for k in rising) or "0.0",
    }
    bound = _fill(_BOUND.strip(), sums | {"terms": terms("_row", "_y[_i, {k}]")}) if fires else "_safe[_i] = inf"
    quick = ""
    if additive:
        parts = {
            "load": "\n".join(f"    _y{k} = _y[_i, {k}]" for k in range(size)),
            "step": "\n".join(f"        _y{k} *= _fading[_e, {k}]" for k in moving) or "        pass",
            "add": "\n".join(f"        _y{k} += _gain[0, {k}]*_w_i" for k in range(size)),
            "store": "\n".join(f"    _y[_i, {k}] = _y{k}" for k in range(size)),
            "terms": "\n".join(f"        {line}" for line in terms("0", "_y{k}").splitlines()),
        }
        text = _QUICK.strip()
        if not fires:
            sums = {"level": "-1.0", "sizes": "0.0", "rises": "0.0"}
            parts["terms"] = ""
        parts["watch"] = _watch(size, moving) if climbs else "pass"
        quick = _fill(text, parts | sums)
    return {
        "flow": "\n".join(f"_y[_i, {k}] *= exp(_rate[_row, {k}]*_wait)" for k in moving) or "pass",
        "fade": "\n".join(f"_fading[_e, {k}] = exp(_rate[0, {k}]*_wait)" for k in moving) or "pass",
        "bound": bound,
        "quick": quick,
        "search": _SEARCH.strip(),
        **watch,
    }


def _watch(size: int, moving: Sequence[int]) -> str:
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
    return "\n        ".join(_fill(_WATCH.strip(), parts).splitlines())


def _fill(template: str, parts: dict[str, str]) -> str:
    for key, value in parts.items():
        template = template.replace("{" + key + "}", value)
    return template
