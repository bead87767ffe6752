"""Numba at arm's length: plain functions in, compiled ones out, cached on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

from rheobase.emit.source import load_module

__all__ = ["compile_functions", "compiled_module", "plain_module"]


def plain_module(path: Path) -> ModuleType:
    """Return a generated module as ordinary Python."""
    return load_module(path)


def jit(function: Callable[..., Any], inline: bool = False) -> Any:
    """Return a function compiled by Numba: cached, without the interpreter's lock, IEEE division.

    No fast-math: results must not depend on how the compiler groups a sum.
    """
    import numba

    _allow_many_arrays()
    return numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=inline)(function)


def compile_functions(module: ModuleType, inner: Sequence[str], outer: Sequence[str]) -> None:
    """Replace the named functions of a module by compiled ones, the inner ones first."""
    for name in inner:
        setattr(module, name, jit(getattr(module, name), inline=True))
    for name in outer:
        setattr(module, name, jit(getattr(module, name)))


@lru_cache(maxsize=512)
def compiled_module(path: Path, inner: tuple[str, ...], outer: tuple[str, ...]) -> ModuleType:
    """Return a generated module with its functions compiled, beside the plain one."""
    name = f"rheobase_compiled_{path.stem}"
    spec = util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module  # Numba's cache imports the module again by name
    spec.loader.exec_module(module)
    compile_functions(module, inner, outer)
    return module


@lru_cache(maxsize=1)
def _allow_many_arrays() -> None:
    """Let LLVM vectorise loops over many arrays: it gives up unless it may write that many overlap checks."""
    from llvmlite import binding

    binding.set_option("rheobase", "-runtime-memory-check-threshold=200")
