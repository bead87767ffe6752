"""Synapse: what a synapse does between spikes, on a presynaptic spike and when its target fires, as rows.

========== =================================== ===============================
row        says                                written as
========== =================================== ===============================
evolve     what decays between spikes          ``tau_plus dx/dt = -x``
on_pre     a presynaptic spike arrives         ``w <- w - A_minus*y``
on_post    the target neuron fires             ``w <- w + A_plus*x``
on_reward  a reward arrives                    ``w <- w + reward*c``
========== =================================== ===============================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError, RowError, UnitMismatch, nearest
from rheobase.model.agreement import refuse_rows
from rheobase.model.dimensions import Inference, Monomial
from rheobase.model.distribution import Distribution
from rheobase.model.expression import normalise
from rheobase.model.quantity import Quantity, read_quantity, values_from_dict
from rheobase.model.rows import Jump, Rows, parse_evolve, parse_jumps
from rheobase.units import Dimension, parse_unit

__all__ = ["Synapse"]

_MS: Final = parse_unit("ms")[1]
_SEEN: Final = ("axonal", "dendritic")
_ROWS: Final = ("on_pre", "on_post", "on_reward")
_FIELDS: Final = ("name", "evolve", *_ROWS, "delay", "about", "reference", "parameters", "initial")


@final
@dataclass(frozen=True, init=False, eq=False, repr=False)
class Synapse:
    """A synapse written as rows; ``net.connect(..., synapse=...)`` gives one to every pair that it joins.

    Each synapse has its own states. ``w`` is its weight, which begins as ``weight=`` of `connect` and needs no line
    in the evolve row. Between spikes nothing is computed: at an event the states are carried over the time since
    the last one, exactly, which is why the evolve row must be linear with constant coefficients.

    Parameters
    ----------
    evolve : str, optional
        What happens between spikes: ``tau_plus dx/dt = -x``. ``name = expression`` defines a derived quantity;
        ``w >= 0`` and ``w <= w_max`` hold a state within bounds at every event.
    on_pre : str, optional
        When a presynaptic spike arrives, before it acts on the target. What arrives is ``w`` as these lines leave
        it, or what a line ``w_i <- w*u*x`` says.
    on_post : str, optional
        When the target neuron fires.
    on_reward : str, optional
        When a reward arrives, at all synapses of the projection; ``reward`` is how much (see ``reward=`` of `connect`).
        Of what happens in one instant it is the last.
    delay : "axonal" or "dendritic"
        Where the delay of `connect` lies. Axonal: a spike sent at t reaches the synapse at t + d, the target's spike
        at once. Dendritic, as NEST has it: a spike sent at t is at the synapse at t (and its effect at the soma at
        t + d), the target's spike at t there at t + d.
    name, about, reference : str, optional
        For print.
    **values
        Parameters, and initial values named as the states (0 if not given): numbers in coherent units, or texts
        with unit. Arrays, one value a synapse, go with the rules of `connect` that arrays of weights go with
        (one_to_one, all_to_all, pairs, matrix; in their order); distributions, drawn for each synapse, with all.

    Notes
    -----
    A pair of spikes that meet in one instant does not count as a pair: each of the two rows sees the states which
    only the other writes as they were before. Of the two, on_pre is carried out first where the delay is axonal,
    on_post where it is dendritic (Morrison, Diesmann & Gerstner 2008, doi:10.1007/s00422-008-0233-1).

    Raises
    ------
    RowError
        If a row is not written as the notation wants it, or evolves other than linearly.
    UnitMismatch
        If units were given and a row adds, compares or assigns different ones.
    InputError
        If a value is NaN, or its name is used nowhere.

    Examples
    --------
    >>> pair = Synapse(
    ...     evolve="tau_plus dx/dt = -x; tau_minus dy/dt = -y; w >= 0",
    ...     on_pre="w <- w - A_minus*y; x <- x + 1",
    ...     on_post="w <- w + A_plus*x; y <- y + 1",
    ...     name="pair STDP",
    ...     tau_plus="20 ms",
    ...     tau_minus="20 ms",
    ...     A_plus=0.01,
    ...     A_minus=0.012,
    ... )
    >>> print(pair)
    pair STDP
      evolve      tau_plus dx/dt = -x
                  tau_minus dy/dt = -y
                  w >= 0
      on_pre      w <- w - A_minus*y
                  x <- x + 1
      on_post     w <- w + A_plus*x
                  y <- y + 1
      parameters  tau_plus = 20 ms, tau_minus = 20 ms, A_plus = 0.01, A_minus = 0.012
    >>> Synapse.from_dict(pair.to_dict()) == pair
    True
    """

    name: str
    evolve: str
    on_pre: str
    on_post: str
    on_reward: str
    delay: str
    about: str
    reference: str
    parameters: Mapping[str, Quantity]
    initial: Mapping[str, Quantity]
    rows: Rows = field(init=False)
    dimensions: Mapping[str, Dimension | None] = field(init=False)

    def __init__(
        self,
        evolve: str | None = None,
        on_pre: str | None = None,
        on_post: str | None = None,
        on_reward: str | None = None,
        *,
        delay: str = "axonal",
        name: str = "synapse",
        about: str = "",
        reference: str = "",
        **values: Any,
    ) -> None:
        if delay not in _SEEN:
            raise InputError(f"delay = {delay!r:.60} must be 'axonal' or 'dendritic'; how long it is, connect says")
        texts = {"evolve": evolve, "on_pre": on_pre, "on_post": on_post, "on_reward": on_reward}
        refuse_rows(values, tuple(texts), "synapse")
        rows = _read_rows(texts)
        quantities = {normalise(n).text: read_quantity(v, n) for n, v in values.items() if v is not None}
        told = {"name": name, "about": about, "reference": reference}
        for key, text in told.items():
            if not isinstance(text, str) or len(text) > 1000:
                raise InputError(f"{key}= must be a text of at most 1000 characters")
        fields: dict[str, Any] = {k: _tidy(t) for k, t in texts.items()} | {
            k: " ".join(t.split()) for k, t in told.items()
        }
        fields |= {"rows": rows, "delay": delay}
        fields["parameters"] = MappingProxyType({n: q for n, q in quantities.items() if n not in rows.states})
        fields["initial"] = MappingProxyType({n: q for n, q in quantities.items() if n in rows.states})
        for key, value in fields.items():
            object.__setattr__(self, key, value)
        _check_names(self)
        _check_values(self)
        _check_flow(self)
        object.__setattr__(self, "dimensions", MappingProxyType(_infer_dimensions(self)))

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states of a synapse; the weight ``w`` is one of them."""
        return self.rows.states

    @property
    def is_static(self) -> bool:
        """Whether nothing ever changes and w is what arrives."""
        rows = self.rows
        return not any(rows.receive.values()) and all(f.value == 0 for f in rows.flows if f.state == "w")

    @property
    def varying(self) -> tuple[str, ...]:
        """Names of the parameters and initial values in which synapses differ: arrays and distributions."""
        return tuple(n for n, q in {**self.parameters, **self.initial}.items() if q.varies)

    def value(self, name: str) -> float:
        """Return a parameter, or the initial value of a state, in coherent units.

        Raises
        ------
        InputError
            If it is an array or a distribution.
        """
        q = self.parameters.get(name, self.initial.get(name))
        if q is None:
            return 0.0
        if not isinstance(q.value, float):
            raise InputError(f"{name} = {q} differs between synapses; run.weights(projection, '{name}') tells each")
        return q.value

    def replace(self, **changes: Any) -> Synapse:
        """Return another synapse with some rows, values or names changed.

        >>> Synapse(on_pre="w <- w + c", c=1).replace(c=2).value("c")
        2.0
        """
        fields = {k: getattr(self, k) for k in _FIELDS[:-2]} | {**self.parameters, **self.initial}
        unknown = [k for k in changes if k not in fields and k not in self.states]
        if unknown and not {"evolve", *_ROWS} & set(changes):
            raise InputError(f"{self.name} has no '{unknown[0]:.60}'.{nearest(unknown[0], fields)}")
        return Synapse(**{k: v for k, v in (fields | changes).items() if v not in (None, "")})

    def to_dict(self) -> dict[str, Any]:
        """Return rows and values as plain JSON types; `from_dict` reads them back."""
        out: dict[str, Any] = {k: getattr(self, k) for k in _FIELDS[:-2] if getattr(self, k)}
        out["parameters"] = {n: q.to_dict() for n, q in self.parameters.items()}
        out["initial"] = {n: q.to_dict() for n, q in self.initial.items()}
        return out

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Synapse:
        """Return the synapse that `to_dict` wrote.

        Raises
        ------
        InputError
            If it is no synapse.
        """
        if not isinstance(data, Mapping):
            raise InputError("this is no synapse: a mapping is wanted")
        values: dict[str, Any] = {**values_from_dict(data, _FIELDS, "synapse")}
        return Synapse(**{k: data[k] for k in _FIELDS[:-2] if data.get(k)}, **values)

    def __str__(self) -> str:
        out = [self.name + (f": {self.about}" if self.about else "")]

        def add(key: str, lines: list[str]) -> None:
            out.extend(f"  {key if i == 0 else '':<12}{line}" for i, line in enumerate(lines))

        for row in ("evolve", *_ROWS):
            add(row, getattr(self, row).splitlines())
        if self.delay != "axonal":
            add("delay", [self.delay])
        for key, group in (("parameters", self.parameters), ("start", self.initial)):
            add(key, [", ".join(f"{n} = {q}" for n, q in group.items())] if group else [])
        add("reference", [self.reference] if self.reference else [])
        return "\n".join(out)

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Synapse) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return Synapse.from_dict, (self.to_dict(),)

    def _key(self) -> str:
        data = self.to_dict()
        for group in ("parameters", "initial"):
            for q in data[group].values():
                q.pop("text", None)
        return json.dumps(data, sort_keys=True)


