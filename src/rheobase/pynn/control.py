"""setup, run, reset, end: PyNN's control of the simulator."""

from __future__ import annotations

from typing import Any

from pyNN import common
from pyNN.common.control import DEFAULT_MAX_DELAY, DEFAULT_MIN_DELAY, DEFAULT_TIMESTEP
from pyNN.recording import get_io

from rheobase.errors import InputError
from rheobase.pynn import simulator

__all__ = [
    "end",
    "get_current_time",
    "get_max_delay",
    "get_min_delay",
    "get_time_step",
    "initialize",
    "num_processes",
    "rank",
    "reset",
    "run",
    "run_for",
    "run_until",
    "setup",
]


def setup(timestep: float = DEFAULT_TIMESTEP, min_delay: Any = DEFAULT_MIN_DELAY, **extra_params: Any) -> int:
    """Begin anew: forget all that was described; return the rank, 0.

    Parameters
    ----------
    timestep : float
        In ms.
    min_delay : float or "auto"
        In ms; "auto" is one time step.
    max_delay : float or "auto"
    rng_seed : int
        Of all that rheobase draws: Poisson sources, noisy currents.
    threads : int
        At most so many; all that pay if not given.
    method : str
        As of `rheobase.Clock`.
    """
    common.setup(timestep, min_delay, **extra_params)
    state = simulator.state
    state.clear()
    if not timestep > 0:
        raise InputError(f"timestep = {timestep!r} must be a positive time in ms")
    state.dt = float(timestep)
    state.shortest = None if min_delay == "auto" else float(min_delay)
    longest = extra_params.get("max_delay", DEFAULT_MAX_DELAY)
    state.longest = None if longest == "auto" else float(longest)
    state.seed = int(extra_params.get("rng_seed", 0))
    state.threads = extra_params.get("threads")
    state.method = extra_params.get("method", "auto")
    return rank()


def end(compatible_output: bool = True) -> None:
    """Write what `record(..., to_file)` asked for."""
    state = simulator.state
    for population, variables, filename in state.write_on_end:
        population.write_data(get_io(filename), variables)
    state.write_on_end = []


run, run_until = common.build_run(simulator)
run_for = run
reset = common.build_reset(simulator)
initialize = common.initialize
(
    get_current_time,
    get_time_step,
    get_min_delay,
    get_max_delay,
    num_processes,
    rank,
) = common.build_state_queries(simulator)
