"""A layer of event-driven neurons as source, backward: the adjoint of `rheobase.emit.event_forward`.

The mathematics is told in `rheobase.derive.eventprop`. `_l[i]` is the adjoint of neuron i's state, kept in the modes of
its transposed flow where each is one real exponential (so that it fades by the same factors as the state), in the
states themselves otherwise; it belongs to the time `_l_at[i]`. What a spike's time is worth (`_worth`) is known when
the neuron is led back to it: from the loss and later layers at first, and from the neurons of this layer that it
reached, which are further on in time.

`_carry[i]` is the worth of the present instant, handed to the event that determined it; `_owed[i]` that of an end of
refractoriness, which belongs to the spike before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rheobase.emit.event_seek import fill, indent

__all__ = ["BACKWARD", "COLLECT_GENERAL", "COLLECT_SINGLE", "quick_back"]

BACKWARD: Final = '''

def _states_back(_i, _row, {arguments}):
    """Write the adjoint of neuron _i, as one of its states, to _l_x."""
    for _k in _range({size}):
        _sum = 0.0
        for _m in _range({size}):
            _sum += _leave[_row, _k, _m]*_l[_i, _m]
        _l_x[_k] = _sum


def _modes_back(_i, _row, {arguments}):
    """Set the adjoint of neuron _i from _l_x."""
    _live[_i] = 0
    for _k in _range({size}):
        _sum = 0.0
        for _m in _range({size}):
            _sum += _enter[_row, _k, _m]*_l_x[_m]
        _l[_i, _k] = _sum
        if _sum != 0.0:
            _live[_i] = 1


def _slope(_row, _x_of, _out, {arguments}):
    """Write the flow at a state to _out."""
    for _k in _range({states}):
        _sum = 0.0
        for _m in _range({size}):
            _sum += _matrix[_row, _k, _m]*_x_of[_m]
        _out[_k] = _sum


def _collect(_i, _row, _wait, {arguments}):
    """Add the integral of adjoint times state over the last _wait ms: the state starts from the newest note."""
    {collect}


def _flow_back(_i, _to, {arguments}):
    """Lead the adjoint of neuron _i back to _to."""
    _row = _l_code[_i] >> 1
    _wait = _l_at[_i] - _to
    if _live[_i] == 1 and _wait > 0.0:
        if _collecting:
            _collect(_i, _row, _wait, {arguments})
        {flow}
    _l_at[_i] = _to


def _arrive_back(_i, _source, _spike, {arguments}):
    """Lead neuron _i back through an arrival."""
    _row = _l_code[_i] >> 1
    _w_i = _weight[_i, _source]
    {arrive}
    _g_weight[_i, _source] += _to_weight
    if _timed:
        _to_time += _carry[_i]
        if _source < _inputs:
            _g_time[_spike] += _to_time
        else:
            _worth[_spike] += _to_time
        if not _uniform:
            _g_delay[_i, _source] += _to_time
        else:
            _g_delay[0, 0 if _source < _inputs else 1] += _to_time
    _carry[_i] = 0.0


def _record_back(_i, _r, {arguments}):
    """Lead neuron _i back through a spike, or through an end of its refractoriness."""
    _before = _record[_r, 1] >> 1
    _after = _record[_r, 2] >> 1
    for _k in _range({size}):
        _x[_k] = _r_state[_r, _k]
        _l_x[_k] = 0.0
    if _live[_i] == 1:
        _states_back(_i, _after, {arguments})
    _slope(_before, _x, _f_before, {arguments})
    if _record[_r, 0] == 1:
        _slope(_after, _x, _f_after, {arguments})
        _total = _carry[_i]
        for _k in _range({states}):
            _total += _l_x[_k]*(_f_before[_k] - _f_after[_k])
        _owed[_i] += _total
        _carry[_i] = 0.0
        {release}
    else:
        for _k in _range({size}):
            _x_after[_k] = _x[_k]
        {reset}
        _slope(_after, _x_after, _f_after, {arguments})
        _total = _worth[_record[_r, 7]] + _carry[_i] + _owed[_i] + _d_t
        for _k in _range({states}):
            _total += _l_new[_k]*_f_before[_k] - _l_x[_k]*_f_after[_k]
            _l_x[_k] = _l_new[_k]
        _owed[_i] = 0.0
        _carry[_i] = 0.0
        if _record[_r, 6] == 1:
            _carry[_i] = _total
        elif _total != 0.0:
            _rise = 0.0
            for _k in _range({states}):
                _rise += _normal[_before, _k]*_f_before[_k]
            _factor = -_total/_rise
            for _k in _range({size}):
                _l_x[_k] += _factor*_normal[_before, _k]
            for _k in _range({states}):
                _g_normal[_i, _k] += _factor*_x[_k]
            _g_normal[_i, {states}] += _factor
    for _k in _range({states}, {size}):
        _l_x[_k] = 0.0
    _modes_back(_i, _before, {arguments})
    _l_code[_i] = _record[_r, 1]


def _retreat(_b, _i, _n, _w, {arguments}):
    """Lead neuron _i back through all that happened to it in a window."""
    _e = _n
    {top}
    while True:
        _r = _rec[_i]
        _mine = _r >= 0 and _record[_r, 4] == _w
        _stop = _record[_r, 3] if _mine else 0
        while _e > _stop:
            {descend}
            _next = max(_stop, _place + 1)
            if _live[_i] == 0 and _carry[_i] == 0.0 and _len(_read_time) == 0 and _e > _next:
                if _tracing:
                    _count[3] -= 2*(_e - _next)
                _e = _next
                continue
            _e -= 1
            _t = _a_time[_e]
            _source = _a_source[_e]
            if _tracing:
                _count[3] -= 2
            _flow_back(_i, _t, {arguments})
            {edge}
            if _source < _sources:
                _arrive_back(_i, _source, _a_spike[_e], {arguments})
                {quick}
            else:
                _pull = _g_read[_b, _source - _sources, _i]
                if _pull != 0.0:
                    _row = _l_code[_i] >> 1
                    _live[_i] = 1
                    for _k in _range({size}):
                        _l[_i, _k] += _enter[_row, _k, _read_state]*_pull
        if not _mine:
            {descend}
            return 0
        if _tracing:
            _count[3] -= 2
        _flow_back(_i, _r_time[_r], {arguments})
        _record_back(_i, _r, {arguments})
        _rec[_i] = _record[_r, 5]


def backward(_from_b, _to_b, {arguments}):
    """Lead elements _from_b.._to_b-1 of the batch back (one, if _tracing: the one that was run last)."""
    for _b in _range(_from_b, _to_b):
        _begin = _outs_at[_b]
        _count[2] = _begin + _o_size[_b]
        for _i in _range(_len(_safe)):
            _rec[_i] = _head[_b, _i]
            _live[_i] = 0
            _carry[_i] = 0.0
            _owed[_i] = 0.0
            _l_at[_i] = 0.0
            _l_code[_i] = _record[_rec[_i], 2] if _rec[_i] >= 0 else _first_code[_i]
            for _k in _range({size}):
                _l[_i, _k] = 0.0
        _w = _windows[_b]
        while True:
            _low = _w*_width if _recurrent else 0.0
            _high = min((_w + 1)*_width, _last) if _recurrent else _last
            _n = 0
            if _uniform:
                _n = _gather(_b, 0, _begin, _low, _high, {arguments})
                _fade(_n, {arguments})
            for _back in _range(_len(_safe)):
                _i = _len(_safe) - 1 - _back
                _quiet = _live[_i] == 0 and _carry[_i] == 0.0 and _len(_read_time) == 0 and not _tracing
                if {skip}_quiet and (_rec[_i] < 0 or _record[_rec[_i], 4] != _w):
                    continue
                if not _uniform:
                    _n = _gather(_b, _i, _begin, _low, _high, {arguments})
                _retreat(_b, _i, _n, _w, {arguments})
            if _w == 0:
                break
            _w -= 1
            if not _tracing:  # where nothing happened: go to the latest window in which something may have
                _latest = 0
                for _i in _range(_len(_safe)):
                    if _rec[_i] >= 0:
                        _latest = max(_latest, _record[_rec[_i], 4])
                for _k in _range(_len(_read_time)):
                    if _read_time[_k] < _low:
                        _latest = max(_latest, int(_read_time[_k]/_width) + 1)
                _s = _first(_in_time, _in_offset[_b], _in_offset[_b + 1], _low)
                if _s > _in_offset[_b]:
                    _latest = max(_latest, int((_in_time[_s - 1] + _long_in)/_width) + 1)
                _s = _first(_o_time, _begin, _count[2], _low)
                if _s > _begin:
                    _latest = max(_latest, int((_o_time[_s - 1] + _long_own)/_width) + 1)
                _w = min(_w, _latest)
        if _tracing:
            _count[3] = 0
        for _i in _range({begins}):  # down to the start, where that is trained
            if _live[_i] == 1:
                if _tracing:
                    for _k in _range({size}):
                        _x[_k] = _start[_i, _k]
                    for _k in _range({size}):
                        _sum = 0.0
                        for _m in _range({size}):
                            _sum += _f[(_l_code[_i] >> 1)*_table + _k*{size} + _m]*_x[_m]
                        _trace[1, _k] = _sum
                _flow_back(_i, 0.0, {arguments})
                _states_back(_i, _l_code[_i] >> 1, {arguments})
                for _k in _range({states}):
                    _g_start[_i, _k] += _l_x[_k]
    return _to_b
'''

#: dL/dM for one interval, in modes: the integral of e^(-l_j s) and e^(l_k s) is a divided difference of exp.
COLLECT_SINGLE: Final = """
_s = _count[3] + 1
_m = _row % _modes
for _j in _range({size}):
    if _l[_i, _j] != 0.0:
        for _k in _range({size}):
            _gap = (_rate[_row, _k] - _rate[_row, _j])*_wait
            _mean = _wait*exp(_rate[_row, _j]*_wait)*(expm1(_gap)/_gap if _gap != 0.0 else 1.0)
            if _gap > 0.0:
                _mean = _wait*exp(_rate[_row, _k]*_wait)*(-expm1(-_gap)/_gap)
            _g_matrix[_i, _m, _j, _k] += _l[_i, _j]*_trace[_s, _k]*_mean
