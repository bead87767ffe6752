"""The four rows of a neuron: text -> checked equations, jumps and conditions.

========== =============================== ==========================
row        says                            written as
========== =============================== ==========================
evolve     continuous evolution over time  ``tau dv/dt = E_L - v + R*I``
receive    on a presynaptic spike          ``v <- v + w_i``
threshold  fires when                      ``v > theta``
reset      after a spike                   ``v <- v_r``
========== =============================== ==========================

``=`` belongs to a flow, ``<-`` to a jump. Jumps are carried out in the order in which they are written.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, final

from rheobase.errors import RowError, nearest
from rheobase.model.expression import (
    FUNCTIONS,
    MAX_NAME,
    MAX_TEXT,
    RESERVED,
    Clean,
    Expression,
    normalise,
    parse_condition,
    parse_number,
)
from rheobase.remember import remember

__all__ = ["Bound", "Flow", "Jump", "Rows", "parse_rows"]

_FLOW: Final = re.compile(r"^(?P<coef>.*?)(?<![A-Za-z0-9_])d(?P<state>[A-Za-z]\w*)\s*/\s*dt\s*=(?!=)")
_PRIME: Final = re.compile(r"^(?P<coef>.*?)(?<![A-Za-z0-9_])(?P<state>[A-Za-z]\w*)\s*'\s*=(?!=)")
_DERIVED: Final = re.compile(r"^(?P<name>[A-Za-z_]\w*)\s*=(?!=)")
_BOUND: Final = re.compile(r"^(?P<state>[A-Za-z_]\w*)\s*(?P<side>>=|<=)")
_JUMP: Final = re.compile(r"^(?P<state>[A-Za-z_]\w*)\s*<-")

#: the rows as given: evolve, (port, receive) pairs, threshold, reset, hazard
Texts = tuple[str, tuple[tuple[str, str], ...], str | None, str | None, str | None]

MAX_LINES: Final = 200


@final
@dataclass(frozen=True)
class Flow:
    """``coefficient d state/dt = right``."""

    state: str
    coefficient: Expression | None
    right: Expression

    @cached_property
    def value(self) -> Any:
        """The right side divided by the coefficient, as SymPy."""
        return self.right.value if self.coefficient is None else self.right.value / self.coefficient.value

    @property
    def names(self) -> frozenset[str]:
        return self.right.names | (frozenset() if self.coefficient is None else self.coefficient.names)


@final
@dataclass(frozen=True)
class Jump:
    """``state <- right``."""

    state: str
    right: Expression

    @property
    def value(self) -> Any:
        return self.right.value


@final
@dataclass(frozen=True)
class Bound:
    """``state >= right`` (or ``<=``): the state is held there by flow and deliveries."""

    state: str
    side: str
    right: Expression


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """The checked rows of one neuron, and the texts they were read from."""

    texts: Texts
    flows: tuple[Flow, ...]
    derived: tuple[tuple[str, Expression], ...]
    bounds: tuple[Bound, ...]
    receive: Mapping[str, tuple[Jump, ...]]
    threshold: Expression | None
    hazard: Expression | None
    reset: tuple[Jump, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Names with a d/dt, in the order of their lines."""
        return tuple(f.state for f in self.flows)

    @cached_property
    def noises(self) -> tuple[str, ...]:
        """Names of the independent white noises in the flows, sorted."""
        names = self.expand(n for f in self.flows for n in f.names)
        return tuple(sorted(n for n in names if n == "xi" or n.startswith("xi_")))

    @property
    def leading(self) -> frozenset[str]:
        """Names that alone multiply a d/dt: time constants, capacitances."""
        trees = (f.coefficient.tree for f in self.flows if f.coefficient is not None)
        return frozenset(tree.id for tree in trees if isinstance(tree, ast.Name) and tree.id != "pi")

    def expressions(self) -> Iterator[Expression]:
        """Yield every expression of every row."""
        for f in self.flows:
            yield from (e for e in (f.coefficient, f.right) if e is not None)
        yield from (e for _, e in self.derived)
        yield from (b.right for b in self.bounds)
        for jumps in (*self.receive.values(), self.reset):
            yield from (j.right for j in jumps)
        yield from (e for e in (self.threshold, self.hazard) if e is not None)

    def substitute(self, value: Any) -> Any:
        """Return a SymPy expression with the derived names replaced by what they stand for."""
        from rheobase.model.algebra import symbol

        for name, e in reversed(self.derived):
            value = value.subs(symbol(name), e.value)
        return value

    def expand(self, names: Iterable[str]) -> frozenset[str]:
        """Return the names with the derived ones replaced by those they are made of."""
        found = set(names)
        for name, e in reversed(self.derived):
            if name in found:
                found = found - {name} | e.names
        return frozenset(found)

    def names(self) -> dict[str, Expression]:
        """Return every name that the rows use without defining it, with a place where it stands."""
        known = {*self.states, *(n for n, _ in self.derived), *RESERVED}
        found: dict[str, Expression] = {}
        for e in self.expressions():
            for name in sorted(e.names):
                if name not in known and not name.startswith("xi_"):
                    found.setdefault(name, e)
        return found