def _tidy(text: str | None) -> str:
    parts = [part.strip() for line in (text or "").splitlines() for part in line.split("#", 1)[0].split(";")]
    return "\n".join(part for part in parts if part)


def _read_rows(given: Mapping[str, str | None]) -> Rows:
    """Return the checked rows; ``w`` is a state whether or not it has a line."""
    for row, text in given.items():
        if text is not None and not isinstance(text, str):
            raise RowError(row, f"a text is wanted, not {type(text).__name__}")
    flows, derived, bounds = parse_evolve(given["evolve"] or "", sound=False)
    if all(f.state != "w" for f in flows):
        flows = (*parse_evolve("dw/dt = 0", sound=False)[0], *flows)
    states = tuple(f.state for f in flows)
    for name, e in derived:
        if name in states:
            raise RowError("evolve", f"'{name}' has both d{name}/dt and a definition '{name} = ...'", e.clean.line)
    for bound in bounds:
        if bound.state not in states:
            raise RowError(
                "evolve", f"'{bound.state:.60}' is no state.{nearest(bound.state, states)}", bound.right.clean.line
            )
        if bound.right.names & set(states):
            raise RowError("evolve", "a bound must not contain states", bound.right.clean.line)
    jumps: dict[str, tuple[Jump, ...]] = {}
    for row in _ROWS:
        text = given[row]
        written = (*states, "w_i") if row == "on_pre" else states
        jumps[row] = () if text is None else parse_jumps(text, row, written, sound=False)
    texts = (given["evolve"] or "", tuple((row, given[row] or "") for row in _ROWS), None, None, None)
    rows = Rows(texts, flows, derived, bounds, jumps, None, None, ())
    from rheobase.model.soundness import check_expansion

    check_expansion(rows)
    for e in rows.expressions():
        for name in sorted(e.names):
            if name == "w_i":
                raise RowError(
                    e.row, "w_i is what arrives at the target; it is written only. Read w, the weight", e.clean.line
                )
            if name == "reward" and e.row != "on_reward":
                raise RowError(e.row, "reward is what arrives in the on_reward row; it exists there only", e.clean.line)
            if name in ("t", "dt", "xi") or name.startswith("xi_"):
                raise RowError(
                    e.row, f"'{name}' cannot stand in a synapse, which is advanced from spike to spike", e.clean.line
                )
    return rows


