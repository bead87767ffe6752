"""What the pages of the documentation show runs: all Python blocks of a page, one after the other."""

import re
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
