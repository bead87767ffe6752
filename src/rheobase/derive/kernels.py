"""Which functions are kernels, and how an engine compiles them.

A kernel is plain Python over flat sequences and floats. It runs as it is, and `compile_kernels` hands it unchanged to a
compiler chosen by the caller; this module imports none.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Table = Sequence[float] | Floats  # what a kernel reads
Layout = Sequence[int] | NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])
Work = Any  # what a kernel writes: a list of floats or a float64 array

KERNELS: list[Callable[..., Any]] = []


def kernel(function: Function) -> Function:
    """Return the function itself, noted in `KERNELS` in order of definition (callees come first)."""
    KERNELS.append(function)
    return function


def compile_kernels(
    jit: Callable[[Any], Any],
    kernels: Sequence[Callable[..., Any]],
    instead: Mapping[str, Callable[..., Any]] | None = None,
) -> dict[str, Any]:
    """Return the compiled kernels by name; each calls the compiled form of those before it.

    Every function is rebuilt on a copy of its module's globals in which earlier kernels are already the
    compiled ones, so the originals stay plain Python. The code objects keep their file and line, hence
    tracebacks and on-disk caches of the compiler keep working.

    Parameters
    ----------
    jit : callable
        Takes a Python function, returns its compiled form, for example ``numba.njit(cache=True)``.
    kernels : sequence of functions
        In dependency order, for example `KERNELS` of `rheobase.derive.crossing`.
    instead : mapping, optional
        Functions that take the place of kernels of that name.

    Examples
    --------
    >>> compiled = compile_kernels(lambda function: function, KERNELS)
    >>> sorted(compiled) == sorted(own.__name__ for own in KERNELS)
    True
    """
    compiled: dict[str, Any] = {}
    for own in kernels:
        function = (instead or {}).get(own.__name__, own)
        namespace = {**function.__globals__, **compiled}
        clone = types.FunctionType(function.__code__, namespace, function.__name__, function.__defaults__)
        clone.__module__ = function.__module__
        clone.__qualname__ = function.__qualname__
        compiled[own.__name__] = jit(clone)
    return compiled
