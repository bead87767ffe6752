"""NIR files: an HDF5 reader that trusts nothing it finds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.exchange.nir.graph import FIELDS, Graph, Node, graph_of
from rheobase.formats.guard import MOST_BYTES, opened

__all__ = ["read_graph"]

_MOST_NODES: Final = 10_000
_MOST_DEPTH: Final = 20
_MOST_EDGES: Final = 1_000_000


def read_graph(source: Any, most_bytes: int = MOST_BYTES) -> Graph:
    """Return a NIR graph from a file or from an object of the package `nir`, which is not needed for it.

    Parameters
    ----------
    source : str, Path, or nir.NIRGraph
    most_bytes : int
        What the arrays of a file may declare together.

    Raises
    ------
    InputError
        If the file is missing, truncated, or no NIR graph; if an edge names a missing node; if it links to other
        files, declares too much, or nests without end.

    Examples
    --------
    >>> read_graph("no such file.nir")
    Traceback (most recent call last):
    rheobase.errors.InputError: there is no file no such file.nir
    """
    if not isinstance(source, str | os.PathLike):
        return graph_of(source)
    path = Path(source)
    with opened(path, "a NIR graph", most_bytes) as file:
        if "node" not in file:
            raise InputError(f"{path} holds no NIR graph: there is no group 'node'")
        found = _read(file["node"], str(path), [0], 0)
    return found if isinstance(found, Graph) else Graph({found.kind.lower(): found}, ())


def _read(group: Any, place: str, count: list[int], depth: int) -> Node | Graph:
    import h5py

    count[0] += 1
    if count[0] > _MOST_NODES or depth > _MOST_DEPTH:
        raise InputError(f"{place}: more than {_MOST_NODES} nodes, or subgraphs more than {_MOST_DEPTH} deep")
    if not isinstance(group, h5py.Group) or not isinstance(group.get("type"), h5py.Dataset):
        raise InputError(f"{place} is no NIR node: it has no 'type'")
    kind = _text(group["type"][()], f"{place}/type")
    metadata = _metadata(group["metadata"], place) if isinstance(group.get("metadata"), h5py.Group) else {}
    if kind == "NIRGraph":
        inner = group.get("nodes")
        if not isinstance(inner, h5py.Group):
            raise InputError(f"{place} is a NIRGraph without 'nodes'")
        nodes = {str(name): _read(node, f"{place}/{name}", count, depth + 1) for name, node in inner.items()}
        return Graph(nodes, _read_edges(group.get("edges"), place), metadata)
    if kind not in FIELDS:
        raise InputError(f"{place}: {kind!r:.60} is no node type of NIR")
    known = {f.strip("[]") for f in FIELDS[kind]}
    fields: dict[str, Any] = {}
    for name, data in group.items():
        if name in ("type", "metadata"):
            continue
        if name not in known or not isinstance(data, h5py.Dataset):
            raise InputError(f"{place}: a node of type {kind} has no field '{name:.60}'")
        if data.shape is None:
            continue
        if data.shape != () and data.dtype.kind not in "biuf":
            raise InputError(f"{place}/{name} is an array of {data.dtype}, not of numbers")
        value = data[()]
        fields[name] = _text(value, f"{place}/{name}") if isinstance(value, bytes | str) else np.asarray(value)
    return Node(kind, fields, metadata)


def _text(value: Any, place: str) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str) or len(value) > 1000:
        raise InputError(f"{place} is no text")
    return value


def _read_edges(data: Any, place: str) -> tuple[tuple[str, str], ...]:
    if data is None:
        return ()
    if data.shape == (0,):  # no edges at all
        return ()
    if len(data.shape) != 2 or data.shape[1] != 2 or data.shape[0] > _MOST_EDGES:
        raise InputError(f"{place}/edges has shape {data.shape}; wanted (n_edges, 2), up to {_MOST_EDGES}")
    return tuple((_text(a, f"{place}/edges"), _text(b, f"{place}/edges")) for a, b in data[()])


def _metadata(group: Any, place: str, depth: int = 0) -> dict[str, Any]:
    import h5py

    if depth > _MOST_DEPTH:
        raise InputError(f"{place}: metadata lies more than {_MOST_DEPTH} deep")
    out: dict[str, Any] = {}
    for name, thing in group.items():
        if isinstance(thing, h5py.Group):
            out[name] = _metadata(thing, place, depth + 1)
            continue
        if thing.shape is None or (thing.shape != () and thing.dtype.kind not in "biuf"):
            continue
        value = thing[()]
        out[name] = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
    return out