"""

#: The same for any modes, by Gauss's rule with ten points on pieces too short for its error to show.
COLLECT_GENERAL: Final = """
_s = _count[3] + 1
_m = _row % _modes
_pieces = int(_fastest[_row]*_wait) + 1
for _piece in _range(_pieces):
    for _q in _range(_len(_knots)):
        _at_q = _wait*((_piece + _knots[_q])/_pieces)
        for _k in _range({size}):
            _x_after[_k] = _l[_i, _k]
        propagate_state(_x_after, _wait - _at_q, _f_back, _row*_table_back, _p_back, _row*_layout_back, _work, _x_after)
        propagate_modes(_trace, _s, _at_q, _f, _row*_table, _p, _row*_layout, _work, _x)
        for _j in _range({size}):
            for _k in _range({size}):
                _g_matrix[_i, _m, _j, _k] += _x_after[_j]*_x[_k]*(_shares[_q]*_wait/_pieces)
"""

FLOW_GENERAL: Final = """
for _k in _range({size}):
    _x_after[_k] = _l[_i, _k]
propagate_state(_x_after, _wait, _f_back, _row*_table_back, _p_back, _row*_layout_back, _work, _x_after)
for _k in _range({size}):
    _l[_i, _k] = _x_after[_k]
"""

ARRIVE_ADDITIVE: Final = """
_to_weight = 0.0
_to_time = 0.0
for _k in _range({size}):
    _to_weight += _l[_i, _k]*_by_weight[_row, _k]
    _to_time += _l[_i, _k]*_by_time[_row, _k]
