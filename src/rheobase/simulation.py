"""simulate(model, ...) -> Run, and live(model): the two ways to run a neuron."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.population import Population, prepare
from rheobase.engines.result import Recording, Result
from rheobase.errors import InputError, nearest
from rheobase.model.neuron import Neuron
from rheobase.run import NetworkRun, Run
from rheobase.units import to_number

if TYPE_CHECKING:  # what one neuron on a grid does not need is imported where it is used: a first run is waited for
    from rheobase.engines.exact import Exact
    from rheobase.engines.markov_run import MarkovRun
    from rheobase.model.markov import MarkovNeuron
    from rheobase.network.network import Network
    from rheobase.runs import NetworkRuns

__all__ = ["simulate"]

_FEW = 2_000_000  # values of traces that are recorded without being asked for: 16 MB


class Engine(Protocol):
    """What can run a population."""

    def run(self, population: Population, until: float, recording: Recording) -> Result:
        """Return the result of a run until `until` ms."""
        ...


@overload
def simulate(model: Network, until: Any = None, *, batch: Mapping[str, Any], **options: Any) -> NetworkRuns: ...
@overload
def simulate(model: Network, until: Any = None, *, batch: None = None, **options: Any) -> NetworkRun: ...
@overload
def simulate(model: MarkovNeuron, until: Any = None, **options: Any) -> MarkovRun: ...
@overload
def simulate(model: Neuron, until: Any = None, **options: Any) -> Run: ...
def simulate(
    model: Neuron | Network | MarkovNeuron,
    until: Any = None,
    *,
    dt: Any = None,
    engine: Engine | None = None,
    method: str | None = None,
    seed: int | None = None,
    record: str | Iterable[str] | bool | None = None,
    record_every: Any = None,
    record_neurons: Any = None,
    record_to: Any = None,
    overwrite: bool = False,
    n: int | None = None,
    progress: bool = False,
    batch: Mapping[str, Any] | None = None,
    **given: Any,
) -> Run | NetworkRun | NetworkRuns | MarkovRun:
    """Return the `Run` of a neuron, of many at once, or of a network.

    Parameters
    ----------
    model : Neuron, Network or MarkovNeuron
        A network runs on ``Clock(dt="0.1 ms")``, shared by the processes that ``mpirun -n N python script.py`` starts.
        A Markov-chain neuron is run exactly by `rheobase.engines.markov.simulate_markov`, which takes `until`,
        `n`, `seed`, `record_every` (its occupancies) and inputs from here.
    until : time
        How long, in ms.
    dt, method : time, str, optional
        Short for ``engine=Clock(dt, method)``.
    engine : Exact, Clock, Precise or Reference, optional
        Without it `Exact` runs what its rows allow, and ``Clock(dt="0.1 ms")`` the rest.
    seed : int, optional
        Makes random numbers repeatable; without it one is drawn, and told by ``run.seed``.
    record : str, list of str, bool, Record, or a dict of them by population, optional
        States to keep. By default all of them, as long as they fit into 16 MB; of a network none. Spikes always,
        where no `Record` says otherwise; it also says windows, means and subsets, and is for networks.
    record_every : time, optional
        Keep the states this often.
    record_neurons : array of int, optional
        Keep the states of these neurons only.
    record_to : path, optional
        Of a network: write spikes and states into this file (``run.rheo``) while it runs, instead of keeping them in
        memory. Whatever ends the run, what was written can be read by `load`.
    overwrite : bool
        Replace the file `record_to` if it is there.
    n : int, optional
        How many equal neurons (for noise); arrays among the values set it too.
    progress : bool
        Of a network: show a bar with the time left.
    batch : mapping, optional
        Of a network: names as `Network.replace` takes them, each with a list of values, one a run; or ``"seed"``. The
        result is a `NetworkRuns`, in which each run has the bits of a run alone. What joins the neurons is built once,
        where it does not change. (Of neurons, arrays of values do the same.)
        Inputs (numbers, arrays with one value a neuron, stimuli such as `step`), spikes at a port
        (`spikes`, `poisson`, or a list of times), other values of parameters, initial values of states.

    Raises
    ------
    InputError
        For an unknown or missing name, NaN, arrays of different lengths, a time that is not positive, or a file that
        cannot be written.
    UnitMismatch
        If a value has another unit than the rows ask for.

    Examples
    --------
    >>> from rheobase.model.zoo import LIF
    >>> simulate(LIF(), I="0.3 nA", until="100 ms", dt="0.1 ms").spikes[0]
    array([22., 46., 70., 94.])
    """
    if not isinstance(model, Neuron):
        _check_kind(model)
    if until is None:
        raise InputError("how long? give until=, for example until='1 s'")
    end = to_number(until, "ms", "until")
    if not 0 < end < float("inf"):
        raise InputError(f"until = {end:g} ms lies in the past or never; a run begins at 0, so give a positive time")
    if seed is None:
        seed = _draw_seed(model, engine)
    elif not _is_count(seed, 0):
        raise InputError(f"seed = {seed!r:.60} must be a whole number from 0")
    if n is not None and not _is_count(n, 1):
        raise InputError(f"n = {n!r:.60} must be a whole number from 1, how many neurons")
    if engine is not None and (isinstance(engine, type) or not callable(getattr(engine, "run", None))):
        what = f"engine = {getattr(engine, '__name__', repr(engine)):.60}"
        raise InputError(f"{what} is no engine; give for example engine=rb.Clock(dt='0.1 ms') or rb.Exact()")
    if engine is not None and (dt is not None or method is not None):
        raise InputError("give either engine= or dt=/method=, which mean engine=Clock(dt, method)")
    if not isinstance(model, Neuron):
        from rheobase.model.markov import MarkovNeuron

        if isinstance(model, MarkovNeuron):
            return _simulate_markov(model, end, n, int(seed), record_every, given)
        chosen = engine or Clock("0.1 ms" if dt is None else dt, method or "auto")
        if n is not None or given:
            name = "n" if n is not None else next(iter(given))
            raise InputError(
                f"a network takes no {name}= here; give it where the population is made, net.add(..., {name}=...)"
            )
        if not isinstance(chosen, Clock | _exact()):
            raise InputError(
                f"{type(chosen).__name__} runs unconnected neurons; run a network with engine=rb.Clock(dt='0.1 ms')"
                " or rb.Exact()"
            )
        from rheobase.engines.request import read_recordings
        from rheobase.running import batch_network, run_alone, stream_network

        recordings = read_recordings(model, record, record_every, record_neurons, end)
        if batch is not None:
            if record_to is not None:
                raise InputError("batch= and record_to= do not go together; run one after the other, each into a file")
            return batch_network(model, end, chosen, int(seed), recordings, progress, batch)
        if record_to is None:
            return run_alone(model, end, chosen, int(seed), recordings, progress=progress)
        return stream_network(model, end, chosen, int(seed), recordings, progress, record_to, overwrite)
    if batch is not None:
        raise InputError("batch= is for networks; of neurons give arrays of values, which makes one neuron of each")
    if record_to is not None:
        raise InputError("record_to= streams the run of a network; of neurons, write run.save(path) after the run")
    population = prepare(model, given, int(seed), None if n is None else int(n))
    chosen = engine or _choose(population, dt, method)
    if isinstance(chosen, Clock):
        end = steps_until(end, chosen.dt) * chosen.dt
    recording = _recording(population, end, record, record_every, record_neurons, getattr(chosen, "dt", 0.1))
    result = chosen.run(population, end, recording)
    return Run(
        model,
        population.n,
        population.single,
        end,
        int(seed),
        result.spikes,
        result.t,
        result.traces,
        result.final,
        result.engine,
        result.method,
        result.order,
        result.seconds,
        population.values,
        recording.neurons,
    )


def _draw_seed(model: Any, engine: Any) -> int:
    """Return a seed nobody has given; of several processes started by MPI, one for all."""
    from rheobase.engines.mpi import agree_on_seed

    return agree_on_seed(
        secrets.randbits(32), hasattr(model, "projections") and (engine is None or isinstance(engine, Clock))
    )


def _check_kind(model: Any) -> None:
    from rheobase.model.markov import MarkovNeuron
    from rheobase.network.network import Network

    if not isinstance(model, Network | MarkovNeuron):
        raise InputError(
            f"simulate wants a Neuron or a Network, not {type(model).__name__}; write rb.Neuron(...)"
            " or take one such as rb.LIF()"
        )


def _simulate_markov(
    model: MarkovNeuron, until: float, n: int | None, seed: int, every: Any, given: dict[str, Any]
) -> MarkovRun:
    from rheobase.engines.markov import simulate_markov

    bound = given.pop("bound", None)
    return simulate_markov(model, until, n or 1, seed=seed, inputs=given, every=every, bound=bound)


def _exact() -> type[Exact]:
    from rheobase.engines.exact import Exact

    return Exact


def _is_count(value: Any, low: int) -> bool:
    return bool(
        isinstance(value, int | float | np.integer | np.floating) and value >= low and float(value).is_integer()
    )


def _choose(population: Population, dt: Any, method: str | None) -> Engine:
    if dt is not None or method is not None:
        return Clock("0.1 ms" if dt is None else dt, method or "auto")
    from rheobase.engines.exact import Exact, is_exact

    return Exact() if is_exact(population) else Clock()


def _recording(p: Population, until: float, record: Any, every: Any, neurons: Any, dt: float) -> Recording:
    states = p.neuron.states
    step = None if every is None else to_number(every, "ms", "record_every")
    if step is not None and step <= 0:
        raise InputError(f"record_every = {step:g} ms is not positive")
    chosen = None
    if neurons is not None:
        chosen = np.unique(np.atleast_1d(np.asarray(neurons)))
        if chosen.dtype.kind not in "iu" or chosen.size == 0 or chosen[0] < 0 or chosen[-1] >= p.n:
            raise InputError(f"record_neurons must be numbers from 0 to {p.n - 1}")
    if record is None:
        count = (p.n if chosen is None else len(chosen)) * (until / (step or dt) + 1) * len(states)
        return Recording(states if count <= _FEW else (), step, chosen)
    if isinstance(record, bool):
        return Recording(states if record else (), step, chosen)
    if type(record).__name__ == "Record":
        raise InputError("rb.Record is for networks; of neurons write record=, record_every=, record_neurons=")
    names = [record] if isinstance(record, str) else [*record] if isinstance(record, Iterable) else None
    if names is None:
        raise InputError(f"record = {record!r:.60} must be the name of a state, a list of names, True or False")
    for name in names:
        if name not in states and name != "spikes":
            raise InputError(
                f"record = '{name}' is no state of {p.neuron.name}.{nearest(str(name), states)}"
                f" States: {', '.join(states)}"
            )
    return Recording(tuple(s for s in states if s in names), step, chosen)
