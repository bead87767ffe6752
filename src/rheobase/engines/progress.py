"""A bar with the time left, and Ctrl-C that waits until a run can be left in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["Progress", "bar", "waiting_for_ctrl_c"]

#: Whether to show a bar, or the one that is shown already: told how many ms have been simulated.
Progress = bool | Callable[[float], None]

_waiting: Final[list[list[int]]] = []  # the list of whoever waits already


@contextmanager
def waiting_for_ctrl_c() -> Iterator[list[int]]:
    """Give a list that is empty until Ctrl-C is pressed, instead of raising `KeyboardInterrupt` at any moment.

    Inside another one it is that one's list, also in another thread: what runs at once ends at once.
    """
    if _waiting:
        yield _waiting[-1]
        return
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def note(number: int, frame: Any) -> None:
        pressed.append(number)

    before = signal.signal(signal.SIGINT, note)
    _waiting.append(pressed)
    try:
        yield pressed
    finally:
        _waiting.pop()
        signal.signal(signal.SIGINT, before)


@contextmanager
def bar(length: float, wanted: Progress) -> Iterator[Callable[[float], None]]:
    """Give a function that is told, by any thread, how many ms have been simulated since its last call."""
    if callable(wanted):
        yield wanted
        return
    if not wanted:
        yield lambda ms: None
        return
    from tqdm.auto import tqdm

    shape = "{l_bar}{bar}| {n:.0f}/{total:.0f} ms [{elapsed}<{remaining}]"
    one_by_one = threading.Lock()
    with tqdm(total=length, bar_format=shape) as shown:

        def report(ms: float) -> None:
            with one_by_one:
                shown.update(min(ms, shown.total - shown.n))  # sums of steps overshoot by rounding

        yield report
