"""All neurons of a layer through one arrival after the other, as source: where every neuron hears every arrival.

Without recurrence and with one delay for all, the arrivals of an element are the same for all neurons, and so is the
factor by which each mode fades in between. So neurons go side by side, several in one instruction of the processor: the
modes are kept by mode (`_lane`, in two copies that take turns), and a test as in `rheobase.emit.event_seek` tells which
neurons may have crossed their threshold since the last arrival. Only those, and refractory ones (`_away`), are looked
at one by one. The same operations in the same order as `_advance`, so the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rheobase.emit.event_seek import below_lines, fill, indent

__all__ = ["sweep_function"]

_SWEEP: Final = '''

def _sweep(_b, _n, _high, {arguments}):
    """Carry all neurons through the arrivals of an element and on to _high; return what went wrong."""
    {load}
    for _i in _range(_len(_safe)):
        _away[_i] = 0.0
        {enter}
    for _e in _range(_n + 1):
        _was = _e & 1
        _is = 1 - _was
        _before = _a_time[_e - 1] if _e > 0 else 0.0
        _t = _a_time[_e] if _e < _n else _high
        _wait = _t - _before
        _source = _a_source[_e] if _e < _n else 0
        _some = 0
        if _t < inf:
            {fade}
            for _i in _range(_len(_safe)):
                {terms}
                _g = {level}
                _g_end = {end_level}
                _error = 4e-15*({sizes})
                _steep = {steep}
                _flat = {flat}
                _top = _g if _g > _g_end else _g_end
                _bent = (_steep > 0.0) & (_flat < 0.0) & ({lines} >= -_error*(_steep - _flat))
                _plain = (_top < -_error) & (not _bent) & (_away[_i] == 0.0)
                _doubt[_i] = 0.0 if _plain else 1.0
                _some += 0 if _plain else 1
                _w_i = _weight_of[_source, _i]
                {add}
        else:
            _some = 1
            for _i in _range(_len(_safe)):
                _doubt[_i] = 1.0
        if _some == 0:
            continue
        _mark = _count[1]
        for _i in _range(_len(_safe)):
            if _doubt[_i] == 0.0:
                continue
            if _away[_i] == 0.0:
                {leave}
                _at[_i] = _before
                _event[_i] = _before
                _safe[_i] = _before
            _had = _count[1]
            if _safe[_i] < _t:
                _error_code = _settle_here(_b, _i, _t, _e, 0, {arguments})
                if _error_code > 0:
                    return _error_code
            if _e < _n and (_count[1] > _had or _away[_i] > 0.0):  # else the lanes hold what follows
                _flow(_i, _t, {arguments})
                _w_i = _weight[_i, _source]
                {arrive}
                _event[_i] = _t
                _away[_i] = 1.0 if _code[_i] != 0 else 0.0
                {back}
        _sort(_o_time, _o_neuron, _o_record, _mark, _count[1])
    return 0
'''


def sweep_function(moving: Sequence[int], raised: Sequence[int], seen: Sequence[int], rising: Sequence[int]) -> str:
    """Return the source of `_sweep`: of the modes some move, arrivals raise some, and the threshold sees some."""
    every = sorted({*moving, *raised, *seen})
    faded = {k: f"_f{k}" if k in moving else f"_y{k}" for k in every}
    blocks = {
        "load": [
            *(f"_gain{k} = _gain[0, {k}]" for k in raised),
            *(f"_h{k} = _rate[0, {k}]" for k in moving),
            *(f"_seen{k} = _seen[0, {k}]" for k in seen),
        ],
        "enter": [f"_lane[0, {k}, _i] = _y[_i, {k}]" for k in every],
        "fade": [f"_fade{k} = exp(_h{k}*_wait)" for k in moving],
        "terms": [
            *(f"_y{k} = _lane[_was, {k}, _i]" for k in every),
            *(f"_f{k} = _y{k}*_fade{k}" for k in moving),
            *(f"_a{k} = _seen{k}*_y{k}" for k in seen),
            *(f"_z{k} = _seen{k}*_f{k}" for k in rising),
            *(f"_r{k} = _h{k}*_a{k}" for k in rising),
            *(f"_q{k} = _h{k}*_z{k}" for k in rising),
        ],
        "add": [f"_lane[_is, {k}, _i] = {faded[k]}" + (f" + _gain{k}*_w_i" if k in raised else "") for k in every],
        "leave": [f"_y[_i, {k}] = _lane[_was, {k}, _i]" for k in every],
        "back": [f"_lane[_is, {k}, _i] = _y[_i, {k}]" for k in every],
    }
    text = _SWEEP
    for name, lines in blocks.items():
        text = indent(text, name, "\n".join(lines) or "pass")
    parts = {
        "level": " + ".join(f"_a{k}" for k in seen),
        "end_level": " + ".join(f"_{'z' if k in rising else 'a'}{k}" for k in seen),
        "sizes": " + ".join([f"abs(_a{k})" for k in seen] + [f"abs(_z{k})" for k in rising]),
        "steep": " + ".join(f"(_r{k} if _r{k} > _q{k} else _q{k})" for k in rising) or "0.0",
        "flat": " + ".join(f"(_r{k} if _r{k} < _q{k} else _q{k})" for k in rising) or "0.0",
        "lines": below_lines("_g", "_g_end", "_steep", "_flat", "_wait"),
    }
    return fill(text, parts)
