"""The mistakes rheobase tells apart; each message names the place, what was meant, and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import final

__all__ = [
    "DidNotConverge",
    "InputError",
    "NotConvertible",
    "NotExact",
    "NotExportable",
    "NotRecorded",
    "RheobaseError",
    "RowError",
    "StaleGraph",
    "UnitMismatch",
    "nearest",
]


class RheobaseError(Exception):
    """Any error that rheobase raises on purpose.

    `done` holds what was computed before it, where that is worth keeping: of a batch, the runs that came to their end.
    """

    done: object = None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name closest to `name`, or an empty string.

    >>> nearest("tua", ["tau", "theta"])
    " Did you mean 'tau'?"
    """
    known = [*known]
    if len(name) > 100:  # the search for likeness is quadratic
        return ""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:  # 'i' for 'I', 'TAU' for 'tau'
        close = [k for k in known if k.lower() == name.lower()]
    return f" Did you mean '{close[0]}'?" if close else ""


def point_at(text: str, column: int, width: int = 1) -> str:
    """Return `text` with a caret line under the characters from `column` on."""
    if len(text) > 120:  # show a window around the place
        start = max(0, column - 50)
        text, column = text[start : start + 100], column - start
    return f"    {text}\n    {' ' * column}{'^' * max(1, min(width, len(text) - column))}"


@final
class RowError(RheobaseError, ValueError):
    """A row of a model is not written as the notation wants it.

    Parameters
    ----------
    row : str
        Which row: ``evolve``, ``receive``, ``threshold``, ``reset``, ``hazard`` or ``refractory``.
    message : str
        What is wrong, and what to write instead.
    text : str, optional
        The line that is wrong; shown with a caret.
    column, width : int, optional
        Where in `text` the caret goes.
    """

    def __init__(self, row: str, message: str, text: str = "", column: int = 0, width: int = 1) -> None:
        self.row, self.message, self.text, self.column = row, message, text, column
        shown = f"\n{point_at(text, column, width)}" if text else ""
        super().__init__(f"{row} row: {message}{shown}")


@final
class UnitMismatch(RheobaseError, ValueError):
    """Two quantities that must have the same unit have different ones."""


@final
class InputError(RheobaseError, ValueError):
    """An argument has a value, shape or name that cannot be used."""


@final
class NotRecorded(RheobaseError, AttributeError):
    """A trace was asked for that the run did not record."""


@final
class NotExact(RheobaseError, ValueError):
    """The exact engine cannot run this model; the message names the row and an engine that can."""


@final
class NotConvertible(RheobaseError, ValueError):
    """Layers of a network cannot be said with spikes; the message lists each by name, and what to do."""


@final
class NotExportable(RheobaseError, ValueError):
    """The other program or format cannot say what this model says; the message lists each feature."""


@final
class DidNotConverge(RheobaseError, RuntimeError):
    """A search found no answer; the message says where it looked."""


@final
class StaleGraph(RheobaseError, RuntimeError):
    """A gradient was asked for through a state whose graph is gone; the message says where to detach."""
