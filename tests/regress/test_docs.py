"""What the pages of the documentation show runs: all Python blocks of a page, one after the other."""

import os
import re
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if not {"examples", "reference", "_build", "decisions"} & {*p.parts})
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
WITH_CODE = [p for p in PAGES if BLOCK.search(p.read_text(encoding="utf-8"))]


def test_there_are_pages():
    assert len(WITH_CODE) >= 12


@pytest.mark.parametrize(
    "page", [pytest.param(p, id=p.relative_to(DOCS).with_suffix("").as_posix()) for p in WITH_CODE]
)
def test_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__page__"}
    for number, code in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1):
        exec(compile(code, f"{page.name}, block {number}", "exec"), names)  # noqa: S102 - the page is ours
    plt.close("all")


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


#: name of a block -> folder of its environment below PEERS (bench/README.md), what it prints
PEERS = {"brian2": ("brian2", "41.9  65.8"), "nest": ("nest", "43.  67."), "snntorch": ("ml", "42.0, 64.0")}


@pytest.mark.slow
@pytest.mark.parametrize("peer", PEERS)
def test_what_other_programs_are_said_to_do(peer):
    folder, printed = PEERS[peer]
    python = Path(os.environ.get("PEERS", "")) / folder / "bin" / "python"
    if not python.exists():
        pytest.skip("PEERS names no folder with that program")
    text = (DOCS / "same-in.md").read_text(encoding="utf-8")
    found = []
    for code in re.findall(rf"^```{peer}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout)
    assert printed in found[0]
