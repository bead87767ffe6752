"""Ways of running a network: in memory, into a file, on from a checkpoint."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.result import Recording
from rheobase.errors import InputError
from rheobase.model.neuron import Neuron
from rheobase.run import NetworkRun, Run
from rheobase.units import to_number

if TYPE_CHECKING:
    from rheobase.engines.checkpoint import ExactSnapshot, Snapshot
    from rheobase.engines.exact import Exact
    from rheobase.engines.progress import Progress
    from rheobase.engines.shared import Shared
    from rheobase.engines.spikes import Spikes
    from rheobase.network.network import Network

__all__ = ["carry_out", "restore", "run_alone", "stream_network"]


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
        chosen = _with_threads(engine, threads or None)
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
) -> NetworkRun:
    """Return the run of a network, from the beginning or from a snapshot on; warn if it was interrupted."""
    run = carry_out(net, until, engine, seed, recordings, start, progress)
    if run.until < (steps_until(until, engine.dt) * engine.dt if isinstance(engine, Clock) else until):
        warnings.warn(f"interrupted at {run.until:g} ms; run.resume(until=...) goes on from there", stacklevel=3)
    return run


def carry_out(
    net: Network,
    until: float,
    engine: Clock | Exact,
    seed: int,
    recordings: Mapping[str, Recording],
    start: Snapshot | ExactSnapshot | None = None,
    progress: Progress = False,
    shared: Shared | None = None,
) -> NetworkRun:
    """Return the run of a network, as far as it came; one of a batch has one thread if several go on at once."""
    from rheobase.engines.checkpoint import ExactSnapshot, Snapshot

    chosen = engine if shared is None or shared.at_once == 1 else _with_threads(engine, 1)
    snapshot: Snapshot | ExactSnapshot
    if isinstance(chosen, Clock):
        from rheobase.engines.network import run_network

        assert not isinstance(start, ExactSnapshot)
        results, snapshot = run_network(net, chosen, until, recordings, seed, start, progress, None, shared)
        reached = snapshot.k * chosen.dt
    else:
        from rheobase.engines.exact_network import run_exact_network
        from rheobase.engines.record import check_exact, trim

        assert not isinstance(start, Snapshot)
        check_exact(recordings)
        results, snapshot = run_exact_network(net, chosen, until, recordings, seed, shared, start, progress)
        results, reached = {name: trim(r, recordings[name]) for name, r in results.items()}, snapshot.until
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
        return run_alone(net, end, _with_threads(engine, threads), seed, recordings, snapshot, progress)

    first = next(r for r in runs.values() if isinstance(r, Run))
    return NetworkRun(runs, offsets, reached, seed, first.engine, first.seconds, net, snapshot, go_on)


def _with_threads(engine: Clock | Exact, threads: int | None) -> Clock | Exact:
    """Return the engine with another number of threads, unless it is None."""
    return engine if threads is None else replace(engine, threads=threads)


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
