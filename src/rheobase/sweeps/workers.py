"""Who computes the points: this process, joblib's workers, an executor of the standard library, or a dask client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from typing import Any

from rheobase.errors import InputError

__all__ = ["run_points"]

Job = Callable[[int], tuple[int, Any, str | None]]


def run_points(job: Job, indices: Sequence[int], executor: Any) -> Iterator[tuple[int, Any, str | None]]:
    """Yield what `job` returns for each index, in the order in which it is done.

    Parameters
    ----------
    job : function
        Of a number; it must be possible to send it to another process.
    indices : sequence of int
    executor : None, int, "here", concurrent.futures.Executor or dask.distributed.Client
    """
    if executor == "here":
        yield from map(job, indices)
    elif executor is None or (isinstance(executor, int) and not isinstance(executor, bool)):
        if executor is not None and executor < 1:
            raise InputError(f"executor = {executor} workers; give 1 or more, or None for all cores")
        import joblib

        jobs = (joblib.delayed(job)(i) for i in indices)
        # one thread a worker: the points are what runs side by side
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield from joblib.Parallel(n_jobs=executor or -1, return_as="generator_unordered")(jobs)
    elif isinstance(executor, Executor):
        futures = [executor.submit(job, i) for i in indices]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
    elif hasattr(executor, "submit") and hasattr(executor, "scheduler_info"):  # a dask client, without importing dask
        from dask.distributed import as_completed as as_dask_completes

        remote = executor.map(job, [*indices], pure=False)
        try:
            for future in as_dask_completes(remote):
                yield future.result()
        finally:
            executor.cancel(remote)
    else:
        raise InputError(
            f"executor = {executor!r:.60} is none of: None (all cores), a number of workers, 'here',"
            " a concurrent.futures executor, a dask.distributed Client"
        )
