"""The rows -> Triton: a training layer's whole time loop, forward and backward, each one kernel for a GPU.

A program takes a block of neurons and keeps their states in registers through all times. The forward kernel keeps the
spikes as bits, 32 steps of a neuron in a word, and the states at every so many steps; the backward kernel computes the
states between anew, from those bits, and goes through them in reverse. It prints what `rheobase.emit.layer_loop` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, final

import sympy

from rheobase.derive.adjoint import SENT, Adjoint, derive_adjoint, surrogate_slope
from rheobase.derive.layer_step import FIRED, LayerStep, Statement, layer_step
from rheobase.emit.elementwise import Elementwise
from rheobase.emit.layer_modules import BITS, LayerKind
from rheobase.emit.loop import ClockSource, write_rows
from rheobase.emit.triton_functions import FUNCTIONS
from rheobase.model.neuron import Neuron

__all__ = ["print_triton"]

_HEADER: Final = '''"""Training loop of {name} for GPUs, method '{method}', {real}, written by rheobase from these rows:

{table}

From t_k to t_k+1: flow with the inputs held, deliver what arrives at t_k+1, fire where the threshold row holds and
the neuron is not refractory, reset. Slope of a spike: {slope}.
"""
'''

SHIFT: Final = BITS.bit_length() - 1
#: What the first kernel says of a neuron, as the compiled loops do: NaN came in, a state is not finite at the end.
NAN, WILD = 1, 2


@final
class _Printer(Elementwise):
    """SymPy's Python printer with choices element by element; `number` writes the numbers."""

    where = "_tl.where"

    def __init__(self, number: Callable[[float], str]) -> None:
        super().__init__()
        self.number = number

    def _print_Float(self, e: Any) -> str:
        return self.number(float(e))

    _print_Rational = _print_Integer = _print_Float
    _print_Zero = _print_One = _print_NegativeOne = _print_Half = _print_Pi = _print_Exp1 = _print_Float

    def _print_Pow(self, e: Any, rational: bool = False) -> str:
        base, power = e.args
        if power.is_Float and float(2 * power).is_integer():  # v**2.0 and v**0.5 as v**2 and sqrt(v)
            power = sympy.Rational(int(2 * power), 2)
        if power.is_number and power < 0:
            return f"({self.number(1.0)}/{self._power(base, -power)})"
        return self._power(base, power)

    def _power(self, base: Any, power: Any) -> str:
        text = self._print(base)
        if power == sympy.Rational(1, 2):
            return f"_tl.sqrt({text})"
        if power.is_Integer and 1 <= power <= 16:
            return self._product(f"({text})", int(power))
        if base.is_number and base > 0:
            return f"_tl.exp({self.number(math.log(float(base)))}*({self._print(power)}))"
        return f"_power({text}, {self._print(power)})"

    def _product(self, text: str, power: int) -> str:
        """Return a whole power as products: squares of squares."""
        if power == 1:
            return text
        if power % 2:
            return f"({self._product(text, power - 1)}*{text})"
        return f"_square({self._product(text, power // 2)})"

    def _print_Function(self, e: Any) -> str:
        name = type(e).__name__
        if name not in FUNCTIONS:
            raise TypeError(f"no way to print {name}")
        return f"{FUNCTIONS[name]}({self._print(e.args[0])})"

    def _pick(self, e: Any, sign: str) -> str:
        text = self._print(e.args[0])
        for a in e.args[1:]:
            other = self._print(a)
            text = f"_tl.where(({text}) {sign} ({other}), {text}, {other})"
        return text

    def _print_Min(self, e: Any) -> str:
        return self._pick(e, "<")

    def _print_Max(self, e: Any) -> str:
        return self._pick(e, ">")

    def _print_BooleanTrue(self, e: Any) -> str:
        return f"({self.number(1.0)} > {self.number(0.0)})"

    def _print_BooleanFalse(self, e: Any) -> str:
        return f"({self.number(0.0)} > {self.number(1.0)})"

    def _print_Relational(self, e: Any) -> str:
        counter = e.lhs.is_Symbol and e.lhs.name.startswith("_left_")  # steps: whole numbers
        right = str(int(e.rhs)) if counter and e.rhs.is_number else self._print(e.rhs)
        return f"(({self._print(e.lhs)}) {e.rel_op} ({right}))"


