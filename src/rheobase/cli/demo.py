"""`rheobase demo`: the figures of the examples, drawn and checked."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Annotated, Any, Final, final

import typer
from rich.console import Console
from rich.table import Table

from rheobase.cli.messages import fail
from rheobase.errors import InputError, RheobaseError

__all__ = ["demo"]

#: The examples that `rheobase demo` runs, in this order.
_SHOWN: Final = (
    "first_look",
    "00_buckets",
    "01_sinabs_loop",
    "02_lif_table",
    "03_three_phase",
    "04_abstract_models",
    "05_gallery",
    "06_noise_and_chance",
    "07_network",
    "10_relu_to_spikes",
)
#: Those that import torch at once: not even loaded for `--quick`, left out where it is missing.
_TRAINED: Final = ("12_digits_surrogate",)
_DISTRIBUTIONS: Final = {"torch": "torch", "sklearn": "scikit-learn"}
#: Figures that take a minute each: drawn by their example alone.
_LONG: Final = frozenset({"10_conversion", "10_simulated"})
#: The figures of `rheobase demo --quick`: one an example, none that compiles.
_QUICK: Final = frozenset({"step_response", "fi_curve", "00_firing", "01_loop", "02_table", "03_square", "04_models"})


@final
@dataclass(frozen=True)
class _Drawn:
    """A picture, how it was computed, and in what time."""

    path: Path
    shows: str
    computed: str
    seconds: float


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures; it is made if it is not there.")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the figures that need no compiler: a few seconds.")
    ] = False,
) -> None:
    """Draw the figures of the examples and check the numbers they state."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console, begin = Console(), perf_counter()
    try:
        _make_folder(out)
        import matplotlib

        matplotlib.use("Agg")  # pictures go to files; no window, no display needed
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        drawn: list[_Drawn] = []
        with Progress(*columns, console=console, transient=True) as progress:
            jobs, left_out = _collect_figures(quick)
            task = progress.add_task("", total=len(jobs))
            for name, draw in jobs:
                progress.update(task, description=f"{name:<18.18}")
                drawn.append(_draw(name, draw, out))
                progress.advance(task)
    except RheobaseError as error:
        raise fail(str(error)) from None
    table = Table(
        title=f"{len(drawn)} pictures in {out}",
        title_justify="left",
        box=None,
        padding=(0, 1),
        header_style="bold",
    )
    for heading in ("picture", "shows", "computed by"):
        table.add_column(heading, overflow="fold")
    table.add_column("s", justify="right")
    for one in drawn:
        table.add_row(one.path.name, one.shows, one.computed, f"{one.seconds:.1f}")
    console.print(table)
    console.print(
        f"{perf_counter() - begin:.0f} s in all. Each figure checks the numbers its text states; all held."
        " The texts: examples/ in the source.",
        highlight=False,
        soft_wrap=True,
    )
    for name, missing in left_out.items():
        console.print(f"left out: {name}, which needs {' and '.join(missing)}; pip install {' '.join(missing)}")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".rheobase"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InputError(f"cannot write into {out} ({error.strerror}); give another folder with --out") from None


def _load_example(stem: str) -> ModuleType:
    """Return an example as a module: from beside this file (installed), or from the source tree.

    Why: docs/decisions/0003-examples.md.
    """
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "examples", here.parents[1] / "examples"):
        path = folder / f"{stem}.py"
        if path.is_file():
            spec = importlib.util.spec_from_file_location(f"rheobase_example_{stem}", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise InputError(f"the example {stem}.py is missing from this installation; reinstall rheobase")


def _collect_figures(quick: bool) -> tuple[list[tuple[str, Callable[[], tuple[Any, list[Any]]]]], dict[str, list[str]]]:
    """Return the figures to draw, and by name those left out with the packages that are missing.

    An example says by ``NEEDS``, figure -> {module: distribution}, what a figure imports that rheobase does not bring.
    """
    jobs, left_out = [], {}
    for stem in _SHOWN if quick else _SHOWN + _TRAINED:
        try:
            example = _load_example(stem)
        except ModuleNotFoundError as error:
            if error.name not in _DISTRIBUTIONS:
                raise
            left_out[stem] = [_DISTRIBUTIONS[error.name]]
            continue
        needs: dict[str, dict[str, str]] = getattr(example, "NEEDS", {})
        for name, draw in example.FIGURES.items():
            if name in _LONG or (quick and name not in _QUICK):
                continue
            missing = [d for module, d in needs.get(name, {}).items() if importlib.util.find_spec(module) is None]
            if missing:
                left_out[name] = missing
            else:
                jobs.append((name, draw))
    return jobs, left_out


def _draw(name: str, draw: Callable[[], tuple[Any, list[Any]]], out: Path) -> _Drawn:
    from rheobase import plot

    begin = perf_counter()
    try:
        figure, runs = draw()
    except AssertionError as error:
        raise InputError(f"figure {name}: a number that its text states did not come out. {error}".strip()) from error
    path = plot.save(figure, out / f"{name}.png")
    return _Drawn(path, (draw.__doc__ or "").strip(), _describe(runs), perf_counter() - begin)


def _describe(runs: list[Any]) -> str:
    """Return engines and methods of the runs behind a figure; texts among them stand for themselves."""
    methods: dict[str, list[str]] = {}
    texts = []
    for run in runs:
        if isinstance(run, str):
            texts.append(run)
        elif run.engine not in methods.setdefault(run.method, []):
            methods[run.method].append(run.engine)
    for method, engines in methods.items():
        where = engines[0] if len(engines) == 1 else f"{engines[0].split('(')[0]}, {len(engines)} steps"
        texts.append(f"{where}: {method}")
    return "; ".join(dict.fromkeys(texts))
