"""A training layer's whole time loop, forward and backward, as a module for Numba.

A block of neurons goes through all times before the next one begins, so that its states stay in the cache. The
forward loop keeps the spikes as bits, 32 steps of a neuron in a word, and the states at every so many steps; the
backward loop computes the states between anew, from those bits, and goes through them in reverse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, final

from rheobase.derive.adjoint import SENT, Adjoint, derive_adjoint, surrogate_slope
from rheobase.derive.layer_step import FIRED, LayerStep, Statement, layer_step
from rheobase.emit.clock_loop import ARITHMETIC
from rheobase.emit.layer_modules import BITS, INNER, LayerKind
from rheobase.emit.loop import ClockSource, write_rows
from rheobase.emit.to_python import print_expression
from rheobase.model.neuron import Neuron

__all__ = ["print_layer"]

_HEADER: Final = '''"""Training loop of {name}, method '{method}', {real}, written by rheobase from these rows:

{table}

From t_k to t_k+1: flow with the inputs held, deliver what arrives at t_k+1, fire where the threshold row holds and
the neuron is not refractory, reset. Slope of a spike: {slope}.
"""
'''

_NARROW: Final = '''
from math import atan, cos, cosh, floor, log, sin, sinh, sqrt, tan, tanh

from numpy import array, float32 as _real, int32 as _int32

_range = range  # a state or parameter may be called range
_F = tuple(_real(x) for x in (
    88.8, -87.33, 1.4426950408889634, 12582912.0, 0.693359375, -2.12194440e-4, 1.3888889e-3, 8.3333333e-3,
    4.1666667e-2, 0.16666667, 0.5, 1.0, 2.0, 1.9841270e-4,
))


def _two_to(k):
    """2**k for a whole number from -126 to 127, by writing its bits."""
    return _int32((_int32(k) + 127) << 23).view(_real)


def _tail(r):
    """Return p(r) = (exp(r) - 1 - r)/r**2, by its series."""
    return (((((_F[13]*r + _F[6])*r + _F[7])*r + _F[8])*r + _F[9])*r + _F[10])


def _split(x):
    """Return k, and exp(r) - 1, where x = k log(2) + r."""
    x = _F[0] if x > _F[0] else x
    x = _F[1] if x < _F[1] else x
    k = (x*_F[2] + _F[3]) - _F[3]
    r = (x - k*_F[4]) - k*_F[5]
    return k, r + (r*r)*_tail(r)


def exp(x):
    """e**x."""
    k, e = _split(x)
    y = ((_F[11] + e)*_two_to(k - _F[11]))*_F[12]
    return _real(0.0) if x < _F[1] else y


def expm1(x):
    """e**x - 1, precise near 0."""
    k, e = _split(x)
    s = _two_to(k - _F[11])
    return (e*s + (s - _F[10]))*_F[12]


def exprel(x):
    """(exp(x) - 1)/x, and 1 at 0."""
    return expm1(x)/x if x != _real(0.0) else _F[11]
'''

_WIDE: Final = "\nfrom numpy import array, float64 as _real, int32 as _int32\n"

_EARLY: Final = '''

def _fetch(rows, k, i):
    """Ask for the memory of rows[k, i] early, to read it: compiled code does."""


def _claim(rows, k, i):
    """Ask for the memory of rows[k, i] early, to write it: compiled code does."""

'''


def _series(real: str) -> str:
    """Return the text of the derivative of exprel: sum of n x**(n - 1)/(n + 1)! near 0."""
    last = 10 if real == "float32" else 18
    terms, factorial = [], 1.0
    for n in range(1, last + 1):
        factorial *= n + 1
        terms.append(n / factorial)
    horner = f"_S[{last - 1}]"
    for n in range(last - 2, -1, -1):
        horner = f"({horner}*y + _S[{n}])"
    return f'''
_S = tuple(_real(x) for x in {tuple(terms)!r})


def exprel_slope(x):
    """The derivative of exprel; by its series near 0, where the quotient would lose its digits."""
    y = x if abs(x) < _real(0.5) else _real(0.5)
    return {horner} if abs(x) < _real(0.5) else (exp(x) - exprel(x))/x
'''


SAID: Final = "+1 if NaN came in, +2 if a state is not finite at the end"
SHIFT: Final = BITS.bit_length() - 1  # a division takes as long as the step of a dozen neurons

#: A counter against zero: as whole numbers.
_COUNTER: Final = re.compile(r"(_left_\w+ [<>]=?) _k\d+")


@final
class _Writer:
    """Writes the module; numbers become constants of the kernel's own type."""

    def __init__(self, neuron: Neuron, step: LayerStep, kind: LayerKind) -> None:
        self.neuron, self.step, self.kind = neuron, step, kind
        self.numbers: dict[float, str] = {}
        slope = surrogate_slope(kind.slope, kind.numbers, step.chance)
        self.adjoint: Adjoint = derive_adjoint(step, kind.wanted, slope, kind.detach_reset)
        self.shared = [c for c in step.constants if c not in kind.columns]
        self.own = [c for c in step.constants if c in kind.columns]
        self.steps = [f"_steps_{t}" for t in step.targets]

    def number(self, x: float) -> str:
        return self.numbers.setdefault(float(x), f"_q{len(self.numbers)}")

    def text(self, e: Any) -> str:
        text = print_expression(e, self.number).replace(" and ", " & ").replace(" or ", " | ")
        return _COUNTER.sub(r"\1 0", text)

    def line(self, s: Statement, known: bool) -> str:
        """Return a statement; `known`: the spike is read from its bit."""
        one, zero = self.number(1.0), self.number(0.0)
        if s.condition is not None:
            holds = "(_word[_i] & _flag) != 0" if known else self.text(s.condition)
            return f"{s.name} = {one} if {holds} else {zero}"
        if s.otherwise is not None:
            return f"{s.name} = ({self.text(s.value)}) if {FIRED} > {zero} else ({self.text(s.otherwise)})"
        return f"{s.name} = {self.text(s.value)}"

    def load(self) -> list[str]:
        """Return the lines that fetch what a step takes besides its states."""
        step = self.step
        lines = [f"_x_{f} = _in_{f}[_i]" for f in step.fed]
        lines += [f"{d} = _drawn{d}[_i]" for d in step.drawn]
        return lines + [f"{c} = _of_{c}[_i]" for c in self.own]

    def forward_lines(self, known: bool) -> list[str]:
        return [self.line(s, known) for s in self.step.statements]

    def left_lines(self, at: str) -> list[str]:
        """Return the lines that count refractory steps down, into arrays called `at` + name."""
        zero = self.number(0.0)
        out = []
        for t in self.step.targets:
            steps = f"_steps_{t}[_i]" if f"_steps_{t}" in self.kind.columns else f"_steps_{t}"
            count = f"_int32(_left_{t} - 1) if _left_{t} > 0 else _int32(0)"
            out.append(f"{at}{t}[_i] = _int32({steps}) if {FIRED} > {zero} else ({count})")
        return out

    # -------------------------------------------------------------------------------- functions

    def begin(self) -> list[str]:
        """Return the lines that make shared constants the kernel's own type."""
        named = [*self.shared, *(f"_h_{n}" for n in self.kind.numbers), "_per_scale"]
        return [f"{c} = _real({c})" for c in named]

    def common(self) -> list[str]:
        """Return the arguments that both loops take, in order."""
        step = self.step
        out = ["_lo", "_hi", "_k0", "_k1", "_every", "_block", "_first", "_dt", "_per_scale"]
        out += [f"_h_{n}" for n in self.kind.numbers]
        out += [*self.shared, *(f"_all_of_{c}" for c in self.own)]
        out += [f"_all{s}" if s in self.kind.columns else s for s in self.steps]
        out += [f"_all_in_{f}" for f in step.fed] + [f"_all_drawn{d}" for d in step.drawn]
        out += [*(["_all_word"] if step.fires else []), *(f"_keep_{s}" for s in step.states)]
        return out + [f"_keep_left_{t}" for t in step.targets]

    def slices(self) -> list[str]:
        """Return the lines that cut a block out of what does not change in time."""
        out = [f"_of_{c} = _all_of_{c}[_a:_e]" for c in self.own]
        return out + [f"{s} = _all{s}[_a:_e]" for s in self.steps if s in self.kind.columns]

    def rows(self) -> list[str]:
        """Return the lines that cut a block out of what comes at step _k."""
        step = self.step
        out = [f"_in_{f} = _all_in_{f}[_k, _a:_e]" for f in step.fed]
        out += [f"_drawn{d} = _all_drawn{d}[_k, _a:_e]" for d in step.drawn]
        if step.fires:
            out += [f"_word = _all_word[_k >> {SHIFT}, _a:_e]", f"_flag = _FLAGS[_k & {BITS - 1}]"]
        return [*out, *self.times()]

    def after(self) -> dict[str, str]:
        """Return the arrays of which a step reads a row, and which row comes after."""
        names = [*(f"_all_in_{f}" for f in self.step.fed), *(f"_all_drawn{d}" for d in self.step.drawn)]
        return dict.fromkeys(names, "_k + 1")

    def early(self, there: str, read: Mapping[str, str], written: Mapping[str, str]) -> list[str]:
        """Return the lines that ask for rows of arrays before they are needed, where they are there."""
        each = [f"_fetch({a}, {row}, _i)" for a, row in read.items()]
        each += [f"_claim({a}, {row}, _i)" for a, row in written.items()]
        size = 16 if self.kind.real == "float32" else 8  # numbers in a cache line
        loop = [f"for _i in _range(_a, _e, {size}):", *_indent(each)]
        return [f"if {there}:", *_indent(loop)] if each else []

    def times(self) -> list[str]:
        return ["t = _real((_first + _k)*_dt)", "_after = _real((_first + _k + 1)*_dt)"]

    def function_forward(self, keeping: bool) -> tuple[str, list[str]]:
        step, states, targets = self.step, self.step.states, self.step.targets
        arguments = [*self.common(), *(f"_all_at_{s}" for s in states), *(f"_all_left_{t}" for t in targets)]
        arguments += [*(["_all_z"] if step.fires else []), *(f"_trace_{s}" for s in self.kind.kept)]
        body = [*self.load(), *(f"{s} = _at_{s}[_i]" for s in states)]
        body += [f"_left_{t} = _left_of_{t}[_i]" for t in targets]
        body += [f"_bad = _bad | (_x_{f} != _x_{f})" for f in step.fed]
        body += self.forward_lines(known=False)
        body += [f"_at_{s}[_i] = {step.final[s]}" for s in states]
        body += self.left_lines("_left_of_")
        body += [f"_out_{s}[_i] = {step.final[s]}" for s in self.kind.kept]
        if step.fires:
            body += [f"_z[_i] = {FIRED}"]
            if keeping:
                body += [f"_word[_i] = _word[_i] | (_flag if {FIRED} > {self.number(0.0)} else _int32(0))"]
        each = [*self.rows(), *(f"_out_{s} = _trace_{s}[_k, _a:_e]" for s in self.kind.kept)]
        each += ["_z = _all_z[_k, _a:_e]"] if step.fires else []
        if keeping:
            copy = [f"_was_{s} = _keep_{s}[_k // _every, _a:_e]" for s in states]
            copy += [f"_was_left_{t} = _keep_left_{t}[_k // _every, _a:_e]" for t in targets]
            inside = [f"_was_{s}[_i] = _at_{s}[_i]" for s in states]
            inside += [f"_was_left_{t}[_i] = _left_of_{t}[_i]" for t in targets]
            each += ["if _k % _every == 0:", *_indent([*copy, "for _i in _range(_n):", *_indent(inside)])]
            if step.fires:
                wipe = ["for _i in _range(_n):", "    _word[_i] = _int32(0)"]
                each += [f"if _k & {BITS - 1} == 0:", *_indent(wipe)]
        written = [*(["_all_z"] if step.fires else []), *(f"_trace_{s}" for s in self.kind.kept)]
        each += self.early("_k + 1 < _k1", self.after(), dict.fromkeys(written, "_k + 1"))
        each += ["for _i in _range(_n):", *_indent(body)]
        block = [*self.slices(), *(f"_at_{s} = _all_at_{s}[_a:_e]" for s in states)]
        block += [f"_left_of_{t} = _all_left_{t}[_a:_e]" for t in targets]
        block += ["for _k in _range(_k0, _k1):", *_indent(each)]
        # of what is infinite or NaN the difference from itself is not 0
        wild = [f"_wild = _wild | (_at_{s}[_i] - _at_{s}[_i] != {self.number(0.0)})" for s in states]
        block += ["for _i in _range(_n):", *_indent(wild)]
        name = "forward" if keeping else "run"
        doc = "and keep what backward needs" if keeping else "and keep nothing"
        return name, [
            *_head(name, arguments, f"Run neurons _lo.._hi-1 through steps _k0.._k1-1 {doc}; {SAID}."),
            *_indent(
                [
                    *self.begin(),
                    "_bad = False",
                    "_wild = False",
                    *_blocks(block),
                    "return (1 if _bad else 0) + (2 if _wild else 0)",
                ]
            ),
        ]

    def function_backward(self) -> tuple[str, list[str]]:
        step, states, targets, a = self.step, self.step.states, self.step.targets, self.adjoint
        fed = [f for f in step.fed if f in self.kind.wanted]
        wanted = [c for c in step.constants if c in self.kind.wanted]
        arguments = [*self.common(), "_places", *(f"_all_d_{s}" for s in states)]
        arguments += [*(["_all_dz", "_dz_row"] if step.fires else [])]
        arguments += [*(x for s in self.kind.kept for x in (f"_all_dt_{s}", f"_dt_row_{s}"))]
        arguments += [*(f"_all_g_{f}" for f in fed), *(f"_all_gc_{c}" for c in wanted)]
        arguments += [*(f"_was_{s}" for s in states), *(f"_was_left_{t}" for t in targets)]

        def fetch(j: str) -> list[str]:
            lines = [f"{s} = _was_{s}[{j}, _i]" for s in states]
            return [*lines, *(f"_left_{t} = _was_left_{t}[{j}, _i]" for t in targets)]

        rows = [f"_row_{s} = _was_{s}[_j]" for s in states] + [f"_row_left_{t} = _was_left_{t}[_j]" for t in targets]
        after = [f"_next_{s} = _was_{s}[_j + 1]" for s in states]
        after += [f"_next_left_{t} = _was_left_{t}[_j + 1]" for t in targets]
        take = [f"{s} = _row_{s}[_i]" for s in states] + [f"_left_{t} = _row_left_{t}[_i]" for t in targets]
        again = [*self.load(), *take, *self.forward_lines(known=True)]
        again += [f"_next_{s}[_i] = {step.final[s]}" for s in states]
        again += self.left_lines("_next_left_")
        back = [*self.load(), *take, *self.forward_lines(known=True)]
        back += [f"_d_{s} = _d_of_{s}[_i]" + (f" + _dt_{s}[_i]" if s in self.kind.kept else "") for s in states]
        back += [f"{SENT} = _dz[_i]"] if step.fires else []
        back += [f"{n} = {self.text(e)}" for n, e in a.statements]
        back += [f"_g_{f}[_i] = {self.text(a.fed[f])}" for f in fed]
        back += [f"_gc_{c}[_i] = _gc_{c}[_i] + ({self.text(a.constants[c])})" for c in wanted]
        back += [f"_e_{s} = {self.text(a.states[s])}" for s in states]
        back += [f"_d_of_{s}[_i] = _e_{s}" for s in states]
        start = [f"_row_{s} = _was_{s}[0]" for s in states] + [f"_row_left_{t} = _was_left_{t}[0]" for t in targets]
        start += [f"_from_{s} = _keep_{s}[_g, _a:_e]" for s in states]
        start += [f"_from_left_{t} = _keep_left_{t}[_g, _a:_e]" for t in targets]
        copy = [f"_row_{s}[_i] = _from_{s}[_i]" for s in states]
        copy += [f"_row_left_{t}[_i] = _from_left_{t}[_i]" for t in targets]
        part = ["_s = _g*_every", "_t = min(_s + _every, _k1)", *start, "for _i in _range(_n):", *_indent(copy)]
        # _k is read from an array: where the compiler sees that rows follow each other it checks whether whole
        # stretches of memory overlap, which they do, or run downwards, and falls back on one neuron at a time
        part += ["for _m in _range(_s, _t - 1):"]
        part += _indent(["_k = _places[_m]", "_j = _k - _s", *self.rows(), *rows, *after])
        part += _indent([*self.early("_k + 1 < _t", self.after(), {}), "for _i in _range(_n):", *_indent(again)])
        each = ["_k = _places[_t - 1 - _m]", "_j = _k - _s", *self.rows(), *rows]
        each += ["_dz = _all_dz[_k*_dz_row, _a:_e]"] if step.fires else []
        each += [f"_dt_{s} = _all_dt_{s}[_k*_dt_row_{s}, _a:_e]" for s in self.kind.kept]
        each += [f"_g_{f} = _all_g_{f}[_k, _a:_e]" for f in fed]
        coming = {"_all_dz": "_dz_row"} if step.fires else {}
        coming |= {f"_all_dt_{s}": f"_dt_row_{s}" for s in self.kind.kept}
        each += self.early("_k > _k0", {a: f"(_k - 1)*{row}" for a, row in coming.items()}, {})
        part += ["for _m in _range(_t - _s):", *_indent([*each, "for _i in _range(_n):", *_indent(back)])]
        block = [*self.slices(), *(f"_d_of_{s} = _all_d_{s}[_a:_e]" for s in states)]
        block += [f"_gc_{c} = _all_gc_{c}[_a:_e]" for c in wanted]
        block += ["_parts = (_k1 - 1) // _every - _k0 // _every + 1", "for _p in _range(_parts):"]
        block += _indent(["_g = (_k1 - 1) // _every - _p", *part])
        return "backward", [
            *_head("backward", arguments, "Carry gradients of neurons _lo.._hi-1 back through steps _k1-1.._k0."),
            *_indent([*self.begin(), *_blocks(block), "return 1 if _hi < _lo else 0"]),
        ]


