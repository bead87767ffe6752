"""Whether the rows of a neuron and the values given agree: names, refractory times, signs, sizes and units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rheobase.errors import InputError, RowError, UnitMismatch, nearest
from rheobase.model.dimensions import Inference, Monomial
from rheobase.model.distribution import Distribution
from rheobase.model.expression import FUNCTIONS, RESERVED, normalise, parse_number
from rheobase.model.quantity import Quantity, read_quantity
from rheobase.model.rows import Rows
from rheobase.units import DIMENSIONLESS, Dimension, parse_unit

if TYPE_CHECKING:
    from rheobase.model.neuron import Neuron

__all__ = ["check_same_kind", "check_values", "find_inputs", "infer_dimensions", "read_refractory", "refuse_rows"]

_MS: Final = parse_unit("ms")[1]


def refuse_rows(values: Mapping[str, Any], rows: tuple[str, ...], what: str) -> None:
    """Refuse a text that is written as a row under a name that no row has."""
    for name, value in values.items():
        if isinstance(value, str) and any(sign in value for sign in ("<", ">", "←", "/dt")):
            raise InputError(
                f"{name} = {value!r:.60} reads as a row, but a {what} has no row of that name.{nearest(name, rows)}"
                f" Rows: {', '.join(rows)}"
            )


def read_refractory(given: Any, rows: Rows, quantities: dict[str, Quantity]) -> dict[str, str]:
    """Return target -> parameter name; a time given directly becomes the parameter t_ref."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        targets = dict(given)
    elif "v" in rows.states:
        targets = {"v": given}
    elif len(rows.states) == 1:
        targets = {rows.states[0]: given}
    else:
        raise RowError(
            "refractory", f"there is no state v to clamp; name one, as in refractory={{'{rows.states[0]}': ...}}"
        )
    if targets and rows.threshold is None and rows.hazard is None:
        raise RowError("refractory", "nothing fires here, so nothing is refractory; give threshold= or hazard=")
    out = {}
    for target, value in targets.items():
        if target not in (*rows.states, "threshold"):
            raise RowError(
                "refractory",
                f"'{target!s:.60}' is no state.{nearest(str(target), [*rows.states, 'threshold'])}"
                f" States: {', '.join(rows.states)}; 'threshold' suspends firing alone",
            )
        if isinstance(value, str) and normalise(value).text.isidentifier():
            out[target] = normalise(value).text
            continue
        if isinstance(value, str) and value.strip()[:1].isalpha() and "(" not in value:
            parse_number(normalise(value), "refractory")
            raise RowError("refractory", "a time or the name of a parameter is wanted here, not a formula", value)
        q = read_quantity(value, "refractory")
        if q.dimension is not None and q.dimension != _MS:
            raise UnitMismatch(f"refractory = {q} is in {q.dimension.unit}; it is a time, such as '2 ms'")
        key = "t_ref" if len(targets) == 1 else f"t_ref_{target}"
        if key in quantities:
            raise RowError("refractory", f"the time is given twice, here and as {key}=")
        quantities[key] = q
        out[target] = key
    return out


