"""Machine code in files: kept, checked, loaded and called without the compiler that made it.

An object file holds one function ``i64 rheobase_entry(i64 *words)``. A word is one argument: the bits of a
number, or the address of a NumPy array, whose data and shape the entry reads from the array itself. Loading
takes LLVM's binding alone; importing Numba and loading its own cache takes ten times as long.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import struct
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, final

import numpy as np

__all__ = [
    "ENTRY",
    "HEAD",
    "RAISED",
    "Views",
    "key_of",
    "kinds_of",
    "link",
    "machine",
    "needed_symbols",
    "packer",
    "read_object",
    "team_function",
    "word_format",
    "write_object",
]

ENTRY: Final = "rheobase_entry"
RAISED: Final = -(2**63)  # what the entry returns where the compiled function raised
HEAD: Final = object.__basicsize__  # bytes before an array's own fields: data, number of axes, shape
_MAGIC: Final = b"rheobase object 1\n"
_CONTIGUOUS: Final = 0x1 | 0x100  # NumPy's flags for C order and for alignment
_SCALARS: Final = {
    int: "i8",
    np.int64: "i8",
    np.int32: "i4",
    np.uint64: "u8",
    float: "f8",
    np.float64: "f8",
    bool: "b1",
    np.bool_: "b1",
}
_ARRAYS: Final = {"i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "f8", "f4", "b1"}
_LIBM: Final = """acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs floor
fma fmax fmin fmod hypot ldexp log log10 log1p log2 nearbyint pow rint round sin sincos sinh sqrt tan tanh trunc"""
_SAFE: Final = {*_LIBM.split(), *(f"{name}f" for name in _LIBM.split()), "memcpy", "memmove", "memset", "sched_yield"}
_LIBRARIES: Final = {"darwin": "libSystem.dylib", "win32": "ucrtbase.dll"}


# ---------------------------------------------------------------------------------------------- arguments


def key_of(arguments: Iterable[Any]) -> tuple[Any, ...]:
    """Return what tells calls of different types apart; quick, since every call asks."""
    return tuple(
        [(x.dtype, x.ndim, x.flags.num & _CONTIGUOUS) if type(x) is np.ndarray else type(x) for x in arguments]
    )


def kinds_of(key: tuple[Any, ...]) -> tuple[str, ...] | None:
    """Return the kinds of the arguments, such as ``("i8", "f8", "f8[2]")``, or None where one cannot be a word.

    Examples
    --------
    >>> kinds_of(key_of([1, 0.5, np.zeros((2, 3))]))
    ('i8', 'f8', 'f8[2]')
    """
    kinds: list[str] = []
    for part in key:
        if isinstance(part, tuple):
            dtype, ndim, flags = part
            kind = f"{dtype.kind}{dtype.itemsize}"
            if kind not in _ARRAYS or not dtype.isnative or not ndim or flags != _CONTIGUOUS or not _reads_arrays():
                return None
            kinds.append(f"{kind}[{ndim}]")
        elif part in _SCALARS:
            kinds.append(_SCALARS[part])
        else:
            return None
    return tuple(kinds)


def word_format(kinds: Sequence[str]) -> str:
    """Return how `struct` writes arguments of the given kinds as words; an array is the number of its address.

    >>> word_format(("i8", "f8", "f4[2]"))
    '=qdq'
    """
    return "=" + "".join({"f8": "d", "u8": "Q"}.get(kind, "q") for kind in kinds)


def packer(kinds: Sequence[str]) -> Callable[[Sequence[Any]], bytes]:
    """Return the function that writes arguments of the given kinds as words."""
    pack = struct.Struct(word_format(kinds)).pack
    arrays = [i for i, kind in enumerate(kinds) if kind.endswith("]")]
    bools = [i for i, kind in enumerate(kinds) if kind == "b1"]

    def words(arguments: Sequence[Any]) -> bytes:
        values = list(arguments)
        for i in arrays:
            values[i] = id(values[i])
        for i in bools:
            values[i] = int(values[i])
        return pack(*values)

    return words


@final
class Views:
    """What an entry reads of NumPy arrays, without the arrays: shapes that stay, over memory that may move.

    Parameters
    ----------
    shapes : sequence of tuple of int
        One an array, in C order.

    Examples
    --------
    >>> views = Views([(2, 3), (4,)])
    >>> x, y = np.zeros((2, 3)), np.zeros(4)
    >>> views.place([x.ctypes.data, y.ctypes.data])
    >>> len(views.words)  # to stand where the address of an array is expected
    2
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        self._lengths = [np.array(shape, dtype=np.int64) for shape in shapes]
        self._fields = np.zeros((len(shapes), 3), dtype=np.int64)  # data, number of axes, address of the shape
        self._fields[:, 1] = [len(shape) for shape in shapes]
        self._fields[:, 2] = [x.ctypes.data for x in self._lengths]
        self._data = self._fields[:, 0]
        self.words = [self._fields.ctypes.data + 24 * i - HEAD for i in range(len(shapes))]

    def place(self, data: Sequence[int]) -> None:
        """Say where the numbers of each array begin."""
        self._data[:] = data