def _head(name: str, arguments: list[str], doc: str) -> list[str]:
    return ["", "", f"def {name}({', '.join(arguments)}):", f'    """{doc}"""']


def _blocks(lines: list[str]) -> list[str]:
    return [
        "for _a in _range(_lo, _hi, _block):",
        *_indent(["_e = min(_a + _block, _hi)", "_n = _e - _a", *lines]),
    ]


def _indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def print_layer(neuron: Neuron, kind: LayerKind) -> ClockSource:
    """Return the module with ``run``, ``forward`` and ``backward``; its ARGUMENTS name what each takes, in order."""
    step = layer_step(neuron, kind.fed, kind.method)
    writer = _Writer(neuron, step, kind)
    functions = [writer.function_forward(False), writer.function_forward(True), writer.function_backward()]
    real = kind.real
    text = _HEADER.format(
        name=neuron.name.replace('"', "'").replace("\\", "/"),
        method=step.method,
        real=real,
        table=write_rows(neuron),
        slope=kind.slope,
    )
    text += (_NARROW if real == "float32" else ARITHMETIC.rstrip() + "\n" + _WIDE) + _series(real) + _EARLY
    text += f"\n_FLAGS = array({[1 << i for i in range(31)] + [-(1 << 31)]!r}, dtype=_int32)"
    text += "\n" + "\n".join(f"{name} = _real({x!r})" for x, name in writer.numbers.items())
    told = {name: _arguments(lines) for name, lines in functions}
    names: Mapping[str, Any] = {
        "ARGUMENTS": told,
        "COLUMNS": tuple(sorted(kind.columns)),
        "FED": tuple(f for f in step.fed if f in kind.wanted),
        "WANTED": tuple(c for c in step.constants if c in kind.wanted),
    }
    text += "\n" + "\n".join(f"{name} = {value!r}" for name, value in names.items())
    text += "\n" + "\n".join(line for _, lines in functions for line in lines) + "\n"
    return ClockSource(text, (), INNER)


def _arguments(lines: list[str]) -> tuple[str, ...]:
    head = next(line for line in lines if line.startswith("def "))
    return tuple(head[head.index("(") + 1 : head.rindex(")")].split(", "))
