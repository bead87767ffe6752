"""A NIR graph as plain frozen values: what a file or an object of the package `nir` says, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError, nearest

__all__ = ["FIELDS", "STATEFUL", "Graph", "Node", "graph_of", "nir_object"]

#: Node type -> its fields; those in brackets may be missing.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Input": ("shape",),
        "Output": ("[shape]",),
        "Affine": ("weight", "bias"),
        "Linear": ("weight",),
        "Scale": ("scale",),
        "Conv1d": ("[input_shape]", "weight", "stride", "padding", "dilation", "groups", "bias"),
        "Conv2d": ("[input_shape]", "weight", "stride", "padding", "dilation", "groups", "bias"),
        "SumPool2d": ("kernel_size", "stride", "padding"),
        "AvgPool2d": ("kernel_size", "stride", "padding"),
        "Flatten": ("[input_type]", "[start_dim]", "[end_dim]"),
        "Delay": ("delay",),
        "Threshold": ("threshold",),
        "I": ("r",),
        "IF": ("r", "v_threshold", "[v_reset]"),
        "LI": ("tau", "r", "v_leak"),
        "LIF": ("tau", "r", "v_leak", "v_threshold", "[v_reset]"),
        "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "[w_in]"),
        "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "[v_reset]", "[w_in]"),
    }
)
STATEFUL: Final = frozenset({"I", "IF", "LI", "LIF", "CubaLI", "CubaLIF"})
_MOST_DEPTH: Final = 20


@final
@dataclass(frozen=True, eq=False)
class Node:
    """One node: its type, its fields as arrays (texts where the field is one), and its metadata."""

    kind: str
    fields: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: float | None = None) -> np.ndarray:
        """Return a field as finite float64.

        Raises
        ------
        InputError
            If it is missing, no array of numbers, NaN or infinite.
        """
        value = self.fields.get(name)
        if value is None:
            if default is None:
                raise InputError(f"{self.kind}: the field '{name}' is missing")
            return np.asarray(default, dtype=float)
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise InputError(f"{self.kind}: '{name}' holds {array.dtype}, not numbers")
        array = array.astype(float)
        if not np.isfinite(array).all():
            raise InputError(f"{self.kind}: '{name}' is NaN or infinite in {int((~np.isfinite(array)).sum())} places")
        return array


@final
@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes by name and edges between them; a node may be a graph itself.

    Raises
    ------
    InputError
        If an edge names a node that is not there, or stands twice; if a node's type or a field is unknown or missing.
    """

    nodes: Mapping[str, Node | Graph]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, node in self.nodes.items():
            if isinstance(node, Node):
                _check_fields(name, node)
        seen = set()
        for edge in self.edges:
            for end in edge:
                if end not in self.nodes and end.rpartition(".")[0] not in self.nodes:
                    raise InputError(
                        f"the edge {edge[0]} -> {edge[1]} names '{end:.60}', which is no node."
                        + nearest(end, self.nodes)
                    )
            if edge in seen:
                raise InputError(f"the edge {edge[0]} -> {edge[1]} stands twice")
            seen.add(edge)

    def flat(self) -> Graph:
        """Return the graph with its subgraphs put in place, their nodes named ``sub.node``.

        An edge into a subgraph goes to its input, one out of it comes from its output; where it has several, the edge
        names one, ``sub.port``.
        """
        if not any(isinstance(node, Graph) for node in self.nodes.values()):
            return self
        nodes: dict[str, Node | Graph] = {}
        edges: list[tuple[str, str]] = []
        inner: dict[str, Graph] = {}
        for name, node in self.nodes.items():
            if not isinstance(node, Graph):
                nodes[name] = node
                continue
            inner[name] = sub = node.flat()
            nodes |= {f"{name}.{n}": x for n, x in sub.nodes.items()}
            edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in sub.edges]
        for a, b in self.edges:
            edges.append((_port(a, inner, "Output"), _port(b, inner, "Input")))
        return Graph(nodes, tuple(edges), self.metadata)


def _port(end: str, inner: Mapping[str, Graph], kind: str) -> str:
    if end in inner:
        ports = [n for n, x in inner[end].nodes.items() if isinstance(x, Node) and x.kind == kind and "." not in n]
        if len(ports) != 1:
            raise InputError(
                f"the subgraph '{end}' has {len(ports)} nodes of type {kind}; an edge must name one, such as"
                f" '{end}.{ports[0] if ports else kind.lower()}'"
            )
        return f"{end}.{ports[0]}"
    return end


