"""The clock engine's loop as source: the one order of operations around the four row functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from rheobase.derive.additive import additive_ports
from rheobase.derive.integrate import Step, choose_method, derive_step
from rheobase.derive.near import near_step
from rheobase.derive.propagate import clamp_sets
from rheobase.derive.structure import analyse
from rheobase.emit.loop import LATE, ClockSource, write_rows
from rheobase.emit.to_python import row_functions
from rheobase.model.neuron import Neuron

__all__ = ["ARITHMETIC", "clock_source", "print_clock"]

_HEADER = '''"""{title}, written by rheobase from these rows:

{table}

State at t_k is what holds after everything that happens at t_k. From t_k to t_k+1: flow with the inputs held,
deliver the spikes due at t_k+1, fire where the threshold row holds and the neuron is not refractory, reset.
"""
'''

#: exp and its kin, in 64 bits; text that is put into a module.
ARITHMETIC: Final = '''
from math import atan, cos, cosh, floor, ldexp, log, sin, sinh, sqrt, tan, tanh

from numpy import uint64 as _index  # of which the compiler knows that it is not negative

_range = range  # a state or parameter may be called range


def _two_to(k):
    """2**k for a whole number from -1022 to 1023; where compiled, by writing its bits."""
    return ldexp(1.0, int(k))


# exp and expm1 as plain arithmetic, so that loops over neurons vectorise (1 ns a value; the C library's takes 3 to 6):
# x = k log(2) + r, then exp(r) = 1 + r + r**2 p(r) by Taylor's series, in pairs that do not wait for each other.
# Within one unit of the last place; exprel within two.


def _tail(r):
    """Return p(r)."""
    s = r*r
    q = s*s
    a = (0.001388888888888889 + 0.0001984126984126984*r) + s*(2.48015873015873e-05 + 2.7557319223985893e-06*r)
    b = (2.755731922398589e-07 + 2.505210838544172e-08*r) + s*(2.08767569878681e-09 + 1.6059043836821613e-10*r)
    return ((0.5 + 0.16666666666666666*r) + s*(0.041666666666666664 + 0.008333333333333333*r)) + q*(a + q*b)


def _split(x):
    """Return k, r and p(r)."""
    x = 710.0 if x > 710.0 else x
    x = -708.0 if x < -708.0 else x
    k = (x*1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
    r = (x - k*0.693147180369123816490) - k*1.90821492927058770002e-10
    return k, r, _tail(r)


def exp(x):
    """e**x."""
    k, r, p = _split(x)
    y = ((1.0 + (r + (r*r)*p))*_two_to(k - 1.0))*2.0
    return 0.0 if x < -708.0 else y


def expm1(x):
    """e**x - 1, precise near 0."""
    k, r, p = _split(x)
    s = _two_to(k - 1.0)
    return ((r + (r*r)*p)*s + (s - 0.5))*2.0


def exprel(x):
    """(exp(x) - 1)/x, and 1 at 0."""
    k, r, p = _split(x)
    return 1.0 + r*p if k == 0.0 else expm1(x)/x


def _exprel_near(x):
    """The same number where |x| < 0.34, in half the time: there k is 0."""
    return 1.0 + x*_tail(x)
'''


#: Neurons that are looked at together, whether their exponentials have small arguments: so few, for among 256 cells
#: of COBA there is nearly always one with a burst of inhibition.
_TILE: Final = 32
_SHARED = ("_tail", "_split", "exp", "expm1", "exprel", "_exprel_near")


def clock_source(
    neuron: Neuron,
    step: Step,
    kinds: Mapping[str, str],
    ports: Collection[str],
    fed: Collection[str] = (),
    late: Collection[str] = (),
) -> ClockSource:
    """Return the loop for one population.

    Parameters
    ----------
    kinds : mapping
        How each name other than states is stored: ``scalar``, ``neuron`` (n,), ``time`` (rows,) or
        ``both`` (rows, n).
    ports : collection of str
        The ports at which something arrives in this run.
    fed : collection of str
        Those that a network fills: their sums are set to 0 when they have been delivered.
    late : collection of str
        Those of them (see `rheobase.derive.additive.late_ports`) where few neurons receive something in a step. They
        are told by segments of a table of synapses, one arrival after the other, so that nobody asks the others. With
        ``_packed`` targets in the room of a weight each synapse has its own, in front of a segment's targets; with 0 a
        source's synapses share one.
    """
    near = near_step(step, neuron.states, {name for name, kind in kinds.items() if kind == "scalar"} | {"dt"})
    functions, calls = row_functions(neuron, step, near)
    states = list(neuron.states)
    used = [p for p in neuron.ports if p in ports]
    additive = [p for p in used if p in additive_ports(neuron)]
    in_turn = [p for p in used if p not in additive]
    late = [p for p in used if p in late]
    targets = list(neuron.refractory)
    clamped = [s for s in targets if s != "threshold"]
    names: list[str] = []

    def place(name: str, weight: str = "", time: str = "t") -> str:
        """Return how a row function's argument is written inside the loop."""
        if name == "t":
            return time
        if name in states or name == "dt":
            return name
        if name == "w_i":
            return weight
        if name.startswith("_z_"):
            return f"{name}[_row, _i]"
        if name not in names:
            names.append(name)
        return {"scalar": name, "neuron": f"{name}[_i]", "time": f"{name}[_row]", "both": f"{name}[_row, _i]"}[
            kinds[name]
        ]

    def call(function: str, weight: str = "") -> str:
        now = "_flow" in function or function == "_is_near"
        time = "t" if now else "_after"  # all but the flow happens at the end of the step
        return f"{function}({', '.join(place(a, weight, time) for a in calls[function])})"

    def unpack(values: list[str]) -> str:
        return ", ".join(values) + ("," if len(values) == 1 else "")

    def keep_clamped(new: str) -> list[str]:
        return [f"{s} = {s} if _clamped_{s} else {new}{s}" if s in clamped else f"{s} = {new}{s}" for s in states]

    def flow(prefix: str) -> list[str]:
        sets = clamp_sets(neuron)
        if len(sets) == 1:
            return [f"{unpack(states)} = {call(prefix + '_flow')}"]
        lines, word = [], "if"
        for c in reversed(sets):
            tail = "_clamped_" + "__".join(sorted(c)) if c else ""
            if not c:
                lines.append("else:")
            else:
                test = " and ".join(f"_clamped_{s}" for s in sorted(c))
                lines.append(f"{word} {test}:")
                word = "elif"
            lines.append(f"    {unpack(states)} = {call(prefix + '_flow' + tail)}")
        return lines

    def deliver(port: str, weight: str) -> list[str]:
        received = [f"_got_{s}" for s in states]
        return [f"{unpack(received)} = {call('_receive_' + port, weight)}", *keep_clamped("_got_")]

    load = [f"{s} = _at_{s}[_i]" for s in states]
    store = [f"_at_{s}[_i] = {s}" for s in states]
    flags = [f"_clamped_{s} = _left_{s}[_i] > 0" for s in clamped]
    quiet = [f"_left_{s}[_i] == 0" for s in targets]
    count_down = [f"_left_{s}[_i] = _left_{s}[_i] - 1 if _left_{s}[_i] > 0 else 0" for s in targets]
    test = None
    if neuron.rows.threshold is not None:
        test = call("_fires")
    elif neuron.rows.hazard is not None:
        test = f"_u_0[_row, _i] < 1.0 - exp(-({call('_hazard')})*dt)"
    fire: list[str] = []
    if test is not None:
        fire = [
            f"_fire = ({test})" + "".join(f" & ({q})" for q in quiet),
            "_fired[_i] = _fire",
            "_hits += _fire",
        ]

    def over_all(flows: bool, rest: list[str]) -> list[str]:
        """Return the loop over all neurons that does `rest`; after the flow, or for states as they are."""
        start = [*load, *flags]
        plain = ["for _i in _range(_n):", *_indent([*start, *(flow("") if flows else []), *rest])]
        if near is None or not flows:
            return plain
        return [  # some neurons at a time, so that one with a large leak does not hold up all
            f"for _a in _range(0, _n, {_TILE}):",
            f"    _b = _index(min(_a + {_TILE}, _n))",
            "    _far = 0",
            "    for _i in _range(_index(_a), _b):",
            *_indent([*load, f"_far += 0 if {call('_is_near')} else 1"], 2),
            "    if _far == 0:",
            "        for _i in _range(_index(_a), _b):",
            *_indent([*start, *flow("_near"), *rest], 3),
            "    else:",
            "        for _i in _range(_index(_a), _b):",
            *_indent(plain[1:], 2),
        ]

    body: list[str] = []
    part: list[str] = []
    flows = True
    for p in used:  # in the order in which the ports are written
        if p in late:
            continue
        if p in additive:
            part += deliver(p, f"_sum_{p}[_row, _i]")
            part += [f"_sum_{p}[_row, _i] = 0.0"] if p in fed else []
        else:
            body += over_all(flows, [*part, *store])
            body += [
                f"for _e in _range(_edges_{p}[_row], _edges_{p}[_row + 1]):",
                *_indent([f"_i = _hits_{p}[_e] - _lo", *load, *flags, *deliver(p, f"_weights_{p}[_e]"), *store]),
            ]
            part, flows = [], False
    body += over_all(flows, [*part, *store, *fire, *count_down])
    for p in late:
        changed = [f"_at_{j.state}[_i] = _got_{j.state}" for j in neuron.rows.receive[p]]
        one = ["_i = _told[_m]", *load, *deliver(p, f"_force[_index(_each_{p}*_m)]")[:1], *changed]
        body += [
            f"_each_{p} = 1 if _packed_{p} > 0 else 0",  # one loop for both, as compiling two takes half a second
            f"for _h in _range(_some_{p}):",
            f"    _told = _onto_{p}[_heads_{p}[_h]:_ends_{p}[_h]]",
            f"    _w = _heads_{p}[_h]//_packed_{p} - len(_told) if _packed_{p} > 0 else _rows_{p}[_h]",
            f"    _force = _weight_{p}[_w:]",
            "    for _m in _range(len(_told)):",
            *_indent(one, 2),
        ]
    if test is not None:
        after = [*load, f"{unpack(states)} = {call('_reset')}", *store]
        after += [f"_left_{s}[_i] = {place('_steps_' + s)}" for s in targets]
        after += ["_out_step[_count] = _k + 1", "_out_neuron[_count] = _i + _lo", "_count += 1"]
        body += [
            "if _hits > 0:",
            *_indent(
                [  # eight words of eight flags at a time: most neurons did not fire
                    "for _v in _range(0, (_n + 7)//8, 8):",
                    f"    if ({' | '.join(f'_words[_v + {j}]' for j in range(8))}) != 0:",
                    "        for _w in _range(_v, _v + 8):",
                    "            if _words[_w] != 0:",
                    "                for _i in _range(8*_w, 8*_w + 8 if 8*_w + 8 < _n else _n):",
                    *_indent(["if _fired[_i]:", *_indent(after)], 5),
                ]
            ),
        ]
    body += [
        "if _record[_row] >= 0:",
        *_indent(
            [
                "_r = _record[_row]",
                "for _j in _range(_first, _last):",
                *_indent(
                    [f"_trace_{s}[_r, _j] = _at_{s}[_chosen[_j] - _lo]" for s in states if kinds.get(f"_trace_{s}")]
                    or ["pass"]
                ),
            ]
        ),
    ]

    arguments = [
        "_lo",
        "_hi",
        "_k0",
        "_k1",
        "dt",
        *(f"_at_{s}" for s in states),
        *(f"_left_{s}" for s in targets),
        *sorted(names),
    ]
    arguments += [f"_z_{j}" for j in range(step.normals)]
    arguments += ["_u_0"] if neuron.rows.hazard is not None else []
    arguments += [f"_sum_{p}" for p in additive if p not in late]
    arguments += [f"{a}_{p}" for p in late for a in LATE]
    arguments += [f"{a}_{p}" for p in in_turn for a in ("_edges", "_hits", "_weights")]
    arguments += ["_fired", "_words", "_out_step", "_out_neuron", "_record", "_first", "_last", "_chosen"]
    arguments += [f"_trace_{s}" for s in states if kinds.get(f"_trace_{s}")]
    # from 0, so that the compiler sees that no index is negative: it does not vectorise what might wrap around
    views = [
        "_n = _hi - _lo",
        *(f"{a} = {a}[_lo:_hi]" for a in [*(f"_at_{s}" for s in states), *(f"_left_{s}" for s in targets)]),
    ]
    views += [f"{a} = {a}[_lo:_hi]" for a in sorted(names) if kinds[a] == "neuron"]
    views += [f"{a} = {a}[:, _lo:_hi]" for a in sorted(names) if kinds[a] == "both"]
    loop = [
        "",
        "",
        f"def advance({', '.join(arguments)}):",
        '    """Advance neurons _lo.._hi-1 through steps _k0.._k1-1; return how many spikes."""',
        *_indent(views),
        "    _count = 0",
        "    for _k in _range(_k0, _k1):",
        *_indent(["_row = _k - _k0", "t = _k*dt", "_after = (_k + 1)*dt", "_hits = 0", *body], 2),
        "    return _count",
        "",
    ]
    header = _HEADER.format(
        title=f"Clock loop of {neuron.name}, method '{step.method}'".replace('"', "'").replace("\\", "/"),
        table=write_rows(neuron),
    )
    defined = tuple(line.split("(")[0].removeprefix("def ") for line in functions if line.startswith("def "))
    return ClockSource(header + ARITHMETIC + "\n".join([*functions, *loop]), tuple(arguments), (*_SHARED, *defined))


def print_clock(neuron: Neuron, method: str = "auto") -> str:
    """Return the loop for inputs that vary in time and spikes at every port."""
    structure = analyse(neuron, neuron.inputs)
    step = derive_step(neuron, structure, choose_method(structure, method))
    names = {*neuron.parameters, *step.coefficients, *(f"_steps_{t}" for t in neuron.refractory)}
    kinds = dict.fromkeys(names, "scalar") | dict.fromkeys(neuron.inputs, "both")
    return clock_source(neuron, step, kinds, neuron.ports).text


def _indent(lines: list[str], levels: int = 1) -> list[str]:
    return ["    " * levels + line for line in lines]
