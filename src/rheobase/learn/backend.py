"""Which of three ways a layer's time loop runs: compiled for a CPU, for a GPU, or as plain torch operations."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Final

from rheobase.errors import InputError
from rheobase.learn.fused import reason_against
from rheobase.learn.plain import Job
from rheobase.learn.triton_run import fault_of_triton, reason_against_triton

__all__ = ["BACKENDS", "choose_backend"]

BACKENDS: Final = ("auto", "numba", "triton", "torch")


def choose_backend(backend: str, job: Job) -> str:
    """Return "numba", "triton" or "torch" for a job, or raise `InputError` where the one asked for cannot run it."""
    device = next(iter(job.fed.values())).device
    if backend == "torch" or (backend == "auto" and device.type not in ("cpu", "cuda")):
        return "torch"
    way = backend if backend != "auto" else "triton" if device.type == "cuda" else "numba"
    against = reason_against(job) if way == "numba" else reason_against_triton(job)
    fault = fault_of_triton(device) if way == "triton" and against is None else None
    if backend == "auto":
        if fault is not None:
            _warn(fault)
        return way if against is None and fault is None else "torch"
    if against is not None or fault is not None:
        raise InputError(f"backend='{backend}' cannot run this layer: {against or fault}; use backend='auto'")
    return way


@lru_cache(maxsize=64)
def _warn(fault: str) -> None:
    """Say once that the kernels are not used."""
    warnings.warn(
        f"{fault}. Plain torch operations run instead, which takes longer; backend='torch' asks for them", stacklevel=2
    )
