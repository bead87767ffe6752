"""Run: what a simulation gives back, and how it was computed."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError, NotRecorded, nearest
from rheobase.formats.content import Content, Group
from rheobase.formats.convertible import Convertible
from rheobase.model.neuron import Neuron

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from rheobase.engines.checkpoint import ExactSnapshot, Snapshot
    from rheobase.network.network import Network
    from rheobase.network.projection import Projection

__all__ = ["NetworkRun", "Run", "read_run"]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Run(Convertible):
    """Spikes and traces of a simulation, with the account of how they were computed.

    Attributes
    ----------
    spikes : Spikes
        ``spikes[i]`` are neuron i's times in ms; ``.times`` and ``.neurons`` the table sorted by time.
    t : array (n_times,)
        Times of the traces, in ms.
    v, w, ... : array (n_neurons, n_times), or (n_times,) for a single neuron
        One for each recorded state.
    final : dict
        The states at the end, shape (n_neurons,).
    engine, method, order : str
        What ran it, by which formula, with which order of accuracy.
    seed : int
        Give it to `simulate` to get the same random numbers again.
    seconds : dict
        Wall-clock times: prepare, compile, run.
    """

    model: Neuron
    n: int
    single: bool
    until: float
    seed: int
    spikes: Spikes
    t: np.ndarray
    traces: Mapping[str, np.ndarray]
    final: Mapping[str, np.ndarray]
    engine: str
    method: str
    order: str
    seconds: Mapping[str, float]
    values: Mapping[str, float | np.ndarray]  # parameters and held inputs as they were in this run
    recorded: np.ndarray | None = None  # which neurons the traces are of; None: all
    reduced: str | None = None  # "mean": the traces are means over those

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name in Run.__dataclass_fields__:
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a recorded state, or a derived quantity of the rows if its states were recorded."""
        if name in self.traces:
            trace = self.traces[name]
            return trace[0] if self.single or self.reduced else trace
        if name in dict(self.model.rows.derived):
            return self._derive(name)
        if name in self.model.states:
            raise NotRecorded(
                f"{name} was not recorded ({self.n} neurons); run with record='{name}' (and record_every='1 ms')"
            )
        known = [*self.model.states, *(n for n, _ in self.model.rows.derived), "spikes", "t", "rate"]
        raise NotRecorded(
            f"a run of {self.model.name} has no '{name}'.{nearest(name, known)} It has: {', '.join(known)}"
        )

    def _derive(self, name: str) -> np.ndarray:
        from rheobase.derive.evaluate import evaluate

        if self.reduced:
            raise NotRecorded(f"{name} is derived from states of single neurons, but their {self.reduced} was recorded")
        value = self.model.rows.substitute(dict(self.model.rows.derived)[name].value)
        needed = {s.name for s in value.free_symbols}
        env: dict[str, Any] = {}
        for key in needed:
            if key in self.traces:
                env[key] = self.traces[key]
            elif key in self.values:
                x = np.asarray(self.values[key])
                rows = x if x.ndim == 0 or self.recorded is None else x[self.recorded]
                env[key] = rows[:, None] if x.ndim else float(x)
            else:
                raise NotRecorded(f"{name} needs {key}, which was not recorded")
        count = self.n if self.recorded is None else len(self.recorded)
        out = np.broadcast_to(np.asarray(evaluate(value, env)), (count, len(self.t)))
        return out[0] if self.single else out

    @property
    def table(self) -> np.ndarray:
        """All spikes as one structured array with the fields ``time`` (ms) and ``neuron``."""
        out = np.empty(len(self.spikes.times), dtype=[("time", float), ("neuron", np.int64)])
        out["time"], out["neuron"] = self.spikes.times, self.spikes.neurons
        return out

    def rate(self, start: float = 0.0) -> Any:
        """Return spikes per second of each neuron, shape (n_neurons,); a float for a single neuron.

        It is nan for neurons whose spikes were not recorded.

        Parameters
        ----------
        start : float
            Spikes up to this time (ms) are left out.
        """
        if not 0 <= start < self.until:
            raise InputError(f"start = {start:g} ms must lie in 0 .. {self.until:g} ms")
        late = self.spikes.times > start
        count = np.bincount(self.spikes.neurons[late], minlength=self.n)
        rate = count / (self.until - start) * 1000.0
        if self.spikes.kept is not None:
            rate[np.setdiff1d(np.arange(self.n), self.spikes.kept)] = np.nan
        return float(rate[0]) if self.single else rate

    def plot(self, *states: str, axes: Any = None) -> Any:
        """Draw the traces of a few neurons, with spikes; return the axes (one below the other)."""
        from rheobase import plot

        names = states or tuple(self.traces)
        if not names:
            raise NotRecorded("no state was recorded; run with record='v', or use raster()")
        panels = {
            s: (self.traces[s] if s in self.traces else np.atleast_2d(self[s]), self.model.unit(s)) for s in names
        }
        limit = self._threshold()
        whose = np.arange(self.n) if self.recorded is None else self.recorded
        some = self.reduced is not None or (self.spikes.kept is not None and not np.isin(whose, self.spikes.kept).all())
        trains = [] if some else [self.spikes[int(i)] for i in whose]
        return plot.traces(self.t, panels, spikes=trains, threshold=limit, title=self.model.name, axes=axes)

    def _threshold(self) -> tuple[str, float] | None:
        """Return (state, value) where the threshold row compares a state with a constant."""
        rows = self.model.rows.threshold
        if rows is None or getattr(rows.value, "lhs", None) is None or not rows.value.lhs.is_Symbol:
            return None
        value = rows.value.rhs
        if value.is_number:
            return rows.value.lhs.name, float(value)
        limit = self.values.get(value.name) if value.is_Symbol else None
        return (rows.value.lhs.name, limit) if isinstance(limit, float) else None

    def raster(self, axes: Axes | None = None, **style: Any) -> Axes:
        """Draw a dot for every spike, time against neuron; return the axes."""
        from rheobase import plot

        return plot.raster(self.spikes.times, self.spikes.neurons, self.n, until=self.until, axes=axes, **style)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the spikes as a table with the columns population, neuron, time (ms). Needs pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from None
        return pandas.DataFrame(
            {"population": self.model.name, "neuron": self.spikes.neurons, "time": self.spikes.times}
        )

    def content(self) -> Content:
        return Content((_group(self.model.name, self),), self.until, self._about())

    def _about(self) -> dict[str, Any]:
        return {"engine": self.engine, "method": self.method, "order": self.order, "seed": self.seed}

    def save(self, path: str | Path) -> Path:
        """Write everything to one file (``.npz``: arrays and JSON, no pickles); `load` reads it back."""
        path = Path(path)
        if path.suffix != ".npz":
            path = path.with_name(path.name + ".npz")
        head = {
            "format": "rheobase run",
            "version": 1,
            "model": self.model.to_dict(),
            "n": self.n,
            "single": self.single,
            "until": self.until,
            "seed": self.seed,
            "engine": self.engine,
            "method": self.method,
            "order": self.order,
            "seconds": dict(self.seconds),
            "reduced": self.reduced,
        }
        arrays = {"times": self.spikes.times, "neurons": self.spikes.neurons, "t": self.t}
        arrays |= {} if self.recorded is None else {"recorded": self.recorded}
        arrays |= {} if self.spikes.kept is None else {"kept": self.spikes.kept}
        arrays |= {f"value {s}": np.asarray(x) for s, x in self.values.items()}
        arrays |= {f"trace {s}": x for s, x in self.traces.items()} | {f"final {s}": x for s, x in self.final.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, head=np.array(json.dumps(head)), **arrays)
        try:
            path.write_bytes(buffer.getvalue())
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from None
        return path

    @staticmethod
    def load(path: str | Path) -> Run:
        """Return the run that `save` wrote, as `rheobase.load` does."""
        return read_run(path)

    def __repr__(self) -> str:
        n = f"{self.n} neurons" if not self.single else "one neuron"
        count = len(self.spikes.times)
        traces = f", traces of {', '.join(self.traces)}" if self.traces else ""
        took = ", ".join(f"{k} {v:.3g} s" for k, v in self.seconds.items() if v > 0)
        return (
            f"Run of {self.model.name}: {n}, {self.until:g} ms, {count} spike{'s' * (count != 1)}{traces}\n"
            f"  engine {self.engine}, method '{self.method}', order of accuracy: {self.order}\n"
            f"  seed {self.seed}; {took}"
        )


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
    _state: Snapshot | ExactSnapshot | None
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
            If the run has already passed `until`, or was read from a file.
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
            If it cannot be written, or the run was read from a file.
        """
        from rheobase.engines.checkpoint import write_snapshot

        if self._state is None or self.network is None:
            raise InputError(self._why_not())
        return write_snapshot(self._state, self.network, path, self.path)

    def _why_not(self) -> str:
        """Return why the run does not go on."""
        if self.path is not None:
            return f"a run that was read from a file does not go on: {self.path} holds no state of it; run anew"
        return f"this run by {self.engine} holds no state from which it could go on; run anew"

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

    def rate(self, start: float = 0.0) -> dict[str, float]:
        """Return each population's mean rate in Hz, over the neurons whose spikes were recorded; nan if none were."""
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
        return Content(tuple(_group(name, p) for name, p in self.populations.items()), self.until, about)

    def __repr__(self) -> str:
        rates = ", ".join(f"{name} {rate:.3g} Hz" for name, rate in self.rate().items()) if self.until else "no steps"
        took = ", ".join(f"{k} {v:.3g} s" for k, v in self.seconds.items() if v > 0)
        head = f"Run of a network: {self.n} neurons, {self.until:g} ms; {rates}"
        return f"{head}\n  engine {self.engine}; seed {self.seed}; {took}"


