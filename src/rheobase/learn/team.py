"""Two or more cores for one compiled loop: its neurons are shared out among threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final

import torch

__all__ = ["launch"]

_WORTH: Final = 1_000_000  # neuron-steps times states from which another thread pays: about a millisecond


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="rheobase")


def launch(
    function: Callable[..., int], wanted: Sequence[str], known: Mapping[str, Any], width: int, work: int
) -> int:
    """Return whether any thread met a NaN, after running a loop over `width` neurons.

    `known` holds the arguments by name but for the range of neurons, ``_lo`` and ``_hi``, and scratch memory.
    """
    threads = min(torch.get_num_threads(), max(1, width * work // _WORTH), -(-width // 64))
    cuts = [width * i // threads // 16 * 16 for i in range(threads)] + [width]

    def part(i: int) -> int:
        own = {"_lo": cuts[i], "_hi": cuts[i + 1]}
        own |= _scratch(wanted, known)
        return function(*[own[a] if a in own else known[a] for a in wanted])

    if threads == 1:
        return part(0)
    jobs = [_pool(torch.get_num_threads()).submit(part, i) for i in range(1, threads)]
    found = part(0)
    return found | max(job.result() for job in jobs)


def _scratch(wanted: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return a thread's own memory for the states of as many steps as lie between two that were kept."""
    from rheobase.learn.memory import empty

    shape = (known["_every"], known["_block"])
    out = {}
    for a in wanted:
        if a.startswith("_was_"):
            like = known["_keep_" + a.removeprefix("_was_")]
            out[a] = empty(shape, torch.from_numpy(like[:0]).dtype).numpy()
    return out