def find_inputs(rows: Rows, parameters: Mapping[str, Quantity], clamps: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in the rows that no parameter gives a value; refuse a value that stands in no row."""
    names = rows.names()
    unused = [n for n in parameters if n not in names and n not in clamps.values()]
    missing = [n for n in names if n not in parameters]
    known = [*parameters, *rows.states]
    for name in missing:
        e = names[name]
        if e.row not in ("evolve", "hazard"):
            at = e.clean.line.find(name)
            raise RowError(
                e.row,
                f"'{name}' is neither a state nor a parameter.{nearest(name, known)}"
                f" Give it a value: Neuron(..., {name}=...)",
                e.clean.line,
                max(at, 0),
                len(name),
            )
    if unused:
        raise InputError(
            f"'{unused[0]:.60}' stands in no row.{nearest(unused[0], [*missing, *names])}"
            f" The rows use: {', '.join(sorted(names))}"
        )
    for name in missing:
        e = names[name]
        if name in ("e", "inf", "nan"):
            raise RowError(e.row, f"'{name}' is no constant here; write the number, or give {name}=", e.clean.line)
        if name in FUNCTIONS or name in RESERVED:
            raise RowError(e.row, f"'{name}' cannot be used as a name", e.clean.line)
    for target, name in clamps.items():
        if name not in parameters:
            raise RowError(
                "refractory", f"'{name:.60}' (for {target}) is no parameter.{nearest(name, known)} Give it a value"
            )
    return tuple(missing)


def check_values(neuron: Neuron) -> None:
    """Refuse values that no neuron can have."""
    sizes = {q.shape[0]: n for group in (neuron.parameters, neuron.initial) for n, q in group.items() if q.shape}
    if len(sizes) > 1:
        (a, first), (b, second) = [*sizes.items()][:2]
        raise InputError(
            f"{first} has {a} values and {second} has {b}; arrays need one value a neuron, of the same length"
        )
    leading = neuron.rows.leading
    clamps = set(neuron.refractory.values())
    for name, q in neuron.parameters.items():
        low = q.value.lowest if isinstance(q.value, Distribution) else float(np.min(q.value))
        if name in clamps and low < 0 and np.isfinite(low):
            raise InputError(f"the refractory time {name} = {q} is negative; give 0 or more")
        if (name in leading or name == "tau" or name.startswith("tau_")) and low <= 0 and np.isfinite(low):
            raise InputError(f"{name} = {q} is not positive; {name} multiplies d/dt or is a time constant")
        if not hasattr(q.value, "sample") and not np.all(np.isfinite(q.value)):
            advice = "; a threshold that is never reached is threshold=None" if name.startswith("theta") else ""
            raise InputError(f"{name} = {q} is not finite{advice}")
    for name, q in neuron.initial.items():
        if not hasattr(q.value, "sample") and not np.all(np.isfinite(q.value)):
            raise InputError(f"the initial value {name} = {q} is not finite")


def check_same_kind(neuron: Neuron, changes: Mapping[str, Any]) -> None:
    """Refuse a value of another unit than the one it replaces, where the rows stay as they are."""
    for key, value in changes.items():
        wanted = neuron.dimensions.get(key)
        if value is None or wanted is None or key not in (*neuron.parameters, *neuron.states):
            continue
        given = read_quantity(value, key)
        if given.dimension is not None and given.dimension != wanted:
            raise UnitMismatch(
                f"{key} = {given} is in {given.dimension.unit}, but {neuron.name}'s {key} is in {wanted.unit}"
            )


def infer_dimensions(neuron: Neuron) -> dict[str, Dimension | None]:
    """Return the dimension of every name, as far as the units given determine it; refuse rows that contradict them."""
    rows = neuron.rows
    given = {
        n: q.dimension
        for group in (neuron.parameters, neuron.initial)
        for n, q in group.items()
        if q.dimension is not None
    }
    names = [*rows.states, *neuron.parameters, *neuron.inputs, *(n for n, _ in rows.derived)]
    if not given or all(n in neuron.refractory.values() for n in given):
        return dict.fromkeys(names) | given
    infer = Inference(given)
    ms = Monomial(_MS)
    for name, e in rows.derived:
        infer.equal(infer.of(name), infer.walk(e))
    for f in rows.flows:
        left = infer.of(f.state) * ms**-1
        if f.coefficient is not None:
            left = left * infer.walk(f.coefficient)
        right = infer.walk(f.right)
        if not infer.equal(left, right):
            raise infer.mismatch(
                f.right, f.right.tree, f"the left side is in {infer.unit(left)}, the right side in {infer.unit(right)}"
            )
    for b in rows.bounds:
        value = infer.walk(b.right)
        if not infer.equal(infer.of(b.state), value):
            raise infer.mismatch(
                b.right,
                b.right.tree,
                f"{b.state} is in {infer.unit(infer.of(b.state))}, its bound in {infer.unit(value)}",
            )
    if rows.threshold is not None:
        infer.walk(rows.threshold)
    if rows.hazard is not None:
        rate = infer.walk(rows.hazard)
        if not infer.equal(rate, ms**-1):
            raise infer.mismatch(
                rows.hazard, rows.hazard.tree, f"a hazard is a rate (kHz), this is in {infer.unit(rate)}"
            )
    for port, jumps in [*rows.receive.items(), ("", rows.reset)]:
        if port:  # the weight has its own unit at every port
            infer.solved.pop("w_i", None)
        for j in jumps:
            value = infer.walk(j.right)
            if not infer.equal(infer.of(j.state), value):
                raise infer.mismatch(
                    j.right,
                    j.right.tree,
                    f"{j.state} is in {infer.unit(infer.of(j.state))}, the right side in {infer.unit(value)}",
                )
        if port:
            names.append(f"w_i:{port}")
            infer.solved[f"w_i:{port}"] = infer.of("w_i")
    for name in neuron.refractory.values():
        if not infer.equal(infer.of(name), ms):
            raise UnitMismatch(
                f"the refractory time {name} is in {infer.unit(infer.of(name))}; it is a time, such as '2 ms'"
            )
    out = {n: infer.resolve(n) for n in names}
    for n in names:  # what nothing determines is a plain number
        if out[n] is None and n in neuron.parameters:
            out[n] = DIMENSIONLESS
    return out
