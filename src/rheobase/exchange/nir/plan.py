"""What a NIR graph comes to: its neurons, and the matrices and delays by which they reach each other.

The order of nodes in a file means nothing (HDF5 sorts names); all follows from the edges.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError
from rheobase.exchange.nir.cells import to_ms
from rheobase.exchange.nir.graph import STATEFUL, Graph, Node
from rheobase.exchange.nir.linear import MOST_SYNAPSES, Shape, apply

__all__ = ["Flow", "Plan", "make_plan"]

_SPIKING: Final = frozenset({"IF", "LIF", "CubaLIF", "Threshold"})
_ANALOG: Final = STATEFUL - _SPIKING
_MOST_DELAYS: Final = 1000
_MOST_VALUES: Final = 1 << 24  # of an Input: it becomes as many sources


@final
@dataclass(frozen=True, eq=False)
class Flow:
    """What arrives at a node: by source and delay (ms) a matrix (None: one to one), and a constant."""

    parts: dict[tuple[str, float], Any]
    bias: np.ndarray | None = None

    def single(self) -> str | None:
        """Return the source, if all that arrives is its output as it is."""
        if len(self.parts) != 1 or self.bias is not None:
            return None
        (source, delay), matrix = next(iter(self.parts.items()))
        return source if delay == 0.0 and matrix is None else None


@final
@dataclass(eq=False)
class Plan:
    """Populations (units, in an order of the graph), what arrives at each, and what each Output shows."""

    nodes: dict[str, Node]
    inputs: dict[str, Shape]
    units: dict[str, Shape]
    flows: dict[str, Flow]
    outputs: dict[str, str]
    thresholds: dict[str, Node] = field(default_factory=dict)  # analog unit -> the Threshold node that reads it


def make_plan(graph: Graph, notes: list[str]) -> Plan:
    """Return the plan of a graph.

    Raises
    ------
    InputError
        If shapes do not fit, stateless nodes form a cycle, or an analog signal would have to pass between neurons.
    """
    return _Planner(graph.flat(), notes).plan()


@final
class _Planner:
    def __init__(self, graph: Graph, notes: list[str]) -> None:
        self.nodes: dict[str, Node] = {n: x for n, x in graph.nodes.items() if isinstance(x, Node)}
        self.notes = notes
        self.before: dict[str, list[str]] = {n: [] for n in self.nodes}
        self.after: dict[str, list[str]] = {n: [] for n in self.nodes}
        for a, b in graph.edges:
            self.before[b].append(a)
            self.after[a].append(b)
        if not self.nodes:
            raise InputError("the NIR graph has no nodes")
        for name, node in self.nodes.items():  # the doors of a subgraph
            if (node.kind == "Input" and self.before[name]) or (node.kind == "Output" and self.after[name]):
                self.nodes[name] = Node("Identity", {})
        self._add_inputs()
        self.shapes: dict[str, Shape] = {}
        self.made: dict[str, tuple[Any, np.ndarray | None, Shape]] = {}
        self.flows: dict[str, Flow] = {}

    # -------------------------------------------------------------- shapes
    def _add_inputs(self) -> None:
        """Give roots that are no Input an Input, named as the package `nir` names it."""
        for name in [n for n, x in self.nodes.items() if not self.before[n] and x.kind not in ("Input", "Output")]:
            shape = _own_input_shape(self.nodes[name])
            if shape is None:
                raise InputError(
                    f"node '{name}' ({self.nodes[name].kind}) has no input, and none can be made: its shape is unknown"
                )
            new = f"input_{name}"
            while new in self.nodes:
                new += "_"
            self.nodes[new] = Node("Input", {"shape": np.array(shape)})
            self.before[new], self.after[new] = [], [name]
            self.before[name].append(new)

    def _find_shapes(self) -> None:
        rest = deque(self.nodes)
        waiting = 0
        while rest:
            name = rest.popleft()
            if self._find_shape(name):
                waiting = 0
                continue
            rest.append(name)
            waiting += 1
            if waiting > len(rest):
                raise InputError(f"the shapes at {', '.join(sorted(rest)[:5])} cannot be found; give the Input's shape")

    def _find_shape(self, name: str) -> bool:
        node = self.nodes[name]
        if node.kind == "Input" or (node.kind == "Output" and not self.before[name]):
            self.shapes[name] = _shape(node.fields.get("shape", 1), name)
            return True
        known = [self.shapes[b] for b in self.before[name] if b in self.shapes]
        if node.kind in STATEFUL or node.kind in ("Threshold", "Delay"):
            own = max((np.shape(v) for v in node.fields.values()), key=lambda s: int(np.prod(s)))
            if int(np.prod(own)) == 1:
                if not known:
                    return False
                own = known[0]
            self.shapes[name] = tuple(int(n) for n in own)
            return True
        if not known:
            return False
        shape = known[0]
        try:
            self.made[name] = apply(node, name, shape)
        except InputError as first:
            if len(shape) < 2 or shape[0] != 1:
                raise
            try:
                self.made[name] = apply(node, name, shape[1:])
            except InputError:
                raise first from None
            self.notes.append(f"'{name}': the first axis of {shape}, of size 1, is taken for a batch")
        self.shapes[name] = self.made[name][2]
        return True

    def _check_edges(self) -> None:
        for name, sources in self.before.items():
            node = self.nodes[name]
            if node.kind in ("Affine", "Linear"):
                wanted = int(self.made[name][0].shape[1])
            elif node.kind in STATEFUL or node.kind in ("Threshold", "Delay"):
                wanted = int(np.prod(self.shapes[name]))
            else:
                wanted = int(np.prod(self.shapes[sources[0]])) if sources else 0
            for source in sources:
                size = int(np.prod(self.shapes[source]))
                if size != wanted:
                    raise InputError(
                        f"the edge {source} -> {name} brings {size} values ({self.shapes[source]}), but {name} takes"
                        f" {wanted}"
                    )

    # -------------------------------------------------------------- flows
    def plan(self) -> Plan:
        self._find_shapes()
        self._check_edges()
        self._find_flows()
        units = {n: self.shapes[n] for n in self.nodes if self.nodes[n].kind in _SPIKING | STATEFUL}
        made = Plan(
            self.nodes,
            {n: self.shapes[n] for n, x in self.nodes.items() if x.kind == "Input"},
            units,
            {n: self.flows[n] for n in units},
            {},
        )
        self._join_thresholds(made)
        for name in [n for n, x in self.nodes.items() if x.kind == "Output"]:
            flow = self.flows[name]
            source = flow.single()
            if source is not None:
                made.outputs[name] = source
            elif flow.parts:
                made.outputs[name], made.flows[name] = name, flow
                made.units[name] = self.shapes[name]
        _refuse_analog(made)
        return made

    def _find_flows(self) -> None:
        sources = {n for n, x in self.nodes.items() if x.kind == "Input" or x.kind in STATEFUL | {"Threshold"}}
        order: list[str] = []
        missing: dict[str, int] = {}
        ready: deque[str] = deque()
        for name in self.nodes:
            if name in sources:
                continue
            missing[name] = sum(b not in sources for b in self.before[name])
            if not missing[name]:
                ready.append(name)
        while ready:
            name = ready.popleft()
            order.append(name)
            for after in self.after[name]:
                if after in missing:
                    missing[after] -= 1
                    if not missing[after]:
                        ready.append(after)
        stuck = sorted(set(missing) - set(order))
        if stuck:
            raise InputError(
                f"the nodes {', '.join(stuck[:5])} form a cycle in which no node has a state, so what they give is not"
                " determined; put a neuron into it"
            )
        out: dict[str, Flow] = {n: Flow({(n, 0.0): None}) for n in sources}
        for name in order:
            out[name] = self._through(name, self._sum(name, out))
        for name in self.nodes:
            if self.nodes[name].kind in STATEFUL | {"Threshold"}:
                self.flows[name] = self._sum(name, out)
            elif self.nodes[name].kind == "Output":
                self.flows[name] = out[name]

    def _sum(self, name: str, out: dict[str, Flow]) -> Flow:
        from scipy import sparse

        parts: dict[tuple[str, float], Any] = {}
        bias: np.ndarray | None = None
        for before in self.before[name]:
            flow = out[before]
            for key, matrix in flow.parts.items():
                if key in parts:
                    one = sparse.eye_array(int(np.prod(self.shapes[key[0]])), format="csr")
                    parts[key] = (one if parts[key] is None else parts[key]) + (one if matrix is None else matrix)
                else:
                    parts[key] = matrix
            if flow.bias is not None:
                bias = flow.bias if bias is None else bias + flow.bias
        return Flow(parts, bias)

    def _through(self, name: str, flow: Flow) -> Flow:
        node = self.nodes[name]
        if node.kind == "Delay":
            return self._later(name, node, flow)
        matrix, shift, _ = self.made[name]
        if matrix is None:
            return flow
        parts = {k: matrix if m is None else matrix @ m for k, m in flow.parts.items()}
        if sum(m.nnz for m in parts.values()) > MOST_SYNAPSES:
            raise InputError(f"the synapses that lead through '{name}' are more than {MOST_SYNAPSES}")
        bias = None if flow.bias is None else matrix @ flow.bias
        if shift is not None and np.any(shift != 0):
            bias = shift if bias is None else bias + shift
        return Flow(parts, bias)

    def _later(self, name: str, node: Node, flow: Flow) -> Flow:
        from scipy import sparse

        given = np.asarray(node.fields["delay"])
        delays = to_ms(node.number("delay").astype(given.dtype if given.dtype == np.float32 else float))
        if np.any(delays < 0):
            raise InputError(f"node '{name}' (Delay): a delay of {delays.min():g} ms is negative")
        values = np.unique(delays)
        if len(values) > _MOST_DELAYS:
            raise InputError(f"node '{name}' (Delay) has {len(values)} different delays; the limit is {_MOST_DELAYS}")
        if len(values) == 1:
            d = float(values[0])
            return Flow({(s, _tidy(t + d)): m for (s, t), m in flow.parts.items()}, flow.bias)
        flat = np.broadcast_to(delays, self.shapes[name]).ravel()
        parts: dict[tuple[str, float], Any] = {}
        for d in values:
            keep = sparse.diags_array((flat == d).astype(float), format="csr")
            for (s, t), m in flow.parts.items():
                chosen = keep if m is None else keep @ m
                key = (s, _tidy(t + float(d)))
                parts[key] = parts[key] + chosen if key in parts else chosen
        return Flow(parts, flow.bias)

    def _join_thresholds(self, made: Plan) -> None:
        """A Threshold right behind a neuron without one makes it fire, without a reset: one population."""
        for name in [n for n in made.units if self.nodes[n].kind == "Threshold"]:
            source = made.flows[name].single()
            if source is None or source not in made.units or self.nodes[source].kind not in _ANALOG:
                continue
            if source in made.thresholds:
                raise InputError(f"two Threshold nodes read '{source}'; one is possible")
            made.thresholds[source] = self.nodes[name]
            del made.units[name], made.flows[name]
            for flow in [*made.flows.values(), *self.flows.values()]:
                for key in [k for k in flow.parts if k[0] == name]:
                    flow.parts[source, key[1]] = flow.parts.pop(key)


def _refuse_analog(made: Plan) -> None:
    for name, flow in made.flows.items():
        for source, _ in flow.parts:
            node = made.nodes[source]
            if node.kind in _ANALOG and source not in made.thresholds:
                raise InputError(
                    f"'{source}' ({node.kind}) does not fire, and its voltage goes on into '{name}'; a network passes"
                    " spikes between its neurons, so such a node can only be the last before an Output or a Threshold"
                )


def _tidy(ms: float) -> float:
    return float(f"{ms:.12g}")


def _shape(value: Any, name: str) -> Shape:
    sizes = np.atleast_1d(np.asarray(value))
    if sizes.dtype.kind not in "iuf" or sizes.ndim != 1 or np.any(sizes != np.floor(sizes)) or np.any(sizes < 1):
        raise InputError(f"node '{name}': the shape {value!r:.60} is none; wanted whole numbers from 1")
    if np.prod(sizes.astype(float)) > _MOST_VALUES:
        raise InputError(f"node '{name}': the shape {tuple(sizes.tolist())} has more than {_MOST_VALUES} values")
    return tuple(int(n) for n in sizes)


def _own_input_shape(node: Node) -> Shape | None:
    """Return what a root takes in, if its fields tell."""
    fields = node.fields
    if node.kind in ("Linear", "Affine"):
        weight = np.shape(fields["weight"])
        return (*weight[:-2], weight[-1]) if len(weight) >= 2 else None
    if node.kind in ("Conv1d", "Conv2d") and fields.get("input_shape") is not None:
        inner = np.atleast_1d(np.asarray(fields["input_shape"])).tolist()
        return (int(np.shape(fields["weight"])[1]) * int(np.asarray(fields["groups"])), *map(int, inner))
    if node.kind == "Flatten" and fields.get("input_type") is not None:
        return _shape(fields["input_type"], "Flatten")
    if node.kind in STATEFUL or node.kind in ("Threshold", "Delay", "Scale"):
        return max((np.shape(v) for v in fields.values()), key=lambda s: int(np.prod(s))) or (1,)
    return None
