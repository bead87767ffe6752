"""The spikes of a window of the shortest delay, sent to all ranks and taken from them, from inside the compiled loop.

A message has the same room on every rank, so that one collective call does for almost every window; where a rank has
fired more than fits, all see it in the heads, and a second call takes the whole. If the shortest delay is two steps or
more, a window has half of it, and its message is on its way while the next window is computed.
"""

from __future__ import annotations

import ctypes
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
    compiled : bool
        Whether MPI may be called from compiled code; else each message passes through Python, 30 us more.
    """

    def __init__(self, world: World, parts: Parts, shortest: int, members: int, most: int, compiled: bool) -> None:
        self.world = world
        self.lag = 1 if shortest > 1 else 0
        self.held = max(1, shortest // 2) if self.lag else 1
        self._head = 2 + members * self.held
        (self._most,) = world.largest(self._head + most * self.held)
        self._send = np.zeros((2, self._most), dtype=np.int32)
        self._got = np.empty((2, self._most * world.size), dtype=np.int32)  # what is never written costs nothing
        self._wide = np.zeros(2, dtype=np.int64)
        self._note = np.zeros(8, dtype=np.int64)  # to come, longest, due in slots 0 and 1, ticks: in all, first, last
        self._requests: list[Any] = [None, None]
        self.error: BaseException | None = None
        self.is_stopped = False
        self._call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(self._carry_out)
        self._direct = world.functions(self.lag > 0) if compiled else None
        self._starts, self._waits = np.zeros((2, 8), dtype=np.int64), np.zeros((2, 8), dtype=np.int64)
        self._request, self._ignored = np.zeros(2, dtype=np.int64), np.zeros(64, dtype=np.int64)
        addresses = [0, 0] if self._direct is None else self._direct.addresses
        calls = [*addresses, ctypes.cast(self._call, ctypes.c_void_p).value]
        self.arguments: dict[str, Any] = {"_send": self._send, "_got": self._got, "_wide": self._wide}
        self.arguments |= {"_lead": parts.first, "_after": parts.last, "_rank": world.rank, "_ranks": world.size}
        self.arguments |= {"_lag": self.lag, "_place": np.zeros(world.size, dtype=np.int64), "_note": self._note}
        self.arguments |= {"_calls": np.array(calls, dtype=np.int64), "_starts": self._starts, "_waits": self._waits}
        self.make_room(min(self._head + _ROOM, self._most))

    @property
    def wanted(self) -> int:
        """How many integers a message should have, by those that were sent."""
        longest = int(self._note[1])
        return min(max(self._head + 64, longest + longest // 2), self._most)

    def begin_chunk(self, steps: int) -> dict[str, int]:
        """Get ready for the windows of so many steps; return what the loop needs for them."""
        self._note[0] = -(-steps // self.held)
        self._note[4:7] = 0
        return {"_room": self._room}

    @property
    def share(self) -> float:
        """Which part of the last chunk's time its messages took, waiting for others included; 0 if not known."""
        took, first, last = self._note[4:7].tolist()
        return took / (last - first) if last > first else 0.0

    def make_room(self, room: int) -> None:
        """Send messages of so many integers from now on, the same on all ranks."""
        self._room = room
        size, kind = self.world.size, self.world.int32
        self._heads = [self._got[i, : size * room].reshape(size, room)[:, :2] for i in (0, 1)]
        self._out = [[self._send[i, :room], room, kind] for i in (0, 1)]
        self._in = [[self._got[i, : size * room], room, kind] for i in (0, 1)]
        if self._direct is not None:
            for i in (0, 1):
                ends = self._send[i].ctypes.data, self._got[i].ctypes.data
                self._starts[i] = self._direct.start(*ends, room, self._request[i:].ctypes.data)
                self._waits[i, :2] = self._request[i:].ctypes.data, self._ignored.ctypes.data

    # ------------------------------------------------------------------ called from the loop
    def _carry_out(self, word: int) -> int:
        """Begin and finish messages as a word of the loop says; return whether the loop must stop."""
        try:
            if word & 2:
                self._start(word >> 2 & 1)
            if word & 1:
                self._wait(word >> 3 & 1)
            return self._finish(word >> 3 & 1) if word & 17 else 0
        except BaseException as error:
            self.error = error
            return 1

    def _start(self, slot: int) -> None:
        if self._direct is not None:
            self._direct.begin(self._starts[slot])
        else:
            comm = self.world.comm
            begin = comm.Iallgather if self.lag else comm.Allgather
            self._requests[slot] = begin(self._out[slot], self._in[slot])
        self._note[2 + slot] = 1
        self._note[0] -= 1

    def _wait(self, slot: int) -> None:
        if self._direct is not None:
            self._direct.wait(self._waits[slot])
        elif self._requests[slot] is not None:
            self._requests[slot].Wait()

    def _finish(self, slot: int) -> int:
        """Look at a message that has come; return whether a rank cannot go on."""
        self._note[2 + slot] = 0
        most, status = self._heads[slot].max(axis=0).tolist()
        if status >= _STOP:
            self.is_stopped = True
            self._drain()
            return 1
        self._wide[slot] = self._room
        self._note[1] = max(self._note[1], most)
        if most > self._room:
            size, kind = self.world.size, self.world.int32
            self.world.comm.Allgather(
                [self._send[slot, :most], most, kind], [self._got[slot, : most * size], most, kind]
            )
            self._wide[slot] = most
        return 0

    # ------------------------------------------------------------------ what goes wrong
    def _drain(self) -> None:
        """Wait for what is still on its way."""
        for slot in (0, 1):
            if self._note[2 + slot]:
                self._wait(slot)
            self._note[2 + slot] = 0

    def stop(self) -> None:
        """Tell the other ranks, wherever they are in a chunk, that this one cannot go on.

        They see it when they finish the next message, and have then begun the one after it, if there is a lag.
        """
        slot = 1 if self._note[2] else 0
        for turn in range(1 + self.lag):
            if self.is_stopped or not self._note[0]:
                break
            self._send[slot, :2] = 0, _STOP
            self._start(slot)
            slot = 1 - slot
            if turn == 0 and self._note[2 + slot]:
                self._wait(slot)
                self._finish(slot)
        for slot in (0, 1):
            if self._note[2 + slot] and not self._note[0] and not self.is_stopped:
                self._wait(slot)
                self._finish(slot)
        self._drain()
        self.is_stopped = True
