"""A layer of event-driven neurons as source, forward: one element of a batch after the other, from event to event.

What may happen to a neuron of its own (a crossing, the end of refractoriness) is bounded and searched for as in
`rheobase.emit.exact_cells`. Without recurrent synapses a neuron passes through all its arrivals at once; with them
time moves on by windows of their smallest delay. Each spike and each end of refractoriness leaves a record, from which
`rheobase.emit.event_backward` finds its way back: time, state just before, how many arrivals of the window were over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rheobase.emit.event_neuron import APPROACH, SEARCH
from rheobase.emit.event_seek import SEARCH_ALWAYS, SEEK_FIRST, below_lines, fill, indent, seek_function
from rheobase.emit.event_sweep import sweep_function
from rheobase.emit.event_top import glance_lines, watch_lines

if TYPE_CHECKING:
    from rheobase.emit.event_layer import EventPlan

__all__ = ["ADVANCE", "forward_parts"]

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

{sweep}

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
        {sweep_all}
        for _i in _range(0 if _swept else _len(_safe)):
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

_SWEEP_ALL: Final = """
_swept = _quick and not _recurrent and not _tracing and _len(_read_time) == 0
if _swept:
    _error = _sweep(_b, _n, _high, {arguments})
    if _error > 0:
        return _error
"""

#: Through arrivals between which g surely stays below 0 (see `rheobase.emit.event_seek`).
_QUICK: Final = """
if _quick and _code[_i] == 0 and not _tracing:
    {load}
    while _e < _n and _a_source[_e] < _sources:
        {fade}
        {test}
        {watch}
        _w_i = _weight[_i, _a_source[_e]]
        {add}
        _e += 1
    {store}
    _at[_i] = _a_time[_e - 1]
    _event[_i] = _at[_i]
    _safe[_i] = _at[_i]
    {bound}
"""

_TEST: Final = """
{ends}
_g = {level}
_g_end = {end_level}
_error = 4e-15*({sizes})
_steep = {most}
_flat = {least}
if max(_g, _g_end) >= -_error:
    break
_wait = _a_time[_e] - _a_time[_e - 1]
if _steep > 0.0 and _flat < 0.0 and {lines} >= -_error*(_steep - _flat):
    break
"""


def forward_parts(plan: EventPlan) -> dict[str, str]:
    """Return the lines of the flow, the bound and the inner loops: one exponential a mode, or the kernels'."""
    size, climbs, additive, fires = plan.size, plan.climbs, plan.additive, plan.neuron.rows.threshold is not None
    watch = {"climb": "_here = min(_t, _until)\n_climb(_b, _i, _here, _e, {arguments})" if climbs else "pass"}
    watch["top"] = "_read_value[_b, 0, _i] = -inf" if climbs else "pass"
    moving = [k for k in range(size) if k not in plan.fixed]
    watch["glance"] = glance_lines(size, moving) if climbs and plan.single else "pass"
    if not plan.single:
        flow = "pass_modes(_y, _i, _wait, _f, _row*_table, _p, _row*_layout, _work)"
        bound = _GLANCE.strip() if fires else "_safe[_i] = inf"
        search = indent(SEARCH.strip(), "seek", SEARCH_ALWAYS.strip())
        kept = {"flow": flow, "fade": "pass", "bound": bound, "quick": "", "search": search, "functions": ""}
        kept |= {"sweep": "", "sweep_all": "_swept = False"}
        return {**kept, "approach": APPROACH.strip(), **watch}
    raised = [k for k in range(size) if k not in plan.deaf]
    seen = [k for k in range(size) if k not in plan.unseen] or [0]
    rising = [k for k in moving if k in seen]
    return {
        "flow": "\n".join(f"_y[_i, {k}] *= exp(_rate[_row, {k}]*_wait)" for k in moving) or "pass",
        "fade": "\n".join(f"_fading[_e, {k}] = exp(_rate[0, {k}]*_wait)" for k in moving) or "pass",
        "bound": _bound_lines(seen, rising) if fires else "_safe[_i] = inf",
        "quick": _quick_lines(plan, moving, raised, seen, rising) if additive else "",
        "approach": "pass",
        "search": indent(SEARCH.strip(), "seek", SEEK_FIRST.strip()),
        "functions": seek_function(seen, rising) if fires else "",
        "sweep": sweep_function(moving, raised, seen, rising) if fires and additive else "",
        "sweep_all": _SWEEP_ALL.strip() if fires and additive else "_swept = False",
        **watch,
    }


