"""The command `rheobase`: a demonstration, a look at the installation, recordings for other programs."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Annotated, Any, Final, final

import typer
from rich.console import Console
from rich.table import Table

import rheobase
from rheobase.errors import InputError, RheobaseError

__all__ = ["app", "main"]

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
)
#: The figures of `rheobase demo --quick`: one an example, none that compiles.
_QUICK: Final = frozenset({"step_response", "fi_curve", "00_firing", "01_loop", "02_table", "03_square", "04_models"})

_CORE: Final = ("numpy", "scipy", "sympy", "numba", "matplotlib", "h5py", "typer", "rich", "tqdm")
#: extra of pyproject.toml -> (distribution, what it is for)
_EXTRAS: Final = {
    "torch": ("torch", "training and conversion"),
    "nir": ("nir", "exchange with neuromorphic hardware"),
    "neo": ("neo", "spike trains for analysis tools"),
    "pynn": ("PyNN", "scripts of other simulators"),
    "nwb": ("pynwb", "archives of recordings"),
    "mpi": ("mpi4py", "several machines"),
    "dask": ("dask", "sweeps over several machines"),
    "pandas": ("pandas", "runs as tables"),
    "explore": ("starlette", "rows of your own on the page"),
}

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    help="Spiking neurons, written once as four rows.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rheobase {rheobase.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Spiking neurons, written once as four rows."""


# ------------------------------------------------------------------ demo
@final
@dataclass(frozen=True)
class _Drawn:
    """A picture, how it was computed, and in what time."""

    path: Path
    shows: str
    computed: str
    seconds: float


@app.command()
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
            jobs = _collect_figures(quick)
            task = progress.add_task("", total=len(jobs))
            for name, draw in jobs:
                progress.update(task, description=f"{name:<18.18}")
                drawn.append(_draw(name, draw, out))
                progress.advance(task)
    except RheobaseError as error:
        raise _fail(str(error)) from None
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


def _fail(message: str) -> typer.Exit:
    typer.echo(f"rheobase: {message}", err=True)
    return typer.Exit(1)


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
    here = Path(__file__).resolve().parent
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


def _collect_figures(quick: bool) -> list[tuple[str, Callable[[], tuple[Any, list[Any]]]]]:
    jobs = [(name, draw) for stem in _SHOWN for name, draw in _load_example(stem).FIGURES.items()]
    return [(name, draw) for name, draw in jobs if not quick or name in _QUICK]


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


# ------------------------------------------------------------------ explore
@app.command(
    epilog="Examples:  rheobase explore   |   rheobase explore AdEx   |   rheobase explore C --out bursting.html"
)
def explore(
    model: Annotated[
        str | None, typer.Argument(help="A neuron of the zoo (AdEx), or a firing pattern (A to T).", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the page to this file, and open nothing: it can be mailed.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Where it is served, on this machine only; any free port without it.", min=0, max=65535),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Tell the address, and leave the rest to you.")
    ] = False,
) -> None:
    """Open the page on which neurons are played with: buckets, sliders, your own rows, networks."""
    try:
        page = rheobase.explore(model, out=out, port=port, browser=not no_browser, wait=True)
    except RheobaseError as error:
        raise _fail(str(error)) from None
    if isinstance(page, Path):
        typer.echo(f"{page}: {page.stat().st_size / 1e3:.0f} kB")


# ------------------------------------------------------------------ doctor
@app.command()
def doctor() -> None:
    """Show versions, compiler, cache and optional packages, and what to do where something is amiss."""
    console = Console()
    advice: list[str] = []
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("rheobase", f"{rheobase.__version__} in {Path(rheobase.__file__).parent}")
    table.add_row(
        "Python",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    )
    found = {name: _version(name) for name in _CORE}
    table.add_row("packages", ", ".join(f"{name} {version}" for name, version in found.items() if version))
    if missing := [name for name, version in found.items() if not version]:
        advice.append(f"missing: {', '.join(missing)}; run: python -m pip install {' '.join(missing)}")
    table.add_row("compiled run", _check_compiler(advice))
    table.add_row("threading layers", _find_layers())
    table.add_row("cache", _check_cache(advice))
    for extra, (distribution, purpose) in _EXTRAS.items():
        version = _version(distribution)
        table.add_row(f"optional: {extra}", f"{purpose}: {version or f'not installed; pip install {distribution}'}")
    console.print(table, highlight=False, markup=False)
    for line in advice:
        console.print(f"! {line}", style="bold", highlight=False, markup=False, soft_wrap=True)
    if advice:
        raise typer.Exit(1)
    console.print("All is well.")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _check_compiler(advice: list[str]) -> str:
    """Return what a small compiled run did: it must agree with the same run in plain Python."""
    values: dict[str, Any] = {"I": 0.3, "until": "30 ms", "record": False, "dt": "0.1 ms"}
    try:
        begin = perf_counter()
        many = rheobase.simulate(rheobase.LIF(), n=5000, **values)
        seconds = perf_counter() - begin
    except Exception as error:  # whatever goes wrong in there is what the user wants to read
        advice.append("compiling failed; try: pip install --force-reinstall numba llvmlite")
        return f"failed: {type(error).__name__}: {error}"
    one = rheobase.simulate(rheobase.LIF(), **values)
    if any(s.tolist() != one.spikes[0].tolist() for s in many.spikes):
        advice.append("compiled code gives other spikes than plain Python; clear the cache folder and try again")
        return "wrong spikes"
    return f"right, in {seconds:.1f} s"


def _find_layers() -> str:
    """Return which of Numba's threading layers can be loaded here."""
    names = []
    for name, module in (("tbb", "tbbpool"), ("omp", "omppool"), ("workqueue", "workqueue")):
        try:
            importlib.import_module(f"numba.np.ufunc.{module}")
            names.append(name)
        except ImportError:
            continue
    return ", ".join(names) or "none"


def _check_cache(advice: list[str]) -> str:
    from rheobase.remember import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [f for f in folder.rglob("*") if f.is_file()]
        size = sum(f.stat().st_size for f in files) / 1e6
        writable = os.access(folder, os.W_OK)
    except OSError as error:
        files, size, writable = [], 0.0, False
        advice.append(f"{folder}: {error.strerror}")
    if not writable:
        advice.append(
            f"{folder} cannot be written, so each process compiles anew; set RHEOBASE_CACHE to another folder"
        )
    return f"{folder}, {len(files)} files, {size:.1f} MB{'' if writable else ', not writable'}"


# ------------------------------------------------------------------ convert
@app.command()
def convert(
    recording: Annotated[Path, typer.Argument(help="What simulate(net, record_to=...) wrote.")],
    target: Annotated[Path, typer.Argument(help="The new file, .h5, .hdf5 or .npz.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the new file if it is there.")] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Of a damaged recording, take what precedes the damage.")
    ] = False,
) -> None:
    """Write a recording as HDF5 or as NumPy's .npz."""
    try:
        out = rheobase.convert_recording(recording, target, overwrite, salvage)
    except RheobaseError as error:
        raise _fail(str(error)) from None
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
