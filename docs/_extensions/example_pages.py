"""Examples as pages: the text cells as prose, the code cells as code, each figure drawn anew below its code.

An example is a script with `# %%` cells that names its figures in FIGURES: docs/decisions/0003-examples.md. A number
that does not come out fails there, and so fails the build.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.display import status_iterator

ROOT = Path(__file__).parents[2]
CELL = re.compile(r"^# %%(.*)$", flags=re.MULTILINE)
SLOW = {"08_published_networks", "09_digits_stdp"}  # minutes: shown without being run
log = logging.getLogger(__name__)


def cells(text: str) -> list[tuple[str, str]]:
    """Return (kind, content) of the cells: "markdown" or "code"."""
    marks = [*CELL.finditer(text)]
    out = []
    for mark, after in zip(marks, [*(m.start() for m in marks[1:]), len(text)], strict=True):
        content = text[mark.end() : after].strip("\n")
        if "[markdown]" in mark[1]:
            out.append(("markdown", "\n".join(re.sub(r"^# ?", "", line) for line in content.splitlines())))
        elif content:
            out.append(("code", content))
    return out


def load(path: Path) -> ModuleType:
    """Return an example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(path: Path, pictures: Path, drawn: bool) -> str:
    """Return the page of an example, its figures drawn into a folder."""
    from rheobase import plot

    module = load(path)
    names = {draw.__name__: name for name, draw in getattr(module, "FIGURES", {}).items()}
    parts = []
    for kind, content in cells(path.read_text(encoding="utf-8")):
        if kind == "markdown":
            parts.append(content)
            continue
        if content.startswith("FIGURES"):
            break  # what follows writes the files
        parts.append(f"```python\n{content}\n```")
        functions = [node.name for node in ast.parse(content).body if isinstance(node, ast.FunctionDef)]
        for name in (names[f] for f in functions if f in names):
            needs = getattr(module, "NEEDS", {}).get(name, {})
            if drawn and all(importlib.util.find_spec(m) for m in needs):  # what is missing keeps its last picture
                figure, _ = module.FIGURES[name]()
                plot.save(figure, pictures / f"{name}.png")
            if (pictures / f"{name}.png").exists():
                parts.append(f"![{module.FIGURES[name].__doc__}](pictures/{name}.png)")
    parts.append(f"*The whole script: `{path.relative_to(ROOT).as_posix()}`.*")
    return "\n\n".join(parts) + "\n"


def write_pages(app: Sphinx) -> None:
    """Write docs/examples/*.md; a page that is newer than its example and than the library stays as it is."""
    mpl.use("Agg")
    folder = Path(app.srcdir) / "examples"
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    library = max(p.stat().st_mtime for p in (ROOT / "src" / "rheobase").rglob("*.py"))
    examples, course = (sorted((ROOT / "examples" / f).glob("*.py")) for f in ("", "course"))
    scripts = [*sorted(examples, key=lambda p: not p.stem.startswith("first")), *course]
    for path in status_iterator(scripts, "drawing examples... ", length=len(scripts), stringify_func=lambda p: p.stem):
        target = folder / f"{path.stem}.md"
        if target.exists() and target.stat().st_mtime > max(path.stat().st_mtime, library):
            continue
        target.write_text(page(path, pictures, path.stem not in SLOW), encoding="utf-8")
    head = "# Examples\n\nEach page is a script of `examples/`; its numbers were checked when this page was built."
    parts = [head]
    for title, paths in (
        ("A course in five chapters, with exercises", course),
        ("Tutorials and published models", examples),
    ):
        listed = "\n".join(p.stem for p in paths)
        parts.append(f"## {title}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```")
    index = "\n\n".join(parts) + "\n"
    (folder / "index.md").write_text(index, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for its sources."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
