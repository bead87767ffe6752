"""What is printed for another program, written into a file."""

from __future__ import annotations

from pathlib import Path

from rheobase.errors import InputError

__all__ = ["write_text"]


def write_text(file: str | Path, text: str, overwrite: bool) -> None:
    """Write a text.

    Raises
    ------
    InputError
        If the file is there and not to be replaced, or cannot be written.
    """
    path = Path(file)
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; give another name, or overwrite=True")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
