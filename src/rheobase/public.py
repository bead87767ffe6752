"""Public names that are imported when they are first used: the stub beside a package's `__init__` lists them.

One list for people, type checkers and imports, so that ``import rheobase`` costs a few milliseconds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["fetch", "read_homes"]


def read_homes(file: str) -> dict[str, str]:
    """Return public name -> the module it comes from, of the package whose ``__file__`` this is."""
    stub = ast.parse(Path(file).with_name("__init__.pyi").read_text(encoding="utf-8"))
    return {
        a.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom) and node.module
        for a in node.names
    }


def fetch(package: str, homes: Mapping[str, str], name: str) -> Any:
    """Return what a public name of a package stands for: a module of it, or a name in one.

    Raises
    ------
    AttributeError
        If the package has no such name; the nearest one is named.
    """
    home = homes.get(name)
    if home is None:
        from rheobase.errors import nearest

        if name.isidentifier() and not name.startswith("_") and find_spec(f"{package}.{name}") is not None:
            raise AttributeError(f"{package}.{name} is a module that is imported by its name: import {package}.{name}")
        raise AttributeError(f"{package} has no '{name}'.{nearest(name, homes)}")
    return import_module(f"{home}.{name}") if home == package else getattr(import_module(home), name)
