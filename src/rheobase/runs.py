"""The runs of a batch: one network, many values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final, overload

import numpy as np

from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError, NotRecorded
from rheobase.run import NetworkRun, Run

if TYPE_CHECKING:
    import pandas

    from rheobase.network.projection import Projection

__all__ = ["NetworkRuns", "PopulationRuns"]


@final
@dataclass(frozen=True, eq=False, repr=False)
class NetworkRuns(Sequence[NetworkRun]):
    """The runs of a batch, in the order of its values: ``runs[2]`` is a `NetworkRun`, with all that it has.

    ``runs["E"]`` are those of a population: ``runs["E"].v`` has the shape (n_runs, n_neurons, n_times). After Ctrl-C
    there are as many runs as were begun.

    Attributes
    ----------
    runs : tuple of NetworkRun
    batch : mapping
        Name -> the value in each run.
    """

    runs: tuple[NetworkRun, ...]
    batch: Mapping[str, tuple[Any, ...]]

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, which: int) -> NetworkRun: ...
    @overload
    def __getitem__(self, which: slice) -> NetworkRuns: ...
    @overload
    def __getitem__(self, which: str) -> PopulationRuns: ...
    def __getitem__(self, which: int | slice | str) -> NetworkRun | NetworkRuns | PopulationRuns:
        if isinstance(which, str):
            return PopulationRuns(which, tuple(run[which] for run in self.runs))
        if isinstance(which, slice):
            return replace(self, runs=self.runs[which], batch={k: v[which] for k, v in self.batch.items()})
        return self.runs[which]

    def __iter__(self) -> Iterator[NetworkRun]:
        return iter(self.runs)

    def rate(self, start: float = 0.0) -> dict[str, np.ndarray]:
        """Return each population's mean rate in Hz, shape (n_runs,)."""
        each = [run.rate(start) for run in self.runs]
        return {name: np.array([r[name] for r in each]) for name in each[0]}

    def weights(self, projection: Projection | str, state: str = "w") -> np.ndarray:
        """Return the weights of a projection at the end, shape (n_runs, n_synapses); see `NetworkRun.weights`.

        Raises
        ------
        InputError
            If the runs have different numbers of synapses.
        """
        each = [run.weights(projection, state) for run in self.runs]
        if len({len(x) for x in each}) > 1:
            raise InputError("the runs have different numbers of synapses; take runs[i].weights(...) one by one")
        return np.stack(each)

    def to_pandas(self) -> pandas.DataFrame:
        """Return all spikes as a table: run, the values of the batch, population, neuron, time (ms). Needs pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from None
        parts = []
        for i, run in enumerate(self.runs):
            own = {"run": i} | {k: v[i] if np.ndim(v[i]) == 0 else str(v[i]) for k, v in self.batch.items()}
            part = run.to_pandas()
            for at, (name, value) in enumerate(own.items()):
                part.insert(at, name, value)
            parts.append(part)
        return pandas.concat(parts, ignore_index=True)

    def __repr__(self) -> str:
        head = f"{len(self)} runs of a network: {', '.join(self.batch)}"
        lines = []
        for i, run in enumerate(self.runs[:10]):
            own = ", ".join(f"{k.rpartition('.')[2]} = {v[i]!s:.30}" for k, v in self.batch.items())
            rates = ", ".join(f"{name} {rate:.3g} Hz" for name, rate in run.rate().items()) if run.until else "no steps"
            lines.append(f"  {i}: {own}: {rates}")
        more = [f"  and {len(self) - 10} more"] if len(self) > 10 else []
        return "\n".join([head, *lines, *more])


@final
@dataclass(frozen=True, eq=False, repr=False)
class PopulationRuns(Sequence[Any]):
    """A population in the runs of a batch: ``[i]`` is its `Run`; recorded states have a leading axis (n_runs, ...)."""

    name: str
    runs: tuple[Run | Spikes, ...]

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, which: Any) -> Any:
        return self.runs[which]

    @property
    def spikes(self) -> tuple[Spikes, ...]:
        """The spikes of each run."""
        return tuple(r.spikes if isinstance(r, Run) else r for r in self.runs)

    @property
    def t(self) -> np.ndarray:
        """Times of the recorded states in ms, the same in all runs."""
        return self._neurons()[0].t

    @property
    def final(self) -> dict[str, np.ndarray]:
        """The states at the end, shape (n_runs, n_neurons)."""
        runs = self._neurons()
        return {s: np.stack([r.final[s] for r in runs]) for s in runs[0].final}

    def rate(self, start: float = 0.0) -> np.ndarray:
        """Return the rate of each neuron in Hz, shape (n_runs, n_neurons)."""
        return np.stack([r.rate(start) for r in self._neurons()])

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        each = [r[name] for r in self._neurons()]
        if len({x.shape for x in each}) > 1:  # Ctrl-C
            raise NotRecorded(f"{name} of {self.name} has different lengths; take runs[i]['{self.name}'].{name}")
        return np.stack(each)

    def _neurons(self) -> list[Run]:
        runs = [r for r in self.runs if isinstance(r, Run)]
        if len(runs) < len(self.runs):
            raise NotRecorded(f"{self.name} is a source of spikes; it has spikes only")
        return runs

    def __repr__(self) -> str:
        return f"<{self.name} in {len(self)} runs>"
