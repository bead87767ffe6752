"""The page's files, read from the package and put together into one document."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

import rheobase

__all__ = ["build_document", "engine_script", "read_asset", "wrap_program"]

#: What runs models: no document, no window; it runs in Node as well.
_ENGINE: Final = (
    "arithmetic.js",
    "random.js",
    "stimulus.js",
    "engine.js",
    "measure.js",
    "setup.js",
    "python.js",
    "link.js",
    "water.js",
    "network.js",
)
_PAGE: Final = (
    "elements.js",
    "plots.js",
    "phase.js",
    "bucket.js",
    "export.js",
    "neuron.js",
    "curves.js",
    "live.js",
    "bridge.js",
    "rows.js",
    "timing.js",
    "main.js",
)


@cache
def read_asset(name: str) -> str:
    """Return the text of a file of `rheobase/page`."""
    return files("rheobase").joinpath("page", *name.split("/")).read_text(encoding="utf-8")


def engine_script() -> str:
    """Return the JavaScript that runs the programs of `rheobase.emit.to_js`."""
    return "\n".join(read_asset(name) for name in _ENGINE)


def wrap_program(digest: str, program: str) -> str:
    """Return a program as the script that the page loads from its own server."""
    return f"rheobaseProgram({json.dumps(digest)}, ($exp, $exprel, $sign) => ({program}));\n"


def build_document(
    models: Sequence[dict[str, Any]], programs: Sequence[str], told: dict[str, Any], title: str = "rheobase"
) -> tuple[str, str]:
    """Return the page as one HTML text that asks for nothing else, and its content security policy.

    Parameters
    ----------
    models, programs
        As `rheobase.explorer.catalogue.describe_catalogue` returns them.
    told : dict
        What `startPage` is told: the first ``model`` and ``tab``; ``served`` is None, or says how Python is reached:
        a ``token``, the most ``bytes`` it takes, and whether a ``notebook`` stands between.
    """
    served = told.get("served") or {}
    notebook, server = bool(served.get("notebook")), bool(served) and not served.get("notebook")
    style = "\n".join(read_asset(name) for name in ("vendor/uplot.css", "style.css"))
    script = "\n".join(
        [
            read_asset("vendor/uplot.js"),
            '(() => {\n"use strict";',
            engine_script(),
            f"const PROGRAMS = [{', '.join(programs)}];",
            *(read_asset(name) for name in _PAGE),
            "globalThis.rheobaseProgram = (name, make) => (LOADED[name] = make($exp, $exprel, $sign));",
            'const data = JSON.parse(document.getElementById("data").textContent);',
            "globalThis.page = startPage({ models: data.models, programs: PROGRAMS }, data.told);",
            "globalThis.ready = true;\n})();",
        ]
    )
    data = _inert(json.dumps({"models": [*models], "told": told}, separators=(",", ":")))
    assert "</script" not in script
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'"
            + (" 'self'" if server else f" 'nonce-{served['token']}'" if notebook else ""),
            f"style-src '{_hash(style)}'",
            "img-src data: blob:",
            "connect-src " + ("'self'" if server else "'none'"),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    page = read_asset("page.html")
    for name, text in {
        "policy": html.escape(policy, quote=True),
        "title": html.escape(title),
        "version": html.escape(rheobase.__version__),
        "style": style,
        "data": data,
        "script": script,
    }.items():
        before, found, after = page.partition(f"{{{name}}}")
        assert found, name
        page = before + text.replace("{", "\0") + after  # what was put in is not searched again
    return page.replace("\0", "{"), policy


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _inert(text: str) -> str:
    """Return JSON in which nothing can end the element that holds it."""
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
