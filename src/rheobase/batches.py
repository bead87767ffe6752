"""A batch: one network with many values, its runs one after the other or several at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.result import Recording
from rheobase.errors import RheobaseError
from rheobase.run import NetworkRun
from rheobase.running import carry_out
from rheobase.runs import NetworkRuns

if TYPE_CHECKING:
    from rheobase.engines.exact import Exact
    from rheobase.network.network import Network

__all__ = ["batch_network"]


def batch_network(
    net: Network,
    until: float,
    engine: Clock | Exact,
    seed: int,
    recordings: Mapping[str, Recording],
    progress: bool,
    batch: Mapping[str, Any],
) -> NetworkRuns:
    """Return the runs of a batch; small networks run several at once, with the bits of runs alone."""
    from rheobase.engines.at_once import count_at_once, do_at_once
    from rheobase.engines.progress import bar, waiting_for_ctrl_c
    from rheobase.engines.shared import Shared
    from rheobase.engines.synapses import check_delays
    from rheobase.network.change import read_batch

    values, planned = read_batch(net, batch, seed)
    if isinstance(engine, Clock):
        for changed, _ in planned:
            check_delays(changed.projections, engine.dt)
    shared = Shared(count_at_once([changed for changed, _ in planned], until, engine, recordings))

    end = (steps_until(until, engine.dt) - 0.5) * engine.dt if isinstance(engine, Clock) else until
    one_by_one = nullcontext(list[int]())  # then each run waits for Ctrl-C itself
    with (
        waiting_for_ctrl_c() if shared.at_once > 1 else one_by_one as stopped,
        bar(len(planned) * until, progress) as report,
    ):

        def work(i: int) -> NetworkRun | None:
            if stopped:
                return None
            changed, own = planned[i]
            run = carry_out(changed, until, engine, own, recordings, None, report, shared)
            if run.until < end:
                stopped.append(i)
            return run if run.until > 0 else None  # Ctrl-C before its first step

        runs, error = do_at_once(work, len(planned), shared.at_once)
    made = NetworkRuns(tuple(runs), {name: given[: len(runs)] for name, given in values.items()})
    if isinstance(error, RheobaseError):  # the runs before are not lost
        error.args = (f"batch, run {len(runs)}: {error}" + ("; the runs before it are error.done" if runs else ""),)
        error.done = made
    if error is not None:
        raise error
    whole = sum(run.until >= end for run in runs)
    if whole < len(planned):
        warnings.warn(
            f"interrupted: {whole} of {len(planned)} runs have come to their end, {len(runs) - whole} were under way;"
            " runs[i].resume(until=...) goes on",
            stacklevel=3,
        )
    return made
