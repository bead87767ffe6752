"""Rows that somebody typed are read in a process of their own: of limited size, so many a second, so long each.

The page's server asks it from its event loop; a notebook, which has other things to do, through a `Desk`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, final

__all__ = ["BUSY", "Desk", "Limits", "Rate", "Reader", "one_line"]

#: what whoever asks too often is told; the page asks again by itself
BUSY: Final[dict[str, Any]] = {"error": "too many at once", "row": "", "again": True}


@final
@dataclass(frozen=True)
class Limits:
    """What asking may cost: bytes of a text, requests a second and at once, seconds for each part."""

    body: int = 64_000
    rate: float = 8.0
    burst: int = 30
    waiting: int = 8
    upload: float = 5.0
    headers: float = 5.0
    reading: float = 10.0
    request: float = 30.0
    programs: int = 200


@final
class Rate:
    """So many a second, and after a pause so many at once."""

    def __init__(self, limits: Limits) -> None:
        self._rate, self._burst = limits.rate, float(limits.burst)
        self._left, self._when = self._burst, time.monotonic()

    def admit(self) -> bool:
        """Return whether one more is within the rate."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._when) * self._rate)
        self._when = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def one_line(text: str | bytes) -> str | None:
    """Return JSON as the one line that the process is sent; None where it is no JSON."""
    try:
        return json.dumps(json.loads(text))
    except (ValueError, RecursionError):
        return None


@final
class Reader:
    """The process that reads rows, started when it is needed and ended when it takes too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def read(self, line: str) -> dict[str, Any]:
        """Return what `rheobase.explorer.worker.answer` says to a line."""
        async with self._turn:
            for _ in range(2):  # a process that has died is replaced once
                told = b""
                try:
                    told = await asyncio.wait_for(self._ask(line), self._seconds)
                except TimeoutError:
                    message = f"these rows take longer than {self._seconds:g} s to work out; simplify them"
                    return {"error": message, "row": "evolve"}
                except (OSError, ValueError):
                    pass
                finally:
                    if not told:  # whoever asks next must not get this answer
                        await self.close()
                if told:
                    answer: dict[str, Any] = json.loads(told)
                    return answer
        return {"error": "these rows need more memory than there is", "row": "evolve"}

    async def _ask(self, line: str) -> bytes:
        process = await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line.encode() + b"\n")
        await process.stdin.drain()
        return await process.stdout.readline()

    async def _start(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "rheobase.explorer.worker",
                stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=8_000_000,
            )  # fmt: skip
        return self._process

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":  # notebooks choose a policy there whose loops have no processes
        return asyncio.ProactorEventLoop()
    return asyncio.new_event_loop()


@final
class Desk:
    """A thread that has rows read, so that whoever asks goes on at once; its answers come through a function."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._rate, self._room = Rate(self.limits), threading.Semaphore(self.limits.waiting)
        self._reader = Reader(self.limits.reading)
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="rheobase rows")
        self._thread.start()

    def ask(self, rows: str, answer: Callable[[dict[str, Any]], None]) -> None:
        """Have a text read; what is refused is answered before this returns, all else later, from the thread."""
        refused = self._refuse(rows)
        line = None if refused else one_line(rows)
        if refused or line is None:
            answer(refused or {"error": "this is no JSON", "row": ""})
            return
        if not self._room.acquire(blocking=False):
            answer(BUSY)
            return
        asyncio.run_coroutine_threadsafe(self._read(line, answer), self._loop)

    def _refuse(self, rows: str) -> dict[str, Any] | None:
        if not self._rate.admit():
            return BUSY
        if len(rows) > self.limits.body or len(rows.encode(errors="replace")) > self.limits.body:
            return {"error": f"more than {self.limits.body} bytes are no rows of a neuron", "row": ""}
        return None

    async def _read(self, line: str, answer: Callable[[dict[str, Any]], None]) -> None:
        try:
            told = await self._reader.read(line)
        finally:
            self._room.release()
        answer(told)

    def close(self) -> None:
        """End the process and the thread."""
        asyncio.run_coroutine_threadsafe(self._reader.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
