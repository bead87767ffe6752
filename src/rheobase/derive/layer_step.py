"""One step of a training layer as statements, each a name and its value: what torch, Numba and Triton print.

The order of operations is the clock's: flow, deliver, fire, reset. Whatever depends on parameters alone is taken
out of the step as a coefficient, computed once a call; a gradient with respect to a parameter passes through it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, final

import sympy
from sympy.logic.boolalg import Boolean

from rheobase.derive.integrate import Step, choose_method, derive_step
from rheobase.derive.propagate import clamp_sets
from rheobase.derive.structure import analyse
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron
from rheobase.model.rows import Rows

__all__ = ["FIRED", "LayerStep", "Statement", "layer_step"]

#: The name of what a neuron sends in a step, 0 or 1.
FIRED: Final = "_fired"
_ONE: Final = sympy.Integer(1)


@final
@dataclass(frozen=True)
class Statement:
    """``name = value``; with `condition` the spike itself, with `otherwise` a choice by the spike.

    The spike is 1 where `condition` and `ready` (not refractory) hold, and `value`, the threshold function, is what
    its gradient is taken at. A choice is `value` where the neuron fired and `otherwise` where not.
    """

    name: str
    value: Any
    condition: Any = None
    otherwise: Any = None
    ready: Any = sympy.true


@final
@dataclass(frozen=True)
class LayerStep:
    """The statements of a step and all the names that stand in them.

    `ports` and `inputs` are fed from outside, as ``_x_<name>``; `drawn` are random numbers; `coefficients` are
    computed by the exact method, `hoisted` from parameters, in that order; `constants` are all names that do not
    change from step to step; `final` says under which name a state's new value stands. `chance` tells that the
    spike is drawn, so that its gradient is that of its probability. `affine` is (A, B, c) of the exact method.
    `distance` is the threshold function of the states and parameters, without input.
    """

    method: str
    order: str
    states: tuple[str, ...]
    targets: tuple[str, ...]
    ports: tuple[str, ...]
    inputs: tuple[str, ...]
    drawn: tuple[str, ...]
    coefficients: tuple[str, ...]
    hoisted: tuple[tuple[str, Any], ...]
    constants: tuple[str, ...]
    statements: tuple[Statement, ...]
    final: Mapping[str, str]
    chance: bool
    affine: tuple[tuple[tuple[Any, ...], ...], ...]
    distance: Any

    @property
    def fires(self) -> bool:
        """Whether the neuron sends anything."""
        return any(s.condition is not None for s in self.statements)

    @property
    def fed(self) -> tuple[str, ...]:
        """What comes from outside, ports first."""
        return (*self.ports, *self.inputs)


def layer_step(neuron: Neuron, fed: Collection[str], method: str = "auto") -> LayerStep:
    """Return the step of a layer whose ports and inputs `fed` get something at every step.

    Examples
    --------
    >>> from rheobase.model.zoo import ALIF
    >>> for s in layer_step(ALIF(), ["spikes"]).statements[:4]:
    ...     print(s.name, "=", s.value)
    _new_v = _P__0_0*v + _P__0_c
    _new_theta = _P__1_1*theta + _P__1_c
    _got_spikes_v = _new_v + _x_spikes
    _level = _got_spikes_v - _new_theta
    """
    return _layer_step(neuron.rows, tuple(neuron.refractory.items()), tuple(sorted(fed)), method, _Held(neuron))


@final
class _Held:
    """A neuron beside its rows in a cache's key: equal to any other."""

    def __init__(self, neuron: Neuron) -> None:
        self.neuron = neuron

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=256)
def _layer_step(
    rows: Rows, clamps: tuple[tuple[str, str], ...], fed: tuple[str, ...], method: str, held: _Held
) -> LayerStep:
    neuron = held.neuron
    inputs = tuple(sorted(u for u in (*neuron.inputs, *neuron.parameters) if u in fed))
    structure = analyse(neuron, inputs)
    step = derive_step(neuron, structure, choose_method(structure, method))
    build = _Builder(neuron, step, inputs)
    build.flow()
    for port in neuron.ports:
        if port in fed:
            build.deliver(port)
    build.fire()
    statements, hoisted, known = _hoist(build.statements, build.constant)
    used = {s.name for st in statements for e in _parts(st) for s in e.free_symbols}
    return LayerStep(
        step.method,
        step.order,
        neuron.states,
        tuple(neuron.refractory),
        tuple(p for p in neuron.ports if p in fed),
        inputs,
        tuple(d for d in [*(f"_z_{j}" for j in range(step.normals)), "_u"] if d in used),
        step.coefficients,
        hoisted,
        tuple(sorted(n for n in used if build.constant(n) or n in dict(hoisted))),
        statements,
        {s: str(known.get(build.now[s], build.now[s])) for s in neuron.states},
        rows.hazard is not None,
        tuple(tuple(tuple(m.row(i)) for i in range(m.rows)) for m in structure.affine or ())
        if step.method == "exact"
        else (),
        _distance(neuron),
    )


