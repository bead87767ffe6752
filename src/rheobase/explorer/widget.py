"""The page as a widget of a notebook, through anywidget: rows typed there go to Python and come back as a program.

The page is in a frame of its own, without an origin; what the two say to each other goes through one port, which the
notebook's side (`page/notebook.js`) hands to the document that holds the token.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any, Final

import anywidget
import traitlets

from rheobase.explorer.assets import read_asset, wrap_program
from rheobase.explorer.document import build_page
from rheobase.explorer.reader import Desk
from rheobase.model.neuron import Neuron

__all__ = ["Widget"]

_NAME: Final = 64  # characters by which a view tells its messages from another's


@cache
def the_desk() -> Desk:
    """Return the one desk of this Python: however often a cell is run, rows are read by one process."""
    return Desk()


class Widget(anywidget.AnyWidget):
    """The page; a message ``{"view", "id", "rows"}`` is answered by ``{"view", "id", "answer"}``."""

    _esm = read_asset("notebook.js")
    _document = traitlets.Unicode().tag(sync=True)
    _token = traitlets.Unicode().tag(sync=True)
    _bytes = traitlets.Int().tag(sync=True)
    #: where the page is, as its link says it: a frame that the notebook takes out and puts back begins there
    link = traitlets.Unicode("").tag(sync=True)

    def __init__(self, model: Neuron | str | None = None, desk: Desk | None = None) -> None:
        self._desk = desk or the_desk()
        token, most = secrets.token_urlsafe(24), self._desk.limits.body
        document, _ = build_page(model, {"token": token, "bytes": most, "notebook": True})
        super().__init__(_document=document, _token=token, _bytes=most)
        self.on_msg(self._take)

    def _take(self, _: Any, message: Any, buffers: Any) -> None:
        """Answer a message; what is none of the page's is not."""
        if not isinstance(message, dict):
            return
        view, number, rows = message.get("view"), message.get("id"), message.get("rows")
        if not (isinstance(view, str) and len(view) <= _NAME and type(number) is int and isinstance(rows, str)):
            return

        def answer(told: dict[str, Any]) -> None:
            if "text" in told:
                told = {**told, "script": wrap_program(told["program"], told["text"])}
                del told["text"]
            if self.comm is not None:  # closed meanwhile
                self.send({"view": view, "id": number, "answer": told})

        self._desk.ask(rows, answer)
