"""to_nir: a network as a NIR graph, or a list of what NIR cannot say."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from rheobase.engines.population import prepare
from rheobase.errors import InputError, NotExportable
from rheobase.exchange.nir.cells import to_seconds
from rheobase.exchange.nir.convention import Convention, read_convention
from rheobase.exchange.nir.describe import Described, describe
from rheobase.exchange.nir.graph import Graph, Node, nir_object
from rheobase.exchange.nir.linear import MOST_SYNAPSES
from rheobase.exchange.nir.numbers import Numbers, numbers_of
from rheobase.exchange.nir.timing import loops
from rheobase.model.distribution import Distribution
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.network.network import Network
from rheobase.network.projection import Projection
from rheobase.network.rule import AllToAll, OneToOne, Pairs
from rheobase.units import to_number

__all__ = ["to_nir", "to_nir_graph"]

_MOST_DELAYS = 1000


def to_nir(
    net: Network | Neuron,
    file: str | os.PathLike[str] | None = None,
    dt: Any = None,
    convention: str | Convention | None = None,
    strict: bool = True,
    seed: int | None = None,
    scale: str | None = None,
) -> Any:
    """Return a network as a ``nir.NIRGraph``, and write it to a file.

    Populations become LIF, CubaLIF, IF, LI, CubaLI or I nodes, sources of spikes become Inputs, projections become
    Linear or Affine nodes, with a Delay where one is needed. Times are in seconds; voltages and weights keep the
    numbers they have here.

    Parameters
    ----------
    net : Network or Neuron
    file : str or Path, optional
    dt : time, optional
        Without it a spike is an impulse, so that the file holds for any step. With it, it is a current of 1 for one
        step dt, as all other programs have it, and the numbers are such that their steps are those of a run on
        ``Clock(dt)`` here.
    convention : str or Convention, optional
        With dt: who will read it; see `from_nir`. "norse", "snntorch" and "spikingjelly" step by Euler's rule: the time
        constants in the file are those with which that gives the exact decay.
    strict : bool
        False: features that NIR cannot say, but without which the rest stands, are left out of the nodes and told in
        the metadata (``rheobase_model``, ``rheobase_left_out``).
    seed : int, optional
        Draws what is random: connections, weights, parameters.
    scale : {"r", "weights"}, optional
        With dt, where the factor between a current of one step and the jump it makes is put: into r (weights stay as
        they are), or into the weights (r is 1; the default for "norse", which does not read r).

    Raises
    ------
    NotExportable
        With the list of all features that NIR cannot say: refractoriness, soft resets, several ports, noise,
        adaptation, plasticity, conductances, initial values.
    ImportError
        If the package ``nir`` is not installed.

    Examples
    --------
    >>> import rheobase as rb
    >>> to_nir(rb.LIF())
    Traceback (most recent call last):
    rheobase.errors.NotExportable: NIR cannot say of LIF: refractoriness (t_ref). Change it, or give strict=False ...
    """
    graph = to_nir_graph(net, dt, convention, strict, seed, scale)
    made = nir_object(graph)
    if file is not None:
        import nir

        path = Path(file)
        try:
            nir.write(path, made)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    return made


def to_nir_graph(
    net: Network | Neuron,
    dt: Any = None,
    convention: str | Convention | None = None,
    strict: bool = True,
    seed: int | None = None,
    scale: str | None = None,
) -> Graph:
    """Return what `to_nir` writes as a plain graph, without the package `nir`; same arguments."""
    if isinstance(net, Neuron):
        whole = Network()
        whole.add(net.name, net.size or 1, net, **dict.fromkeys(net.inputs, 0.0))
        net = whole
    if not isinstance(net, Network) or not net.populations:
        raise InputError("to_nir wants a Network with populations, or a Neuron")
    width = None if dt is None else to_number(dt, "ms", "dt")
    if width is not None and not 0 < width < float("inf"):
        raise InputError(f"dt = {width:g} ms is not positive")
    if width is None and convention is not None:
        raise InputError("convention= tells how a spike acts over a step: give dt=, too")
    chosen = read_convention(convention, {})
    if scale is None:
        scale = "weights" if convention == "norse" else "r"
    if scale not in ("r", "weights"):
        raise InputError(f"scale = {scale!r:.40}; it is 'r' or 'weights'")
    return _Writer(net, width, chosen, strict, seed, scale).graph()


@final
@dataclass(frozen=True, eq=False)
class _Edge:
    """Synapses of one delay: from, to, matrix (n_target, n_source), delay in ms."""

    source: str
    target: str
    matrix: np.ndarray
    delay: float


@final
class _Writer:
    def __init__(
        self, net: Network, dt: float | None, convention: Convention, strict: bool, seed: int | None, scale: str
    ) -> None:
        self.net, self.dt, self.convention = net, dt, convention
        self.strict, self.seed, self.scale = strict, seed, scale
        self.nodes: dict[str, Node | Graph] = {}
        self.links: list[tuple[str, str]] = []
        self.left_out: dict[str, list[str]] = {}

    def graph(self) -> Graph:
        cells = {n: p.model for n, p in self.net.populations.items() if isinstance(p.model, Neuron)}
        told = {n: self._describe(n, model) for n, model in cells.items()}
        self._refuse(told)
        numbers: dict[str, Numbers] = {}
        for name, d in told.items():
            made = numbers_of(d, self.dt, self.convention, self.scale)
            if isinstance(made, str):
                raise NotExportable(f"NIR cannot say of {name}: {made}")
            made.begin = d.begin
            if d.begin and self.dt is None and made.is_driven:
                raise NotExportable(f"NIR cannot say of {name}: a current that is switched on at {d.begin:g} ms")
            numbers[name] = made
        for name, part in self.net.populations.items():
            if name in cells:
                self._add_cell(name, numbers[name], told[name], cells[name])
            else:
                self.nodes[name] = Node("Input", {"shape": np.array([part.n])})
        edges = [e for p in self.net.projections for e in self._edges(p, told, numbers)]
        self._join(edges, numbers)
        self._add_drives(numbers)
        self._add_outputs([*cells])
        head: dict[str, Any] = {"rheobase_spikes": "impulse" if self.dt is None else "pulse"}
        if self.dt is not None:
            head["rheobase_dt"] = float(to_seconds(self.dt))
            head["rheobase_method"] = self.convention.method
        return Graph(self.nodes, tuple(self.links), head)

    def _describe(self, name: str, model: Neuron) -> Described:
        part = self.net.populations[name]
        ports = frozenset(p.port for p in self.net.projections if p.target.name == name)
        population = prepare(model, dict(part.values), self.seed or 0, part.n, name)
        out = describe(population, ports)
        drawn = [k for k, q in [*model.parameters.items(), *part.values.items()] if _is_random(q)]
        if drawn and self.seed is None:
            out.fatal.append(f"{', '.join(sorted(set(drawn)))}: drawn at random; give seed=")
        return out

    def _refuse(self, told: dict[str, Described]) -> None:
        problems: dict[str, list[str]] = {}
        for name, d in told.items():
            if d.fatal or (d.missing and self.strict):
                problems[name] = d.fatal + d.missing
            elif d.missing:
                self.left_out[name] = d.missing
        for p in self.net.projections:
            random = not isinstance(p.rule, AllToAll | OneToOne | Pairs)
            random = random or any(isinstance(q, Quantity) and _is_random(q) for q in (p.weight, p.delay))
            if random and self.seed is None:
                problems.setdefault(p.name, []).append("synapses drawn at random; give seed=")
            if p.is_plastic and self.strict:
                problems.setdefault(p.name, []).append("plasticity")
            elif p.is_plastic:
                self.left_out.setdefault(p.target.name, []).append(f"plasticity of {p.name}")
        if problems:
            listed = "; ".join(f"{name}: {', '.join(x)}" for name, x in problems.items())
            where = listed if len(problems) > 1 else listed.replace(": ", ": ", 1)
            fatal = any(d.fatal for d in told.values())
            fix = (
                "Change it."
                if fatal
                else "Change it, or give strict=False to leave it out and tell it in the metadata."
            )
            raise NotExportable(f"NIR cannot say of {where}. {fix}")

    def _add_cell(self, name: str, numbers: Numbers, d: Described, model: Neuron) -> None:
        metadata: dict[str, Any] = {}
        if name in self.left_out:
            metadata["rheobase_left_out"] = "; ".join(self.left_out[name])
            metadata["rheobase_model"] = json.dumps(model.to_dict())
        if numbers.offset is not None:
            metadata["rheobase_v_offset"] = numbers.offset
        self.nodes[name] = Node(d.kind, {k: np.array(x, dtype=float) for k, x in numbers.fields.items()}, metadata)

    def _edges(self, p: Projection, told: dict[str, Described], numbers: dict[str, Numbers]) -> list[_Edge]:
        n_source, n_target = p.source.n, p.target.n
        s = p.synapses(self.seed or 0)
        weight = np.broadcast_to(np.asarray(s.weight, dtype=float), (len(s),))
        delay = np.broadcast_to(np.asarray(s.delay, dtype=float), (len(s),))
        values = np.unique(delay)
        if len(values) > _MOST_DELAYS or n_source * n_target * len(values) > MOST_SYNAPSES:
            raise NotExportable(
                f"NIR cannot say of {p.name}: NIR's matrices are full, and {n_source} x {n_target} weights for each of"
                f" {len(values)} delays are more than {MOST_SYNAPSES}"
            )
        gain = told[p.target.name].gain[p.port]["I" if told[p.target.name].tau_s is not None else "v"]
        factor = gain * numbers[p.target.name].weight
        out = []
        for d in values:
            here = delay == d
            matrix = np.zeros((n_target, n_source))
            np.add.at(matrix, (s.post[here], s.pre[here]), weight[here])
            if np.any(matrix):
                out.append(_Edge(p.source.name, p.target.name, matrix * factor[:, None], float(d)))
        return out

    # -------------------------------------------------------------- delays
    def _join(self, edges: list[_Edge], numbers: dict[str, Numbers]) -> None:
        """Write each edge as a matrix, and a Delay where reading would not find its delay by itself."""
        steps = [self._plain_or_delay(edges, numbers)] if self.dt is not None else [[None] * len(edges)]
        for i, (e, m) in enumerate(zip(edges, steps[0], strict=True)):
            name = self._free(f"{e.source}_to_{e.target}" if i == 0 else f"{e.source}_to_{e.target}_{i}")
            bias = numbers[e.target].take_bias()
            fields = {"weight": e.matrix} | ({} if bias is None else {"bias": bias})
            self.nodes[name] = Node("Linear" if bias is None else "Affine", fields)
            late = e.delay if m is None else m * (self.dt or 0.0)
            if late > 0:
                pause = self._free(f"{name}_delay")
                wait = np.full(e.matrix.shape[0], float(to_seconds(float(f"{late:.12g}"))))
                self.nodes[pause] = Node("Delay", {"delay": wait})
                self.links += [(e.source, name), (name, pause), (pause, e.target)]
            else:
                self.links += [(e.source, name), (name, e.target)]

    def _plain_or_delay(self, edges: list[_Edge], numbers: dict[str, Numbers]) -> list[float | None]:
        """Return for each edge the steps that a Delay must hold; 0: a plain edge, to which reading gives its step."""
        assert self.dt is not None
        lag = [e.delay / self.dt for e in edges]
        ring = loops([(e.source, e.target) for e in edges])
        inside = [e.source in ring and ring.get(e.source) == ring.get(e.target) for e in edges]
        early = self._early(edges, inside, numbers)
        lag = [x + numbers[e.target].early + early[e.target] - early[e.source] for x, e in zip(lag, edges, strict=True)]
        single = [abs(x - 1.0) < 1e-6 for x in lag]
        closing = loops([(e.source, e.target) for e, one, i in zip(edges, single, inside, strict=True) if one and i])
        plain = [
            one and (not i or (e.source in closing and closing.get(e.source) == closing.get(e.target)))
            for e, one, i in zip(edges, single, inside, strict=True)
        ]
        ahead = self._shifts(edges, [p and not i for p, i in zip(plain, inside, strict=True)])
        rest = [x - (ahead[e.target] - ahead[e.source]) for x, e in zip(lag, edges, strict=True)]
        fits = all((i or abs(r) < 1e-6) if p else r > -1e-6 for r, p, i in zip(rest, plain, inside, strict=True))
        on_time = all(abs(1 + x.begin / self.dt - ahead[n]) < 1e-6 for n, x in numbers.items() if x.is_driven)
        if not (fits and on_time):  # all delays are written down
            late = [n for n, x in numbers.items() if x.is_driven and x.begin]
            if late:
                raise NotExportable(
                    f"NIR cannot say of {late[0]}: a current that is switched on at {numbers[late[0]].begin:g} ms"
                )
            return [float(x) for x in lag]
        return [0.0 if p else max(0.0, r) for r, p in zip(rest, plain, strict=True)]

    def _shifts(self, edges: list[_Edge], plain: list[bool]) -> dict[str, int]:
        """Return the shifts that reading finds when these edges have no Delay."""
        ahead = {n: int(isinstance(p.model, Neuron)) for n, p in self.net.populations.items()}
        for _ in range(len(ahead)):
            for e, p in zip(edges, plain, strict=True):
                if p and isinstance(self.net.populations[e.source].model, Neuron):
                    ahead[e.target] = max(ahead[e.target], ahead[e.source] + 1)
        for name, part in self.net.populations.items():
            if not isinstance(part.model, Neuron):
                slack = [ahead[e.target] - 1 for e, p in zip(edges, plain, strict=True) if p and e.source == name]
                ahead[name] = max(0, min([1, *slack]))
        return ahead

    def _early(self, edges: list[_Edge], inside: list[bool], numbers: dict[str, Numbers]) -> dict[str, int]:
        """Return how many steps earlier than here each population is in the file's time."""
        early = dict.fromkeys(self.net.populations, 0)
        for _ in range(len(early) + 1):
            for e, i in zip(edges, inside, strict=True):
                own = 0 if i else numbers[e.target].early
                early[e.target] = min(early[e.target], early[e.source] - own)
        return early

    def _add_drives(self, numbers: dict[str, Numbers]) -> None:
        """Give what nothing reaches its constant current: an Affine behind an Input of one silent value."""
        for name, own in numbers.items():
            bias = own.take_bias()
            if bias is None:
                continue
            silent, drive = self._free(f"{name}_silent"), self._free(f"{name}_drive")
            self.nodes[silent] = Node("Input", {"shape": np.array([1])})
            self.nodes[drive] = Node("Affine", {"weight": np.zeros((len(bias), 1)), "bias": bias})
            self.links += [(silent, drive), (drive, name)]

    def _add_outputs(self, cells: list[str]) -> None:
        sending = {p.source.name for p in self.net.projections}
        last = [n for n in cells if n not in sending] or cells
        for name in last:
            out = self._free("output" if len(last) == 1 else f"{name}_output")
            self.nodes[out] = Node("Output", {"shape": np.array([self.net.populations[name].n])})
            self.links.append((name, out))

    def _free(self, name: str) -> str:
        name = name.replace("/", "_")
        while name in self.nodes or name in self.net.populations:
            name += "_"
        return name


def _is_random(q: Any) -> bool:
    return isinstance(q, Quantity) and isinstance(q.value, Distribution)
