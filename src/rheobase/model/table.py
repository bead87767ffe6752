"""A neuron as a table of its rows: as text that reads back, as LaTeX, as HTML; a chain of states as text."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any, Final

from rheobase.errors import InputError

if TYPE_CHECKING:
    from rheobase.model.markov import MarkovNeuron
    from rheobase.model.neuron import Neuron

__all__ = ["read_table", "write_chain", "write_html", "write_latex", "write_table"]

_ROWS: Final = ("evolve", "receive", "threshold", "hazard", "reset", "refractory")
_INDENT: Final = 14


def _lines(text: str) -> list[str]:
    return [part.strip() for line in text.splitlines() for part in line.split(";") if part.strip()]


def write_table(neuron: Neuron) -> str:
    """Return the table as text; `Neuron.from_text` reads it back."""
    out = [neuron.name + (f": {neuron.about}" if neuron.about else "")]

    def add(key: str, lines: list[str]) -> None:
        for i, line in enumerate(lines):
            out.append(f"  {key if i == 0 else '':<{_INDENT - 2}}{line}")

    add("evolve", _lines(neuron.evolve))
    for port, text in neuron.receive.items():
        prefix = "" if port == "spikes" else f"{port}: "
        add("receive", [prefix + "; ".join(_lines(text))])
    for key in ("threshold", "hazard", "reset"):
        if getattr(neuron, key):
            add(key, _lines(getattr(neuron, key)))
    add("refractory", [f"{target}: {name}" for target, name in neuron.refractory.items()])
    for key, group in (("parameters", neuron.parameters), ("start", neuron.initial)):
        if group:
            items = ", ".join(f"{n} = {q}".replace(" ", "\0") for n, q in group.items())
            wrapped = textwrap.wrap(items, 110, break_long_words=False, break_on_hyphens=False)
            add(key, [line.replace("\0", " ") for line in wrapped])
    if neuron.inputs:
        add("input", [", ".join(n + (f" in {neuron.unit(n)}" if neuron.unit(n) else "") for n in neuron.inputs)])
    if neuron.reference:
        add("reference", textwrap.wrap(neuron.reference, 110, break_long_words=False, break_on_hyphens=False))
    return "\n".join(out)


def write_chain(model: MarkovNeuron) -> str:
    """Return the table of a neuron that jumps between states, as text."""
    from rheobase.model.rate import print_rate

    lines = [model.name + (f": {model.about}" if model.about else "")]

    def add(key: str, rows: list[str]) -> None:
        lines.extend(f"  {key if i == 0 else '':<12}{row}" for i, row in enumerate(rows))

    width = max(len(key) for key in model.rates)
    add("states", textwrap.wrap(", ".join(model.states), 110))
    add("rates", [f"{k:<{width}}  {print_rate(r)}" for k, r in model.rates.items()])
    if model.spike is not None:
        add("spike", [f"on {'' if '->' in model.spike else 'entering '}{model.spike}"])
    start = model.start if isinstance(model.start, str) else ", ".join(f"{s}: {p:g}" for s, p in model.start.items())
    add("start", [start])
    items = ", ".join(f"{n} = {q}".replace(" ", "\0") for n, q in model.parameters.items())
    add("parameters", [s.replace("\0", " ") for s in textwrap.wrap(items, 110, break_long_words=False)])
    units = {n: model.dimensions.get(n) for n in model.inputs}
    if units:
        add("input", [", ".join(n + (f" in {d.unit}" if d else "") for n, d in units.items())])
    if model.reference:
        add("reference", textwrap.wrap(model.reference, 110))
    return "\n".join(lines)


def read_table(text: str) -> dict[str, Any]:
    """Return the dictionary form (see `Neuron.from_dict`) of a printed table."""
    if not isinstance(text, str) or len(text) > 100_000:
        raise InputError("a printed table of at most 100,000 characters is wanted")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or lines[0].startswith(" "):
        raise InputError("a printed table begins with the neuron's name at the left margin")
    name, _, about = lines[0].partition(":")
    found: dict[str, list[str]] = {}
    key = ""
    known = (*_ROWS, "parameters", "start", "input", "reference")
    for line in lines[1:]:
        word = line.split()[0]
        if line.startswith("  ") and not line.startswith("   ") and word in known:
            key, line = word, line.strip()[len(word) :]
        elif not key or not line.startswith(" " * 3):
            raise InputError(f"'{line.strip()[:60]}' belongs to no row; rows are {', '.join(known)}")
        found.setdefault(key, []).append(line.strip())
    out: dict[str, Any] = {"name": name.strip(), "about": about.strip()}
    for row in ("evolve", "threshold", "hazard", "reset"):
        if row in found:
            out[row] = "\n".join(found[row])
    receive: dict[str, str] = {}
    for line in found.get("receive", []):
        match = re.match(r"([A-Za-z]\w*):\s*(.*)", line)
        port, rest = (match[1], match[2]) if match else ("spikes", line)
        receive[port] = rest
    out["receive"] = receive
    out["refractory"] = dict(_pairs(found.get("refractory", []), ":"))
    for key, group in (("parameters", "parameters"), ("start", "initial")):
        items = _split(" ".join(found.get(key, [])))
        out[group] = {n: _quantity(v, n) for n, v in _pairs(items, "=")}
    out["reference"] = " ".join(found.get("reference", []))
    return out


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets."""
    parts, depth, last = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(text[last:i])
            last = i + 1
    return [p.strip() for p in [*parts, text[last:]] if p.strip()]


