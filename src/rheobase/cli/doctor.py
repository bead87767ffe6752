"""`rheobase doctor`: what is installed, whether it works, and what to do where it does not."""

from __future__ import annotations

import importlib
import os
import platform
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

import rheobase

__all__ = ["doctor"]

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
    "notebook": ("anywidget", "rows of your own on the page in a notebook"),
}


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
