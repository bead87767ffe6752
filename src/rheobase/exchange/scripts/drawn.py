"""A network with nothing left to chance: what a run with this seed has, as numbers for a script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from rheobase.engines.clock import steps_until
from rheobase.engines.population import Population, prepare
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network
from rheobase.network.projection import Projection
from rheobase.network.rule import AllToAll, OneToOne
from rheobase.network.sources import SpikeSource
from rheobase.random import derive_key
from rheobase.units import to_number

__all__ = ["Arrays", "Drawn", "Joined", "draw", "identifier"]

_INLINE: Final = 60  # numbers that are written into the script itself
_MOST: Final = 50_000_000


@final
@dataclass(frozen=True, eq=False)
class Joined:
    """The synapses of a projection: rule "one_to_one", "all_to_all" or "" (then i and j), weights and delays (ms)."""

    projection: Projection
    rule: str
    pre: np.ndarray
    post: np.ndarray
    weight: float | np.ndarray
    delay: float | np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Drawn:
    """Populations, the spikes of sources as (steps, neurons), and synapses."""

    cells: dict[str, Population]
    sources: dict[str, tuple[int, np.ndarray, np.ndarray]]
    joined: list[Joined]
    dt: float
    steps: int

    @property
    def until(self) -> float:
        """The end, in ms."""
        return float(f"{self.steps * self.dt:.12g}")

    def input_values(self, name: str, key: str) -> np.ndarray:
        """Return the values that an input has in each step, (steps, 1) or (steps, n)."""
        p = self.cells[name]
        values = p.inputs[key].start(self.dt, p.n, p.key("input", key))(0, self.steps)
        same = values.shape[1] > 1 and np.all(values == values[:, :1])
        return values[:, :1] if same else values


def draw(net: Network | Neuron, until: Any, dt: Any, seed: int) -> Drawn:
    """Return the network as it is in a run with this seed and step.

    Raises
    ------
    InputError
        If it is no network, or would fill the memory.
    """
    if isinstance(net, Neuron):
        whole = Network()
        whole.add(net.name, net.size or 1, net, **dict.fromkeys(net.inputs, 0.0))
        net = whole
    if not isinstance(net, Network) or not net.populations:
        raise InputError("give a Network with populations, or a Neuron")
    width, end = to_number(dt, "ms", "dt"), to_number(until, "ms", "until")
    if not 0 < width < float("inf") or not 0 < end < float("inf"):
        raise InputError(f"until = {end:g} ms and dt = {width:g} ms must be positive")
    steps = steps_until(end, width)
    cells, sources = {}, {}
    for name, part in net.populations.items():
        if isinstance(part.model, SpikeSource):
            take = part.model.on_grid(width, part.n, derive_key(seed, name, "source"), True)
            first, later = take(-1, 0), take(0, steps)
            k, who = (np.concatenate([a, b]).astype(np.int64) for a, b in zip(first[:2], later[:2], strict=True))
            sources[name] = (part.n, k, who)
        else:
            cells[name] = prepare(part.model, dict(part.values), seed, part.n, name)
    return Drawn(cells, sources, [_join(p, seed) for p in net.projections], width, steps)


def _join(p: Projection, seed: int) -> Joined:
    s = p.synapses(seed)
    if len(s) > _MOST:
        raise InputError(f"{p.name} has {len(s)} synapses; a script holds up to {_MOST}")
    whole = p.source.is_whole and p.target.is_whole
    plain = np.ndim(s.weight) == 0 and np.ndim(s.delay) == 0
    rule = ""
    if whole and plain and isinstance(p.rule, OneToOne):
        rule = "one_to_one"
    elif whole and plain and isinstance(p.rule, AllToAll) and len(s) == p.source.n * p.target.n:
        rule = "all_to_all"
    return Joined(p, rule, s.pre, s.post, s.weight, s.delay)


def identifier(name: str, taken: set[str]) -> str:
    """Return a name that Python takes, another one each time.

    >>> identifier("my cells", {"my_cells"}), identifier("1", set())
    ('my_cells_2', 'p_1')
    """
    plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name) or "p"
    plain = plain if plain[0].isalpha() else f"p_{plain.lstrip('_')}"
    found, k = plain, 2
    while found in taken:
        found, k = f"{plain}_{k}", k + 1
    taken.add(found)
    return found


@final
class Arrays:
    """Arrays of a script: short ones are written into it, long ones into an ``.npz`` file beside it."""

    def __init__(self, file: str | Path | None) -> None:
        self.path = None if file is None else Path(file)
        self.kept: dict[str, np.ndarray] = {}

    def say(self, name: str, values: Any) -> str:
        """Return how the script writes these values."""
        x = np.asarray(values)
        if x.ndim == 0:
            return repr(x.item())
        if x.size and x.size > 1 and x.dtype.kind == "f" and x.ndim == 1 and np.all(x == x[0]):
            return f"np.full({len(x)}, {float(x[0])!r})"
        if x.size <= _INLINE:
            return f"np.array({x.tolist()!r})"
        edges = np.flatnonzero(np.diff(x)) + 1 if x.ndim == 1 and x.dtype.kind == "f" else np.empty(0)
        if x.ndim == 1 and x.dtype.kind == "f" and len(edges) < 20:  # constant in pieces
            starts = np.concatenate([[0], edges]).astype(int)
            lengths = np.diff(np.append(starts, len(x)))
            return f"np.repeat({x[starts].tolist()!r}, {lengths.tolist()!r})"
        if self.path is None:
            raise InputError(
                f"{name} has {x.size} numbers: give file=, and they are kept in an .npz file beside the script"
            )
        self.kept[name] = x
        return f'data["{name}"]'

    def head(self) -> list[str]:
        """Return the lines that load what is kept."""
        if not self.kept or self.path is None:
            return []
        return [f'data = np.load(Path(__file__).with_name("{self.path.stem}.npz"))', ""]

    def write(self, text: str, overwrite: bool) -> None:
        """Write the script, and what belongs to it."""
        if self.path is None:
            return
        beside = self.path.with_name(f"{self.path.stem}.npz")
        for path in (self.path, *([beside] if self.kept else [])):
            if path.exists() and not overwrite:
                raise InputError(f"{path} is there already; give another name, or overwrite=True")
        try:
            self.path.write_text(text, encoding="utf-8")
            if self.kept:
                with beside.open("wb") as out:
                    np.savez_compressed(out, allow_pickle=False, **self.kept)
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}") from None
