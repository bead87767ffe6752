"""The process that reads rows for the page: one JSON object a line in, one out. It can be ended while SymPy thinks."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from rheobase.emit.source import hash_text
from rheobase.errors import InputError, RheobaseError, RowError
from rheobase.explorer.describe import describe_neuron
from rheobase.model.neuron import Neuron

__all__ = ["answer", "read_rows"]

_ROWS: Final = ("evolve", "receive", "threshold", "hazard", "reset", "refractory", "values")
_MEMORY: Final = 4 << 30
_NAME: Final = re.compile(r"^([A-Za-z_]\w*)\s*:(?!=)\s*(.*)$")


def read_rows(data: Any) -> Neuron:
    """Return the neuron of the texts in the page's fields.

    Raises
    ------
    RheobaseError
        As `Neuron` does; also where a line of values is not ``name = value``.
    """
    if not isinstance(data, Mapping) or not all(isinstance(data.get(k, ""), str) for k in _ROWS):
        raise InputError("rows are texts: evolve, receive, threshold, hazard, reset, refractory, values")
    text = {k: str(data.get(k, "")).strip() for k in _ROWS}
    if not text["evolve"]:
        raise RowError("evolve", "nothing is written here; write for example  tau dv/dt = E_L - v + R*I")
    return Neuron(
        text["evolve"],
        _read_ports(text["receive"]),
        text["threshold"] or None,
        text["reset"] or None,
        _read_refractory(text["refractory"]),
        text["hazard"] or None,
        name="your neuron",
        **_read_values(text["values"]),
    )


def _read_ports(text: str) -> str | dict[str, str] | None:
    """Return ``v <- v + w_i``, or a row for each port where lines begin with ``port:``."""
    ports: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        found = _NAME.match(line)
        ports.setdefault(found[1] if found else "spikes", []).append(found[2] if found else line)
    return {port: "\n".join(lines) for port, lines in ports.items()} or None


def _read_refractory(text: str) -> Any:
    lines = [*filter(None, map(str.strip, text.splitlines()))]
    found = [_NAME.match(line) for line in lines]
    if not any(found):
        return text or None
    return {m[1]: m[2] for m in found if m}


def _read_values(text: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for line in filter(None, (part.split("#", 1)[0].strip() for part in re.split(r"[\n;]", text))):
        name, sign, value = (part.strip() for part in line.partition("="))
        if not sign or not name or not value:
            raise RowError("values", "a value is written  name = number unit,  for example  tau = 20 ms", line)
        if name in out:
            raise RowError("values", f"{name:.60} is given twice", line)
        if name in _FIELDS:
            raise RowError("values", f"'{name}' cannot be the name of a value", line)
        out[name] = value
    return out


_FIELDS: Final = {"evolve", "receive", "threshold", "reset", "refractory", "hazard", "name", "about", "reference"}


def answer(line: str) -> dict[str, Any]:
    """Return what the page is told: the model, its program and the program's name, or the error and its row."""
    try:
        neuron = read_rows(json.loads(line))
        model, program = describe_neuron(neuron)
    except RheobaseError as error:
        return {"error": str(error), "row": getattr(error, "row", _row_of(str(error)))}
    except (ValueError, RecursionError) as error:  # no JSON, or nested beyond reason
        return {"error": f"this cannot be read ({type(error).__name__})", "row": ""}
    return {"model": model, "program": hash_text(program), "text": program}


def _row_of(message: str) -> str:
    return next((row for row in _ROWS if message.startswith(row)), "values")


def _limit_memory() -> None:
    """Let rows that grow without bound end this process, not the machine."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _MEMORY if most == resource.RLIM_INFINITY else min(_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, most))


def main() -> None:
    """Answer line after line until the input ends."""
    _limit_memory()
    for line in sys.stdin:
        try:
            told = answer(line)
        except Exception as error:  # a fault of ours must not end the page
            told = {"error": f"this could not be read: {type(error).__name__}", "row": ""}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
