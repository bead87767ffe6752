"""Machine code in files: arguments as words, files that are checked, what an object may ask for."""

import struct
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding, ir

from rheobase.emit import native


def _object(name: str, triple: str | None = None) -> bytes:
    """An object file whose entry calls a function of one double, on the first word."""
    module = ir.Module()
    module.triple = triple or binding.get_process_triple()
    word, real = ir.IntType(64), ir.DoubleType()
    called = ir.Function(module, ir.FunctionType(real, [real]), name)
    entry = ir.Function(module, ir.FunctionType(word, [word.as_pointer()]), native.ENTRY)
    build = ir.IRBuilder(entry.append_basic_block())
    x = build.bitcast(build.load(entry.args[0]), real)
    build.ret(build.fptosi(build.call(called, [x]), word))
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple(module.triple)
    return target.create_target_machine(jit=triple is None).emit_object(binding.parse_assembly(str(module)))


def test_kinds_tell_types_apart() -> None:
    arguments = [1, 2.0, True, np.float64(3), np.uint64(4), np.zeros(2), np.zeros((2, 2), np.int64), np.zeros(1, bool)]
    kinds = native.kinds_of(native.key_of(arguments))
    assert kinds == ("i8", "f8", "b1", "f8", "u8", "f8[1]", "i8[2]", "b1[1]")


@pytest.mark.parametrize(
    "odd",
    [None, "text", 1j, np.zeros((3, 4))[:, :2], np.zeros(()), np.zeros(2, np.complex128), np.zeros(2, ">f8")],
    ids=str,
)
def test_what_cannot_be_a_word_is_left_to_the_compiler(odd: object) -> None:
    assert native.kinds_of(native.key_of([1.0, odd])) is None


def test_words_hold_numbers_and_addresses() -> None:
    x = np.arange(3.0)
    words = native.packer(("i8", "f8", "b1", "u8", "f8[1]"))([-5, 0.25, np.True_, np.uint64(2**64 - 1), x])
    assert struct.unpack("=qdqQq", words) == (-5, 0.25, 1, 2**64 - 1, id(x))


def test_an_object_is_linked_and_called() -> None:
    entry = native.link(_object("floor"))
    assert entry is not None
    assert entry(struct.pack("=d", 7.9)) == 7


@pytest.mark.parametrize("name", ["NRT_incref", "system", "PyErr_Occurred", "numba_unpickle"])
def test_what_asks_for_more_than_libm_is_not_linked(name: str) -> None:
    assert native.needed_symbols(_object(name)) == [name]
    assert native.link(_object(name)) is None


@pytest.mark.parametrize("triple", ["x86_64-pc-linux-gnu", "aarch64-unknown-linux-gnu", "arm64-apple-macosx"])
def test_needed_symbols_of_other_systems(triple: str) -> None:
    try:
        code = _object("expm1", triple)
    except RuntimeError:
        pytest.skip("this LLVM does not know the target")
    assert native.needed_symbols(code) == ["expm1"]


@pytest.mark.parametrize(
    "code", [b"", b"\x7fELF\x02\x01", b"\xcf\xfa\xed\xfe", b"MZ", b"\x7fELF\x02\x01" + b"\xff" * 99]
)
def test_what_is_no_object_is_not_linked(code: bytes) -> None:
    assert native.link(code) is None


def test_a_file_is_read_back_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.object"
    assert native.read_object(path) is None
    native.write_object(path, b"machine code")
    assert native.read_object(path) == b"machine code"
    assert [p.name for p in path.parent.iterdir()] == ["a.object"]
    whole = path.read_bytes()
    for broken in (b"", whole[:10], whole[:-1], whole + b"x", whole[:-1] + b"?"):
        path.write_bytes(broken)
        assert native.read_object(path) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    native.write_object(tmp_path / "file" / "a.object", b"machine code")
