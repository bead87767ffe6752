"""The answers that `rheobase.derive.facts` remembers, from symbols to texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from rheobase.derive.integrate import choose_method, derive_step, noisy_states
from rheobase.derive.structure import Structure, analyse, threshold_function
from rheobase.derive.write import write_expression
from rheobase.errors import NotExact
from rheobase.model.algebra import symbol
from rheobase.model.neuron import Neuron
from rheobase.model.rows import Rows

__all__ = ["check_affine", "describe_exact", "describe_rest", "describe_gains", "describe_step"]

_ELSE = "run it with engine=rb.Precise() or rb.Clock(dt='0.1 ms')"


def _write_matrix(matrix: Any) -> list[list[str]]:
    return [[write_expression(matrix[i, j]) for j in range(matrix.shape[1])] for i in range(matrix.shape[0])]


def describe_rest(neuron: Neuron) -> list[Any]:
    """Return drift, jacobian, threshold and reset (see `RestFacts`)."""
    structure = analyse(neuron, neuron.inputs)
    drift = sympy.Matrix(structure.drift)
    jacobian = drift.jacobian(structure.states).replace(
        lambda e: isinstance(e, sympy.Derivative | sympy.Subs), lambda e: sympy.S.Zero
    )  # of floor
    rows = neuron.rows
    threshold = None if rows.threshold is None else write_expression(rows.substitute(rows.threshold.value))
    reset = []
    for j in rows.reset:
        value = rows.substitute(j.value)
        held = not {s.name for s in value.free_symbols} & set(neuron.states)
        reset.append([j.state, write_expression(value) if held else None])
    return [[write_expression(e) for e in drift], _write_matrix(jacobian), threshold, reset]


def describe_step(neuron: Neuron, inputs: Sequence[str], method: str) -> dict[str, Any]:
    """Return the fields of `StepFacts`."""
    structure = analyse(neuron, inputs)
    step = derive_step(neuron, structure, choose_method(structure, method))
    out: dict[str, Any] = {
        "method": step.method,
        "order": step.order,
        "coefficients": list(step.coefficients),
        "normals": step.normals,
        "noisy": [],
        **{part: [] for part in ("a", "b", "c", "noise")},
    }
    if step.method == "exact":
        assert structure.affine is not None
        out |= {part: _write_matrix(m) for part, m in zip("abc", structure.affine, strict=True)}
        out["noise"] = [[write_expression(g) for g in row] for row in structure.noise]
        out["noisy"] = noisy_states(structure) if structure.noises else []
    return out


def describe_exact(neuron: Neuron, inputs: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `ExactFacts`, or raise `NotExact` naming what is in the way."""
    structure, g, strict = _check_exact(neuron, inputs)
    slope = [] if g is None else [sympy.diff(g, s) for s in structure.states]
    level = 0 if g is None else sympy.expand(g - sum(d * s for d, s in zip(slope, structure.states, strict=True)))
    bend = middle = sympy.Integer(0)
    if structure.affine is not None:
        a, b, c = structure.affine
    else:
        bend, middle, b, c = _quadratic(structure)
        a = sympy.zeros(1, 1)
    return {
        "a": _write_matrix(a),
        "b": _write_matrix(b),
        "c": [write_expression(e) for e in c],
        "slope": [write_expression(d) for d in slope],
        "level": write_expression(level),
        "strict": strict,
        "bend": write_expression(bend),
        "middle": write_expression(middle),
    }


def check_affine(neuron: Neuron, inputs: Sequence[str]) -> tuple[Structure, Any, bool]:
    """Return structure, threshold function and whether it is strict, or raise `NotExact`: also for a quadratic flow."""
    structure, g, strict = _check_exact(neuron, inputs)
    if structure.affine is None:
        raise NotExact(
            f"evolve row: d{structure.states[0].name}/dt is quadratic; exact gradients are for linear rows (LIF and its"
            " currents, adaptation, moving thresholds)"
        )
    return structure, g, strict