def _check_names(synapse: Synapse) -> None:
    names = {n: e for n, e in synapse.rows.names().items() if n != "reward"}
    known = [*synapse.parameters, *synapse.states]
    for name, e in names.items():
        if name not in synapse.parameters:
            at = max(e.clean.line.find(name), 0)
            raise RowError(
                e.row,
                f"'{name}' is neither a state nor a parameter.{nearest(name, known)} Give it a value: {name}=...",
                e.clean.line,
                at,
                len(name),
            )
    unused = [n for n in synapse.parameters if n not in names]
    if unused:
        uses = ", ".join(sorted(names)) or "no parameter"
        raise InputError(f"'{unused[0]:.60}' stands in no row.{nearest(unused[0], names)} The rows use: {uses}")
    if "reward" in synapse.states:
        raise InputError("'reward' is what arrives in the on_reward row; choose another name for the state")
    if "w" in synapse.initial:
        raise InputError("w begins as weight= of connect says; leave w= out")


def _check_values(synapse: Synapse) -> None:
    for name, q in {**synapse.parameters, **synapse.initial}.items():
        hint = ""
        if isinstance(q.value, Distribution):
            least, hint = q.value.lowest, "; bound it from below, as in low='1 ms'"
        elif np.all(np.isfinite(q.value)):
            least = float(np.min(q.value))
        else:
            raise InputError(f"{name} = {q} is not finite")
        if (name in synapse.rows.leading or name == "tau" or name.startswith("tau_")) and least <= 0:
            raise InputError(f"{name} = {q} is not positive; {name} multiplies d/dt or is a time constant{hint}")