def _lines(text: str, row: str) -> Iterator[Clean]:
    if not isinstance(text, str):
        raise RowError(row, f"a text is wanted, not {type(text).__name__}")
    if len(text) > MAX_TEXT:
        raise RowError(row, f"{len(text)} characters are more than the {MAX_TEXT} a row may have")
    lines = [part for line in text.splitlines() for part in line.split("#", 1)[0].split(";")]
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > MAX_LINES:
        raise RowError(row, f"{len(lines)} lines are more than the {MAX_LINES} a row may have")
    for line in lines:
        clean = normalise(line)
        yield Clean(clean.text, (*clean.columns, len(line)), line)


def _check_name(name: str, clean: Clean, at: int, row: str) -> None:
    taken = name in RESERVED or name in FUNCTIONS or name.startswith(("xi_", "_")) or keyword.iskeyword(name)
    if taken or "__" in name or not name.isascii() or len(name) > MAX_NAME:
        what = "a function" if name in FUNCTIONS else "a reserved name" if name in RESERVED else "not allowed as a name"
        raise RowError(
            row, f"'{name:.60}' is {what}; choose another name for the state", clean.line, clean.column(at), len(name)
        )


def parse_evolve(
    text: str, sound: bool
) -> tuple[tuple[Flow, ...], tuple[tuple[str, Expression], ...], tuple[Bound, ...]]:
    """Return flows, derived quantities and bounds of the evolve row."""
    flows: dict[str, Flow] = {}
    derived: dict[str, Expression] = {}
    bounds: list[Bound] = []
    for clean in _lines(text, "evolve"):
        line = clean.text
        if match := _FLOW.match(line) or _PRIME.match(line):
            state = match["state"]
            _check_name(state, clean, match.start("state"), "evolve")
            if state in flows:
                raise RowError(
                    "evolve", f"d{state}/dt is written twice", clean.line, clean.column(match.start("state"))
                )
            coefficient = match["coef"].rstrip().removesuffix("*").rstrip()
            e = parse_number(clean.part(0, len(coefficient)), "evolve", sound) if coefficient else None
            right = parse_number(clean.part(match.end(), len(line)), "evolve", sound)
            if not sound and e is not None and e.value == 0:
                raise RowError("evolve", f"the coefficient of d{state}/dt is zero", clean.line)
            flows[state] = Flow(state, e, right)
        elif match := _DERIVED.match(line):
            name = match["name"]
            _check_name(name, clean, 0, "evolve")
            if name in derived:
                raise RowError("evolve", f"'{name}' is defined twice", clean.line)
            derived[name] = parse_number(clean.part(match.end(), len(line)), "evolve", sound)
        elif "<-" in line:
            raise RowError(
                "evolve",
                "'<-' belongs to a jump (receive, reset); a flow is written  tau dv/dt = ...",
                clean.line,
                clean.column(line.index("<-")),
                2,
            )
        elif match := _BOUND.match(line):
            bounds.append(
                Bound(match["state"], match["side"], parse_number(clean.part(match.end(), len(line)), "evolve", sound))
            )
        else:
            raise RowError(
                "evolve", "this line is no flow; write  tau dv/dt = E_L - v + R*I  (or  name = expression)", clean.line
            )
    return tuple(flows.values()), tuple(_order(derived)), tuple(bounds)


def _order(derived: dict[str, Expression]) -> list[tuple[str, Expression]]:
    """Sort derived quantities so that each uses only earlier ones; a circle is an error."""
    done: dict[str, Expression] = {}
    rest = dict(derived)
    uses = {name: e.names for name, e in derived.items()}
    while rest:
        ready = [n for n in rest if uses[n].isdisjoint(rest)]
        if not ready:
            name, e = next(iter(rest.items()))
            raise RowError(
                "evolve", f"'{name}' is defined through itself; a state is written  d{name}/dt = ...", e.clean.line
            )
        done |= {n: rest.pop(n) for n in ready}
    return [*done.items()]


