"""simulate(model, ...) -> Run, and live(model): the two ways to run a neuron."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.population import Population, prepare
from rheobase.engines.result import Recording, Result
from rheobase.errors import InputError, nearest
from rheobase.model.neuron import Neuron
from rheobase.run import NetworkRun, Run
from rheobase.runs import NetworkRuns
from rheobase.units import to_number

if TYPE_CHECKING:  # what one neuron on a grid does not need is imported where it is used: a first run is waited for
    from rheobase.engines.checkpoint import Snapshot
    from rheobase.engines.exact import Exact
    from rheobase.engines.markov_run import MarkovRun
    from rheobase.engines.shared import Shared
    from rheobase.engines.spikes import Spikes
    from rheobase.model.markov import MarkovNeuron
    from rheobase.network.network import Network

__all__ = ["restore", "simulate"]

_FEW = 2_000_000  # values of traces that are recorded without being asked for: 16 MB


class Engine(Protocol):
    """What can run a population."""

    def run(self, population: Population, until: float, recording: Recording) -> Result:
        """Return the result of a run until `until` ms."""
        ...


@overload
def simulate(model: Network, until: Any = None, *, sweep: Mapping[str, Any], **options: Any) -> NetworkRuns: ...
@overload
def simulate(model: Network, until: Any = None, *, sweep: None = None, **options: Any) -> NetworkRun: ...
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
    sweep: Mapping[str, Any] | None = None,
    **given: Any,
) -> Run | NetworkRun | NetworkRuns | MarkovRun:
    """Return the `Run` of a neuron, of many at once, or of a network.

    Parameters
    ----------
    model : Neuron, Network or MarkovNeuron
        A network runs on ``Clock(dt="0.1 ms")``.
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
    sweep : mapping, optional
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
        seed = secrets.randbits(32)
    elif not _is_count(seed, 0):
        raise InputError(f"seed = {seed!r:.60} must be a whole number from 0")
    if n is not None and not _is_count(n, 1):
        raise InputError(f"n = {n!r:.60} must be a whole number from 1, how many neurons")
    if engine is not None and not callable(getattr(engine, "run", None)):
        raise InputError(
            f"engine = {engine!r:.60} is no engine; give for example engine=rb.Clock(dt='0.1 ms') or rb.Exact()"
        )
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

        recordings = read_recordings(model, record, record_every, record_neurons, end)
        if sweep is not None:
            if record_to is not None:
                raise InputError("sweep= and record_to= do not go together; run one after the other, each into a file")
            return _sweep_network(model, end, chosen, int(seed), recordings, progress, sweep)
        if record_to is None:
            return _run_network(model, end, chosen, int(seed), recordings, progress=progress)
        return _stream_network(model, end, chosen, int(seed), recordings, progress, record_to, overwrite)
    if sweep is not None:
        raise InputError("sweep= is for networks; of neurons give arrays of values, which makes one neuron of each")
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


def _sweep_network(
    net: Network,
    until: float,
    engine: Clock | Exact,
    seed: int,
    recordings: Mapping[str, Recording],
    progress: bool,
    sweep: Mapping[str, Any],
) -> NetworkRuns:
    """Return the runs of a sweep, one after the other."""
    from rheobase.engines.shared import Shared
    from rheobase.network.change import read_sweep

    values, planned = read_sweep(net, sweep, seed)
    shared, runs = Shared(), []
    for changed, own in planned:
        runs.append(_run_network(changed, until, engine, own, recordings, None, progress, shared))
        if isinstance(engine, Clock) and runs[-1].until < (steps_until(until, engine.dt) - 0.5) * engine.dt:
            break  # Ctrl-C
    return NetworkRuns(tuple(runs), {name: given[: len(runs)] for name, given in values.items()})


