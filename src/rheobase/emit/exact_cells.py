"""Neurons of an exact network as source: advance one, let a spike arrive at it, look for its next crossing.

The state of neuron j is kept in the modes of its flow, ``_y[j, 0:S]``, where time passes by one exponential a
mode; ``_y[j, S]`` is the time it belongs to, and ``_y[j, S + 1]`` a time before which nothing can happen to it of its
own: no crossing, no end of refractoriness. ``_code[j]`` is twice the number of its table, plus 1 while refractory.

What happens to a neuron up to a time does not depend on how much longer the run is, so that a run in pieces has the
bits of an unbroken one: searches reach equally far ahead, and `_until` only says what need not be noted. Nor does the
calendar of looks ahead matter: a neuron that is looked at too early is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from rheobase.derive.integrate import Step
from rheobase.derive.propagate import clamp_sets
from rheobase.emit.exact_loop import drop_flows, name_kernels
from rheobase.emit.exact_plan import NEVER, Cells
from rheobase.emit.to_python import row_functions

__all__ = ["cells_source"]


_SETTLE = '''
def _wake{g}(_j, {arguments}):
    """End what refractoriness of neuron _j ends now."""
    _safe = _y[_j, {safe}]
    _flow{g}(_j, _safe, {arguments})
{release}
    return 0


def _search{g}(_j, _to, {arguments}):
    """Find the next crossing of neuron _j, and fire if it is before _to; return 1 or 2 for an error."""
{search}
    return 0


def _settle{g}(_j, _to, {arguments}):
    """Bring neuron _j to where nothing happens before _to; return 0, 1 if the spikes are too many, 2 if endless."""
    while _y[_j, {safe}] < _to:
        if _code[_j] & 1:
            _wake{g}(_j, {arguments})
            continue
        if _y[_j, {safe}] > _y[_j, {last}]:
            _flow{g}(_j, _y[_j, {safe}], {arguments})
            _bound{g}(_j, {arguments})
            if _y[_j, {safe}] >= _to:
                return 0
        _error = _search{g}(_j, _to, {arguments})
        if _error > 0:
            return _error
    return 0
'''

_SEARCH = """
_read{g}(_j, {arguments})
_row = _code[_j] >> 1
_at = _y[_j, {last}]
_wait = first_crossing(_x, _reach, _strict, 0.0, _f, _row*_table, _p, _row*_layout, _work)
if _wait == inf:
    _y[_j, {safe}] = _at + _reach
    return 0
_at += _wait
if not _at < _to:
    _y[_j, {safe}] = _at
    return 0
_count[1] = _count[1] + 1 if _wait == 0.0 and _count[2] == _j else 0
_count[2] = _j
if _count[1] > 10000:
    return 2
if _count[0] >= _len(_out_time):
    return 1
