"""YAML as plain values, with the line and the very text of every key.

Duplicate keys, keys that are not text, anchors, tags, control characters and nesting without end are mistakes here, so
nothing after this module meets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from builder.manifest.faults import Fault, dotted

DEEPEST = 40
LARGEST = 4_000_000
KeyPath = tuple[str | int, ...]
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READ_AS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a date"}

_PLAIN = {"str", *_READ_AS}
"""What a scalar may be; YAML 1.1 also knows `=` and `<<`, which are text here."""


@dataclass
class Document:
    """A file's value, and for every path in it the line it stands on and, for scalars, the text as written."""

    file: str
    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    texts: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: KeyPath) -> int:
        """The line of a path, or of the nearest thing around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: KeyPath, text: str) -> Fault:
        return Fault(self.file, self.line(path), dotted(path), text)


def read_document(file: str, data: bytes) -> Document:
    """Read a YAML file's bytes; what is wrong with it stands in `faults`."""
    document = Document(file)
    for line, text in _unreadable(data):
        document.faults.append(Fault(file, line, "", text))
    if document.faults:
        return document
    loader = _Loader(data.decode("utf-8-sig"))
    try:
        node = loader.get_single_node()
        if node is not None:
            document.lines[()] = node.start_mark.line + 1
            document.value = _Reader(loader, document).value(node, ())
    finally:
        loader.dispose()
    return document


def _unreadable(data: bytes) -> Iterator[tuple[int, str]]:
    """What keeps the text from being read at all: (line, what is wrong)."""
    if len(data) > LARGEST:
        yield 0, f"is {len(data):,} bytes long, which is no file written by hand"
        return
    try:
        text = data.decode("utf-8-sig")
        yield from _untoward_events(text)
    except UnicodeDecodeError as error:
        yield data[: error.start].count(b"\n") + 1, "is not UTF-8 text"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        yield (0 if mark is None else mark.line + 1), f"is not valid YAML: {error.problem or error.context}"
    except yaml.YAMLError as error:
        yield 0, f"is not valid YAML: {str(error).splitlines()[0]}"


def _untoward_events(text: str) -> Iterator[tuple[int, str]]:
    depth = documents = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if depth > DEEPEST or documents > 1:
            yield line, "holds a second document" if documents > 1 else f"is nested more than {DEEPEST} deep"
            return
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            yield line, "uses an anchor or alias (& or *); write the value out, or put it in quotes"
        elif getattr(event, "tag", None):
            yield line, "uses a tag (!); put the value in quotes"


class _Reader:
    def __init__(self, loader: Any, document: Document) -> None:
        self.loader = loader
        self.document = document

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(child, (*path, place)) for place, child in enumerate(node.value)]
        return self.scalar(node, path)

    def item(self, node: yaml.Node, path: KeyPath) -> Any:
        self.document.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.key(key_node, path, line)
            if key is None:
                continue
            if key in found:
                first = self.document.lines[(*path, key)]
                self.complain(line, (*path, key), f"stands twice; first in line {first}")
                continue
            self.document.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found

    def key(self, node: yaml.Node, path: KeyPath, line: int) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self.complain(line, path, "has a key that is not text")
            return None
        if not node.tag.endswith(":str"):
            kind = _READ_AS.get(node.tag.rpartition(":")[2], "something else than text")
            self.complain(line, path, f'the key {node.value} is read as {kind}; put it in quotes: "{node.value}"')
            return None
        return str(self.scalar(node, path))

    def scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        self.document.texts[path] = node.value
        line = node.start_mark.line + 1
        if any((ord(letter) < 32 and letter not in "\n\t") or 0xD800 <= ord(letter) <= 0xDFFF for letter in node.value):
            self.complain(line, path, "holds a control character")
            return ""
        if node.tag.rpartition(":")[2] not in _PLAIN:
            return str(node.value)
        try:
            return self.loader.construct_object(node)
        except (ValueError, OverflowError):
            return str(node.value)

    def complain(self, line: int, path: KeyPath, text: str) -> None:
        self.document.faults.append(Fault(self.document.file, line, dotted(path), text))


def read_as(value: Any) -> str:
    """What YAML took a value for, in words."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "nothing" if value is None else "a date"