def _check_flow(synapse: Synapse) -> None:
    """Refuse what cannot be carried from event to event in one step."""
    from rheobase.model.algebra import affine_parts

    rows = synapse.rows
    for f in rows.flows:
        if affine_parts(rows.substitute(f.value), rows.states) is None:
            raise RowError(
                "evolve",
                f"d{f.state}/dt is not linear in the states; between spikes a synapse is advanced exactly, in one"
                " step, which takes constant coefficients. Move the nonlinear part into on_pre or on_post",
                f.right.clean.line,
                f.right.clean.column(0),
                len(f.right.text),
            )


def _infer_dimensions(synapse: Synapse) -> dict[str, Dimension | None]:
    rows = synapse.rows
    given = {n: q.dimension for n, q in {**synapse.parameters, **synapse.initial}.items() if q.dimension is not None}
    names = [*rows.states, *synapse.parameters, *(n for n, _ in rows.derived), "w_i"]
    if not given:
        return dict.fromkeys(names)
    infer = Inference(given)
    for name, e in rows.derived:
        infer.equal(infer.of(name), infer.walk(e))
    for f in rows.flows:
        left = infer.of(f.state) * Monomial(_MS) ** -1
        left = left if f.coefficient is None else left * infer.walk(f.coefficient)
        right = infer.walk(f.right)
        if not infer.equal(left, right):
            raise infer.mismatch(
                f.right, f.right.tree, f"the left side is in {infer.unit(left)}, the right side in {infer.unit(right)}"
            )
    pairs = [(b.state, b.right) for b in rows.bounds] + [(j.state, j.right) for js in rows.receive.values() for j in js]
    for state, e in pairs:
        value = infer.walk(e)
        if not infer.equal(infer.of(state), value):
            raise infer.mismatch(
                e, e.tree, f"{state} is in {infer.unit(infer.of(state))}, the right side in {infer.unit(value)}"
            )
    if all(j.state != "w_i" for j in rows.receive["on_pre"]) and not infer.equal(infer.of("w_i"), infer.of("w")):
        raise UnitMismatch("w and w_i have different units")
    return {n: infer.resolve(n) for n in names}