_flow{g}(_j, _at, {arguments})
_out_time[_count[0]] = _at
_out_neuron[_count[0]] = _j
_count[0] += 1
_read{g}(_j, {arguments})
"""

_PARTS = '''
def _flow{g}(_j, _to, {arguments}):
    """Let time pass up to _to."""
    _row = _code[_j] >> 1
{sample}
    _wait = _to - _y[_j, {last}]
    if _wait > 0.0:
{flow}
    _y[_j, {last}] = _to


def _read{g}(_j, {arguments}):
    """Write the states of neuron _j to _x."""
    _o = (_code[_j] >> 1)*_table + {square}
    for _i in _range({size}):
        _sum = 0.0
        for _k in _range({size}):
            _sum += _f[_o + _i*{size} + _k]*_y[_j, _k]
        _x[_i] = _sum


def _write{g}(_j, {arguments}):
    """Set the modes of neuron _j from _x, and what follows from its refractoriness."""
    _now = _y[_j, {last}]
{mode}
    _o = (_code[_j] >> 1)*_table
    for _k in _range({size}):
        _sum = 0.0
        for _i in _range({size}):
            _sum += _f[_o + _k*{size} + _i]*_x[_i]
        _y[_j, _k] = _sum
    if _code[_j] & 1:
        _y[_j, {safe}] = _next
    else:
        _bound{g}(_j, {arguments})


def _bound{g}(_j, {arguments}):
    """Find a time before which neuron _j surely stays below its threshold."""
{bound}


def _plan{g}(_j, _low, {arguments}):
    """Note neuron _j for the window in which it has to be looked at, unless it is noted earlier."""
    if _y[_j, {safe}] <= _until:
        _window = int(_y[_j, {safe}]*_rate)
        _window = _low if _window < _low else _window
        _window = _low + _len(_head) - 2 if _window > _low + _len(_head) - 2 else _window
        if _window < _due[_j]:
            _drop{g}(_j, {arguments})
            _slot = _window % _len(_head)
            _due[_j] = _window
            _after[_j] = _head[_slot]
            _before[_j] = -1
            if _head[_slot] >= 0:
                _before[_head[_slot]] = _j
            _head[_slot] = _j


def _drop{g}(_j, {arguments}):
    """Take neuron _j out of the list of its window."""
    if _due[_j] < {never}:
        if _before[_j] >= 0:
            _after[_before[_j]] = _after[_j]
        else:
            _head[_due[_j] % _len(_head)] = _after[_j]
        if _after[_j] >= 0:
            _before[_after[_j]] = _before[_j]
        _due[_j] = {never}


def _look{g}(_window, _to, {arguments}):
    """Look at all neurons noted for a window that ends at _to."""
    _slot = _window % _len(_head)
    while _head[_slot] >= 0:
        _j = _head[_slot]
        _drop{g}(_j, {arguments})
        _error = _settle{g}(_j, _to, {arguments})
        if _error > 0:
            _status[2] = _j
            return _error
        _plan{g}(_j, _window + 1, {arguments})
    return 0


def _finish{g}(_begin, _end, {arguments}):
    """Bring neurons to the end."""
    for _j in _range(_begin, _end):
{last_sample}
        _flow{g}(_j, _until, {arguments})
        _read{g}(_j, {arguments})
        for _i in _range(_final.shape[1]):
            _final[_j, _i] = _x[_i]
'''

_SAMPLE = """
_r = _traced[_j]
if _r >= 0:
    while _sampled[_r] < _len(_samples) and _samples[_sampled[_r]] < _to:
        propagate_modes(_y, _j, _samples[_sampled[_r]] - _y[_j, {last}], _f, _row*_table, _p, _row*_layout, _work, _x)
        for _i in _range(_len(_trace)):
            _trace[_i, _r, _sampled[_r]] = _x[_i]
        _sampled[_r] += 1
"""

_BOUND = """
_h0 = (_code[_j] >> 1)*_stride
{terms}
_g = {level}
_up = _g + 1e-15*({sizes})
_rise = {rises}
if _up >= 0.0:
    _y[_j, {safe}] = _y[_j, {last}]
elif _rise > 0.0:
    _y[_j, {safe}] = _y[_j, {last}] - 0.999999*_up/_rise
else:
    _y[_j, {safe}] = inf
