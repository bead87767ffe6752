"""The reference: a page for each subject, with the public names that rheobase/__init__.pyi lists."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import rheobase

#: page -> (title, homes of its names); a name whose home is in none of them fails the build.
PAGES = {
    "neurons": ("Neurons", ("rheobase.model.neuron", "rheobase.model.artificial", "rheobase.model.markov")),
    "zoo": ("The zoo", ("rheobase.model.zoo",)),
    "stimuli": (
        "Currents, spikes and distributions",
        ("rheobase.network.inputs", "rheobase.network.sources", "rheobase.model.distribution"),
    ),
    "networks": (
        "Networks and synapses",
        ("rheobase.network.network", "rheobase.model.synapse", "rheobase.model.plasticity", "rheobase.networks"),
    ),
    "running": (
        "Running",
        (
            "rheobase.simulation",
            "rheobase.running",
            "rheobase.stepping",
            "rheobase.engines",
            "rheobase.sweeps",
            "rheobase.batch",
        ),
    ),
    "results": ("Results", ("rheobase.run", "rheobase.runs", "rheobase.recorded")),
    "analysis": ("Analysis", ("rheobase.analysis",)),
    "exchange": ("Other programs", ("rheobase.exchange",)),
    "exploring": ("The page", ("rheobase.explorer", "rheobase.teach")),
    "errors": ("Errors", ("rheobase.errors",)),
}


def page_of(home: str) -> str:
    """Return the page that a module's names belong on."""
    for name, (_, homes) in PAGES.items():
        if any(home == h or home.startswith(h + ".") for h in homes):
            return name
    raise ValueError(f"{home}: no page of the reference takes its names; add it to PAGES")


def things_of(thing: Any) -> list[Any]:
    """Return what a module lists as public; of anything else, itself."""
    return [getattr(thing, x) for x in thing.__all__] if inspect.ismodule(thing) else [thing]


def _place(home: str, places: list[str]) -> int:
    return next((k for k, p in enumerate(places) if home == p or home.startswith(p + ".")), len(places))


def directive(thing: Any) -> str:
    """Return the block that documents a class or a function."""
    kind = "autoclass" if inspect.isclass(thing) else "autofunction"
    return f"```{{eval-rst}}\n.. {kind}:: {thing.__module__}.{thing.__name__}\n```\n"


def write_pages(app: Sphinx) -> None:
    """Write docs/reference/*.md."""
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    found: dict[str, list[str]] = {name: [] for name in PAGES}
    places = [home for _, homes in PAGES.values() for home in homes]
    for name, home in sorted(rheobase._HOMES.items(), key=lambda pair: _place(pair[1], places)):
        if home == "rheobase" and name == "learn":  # a page of its own, where torch is installed
            continue
        thing = getattr(rheobase, name)
        page = page_of(thing.__name__ if inspect.ismodule(thing) else home)
        found[page] += [directive(x) for x in things_of(thing)]
    try:
        from rheobase import learn
    except ImportError:
        learn = None
    pages = {n: (t, found[n]) for n, (t, _) in PAGES.items() if found[n]}
    if learn is not None and getattr(learn, "__all__", None):
        pages["learning"] = (
            "Learning",
            [directive(x) for name in learn.__all__ for x in things_of(getattr(learn, name))],
        )
    for name, (title, parts) in pages.items():
        target = folder / f"{name}.md"
        text = f"# {title}\n\n" + "\n".join(parts)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
    listed = "\n".join(pages)
    (folder / "index.md").write_text(
        f"# Reference\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n", encoding="utf-8"
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for its sources."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