def _check_fields(name: str, node: Node) -> None:
    if node.kind not in FIELDS:
        raise InputError(
            f"node '{name:.60}' is of type {node.kind!r:.60}, which NIR does not have.{nearest(node.kind, FIELDS)}"
        )
    known = {f.strip("[]") for f in FIELDS[node.kind]}
    for f in FIELDS[node.kind]:
        if not f.startswith("[") and node.fields.get(f) is None:
            raise InputError(f"node '{name:.60}' ({node.kind}) lacks the field '{f}'")
    for f in node.fields:
        if f not in known:
            raise InputError(f"node '{name:.60}' ({node.kind}) has no field '{f:.60}'.{nearest(f, known)}")


def graph_of(thing: Any, depth: int = 0) -> Graph:
    """Return an object of the package `nir`, a `NIRGraph` or a single node, as a graph.

    It is told by its attributes: `nir` is not imported. Tensors of torch are read through ``numpy()``.
    """
    if isinstance(thing, Graph):
        return thing
    if depth > _MOST_DEPTH:
        raise InputError(f"subgraphs lie more than {_MOST_DEPTH} deep")
    nodes = getattr(thing, "nodes", None)
    if isinstance(nodes, Mapping) and hasattr(thing, "edges"):
        read: dict[str, Node | Graph] = {}
        for name, node in nodes.items():
            inner = isinstance(getattr(node, "nodes", None), Mapping)
            read[str(name)] = graph_of(node, depth + 1) if inner else _node_of(node)
        return Graph(read, _edges(thing.edges), dict(getattr(thing, "metadata", None) or {}))
    if type(thing).__name__ in FIELDS:
        return Graph({type(thing).__name__.lower(): _node_of(thing)}, ())
    raise InputError(f"{type(thing).__name__} is no NIR graph; give the path of a file, or a nir.NIRGraph")


def _edges(edges: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    out = []
    for edge in edges:
        if not isinstance(edge, tuple | list) or len(edge) != 2:
            raise InputError(f"{edge!r:.60} is no edge; it is a pair of names")
        out.append((str(edge[0]), str(edge[1])))
    return tuple(out)


def _node_of(node: Any) -> Node:
    kind = type(node).__name__
    if kind not in FIELDS:
        raise InputError(f"{kind!r:.60} is no node type of NIR.{nearest(kind, FIELDS)}")
    fields: dict[str, Any] = {}
    for f in (f.strip("[]") for f in FIELDS[kind]):
        if kind in ("Input", "Output"):
            types = getattr(node, "input_type" if kind == "Input" else "output_type", None) or {}
            value = next(iter(types.values()), None)
        elif f == "input_type":
            value = (getattr(node, "input_type", None) or {}).get("input")
        else:
            value = getattr(node, f, None)
        if value is not None:
            fields[f] = value if isinstance(value, str) else _array(value)
    return Node(kind, fields, dict(getattr(node, "metadata", None) or {}))


def _array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def nir_object(graph: Graph) -> Any:
    """Return the graph as a ``nir.NIRGraph``.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    try:
        import nir
    except ImportError:
        raise ImportError("NIR graphs need the package nir: pip install 'rheobase[nir]'") from None
    nodes: dict[str, Any] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, Graph):
            nodes[name] = nir_object(node)
            continue
        fields = {k: _native(node.kind, k, v) for k, v in node.fields.items()}
        if node.kind in ("Input", "Output"):
            fields = {f"{node.kind.lower()}_type": {node.kind.lower(): fields.get("shape")}}
        elif node.kind == "Flatten":
            fields["input_type"] = {"input": fields.get("input_type")}
        elif node.kind in ("Conv1d", "Conv2d"):
            fields.setdefault("input_shape", None)
        nodes[name] = getattr(nir, node.kind)(**fields, metadata=dict(node.metadata))
    return nir.NIRGraph(nodes=nodes, edges=list(graph.edges), metadata=dict(graph.metadata), type_check=False)


def _native(kind: str, name: str, value: Any) -> Any:
    """Return a field in the type that `nir` gives it: sizes are numbers and pairs, not arrays."""
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    sizes = kind in ("Conv1d", "Conv2d") and name in ("stride", "padding", "dilation", "groups", "input_shape")
    if sizes or (kind == "Flatten" and name != "input_type"):
        return int(array) if array.ndim == 0 else tuple(int(x) for x in array)
    return array