def parse_jumps(text: str, row: str, states: tuple[str, ...], sound: bool) -> tuple[Jump, ...]:
    """Return the jumps of a receive or reset row."""
    jumps = []
    for clean in _lines(text, row):
        match = _JUMP.match(clean.text)
        if match is None:
            if augmented := re.match(r"^([A-Za-z_]\w*)\s*([-+*/])=\s*(.*)", clean.text):
                s, op, rest = augmented.groups()
                raise RowError(
                    row,
                    f"a jump is written  {s:.60} <- {s:.60} {op} {rest:.60}",
                    clean.line,
                    clean.column(augmented.start(2)),
                    2,
                )
            if plain := re.match(r"^([A-Za-z_]\w*)\s*=\s*(?!=)(.*)", clean.text):
                at = clean.column(clean.text.index("="))
                raise RowError(
                    row, f"'=' belongs to a flow; a jump is written  {plain[1]:.60} <- {plain[2]:.60}", clean.line, at
                )
            raise RowError(row, "this line is no jump; write  v <- v + w_i  or  v <- v_r", clean.line)
        state = match["state"]
        if state not in states:
            raise RowError(
                row,
                f"'{state:.60}' has no d{state:.60}/dt in the evolve row.{nearest(state, states)}"
                f" States: {', '.join(states) or 'none'}. A quantity that only jumps is written d{state:.60}/dt = 0",
                clean.line,
                clean.column(0),
                len(state),
            )
        jumps.append(Jump(state, parse_number(clean.part(match.end(), len(clean.text)), row, sound)))
    if not jumps:
        raise RowError(row, "the row is empty; leave it out, or write a jump such as  v <- v_r")
    return tuple(jumps)


def _single(text: str, row: str) -> Clean:
    lines = list(_lines(text, row))
    if len(lines) != 1:
        raise RowError(row, f"one condition is wanted, not {len(lines)} lines; join conditions by 'and'")
    return lines[0].part(0, len(lines[0].text))


def parse_rows(
    evolve: str,
    receive: str | Mapping[str, str] | None,
    threshold: str | None,
    reset: str | None,
    hazard: str | None,
) -> Rows:
    """Return the checked rows; any mistake is a `RowError` with a caret under its place.

    What takes SymPy to check is checked when these texts are seen for the first time on this machine.
    """
    ports = {"spikes": receive} if isinstance(receive, str) else {} if receive is None else receive
    if isinstance(ports, Mapping):
        texts = (evolve, tuple(ports.items()), threshold, reset, hazard)
        plain = [evolve, *(x for pair in texts[1] for x in pair), *(t for t in texts[2:] if t is not None)]
        if all(type(text) is str and len(text) <= MAX_TEXT for text in plain):
            return _parse_texts(texts)
    return _read_rows(evolve, receive, threshold, reset, hazard, sound=False)


@lru_cache(maxsize=512)
def _parse_texts(texts: Texts) -> Rows:
    evolve, receive, threshold, reset, hazard = texts
    checked: list[Rows] = []

    def check() -> bool:
        checked.append(_read_rows(evolve, dict(receive), threshold, reset, hazard, sound=False))
        return True

    remember("sound rows", texts, check)
    return checked[0] if checked else _read_rows(evolve, dict(receive), threshold, reset, hazard, sound=True)


def _read_rows(
    evolve: str,
    receive: str | Mapping[str, str] | None,
    threshold: str | None,
    reset: str | None,
    hazard: str | None,
    *,
    sound: bool,
) -> Rows:
    flows, derived, bounds = parse_evolve(evolve, sound)
    states = tuple(f.state for f in flows)
    if not states:
        raise RowError("evolve", "there is no state; write at least one line such as  tau dv/dt = -v")
    for name, e in derived:
        if name in states:
            raise RowError("evolve", f"'{name}' has both d{name}/dt and a definition '{name} = ...'", e.clean.line)
    for bound in bounds:
        if bound.state not in states:
            raise RowError(
                "evolve",
                f"'{bound.state:.60}' is no state, so it cannot be bounded.{nearest(bound.state, states)}",
                bound.right.clean.line,
            )
        if bound.right.names & set(states):
            raise RowError("evolve", "a bound must not contain states", bound.right.clean.line)
    if receive is not None and not isinstance(receive, str | Mapping):
        raise RowError("receive", f"a text, or a dict of port -> text, is wanted, not {type(receive).__name__}")
    ports = {"spikes": receive} if isinstance(receive, str) else dict(receive or {})
    for port in ports:
        plain = isinstance(port, str) and port.isascii() and port.isidentifier() and len(port) <= MAX_NAME
        if not plain or "__" in port or port[0] == "_" or keyword.iskeyword(port) or port in states:
            raise RowError(
                "receive", f"{port!r:.60} cannot name a port; use a plain word that is no state, such as 'exc'"
            )
    fires = None if threshold is None else parse_condition(_single(threshold, "threshold"), "threshold", sound)
    risk = None if hazard is None else parse_number(_single(hazard, "hazard"), "hazard", sound)
    rows = Rows(
        (evolve, tuple(ports.items()), threshold, reset, hazard),
        flows,
        derived,
        bounds,
        {p: parse_jumps(text, "receive", states, sound) for p, text in ports.items()},
        fires,
        risk,
        () if reset is None else parse_jumps(reset, "reset", states, sound),
    )
    if not sound:
        from rheobase.model.soundness import check_rows

        check_rows(rows)
    return rows
