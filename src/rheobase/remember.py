"""What was derived once is remembered: answers as JSON files in the user's cache folder.

To check rows and to find their structure takes SymPy, whose import alone takes longer than many a run. The
answers are short and depend on nothing but texts and on rheobase's own source, so a later process reads them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

__all__ = ["cache_folder", "remember"]

_MOST: Final = 4096  # answers held in memory
_memory: dict[str, str] = {}


def cache_folder() -> Path:
    """Return the folder of what is remembered and of generated code: ``$RHEOBASE_CACHE``, or the user's cache folder.

    One folder for each version of Python, since compiled code of one is useless to another.
    """
    root = os.environ.get("RHEOBASE_CACHE")
    if not root:
        home = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
        root = str(Path(home) if home else Path.home() / ".cache")
        root = str(Path(root) / "rheobase")
    return Path(root) / f"python{sys.version_info.major}.{sys.version_info.minor}"


def remember(question: str, about: Any, answer: Callable[[], Any]) -> Any:
    """Return the answer to a question, computing it only if this machine has not done so before.

    An answer counts as long as rheobase's source and SymPy are the ones that gave it. A file that is damaged, or
    cannot be read or written, costs time and nothing else. Where `answer` raises, nothing is remembered.

    Parameters
    ----------
    question : str
        What is asked, a few words.
    about : JSON
        All that the answer depends on: lists, dicts, texts, numbers.
    answer : callable
        Returns the answer as plain JSON; it is called where none is known.

    Examples
    --------
    >>> remember("how long is it", ["v > theta"], lambda: {"characters": 9})
    {'characters': 9}
    """
    key = _digest(json.dumps([_package(), question, about]))
    text = _memory.get(key)
    if text is None:
        path = cache_folder() / "facts" / f"{question.replace(' ', '_')}_{key}.json"
        text = _read(path)
        if text is None:
            text = json.dumps(answer())
            _write(path, text)
        if len(_memory) >= _MOST:
            _memory.clear()
        _memory[key] = text
    return json.loads(text)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _package() -> str:
    return str(Path(__file__).parent)


@lru_cache(maxsize=1)
def _source_state() -> str:
    """Return a text that changes with rheobase's own source files and with SymPy."""
    found: list[tuple[str, int, int]] = []
    folders = [_package()]
    sympy = importlib.util.find_spec("sympy")  # found, not imported
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.name.endswith(".py"):
                        state = entry.stat()
                        found.append((entry.path, state.st_size, state.st_mtime_ns))
                    elif entry.is_dir() and entry.name != "__pycache__":
                        folders.append(entry.path)
        told = [Path(_package(), "__init__.py").read_text(encoding="utf-8")]  # the version
        if sympy is not None and sympy.origin:
            told.append(Path(sympy.origin).with_name("release.py").read_text(encoding="utf-8"))
    except OSError:  # no plain files: nothing tells whether they have changed
        return ""
    return _digest(json.dumps([sorted(found), told]))


def _read(path: Path) -> str | None:
    """Return the answer in a file, or None if there is none, if it is damaged or of another source."""
    try:
        state, check, text = path.read_text(encoding="ascii").split("\n", 2)
        if state != _source_state() or not state or check != _digest(text):
            return None
        json.loads(text)
    except (OSError, ValueError, RecursionError):
        return None
    return text


def _write(path: Path, text: str) -> None:
    """Write an answer under another name and rename it, so that two processes never see half of it."""
    if not _source_state():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_suffix(f".{os.getpid()}_{threading.get_ident()}.tmp")
        with open(temporary, "w", encoding="ascii") as file:
            file.write(f"{_source_state()}\n{_digest(text)}\n{text}")
        os.replace(temporary, path)
    except OSError:
        return