def _pairs(items: list[str], sign: str) -> list[tuple[str, str]]:
    out = []
    for item in items:
        name, found, value = item.partition(sign)
        if not found:
            raise InputError(f"'{item[:60]}' should be written  name {sign} value")
        out.append((name.strip(), value.strip()))
    return out


def _quantity(text: str, name: str) -> dict[str, Any]:
    from rheobase.model.quantity import read_quantity

    if ".." in text:
        raise InputError(f"{name}: the printed table shortens long arrays; use to_dict() to keep them")
    return read_quantity(text, name).to_dict()


def _latex_rows(neuron: Neuron) -> list[tuple[str, list[str]]]:
    from rheobase.model.algebra import latex as tex
    from rheobase.model.algebra import symbol

    rows = neuron.rows
    evolve = [
        (tex(f.coefficient.value) if f.coefficient else "")
        + rf"\,\frac{{d{tex(symbol(f.state))}}}{{dt}} = {tex(f.right.value)}"
        for f in rows.flows
    ]
    evolve += [f"{tex(symbol(n))} = {tex(e.value)}" for n, e in rows.derived]
    sides = {">=": r"\geq", "<=": r"\leq"}
    evolve += [f"{tex(symbol(b.state))} {sides[b.side]} {tex(b.right.value)}" for b in rows.bounds]
    out = [("Continuous evolution", evolve)]
    for port, jumps in rows.receive.items():
        name = "On presynaptic spike" + ("" if port == "spikes" else f" ({port})")
        out.append((name, [rf"{tex(symbol(j.state))} \leftarrow {tex(j.value)}" for j in jumps]))
    if rows.threshold is not None:
        out.append(("Fires when", [tex(rows.threshold.value)]))
    if rows.hazard is not None:
        out.append(("Hazard", [tex(rows.hazard.value)]))
    if rows.reset:
        out.append(("After a spike", [rf"{tex(symbol(j.state))} \leftarrow {tex(j.value)}" for j in rows.reset]))
    if neuron.refractory:
        out.append(
            (
                "Refractory",
                [
                    rf"{tex(symbol(k)) if k != 'threshold' else 'threshold'}:\ {tex(symbol(v))}"
                    for k, v in neuron.refractory.items()
                ],
            )
        )
    return out


def write_latex(neuron: Neuron) -> str:
    """Return the table as a LaTeX array, as notebooks typeset it."""
    lines = [
        rf"\text{{{key if i == 0 else ''}}} & {line}"
        for key, part in _latex_rows(neuron)
        for i, line in enumerate(part)
    ]
    return "$$\\begin{array}{ll}\n" + " \\\\\n".join(lines) + "\n\\end{array}$$"


def write_html(neuron: Neuron) -> str:
    """Return the table as HTML with the values below it."""
    import html

    cell = "style='text-align:left;padding:2px 12px'"
    body = "".join(
        f"<tr><td {cell}><b>{html.escape(key)}</b></td><td {cell}>"
        + "<br>".join(f"${line}$" for line in part)
        + "</td></tr>"
        for key, part in _latex_rows(neuron)
    )
    values = ", ".join(
        f"{html.escape(n)} = {html.escape(str(q))}" for n, q in [*neuron.parameters.items(), *neuron.initial.items()]
    )
    title = html.escape(neuron.name + (f": {neuron.about}" if neuron.about else ""))
    return f"<table><caption><b>{title}</b></caption>{body}<tr><td colspan=2 {cell}>{values}</td></tr></table>"
