"""`rheobase run`: simulate what a file describes, or a neuron of the zoo, and write what came out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import rheobase as rb
from rheobase.cli.description import Description, find_model, read_description
from rheobase.cli.messages import fail
from rheobase.cli.results import check_target, write_run
from rheobase.errors import InputError, RheobaseError

__all__ = ["choose_model", "read_settings", "run"]

_PICTURES: Final = (".png", ".svg", ".pdf")

Model = Annotated[str, typer.Argument(help="A TOML file, or a neuron of the zoo, such as LIF.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="NAME=VALUE",
        help="A parameter, initial value or input, such as -s tau='10 ms' -s I='0.3 nA' -s I=current.csv.",
    ),
]


def run(
    model: Model,
    settings: Settings = None,
    until: Annotated[str | None, typer.Option(help="How long, such as '1 s'.")] = None,
    dt: Annotated[str | None, typer.Option(help="Run on a grid of this step.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes random numbers repeatable.")] = None,
    n: Annotated[int | None, typer.Option(help="How many equal neurons.")] = None,
    record: Annotated[str | None, typer.Option(help="States to keep: v, or v,w, or none.")] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", "-o", help="Write spikes and traces: .csv, .h5, .npz. May be repeated."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a picture: .png, .svg, .pdf.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Simulate a neuron or a network from a file.

    \b
    rheobase run LIF -s I="0.3 nA" --until "150 ms" --out spikes.csv --plot run.png
    rheobase run LIF -s I=current.csv --until "1 s" --dt "0.1 ms"
    rheobase run network.toml --until "2 s" --seed 1 --out run.h5

    The file has the names of the library: model = "LIF", until = "1 s", and a table [values];
    a network has tables [[population]] and [[connect]].
    """  # noqa: D301
    try:
        asked = read_settings(choose_model(model), settings or [])
        how = dict(asked.run)
        how |= {k: v for k, v in (("until", until), ("seed", seed), ("n", n)) if v is not None}
        if dt is not None:
            how.pop("engine", None)
            how["dt"] = dt
        if record is not None:
            how["record"] = False if record == "none" else [s.strip() for s in record.split(",")]
        if "until" not in how:
            raise InputError('how long? give --until "1 s", or until = "1 s" in the file')
        targets = [check_target(path, overwrite) for path in out or []]
        if plot is not None and plot.suffix.lower() not in _PICTURES:
            raise InputError(f"{plot}: pictures are written as {', '.join(_PICTURES)}")
        if asked.is_network and how.pop("n", None) is not None:
            raise InputError("a network has its numbers of neurons in the file; leave out --n")
        found: Any = rb.simulate(asked.model, **how, **asked.values, progress=not quiet and sys.stderr.isatty())
        written = [p for path in targets for p in write_run(found, path)]
        if plot is not None:
            written.append(_draw(found, plot))
    except RheobaseError as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        raise fail("interrupted", 130) from None
    if not quiet:
        typer.echo(repr(found))
        for path in written:
            typer.echo(f"{path}: {path.stat().st_size / 1e3:.1f} kB")


def choose_model(model: str) -> Description:
    """Return what a file or a name of the zoo asks for."""
    path = Path(model)
    if path.suffix.lower() == ".toml":
        return read_description(path)
    if path.suffix or path.exists():
        raise InputError(f"{model}: give a .toml file, or the name of a neuron such as LIF")
    return Description(find_model(model))


def read_settings(asked: Description, settings: list[str]) -> Description:
    """Return a description with values from the command line put in."""
    values = dict(asked.values)
    for text in settings:
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or not value:
            raise InputError(f"--set {text!r:.60} is not NAME=VALUE, such as -s tau='10 ms'")
        if asked.is_network:
            raise InputError("the values of a network stand in its file; --set is for neurons")
        values[name] = rb.read_current(value) if value.lower().endswith((".csv", ".npy")) else _number(value)
    return replace(asked, values=values)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _draw(found: Any, path: Path) -> Path:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    from rheobase import plot

    drawn = found.plot() if isinstance(found, rb.NetworkRun) or found.traces else found.raster()
    axes = drawn.flat[0] if hasattr(drawn, "flat") else drawn
    figure = axes.figure
    assert isinstance(figure, Figure)
    return plot.save(figure, path)
