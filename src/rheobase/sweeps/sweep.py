"""sweep(work, grid): one thing done for every combination of values."""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, final

import numpy as np

from rheobase.errors import InputError, RheobaseError
from rheobase.model.neuron import Neuron
from rheobase.simulation import simulate
from rheobase.sweeps.grid import Grid, describe, read_grid
from rheobase.sweeps.ledger import Ledger
from rheobase.sweeps.result import Sweep
from rheobase.sweeps.workers import run_points

__all__ = ["sweep"]


def sweep(
    work: Callable[..., Any] | Neuron,
    grid: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    executor: Any = None,
    *,
    measure: Callable[[Any], Any] | None = None,
    repeats: int = 1,
    seed: int = 0,
    to: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    errors: str = "raise",
    progress: bool = False,
    **fixed: Any,
) -> Sweep:
    """Return what `work` gives for every combination of the values in `grid`, as arrays with named axes.

    Every point has a random seed of its own, made of `seed` and its number; so the result does not depend on who
    computes it, nor in which order.

    Parameters
    ----------
    work : function or Neuron
        A function is called ``work(**point, **fixed)``, with ``seed=`` if it has an argument of that name. It returns
        a number, an array, or a dict of those, of the same shapes at every point. A neuron is simulated:
        ``simulate(neuron, **point, **fixed)``, and `measure` is taken of the run.
    grid : dict of lists, or list of dicts
        ``{"tau": ["10 ms", "20 ms"], "I": [0.1, 0.2, 0.3]}``, every combination, the last name fastest; or the points.
    executor : None, int, "here", concurrent.futures.Executor or dask.distributed.Client
        Who computes: all cores (by joblib), so many processes, this process, or what is given.
    measure : function, optional
        Of the run of a neuron; its rate (Hz) if not given.
    repeats : int
        Each point so often, with other seeds; a last axis ``repeat``.
    seed : int
    to : path, optional
        A file that gets each point as soon as it is known. Called again with the same grid, the sweep goes on where it
        was: after Ctrl-C, a failure or ``kill -9`` no point is lost or run twice.
    overwrite : bool
        Begin anew if the file is there.
    errors : str
        "raise": the first point that fails ends the sweep, named; "keep": it gives nan, and ``failures`` tells.
    progress : bool
        Show a bar with the time left.
    **fixed
        Further arguments, the same at every point.

    Raises
    ------
    InputError
        For an empty or crooked grid, a point that fails, results that are no numbers, or a file of another sweep.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> found = sweep(LIF(), {"tau": ["10 ms", "20 ms"], "I": [0.1, 0.3, 0.5]}, "here", until="1 s")
    >>> found.axes, found["rate"].shape
    (('tau', 'I'), (2, 3))
    >>> sweep(lambda x, y: x + y, {"x": [1, 2], "y": [10, 20]}, "here").values
    array([[11., 21.],
           [12., 22.]])
    """
    if errors not in ("raise", "keep"):
        raise InputError(f"errors = {errors!r:.60} must be 'raise' or 'keep'")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed = {seed!r:.60} must be a whole number from 0")
    known = read_grid(grid, repeats)
    job = _Job(_as_function(work, measure), known.points, fixed, seed, _takes_seed(work))
    _check_names(known, fixed, job)
    begin = perf_counter()
    ledger = None
    if to is not None:
        ledger = Ledger(Path(to), known.key, job.told, seed, len(known.points), overwrite)
    done = {} if ledger is None else dict(ledger.done)
    taken, failures = len(done), dict[int, str]()
    left = [i for i in range(len(known.points)) if i not in done]
    try:
        with _bar(len(known.points), taken, progress) as step:
            for index, raw, wrong in run_points(job, left, executor) if left else ():
                if wrong is not None:
                    failures[index] = wrong
                    if errors == "raise":
                        raise InputError(f"{_point(known, index)} failed: {wrong}")
                else:
                    done[index] = raw
                    if ledger is not None:
                        ledger.add(index, raw)
                step()
    finally:
        if ledger is not None:
            ledger.close()
    where = {tuple(int(x) for x in np.unravel_index(i, known.shape)): text for i, text in failures.items()}
    return Sweep(known, _gather(known, done), where, len(left), taken, perf_counter() - begin)


