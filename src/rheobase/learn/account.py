"""Operations as a table with totals, and what they cost on a chip."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Final, final

from rheobase.errors import InputError, nearest

__all__ = ["Account", "Chip", "Entry", "chips", "read_chip"]

_COSTS: Final = ("mac", "ac", "synaptic_op", "update", "spike", "byte")


@final
@dataclass(frozen=True)
class Chip:
    """What an event costs on a chip, in joules; None where no source states it."""

    key: str
    name: str
    source: str
    assumptions: tuple[str, ...]
    mac: float | None = None
    ac: float | None = None
    synaptic_op: float | None = None
    update: float | None = None
    spike: float | None = None
    byte: float | None = None

    @property
    def is_dense(self) -> bool:
        """Whether it computes zeros as well: processors, whose figures are one for every operation."""
        return any("dense" in a for a in self.assumptions)


@cache
def chips() -> dict[str, Chip]:
    """Return the chips that `energy` knows, by name: the file ``chips.toml`` of this package.

    >>> sorted(chips())[:3], chips()["loihi"].synaptic_op
    (['cmos45', 'cmos45_int8', 'cpu'], 2.36e-11)
    """
    data = tomllib.loads(resources.files("rheobase.learn").joinpath("chips.toml").read_text(encoding="utf-8"))
    return {
        key: Chip(key, d["name"], d["source"], tuple(d["assumptions"]), **{c: d.get(c) for c in _COSTS})
        for key, d in data.items()
    }


def read_chip(given: Any) -> Chip:
    """Return a chip by its name, or the one that was given."""
    if isinstance(given, Chip):
        return given
    known = chips()
    if given not in known:
        raise InputError(
            f"chip = {given!r:.60} is unknown.{nearest(str(given), known)} There are: {', '.join(known)};"
            " or make your own: learn.Chip(key, name, source, assumptions, mac=..., ac=..., update=...), joules each"
        )
    return known[given]


@final
@dataclass(frozen=True)
class Entry:
    """One layer's operations, for one sample.

    Attributes
    ----------
    name, kind : str
    spikes : float
        Sent by it.
    dense : float
        Operations if every input counted, zeros as well.
    mac, ac : float
        Effective ones: whose input is not zero. An accumulate has an input of 0 or 1 (or 0 and one other number, which
        the weight can hold); all others are multiply-accumulates.
    updates : float
        Neurons times steps.
    weight_bytes, state_bytes : float
        Moved: one weight for each effective operation, and each state read and written in every update.
    """

    name: str
    kind: str
    spikes: float = 0.0
    dense: float = 0.0
    mac: float = 0.0
    ac: float = 0.0
    updates: float = 0.0
    weight_bytes: float = 0.0
    state_bytes: float = 0.0

    def joules(self, chip: Chip) -> float:
        """Return what it costs on a chip; what is not known of the chip is left out."""
        mac, ac = (self.dense, 0.0) if chip.is_dense else (self.mac, self.ac)
        if chip.synaptic_op is not None:
            total = (mac + ac) * chip.synaptic_op
        else:
            total = mac * (chip.mac or 0.0) + ac * (chip.ac or 0.0)
        moved = (self.weight_bytes + self.state_bytes) * (chip.byte or 0.0)
        return total + self.updates * (chip.update or 0.0) + self.spikes * (chip.spike or 0.0) + moved


@final
@dataclass(frozen=True, repr=False)
class Account:
    """What a network does for one sample, layer by layer, and what that costs.

    ``print(account)`` shows the table, the source of the chip's figures and what they leave out.

    Attributes
    ----------
    entries : tuple of Entry
    samples, steps : int
        How many samples were counted; steps of time each (1 for a network without time).
    chip : Chip
    """

    entries: tuple[Entry, ...]
    samples: int
    steps: int
    chip: Chip

    def total(self, what: str) -> float:
        """Return the sum of a column: "spikes", "dense", "mac", "ac", "updates", "weight_bytes", "state_bytes"."""
        known = [f.name for f in fields(Entry) if f.name not in ("name", "kind")]
        if what not in known:
            raise InputError(
                f"total({what!r:.40}): no such column.{nearest(str(what), known)} There are: {', '.join(known)}"
            )
        return float(sum(getattr(e, what) for e in self.entries))

    @property
    def joules(self) -> float:
        """Joules a sample."""
        return sum(e.joules(self.chip) for e in self.entries)

    def on(self, chip: Any) -> Account:
        """Return the same operations, charged for another chip."""
        return Account(self.entries, self.samples, self.steps, read_chip(chip))

    def __str__(self) -> str:
        heads = ["layer", "kind", "spikes", "dense ops", "MAC", "AC", "updates", "bytes", "J"]
        rows = [
            [
                e.name,
                e.kind,
                *(_short(x) for x in (e.spikes, e.dense, e.mac, e.ac, e.updates, e.weight_bytes + e.state_bytes)),
                f"{e.joules(self.chip):.3g}",
            ]
            for e in self.entries
        ]
        sums = [self.total(x) for x in ("spikes", "dense", "mac", "ac", "updates")]
        moved = self.total("weight_bytes") + self.total("state_bytes")
        rows.append(["all", "", *(_short(x) for x in (*sums, moved)), f"{self.joules:.3g}"])
        missing = [c for c in ("update", "spike", "byte") if getattr(self.chip, c) is None]
        lines = [
            f"for one sample of {self.samples}, {self.steps} step{'s' * (self.steps != 1)}, on {self.chip.name}",
            *write_columns(heads, rows),
            f"source: {self.chip.source}",
            *(f"  - {a}" for a in self.chip.assumptions),
        ]
        if missing:
            lines.append(f"  - not known, so not in the joules: {', '.join(missing)}")
        return "\n".join(lines)

    __repr__ = __str__


def _short(x: float) -> str:
    return f"{x:,.0f}" if x >= 100 or x == round(x) else f"{x:.3g}"


def write_columns(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table as lines: names to the left, numbers to the right."""
    widths = [max(len(r[i]) for r in [heads, *rows]) for i in range(len(heads))]
    return [
        "  ".join(
            c.ljust(w) if i < 2 and not _is_number(c) else c.rjust(w)
            for i, (c, w) in enumerate(zip(r, widths, strict=True))
        ).rstrip()
        for r in [heads, *rows]
    ]


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("%", "").isdigit()
