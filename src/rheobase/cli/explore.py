"""`rheobase explore`: the page on which neurons are played with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import rheobase as rb
from rheobase.cli.messages import fail
from rheobase.cli.run import choose_model
from rheobase.errors import InputError, RheobaseError
from rheobase.model.neuron import Neuron

__all__ = ["explore"]


def explore(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A TOML file, a neuron of the zoo such as AdEx, or a firing pattern, A to T.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Write the page to this file and open nothing: it can be mailed.", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Where it is served, on this machine only; by default any free port.", min=0, max=65535),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Tell the address, open nothing.")] = False,
) -> None:
    """Open the page on which neurons are played with: buckets, sliders, your own rows, networks.

    \b
    rheobase explore
    rheobase explore AdEx
    rheobase explore C --out bursting.html
    """  # noqa: D301
    try:
        page = rb.explore(_find(model), out=out, port=port, browser=not no_browser, wait=True)
    except RheobaseError as error:
        raise fail(str(error)) from None
    if isinstance(page, Path):
        typer.echo(f"{page}: {page.stat().st_size / 1e3:.0f} kB")


def _find(model: str | None) -> Neuron | str | None:
    if model is None or Path(model).suffix.lower() != ".toml":
        return model
    asked = choose_model(model)
    if not isinstance(asked.model, Neuron):
        raise InputError(f"{model}: the page shows one neuron; give a file with model = or [neuron]")
    values = {n: x for n, x in asked.values.items() if n in asked.model.parameters and isinstance(x, str | float | int)}
    return asked.model.replace(**values) if values else asked.model