@final
@dataclass(frozen=True)
class _Job:
    """What a worker does for one point; it can be sent to another process."""

    function: Callable[..., Any]
    points: tuple[Mapping[str, Any], ...]
    fixed: Mapping[str, Any]
    seed: int
    takes_seed: bool

    def __call__(self, index: int) -> tuple[int, dict[str, np.ndarray] | None, str | None]:
        arguments = {**self.fixed, **self.points[index]}
        if self.takes_seed and "seed" not in arguments:
            arguments["seed"] = seed_of(self.seed, index)
        try:
            return index, _as_arrays(self.function(**arguments)), None
        except RheobaseError as error:
            return index, None, str(error)
        except Exception as error:  # the worker goes on with the next point; the sweep tells which one failed
            place = traceback.extract_tb(error.__traceback__)[-1]
            return index, None, f"{type(error).__name__}: {error} (line {place.lineno} of {place.name})"

    @property
    def told(self) -> str:
        """What is done, as a text: a file of other work is not gone on with."""
        function = self.function
        name = describe_function(function)
        fixed = ", ".join(f"{k}={describe(v)}" for k, v in sorted(self.fixed.items()))
        return f"{name}({fixed})"


def describe_function(function: Callable[..., Any]) -> str:
    """Return a text that tells functions apart: name and, of a neuron's run, its rows and values."""
    if isinstance(function, functools.partial):
        more = [x.to_dict() if isinstance(x, Neuron) else getattr(x, "__qualname__", None) for x in function.args]
        content = hashlib.sha256(repr(more).encode()).hexdigest()[:12]
        return f"{describe_function(function.func)}:{content}"
    return getattr(function, "__qualname__", type(function).__name__)


def seed_of(seed: int, index: int) -> int:
    """Return a point's own seed.

    >>> seed_of(0, 0) != seed_of(0, 1) != seed_of(1, 0)
    True
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {index}".encode()).digest()[:4], "little")


def _as_function(work: Any, measure: Callable[[Any], Any] | None) -> Callable[..., Any]:
    if isinstance(work, Neuron):
        return functools.partial(_simulate, work, measure)
    if measure is not None:
        raise InputError("measure= is taken of a neuron's run; a function returns what is measured by itself")
    if not callable(work):
        raise InputError(f"work = {work!r:.60} is neither a function nor a Neuron")
    return work


def _simulate(neuron: Neuron, measure: Callable[[Any], Any] | None, **given: Any) -> Any:
    if measure is None:
        return {"rate": simulate(neuron, record=given.pop("record", False), **given).rate()}
    return measure(simulate(neuron, **given))


def _takes_seed(work: Any) -> bool:
    if isinstance(work, Neuron):
        return True
    try:
        return "seed" in inspect.signature(work).parameters
    except (TypeError, ValueError):
        return False


def _check_names(grid: Grid, fixed: Mapping[str, Any], job: _Job) -> None:
    for name in grid.points[0]:
        if name in fixed:
            raise InputError(f"{name} is in the grid and fixed, too; give it once")
    try:
        inspect.signature(job.function).bind(**{**fixed, **grid.points[0]}, **({"seed": 0} if job.takes_seed else {}))
    except TypeError as error:
        raise InputError(f"the work cannot be called with {', '.join([*grid.points[0], *fixed])}: {error}") from None
    except ValueError:
        return  # a function that has no signature


def _as_arrays(found: Any) -> dict[str, np.ndarray]:
    values = found if isinstance(found, Mapping) else {"value": found}
    out = {}
    for name, value in values.items():
        x = np.asarray(value)
        if x.dtype.kind not in "biuf":
            raise InputError(f"the work returned {name} = {value!r:.60}; return numbers, arrays, or a dict of those")
        out[str(name)] = x
    return out


def _gather(grid: Grid, done: Mapping[int, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return an array for each thing measured; nan where there is nothing."""
    if not done:
        return {}
    first = done[min(done)]
    out = {}
    for name, x in first.items():
        whole = np.full((len(grid.points), *x.shape), np.nan)
        for index, values in done.items():
            if {*values} != {*first} or values[name].shape != x.shape:
                raise InputError(
                    f"{_point(grid, index)} gave {name} of shape {getattr(values.get(name), 'shape', None)}, others"
                    f" {x.shape}; return the same shapes at every point"
                )
            whole[index] = values[name]
        out[name] = whole.reshape(*grid.shape, *x.shape)
    return out


def _point(grid: Grid, index: int) -> str:
    told = ", ".join(f"{k}={describe(v):.40}" for k, v in grid.points[index].items())
    return f"point {index} ({told})"


class _Bar:
    """tqdm's bar, or nothing."""

    def __init__(self, total: int, done: int, wanted: bool) -> None:
        self._bar: Any = None
        if wanted:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, initial=done, unit="point", file=sys.stderr)

    def __enter__(self) -> Callable[[], None]:
        return lambda: None if self._bar is None else self._bar.update(1) and None

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()


_bar = _Bar
