"""What the command line says when it cannot do what it was asked."""

from __future__ import annotations

import typer

__all__ = ["fail"]


def fail(message: str, code: int = 1) -> typer.Exit:
    """Say on the error stream what is wrong; return what ends the program with this code."""
    typer.echo(f"rheobase: {message}", err=True)
    return typer.Exit(code)
