"""The page's files, read from the package and put together."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["engine_script", "page_script", "read_asset"]

#: What runs models: no document, no window; it runs in Node as well.
_ENGINE: Final = ("arithmetic.js", "random.js", "stimulus.js", "engine.js", "measure.js")


@cache
def read_asset(name: str) -> str:
    """Return the text of a file of `rheobase/page`."""
    return files("rheobase").joinpath("page", *name.split("/")).read_text(encoding="utf-8")


def engine_script() -> str:
    """Return the JavaScript that runs the programs of `rheobase.emit.to_js`."""
    return "\n".join(read_asset(name) for name in _ENGINE)
