"""Part: some neurons of a population, the handle by which they are joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

import numpy as np

from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.model.quantity import Quantity
from rheobase.network.sources import SpikeSource
from rheobase.network.stimulus import Stimulus

if TYPE_CHECKING:
    from rheobase.network.network import Network

__all__ = ["Part"]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Part:
    """A population of a network, or some of its neurons: ``E``, ``E[:100]``, ``E[[1, 5]]``, ``E[mask]``.

    Attributes
    ----------
    network : Network
    name : str
        The population's name.
    n : int
        How many neurons the whole population has; ``len(part)`` counts those chosen.
    model : Neuron or SpikeSource
    values : mapping
        Parameters, initial values, inputs and spikes of the whole population, as they were given.
    chosen : range or array of int
        Which neurons of the population, in the order they were asked for.
    places : array (n, d) or None
        Where the neurons of the whole population are, in um.
    """

    network: Network
    name: str
    n: int
    model: Neuron | SpikeSource
    values: Mapping[str, Quantity | Stimulus | SpikeSource]
    chosen: range | np.ndarray
    places: np.ndarray | None

    @property
    def indices(self) -> np.ndarray:
        """The chosen neurons' numbers in their population, int64, shape (len(part),)."""
        return np.asarray(self.chosen, dtype=np.int64)

    @property
    def positions(self) -> np.ndarray | None:
        """Where the chosen neurons are, shape (len(part), d), in um; None if no positions were given."""
        return None if self.places is None else self.places[self.indices]

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole population in its own order."""
        return self.chosen == range(self.n) if isinstance(self.chosen, range) else False

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, which: Any) -> Part:
        chosen = self.chosen[which] if isinstance(which, slice) else self.indices[self._read_index(which)]
        if not len(chosen):
            raise InputError(f"{self}[{which!r:.60}] holds no neuron; {self} has 0 to {len(self) - 1}")
        return replace(self, chosen=chosen)

    def _read_index(self, which: Any) -> np.ndarray:
        array = np.atleast_1d(np.asarray(which))
        count = len(self)
        if array.dtype == bool:
            if array.shape != (count,):
                raise InputError(f"{self}: the mask has shape {array.shape}, but there are {count} neurons")
            return np.flatnonzero(array)
        if array.size == 0:
            array = array.astype(np.int64)
        if array.dtype.kind not in "iu" or array.ndim != 1:
            raise InputError(
                f"{self}[{which!r:.60}]: choose by a slice, by numbers of neurons, or by a mask of True and False"
            )
        out = array[(array < -count) | (array >= count)]
        if len(out):
            raise InputError(f"{self} has no neuron {out[0]}; it has 0 to {count - 1}")
        array = np.where(array < 0, array + count, array).astype(np.int64)
        if len(np.unique(array)) != len(array):
            raise InputError(f"{self}[{which!r:.60}] names a neuron twice")
        return array

    def __getstate__(self) -> dict[str, Any]:  # a mapping proxy cannot be pickled
        return {**self.__dict__, "values": dict(self.values)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in (state | {"values": MappingProxyType(state["values"])}).items():
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        if self.is_whole:
            return self.name
        if isinstance(self.chosen, range):
            step = f":{self.chosen.step}" if self.chosen.step != 1 else ""
            stop = str(self.chosen.stop) if self.chosen.stop >= 0 else ""
            return f"{self.name}[{self.chosen.start}:{stop}{step}]"
        shown = ", ".join(map(str, self.chosen[:4])) + (", ..." if len(self.chosen) > 4 else "")
        return f"{self.name}[[{shown}]]"

    def __repr__(self) -> str:
        return f"<{self}: {len(self)} of {_say(self.model)}>"


def _say(model: Neuron | SpikeSource) -> str:
    return model.name if isinstance(model, Neuron) else type(model).__name__