_to_time *= _w_i
"""

ARRIVE_ANY: Final = """
_states_back(_i, _row, {arguments})
for _k in _range({size}):
    _x[_k] = 0.0
    _x_after[_k] = 0.0
    for _m in _range({size}):
        _x[_k] += _f[_row*_table + {square} + _k*{size} + _m]*_trace[_count[3], _m]
        _x_after[_k] += _f[_row*_table + {square} + _k*{size} + _m]*_trace[_count[3] + 1, _m]
_slope(_row, _x, _f_before, {arguments})
_slope(_row, _x_after, _f_after, {arguments})
_now = _l_at[_i]
{receive}
_to_weight = _d_w
_to_time = _d_t
for _k in _range({states}):
    _to_time += _l_new[_k]*_f_before[_k] - _l_x[_k]*_f_after[_k]
    _l_x[_k] = _l_new[_k]
for _k in _range({states}, {size}):
    _l_x[_k] = 0.0
_modes_back(_i, _row, {arguments})
"""

#: Back through arrivals without refractoriness, between which every mode fades by a factor all neurons share.
QUICK_BACK: Final = """
if _quick and _l_code[_i] == 0 and not _tracing and _live[_i] == 1:
    {load}
    _sum_in = 0.0
    _sum_own = 0.0
    while _e > _stop and _e > _place and _a_source[_e - 1] < _sources:
        {step}
        _e -= 1
        _source = _a_source[_e]
        _g_weight[_i, _source] += {weight}
        if _timed:
            _to_time = _weight[_i, _source]*({time})
            if _source < _inputs:
                _g_time[_a_spike[_e]] += _to_time
                _sum_in += _to_time
            else:
                _worth[_a_spike[_e]] += _to_time
                _sum_own += _to_time
            if not _uniform:
                _g_delay[_i, _source] += _to_time
    if _uniform and _timed:
        _g_delay[0, 0] += _sum_in
        _g_delay[0, 1] += _sum_own
    {store}
    _l_at[_i] = _a_time[_e]
"""


def quick_back(moving: Sequence[int], raised: Sequence[int]) -> str:
    """Return the loop back through arrivals: of the modes some move, and arrivals raise some."""
    needed = sorted({*moving, *raised})
    load = [f"_l{k} = _l[_i, {k}]" for k in needed] + [f"_by{k} = _by_weight[0, {k}]" for k in raised]
    late = [k for k in moving if k in raised]
    parts = {
        "load": [*load, *(f"_late{k} = _by_time[0, {k}]" for k in late)],
        "step": [f"_l{k} *= _fading[_e, {k}]" for k in moving],
        "store": [f"_l[_i, {k}] = _l{k}" for k in moving],
    }
    text = QUICK_BACK.strip()
    for name, lines in parts.items():
        text = indent(text, name, "\n".join(lines) or "pass")
    weight = " + ".join(f"_l{k}*_by{k}" for k in raised) or "0.0"
    return fill(text, {"weight": weight, "time": " + ".join(f"_l{k}*_late{k}" for k in late) or "0.0"})
