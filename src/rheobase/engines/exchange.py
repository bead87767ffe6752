"""The spikes of a window of the shortest delay, sent to all ranks and taken from them, from inside the compiled loop.

A message has the same room on every rank, so that one collective call does for almost every window; where a rank has
fired more than fits, all see it in the heads, and a second call takes the whole. If the shortest delay is two steps or
more, a window has half of it, and its message is on its way while the next window is computed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final, final

import numpy as np

from rheobase.engines.mpi import World
from rheobase.engines.parts import Parts

__all__ = ["Exchange"]

_ROOM: Final = 512  # integers of a message before it is known how many are needed
_STOP: Final = 2  # status of a rank that cannot go on


@final
class Exchange:
    """What the loop needs to exchange spikes.

    Parameters
    ----------
    world : World
    shortest : int
        The shortest delay of all in steps.
    members : int
        How many groups and sources send.
    most : int
        How many spikes this rank can send in a step.
    """

    def __init__(self, world: World, parts: Parts, shortest: int, members: int, most: int) -> None:
        self.world = world
        self.lag = 1 if shortest > 1 else 0
        self.held = max(1, shortest // 2) if self.lag else 1
        self._head = 2 + members * self.held
        (room,) = world.largest(self._head + most * self.held)
        self._send = np.zeros((2, room), dtype=np.int32)
        self._got = np.empty((2, room * world.size), dtype=np.int32)  # memory that is never written costs nothing
        self._wide = np.zeros(2, dtype=np.int64)
        self._requests: list[Any] = [None, None]
        self._is_due = [False, False]
        self._most, self._largest = room, 0
        self.error: BaseException | None = None
        self.is_stopped = False
        self._left, self.seconds = 0, 0.0
        self._call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(self._carry_out)
        self.arguments: dict[str, Any] = {"_send": self._send, "_got": self._got, "_wide": self._wide}
        self.arguments |= {"_lead": parts.first, "_after": parts.last, "_rank": world.rank, "_ranks": world.size}
        self.arguments |= {"_lag": self.lag, "_place": np.zeros(world.size, dtype=np.int64)}
        self.arguments["_address"] = ctypes.cast(self._call, ctypes.c_void_p).value
        self.make_room(min(self._head + _ROOM, room))

    @property
    def wanted(self) -> int:
        """How many integers a message should have, by those that were sent."""
        return min(max(self._head + 64, self._largest + self._largest // 2), self._most)

    def begin_chunk(self, steps: int) -> None:
        """Get ready for the windows of so many steps."""
        self._left = -(-steps // self.held)

    def make_room(self, room: int) -> None:
        """Send messages of so many integers from now on, the same on all ranks."""
        self._room = room
        size, kind = self.world.size, self.world.int32
        self._heads = [self._got[i, : size * room].reshape(size, room)[:, :2] for i in (0, 1)]
        self._out = [[self._send[i, :room], room, kind] for i in (0, 1)]
        self._in = [[self._got[i, : size * room], room, kind] for i in (0, 1)]
        comm = self.world.comm
        self._begin: Callable[..., Any] = comm.Iallgather if self.lag else comm.Allgather

    def _carry_out(self, word: int) -> int:
        """Begin and finish messages as a word of the loop says; return whether the loop must stop."""
        begin = perf_counter()
        try:
            if word & 2:
                self._start(word >> 2 & 1)
            return self._finish(word >> 3 & 1) if word & 1 else 0
        except BaseException as error:
            self.error = error
            return 1
        finally:
            self.seconds += perf_counter() - begin

    def _start(self, slot: int) -> None:
        self._requests[slot] = self._begin(self._out[slot], self._in[slot])
        self._is_due[slot] = True
        self._left -= 1

    def _finish(self, slot: int) -> int:
        """Wait for a message; return whether a rank cannot go on."""
        if self._requests[slot] is not None:
            self._requests[slot].Wait()
        self._is_due[slot] = False
        most, status = self._heads[slot].max(axis=0).tolist()
        if status >= _STOP:
            self.is_stopped = True
            self._drain()
            return 1
        self._wide[slot] = self._room
        if most > self._largest:
            self._largest = most
        if most > self._room:
            size, kind = self.world.size, self.world.int32
            self.world.comm.Allgather(
                [self._send[slot, :most], most, kind], [self._got[slot, : most * size], most, kind]
            )
            self._wide[slot] = most
        return 0

    def _drain(self) -> None:
        """Wait for what is still on its way."""
        for slot in (0, 1):
            if self._is_due[slot] and self._requests[slot] is not None:
                self._requests[slot].Wait()
            self._is_due[slot] = False

    def stop(self) -> None:
        """Tell the other ranks, wherever they are in a chunk, that this one cannot go on.

        They see it when they finish the next message, and have then begun the one after it, if there is a lag.
        """
        slot = 1 if self._is_due[0] else 0
        for turn in range(1 + self.lag):
            if self.is_stopped or not self._left:
                break
            self._send[slot, :2] = 0, _STOP
            self._start(slot)
            slot = 1 - slot
            if turn == 0 and self._is_due[slot]:
                self._finish(slot)
        for slot in (0, 1):
            if self._is_due[slot] and not self._left and not self.is_stopped:
                self._finish(slot)
        self._drain()
        self.is_stopped = True
