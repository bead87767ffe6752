"""What the source of an exact network depends on, and where the one printed by an earlier process is found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final, final

from rheobase.emit.loop import write_rows
from rheobase.emit.source import hash_text, read_module, write_module
from rheobase.model.neuron import Neuron
from rheobase.remember import remember

__all__ = ["NEVER", "Cells", "Link", "find_exact_network"]

NEVER: Final = 1 << 62  # a window that does not come


@final
@dataclass(frozen=True)
class Cells:
    """What the text of a group of neurons depends on.

    Attributes
    ----------
    size : int
        Length of the augmented state.
    kinds : mapping
        How each parameter is stored: ``scalar`` or ``neuron``.
    ports : mapping of str to bool
        The ports in use, and whether a delivery just adds a multiple of the weight.
    single : bool
        Whether every mode is one real exponential: then time passes, and bounds are found, without a kernel.
    fixed : tuple of int
        Modes that do not change in time, whatever the table.
    unseen : tuple of int
        Modes that the threshold does not see, whatever the table.
    set_from : int
        Where the states that inputs set begin; their number is `set_count`, 0 if no input changes.
    traced : bool
        Whether states are recorded.
    quadratic : bool
        Whether the flow is that of `rheobase.derive.riccati`; the states then are their own modes.
    """

    neuron: Neuron
    size: int
    kinds: Mapping[str, str]
    ports: Mapping[str, bool]
    single: bool
    fixed: tuple[int, ...]
    unseen: tuple[int, ...]
    set_from: int
    set_count: int
    traced: bool
    quadratic: bool


@final
@dataclass(frozen=True)
class Link:
    """Synapses from a group (or, as ``-1 - s``, from source s) to a port of a group.

    `weights` and `delays` tell whether synapses have their own or share one.
    """

    source: int
    target: int
    port: str
    weights: bool
    delays: bool


def find_exact_network(
    groups: Sequence[Cells], links: Sequence[Link], outside: Sequence[tuple[int, str]], digest: str
) -> tuple[Path, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the file of a network's loop, run's arguments in order, the functions to inline, and the others.

    The text is printed (see `rheobase.emit.exact_network`) unless this machine has its file.
    """

    def build() -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        from rheobase.emit.exact_network import exact_network_source

        return exact_network_source(groups, links, outside, digest)

    def derive() -> list[Any]:
        text, *names = build()
        write_module("exact_network", text)
        return [hash_text(text), *names]

    about = [
        [
            [
                c.neuron.name,
                write_rows(c.neuron),
                c.neuron.rows.texts,
                [*c.neuron.refractory.items()],
                c.size,
                c.single,
            ],
            [
                sorted(c.kinds.items()),
                [*c.ports.items()],
                c.fixed,
                c.unseen,
                c.set_from,
                c.set_count,
                c.traced,
                c.quadratic,
            ],
        ]
        for c in groups
    ]
    known = remember("exact network loop", [about, [astuple(x) for x in links], list(outside), digest], derive)
    text = read_module("exact_network", known[0]) or build()[0]
    return write_module("exact_network", text), tuple(known[1]), tuple(known[2]), tuple(known[3])
