"""A notebook's kernel, for tests: the widget, whose messages come and go as lines of JSON.

The first line out is what the widget's front end knows; then a line in is a message from it, a line out one to it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import rheobase as rb


def say(content: Any, buffers: Any = None) -> None:
    print(json.dumps(content), flush=True)


def main() -> None:
    from rheobase.explorer.widget import Widget

    widget = Widget(rb.AdEx())
    widget.send = say
    known = {name: getattr(widget, name) for name in ("_document", "_token", "_bytes", "link")}
    say({"esm": Widget._esm, "state": known})
    for line in sys.stdin:
        widget._handle_custom_msg(json.loads(line), [])


if __name__ == "__main__":
    main()
