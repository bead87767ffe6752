"""The command `rheobase`: one file a command, with its name; what it says lies in the library."""

from __future__ import annotations

from typing import Annotated

import typer

import rheobase
from rheobase.cli.bench import bench
from rheobase.cli.convert import convert
from rheobase.cli.demo import demo
from rheobase.cli.doctor import doctor
from rheobase.cli.explore import explore
from rheobase.cli.questions import compare, fi
from rheobase.cli.run import run

__all__ = ["app", "main"]

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


for command in (demo, explore, run, fi, compare, convert, bench, doctor):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    app()