def _group(name: str, of: Run | Spikes) -> Group:
    """Return a population as plain arrays."""
    none = np.empty(0)
    if isinstance(of, Spikes):
        return Group(name, of.n, of.times, of.neurons, of.kept, none, {}, {}, none.astype(np.int64))
    s, traces = of.spikes, dict(of.traces)
    whose = np.arange(of.n) if of.recorded is None else of.recorded
    if of.reduced:
        whose = whose[:0]
    return Group(name, of.n, s.times, s.neurons, s.kept, of.t, traces, {k: of.model.unit(k) for k in traces}, whose)


def read_run(path: str | Path) -> Run:
    """Return the run that `Run.save` wrote.

    Raises
    ------
    InputError
        If the file is missing, truncated, or something else.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            if head.get("format") != "rheobase run" or head.get("version") != 1:
                raise InputError(f"{path} holds no run of rheobase, or one of a newer version")
            arrays = {k: data[k] for k in data.files if k != "head"}
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, json.JSONDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is truncated or no file of rheobase ({type(error).__name__})") from None
    n = int(head["n"])
    return Run(
        Neuron.from_dict(head["model"]),
        n,
        bool(head["single"]),
        float(head["until"]),
        int(head["seed"]),
        Spikes(arrays["times"], arrays["neurons"], n, arrays.get("kept")),
        arrays["t"],
        {k.removeprefix("trace "): x for k, x in arrays.items() if k.startswith("trace ")},
        {k.removeprefix("final "): x for k, x in arrays.items() if k.startswith("final ")},
        head["engine"],
        head["method"],
        head["order"],
        head["seconds"],
        {k.removeprefix("value "): x if x.ndim else float(x) for k, x in arrays.items() if k.startswith("value ")},
        arrays.get("recorded"),
        head.get("reduced"),
    )
