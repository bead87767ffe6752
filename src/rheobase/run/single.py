"""Run: spikes and traces of one population, and how they were computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError, NotRecorded, nearest
from rheobase.formats.content import Content, Group
from rheobase.formats.convertible import Convertible
from rheobase.model.neuron import Neuron
from rheobase.units import to_number

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["Run", "as_group"]


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

    def rate(self, start: Any = 0.0) -> Any:
        """Return spikes per second of each neuron, shape (n_neurons,); a float for a single neuron.

        It is nan for neurons whose spikes were not recorded.

        Parameters
        ----------
        start : time
            Spikes up to this time are left out.
        """
        start = to_number(start, "ms", "start")
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
        return Content((as_group(self.model.name, self),), self.until, self._about())

    def _about(self) -> dict[str, Any]:
        return {"engine": self.engine, "method": self.method, "order": self.order, "seed": self.seed}

    def save(self, path: str | Path) -> Path:
        """Write everything to one file (``.npz``: arrays and JSON, no pickles); `load` reads it back."""
        from rheobase.run.file import write_run

        return write_run(self, path)

    @staticmethod
    def load(path: str | Path) -> Run:
        """Return the run that `save` wrote, as `rheobase.load` does."""
        from rheobase.run.file import read_run

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


def as_group(name: str, of: Run | Spikes) -> Group:
    """Return a population as plain arrays."""
    none = np.empty(0)
    if isinstance(of, Spikes):
        return Group(name, of.n, of.times, of.neurons, of.kept, none, {}, {}, none.astype(np.int64))
    s, traces = of.spikes, dict(of.traces)
    whose = np.arange(of.n) if of.recorded is None else of.recorded
    if of.reduced:
        whose = whose[:0]
    return Group(name, of.n, s.times, s.neurons, s.kept, of.t, traces, {k: of.model.unit(k) for k in traces}, whose)
