"""A loop as source, and where the one printed by an earlier process is found again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

from rheobase.emit.source import hash_text, read_module, write_module
from rheobase.model.neuron import Neuron
from rheobase.remember import remember

__all__ = ["LATE", "MEET", "ClockSource", "find_loop", "write_rows"]

#: What the loop of a group is given of each late port (see `rheobase.emit.clock_loop.clock_source`).
LATE: Final = ("_some", "_heads", "_ends", "_rows", "_onto", "_weight", "_packed")

#: How the threads of a loop wait for each other; `rheobase.engines.threads` puts in what it calls.
MEET = '''def _meet(barrier, goal):
    """Wait until all threads have come here; after a while let others use the core."""
    _arrive(barrier)
    turns = 0
    while _seen(barrier) < goal:
        turns += 1
        if turns < 2000:
            _pause()
        else:
            _give_way()
'''

_MOST = 256  # loops held in memory
_memory: dict[str, ClockSource] = {}


@final
@dataclass(frozen=True)
class ClockSource:
    """The text of a module with a loop, its arguments in order, and the names of the functions it calls."""

    text: str
    arguments: tuple[str, ...]
    functions: tuple[str, ...]


def find_loop(stem: str, neuron: Neuron, about: list[Any], build: Callable[[], ClockSource]) -> ClockSource:
    """Return the loop of a neuron, printed by `build` unless this machine has its file.

    Parameters
    ----------
    stem : str
        How the file's name begins.
    about : JSON
        What the text depends on besides the neuron's name and rows.
    """

    def derive() -> list[Any]:
        built = build()
        write_module(stem, built.text)
        digest = hash_text(built.text)
        keep(digest, built)
        return [digest, built.arguments, built.functions]

    def keep(digest: str, source: ClockSource) -> None:
        if len(_memory) >= _MOST:
            _memory.clear()
        _memory[digest] = source

    rows = [neuron.name, write_rows(neuron), neuron.rows.texts, [*neuron.refractory.items()]]
    digest, arguments, functions = remember(f"{stem} loop", [rows, about], derive)
    if digest not in _memory:
        text = read_module(stem, digest)
        keep(digest, build() if text is None else ClockSource(text, tuple(arguments), tuple(functions)))
    return _memory[digest]


def write_rows(neuron: Neuron) -> str:
    """Return the neuron's table for a docstring, without its parameters."""
    lines = str(neuron).replace("\\", "/").replace('"', "'").splitlines()
    return "\n".join(f"    {line}" for line in lines if not line.startswith("  parameters"))
