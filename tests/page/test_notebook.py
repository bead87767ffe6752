"""The page as a widget of a notebook, in headless Chromium: rows go to Python and come back as a neuron.

Needs what test_page.py needs, and anywidget; the test in JupyterLab needs that, too (JUPYTER_LAB=/path/to/jupyter-lab,
whose Python imports rheobase and anywidget).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.page.browser import CHROMIUM, MARKS

HERE = Path(__file__).parent
LAB = os.environ.get("JUPYTER_LAB") or shutil.which("jupyter-lab")
pytestmark = MARKS


def walk(where: str, target: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(HERE / "notebook.mjs"), where, target],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "CHROMIUM": CHROMIUM},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    out: dict[str, Any] = json.loads(done.stdout)
    return out


def check(seen: dict[str, Any]) -> None:
    assert seen["errors"] == []
    first, line, caret = seen["caret"].splitlines()
    assert first.startswith("evolve row: ")
    assert line[caret.index("^")] == "*"
    assert seen["big"] == "more than 64000 bytes are no rows of a neuron"
    neuron, told = seen["neuron"], {}
    exec(neuron["python"].replace("print(", "told['times'] = ("), {"told": told})  # noqa: S102  # our own text
    assert [*np.round(told["times"] / neuron["dt"]).astype(int)] == neuron["steps"]
    assert len(neuron["steps"]) > 2
    assert seen["again"][1] == neuron["steps"]
    assert seen["file"].startswith("own-")
    walls = {"parent": "SecurityError", "storage": "SecurityError", "cookie": "SecurityError"}
    assert seen["walls"] == walls | {"evaluate": "EvalError", "fetch": "TypeError", "script": "undefined"}
    assert seen["stolen"] is None


def test_widget_with_a_kernel_that_stands_in() -> None:
    pytest.importorskip("anywidget", reason="the widget needs the extra `notebook`")
    seen = walk("stand-in", sys.executable)
    check(seen)
    assert seen["look"] == "dark"
    assert seen["left"] == 0
    assert {r.split(":")[0] for r in seen["requests"] if not r.startswith("http://localhost:9/")} <= {"data", "blob"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    if LAB is None:
        pytest.skip("missing: JupyterLab (set JUPYTER_LAB)")
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": []}
    text = "import rheobase as rb\nrb.explore(rb.AdEx())"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = {"cells": [cell | {"source": text}], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "book.ipynb").write_text(json.dumps(book))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(16)
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    path = os.pathsep.join(filter(None, [str(HERE.parent.parent / "src"), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [LAB, "--no-browser", "--allow-root", f"--port={port}", f"--IdentityProvider.token={token}", str(tmp_path)],
        env={**os.environ, **folders, "PYTHONPATH": path, "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/lab/tree/book.ipynb?token={token}"
    finally:
        process.terminate()
        process.wait(20)


def test_widget_in_jupyterlab(lab: str) -> None:
    seen = walk("lab", lab)
    check(seen)
    assert seen["look"] == "light"