@final
class _Writer:
    """Writes the module; numbers become constants of the kernel's own type."""

    def __init__(self, neuron: Neuron, step: LayerStep, kind: LayerKind) -> None:
        self.neuron, self.step, self.kind = neuron, step, kind
        self.type = "_tl.float64" if kind.real == "float64" else "_tl.float32"
        self.known: dict[float, str] = {}
        self.printer = _Printer(self.number)
        slope = surrogate_slope(kind.slope, kind.numbers, step.chance)
        self.adjoint: Adjoint = derive_adjoint(step, kind.wanted, slope, kind.detach_reset)
        self.own = [c for c in step.constants if c in kind.columns]
        shared = [c for c in step.constants if c not in kind.columns]
        self.numbers = [*shared, *(f"_h_{n}" for n in kind.numbers), "_per_scale"]
        self.timed = any(
            s.name in ("t", "_after")
            for e in [p for st in step.statements for p in (st.value, st.condition, st.otherwise) if p is not None]
            for s in e.free_symbols
        )

    def number(self, x: float) -> str:
        return self.known.setdefault(float(x), f"_q{len(self.known)}")

    def text(self, e: Any) -> str:
        return str(self.printer.doprint(sympy.sympify(e, strict=True)))

    def block(self, text: str) -> str:
        """Return what is a value for each neuron even where the rows give all the same."""
        return f"_tl.broadcast_to({text}, [_BLOCK])"

    def line(self, s: Statement, known: bool) -> str:
        """Return a statement; `known`: the spike is read from its bit."""
        if s.condition is not None:
            one, zero = self.number(1.0), self.number(0.0)
            holds = "((_word >> _bit) & 1) != 0" if known else self.text(s.condition)
            return f"{s.name} = {self.block(f'_tl.where({holds}, {one}, {zero})')}"
        if s.otherwise is not None:
            return f"{s.name} = _tl.where({FIRED} > 0, {self.text(s.value)}, {self.text(s.otherwise)})"
        return f"{s.name} = {self.text(s.value)}"

    def final(self, state: str) -> str:
        """Return the text of a state's value after the step: a name, or a number where the rows give one."""
        name = self.step.final[state]
        return self.block(name if name.isidentifier() else self.number(float(sympy.Rational(name))))

    # -------------------------------------------------------------------------------- pieces

    def load(self, pointer: str, at: str, zero: str = "0.0") -> str:
        return f"_tl.load({pointer} + {at}, mask=_here, other={zero})"

    def store(self, pointer: str, at: str, value: str) -> str:
        return f"_tl.store({pointer} + {at}, {value}, mask=_here)"

    def common(self) -> list[str]:
        """Return the arguments that both kernels take, in order."""
        step = self.step
        out = ["_numbers", *(f"_of_{c}" for c in self.own), *(f"_steps_{t}" for t in step.targets)]
        out += [f"_in_{f}" for f in step.fed] + [f"_drawn{d}" for d in step.drawn] + (["_times"] if self.timed else [])
        return out + ["_bits"] * step.fires

    def kept(self) -> list[str]:
        """Return the arguments in which states are kept for the way back."""
        return [*(f"_keep_{s}" for s in self.step.states), *(f"_keepleft_{t}" for t in self.step.targets)]

    def begin(self) -> list[str]:
        """Return the lines that fetch what does not change in time."""
        lines = ["_i = _tl.program_id(0)*_BLOCK + _tl.arange(0, _BLOCK)", "_here = _i < _n"]
        lines += ["_wide = _tl.cast(_n, _tl.int64)"]  # rows may be further apart than 31 bits tell
        lines += [f"{name} = _tl.load(_numbers + {j})" for j, name in enumerate(self.numbers)]
        lines += [f"{c} = {self.load(f'_of_{c}', '_i')}" for c in self.own]
        for t in self.step.targets:
            own = f"_steps_{t}" in self.kind.columns
            lines.append(f"_most_{t} = {self.load(f'_steps_{t}', '_i', '0') if own else f'_tl.load(_steps_{t})'}")
        return lines

    def arriving(self) -> list[str]:
        """Return the lines that fetch what comes in step _k."""
        step = self.step
        lines = ["_row = _k*_wide + _i", f"_bit = _k & {BITS - 1}"]
        lines += [f"_x_{f} = {self.load(f'_in_{f}', '_row')}" for f in step.fed]
        lines += [f"{d} = {self.load(f'_drawn{d}', '_row')}" for d in step.drawn]
        return lines + ["t = _tl.load(_times + _k)", "_after = _tl.load(_times + _k + 1)"] * self.timed

    def onwards(self) -> list[str]:
        """Return the lines by which states and refractory steps become those after the step."""
        lines = [f"_end_{s} = {self.final(s)}" for s in self.step.states]
        lines += [f"{s} = _end_{s}" for s in self.step.states]
        for t in self.step.targets:
            left = f"_tl.where({FIRED} > 0, _most_{t}, _tl.maximum(_left_{t} - 1, 0))"
            lines.append(f"_left_{t} = {self.block(left)}")
        return lines

    def move(self, how: str, prefix: str, at: str) -> list[str]:
        """Return the lines that load or store the states and refractory steps."""
        lines = []
        for name in (*self.step.states, *(f"_left_{t}" for t in self.step.targets)):
            counter = name.startswith("_left_")
            pointer = prefix.rstrip("_") + name[1:] if counter else prefix + name
            zero = "0" if counter else "0.0"
            lines.append(f"{name} = {self.load(pointer, at, zero)}" if how == "load" else self.store(pointer, at, name))
        return lines

    # -------------------------------------------------------------------------------- kernels

    def forward(self, keeping: bool) -> tuple[list[str], list[str]]:
        """Return the arguments and the lines of a kernel that goes through all steps."""
        step, states, targets = self.step, self.step.states, self.step.targets
        arguments = [a for a in self.common() if keeping or a != "_bits"]
        arguments += [f"_start_{s}" for s in states] + [f"_startleft_{t}" for t in targets]
        arguments += [f"_final_{s}" for s in states] + [f"_finalleft_{t}" for t in targets]
        arguments += ["_z"] * step.fires + [f"_trace_{s}" for s in self.kind.kept] + ["_flags"]
        arguments += self.kept() * keeping
        each = self.arriving()
        each += [f"_bad = _bad | _tl.where(_x_{f} != _x_{f}, {NAN}, 0)" for f in step.fed]
        if keeping:
            each += ["if _k % _EVERY == 0:"]
            each += _indent(["_place = (_k // _EVERY)*_wide + _i", *self.move("store", "_keep_", "_place")])
        each += [self.line(s, known=False) for s in step.statements]
        each += self.onwards()
        each += [self.store(f"_trace_{s}", "_row", s) for s in self.kind.kept]
        if step.fires:
            each += [self.store("_z", "_row", FIRED)]
        if step.fires and keeping:
            each += [f"_word = _tl.where(_bit == 0, 0, _word) | (_tl.where({FIRED} > 0, 1, 0) << _bit)"]
            last = f"if (_bit == {BITS - 1}) | (_k == _total - 1):"
            each += [last, *_indent([self.store("_bits", f"(_k >> {SHIFT})*_wide + _i", "_word")])]
        lines = [*self.begin(), *self.move("load", "_start_", "_i"), "_bad = _tl.full([_BLOCK], 0, _tl.int32)"]
        lines += ["_word = _tl.full([_BLOCK], 0, _tl.int32)"] * (step.fires and keeping)
        lines += ["for _k in _tl.range(0, _total):", *_indent(each)]
        lines += self.move("store", "_final_", "_i")
        # of what is infinite or NaN the difference from itself is not 0
        lines += [f"_bad = _bad | _tl.where({s} - {s} != 0.0, {WILD}, 0)" for s in states]
        return arguments, [*lines, self.store("_flags", "_i", "_bad")]

    def backward(self) -> tuple[list[str], list[str]]:
        """Return the arguments and the lines of the kernel that goes back through all steps."""
        step, states, a = self.step, self.step.states, self.adjoint
        fed = [f for f in step.fed if f in self.kind.wanted]
        wanted = [c for c in step.constants if c in self.kind.wanted]
        arguments = [*self.common(), *self.kept(), *(f"_was_{s}" for s in states)]
        arguments += [f"_wasleft_{t}" for t in step.targets] + [f"_dend_{s}" for s in states]
        arguments += ["_dz", "_dzrow"] * step.fires + [x for s in self.kind.kept for x in (f"_dt_{s}", f"_dtrow_{s}")]
        arguments += [f"_dstart_{s}" for s in states] + [f"_g_{f}" for f in fed] + [f"_gc_{c}" for c in wanted]
        kept = [*self.move("store", "_was_", "(_k - _from)*_wide + _i")]
        again = [*self.arriving(), *kept, *(self.line(s, known=True) for s in step.statements), *self.onwards()]
        back = ["_k = _to - 1 - _m", *self.arriving(), *self.move("load", "_was_", "(_k - _from)*_wide + _i")]
        back += [self.line(s, known=True) for s in step.statements]
        for s in states:
            more = f" + {self.load(f'_dt_{s}', f'_k*_dtrow_{s}*_wide + _i')}" if s in self.kind.kept else ""
            back.append(f"_d_{s} = _dof_{s}{more}")
        back += [f"{SENT} = {self.load('_dz', '_k*_dzrow*_wide + _i')}"] * step.fires
        back += [f"{n} = {self.text(e)}" for n, e in a.statements]
        back += [self.store(f"_g_{f}", "_row", self.block(self.text(a.fed[f]))) for f in fed]
        back += [f"_sum_{c} = _sum_{c} + ({self.text(a.constants[c])})" for c in wanted]
        back += [f"_e_{s} = {self.block(self.text(a.states[s]))}" for s in states]
        back += [f"_dof_{s} = _e_{s}" for s in states]
        part = ["_from = (_parts - 1 - _p)*_EVERY", "_to = _tl.minimum(_from + _EVERY, _total)"]
        part += [f"_word = {self.load('_bits', f'(_from >> {SHIFT})*_wide + _i', '0')}"] * step.fires
        part += self.move("load", "_keep_", "(_from // _EVERY)*_wide + _i")
        part += ["for _k in _tl.range(_from, _to):", *_indent(again)]
        # what one thread has written another may read: loads and stores need not be shared out alike
        part += ["_tl.debug_barrier()", "for _m in _tl.range(0, _to - _from):", *_indent(back), "_tl.debug_barrier()"]
        lines = [*self.begin(), *(f"_dof_{s} = {self.load(f'_dend_{s}', '_i')}" for s in states)]
        lines += [f"_sum_{c} = _tl.full([_BLOCK], 0, {self.type})" for c in wanted]
        lines += ["_parts = (_total + _EVERY - 1) // _EVERY", "for _p in _tl.range(0, _parts):", *_indent(part)]
        lines += [self.store(f"_dstart_{s}", "_i", f"_dof_{s}") for s in states]
        return arguments, [*lines, *(self.store(f"_gc_{c}", "_i", f"_sum_{c}") for c in wanted)]

    def function(self, name: str, arguments: list[str], lines: list[str], doc: str) -> list[str]:
        """Return the text of a kernel; its numbers come first, as constants of its own type."""
        used = {word for line in lines for word in _words(line)}
        numbers = [f"{q} = _tl.full([], {x!r}, {self.type})" for x, q in self.known.items() if q in used]
        every = ["_EVERY: constexpr"] if "_EVERY" in used else []
        head = [*arguments, "_n", "_total", *every, "_BLOCK: constexpr"]
        text = ["", "", '@_triton.jit(do_not_specialize=["_total"])', f"def {name}({', '.join(head)}):"]
        return [*text, f'    """{doc}"""', *_indent([*numbers, *lines])]


