"""Pages whose Python is run while they are read: below each block stands what it prints and draws.

The blocks of a page are one session, as a reader would type them, in a Python of its own (Sphinx reads in forked
processes, in which compiled threads of ours would wait for ever); an error in one fails the build.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

BLOCK = re.compile(r"^```python\n(.*?)^```\n?", flags=re.MULTILINE | re.DOTALL)
LINES, WIDTH = 30, 112


def shorten(text: str) -> str:
    """Return what was printed, cut to what a page has room for."""
    lines = [line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in text.rstrip().splitlines()]
    return "\n".join(lines if len(lines) <= LINES else [*lines[:LINES], "…"])


def run_blocks(blocks: list[str], pictures: str) -> list[tuple[str, list[str]]]:
    """Return for each block what it printed and the names of its pictures, which begin with `pictures`."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names: dict[str, object] = {"__name__": "__page__"}
    out = []
    for count, code in enumerate(blocks, 1):
        printed, drawn = io.StringIO(), []
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"block {count}", "exec"), names)  # noqa: S102  # the page is ours
        for number in plt.get_fignums():
            drawn.append(f"{pictures}_{count}_{number}.png")
            plt.figure(number).savefig(drawn[-1], dpi=100)
        plt.close("all")
        out.append((printed.getvalue(), [Path(d).name for d in drawn]))
    return out


def show(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put below each block what it prints and draws."""
    if docname not in app.config.shown_pages:
        return
    folder = Path(app.srcdir) / "_drawn"
    folder.mkdir(exist_ok=True)
    asked = json.dumps([BLOCK.findall(source[0]), str(folder / docname.replace("/", "_"))])
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [sys.executable, __file__], input=asked, cwd=place, capture_output=True, text=True, timeout=900, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{docname}: {done.stderr[-2000:]}")
    outputs = iter(json.loads(done.stdout))
    up = "../" * docname.count("/")

    def add(found: re.Match[str]) -> str:
        printed, pictures = next(outputs)
        parts = [found[0].rstrip("\n")]
        if text := shorten(printed):
            parts.append(f"```{{code-block}} text\n:class: printed\n\n{text}\n```")
        parts += [f"![What this draws]({up}_drawn/{picture})" for picture in pictures]
        return "\n\n".join(parts) + "\n"

    source[0] = BLOCK.sub(add, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Run the pages that `shown_pages` names when they are read."""
    app.add_config_value("shown_pages", [], "env", [list])
    app.connect("source-read", show)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    told = run_blocks(*json.load(sys.stdin))
    json.dump(told, sys.stdout)