def _distance(neuron: Neuron) -> Any:
    if neuron.rows.threshold is None:
        return _ONE
    nothing = {symbol(u): 0 for u in neuron.inputs} | {symbol("t"): 0}
    return _level(neuron.rows.substitute(neuron.rows.threshold.value)).subs(nothing)


def _parts(statement: Statement) -> list[Any]:
    return [e for e in (statement.value, statement.condition, statement.otherwise) if e is not None]


@final
class _Builder:
    """Writes the statements; `now` is the symbol that holds a state's value so far."""

    def __init__(self, neuron: Neuron, step: Step, inputs: tuple[str, ...]) -> None:
        self.neuron, self.step, self.inputs = neuron, step, inputs
        self.statements: list[Statement] = []
        self.now: dict[str, sympy.Symbol] = {s: symbol(s) for s in neuron.states}
        self.taken: set[str] = set()
        self.later = {symbol("t"): symbol("_after")}
        for u in inputs:
            self.later[symbol(u)] = symbol(f"_x_{u}")

    def constant(self, name: str) -> bool:
        """Return whether a name stands for the same value at every step."""
        return name not in self.inputs and (
            name in self.neuron.parameters
            or name in self.neuron.inputs
            or name in self.step.coefficients
            or name == "dt"
        )

    def add(self, name: str, value: Any, **more: Any) -> sympy.Symbol:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        self.statements.append(Statement(name, value, **more))
        return symbol(name)

    def clamped(self, state: str) -> Any:
        return symbol(f"_left_{state}") > 0

    def bound(self, state: str, value: sympy.Symbol) -> sympy.Symbol:
        """Hold a state within its bounds, as the clock does."""
        for b in self.neuron.rows.bounds:
            if b.state == state:
                limit = self.neuron.rows.substitute(b.right.value).subs(self.later)
                beyond = value < limit if b.side == ">=" else value > limit
                value = self.add(f"_bound_{state}", sympy.Piecewise((limit, beyond), (value, True)))
        return value

    def flow(self) -> None:
        sets = clamp_sets(self.neuron)
        fed = {symbol(u): symbol(f"_x_{u}") for u in self.inputs}
        ends: dict[frozenset[str], dict[str, Any]] = {}
        for c in sets:
            renamed: dict[Any, Any] = dict(fed)
            tail = "_held_" + "_".join(sorted(c)) if c else ""
            kept = {f"_new_{s}" for s in c}
            for name, value in self.step.branches[c]:
                if name not in kept:
                    renamed[symbol(name)] = self.add(name + tail, sympy.sympify(value, strict=True).subs(renamed))
            ends[c] = {s: symbol(s) if s in c else renamed[symbol(f"_new_{s}")] for s in self.neuron.states}
        for s in self.neuron.states:
            value = ends[sets[0]][s]
            pieces = [(ends[c][s], sympy.And(*(self.clamped(x) for x in sorted(c)))) for c in reversed(sets) if c]
            if any(e != value for e, _ in pieces):
                value = self.add(f"_flow_{s}", sympy.Piecewise(*pieces, (value, True)))
            self.now[s] = self.bound(s, value)

    def deliver(self, port: str) -> None:
        rows, arrived = self.neuron.rows, symbol(f"_x_{port}")
        here = {symbol(s): x for s, x in self.now.items()}
        inside = dict(here)
        for j in rows.receive[port]:
            value = rows.substitute(j.value).subs(self.later).subs(inside | {symbol("w_i"): arrived}, simultaneous=True)
            inside[symbol(j.state)] = self.add(f"_got_{port}_{j.state}", value)
        unmoved = all(
            sympy.expand(rows.substitute(j.value).subs(symbol("w_i"), 0) - symbol(j.state)) == 0
            for j in rows.receive[port]
        )
        for s in self.neuron.states:
            old, new = here[symbol(s)], inside[symbol(s)]
            if new == old:
                continue
            new = self.bound(s, new)
            stays = [] if unmoved else [sympy.Eq(arrived, 0)]
            if s in self.neuron.refractory:
                stays.append(self.clamped(s))
            if stays:
                new = self.add(f"_kept_{s}", sympy.Piecewise((old, sympy.Or(*stays)), (new, True)))
            self.now[s] = new

    def fire(self) -> None:
        rows = self.neuron.rows
        here = {symbol(s): x for s, x in self.now.items()}
        if rows.threshold is not None:
            holds = rows.substitute(rows.threshold.value).subs(self.later).subs(here, simultaneous=True)
            level = _level(holds)
        elif rows.hazard is not None:
            risk = rows.substitute(rows.hazard.value).subs(self.later).subs(here, simultaneous=True)
            level = 1 - sympy.exp(-risk * symbol("dt"))
            holds = symbol("_u") < level
        else:
            return
        quiet = [symbol(f"_left_{t}") <= 0 for t in self.neuron.refractory]
        level = self.add("_level", level)
        if rows.hazard is not None:
            holds = symbol("_u") < level
        elif len(self.statements[-1].value.args) <= 2:  # a difference of two has the sign of their comparison
            if isinstance(holds, sympy.StrictGreaterThan | sympy.StrictLessThan):
                holds = level > 0
            elif isinstance(holds, sympy.GreaterThan | sympy.LessThan):
                holds = level >= 0
        fired = self.add(FIRED, level, condition=sympy.And(holds, *quiet), ready=sympy.And(*quiet))
        inside = dict(here)
        for j in rows.reset:
            value = rows.substitute(j.value).subs(self.later).subs(inside, simultaneous=True)
            inside[symbol(j.state)] = self.add(f"_reset_{j.state}", value)
        for s in self.neuron.states:
            old, new = here[symbol(s)], inside[symbol(s)]
            if new != old:
                self.now[s] = self.add(f"_after_{s}", new, otherwise=old)
        assert fired.name == FIRED


