"""`rheobase convert`: recordings for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import rheobase
from rheobase.cli.messages import fail
from rheobase.errors import RheobaseError

__all__ = ["convert"]


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
        raise fail(str(error)) from None
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
