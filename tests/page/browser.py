"""The browser that the tests of the page drive, and what is missing to do so."""

import os
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
MISSING = [
    what
    for what, there in {
        "Node": shutil.which("node"),
        "Chromium (set CHROMIUM)": Path(CHROMIUM).exists(),
        "`npm ci` in tools/page": (HERE.parent.parent / "tools/page/node_modules/playwright-core").exists(),
    }.items()
    if not there
]
#: the marks of a test that needs it
MARKS = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")]