def _level(condition: Any) -> Any:
    """Return a function that is positive where a condition holds and negative where it does not."""
    if isinstance(condition, sympy.StrictGreaterThan | sympy.GreaterThan):
        return condition.lhs - condition.rhs
    if isinstance(condition, sympy.StrictLessThan | sympy.LessThan):
        return condition.rhs - condition.lhs
    if isinstance(condition, sympy.And | sympy.Or):
        parts = [_level(a) for a in sorted(condition.args, key=sympy.default_sort_key)]
        pick = sympy.Min if isinstance(condition, sympy.And) else sympy.Max
        return pick(*parts)
    if isinstance(condition, sympy.Not):
        return -_level(condition.args[0])
    return sympy.Piecewise((_ONE, condition), (-_ONE, True))


def _hoist(
    statements: list[Statement], constant: Any
) -> tuple[tuple[Statement, ...], tuple[tuple[str, Any], ...], dict[Any, Any]]:
    """Return the statements with all that is made of constants replaced by coefficients, these, and mere names."""
    found: dict[Any, sympy.Symbol] = {}
    names: set[sympy.Symbol] = set()

    def fixed(e: Any) -> bool:
        return all(constant(s.name) or s in names for s in e.free_symbols)

    def coefficient(e: Any) -> Any:
        if e.is_Symbol or e.is_number:
            return e
        if e.func is sympy.Mul and len(e.args) == 2 and e.args[0] == -1 and e.args[1].is_Symbol:
            return e
        if e not in found:
            found[e] = symbol(f"_c{len(found)}")
            names.add(found[e])
        return found[e]

    def walk(e: Any) -> Any:
        if e.is_Atom or not e.args:
            return e
        if isinstance(e, Boolean):
            return e.func(*(walk(a) for a in e.args))
        if fixed(e):
            return coefficient(e)
        if isinstance(e, sympy.Add | sympy.Mul):
            still = [a for a in e.args if fixed(a)]
            rest = [walk(a) for a in e.args if not fixed(a)]
            if not still:
                return e.func(*rest)
            return e.func(coefficient(e.func(*still)), *rest)
        if isinstance(e, sympy.Piecewise):
            return sympy.Piecewise(*((walk(v), walk(c)) for v, c in e.args))
        return e.func(*(walk(a) for a in e.args))

    out: list[Statement] = []
    known: dict[Any, Any] = {}  # statements that turned out constant
    for s in statements:
        value = walk(sympy.sympify(s.value, strict=True).subs(known))
        condition, otherwise = (
            None if e is None else walk(sympy.sympify(e, strict=True).subs(known)) for e in (s.condition, s.otherwise)
        )
        if condition is None and otherwise is None and (value.is_number or value.is_Symbol):
            known[symbol(s.name)] = value
        else:
            out.append(Statement(s.name, value, condition, otherwise, s.ready))
    return tuple(out), tuple((s.name, e) for e, s in found.items()), known
