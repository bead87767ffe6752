"""Numba at arm's length: plain functions in, machine code out, kept in object files.

Numba is imported only where something must be compiled. What it made is an object file in the cache folder,
named by all it depends on, which `rheobase.emit.native` loads without it. Where a function or its arguments
do not lend themselves to that, Numba's own compiled function takes its place.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import math
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, final

from rheobase.emit import native
from rheobase.emit.source import load_module
from rheobase.remember import cache_folder

__all__ = ["Compiled", "compile_functions", "compiled_module", "plain_module", "waiting"]

_LOCK: Final = threading.RLock()
_SUFFIX: Final = ".object"
_INNER: Final[set[str]] = set()  # functions that are built into others
_LISTED: Final[dict[str, Any]] = {}  # what object files the cache folder has, and when it was looked at
_RUNNING: Final[set[str]] = set()  # files with compiled code in this process
_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}


def plain_module(path: Path) -> ModuleType:
    """Return a generated module as ordinary Python."""
    return load_module(path)


def compiled_module(
    path: Path,
    inner: Sequence[str],
    outer: Sequence[str],
    given: Callable[[], Mapping[str, Any]] | None = None,
    apart: Sequence[str] = (),
) -> ModuleType:
    """Return a generated module with its outer functions compiled, beside the plain one.

    `given` returns compiled functions that the module calls by name; it is asked when something is compiled.
    The inner functions are built into those that call them, those `apart` are called.
    """
    with _LOCK:  # several threads build a network
        module = load_module(path, "compiled")
        if not hasattr(module, "_compiled"):
            compile_functions(module, inner, outer, given, apart)
            module._compiled = True  # type: ignore[attr-defined]
    return module


def compile_functions(
    module: ModuleType,
    inner: Sequence[str],
    outer: Sequence[str],
    given: Callable[[], Mapping[str, Any]] | None = None,
    apart: Sequence[str] = (),
) -> None:
    """Replace the outer functions of a module by compiled ones, which have the inner ones built in."""

    @lru_cache(maxsize=1)
    def prepare() -> None:
        for name, function in (given() if given else {}).items():
            setattr(module, name, function)
        for name in inner:
            setattr(module, name, jit(getattr(module, name), inline=True))
        for name in apart:
            setattr(module, name, jit(getattr(module, name)))

    for name in outer:
        setattr(module, name, Compiled(getattr(module, name), prepare))


def waiting(path: Path) -> float:
    """Return in about how many seconds compiled code of a generated module can run, infinite if not compiled yet.

    It need not be right: results do not depend on whether code is compiled.
    """
    if path.stem in _RUNNING:
        return 0.0
    if path.stem in _kept():
        return 0.003 if "llvmlite.binding" in sys.modules else 0.06
    return math.inf


def _kept() -> Collection[str]:
    """Return the names of the modules with object files; the folder is read again only where it has changed."""
    folder = cache_folder()
    try:
        changed = folder.stat().st_mtime_ns
        if _LISTED.get("at") != (folder, changed):
            with os.scandir(folder) as files:
                found = {file.name.partition(".")[0] for file in files if file.name.endswith(_SUFFIX)}
            _LISTED.update(at=(folder, changed), names=found)
    except OSError:
        return ()
    names: Collection[str] = _LISTED["names"]
    return names


def jit(function: Callable[..., Any], inline: bool = False) -> Any:
    """Return a function compiled by Numba, to be built into others: no reference counts, IEEE division.

    No fast-math: results must not depend on how the compiler groups a sum.
    """
    import numba

    _allow_many_arrays()
    _INNER.add(function.__qualname__)
    bare = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
    return numba.njit(forceinline=inline, **bare, **_OPTIONS)(function)


@final
class Compiled:
    """A function as machine code: called like the function itself, compiled at the first call of each type.

    The lock of the interpreter is let go while it runs.
    """

    def __init__(self, function: Callable[..., Any], prepare: Callable[[], None] = lambda: None) -> None:
        self.function, self._prepare = function, prepare
        self._known: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        return self._way(arguments)(arguments)

    def _way(self, arguments: tuple[Any, ...]) -> Any:
        key = native.key_of(arguments)
        run = self._known.get(key)
        if run is None:
            with _LOCK:
                run = self._known.get(key) or self._known.setdefault(key, self._find(key))
                _RUNNING.add(Path(self.function.__code__.co_filename).stem)
        return run

    def machine_code(self, *arguments: Any) -> tuple[int, str] | None:
        """Return the address of the machine code for arguments of these types, and how they are written as words.

        For callers that start it on threads of their own, with arrays that live long enough; None if there is none.
        """
        run = self._way(arguments)
        return (run.address, run.format) if hasattr(run, "address") else None

    @property
    def dispatcher(self) -> Any:
        """The function compiled by Numba, to be built into another."""
        with _LOCK:
            self._prepare()
            return jit(self.function)

    def _find(self, key: tuple[Any, ...]) -> Callable[..., Any]:
        """Return a way to run the function: loaded, or compiled and kept, or left to Numba."""
        kinds = native.kinds_of(key)
        if kinds is None:
            return self._by_numba()
        path = self._path(kinds)
        code = native.read_object(path)
        entry = native.link(code) if code is not None else None
        if entry is None:
            code = self._compile(kinds)
            entry = native.link(code) if code is not None else None
            if entry is None or code is None:
                return self._by_numba()
            native.write_object(path, code)
        return _caller(entry, kinds, self.function.__name__)

    def _path(self, kinds: tuple[str, ...]) -> Path:
        source = Path(self.function.__code__.co_filename)
        told = (_circumstances(), source.read_text(encoding="utf-8"), self.function.__name__, " ".join(kinds))
        digest = hashlib.blake2b("\0".join(told).encode(), digest_size=12).hexdigest()
        return cache_folder() / f"{source.stem}.{self.function.__name__}.{digest}{_SUFFIX}"

    def _compile(self, kinds: tuple[str, ...]) -> bytes | None:
        """Return the machine code for arguments of the given kinds, None where Numba cannot make it like that."""
        _allow_many_arrays()
        self._prepare()
        try:
            return _object_code(self.function, kinds)
        except Exception:
            return None  # Numba is asked again by the ordinary road, and tells what is wrong if something is

    def _by_numba(self) -> Callable[..., Any]:
        import numba

        _allow_many_arrays()
        self._prepare()
        try:
            function = numba.njit(cache=True, **_OPTIONS)(self.function)
        except RuntimeError:  # no folder for its cache
            function = numba.njit(**_OPTIONS)(self.function)
        return lambda arguments: function(*arguments)


def _caller(entry: Callable[[bytes], int], kinds: tuple[str, ...], name: str) -> Callable[[Sequence[Any]], int]:
    words = native.packer(kinds)

    def run(arguments: Sequence[Any]) -> int:
        count = entry(words(arguments))
        if count == native.RAISED:
            raise RuntimeError(f"the compiled function {name} raised an exception")
        return count

    run.address = ctypes.cast(entry, ctypes.c_void_p).value  # type: ignore[attr-defined, arg-type]
    run.format = native.word_format(kinds)  # type: ignore[attr-defined]
    return run


def _object_code(function: Callable[..., Any], kinds: Sequence[str]) -> bytes:
    """Return the machine code of a function behind an entry that takes words."""
    from numba.core import types
    from numba.core.compiler import Flags, compile_extra
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target
    from numba.core.types.misc import unliteral

    flags = Flags()
    options = {"nopython": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False, **_OPTIONS}
    cpu_target.options.parse_as_flags(flags, options)
    flags.no_compile = True  # the entry is put in first
    with global_compiler_lock, _optimising_once():
        result = compile_extra(
            cpu_target.typing_context,
            cpu_target.target_context,
            function,
            tuple(_numba_type(kind) for kind in kinds),
            None,
            flags,
            {},
        )
        if unliteral(result.fndesc.restype) not in (types.none, types.int64):
            raise TypeError(f"{function.__name__} returns {result.fndesc.restype}")
        library = result.library
        library.add_ir_module(_entry_module(result.target_context, result.fndesc))
        library._final_module.get_function(result.fndesc.llvm_func_name).linkage = "internal"
        library.finalize()
        return bytes(library._get_compiled_object())


@contextmanager
def _optimising_once() -> Iterator[None]:
    """Let LLVM optimise an outer function with all that it calls, not each inner one before: 2 to 9 times faster.

    Numba would optimise and emit every inner function together with all that it calls, and again where it is called.
    """
    from numba.core import codegen

    library, target = codegen.CPUCodeLibrary, codegen.JITCPUCodegen
    finalize, set_env, add = library.finalize, target.set_env, library.add_ir_module
    parts = ("_linking_libraries", "_raise_if_finalized", "_get_module_for_linking", "_finalize_dynamic_globals")

    def link(self: Any) -> None:
        if self.name not in _INNER or not all(hasattr(self, part) for part in parts):
            finalize(self)
            return
        self._raise_if_finalized()
        for other in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(other._reload_init)
            self._final_module.link_in(other._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True

    def note(self: Any, name: str, environment: Any) -> None:
        if self._engine.get_global_value_address(name):  # none for what was only linked
            set_env(self, name, environment)

    def widen(self: Any, module: Any) -> None:
        for function in module.functions if _is_wide() else ():
            if function.blocks:
                set.add(function.attributes, '"prefer-vector-width"="512"')
        add(self, module)

    library.finalize, target.set_env, library.add_ir_module = link, note, widen
    try:
        yield
    finally:
        library.finalize, target.set_env, library.add_ir_module = finalize, set_env, add


@lru_cache(maxsize=1)
def _is_wide() -> bool:
    """Return whether vectors of 512 bits cost no clock rate, as they did before Ice Lake; LLVM takes 256 by itself."""
    from llvmlite import binding

    return bool(binding.get_host_cpu_features().get("avx512vbmi2", False))


def _numba_type(kind: str) -> Any:
    import numpy as np
    from numba import from_dtype
    from numba.core import types

    scalar, _, axes = kind.rstrip("]").partition("[")
    element = types.boolean if scalar == "b1" else from_dtype(np.dtype(scalar))
    return types.Array(element, int(axes), "C") if axes else element


def _entry_module(context: Any, description: Any) -> Any:
    """Return the LLVM module of the entry: words are read, the function is called, its number is returned."""
    from llvmlite import ir
    from numba.core import types
    from numba.core.types.misc import unliteral

    word = ir.IntType(64)
    module = context.create_module("entry")
    called = ir.Function(
        module,
        context.call_conv.get_function_type(description.restype, description.argtypes),
        description.llvm_func_name,
    )
    entry = ir.Function(module, ir.FunctionType(word, [word.as_pointer()]), native.ENTRY)
    build = ir.IRBuilder(entry.append_basic_block())

    def load(pointer: Any, at: int) -> Any:
        return build.load(build.gep(pointer, [ir.Constant(word, at)]))

    arguments = []
    for i, kind in enumerate(description.argtypes):
        value = load(entry.args[0], i)
        if isinstance(kind, types.Array):
            arguments.append(_read_array(context, build, kind, value, load))
        elif kind == types.float64:
            arguments.append(build.bitcast(value, ir.DoubleType()))
        else:
            small = context.get_value_type(kind)
            arguments.append(value if small == word else build.trunc(value, small))
    status, out = context.call_conv.call_function(build, called, description.restype, description.argtypes, arguments)
    count = out if unliteral(description.restype) == types.int64 else ir.Constant(word, 0)
    build.ret(build.select(status.is_error, ir.Constant(word, native.RAISED), count))
    return module


def _read_array(context: Any, build: Any, kind: Any, address: Any, load: Callable[[Any, int], Any]) -> Any:
    """Return Numba's view of a NumPy array at an address, in C order; nobody counts its references."""
    from llvmlite import ir
    from numba.core import types
    from numba.np.arrayobj import populate_array

    word = ir.IntType(64)
    fields = build.inttoptr(build.add(address, ir.Constant(word, native.HEAD)), word.as_pointer())
    lengths = build.inttoptr(load(fields, 2), word.as_pointer())
    shape = [load(lengths, i) for i in range(kind.ndim)]
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, build.mul(strides[0], length))
    array = context.make_array(kind)(context, build)
    data = build.inttoptr(load(fields, 0), array.data.type)
    populate_array(array, data, shape, strides, size, None)
    return array._getvalue()


@lru_cache(maxsize=1)
def _circumstances() -> str:
    """Return all that compiled code depends on beside its own source: our text, Numba, LLVM, the processor."""
    here = Path(__file__).parent
    ours = [here / name for name in ("to_numba.py", "native.py", "intrinsics.py")]
    ours += [here.parent / "engines" / name for name in ("noise.py", "threads.py")] + [here.parent / "random.py"]
    found = importlib.util.find_spec("numba")
    if found is None or found.origin is None:
        return "no numba"
    files = [*ours, Path(found.origin).parent / "_version.py"]
    settings = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith("NUMBA_") and "CACHE" not in k)
    return "\0".join([native.machine(), *settings, *(f.read_text(encoding="utf-8") for f in files)])


@lru_cache(maxsize=1)
def _allow_many_arrays() -> None:
    """Let LLVM vectorise loops over many arrays: it gives up unless it may write that many overlap checks."""
    from llvmlite import binding

    binding.set_option("rheobase", "-runtime-memory-check-threshold=200")
