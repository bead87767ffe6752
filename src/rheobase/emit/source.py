"""Generated code is a real file: named by its content, readable, shown in tracebacks; compiled code lies beside it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

__all__ = ["cache_folder", "load_module", "write_module"]


def cache_folder() -> Path:
    """Return the folder of generated code: ``$RHEOBASE_CACHE``, or the user's cache folder.

    One folder for each version of Python. Compiled code carries in its name what else it depends on.
    """
    root = os.environ.get("RHEOBASE_CACHE")
    if not root:
        home = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
        root = str(Path(home) if home else Path.home() / ".cache")
        root = str(Path(root) / "rheobase")
    return Path(root) / f"python{sys.version_info.major}.{sys.version_info.minor}"


def write_module(stem: str, text: str) -> Path:
    """Return the path of a file that holds `text`, writing it if it is not there yet.

    The name ends in a hash of the text. The file is written under another name and renamed, so that two
    processes never see half of it; if the cache folder cannot be written, a temporary one is used.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
    name = f"{stem}_{digest}.py"
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
