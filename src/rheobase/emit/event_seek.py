"""Where g first crosses zero on a short interval, as source: for sums of real exponentials, in the common cases.

`rheobase.derive.crossing` decides every case; it looks at each with care, which takes most of the time of a layer. Most
are plain. Let ``g(t) = c + sum_k a_k exp(r_k t)`` on ``[0, T]``, with both ends known. Each term of the slope moves
monotonically, so that ``L <= g' <= U`` with the sums of the smaller and of the larger ends; g stays below the lines of
slope U from the left end and of slope L from the right end, which meet at

    (g(0) (-L) + g(T) U - U L T) / (U - L)      (U > 0 > L).

Where g has one or two exponentials, g' has one zero at most, at ``log(-s_2 / s_1) / (r_1 - r_2)`` with the terms s_k of
the slope at 0. So a change of sign between the ends is one crossing, and the maximum in between can be computed. What
all this leaves in doubt, by the rounding of the terms, is left to `rheobase.derive.crossing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["SEARCH_ALWAYS", "SEEK_FIRST", "below_lines", "fill", "indent", "seek_function"]

#: In a search, where modes are not single exponentials, and where they are.
SEARCH_ALWAYS: Final = """
_read(_i, {arguments})
_wait = first_crossing(_x, _to - _from, _strict, 0.0, _f, _row*_table, _p, _row*_layout, _work)
"""
SEEK_FIRST: Final = """
_wait = _seek(_i, _to - _from, {arguments})
if _wait < 0.0:  # in doubt
    _read(_i, {arguments})
    _wait = first_crossing(_x, _to - _from, _strict, 0.0, _f, _row*_table, _p, _row*_layout, _work)
"""

_FUNCTION: Final = '''

def _seek(_i, _span, {arguments}):
    """Return how long neuron _i takes to its threshold, inf if that is not within _span, -1 if in doubt."""
    _row = _code[_i] >> 1
    {begin}
    _g = {level_a}
    _size = {size_a}
    if not (_g < -4e-15*_size and _span < inf{tame}):
        return -1.0
    {end}
    _g_end = {level_z}
    _error = 4e-15*(_size + {size_z})
    _steep = {most}
    _flat = {least}
    _high = _span
    if not _g_end > _error:
        if not _g_end < -_error:
            return -1.0
        if _steep <= 0.0 or _flat >= 0.0:
            return inf
        if {lines} < -_error*(_steep - _flat):
            return inf
        {inside}
    else:
        {unique}
    _low = 0.0  # one crossing in (_low, _high): Halley's steps
    _t = 0.0
    {start}
    for _turn in _range(100):
        _rise = {slope_b}
        _curve = {curve_b}
        _below = 2.0*_rise*_rise - _g*_curve
        _new = -1.0
        if _rise > 0.0:
            _new = _t - 2.0*_g*_rise/_below if _below > _rise*_rise else _t - _g/_rise
        if _low < _new < _high:
            _move = abs(_new - _t)
            if _below > _rise*_rise and _move*_move*_move*({third} + _curve*_curve/_rise) <= 1e-17*_new*_rise:
                return _new  # what such a step neglects is below rounding
        else:
            _new = 0.5*(_low + _high)
            if not _low < _new < _high:
                return _high
        _t = _new
        {there}
        _g = {level_b}
        if abs(_g) <= 2e-16*({size_b}):
            return _t
        if _g > 0.0:
            _high = _t
        else:
            _low = _t
    return -1.0
'''

#: With two exponentials: the maximum between the ends.
_SUMMIT: Final = """
_rise = {slope_r}
_curve = 1e-14*({size_r})
if _rise < -_curve:
    return inf
if not _rise > _curve:
    return -1.0
_rise = {slope_q}
_curve = 1e-14*({size_q})
if _rise > _curve:
    return inf
if not _rise < -_curve:
    return -1.0