def _bound_lines(seen: Sequence[int], rising: Sequence[int]) -> str:
    lines = [f"_a{k} = _seen[_row, {k}]*_y[_i, {k}]" for k in seen] + [
        f"_r{k} = _rate[_row, {k}]*_a{k}" for k in rising
    ]
    parts = {
        "terms": "\n".join(lines),
        "level": " + ".join(f"_a{k}" for k in seen),
        "sizes": " + ".join(f"abs(_a{k})" for k in seen),
        "rises": " + ".join(f"(_r{k} if _r{k} > 0.0 else 0.0)" for k in rising) or "0.0",
    }
    return fill(_BOUND.strip(), parts)


def _quick_lines(
    plan: EventPlan, moving: Sequence[int], raised: Sequence[int], seen: Sequence[int], rising: Sequence[int]
) -> str:
    """Return the loop over arrivals at a neuron that is not refractory, in the modes."""
    climbs, fires = plan.climbs, plan.neuron.rows.threshold is not None
    every = range(plan.size)
    load = [f"_y{k} = _y[_i, {k}]" for k in every] + [f"_gain{k} = _gain[0, {k}]" for k in raised]
    load += [f"_h{k} = _rate[0, {k}]" for k in moving] if fires or climbs else []
    ends = [f"_a{k} = _seen{k}*_y{k}" for k in seen] + [f"_z{k} = _seen{k}*_f{k}" for k in rising]
    ends += [f"_r{k} = _h{k}*_a{k}" for k in rising] + [f"_q{k} = _h{k}*_z{k}" for k in rising]
    test = {
        "ends": "\n".join(ends),
        "level": " + ".join(f"_a{k}" for k in seen),
        "end_level": " + ".join(f"_{'z' if k in rising else 'a'}{k}" for k in seen),
        "sizes": " + ".join([f"abs(_a{k})" for k in seen] + [f"abs(_z{k})" for k in rising]),
        "most": " + ".join(f"max(_r{k}, _q{k})" for k in rising) or "0.0",
        "least": " + ".join(f"min(_r{k}, _q{k})" for k in rising) or "0.0",
        "lines": below_lines("_g", "_g_end", "_steep", "_flat", "_wait"),
    }
    if fires:
        load += [f"_seen{k} = _seen[0, {k}]" for k in seen]
    if climbs:
        load += [f"_see{k} = _see[0, {k}]" for k in every] + ["_best = _read_value[_b, 0, _i]"]
    changed = sorted({*moving, *raised})
    faded = {k: f"_f{k}" if k in moving else f"_y{k}" for k in every}
    parts = {
        "load": load,
        "fade": [f"_f{k} = _y{k}*_fading[_e, {k}]" for k in moving],
        "test": fill(indent(_TEST.strip(), "ends", test["ends"]), test).splitlines() if fires else [],
        "watch": watch_lines(plan.size, moving).splitlines() if climbs else [],
        "add": [f"_y{k} = {faded[k]}" + (f" + _gain{k}*_w_i" if k in raised else "") for k in changed],
        "store": [f"_y[_i, {k}] = _y{k}" for k in changed],
        "bound": ["_bound(_i, {arguments})"] if not fires else [],
    }
    text = _QUICK.strip()
    for name, lines in parts.items():
        text = indent(text, name, "\n".join(lines) or "pass")
    return text
