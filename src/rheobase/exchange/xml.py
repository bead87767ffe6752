"""XML from elsewhere, as a small tree: no document type, so no entities to expand; sizes and depths bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final
from xml.parsers import expat

from rheobase.errors import InputError

__all__ = ["Element", "read_xml"]

_MOST_BYTES: Final = 64 << 20
_MOST_ELEMENTS: Final = 200_000
_MOST_DEPTH: Final = 100


@final
@dataclass(eq=False)
class Element:
    """A tag without its namespace, its attributes, and what lies in it."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """Yield this and all below it."""
        rest = [self]
        while rest:
            e = rest.pop()
            yield e
            rest.extend(reversed(e.children))


def read_xml(source: str | Path) -> Element:
    """Return the root of an XML file, or of a text that begins with ``<``.

    Raises
    ------
    InputError
        If it is missing, no XML, has a document type or entities, or is too large or too deep.
    """
    if isinstance(source, str) and source.lstrip()[:1] == "<":
        text, place = source.encode(), "the text"
    else:
        path, place = Path(source), str(source)
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise InputError(f"{path} has {path.stat().st_size:g} bytes; the limit is {_MOST_BYTES:g}")
            text = path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"there is no file {path}") from None
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
    return _Reader(place).read(text)


@final
class _Reader:
    def __init__(self, place: str) -> None:
        self.place = place
        self.stack: list[Element] = []
        self.root: Element | None = None
        self.count = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def read(self, text: bytes) -> Element:
        try:
            self.parser.Parse(text, True)
        except expat.ExpatError as error:
            raise InputError(f"{self.place} is truncated or no XML: {error}") from None
        assert self.root is not None
        return self.root

    def _refuse(self, *_: object) -> None:
        raise InputError(f"{self.place} declares a document type or entities; such files are not read")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if self.count > _MOST_ELEMENTS or len(self.stack) >= _MOST_DEPTH:
            raise InputError(
                f"{self.place} has more than {_MOST_ELEMENTS} elements, or they lie more than {_MOST_DEPTH} deep"
            )
        e = Element(tag.rpartition(":")[2], dict(attributes), self.parser.CurrentLineNumber)
        if self.stack:
            self.stack[-1].children.append(e)
        else:
            self.root = e
        self.stack.append(e)

    def _end(self, _: str) -> None:
        self.stack.pop()