def _is_quadratic(structure: Structure) -> bool:
    """Return whether the only state's drift is a quadratic in it, plus the inputs."""
    if len(structure.states) != 1:
        return False
    (x,), (f,) = structure.states, structure.drift
    varying = {x, *structure.inputs, symbol("t")}
    bend = sympy.diff(f, x, 2)
    gains = [sympy.diff(f, u) for u in structure.inputs]
    slope = sympy.simplify(sympy.diff(f, x).subs(x, 0))
    return bool(
        sympy.simplify(bend) != 0
        and not any(sympy.simplify(e).free_symbols & varying for e in (bend, *gains))
        and not slope.free_symbols & varying
        and not f.has(sympy.Piecewise, sympy.Min, sympy.Max, sympy.Abs, sympy.sign, sympy.floor)
    )


def _quadratic(structure: Structure) -> tuple[Any, Any, Any, Any]:
    """Return alpha, m, b and c of drift = alpha (x - m)^2 + b u + c.

    c is the drift at m as it is written, not multiplied out: of a (v - E_L) (v - v_c) the digits that cancel are few.
    """
    (x,), (f,) = structure.states, structure.drift
    bend = sympy.simplify(sympy.diff(f, x, 2) / 2)
    middle = sympy.simplify(-sympy.diff(f, x).subs(x, 0) / (2 * bend))
    b = sympy.Matrix([[sympy.simplify(sympy.diff(f, u)) for u in structure.inputs]]) if structure.inputs else None
    c = f.subs({u: 0 for u in structure.inputs}).subs(x, middle)
    return bend, middle, sympy.zeros(1, 0) if b is None else b, [c]


def _check_exact(neuron: Neuron, inputs: Sequence[str]) -> tuple[Structure, Any, bool]:
    """Return (structure, threshold function, strict), or raise `NotExact`."""
    structure = analyse(neuron, inputs)
    if neuron.noises:
        raise NotExact(
            f"evolve row: {neuron.noises[0]} is white noise, whose threshold crossings have no closed form; "
            "run it with engine=rb.Clock(dt='0.1 ms')"
        )
    if neuron.rows.hazard is not None:
        raise NotExact("hazard row: firing by chance has no exact crossing; run it with engine=rb.Clock(dt='0.1 ms')")
    if neuron.rows.bounds:
        raise NotExact(f"evolve row: the bound on {neuron.rows.bounds[0].state} makes the flow piecewise; {_ELSE}")
    if structure.timed:
        raise NotExact(
            f"evolve row: t stands in the rows; give the current as a stimulus such as rb.sine(), or {_ELSE}"
        )
    if structure.affine is None and not _is_quadratic(structure):
        states = set(structure.states)
        for flow, e in zip(neuron.rows.flows, structure.drift, strict=True):
            slopes = [sympy.simplify(sympy.diff(e, s)) for s in states]
            if any(s.free_symbols & (states | set(structure.inputs)) for s in slopes) or e.has(
                sympy.Piecewise, sympy.Min, sympy.Max, sympy.Abs
            ):
                raise NotExact(f"evolve row: d{flow.state}/dt = {flow.right.text} is not linear in the states; {_ELSE}")
        raise NotExact(f"evolve row: the flow is not linear with constant coefficients; {_ELSE}")
    found = threshold_function(neuron)
    if neuron.rows.threshold is not None:
        g = None if found is None else found[0]
        affine = g is not None and not any(
            sympy.diff(g, s).free_symbols & {*structure.states, *structure.inputs} for s in structure.states
        )
        if not affine or g is None or (g.free_symbols & {*structure.inputs, symbol("t")}):
            raise NotExact(
                f"threshold row: {neuron.rows.threshold.text} is not one comparison linear in the states; {_ELSE}"
            )
    return structure, (found[0] if found else None), (found[1] if found else True)


def describe_gains(rows: Rows) -> dict[str, dict[str, str | None]]:
    """Return the additive ports and what w_i is multiplied by there (see `rheobase.derive.additive`)."""
    w = symbol("w_i")
    states = {symbol(s) for s in rows.states}
    found = {}
    for port, jumps in rows.receive.items():
        moves = [rows.substitute(j.value) - symbol(j.state) for j in jumps]
        linear = all(
            sympy.expand(e.subs(w, 0)) == 0 and not sympy.diff(e, w).free_symbols & {w, *states} for e in moves
        )
        if linear and len({j.state for j in jumps}) == len(jumps):
            gains = [sympy.expand(e).coeff(w) for e in moves]
            found[port] = {
                j.state: None if symbol("t") in g.free_symbols else write_expression(g)
                for j, g in zip(jumps, gains, strict=True)
            }
    return found