def _words(line: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "_" else " " for c in line).split()


def _indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def print_triton(neuron: Neuron, kind: LayerKind) -> ClockSource:
    """Return the module with the kernels ``run``, ``forward`` and ``backward``; ARGUMENTS names what each takes."""
    from rheobase.emit.triton_functions import print_functions

    step = layer_step(neuron, kind.fed, kind.method)
    writer = _Writer(neuron, step, kind)
    docs = {
        "run": "Go through all steps and keep nothing.",
        "forward": "Go through all steps and keep what backward needs.",
        "backward": "Carry gradients back through all steps.",
    }
    made = {"run": writer.forward(False), "forward": writer.forward(True), "backward": writer.backward()}
    text = _HEADER.format(
        name=neuron.name.replace('"', "'").replace("\\", "/"),
        method=step.method,
        real=kind.real,
        table=write_rows(neuron),
        slope=kind.slope,
    )
    text += print_functions(kind.real)
    names: dict[str, Any] = {
        "ARGUMENTS": {name: tuple(arguments) for name, (arguments, _) in made.items()},
        "NUMBERS": tuple(writer.numbers),
        "FED": tuple(f for f in step.fed if f in kind.wanted),
        "WANTED": tuple(c for c in step.constants if c in kind.wanted),
        "TIMED": writer.timed,
    }
    text += "\n\n" + "\n".join(f"{name} = {value!r}" for name, value in names.items())
    lines = [line for name, (head, body) in made.items() for line in writer.function(name, head, body, docs[name])]
    return ClockSource(text + "\n" + "\n".join(lines) + "\n", (), ())
