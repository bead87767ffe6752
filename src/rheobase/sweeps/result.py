"""What a sweep gives back: arrays whose axes are the parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from rheobase.errors import InputError, NotRecorded, nearest
from rheobase.sweeps.grid import Grid

if TYPE_CHECKING:
    import pandas
    import xarray

__all__ = ["Sweep"]


@final
@dataclass(frozen=True, eq=False)
class Sweep:
    """One array for each thing measured: ``found["rate"][i, j]`` is that of the i-th tau and the j-th I.

    Attributes
    ----------
    axes : tuple of str
        The names of the arrays' leading axes.
    labels : dict
        Parameter -> its values along its axis.
    data : dict
        Thing measured -> array of shape (axes..., shape of one...).
    failures : dict
        Point (a tuple of numbers) -> what went wrong there; its values are nan.
    computed, taken : int
        How many points were run now, and how many stood in the file already.
    """

    grid: Grid
    data: Mapping[str, np.ndarray]
    failures: Mapping[tuple[int, ...], str]
    computed: int
    taken: int
    seconds: float

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(self.grid.axes)

    @property
    def labels(self) -> dict[str, tuple[Any, ...]]:
        return {name: values for name, (_, values) in self.grid.labels.items()}

    @property
    def values(self) -> np.ndarray:
        """The array, where one thing was measured."""
        if len(self.data) != 1:
            raise NotRecorded(f"several things were measured; take one by name: {', '.join(self.data)}")
        return next(iter(self.data.values()))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.data:
            raise NotRecorded(f"nothing called '{name}' was measured.{nearest(name, self.data)} {', '.join(self.data)}")
        return self.data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def to_xarray(self) -> xarray.Dataset:
        """Return everything as a labelled data set. Needs xarray."""
        try:
            import xarray
        except ImportError:
            raise ImportError("to_xarray() needs xarray: pip install xarray") from None
        n = len(self.axes)
        variables = {
            name: ((*self.axes, *(f"{name}_{k}" for k in range(x.ndim - n))), x) for name, x in self.data.items()
        }
        coordinates = {name: (axis, [*values]) for name, (axis, values) in self.grid.labels.items() if _plain(values)}
        return xarray.Dataset(variables, coords=coordinates)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a row for each point, with its parameters and what was measured (single numbers only)."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from None
        at = dict(zip(self.axes, np.indices(self.grid.shape).reshape(len(self.axes), -1), strict=True))
        table = {name: [values[i] for i in at[axis]] for name, (axis, values) in self.grid.labels.items()}
        for name, x in self.data.items():
            if x.ndim != len(self.axes):
                raise InputError(f"{name} is an array at each point; take to_xarray(), or sweep['{name}']")
            table[name] = x.ravel().tolist()
        return pandas.DataFrame(table)

    def __repr__(self) -> str:
        size = " x ".join(f"{n} {name}" for name, n in self.grid.axes.items())
        what = ", ".join(f"{name}{list(x.shape)}" for name, x in self.data.items())
        lost = f", {len(self.failures)} failed" if self.failures else ""
        taken = f", {self.taken} taken from the file" if self.taken else ""
        return f"Sweep over {size}: {what}\n  {self.computed} points run in {self.seconds:.3g} s{taken}{lost}"


def _plain(values: tuple[Any, ...]) -> bool:
    return all(isinstance(v, int | float | str | np.integer | np.floating) for v in values)
