"""NetworkRun: a run for each population of a network, and all spikes together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError, NotRecorded, nearest
from rheobase.formats.content import Content
from rheobase.formats.convertible import Convertible
from rheobase.run.single import Run, as_group
from rheobase.units import to_number

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from rheobase.engines.checkpoint import Snapshot
    from rheobase.network.network import Network
    from rheobase.network.projection import Projection

__all__ = ["NetworkRun"]


@final
@dataclass(frozen=True, eq=False, repr=False)
class NetworkRun(Convertible):
    """A run of a network: a `Run` for each population, ``run["E"]``, and all spikes together.

    Attributes
    ----------
    populations : dict
        Name -> `Run`; for spike sources, name -> `Spikes`.
    offsets : dict
        Name -> the number of the population's first neuron in the whole network.
    until, seed, engine, seconds
        As for `Run`; after Ctrl-C `until` is the time that was reached.
    network : Network or None
        What was run; None if the run was read from a file.
    path : Path or None
        The file that the run was recorded into; spikes and traces are read from it when they are asked for.
    """

    populations: Mapping[str, Run | Spikes]
    offsets: Mapping[str, int]
    until: float
    seed: int
    engine: str
    seconds: Mapping[str, float]
    network: Network | None
    _state: Snapshot | None
    _resume: Callable[[Any, int | None, bool], NetworkRun] | None
    path: Path | None = None

    def resume(self, until: Any, threads: int | None = None, progress: bool = False) -> NetworkRun:
        """Return the run carried on to a later time; it begins at 0, too, and has the bits of an unbroken run.

        A run that was recorded into a file goes on in that file.

        Parameters
        ----------
        until : time
        threads : int, optional
            Another number of threads than before.
        progress : bool
            Show a bar with the time left.

        Raises
        ------
        InputError
            If the run has already passed `until`, or its engine cannot go on.
        """
        if self._resume is None:
            raise InputError(self._why_not())
        return self._resume(until, threads, progress)

    def checkpoint(self, path: str | Path) -> Path:
        """Write all that is needed to go on bit for bit (``.npz``); `rheobase.restore` reads it, `resume` goes on.

        Of a run that was recorded into a file it names that file, in which the run goes on.

        Raises
        ------
        InputError
            If it cannot be written, or the run's engine cannot go on.
        """
        from rheobase.engines.checkpoint import write_snapshot

        if self._state is None or self.network is None:
            raise InputError(self._why_not())
        return write_snapshot(self._state, self.network, path, self.path)

    def _why_not(self) -> str:
        """Return why the run does not go on."""
        if self.path is not None:
            return f"a run that was read from a file does not go on: {self.path} holds no state of it; run anew"
        return f"{self.engine} does not go on from where it stopped; run anew, or by rb.Clock()"

    def weights(self, projection: Projection | str, state: str = "w") -> np.ndarray:
        """Return the weights of a projection at the end of the run, one a synapse: shape (n_synapses,).

        They stand in the order of ``projection.synapses(run.seed)``, which tells who is joined to whom. Where nothing
        is plastic they are the weights as given.

        Parameters
        ----------
        projection : Projection or str
            What `connect` returned, or its name.
        state : str
            Another state of the synapses, such as a trace.

        Raises
        ------
        NotRecorded
            If there is no such projection, or its synapses have no such state.

        Examples
        --------
        >>> import rheobase as rb
        >>> net = rb.Network()
        >>> pre = net.add("pre", 1, rb.spikes([10.0, 20.0]))
        >>> E = net.add("E", 1, rb.LIF(), I=0)
        >>> s = net.connect(pre, E, one_to_one=True, weight="1 mV", delay="1 ms", synapse=rb.Synapse(on_pre="w <- w/2"))
        >>> rb.simulate(net, until="30 ms", seed=1).weights(s)
        array([0.25])
        """
        from rheobase.engines.plastic import synapse_states

        if self.network is None:
            raise NotRecorded(f"a run that was read from a file holds no synapses: {self.path}")
        known = {p.name: p for p in self.network.projections}
        found = known.get(projection) if isinstance(projection, str) else projection
        mine = self.network.projections
        if not isinstance(projection, str) and found not in mine:  # of the network that this one was made of
            at = getattr(projection, "index", len(mine))
            found = mine[at] if at < len(mine) and mine[at].name == projection.name else found
        if found not in self.network.projections:
            name = getattr(projection, "name", projection)
            raise NotRecorded(
                f"there is no projection '{name!s:.60}'.{nearest(str(name), known)} There are: {', '.join(known)}"
            )
        assert found is not None
        states = synapse_states(found, self._state, self.seed)
        if state not in states:
            raise NotRecorded(
                f"the synapses of {found.name} have no '{state!s:.60}'.{nearest(str(state), states)}"
                f" They have: {', '.join(states)}"
            )
        return states[state]

    def __getattr__(self, name: str) -> Any:
        own = () if name.startswith("_") else self.__dict__.get("populations", ())
        known = [n for n in (*NetworkRun.__dict__, *NetworkRun.__dataclass_fields__) if not n.startswith("_")]
        hint = f" A population is reached by its name: run['{name}']" if name in own else nearest(name, known)
        raise AttributeError(f"a run of a network has no '{name}'.{hint}")

    def __getitem__(self, name: str) -> Run | Spikes:
        if name not in self.populations:
            raise NotRecorded(
                f"there is no population '{name}'.{nearest(name, self.populations)}"
                f" There are: {', '.join(self.populations)}"
            )
        return self.populations[name]

    @property
    def n(self) -> int:
        """How many neurons and sources there are."""
        return sum(p.n for p in self.populations.values())

    @property
    def spikes(self) -> Spikes:
        """All spikes, neurons numbered through the network in the order of its populations."""
        parts = [(p.spikes if isinstance(p, Run) else p, self.offsets[name]) for name, p in self.populations.items()]
        times = np.concatenate([s.times for s, _ in parts])
        kept = None
        if any(s.kept is not None for s, _ in parts):
            kept = np.concatenate([(np.arange(s.n) if s.kept is None else s.kept) + o for s, o in parts])
        return Spikes.from_table(times, np.concatenate([s.neurons + o for s, o in parts]), self.n, kept)

    def rate(self, start: Any = 0.0) -> dict[str, float]:
        """Return each population's mean rate in Hz, over the neurons whose spikes were recorded; nan if none were."""
        start = to_number(start, "ms", "start")
        length = (self.until - start) / 1000.0
        if not length > 0 or start < 0:
            raise InputError(f"start = {start:g} ms must lie in 0 .. {self.until:g} ms")
        trains = {name: p.spikes if isinstance(p, Run) else p for name, p in self.populations.items()}
        count = {name: s.n if s.kept is None else len(s.kept) for name, s in trains.items()}
        return {
            name: float((s.times > start).sum() / count[name] / length) if count[name] else math.nan
            for name, s in trains.items()
        }

    def plot(self, start: float = 0.0, until: float | None = None, **options: Any) -> np.ndarray:
        """Draw a raster by population, their mean rates and their rate over time; return the three axes.

        `options` are those of `rheobase.plot.populations`: ``bin=``, ``most=``, ``title=``. Sources are left out.
        """
        from rheobase import plot

        spikes = {
            name: (p.spikes.times, p.spikes.neurons, p.n) for name, p in self.populations.items() if isinstance(p, Run)
        }
        return plot.populations(spikes, self.until if until is None else until, start, **options)

    def raster(self, axes: Axes | None = None, **style: Any) -> Axes:
        """Draw a dot for every spike, time against neuron; return the axes."""
        from rheobase import plot

        s = self.spikes
        return plot.raster(s.times, s.neurons, s.n, until=self.until, axes=axes, **style)

    def to_pandas(self) -> pandas.DataFrame:
        """Return all spikes as a table with the columns population, neuron, time (ms). Needs pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from None
        parts = [
            pandas.DataFrame({"population": name, "neuron": s.neurons, "time": s.times})
            for name, p in self.populations.items()
            for s in [p.spikes if isinstance(p, Run) else p]
        ]
        return pandas.concat(parts, ignore_index=True).sort_values("time", kind="stable", ignore_index=True)

    def content(self) -> Content:
        about = {"engine": self.engine, "seed": self.seed, "network": "network"}
        return Content(tuple(as_group(name, p) for name, p in self.populations.items()), self.until, about)

    def __repr__(self) -> str:
        rates = ", ".join(f"{name} {rate:.3g} Hz" for name, rate in self.rate().items()) if self.until else "no steps"
        took = ", ".join(f"{k} {v:.3g} s" for k, v in self.seconds.items() if v > 0)
        head = f"Run of a network: {self.n} neurons, {self.until:g} ms; {rates}"
        return f"{head}\n  engine {self.engine}; seed {self.seed}; {took}"
