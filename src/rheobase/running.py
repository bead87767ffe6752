"""Ways of running a network: in memory, into a file, several at once, on from a checkpoint."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.result import Recording
from rheobase.errors import InputError, RheobaseError
from rheobase.model.neuron import Neuron
from rheobase.run import NetworkRun, Run
from rheobase.runs import NetworkRuns
from rheobase.units import to_number

if TYPE_CHECKING:
    from rheobase.engines.checkpoint import ExactSnapshot, Snapshot
    from rheobase.engines.exact import Exact
    from rheobase.engines.shared import Shared
    from rheobase.engines.spikes import Spikes
    from rheobase.network.network import Network

__all__ = ["batch_network", "restore", "run_alone", "stream_network"]


def batch_network(
    net: Network,
    until: float,
    engine: Clock | Exact,
    seed: int,
    recordings: Mapping[str, Recording],
    progress: bool,
    batch: Mapping[str, Any],
) -> NetworkRuns:
    """Return the runs of a batch, one after the other."""
    from rheobase.engines.shared import Shared
    from rheobase.engines.synapses import check_delays
    from rheobase.network.change import read_batch

    values, planned = read_batch(net, batch, seed)
    if isinstance(engine, Clock):
        for changed, _ in planned:
            check_delays(changed.projections, engine.dt)
    shared, runs = Shared(), list[NetworkRun]()

    def gather() -> NetworkRuns:
        return NetworkRuns(tuple(runs), {name: given[: len(runs)] for name, given in values.items()})

    for i, (changed, own) in enumerate(planned):
        try:
            runs.append(run_alone(changed, until, engine, own, recordings, None, progress, shared))
        except RheobaseError as error:  # the runs before are not lost
            error.args = (f"batch, run {i}: {error}" + ("; the runs before it are error.done" if runs else ""),)
            error.done = gather()
            raise
        end = (steps_until(until, engine.dt) - 0.5) * engine.dt if isinstance(engine, Clock) else until
        if runs[-1].until < end:
            break  # Ctrl-C
    return gather()


def stream_network(
    net: Network,
    until: float,
    engine: Clock | Exact,
    seed: int,
    recordings: Mapping[str, Recording],
    progress: bool,
    path: Any,
    overwrite: bool,
    start: Snapshot | None = None,
    rewind: bool = False,
) -> NetworkRun:
    """Return the run of a network as it is in the file that it was recorded into.

    From a snapshot on it goes on in that file; with `rewind` what the file holds after the snapshot is computed anew.
    """
    from rheobase.engines.network import run_network
    from rheobase.engines.stream import Stream
    from rheobase.recorded import open_recording

    if not isinstance(engine, Clock):
        raise InputError("record_to= goes with rb.Clock(); Exact keeps what it records in memory")
    behind = None if start is None else start.k
    stream = Stream(path, net, recordings, engine.dt, until, seed, overwrite, behind, rewind)
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
        return stream_network(net, end, chosen, seed, recordings, progress, stream.path, False, snapshot)

    return open_recording(stream.path, net, go_on, snapshot)


def run_alone(
    net: Network,
    until: float,
    engine: Clock | Exact,
    seed: int,
    recordings: Mapping[str, Recording],
    start: Snapshot | ExactSnapshot | None = None,
    progress: bool = False,
    shared: Shared | None = None,
) -> NetworkRun:
    """Return the run of a network, from the beginning or from a snapshot on."""
    from rheobase.engines.checkpoint import ExactSnapshot, Snapshot

    snapshot: Snapshot | ExactSnapshot
    if isinstance(engine, Clock):
        from rheobase.engines.network import run_network

        assert not isinstance(start, ExactSnapshot)
        results, snapshot = run_network(net, engine, until, recordings, seed, start, progress, None, shared)
        planned, reached = steps_until(until, engine.dt) * engine.dt, snapshot.k * engine.dt
    else:
        from rheobase.engines.exact_network import run_exact_network
        from rheobase.engines.record import check_exact, trim
        from rheobase.network.connect import build

        assert not isinstance(start, Snapshot)
        check_exact(recordings)
        make = build if shared is None else shared.synapses
        results, snapshot = run_exact_network(net, engine, until, recordings, seed, make, start, progress)
        results = {name: trim(r, recordings[name]) for name, r in results.items()}
        planned, reached = until, snapshot.until
    if reached < planned:
        warnings.warn(f"interrupted at {reached:g} ms; run.resume(until=...) goes on from there", stacklevel=3)
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
        many = threads or engine.threads
        chosen = (
            Clock(engine.dt, engine.method, many, engine.precision) if isinstance(engine, Clock) else type(engine)(many)
        )
        return run_alone(net, end, chosen, seed, recordings, snapshot, progress)

    first = next(r for r in runs.values() if isinstance(r, Run))
    return NetworkRun(runs, offsets, reached, seed, first.engine, first.seconds, net, snapshot, go_on)


def restore(path: Any, net: Network, record_to: Any = None) -> NetworkRun:
    """Return the run that `NetworkRun.checkpoint` wrote; its `resume` goes on bit for bit.

    If the run was recorded into a file, it goes on in that file: what was written after the checkpoint, by a run that
    was killed, say, is computed anew.

    Parameters
    ----------
    path : str or Path
    net : Network
        The same network, described again: a checkpoint holds its state, not its rows and rules.
    record_to : str or Path, optional
        Where the recording is now, if it was moved. A checkpoint remembers it by its place relative to its own.

    Raises
    ------
    InputError
        If the file is missing, truncated or something else, or was written for another network; if the recording is
        missing, or not of this run, or ends before the checkpoint.
    """
    from rheobase.engines.checkpoint import ExactSnapshot, read_snapshot
    from rheobase.engines.mpi import find_world

    world = find_world()
    if world is not None:  # the first rank may have yet to write it
        world.agree("restore", {"checkpoint": str(path)})
    snapshot = read_snapshot(path, net)
    if isinstance(snapshot, ExactSnapshot) or snapshot.recording is None:
        if record_to is not None:
            raise InputError(f"{path} is the checkpoint of a run that was kept in memory; leave record_to= out")
        end = snapshot.until if isinstance(snapshot, ExactSnapshot) else snapshot.k * snapshot.engine.dt
        return run_alone(net, end, snapshot.engine, snapshot.seed, snapshot.recordings, snapshot)
    engine, seed = snapshot.engine, snapshot.seed
    from rheobase.recorded import open_recording

    recording = snapshot.recording if record_to is None else Path(record_to)

    def go_on(until: Any, threads: int | None, progress: bool) -> NetworkRun:
        end = to_number(until, "ms", "until")
        chosen = Clock(engine.dt, engine.method, threads or engine.threads, engine.precision)
        return stream_network(
            net, end, chosen, seed, snapshot.recordings, progress, recording, False, snapshot, rewind=True
        )

    try:
        return open_recording(recording, net, go_on, snapshot)
    except InputError as error:
        if recording.exists():
            raise
        raise InputError(f"{error}; {path} goes on in it: say where it is by restore(..., record_to=)") from None
