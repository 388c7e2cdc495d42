"""A description from anyone, as a tree of elements that know their lines: no DTD, no entities, bounded depth."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from builder.check.findings import Findings

DEEPEST = 100


class _DoctypeError(Exception):
    """The text has a DTD."""


class _DepthError(Exception):
    """The elements are too deep in each other."""


class Document:
    """The elements of an `.ovf` file and where each stands."""

    def __init__(self, name: str, root: Element, lines: Mapping[Element, int]) -> None:
        self.name = name
        self.root = root
        self._lines = lines

    def where(self, element: Element) -> str:
        """`file:line` of an element."""
        return f"{self.name}:{self._lines[element]}"


def read_document(data: bytes, name: str, findings: Findings) -> Document | None:
    """The document in `data`, or None with a finding."""
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        findings.add("ovf.xml", f"{name}:{error.lineno}", expat.errors.messages.get(error.code, error))
    except _DoctypeError:
        findings.add("ovf.dtd", f"{name}:{reader.parser.CurrentLineNumber}", "a DTD")
    except _DepthError:
        findings.add("ovf.xml", f"{name}:{reader.parser.CurrentLineNumber}", f"more than {DEEPEST} elements deep")
    except LookupError:  # an encoding that Python does not know
        findings.add("ovf.xml", name, "an unknown encoding")
    else:
        return Document(name, reader.builder.close(), reader.lines)
    return None


class _Reader:
    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self.lines: dict[Element, int] = {}
        self.depth = 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.builder.data
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _DepthError
        named = {_qualified(key): value for key, value in attributes.items()}
        self.lines[self.builder.start(_qualified(tag), named)] = self.parser.CurrentLineNumber

    def _end(self, tag: str) -> None:
        self.depth -= 1
        self.builder.end(_qualified(tag))

    def _refuse(self, *words: object) -> None:
        raise _DoctypeError


def _qualified(name: str) -> str:
    return f"{{{name}" if "}" in name else name
