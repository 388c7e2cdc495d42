"""What of a store nothing needs any more, and its removal.

Order of removal: what refers goes before what it refers to, so that a gc killed anywhere leaves a store that is right.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from builder.digest import Digest
from builder.files import remove_folder
from builder.store.marks import Marks, named_in
from builder.store.objects import Store
from builder.store.shelves import records, shelves
from builder.store.verify import FOLDER

OLD = 14 * 86_400
"""Seconds after which nobody is thought to go on with a partial download."""

PART = "push-"
"""How half-sent files begin that another machine writes into the scratch of a store that is a shared folder."""


@dataclass(frozen=True)
class Kept:
    """What must stay: digests, records as `<kind>/<key>`, and names of git mirrors (None: all of them)."""

    marks: Marks
    records: Collection[str]
    mirrors: Collection[str] | None


@dataclass
class Heap:
    """What goes of one kind: how many, and their bytes."""

    kind: str
    count: int = 0
    bytes: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, name: str, size: int) -> None:
        self.count += 1
        self.bytes += size
        if len(self.examples) < 3:
            self.examples.append(name)


def collect(store: Store, kept: Kept, *, delete: bool) -> list[Heap]:
    """Count what nothing needs, a heap for each kind, and with `delete` remove it. The caller has the store alone then.

    Records first, since a kept record keeps what it names.
    """
    return [
        _records(store, kept, delete=delete),
        _objects(store, kept.marks, delete=delete),
        *(_paths(kind, found, delete=delete) for kind, found in _others(store, kept)),
    ]


def _records(store: Store, kept: Kept, *, delete: bool) -> Heap:
    heap = Heap("records")
    for name, path in records(store.root):
        if name in kept.records:
            continue
        data = path.read_bytes()
        if not _is_free(data, kept.marks, store):
            heap.add(name, len(data))
            if delete:
                path.unlink(missing_ok=True)
    return heap


def _is_free(record: bytes, marks: Marks, store: Store) -> bool:
    """Whether a record costs nothing: all it names is kept anyway, so it may save work once more."""
    there = [digest for digest in named_in(record) if store.has(Digest(digest))]
    return bool(there) and all(digest in marks for digest in there)


def _objects(store: Store, marks: Marks, *, delete: bool) -> Heap:
    heap = Heap("objects")
    for shelf in shelves(store.root):
        kept = marks.on(shelf.prefix) if shelf.prefix else set()
        for name, size in shelf.sizes(name for name in shelf.names if name not in kept):
            heap.add(shelf.prefix + name, size)
            if delete:
                (shelf.folder / name).unlink(missing_ok=True)
    return heap


def _others(store: Store, kept: Kept) -> Iterator[tuple[str, Iterable[Path]]]:
    yield "mirrors", [] if kept.mirrors is None else _mirrors(store.root / "git", kept.mirrors)
    yield "partial downloads", _old(store.root / "partial", time.time() - OLD)
    yield "scratch", [*store.leftovers(), *_left_by_pushes(store.root / "scratch")]
    yield "damaged objects", _inside(store.root / FOLDER)
    yield "half-written records", (store.root / "records").glob("*/.*")


def _mirrors(folder: Path, kept: Collection[str]) -> Iterator[Path]:
    for path in _inside(folder):
        if path.name.removesuffix(".lock") not in kept:
            yield path


def _old(folder: Path, before: float) -> Iterator[Path]:
    """The files of downloads of which none was touched since; their names begin with the download's key."""
    youngest: dict[str, float] = {}
    for path in _inside(folder):
        key = path.name.partition(".")[0]
        youngest[key] = max(youngest.get(key, 0), path.lstat().st_mtime)
    yield from (
        path for path in _inside(folder) if youngest[path.name.partition(".")[0]] < before and path.name != "lock"
    )


def _left_by_pushes(folder: Path) -> Iterator[Path]:
    return (path for path in _old(folder, time.time() - OLD) if path.name.startswith(PART))


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _paths(kind: str, found: Iterable[Path], *, delete: bool) -> Heap:
    heap = Heap(kind)
    for path in found:
        is_folder = path.is_dir() and not path.is_symlink()
        heap.add(path.name, weight(path))
        if delete and is_folder:
            remove_folder(path)
        elif delete:
            path.unlink(missing_ok=True)
    return heap


def weight(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    folders = (os.scandir(folder) for folder, _, _ in os.walk(path))
    return sum(item.stat(follow_symlinks=False).st_size for items in folders for item in items if not item.is_dir())