def _stream_network(
    net: Network,
    until: float,
    engine: Clock | Exact,
    seed: int,
    recordings: Mapping[str, Recording],
    progress: bool,
    path: Any,
    overwrite: bool,
    start: Snapshot | None = None,
) -> NetworkRun:
    """Return the run of a network as it is in the file that it was recorded into."""
    from rheobase.engines.network import run_network
    from rheobase.engines.stream import Stream
    from rheobase.recorded import open_recording

    if not isinstance(engine, Clock):
        raise InputError("record_to= goes with rb.Clock(); Exact keeps what it records in memory")
    behind = None if start is None else start.k
    stream = Stream(path, net, recordings, engine.dt, until, seed, overwrite, behind)
    _, snapshot = run_network(net, engine, until, recordings, seed, start, progress, stream)
    if snapshot.k < steps_until(until, engine.dt):
        warnings.warn(
            f"interrupted at {snapshot.k * engine.dt:g} ms; {stream.path} holds all until then, and"
            " run.resume(until=...) goes on from there",
            stacklevel=3,
        )

    def go_on(until: Any, threads: int | None, progress: bool) -> NetworkRun:
        end = to_number(until, "ms", "until")
        chosen = Clock(engine.dt, engine.method, threads or engine.threads, engine.precision)
        return _stream_network(net, end, chosen, seed, recordings, progress, stream.path, False, snapshot)

    return open_recording(stream.path, net, go_on)


def _run_network(
    net: Network,
    until: float,
    engine: Clock | Exact,
    seed: int,
    recordings: Mapping[str, Recording],
    start: Snapshot | None = None,
    progress: bool = False,
    shared: Shared | None = None,
) -> NetworkRun:
    """Return the run of a network, from the beginning or from a snapshot on."""
    snapshot = None
    if isinstance(engine, Clock):  # Exact does not go on from a snapshot yet
        from rheobase.engines.network import run_network

        results, snapshot = run_network(net, engine, until, recordings, seed, start, progress, None, shared)
        reached = steps_until(until, engine.dt) * engine.dt
        if snapshot.k * engine.dt < reached:
            reached = snapshot.k * engine.dt
            warnings.warn(f"interrupted at {reached:g} ms; run.resume(until=...) goes on from there", stacklevel=3)
    else:
        from rheobase.engines.exact_network import run_exact_network
        from rheobase.engines.record import check_exact, trim

        check_exact(recordings)
        results = run_exact_network(net, engine, until, recordings, seed)
        results, reached = {name: trim(r, recordings[name]) for name, r in results.items()}, until
    runs: dict[str, Run | Spikes] = {}
    offsets, at = {}, 0
    for name, part in net.populations.items():
        offsets[name], at = at, at + part.n
        r = results[name]
        if not isinstance(part.model, Neuron):
            runs[name] = r.spikes
            continue
        runs[name] = Run(
            part.model,
            part.n,
            False,
            reached,
            seed,
            r.spikes,
            r.t,
            r.traces,
            r.final,
            r.engine,
            r.method,
            r.order,
            r.seconds,
            r.values,
            recordings[name].neurons,
            recordings[name].reduce,
        )

    def go_on(until: Any, threads: int | None, progress: bool) -> NetworkRun:
        end = to_number(until, "ms", "until")
        assert isinstance(engine, Clock)
        chosen = Clock(engine.dt, engine.method, threads or engine.threads, engine.precision)
        return _run_network(net, end, chosen, seed, recordings, snapshot, progress)

    first = next(r for r in runs.values() if isinstance(r, Run))
    resume = None if snapshot is None else go_on
    return NetworkRun(runs, offsets, reached, seed, first.engine, first.seconds, net, snapshot, resume)


def restore(path: Any, net: Network) -> NetworkRun:
    """Return the run that `NetworkRun.checkpoint` wrote; its `resume` goes on bit for bit.

    Parameters
    ----------
    path : str or Path
    net : Network
        The same network, described again: a checkpoint holds its state, not its rows and rules.

    Raises
    ------
    InputError
        If the file is missing, truncated or something else, or was written for another network.
    """
    from rheobase.engines.checkpoint import read_snapshot

    snapshot = read_snapshot(path, net)
    until = snapshot.k * snapshot.engine.dt
    return _run_network(net, until, snapshot.engine, snapshot.seed, snapshot.recordings, snapshot)


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