_high = log(-_r{two}/_r{one})/(_h{one} - _h{two})
if not 0.0 < _high < _span:
    return -1.0
{top}
_g_end = {level_b}
if _g_end < -_error:
    return inf
if not _g_end > _error:
    return -1.0
"""


def below_lines(low: str, high: str, most: str, least: str, span: str) -> str:
    """Return (U - L) times the height that a function does not exceed between its ends, given L <= slope <= U."""
    return f"{high}*{most} - {low}*{least} - {most}*{least}*{span}"


def seek_function(seen: Sequence[int], rising: Sequence[int]) -> str:
    """Return the source of `_seek`, for modes that the threshold sees, of which some move."""

    def total(terms: Sequence[str]) -> str:
        return " + ".join(terms) or "0.0"

    def level(at: str) -> str:
        return total([f"_{at if k in rising else 'a'}{k}" for k in seen])

    def size(at: str) -> str:
        return total([f"abs(_{at if k in rising else 'a'}{k})" for k in seen])

    def all_at(at: str, time: str) -> list[str]:
        return [f"_{at}{k} = _a{k}*exp(_h{k}*{time})" for k in rising]

    def lines(*more: str) -> str:
        return "\n".join(more) or "pass"

    begin = [f"_a{k} = _seen[_row, {k}]*_y[_i, {k}]" for k in seen]
    begin += [f"_h{k} = _rate[_row, {k}]" for k in rising]
    slopes = [f"_q{k} = _h{k}*_{{at}}{k}" for k in rising]
    parts = {
        "begin": lines(*begin, *(f"_r{k} = _h{k}*_a{k}" for k in rising)),
        "end": lines(*all_at("z", "_span"), *(x.replace("{at}", "z") for x in slopes)),
        "start": lines(*(f"_q{k} = _r{k}" for k in rising)),
        "there": lines(*all_at("b", "_t"), *(x.replace("{at}", "b") for x in slopes)),
        "most": total([f"max(_r{k}, _q{k})" for k in rising]),
        "least": total([f"min(_r{k}, _q{k})" for k in rising]),
        "tame": "".join(f" and _h{k}*_span < 600.0" for k in rising),
        "lines": below_lines("_g", "_g_end", "_steep", "_flat", "_span"),
        "slope_b": total([f"_q{k}" for k in rising]),
        "curve_b": total([f"_h{k}*_q{k}" for k in rising]),
        "third": total([f"abs(_h{k}*_h{k}*_q{k})" for k in rising]),
        "inside": "return -1.0",
        "unique": "pass" if len(rising) <= 2 else "if not _flat > 0.0:\n    return -1.0",
    }
    if len(rising) == 2:
        summit = {
            "one": str(rising[0]), "two": str(rising[1]), "top": lines(*all_at("b", "_high")),
            **{f"slope_{x}": total([f"_{x}{k}" for k in rising]) for x in "rq"},
            **{f"size_{x}": total([f"abs(_{x}{k})" for k in rising]) for x in "rq"},
        }  # fmt: skip
        parts["inside"] = fill(_SUMMIT.strip(), summit)
    parts |= {f"level_{x}": level(x) for x in "azb"} | {f"size_{x}": size(x) for x in "azb"}
    text = _FUNCTION
    for name in [p for p in parts if "\n        {" + p + "}" in text or "\n    {" + p + "}" in text]:
        text = indent(text, name, parts[name])
    return fill(text, parts)


def indent(text: str, name: str, lines: str) -> str:
    """Return a text with lines put in where ``{name}`` stands alone, as deep as it stands there."""
    out = []
    for line in text.splitlines():
        depth = line[: len(line) - len(line.lstrip())]
        out += [depth + x for x in lines.splitlines()] if line.strip() == "{" + name + "}" else [line]
    return "\n".join(out) + "\n"


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with texts put in where ``{name}`` stands."""
    for key, value in parts.items():
        template = template.replace("{" + key + "}", value)
    return template
