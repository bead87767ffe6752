"""Two or more cores for one compiled loop: its neurons are shared out among threads.

They are the threads that torch itself computes with, where it has them from OpenMP: threads of our own would have to
share the cores with torch's, which go on spinning for a while after each operation.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch

from rheobase.emit.native import RAISED, team_function
from rheobase.emit.to_numba import Compiled
from rheobase.learn.memory import empty

__all__ = ["launch"]

_NOT_RUN: Final = RAISED + 1
_WORTH: Final = 150_000  # neuron-steps times states from which another thread pays: a tenth of a millisecond
_WORTH_ALONE: Final = 1_000_000  # the same for threads of our own, which take longer to wake


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="rheobase")


@lru_cache(maxsize=1)
def _openmp() -> tuple[Callable[..., Any], int] | None:
    """Return GNU OpenMP's start of a team, as torch has loaded it, and the function that all threads are given."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        try:
            library = ctypes.CDLL(str(path))
            number = ctypes.cast(library.omp_get_thread_num, ctypes.c_void_p).value
            start = library.GOMP_parallel
        except (OSError, AttributeError):
            continue
        start.restype = None
        start.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        return start, team_function(int(number or 0))
    return None


def launch(function: Callable[..., int], wanted: Sequence[str], known: Mapping[str, Any], width: int, work: int) -> int:
    """Return whether any thread met a NaN, after running a loop over `width` neurons.

    `known` holds the arguments by name but for the range of neurons, ``_lo`` and ``_hi``, and scratch memory.
    """
    team = _openmp() if isinstance(function, Compiled) else None
    worth = _WORTH_ALONE if team is None else _WORTH
    threads = max(1, min(torch.get_num_threads(), width * work // worth, width // 64))
    cuts = [width * i // threads // 16 * 16 for i in range(threads)] + [width]
    parts = [_arguments(wanted, known, cuts[i], cuts[i + 1]) for i in range(threads)]
    if threads == 1:
        return function(*parts[0])
    if team is not None and isinstance(function, Compiled):
        codes = [function.machine_code(*part) for part in parts]
        if all(code is not None for code in codes):
            results = _run_team(team, [code for code in codes if code is not None])
            # a team may be smaller than was asked for
            return max(
                function(*part) if result == _NOT_RUN else result for result, part in zip(results, parts, strict=True)
            )
    jobs = [_pool(torch.get_num_threads()).submit(function, *part) for part in parts[1:]]
    found = function(*parts[0])
    return found | max(job.result() for job in jobs)


def _run_team(team: tuple[Callable[..., Any], int], codes: Sequence[tuple[int, bytes]]) -> list[int]:
    lists = [
        ctypes.create_string_buffer(struct.pack("=qq", address, _NOT_RUN) + words, 16 + len(words))
        for address, words in codes
    ]
    places = (ctypes.c_void_p * len(lists))(*(ctypes.addressof(x) for x in lists))
    start, every = team
    start(every, places, len(lists), 0)
    results = [struct.unpack_from("=q", x.raw, 8)[0] for x in lists]
    if RAISED in results:
        raise RuntimeError("a compiled loop raised an exception")
    return results


def _arguments(wanted: Sequence[str], known: Mapping[str, Any], lo: int, hi: int) -> list[Any]:
    """Return the arguments of one thread, with its own memory for the states between two that were kept."""
    own: dict[str, Any] = {"_lo": lo, "_hi": hi}
    for a in wanted:
        if a.startswith("_was_"):
            like = known["_keep_" + a.removeprefix("_was_")]
            kind = torch.from_numpy(like[:0]).dtype
            own[a] = empty((known["_every"], known["_block"]), kind).numpy()
    return [own[a] if a in own else known[a] for a in wanted]
