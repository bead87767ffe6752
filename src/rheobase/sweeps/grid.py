"""What a sweep goes over: the product of some lists, or a list of points."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rheobase.errors import InputError

__all__ = ["Grid", "read_grid"]


@final
@dataclass(frozen=True)
class Grid:
    """Axes and points.

    Attributes
    ----------
    axes : dict
        Name -> how long, in order; together the shape of the result.
    labels : dict
        Name -> (axis, its values), one for each parameter.
    points : tuple of dict
        The arguments of each run, in the order of the axes, the last one fastest.
    """

    axes: Mapping[str, int]
    labels: Mapping[str, tuple[str, tuple[Any, ...]]]
    points: tuple[Mapping[str, Any], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.axes.values())

    @property
    def key(self) -> str:
        """A text that differs where axes or values differ."""
        told = [[name, axis, [describe(x) for x in values]] for name, (axis, values) in self.labels.items()]
        return hashlib.sha256(json.dumps([dict(self.axes), told]).encode()).hexdigest()[:16]


def describe(value: Any) -> str:
    """Return a short text for a value, for messages and for telling grids apart."""
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:12]
        return f"array{value.shape}{value.dtype}:{content}"
    if isinstance(value, np.generic):
        value = value.item()
    return repr(value)


def read_grid(grid: Mapping[str, Any] | Sequence[Mapping[str, Any]], repeats: int) -> Grid:
    """Return the grid of ``{"tau": [...], "I": [...]}`` (every combination) or of a list of points.

    >>> read_grid({"a": [1, 2], "b": [3, 4, 5]}, 1).shape
    (2, 3)
    """
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise InputError(f"repeats = {repeats!r:.60} must be a whole number from 1")
    if isinstance(grid, Mapping):
        values = {_name(name): _list(name, x) for name, x in grid.items()}
        if not values:
            raise InputError("the grid is empty; give for example {'tau': ['10 ms', '20 ms']}")
        axes = {name: len(x) for name, x in values.items()}
        labels = {name: (name, tuple(x)) for name, x in values.items()}
        points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
    elif isinstance(grid, Sequence) and not isinstance(grid, str) and grid:
        points = [dict(p) if isinstance(p, Mapping) else _refuse(p) for p in grid]
        names = [*points[0]]
        for k, point in enumerate(points):
            if {*point} != {*names}:
                raise InputError(f"point {k} of the grid has {sorted(point)}, the first one {sorted(names)}")
        axes = {"point": len(points)}
        labels = {_name(name): ("point", tuple(p[name] for p in points)) for name in names}
    else:
        _refuse(grid)
    if repeats > 1:
        if "repeat" in axes:
            raise InputError("the grid has an axis 'repeat' already; leave out repeats=")
        axes = {**axes, "repeat": repeats}
        labels = {**labels, "repeat": ("repeat", tuple(range(repeats)))}
        points = [point for point in points for _ in range(repeats)]
    return Grid(axes, labels, tuple(points))


def _refuse(grid: Any) -> Any:
    raise InputError(
        f"grid = {grid!r:.60} is neither lists by name, {{'tau': ['10 ms', '20 ms']}}, nor a list of points,"
        " [{'tau': '10 ms'}, ...]"
    )


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"a name in the grid must be a word such as tau, not {name!r:.60}")
    return name


def _list(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not hasattr(values, "__len__") or not hasattr(values, "__iter__"):
        raise InputError(f"grid: {name} = {values!r:.60} is no list of values; write [{values!r:.30}] for a single one")
    found = [*values]
    if not found:
        raise InputError(f"grid: {name} has no values")
    return found
