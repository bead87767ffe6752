"""Neuron: the four rows with their values; the one text from which everything is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError, RowError, UnitMismatch, nearest
from rheobase.model.dimensions import Inference, Monomial
from rheobase.model.distribution import Distribution
from rheobase.model.expression import FUNCTIONS, RESERVED, normalise, parse_number
from rheobase.model.quantity import Quantity, read_quantity, values_from_dict
from rheobase.model.rows import Rows, parse_rows
from rheobase.units import DIMENSIONLESS, Dimension, parse_unit

__all__ = ["Neuron"]

_MS: Final = parse_unit("ms")[1]


@final
@dataclass(frozen=True, init=False, eq=False, repr=False)
class Neuron:
    """A neuron written as the textbook's four rows.

    Parameters
    ----------
    evolve : str
        Continuous evolution: lines such as ``tau dv/dt = E_L - v + R*I``. A line ``name = expression``
        defines a derived quantity, ``v >= v_min`` holds a state above a bound, ``xi`` is white noise of
        unit strength (Ito), ``xi_2`` an independent one.
    receive : str or dict, optional
        On a presynaptic spike: ``v <- v + w_i``, with ``w_i`` the weight of the arriving synapse; a dict
        names several ports, ``{"exc": ..., "inh": ...}``. A single row's port is called ``spikes``.
    threshold : str, optional
        Fires when: ``v > theta``.
    reset : str, optional
        After a spike: ``v <- v_r``; several lines are carried out in order.
    refractory : time, str or dict, optional
        ``"2 ms"`` clamps `v` for that long and suspends the threshold; a dict names another state
        (``{"u": "2 ms"}``), several, or ``{"threshold": "5 ms"}`` to suspend the threshold alone.
    hazard : str, optional
        Escape noise in place of a threshold: the rate of firing, ``exp((v - theta)/delta_u)/tau_0``.
    name, about, reference : str, optional
        For print.
    **values
        Parameters, and initial values named as the states: numbers (coherent units: ms, mV, nA, nF, MOhm,
        uS), texts with unit, arrays with one value a neuron, or distributions. A name in the rows that is
        given no value is an input, which `simulate` must be given.

    Raises
    ------
    RowError
        If a row is not written as the notation wants it; the message shows the place and the fix.
    UnitMismatch
        If units were given and a row adds, compares or assigns different ones.
    InputError
        If a value is NaN, a time constant is not positive, or a name is used nowhere.

    Examples
    --------
    >>> lif = Neuron(
    ...     evolve="tau dv/dt = E_L - v + R*I",
    ...     receive="v <- v + w_i",
    ...     threshold="v > theta",
    ...     reset="v <- v_r",
    ...     refractory="2 ms",
    ...     name="LIF",
    ...     tau="20 ms",
    ...     R="100 MOhm",
    ...     E_L="-70 mV",
    ...     theta="-50 mV",
    ...     v_r="-70 mV",
    ... )
    >>> print(lif)
    LIF
      evolve      tau dv/dt = E_L - v + R*I
      receive     v <- v + w_i
      threshold   v > theta
      reset       v <- v_r
      refractory  v: t_ref
      parameters  tau = 20 ms, R = 100 MOhm, E_L = -70 mV, theta = -50 mV, v_r = -70 mV, t_ref = 2 ms
      input       I in nA
    >>> lif.replace(tau="10 ms").parameters["tau"].value
    10.0
    """

    name: str
    evolve: str
    receive: Mapping[str, str]
    threshold: str | None
    reset: str | None
    hazard: str | None
    refractory: Mapping[str, str]
    parameters: Mapping[str, Quantity]
    initial: Mapping[str, Quantity]
    about: str
    reference: str
    rows: Rows = field(init=False)
    inputs: tuple[str, ...] = field(init=False)
    dimensions: Mapping[str, Dimension | None] = field(init=False)

    def __init__(
        self,
        /,
        evolve: str,
        receive: str | Mapping[str, str] | None = None,
        threshold: str | None = None,
        reset: str | None = None,
        refractory: Any = None,
        hazard: str | None = None,
        *,
        name: str = "neuron",
        about: str = "",
        reference: str = "",
        **values: Any,
    ) -> None:
        rows = parse_rows(evolve, receive, threshold, reset, hazard)
        quantities = {_ascii(n): read_quantity(v, n) for n, v in values.items() if v is not None}
        clamps = _read_refractory(refractory, rows, quantities)
        ports = {"spikes": receive} if isinstance(receive, str) else dict(receive or {})
        initial = {n: q for n, q in quantities.items() if n in rows.states}
        parameters = {n: q for n, q in quantities.items() if n not in rows.states}
        self._set(
            name=_read_name(name),
            about=_one_line(about, "about"),
            reference=_one_line(reference, "reference"),
            evolve=_tidy(evolve),
            threshold=_tidy(threshold),
            reset=_tidy(reset),
            hazard=_tidy(hazard),
            rows=rows,
            receive=MappingProxyType({port: _tidy(text) for port, text in ports.items()}),
            refractory=MappingProxyType(clamps),
            parameters=MappingProxyType(parameters),
            initial=MappingProxyType(initial),
            inputs=_find_inputs(rows, parameters, clamps),
        )
        _check_values(self)
        self._set(dimensions=MappingProxyType(_infer_dimensions(self)))

    def _set(self, **fields: Any) -> None:
        for key, value in fields.items():
            object.__setattr__(self, key, value)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states, in the order of the evolve row."""
        return self.rows.states

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the ports at which spikes arrive."""
        return tuple(self.receive)

    @property
    def noises(self) -> tuple[str, ...]:
        """Names of the independent white noises in the evolve row."""
        return self.rows.noises

    @property
    def size(self) -> int | None:
        """How many neurons its arrays describe; None if there is no array."""
        return next((q.shape[0] for q in [*self.parameters.values(), *self.initial.values()] if q.shape), None)

    def unit(self, name: str) -> str:
        """Return the unit of a state, parameter or input, or an empty string where none is known.

        >>> from rheobase.model.zoo import LIF
        >>> LIF().unit("I")
        'nA'
        """
        d = self.dimensions.get(name)
        return d.unit if d else ""

    def replace(self, **changes: Any) -> Neuron:
        """Return another neuron with some rows, values or names changed; None removes a row.

        >>> from rheobase.model.zoo import LIF
        >>> LIF().replace(threshold=None, reset=None, refractory=None).threshold is None
        True
        """
        fields: dict[str, Any] = {
            "evolve": self.evolve,
            "receive": dict(self.receive) or None,
            "threshold": self.threshold,
            "reset": self.reset,
            "hazard": self.hazard,
            "refractory": dict(self.refractory) or None,
            "name": self.name,
            "about": self.about,
            "reference": self.reference,
            **self.parameters,
            **self.initial,
        }
        known = {*fields, *self.states, *self.inputs}
        rows_change = bool({"evolve", "receive", "threshold", "reset", "hazard", "refractory"} & set(changes))
        for key in changes:
            if key not in known and not rows_change:
                raise InputError(f"{self.name} has no '{key}'.{nearest(key, known)} It has: {', '.join(sorted(known))}")
        if not rows_change:
            _same_kind(self, changes)
        if changes.get("threshold", 0) is None and self.hazard is None and "hazard" not in changes:
            fields |= {"reset": None, "refractory": None}
        fields |= changes
        rows = parse_rows(*(fields[k] for k in ("evolve", "receive", "threshold", "reset", "hazard")))
        clamps = fields["refractory"].values() if isinstance(fields["refractory"], Mapping) else [fields["refractory"]]
        used = {*rows.names(), *rows.states, *changes, *(c for c in clamps if isinstance(c, str))}
        for key in (*self.parameters, *self.initial):  # a value goes with the row that used it
            if key not in used:
                del fields[key]
        return Neuron(**fields)

    def source(self, method: str = "auto") -> str:
        """Return the Python text that the clock engine runs for this neuron, printed from the rows.

        >>> from rheobase.model.zoo import LIF
        >>> print([line for line in LIF().source().splitlines() if line.startswith("def _fires")][0])
        def _fires(v, theta):
        """
        from rheobase.emit.clock_loop import print_clock  # the one step up the layers: a value offers its own text

        return print_clock(self, method)

    def to_dict(self) -> dict[str, Any]:
        """Return rows and values as plain JSON types; `from_dict` reads them back."""
        out: dict[str, Any] = {"name": self.name, "evolve": self.evolve, "receive": dict(self.receive)}
        for key in ("threshold", "reset", "hazard", "about", "reference"):
            if getattr(self, key):
                out[key] = getattr(self, key)
        out["refractory"] = dict(self.refractory)
        out["parameters"] = {n: q.to_dict() for n, q in self.parameters.items()}
        out["initial"] = {n: q.to_dict() for n, q in self.initial.items()}
        return out

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Neuron:
        """Return the neuron that `to_dict` wrote.

        >>> from rheobase.model.zoo import LIF
        >>> Neuron.from_dict(LIF().to_dict()) == LIF()
        True
        """
        allowed = {
            "name",
            "evolve",
            "receive",
            "threshold",
            "reset",
            "hazard",
            "about",
            "reference",
            "refractory",
            "parameters",
            "initial",
        }
        if not isinstance(data, Mapping) or "evolve" not in data:
            raise InputError("this is no neuron: there is no 'evolve' row")
        values = values_from_dict(data, allowed, "neuron")
        texts = {k: data[k] for k in allowed - {"parameters", "initial", "evolve"} if data.get(k)}
        everything: dict[str, Any] = texts | values
        return Neuron(evolve=data["evolve"], **everything)

    @staticmethod
    def from_text(text: str) -> Neuron:
        """Return the neuron that ``print`` wrote.

        >>> from rheobase.model.zoo import ALIF
        >>> Neuron.from_text(str(ALIF())) == ALIF()
        True
        """
        from rheobase.model.table import read_table

        return Neuron.from_dict(read_table(text))

    def __str__(self) -> str:
        from rheobase.model.table import write_table

        return write_table(self)

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        from rheobase.model.table import write_latex

        return write_latex(self)

    def _repr_html_(self) -> str:
        from rheobase.model.table import write_html

        return write_html(self)

    def _key(self) -> str:
        data = self.to_dict()
        for group in ("parameters", "initial"):
            for q in data[group].values():
                q.pop("text", None)
        return json.dumps(data, sort_keys=True)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Neuron) else NotImplemented

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy cannot be pickled
        return Neuron.from_dict, (self.to_dict(),)

    def __hash__(self) -> int:
        return int.from_bytes(hashlib.blake2b(self._key().encode(), digest_size=8).digest(), "little")


def _same_kind(neuron: Neuron, changes: Mapping[str, Any]) -> None:
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


def _tidy(text: str | None) -> str | None:
    """Return a row with one statement a line and no comments, so that equal rows are equal texts."""
    if text is None:
        return None
    parts = [part.strip() for line in text.splitlines() for part in line.split("#", 1)[0].split(";")]
    return "\n".join(part for part in parts if part)


def _ascii(name: str) -> str:
    clean = normalise(name).text
    if not clean.isidentifier() or not clean.isascii() or "__" in clean or clean.startswith("_"):
        raise InputError(f"{name!r:.60} cannot be the name of a parameter")
    return clean


def _one_line(text: str, what: str) -> str:
    if not isinstance(text, str) or len(text) > 1000:
        raise InputError(f"{what}= must be a text of at most 1000 characters")
    return " ".join(text.split())


def _read_name(name: str) -> str:
    name = _one_line(name, "name")
    if not name or ":" in name:  # print writes "name: about"
        raise InputError(f"name={name!r:.60} must be a text without ':'; more can be said by about=")
    return name


def _read_refractory(given: Any, rows: Rows, quantities: dict[str, Quantity]) -> dict[str, str]:
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


def _find_inputs(rows: Rows, parameters: Mapping[str, Quantity], clamps: Mapping[str, str]) -> tuple[str, ...]:
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


def _check_values(neuron: Neuron) -> None:
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


def _infer_dimensions(neuron: Neuron) -> dict[str, Dimension | None]:
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
