"""Generated code is a real file: named by its content, readable, shown in tracebacks; compiled code lies beside it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from rheobase.remember import cache_folder

__all__ = ["hash_text", "load_module", "read_module", "write_module"]


def hash_text(text: str) -> str:
    """Return the hash in the name of the file that holds `text`."""
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def write_module(stem: str, text: str) -> Path:
    """Return the path of a file that holds `text`, writing it if it is not there yet.

    The name ends in a hash of the text. The file is written under another name and renamed, so that two
    processes never see half of it; if the cache folder cannot be written, a temporary one is used.
    """
    name = f"{stem}_{hash_text(text)}.py"
    for folder in (
        cache_folder(),
        Path(tempfile.gettempdir()) / f"rheobase_{os.getuid() if hasattr(os, 'getuid') else 0}",
    ):
        path = folder / name
        try:
            if path.exists() and path.read_text(encoding="utf-8") == text:
                return path
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
            return path
        except OSError:
            continue
    raise OSError(f"no folder for generated code can be written; set RHEOBASE_CACHE (tried {cache_folder()})")


def read_module(stem: str, digest: str) -> str | None:
    """Return the text that `write_module` wrote under a name with that hash; None if it is gone or has been changed."""
    try:
        text = (cache_folder() / f"{stem}_{digest}.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    return text if hash_text(text) == digest else None


def load_module(path: Path, flavour: str = "plain") -> ModuleType:
    """Return the module in a generated file, importing it once a process and flavour (plain or compiled)."""
    name = f"rheobase_{flavour}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
