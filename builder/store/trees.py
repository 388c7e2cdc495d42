"""A tree: a folder's files by name and digest, an immutable value that is itself an object in the store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from builder.digest import Digest, canonical_json
from builder.errors import SourceError
from builder.store.objects import Blob, Store


@dataclass(frozen=True, order=True)
class Entry:
    """A file (`digest`, `size`) or a symbolic link (`target`) at a relative path with `/` between its parts."""

    path: str
    digest: Digest | None = None
    size: int = 0
    executable: bool = False
    target: str | None = None

    @property
    def is_link(self) -> bool:
        return self.target is not None


@dataclass(frozen=True)
class Tree:
    """Entries sorted by path, no path twice, none absolute or leaving the folder."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry], origin: str = "here") -> Tree:
        """Sort and verify entries; raise SourceError for a path that leaves the folder or stands there twice."""
        ordered = tuple(sorted(entries, key=lambda entry: entry.path))
        files: set[str] = set()
        for entry in ordered:
            require_inside(entry.path, origin)
            if entry.path in files:
                raise SourceError(f"{entry.path} stands twice in {origin}")
            files.add(entry.path)
        for folder in _folders(files):
            if folder in files:
                raise SourceError(f"{folder} is both a file and a folder in {origin}")
        return cls(ordered)

    @cached_property
    def by_path(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.entries}

    @property
    def size(self) -> int:
        """Bytes of all files, each entry counted."""
        return sum(entry.size for entry in self.entries)

    def to_json(self) -> list[dict[str, Any]]:
        return [_entry_json(entry) for entry in self.entries]

    @cached_property
    def digest(self) -> Digest:
        return Digest.of(canonical_json(self.to_json()))

    def missing(self, store: Store) -> list[Entry]:
        """The entries whose bytes the store has not."""
        return [entry for entry in self.entries if entry.digest is not None and not store.has(entry.digest)]


def _folders(paths: Iterable[str]) -> set[str]:
    """Every folder that a path stands in, at any depth."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def require_inside(path: str, origin: str) -> None:
    """Raise SourceError unless `path` is relative, normal and stays inside its folder."""
    parts = path.split("/")
    if not path.isascii() and any("\udc80" <= letter <= "\udcff" for letter in path):
        raise SourceError(f"{origin} holds the path {path!r}, whose name is not UTF-8; rename it")
    if (
        not path
        or path.startswith("/")
        or "\0" in path
        or "\\" in path
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise SourceError(
            f"{origin} holds the path {path!r}, which is not a plain path inside its folder; nothing was kept"
        )


def put_tree(tree: Tree, store: Store) -> Blob:
    """Keep a tree whose files' bytes are in the store already."""
    return store.put_bytes(canonical_json(tree.to_json()))


def get_tree(digest: Digest, store: Store) -> Tree:
    """Read a tree back."""
    return Tree(tuple(_entry_of(raw) for raw in json.loads(store.read(digest))))


def _entry_json(entry: Entry) -> dict[str, Any]:
    if entry.target is not None:
        return {"path": entry.path, "target": entry.target}
    assert entry.digest is not None
    raw: dict[str, Any] = {"path": entry.path, "sha256": entry.digest.hex, "size": entry.size}
    return {**raw, "executable": True} if entry.executable else raw


def _entry_of(raw: dict[str, Any]) -> Entry:
    if "target" in raw:
        return Entry(raw["path"], target=raw["target"])
    return Entry(raw["path"], Digest(raw["sha256"]), raw["size"], raw.get("executable", False))