"""

_GLANCE = """
_read{g}(_j, {arguments})
_row = _code[_j] >> 1
_seen = glance(_x, _strict, _f, _row*_table, _p, _row*_layout)
_y[_j, {safe}] = inf if _seen == inf else _y[_j, {last}]
"""

_ARRIVE = '''
def _arrive{g}_{port}(_j, _to, _weight, _window, {arguments}):
    """Let a spike of weight _weight arrive at neuron _j at time _to."""
    if _y[_j, {safe}] < _to:
        _error = _settle{g}(_j, _to, {arguments})
        if _error > 0:
            _status[2] = _j
            return _error
    _flow{g}(_j, _to, {arguments})
{jump}
    _plan{g}(_j, _window, {arguments})
    return 0
'''

_SET = '''
def _set{g}(_b, _begin, _end, _to, _window, {arguments}):
    """Let inputs change."""
    for _j in _range(_begin, _end):
        _error = _settle{g}(_j, _to, {arguments})
        if _error > 0:
            _status[2] = _j
            return _error
        _flow{g}(_j, _to, {arguments})
        _read{g}(_j, {arguments})
        _from = _j if _settings.shape[1] > 1 else 0
        for _i in _range({set_count}):
            _value = _settings[_b, _from, _i]
            if _value == _value:
                _x[{set_from} + _i] = _value
        _write{g}(_j, {arguments})
        _plan{g}(_j, _window, {arguments})
    return 0
'''


def cells_source(g: int, cells: Cells) -> tuple[list[str], tuple[str, ...], tuple[str, ...]]:
    """Return the functions of group `g`, the names of their common arguments, and those worth inlining."""
    neuron, size = cells.neuron, cells.size
    states, targets = list(neuron.states), list(neuron.refractory)
    clamped = [s for s in targets if s != "threshold"]
    sets = clamp_sets(neuron)
    nothing = Step("none", "", {c: () for c in sets})
    rows, calls = row_functions(neuron, nothing)
    parameters: set[str] = set()

    def place(name: str) -> str:
        if name in states:
            return f"_x[{states.index(name)}]"
        if name in ("w_i", "t"):
            return {"w_i": "_weight", "t": f"_y[_j, {size}]"}[name]
        parameters.add(name)
        return name if cells.kinds[name] == "scalar" else f"{name}[_j]"

    def jump(function: str, hold: bool) -> list[str]:
        """Return the lines that put what a row function says into _x."""
        got = ", ".join(f"_got_{s}" for s in states) + ("," if len(states) == 1 else "")
        out = [f"{got} = {function}_{g}({', '.join(place(a) for a in calls[function])})"]
        for i, s in enumerate(states):
            test = f"if not _left_{s}[_j] >= _y[_j, {size}]:\n    " if hold and s in clamped else ""
            out.append(f"{test}_x[{i}] = _got_{s}")
        return out

    names = {"g": str(g), "size": str(size), "square": str(size * size), "last": str(size), "safe": str(size + 1)}
    names |= {"never": str(NEVER), "set_from": str(cells.set_from), "set_count": str(cells.set_count)}

    release = [f"if _left_{s}[_j] <= _safe:\n    _left_{s}[_j] = -1.0" for s in targets]
    release += [f"_read{g}(_j, {{arguments}})", f"_write{g}(_j, {{arguments}})"]
    reset = jump("_reset", hold=False) if neuron.rows.reset else []
    reset += [f"_left_{s}[_j] = _at + {place(neuron.refractory[s])}" for s in targets]
    search = [*_SEARCH.strip().splitlines(), *reset, f"_write{g}(_j, {{arguments}})"]
    if neuron.rows.threshold is None:
        search = [f"_y[_j, {size + 1}] = inf"]  # nothing fires

    mode = ["_next = inf"]
    mode += [f"if _left_{s}[_j] > _now and _left_{s}[_j] < _next:\n    _next = _left_{s}[_j]" for s in targets]
    mode += ["_mode = 0"]
    for m, c in enumerate(sets):
        if c:
            test = [f"_left_{s}[_j] > _now" if s in c else f"not _left_{s}[_j] > _now" for s in clamped]
            mode += [f"if {' and '.join(test)}:\n    _mode = {m}"]
    mode += [f"_code[_j] = 2*(_kind[_j]*{len(sets)} + _mode) + (1 if _next < inf else 0)"]

    moving = [k for k in range(size) if k not in cells.fixed]
    if cells.single:
        flow = ["_h0 = _row*_stride"] + [f"_y[_j, {k}] *= exp(_h[_h0 + {k}]*_wait)" for k in moving]
        seen = [k for k in range(size) if k not in cells.unseen] or [0]
        rising = [k for k in moving if k in seen]
        terms = [f"_a{k} = _h[_h0 + {size + k}]*_y[_j, {k}]" for k in seen]
        terms += [f"_r{k} = _h[_h0 + {k}]*_a{k}" for k in rising]
        bound = "\n".join(_BOUND.strip().splitlines()).format(
            terms="\n".join(terms),
            level=" + ".join(f"_a{k}" for k in seen),
            sizes=" + ".join(f"abs(_a{k})" for k in seen),
            rises=" + ".join(f"(_r{k} if _r{k} > 0.0 else 0.0)" for k in rising) or "0.0",
            **names,
        )
    else:
        flow = ["pass_modes(_y, _j, _wait, _f, _row*_table, _p, _row*_layout, _work)"]
        bound = _GLANCE.strip()
    if neuron.rows.threshold is None:
        bound = f"_y[_j, {size + 1}] = inf"

    arguments: list[str] = []
    body: list[str] = []
    text: list[str] = []
    for port, additive in cells.ports.items():
        index = list(cells.ports).index(port)
        if additive:
            h = f"_h[(_code[_j] >> 1)*_stride + {2 * size + index * size} + "
            lines = [f"_y[_j, {k}] += {h}{k}]*_weight" for k in range(size)]
            lines += [f"if not _code[_j] & 1:\n    _bound{g}(_j, {{arguments}})"]
        else:
            lines = [f"_read{g}(_j, {{arguments}})", *jump(f"_receive_{port}", hold=True)]
            lines += [f"_write{g}(_j, {{arguments}})"]
        text.append(_fill(_ARRIVE, names | {"port": port}, jump=_shift(lines, 1)))
    if cells.set_count:
        text.append(_fill(_SET, names))
    sample = _SAMPLE.strip().splitlines() if cells.traced else []
    ending = ["_row = _code[_j] >> 1", *(line.replace("< _to", "<= _until") for line in sample)] if sample else []
    body = [
        _fill(
            _PARTS,
            names,
            sample=_shift(sample, 1) or "    # nothing is recorded",
            flow=_shift(flow, 2),
            mode=_shift(mode, 1),
            bound=_shift(bound.splitlines(), 1),
            last_sample=_shift(ending, 2) or "        # nothing is recorded",
        ),
        _fill(_SETTLE, names, release=_shift(release, 1), search=_shift(search, 1)),
        *text,
    ]
    arguments = [*_COMMON, *(f"_left_{s}" for s in targets), *sorted(parameters)]
    if cells.set_count:
        arguments.append("_settings")
    if cells.traced:
        arguments += ["_traced", "_sampled", "_samples", "_trace"]
    inner = ("flow", "read", "bound", "drop", "plan", "settle", "look")
    quick = (*(f"_{f}{g}" for f in inner), *(f"_arrive{g}_{port}" for port in cells.ports))
    filled = (
        name_kernels("\n".join(body), cells.quadratic)
        .replace("{arguments}", ", ".join(arguments))
        .replace("{last}", str(size))
    )
    filled = filled.replace("{g}", str(g)).replace("{safe}", str(size + 1))
    functions = [line for line in _own_names(drop_flows(rows), g)]
    return [*functions, filled], tuple(arguments), quick


_COMMON = (
    *("_y", "_code", "_kind", "_f", "_p", "_h", "_table", "_layout", "_stride", "_strict", "_until", "_rate", "_reach"),
    *("_head", "_due", "_after", "_before", "_out_time", "_out_neuron", "_count", "_status", "_final", "_x", "_work"),
)


def _own_names(lines: list[str], g: int) -> list[str]:
    """Return row functions under names that no other group has."""
    return [line.replace("(", f"_{g}(", 1) if line.startswith("def ") else line for line in lines]


def _fill(template: str, names: Mapping[str, str], **parts: str) -> str:
    out = template
    for key, value in (dict(names) | parts).items():
        out = out.replace("{" + key + "}", value)
    return out


def _shift(lines: list[str], levels: int) -> str:
    return "\n".join("    " * levels + part for line in lines for part in line.splitlines())
