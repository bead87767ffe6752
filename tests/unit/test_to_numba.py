"""Compiled functions: kept in files, loaded again, made anew where a file is broken, left to Numba where they must."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rheobase.emit import native
from rheobase.emit import to_numba as compiling
from rheobase.emit.source import write_module
from rheobase.emit.to_numba import Compiled, compiled_module, waiting

TEXT = """
from math import exp


def _square(x):
    return x*x


def total(x, y, scale, steps, on):
    count = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = scale*_square(x[i, j]) + exp(-x[i, j]) if on else 0.0
            count += steps
    return count
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Compiled]:
    """A function that gives the example anew, as a new process would find it: with the same folder, nothing loaded."""
    monkeypatch.setenv("RHEOBASE_CACHE", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    number = iter(range(100))

    def new() -> Compiled:
        path = write_module("example", TEXT)
        monkeypatch.setattr(compiling, "load_module", lambda p, flavour="": _fresh(p, next(number)))
        return compiled_module(path, ("_square",), ("total",)).total  # type: ignore[no-any-return]

    return new


def _fresh(path: Path, number: int) -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"{path.stem}_{number}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(function: Callable[..., Any]) -> tuple[int, bytes]:
    x, y = np.linspace(-1, 2, 60).reshape(6, 10), np.zeros((6, 10))
    return function(x, y, 0.3, 7, True), y.tobytes()


def _objects() -> list[Path]:
    return sorted(compiling.cache_folder().glob("*.object"))


def _forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr(Compiled, "_compile", refuse)


def test_kept_code_gives_the_same_bits_and_is_not_compiled_again(
    make: Callable[[], Compiled], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _run(make())
    assert first == _run(_fresh(write_module("example", TEXT), 0).total)
    assert len(_objects()) == 1
    _forbid(monkeypatch)
    assert _run(make()) == first


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-9] + bytes(9)])
def test_a_broken_file_is_made_anew(make: Callable[[], Compiled], damage: Callable[[bytes], bytes]) -> None:
    first = _run(make())
    [path] = _objects()
    path.write_bytes(damage(path.read_bytes()))
    assert _run(make()) == first
    assert native.read_object(path) is not None


def test_without_a_folder_to_write_it_still_runs(
    make: Callable[[], Compiled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    function = make()
    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path / "file" / "cache")
    assert _run(function)[0] == 420
    assert not _objects()


def test_other_types_other_code(make: Callable[[], Compiled]) -> None:
    function = make()
    _run(function)
    y = np.zeros((1, 1), np.float32)
    assert function(np.ones((1, 1)), y, 2, 1, False) == 1
    assert function(np.ones((1, 1)), y, 2, 1, True) == 1
    assert y[0, 0] == np.float32(2 + math.exp(-1))
    assert len(_objects()) == 2


def test_arrays_out_of_order_are_left_to_numba(make: Callable[[], Compiled]) -> None:
    function = make()
    x, y = np.ones((4, 6))[:, ::2], np.zeros((4, 6))[:, ::2]
    assert function(x, y, 2.0, 1, True) == 12
    assert np.all(y == 2 + math.exp(-1))
    assert not _objects()


def test_code_that_needs_more_than_libm_is_left_to_numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHEOBASE_CACHE", str(tmp_path))
    path = write_module(
        "hungry", "def total(x):\n    y = [0.0]\n    for a in x:\n        y.append(a)\n    return len(y)\n"
    )
    function = compiled_module(path, (), ("total",)).total
    assert function(np.ones(4)) == 5
    assert not list(tmp_path.glob("**/*.object"))


def test_an_exception_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHEOBASE_CACHE", str(tmp_path))
    text = "def total(x, k):\n    count = 0\n    for a in range(0, 5, k):\n        count += 1\n    return count\n"
    function = compiled_module(write_module("raising", text), (), ("total",)).total
    assert function(np.ones(1), 2) == 3
    with pytest.raises((RuntimeError, ValueError)):
        function(np.ones(1), 0)


def test_threads_share_a_function(make: Callable[[], Compiled]) -> None:
    function = make()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: _run(function), range(200)))
    assert len(set(results)) == 1
    assert len(_objects()) == 1


def test_waiting_tells_whether_code_is_there(make: Callable[[], Compiled], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_module("example", TEXT)
    monkeypatch.setattr(compiling, "_RUNNING", set())
    assert waiting(path) == math.inf
    _run(make())
    assert waiting(path) == 0.0
    monkeypatch.setattr(compiling, "_RUNNING", set())
    assert 0.0 < waiting(path) < 0.1
