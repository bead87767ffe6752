"""Neuron: the four rows with their values; the one text from which everything is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

from rheobase.errors import InputError, nearest
from rheobase.model.agreement import (
    check_same_kind,
    check_values,
    find_inputs,
    infer_dimensions,
    read_refractory,
    refuse_rows,
)
from rheobase.model.expression import normalise
from rheobase.model.quantity import Quantity, read_quantity, values_from_dict
from rheobase.model.rows import Rows, parse_rows
from rheobase.units import Dimension

__all__ = ["Neuron"]


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
        refuse_rows(values, ("evolve", "receive", "threshold", "reset", "refractory", "hazard"), "neuron")
        rows = parse_rows(evolve, receive, threshold, reset, hazard)
        quantities = {_ascii(n): read_quantity(v, n) for n, v in values.items() if v is not None}
        clamps = read_refractory(refractory, rows, quantities)
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
            inputs=find_inputs(rows, parameters, clamps),
        )
        check_values(self)
        self._set(dimensions=MappingProxyType(infer_dimensions(self)))

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
            check_same_kind(self, changes)
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
