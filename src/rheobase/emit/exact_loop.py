"""The exact engine's loop as source: from event to event, around the row functions and the crossing kernels."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rheobase.derive.integrate import Step
from rheobase.derive.propagate import clamp_sets
from rheobase.emit.loop import ClockSource, write_rows
from rheobase.emit.to_python import row_functions
from rheobase.model.neuron import Neuron

__all__ = ["drop_flows", "exact_source", "name_kernels"]

_HEADER = '''"""Exact loop of {name}, written by rheobase from these rows:

{table}

Between events the augmented state obeys x' = M x. The order of operations is the limit dt -> 0 of the clock
engine's: at an instant, inputs change, what is due is delivered, then the neuron may fire.
Mathematics of version {digest}.
"""

from math import atan, cos, cosh, exp, expm1, floor, inf, log, sin, sinh, sqrt, tan, tanh

from rheobase.derive.crossing import first_crossing
from rheobase.derive.modal import propagate_state
from rheobase.derive.riccati import first_quadratic, flow_quadratic

_len, _range = len, range  # a state or parameter may be called so


def exprel(x):
    """(exp(x) - 1)/x, and 1 at 0."""
    return expm1(x)/x if x != 0.0 else 1.0
'''

_QUADRATIC = {
    "first_crossing": "first_quadratic",
    "propagate_state": "flow_quadratic",
    "propagate_modes": "propagate_quadratic",
    "pass_modes": "pass_quadratic",
    "glance": "glance_quadratic",
}

_LOOP = '''

def run({arguments}):
    """Run neuron _i until _until; return its number of spikes, -1 if _out is full, -2 if it fires without end."""
    _t = 0.0
    _count = 0
    _same = 0
    _event = _first_event
    _break = 0
    _sample = 0
    _mode = 0
    {left_zero}
    while True:
        # everything that happens at _t: inputs change, spikes arrive, refractoriness ends
        while _break < _len(_breaks) and _breaks[_break] <= _t:
            _from = _i if _settings.shape[1] > 1 else 0
            for _j in _range(_settings.shape[2]):
                _value = _settings[_break, _from, _j]
                if _value == _value:
                    _x[_first_setting + _j] = _value
            _break += 1
        while _event < _last_event and _event_times[_event] <= _t:
{deliver}
            _event += 1
{release}
        # the next instant at which something happens from outside
        _next = _until
        if _break < _len(_breaks) and _breaks[_break] < _next:
            _next = _breaks[_break]
        if _event < _last_event and _event_times[_event] < _next:
            _next = _event_times[_event]
{next_release}
        _table = (_kind*_modes + _mode)*_table_size
        _places = (_kind*_modes + _mode)*_layout_size
        _fires = False
        _stop = _next
{search}
        _last = _event >= _last_event or _event_times[_event] > _until  # else something arrives at _until itself
        _ends = _stop >= _until and _last and not _fires
        while _sample < _len(_samples) and (_samples[_sample] < _stop or _ends and _samples[_sample] >= _until):
            propagate_state(_x, min(_samples[_sample], _stop) - _t, _f, _table, _p, _places, _w, _y)
            for _j in _range(_len(_trace)):
                _trace[_j, _sample] = _y[_j]
            _sample += 1
        if _stop > _t:
            propagate_state(_x, _stop - _t, _f, _table, _p, _places, _w, _x)
{hold}
            _same = 0
        _t = _stop
        if _fires:
            if _count >= _len(_out):
                return -1
            _out[_count] = _t
            _count += 1
            _same += 1
            if _same > 10000:
                return -2
{reset}
        elif _t >= _until and _last:
            return _count
'''


def exact_source(
    neuron: Neuron, step: Step, kinds: Mapping[str, str], ports: Collection[str], quadratic: bool, digest: str
) -> ClockSource:
    """Return the module that runs one neuron from event to event.

    Parameters
    ----------
    kinds : mapping
        How each parameter is stored: ``scalar`` or ``neuron``.
    ports : collection of str
        Ports at which something arrives, in the order of their numbers.
    quadratic : bool
        Whether the flow is that of `rheobase.derive.riccati`.
    digest : str
        A fingerprint of the crossing kernels, so that compiled code of another version is not used.
    """
    functions, calls = row_functions(neuron, step)
    keep = [line for line in drop_flows(functions)]
    states = list(neuron.states)
    targets = list(neuron.refractory)
    clamped = [s for s in targets if s != "threshold"]
    sets = clamp_sets(neuron)
    names: list[str] = []

    def place(name: str, weight: str) -> str:
        if name == "w_i":
            return weight
        if name == "t":
            return "_t"
        if name in states:
            return f"_x[{states.index(name)}]"
        if name not in names:
            names.append(name)
        return name if kinds[name] == "scalar" else f"{name}[_i]"

    def call(function: str, weight: str = "") -> str:
        return f"{function}({', '.join(place(a, weight) for a in calls[function])})"

    def assign(prefix: str, function: str, weight: str = "") -> str:
        return (
            ", ".join(f"{prefix}{s}" for s in states)
            + ("," if len(states) == 1 else "")
            + f" = {call(function, weight)}"
        )

    deliver: list[str] = []
    for number, port in enumerate(ports):
        deliver += [
            f"if _event_ports[_event] == {number}:",
            f"    {assign('_got_', '_receive_' + port, '_event_weights[_event]')}",
        ]
        for i, s in enumerate(states):
            if s in clamped:
                deliver += [f"    if not _left_{s} >= _t:", f"        _x[{i}] = _got_{s}"]
            else:
                deliver.append(f"    _x[{i}] = _got_{s}")
    release = [line for s in targets for line in (f"if _left_{s} <= _t:", f"    _left_{s} = -1.0")]
    release += ["_mode = 0"] if sets[1:] else []
    for m, c in enumerate(sets):
        if c:
            test = [f"_left_{s} > _t" if s in c else f"not _left_{s} > _t" for s in clamped]
            release += [f"if {' and '.join(test)}:", f"    _mode = {m}"]
    later = [line for s in targets for line in (f"if _left_{s} > _t and _left_{s} < _next:", f"    _next = _left_{s}")]
    search: list[str] = []
    if neuron.rows.threshold is not None:
        body = [
            "_wait = first_crossing(_x, _next - _t, _strict, 0.0, _f, _table, _p, _places, _w)",
            "if _wait == 0.0 or _t + _wait < _next or (_next == _until and _t + _wait <= _until):",
            "    _fires = True",
            "    _stop = _t + _wait",
        ]
        quiet = " or ".join(f"_left_{s} > _t" for s in targets)
        search = [f"if not ({quiet}):", *(f"    {line}" for line in body)] if quiet else body
    reset = [assign("_new_", "_reset"), *(f"_x[{i}] = _new_{s}" for i, s in enumerate(states))]
    reset += [f"_left_{s} = _t + {place(neuron.refractory[s], '')}" for s in targets]
    # a clamped state is constant, whatever rounding the propagator adds to it
    hold = [f"if _left_{s} > _t:\n                _x[{states.index(s)}] = _held_{s}" for s in clamped]
    save = [f"_held_{s} = _x[{states.index(s)}]" for s in clamped]

    def indent(lines: list[str], levels: int) -> str:
        return "\n".join("    " * levels + line for line in lines) if lines else "    " * levels + "pass"

    arguments = [
        "_i",
        "_kind",
        "_until",
        "_x",
        "_y",
        "_w",
        "_f",
        "_p",
        "_modes",
        "_table_size",
        "_layout_size",
        "_strict",
        "_breaks",
        "_settings",
        "_first_setting",
        "_event_times",
        "_event_ports",
        "_event_weights",
        "_first_event",
        "_last_event",
        "_samples",
        "_trace",
        "_out",
        *sorted(names),
    ]
    left = "; ".join(f"_left_{s} = -1.0" for s in targets) or "pass"
    text = _LOOP.format(
        arguments=", ".join(arguments),
        left_zero=left,
        deliver=indent(deliver, 3),
        release=indent(release, 2),
        next_release=indent(later, 2),
        search=indent([*save, *search], 2),
        hold=indent(hold, 3),
        reset=indent(reset, 3),
    )
    text = name_kernels(text, quadratic)
    header = _HEADER.format(
        name=neuron.name.replace('"', "'").replace("\\", "/"), table=write_rows(neuron), digest=digest
    )
    defined = tuple(line.split("(")[0].removeprefix("def ") for line in keep if line.startswith("def "))
    return ClockSource(header + "\n".join(keep) + text, tuple(arguments), ("exprel", *defined))


def name_kernels(text: str, quadratic: bool) -> str:
    """Return a loop that calls the kernels of its kind of flow: affine as it is written, or quadratic."""
    if quadratic:
        for affine, other in _QUADRATIC.items():
            text = text.replace(f"{affine}(", f"{other}(")
    return text


def drop_flows(lines: list[str]) -> list[str]:
    """Return the row functions without the flow and the test, which the crossing kernels take over."""
    out, skip = [], False
    for line in lines:
        if line.startswith("def "):
            skip = line.startswith(("def _flow", "def _fires"))
        if not skip:
            out.append(line)
    return out