@lru_cache(maxsize=1)
def _reads_arrays() -> bool:
    """Return whether an array's fields lie where NumPy's headers say: data, number of axes, address of the shape."""
    x = np.zeros((3, 5))[1:]
    if struct.calcsize("P") != 8 or sys.implementation.name != "cpython":
        return False
    data, axes, shape = (ctypes.c_int64.from_address(id(x) + HEAD + at).value for at in (0, 8, 16))
    return data == x.ctypes.data and axes & 0xFFFFFFFF == 2 and list((ctypes.c_int64 * 2).from_address(shape)) == [2, 5]


# ---------------------------------------------------------------------------------------------- files


def write_object(path: Path, code: bytes) -> None:
    """Keep machine code in a file, whole or not at all; a folder that cannot be written is no error.

    The file begins with a checksum: a broken object file would end the process that loads it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + hashlib.blake2b(code).digest() + code)
        os.replace(temporary, path)
    except OSError:
        return


def read_object(path: Path) -> bytes | None:
    """Return the machine code in a file, None if there is none or it is not as it was written."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    begin = len(_MAGIC) + hashlib.blake2b().digest_size
    code = data[begin:]
    return code if data[:begin] == _MAGIC + hashlib.blake2b(code).digest() else None


def needed_symbols(code: bytes) -> list[str] | None:
    """Return the names that an object file expects from outside; None if they cannot be told.

    ELF (Linux; LLVM's choice on Windows too, when it compiles in memory) and Mach-O (macOS).
    """
    try:
        if code[:6] == b"\x7fELF\x02\x01":
            return _needed_elf(code)
        if code[:4] == b"\xcf\xfa\xed\xfe":
            return _needed_mach(code)
    except (struct.error, ValueError, IndexError, OverflowError):
        return None
    return None


def _name(table: bytes, at: int) -> str:
    return table[at : table.index(b"\0", at)].decode("ascii")


def _needed_elf(code: bytes) -> list[str]:
    start, size, count = (struct.unpack_from(f, code, at)[0] for f, at in (("<Q", 40), ("<H", 58), ("<H", 60)))
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, start + i * size) for i in range(count)]
    names: list[str] = []
    for section in sections:
        if section[1] != 2:  # symbol table
            continue
        text = sections[section[6]]
        strings = code[text[4] : text[4] + text[5]]
        for at in range(section[4] + 24, section[4] + section[5], 24):  # the first entry is empty
            name, info, _, where = struct.unpack_from("<IBBH", code, at)
            if where == 0 and info >> 4:
                names.append(_name(strings, name))
    return names


def _needed_mach(code: bytes) -> list[str]:
    commands, at = struct.unpack_from("<I", code, 16)[0], 32
    names: list[str] = []
    for _ in range(commands):
        command, size = struct.unpack_from("<II", code, at)
        if command == 2:  # symbol table
            symbols, count, text, length = struct.unpack_from("<IIII", code, at + 8)
            strings = code[text : text + length]
            for i in range(count):
                name, kind, _, _, value = struct.unpack_from("<IBBHQ", code, symbols + 16 * i)
                if kind & 0x0F == 0x01 and value == 0:  # undefined, external, not common
                    names.append(_name(strings, name).removeprefix("_"))
        at += size
    return names


