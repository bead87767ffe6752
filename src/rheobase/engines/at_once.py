"""Several networks at once: how many of a batch, and on which threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from rheobase.engines.clock import Clock, steps_until
from rheobase.engines.forecast import how_many_fit
from rheobase.engines.mpi import find_world
from rheobase.engines.precision import settle
from rheobase.engines.result import Recording
from rheobase.engines.threads import cores
from rheobase.model.neuron import Neuron
from rheobase.network.network import Network

if TYPE_CHECKING:
    from rheobase.engines.exact import Exact

__all__ = ["count_at_once", "do_at_once"]

_Made = TypeVar("_Made")


def count_at_once(
    nets: Sequence[Network], until: float, engine: Clock | Exact, recordings: Mapping[str, Recording]
) -> int:
    """Return how many runs of a batch go on at once, each on one thread.

    Small networks, for whose neurons one thread is taken, leave the others to the next runs, as far as memory
    allows. Networks that use all threads come one after the other, and so do those whose run is over at once, and
    whatever several processes share.
    """
    most = min(engine.threads or cores(), len(nets))
    if most < 2 or find_world() is not None:
        return 1
    n = max(sum(part.n for part in net.populations.values() if isinstance(part.model, Neuron)) for net in nets)
    if isinstance(engine, Clock):
        from rheobase.engines.network import ALONE, SMALL

        if n >= ALONE or n * steps_until(until, engine.dt) <= SMALL:
            return 1
        return how_many_fit(nets, until, settle(nets[0], engine), recordings, most)
    from rheobase.engines.exact_network import MANY

    return 1 if n >= MANY else how_many_fit(nets, until, Clock(), recordings, most)


def do_at_once(work: Callable[[int], _Made | None], count: int, threads: int) -> tuple[list[_Made], Exception | None]:
    """Return what work(0), ..., work(count - 1) return, up to the first None or error; and that error.

    They are begun in this order, so many at once; after an error or a None no more are begun.
    """
    ended: list[int] = []

    def one(i: int) -> _Made | None:
        if any(i > last for last in ended):
            return None
        made = None
        try:
            made = work(i)
        finally:
            if made is None:
                ended.append(i)
        return made

    done: list[_Made] = []
    if threads == 1:
        for i in range(count):
            try:
                made = one(i)
            except Exception as error:
                return done, error
            if made is None:
                break
            done.append(made)
        return done, None
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(copy_context().run, one, i) for i in range(count)]
        for job in jobs:
            found = job.exception()
            if isinstance(found, Exception):
                return done, found
            made = job.result()
            if made is None:
                break
            done.append(made)
    return done, None
