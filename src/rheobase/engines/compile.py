"""Numba at arm's length: plain functions in, compiled ones out, cached on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
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
    return numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=inline, _nrt=False)(function)


def compile_functions(module: ModuleType, inner: Sequence[str], outer: Sequence[str]) -> None:
    """Replace the named functions of a module by compiled ones, the inner ones first."""
    for name in inner:
        setattr(module, name, jit(getattr(module, name), inline=True))
    for name in outer:
        setattr(module, name, jit(getattr(module, name)))


def compiled_module(
    path: Path, inner: Sequence[str], outer: Sequence[str], given: Mapping[str, Any] | None = None
) -> ModuleType:
    """Return a generated module with its functions compiled, beside the plain one.

    `given` are compiled functions that the module calls by name.
    """
    module = load_module(path, "compiled")
    if not hasattr(module, "_compiled"):
        for name, function in (given or {}).items():
            setattr(module, name, function)
        compile_functions(module, inner, outer)
        module._compiled = True  # type: ignore[attr-defined]
    return module


@lru_cache(maxsize=1)
def _allow_many_arrays() -> None:
    """Let LLVM vectorise loops over many arrays: it gives up unless it may write that many overlap checks."""
    from llvmlite import binding

    binding.set_option("rheobase", "-runtime-memory-check-threshold=200")