# ---------------------------------------------------------------------------------------------- loading


@lru_cache(maxsize=1)
def _binding() -> Any:
    """Return LLVM's binding, ready for this machine."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@lru_cache(maxsize=1)
def machine() -> str:
    """Return what machine code depends on beside its source: processor, LLVM."""
    import llvmlite

    binding = _binding()
    features = binding.get_host_cpu_features().flatten()
    return json.dumps([llvmlite.__version__, binding.get_process_triple(), binding.get_host_cpu_name(), features])


@lru_cache(maxsize=1)
def _load_libm() -> None:
    try:
        _binding().load_library_permanently(_LIBRARIES.get(sys.platform, "libm.so.6"))
    except RuntimeError:
        return


def link(code: bytes) -> Callable[[bytes], int] | None:
    """Return the entry of an object file, to be called with the words; None if it needs what is not there.

    An address that cannot be found while linking would end the process, so every name is looked up first, and
    only the functions of C's own library are let in.
    """
    names = needed_symbols(code)
    if names is None or not _SAFE.issuperset(names):
        return None
    binding = _binding()
    if any(binding.address_of_symbol(name) is None for name in names):
        _load_libm()
        if any(binding.address_of_symbol(name) is None for name in names):
            return None
    target = binding.Target.from_triple(binding.get_process_triple()).create_target_machine()
    module = binding.parse_assembly(f'target triple = "{binding.get_process_triple()}"')
    engine = binding.create_mcjit_compiler(module, target)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(ENTRY)
    if not address:
        return None
    entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(address)
    _engines.append(engine)
    return entry


_TEAM: Final = """
target triple = "{triple}"
define void @rheobase_team(ptr %data) {{
begin:
  %number = inttoptr i64 {number} to ptr
  %i = call i32 %number()
  %j = sext i32 %i to i64
  %place = getelementptr ptr, ptr %data, i64 %j
  %words = load ptr, ptr %place
  %address = load i64, ptr %words
  %entry = inttoptr i64 %address to ptr
  %out = getelementptr i64, ptr %words, i64 1
  %counterplace = getelementptr i64, ptr %words, i64 2
  %counteraddress = load i64, ptr %counterplace
  %counter = inttoptr i64 %counteraddress to ptr
  %pieceplace = getelementptr i64, ptr %words, i64 3
  %piece = load i64, ptr %pieceplace
  %totalplace = getelementptr i64, ptr %words, i64 4
  %total = load i64, ptr %totalplace
  %arguments = getelementptr i64, ptr %words, i64 5
  %last = getelementptr i64, ptr %words, i64 6
  br label %next
next:
  %lo = atomicrmw add ptr %counter, i64 %piece monotonic
  %more = icmp slt i64 %lo, %total
  br i1 %more, label %work, label %end
work:
  %far = add i64 %lo, %piece
  %over = icmp sgt i64 %far, %total
  %hi = select i1 %over, i64 %total, i64 %far
  store i64 %lo, ptr %arguments
  store i64 %hi, ptr %last
  %result = call i64 %entry(ptr %arguments)
  %before = load i64, ptr %out
  %both = or i64 %before, %result
  store i64 %both, ptr %out
  br label %next
end:
  ret void
}}
"""


@lru_cache(maxsize=4)
def team_function(number: int) -> int:
    """Return the address of a function that every thread of an OpenMP team is given, with one list of words a thread.

    A list begins with the address of what the thread shall call, a place for what that returns (all calls' bits), the
    address of a counter, a number of neurons and that of all neurons; then come the arguments. Each thread takes the
    next so many neurons, from the counter, into its first two arguments, until there are none: a thread that the system
    takes its core from holds up only what it has taken. `number` is the address of ``omp_get_thread_num``.
    """
    binding = _binding()
    triple = binding.get_process_triple()
    target = binding.Target.from_triple(triple).create_target_machine()
    module = binding.parse_assembly(_TEAM.format(triple=triple, number=number))
    engine = binding.create_mcjit_compiler(module, target)
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address("rheobase_team"))


_engines: Final[list[Any]] = []  # what is linked stays until the process ends
