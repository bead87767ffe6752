"""A bar with the time left, and Ctrl-C that waits until a run can be left in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["bar", "waiting_for_ctrl_c"]


@contextmanager
def waiting_for_ctrl_c() -> Iterator[list[int]]:
    """Give a list that is empty until Ctrl-C is pressed, instead of raising `KeyboardInterrupt` at any moment."""
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def note(number: int, frame: Any) -> None:
        pressed.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def bar(length: float, wanted: bool) -> Iterator[Callable[[float], None]]:
    """Give a function that is told how many ms have been simulated since its last call."""
    if not wanted:
        yield lambda ms: None
        return
    from tqdm.auto import tqdm

    shape = "{l_bar}{bar}| {n:.0f}/{total:.0f} ms [{elapsed}<{remaining}]"
    with tqdm(total=length, bar_format=shape) as shown:
        yield lambda ms: shown.update(min(ms, shown.total - shown.n)) and None  # sums of steps overshoot by rounding
