"""The rows -> plain torch operations: a step that autograd differentiates, the reference of all kernels."""

from __future__ import annotations

from typing import Any, Final, final

import sympy

from rheobase.derive.layer_step import FIRED, LayerStep, Statement
from rheobase.emit.elementwise import Elementwise
from rheobase.emit.loop import write_rows
from rheobase.model.expression import normalise, parse_number
from rheobase.model.neuron import Neuron

__all__ = ["print_slope", "print_torch_step"]

_HEADER: Final = '''"""{title}, written by rheobase from these rows:

{table}

From t_k to t_k+1: flow with the inputs held, deliver what arrives at t_k+1, fire where the threshold row holds and
the neuron is not refractory, reset. Values are tensors or numbers; autograd differentiates the whole.
"""

import torch


def _where(condition, yes, no):
    """One of two, element by element."""
    if isinstance(condition, bool):
        return yes if condition else no
    return torch.where(condition, yes, no)


def _least(*values):
    """The smallest."""
    out = values[0]
    for x in values[1:]:
        out = _where(out < x, out, x)
    return out


def _greatest(*values):
    """The largest."""
    out = values[0]
    for x in values[1:]:
        out = _where(out > x, out, x)
    return out


def _call(name, x):
    """A function of one number or tensor."""
    return getattr(torch, name)(torch.as_tensor(x, dtype=torch.float64) if isinstance(x, float) else x)


def _exprel(x):
    """(exp(x) - 1)/x, and 1 at 0; by its series near 0, where the slope of the quotient would lose its digits."""
    x = torch.as_tensor(x, dtype=torch.float64) if isinstance(x, float) else x
    near = x.abs() < 0.25
    small, large = torch.where(near, x, 0.0), torch.where(near, 1.0, x)
    series = 1.0
    for n in range(14, 1, -1):
        series = 1.0 + small*series/n
    return torch.where(near, series, torch.expm1(large)/large)


def _choose(fired, yes, no):
    """`yes` where the neuron fired; a change of the spike moves the state from one to the other."""
    out = torch.where(fired > 0, yes, no)
    return out + (fired - fired.detach())*(yes - no).detach() if fired.requires_grad else out


def _count(left, fired, steps):
    """Steps that are left of the refractory time."""
    return torch.where(fired > 0, steps, (left - 1).clamp(min=0))
'''


@final
class _Printer(Elementwise):
    """SymPy's Python printer with functions of torch, and conditions element by element."""

    where = "_where"

    def _print_Float(self, e: Any) -> str:
        return repr(float(e))

    def _print_Integer(self, e: Any) -> str:
        return f"{int(e)}.0"

    _print_Rational = _print_Float
    _print_Zero = _print_One = _print_NegativeOne = _print_Integer
    _print_Half = _print_Float

    def _print_Pow(self, e: Any, rational: bool = False) -> str:
        base, power = e.args
        if power.is_Float and float(2 * power).is_integer():
            power = sympy.Rational(int(2 * power), 2)
        if power.is_Integer and 2 <= int(power) <= 4:
            return "(" + "*".join([f"({self._print(base)})"] * int(power)) + ")"
        if power == -1:
            return f"(1.0/({self._print(base)}))"
        if abs(power) == sympy.Rational(1, 2):
            root = f"_call('sqrt', {self._print(base)})"
            return root if power > 0 else f"(1.0/{root})"
        return f"(({self._print(base)})**({self._print(power)}))"

    def _print_Function(self, e: Any) -> str:
        name, x = type(e).__name__, self._print(e.args[0])
        if name == "exprel":
            return f"_exprel({x})"
        known = {"Abs": "abs", "sign": "sign"}
        return f"_call('{known.get(name, name)}', {x})"

    def _print_Min(self, e: Any) -> str:
        return f"_least({', '.join(self._print(a) for a in e.args)})"

    def _print_Max(self, e: Any) -> str:
        return f"_greatest({', '.join(self._print(a) for a in e.args)})"

    def _print_Relational(self, e: Any) -> str:
        return f"({self._print(e.lhs)} {e.rel_op} {self._print(e.rhs)})"


_PRINTER: Final = _Printer()


def _print(e: Any) -> str:
    return str(_PRINTER.doprint(sympy.sympify(e, strict=True)))


