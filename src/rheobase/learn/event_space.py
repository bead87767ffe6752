"""The memory in which an event-driven layer runs, kept from call to call, and compiled loops called on parts of it."""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, final

import numpy as np

from rheobase.emit.native import RAISED
from rheobase.emit.to_numba import Compiled

__all__ = ["PARTS", "Call", "Part", "Space", "Spaces", "arrival_lists", "share"]

PARTS: Final = 8  # of a batch; gradients are summed part by part, so they do not depend on the number of threads
_KEPT: Final = 4  # spaces that a layer keeps: of the graph that is led back, and of the next


@final
class Part:
    """Some elements of the batch, with memory to work in, their records, their spikes and their gradients."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.low = self.high = 0
        self.arrays: dict[str, Any] = {}
        self.words: dict[str, Any] = {}
        for name, x in arrays.items():
            self.put(name, x)

    def put(self, name: str, x: Any) -> None:
        """Take a number, or an array, under the name of an argument."""
        self.arrays[name] = x
        self.words[name] = id(x) if isinstance(x, np.ndarray) else x

    @property
    def count(self) -> int:
        """How many spikes it has."""
        return int(self.arrays["_count"][1])


@final
class Space:
    """The memory of a call, made by `make` part by part, and the gradients of all parts, one row each.

    Parameters
    ----------
    make : callable
        Returns the arrays of a part.
    gradients : mapping
        The shapes of what each part adds up on the way back.
    """

    def __init__(self, make: Callable[[], Mapping[str, Any]], gradients: Mapping[str, tuple[int, ...]]) -> None:
        self._make, self._shapes = make, gradients
        self.known: dict[Any, Any] = {}  # see `Call`
        self._all: list[Part] = []
        self._sums: np.ndarray | None = None

    def divide(self, batch: int) -> list[Part]:
        """Return the parts of a batch, with nothing in them."""
        count = min(PARTS, batch)
        while len(self._all) < count:
            self._all.append(Part(self._make()))
        edges = [batch * k // count for k in range(count + 1)]
        for part, low, high in zip(self._all, edges, edges[1:], strict=False):
            part.low, part.high = low, high
            part.arrays["_count"][:] = 0
        return self._all[:count]

    def clear_gradients(self, count: int) -> None:
        """Set the gradients of so many parts to zero."""
        if self._sums is None:
            self._sums = np.empty((PARTS, sum(int(np.prod(shape)) for shape in self._shapes.values())))
        self._sums[:count] = 0.0
        for k in range(count):
            if "_g_weight" not in self._all[k].arrays:
                for name, x in self._views(self._sums[k]).items():
                    self._all[k].put(name, x)

    def sum_gradients(self, count: int) -> dict[str, np.ndarray]:
        """Return the gradients of so many parts, added in their order."""
        assert self._sums is not None
        return self._views(self._sums[:count].sum(0))

    def _views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        out, begin = {}, 0
        for name, shape in self._shapes.items():
            size = int(np.prod(shape))
            out[name] = flat[begin : begin + size].reshape(shape)
            begin += size
        return out


@final
class Spaces:
    """Spaces of a layer that are not in use. A copy of a layer, or a saved one, begins with none."""

    def __init__(self) -> None:
        self._free: list[Space] = []

    def __reduce__(self) -> tuple[type[Spaces], tuple[()]]:
        return Spaces, ()

    def take(self, make: Callable[[], Space]) -> Space:
        """Return a space that nobody uses."""
        try:
            return self._free.pop()
        except IndexError:
            return make()

    def give(self, space: Space) -> None:
        """Take a space back."""
        if len(self._free) < _KEPT:
            self._free.append(space)


def arrival_lists(widest: int, size: int) -> dict[str, np.ndarray]:
    """Return lists that hold so many arrivals."""
    return {
        "_a_time": np.empty(widest),
        "_a_source": np.empty(widest, dtype=np.int64),
        "_a_spike": np.empty(widest, dtype=np.int64),
        "_fading": np.ones((widest, size)),
    }


@final
class Call:
    """A loop, ready to be called on one part after the other: what parts have in common is laid out once.

    Parameters
    ----------
    function : callable
        The loop; its first two arguments are ``_from_b, _to_b``.
    names : sequence of str
        The names of its arguments, in order.
    common : mapping
        Arguments that do not differ from part to part.
    part : Part
        Any of them.
    known : dict
        Where is kept what does not change from call to call: arguments of a layer never change their types.
    """

    def __init__(
        self,
        function: Callable[..., int],
        names: Sequence[str],
        common: Mapping[str, Any],
        part: Part,
        known: dict[Any, Any],
    ) -> None:
        self._common = common  # arrays live as long as this
        if function not in known:
            assert tuple(names[:2]) == ("_from_b", "_to_b")
            values = {"_from_b": 0, "_to_b": 0, **common, **part.arrays}
            own = [(i, a) for i, a in enumerate(names) if a in part.arrays]
            found = function.machine_code(*(values[a] for a in names)) if isinstance(function, Compiled) else None
            entry = None if found is None else ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(found[0])
            known[function] = entry or function, own, struct.Struct(found[1]).pack if found is not None else None
        self._entry, self._own, self._pack = known[function]
        given = [common.get(a, 0) for a in names]
        self._values = given if self._pack is None else [id(x) if type(x) is np.ndarray else x for x in given]

    def __call__(self, part: Part, low: int, high: int) -> int:
        """Run elements low..high-1; return what the loop returns."""
        values = self._values.copy()
        values[0], values[1] = low, high
        own = part.arrays if self._pack is None else part.words
        for i, name in self._own:
            values[i] = own[name]
        if self._pack is None:
            return int(self._entry(*values))
        out = self._entry(self._pack(*values))
        if out == RAISED:
            raise RuntimeError("a compiled loop raised an exception")
        return int(out)


def share(parts: Sequence[Part], threads: int, work: Callable[[Part], None]) -> None:
    """Do the work on all parts, on as many threads; each takes the next part when it is done with one."""
    threads = min(threads, len(parts))
    waiting, lock = iter(parts), threading.Lock()

    def go() -> None:
        while True:
            with lock:
                part = next(waiting, None)
            if part is None:
                return
            work(part)

    helpers = [_pool(threads).submit(go) for _ in range(threads - 1)]
    try:
        go()
    finally:
        for helper in helpers:
            helper.exception()
    for helper in helpers:
        helper.result()


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="rheobase")
