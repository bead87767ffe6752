"""Which of the three ways a layer's time loop runs: compiled on a CPU, compiled on a GPU, or as plain operations."""

from __future__ import annotations

from typing import Final

from rheobase.errors import InputError
from rheobase.learn.fused import reason_against
from rheobase.learn.plain import Job
from rheobase.learn.triton_run import reason_against_triton

__all__ = ["BACKENDS", "choose_backend"]

BACKENDS: Final = ("auto", "numba", "triton", "torch")
_REASONS: Final = {"numba": reason_against, "triton": reason_against_triton}


def choose_backend(backend: str, job: Job) -> str:
    """Return "numba", "triton" or "torch" for a job, or raise `InputError` where the one asked for cannot run it."""
    if backend == "torch":
        return backend
    if backend == "auto":
        kind = next(iter(job.fed.values())).device.type
        found = "numba" if kind == "cpu" else "triton"
        return "torch" if _REASONS[found](job) is not None else found
    against = _REASONS[backend](job)
    if against is not None:
        raise InputError(f"backend='{backend}' cannot run this layer: {against}; use backend='auto'")
    return backend