def _line(s: Statement) -> str:
    if s.condition is not None:
        return f"{s.name} = _spike({_print(s.value)}, {_print(s.condition)})"
    if s.otherwise is not None:
        return f"{s.name} = _choose(_sent, {_print(s.value)}, {_print(s.otherwise)})"
    return f"{s.name} = {_print(s.value)}"


def print_torch_step(neuron: Neuron, step: LayerStep) -> str:
    """Return the text of a module with ``step``, ``coefficients`` and the names of what they take and give.

    ``step(_spike, _through, *states, *left, *fed, *drawn, *constants, *steps, t, _after)`` returns the spikes, the new
    states and what is left of the refractory times. ``_spike(value, condition)`` makes a spike, ``_through`` what the
    reset sees of it.
    """
    arguments = ["_spike", "_through", *step.states, *(f"_left_{x}" for x in step.targets)]
    arguments += [*(f"_x_{x}" for x in step.fed), *step.drawn, *step.constants]
    arguments += [*(f"_steps_{x}" for x in step.targets), "t", "_after"]
    lines = []
    for s in step.statements:
        lines.append(_line(s))
        if s.condition is not None:
            lines.append(f"_sent = _through({FIRED})")
    spikes = FIRED if step.fires else "None"
    left = [f"_count(_left_{x}, {FIRED}, _steps_{x})" for x in step.targets]
    lines.append(f"return {spikes}, {_tuple([step.final[s] for s in step.states])}, {_tuple(left)}")
    own = {n for n, _ in step.hoisted}
    needed = sorted({x.name for _, e in step.hoisted for x in e.free_symbols} - own)
    names: dict[str, Any] = {
        "METHOD": step.method,
        "ORDER": step.order,
        "STATES": step.states,
        "TARGETS": step.targets,
        "PORTS": step.ports,
        "INPUTS": step.inputs,
        "DRAWN": step.drawn,
        "COEFFICIENTS": step.coefficients,
        "RATES": tuple(sorted({x.name for m in step.affine for row in m for e in row for x in e.free_symbols})),
        "HOISTED": tuple(n for n, _ in step.hoisted),
        "NEEDED": tuple(needed),
        "CONSTANTS": step.constants,
        "REST": tuple(sorted(x.name for x in step.distance.free_symbols)),
        "FIRES": step.fires,
        "CHANCE": step.chance,
    }
    hoisted = [f"{n} = {_print(e)}" for n, e in step.hoisted]
    title = f"Training step of {neuron.name}, method '{step.method}'".replace('"', "'").replace("\\", "/")
    text = _HEADER.format(title=title, table=write_rows(neuron))
    text += "\n\n" + "\n".join(f"{name} = {value!r}" for name, value in names.items())
    text += f"\n\n\ndef coefficients({', '.join(needed)}):\n"
    text += '    """What depends on parameters alone."""\n'
    text += "\n".join(f"    {line}" for line in [*hoisted, f"return {_tuple([n for n, _ in step.hoisted])}"])
    if step.affine:
        text += f"\n\n\ndef affine({', '.join(names['RATES'])}):\n"
        text += '    """A, B and c of the flow d/dt = A states + B inputs + c."""\n'
        matrices = [_tuple([_tuple([_print(e) for e in row]) for row in m]) for m in step.affine]
        text += f"    return {_tuple(matrices)}"
    text += f"\n\n\ndef distance({', '.join(names['REST'])}):\n"
    text += f'    """The threshold function."""\n    return {_print(step.distance)}'
    text += f"\n\n\ndef step({', '.join(arguments)}):\n"
    text += '    """Spikes, states and steps left at t_k+1."""\n'
    return text + "\n".join(f"    {line}" for line in lines) + "\n"


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


_SLOPE: Final = '''"""The slope of a spike, {text}, as torch computes it."""

import torch
{helpers}

def slope({names}):
    """How much a spike changes with the threshold function."""
    return {value}
'''


def print_slope(text: str, names: tuple[str, ...]) -> str:
    """Return a module with ``slope(u, *names)`` for a text in the notation of the rows."""
    helpers = _HEADER[_HEADER.index("\n\ndef _where") : _HEADER.index("\n\ndef _choose")]
    value = _print(parse_number(normalise(text), "gradient").value)
    return _SLOPE.format(text=text, helpers=helpers, names=", ".join(["u", *names]), value=value)
