"""What is in a store, in numbers: objects, records, half-done work, and what each tree has and shares with others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.digest import Digest
from builder.store.marks import is_tree, mapped
from builder.store.objects import Store
from builder.store.shelves import records, shelves
from builder.store.workshops import FOLDER as WORKSHOPS

_FILE = re.compile(rb'"sha256":"([0-9a-f]{64})","size":(\d+)')  # side by side in a tree's canonical JSON
_LINE = 32 + 4 + 8
"""Bytes for one file of one tree while it is counted: digest, number of the tree, size."""


@dataclass
class Share:
    """A tree's part of the store, in bytes: each file counted, equal files once, those also in other trees, those here.

    `is_here` says that the tree itself is in the store; else nothing is known of its files.
    """

    is_here: bool
    files: int = 0
    bytes: int = 0
    distinct: int = 0
    shared: int = 0
    here: int = 0


@dataclass(frozen=True)
class Count:
    """How many, and their bytes."""

    count: int
    bytes: int


@dataclass(frozen=True)
class Listing:
    """All of a store. `saved` is what the trees would weigh besides if each had its own copy of every file."""

    objects: Count
    foreign: tuple[str, ...]
    records: dict[str, int]
    others: dict[str, Count]
    shares: tuple[Share, ...]
    saved: int


def listing(store: Store, trees: Sequence[Digest]) -> Listing:
    """Count everything; `shares` are in the order of `trees`, of which one may stand there more than once."""
    shares = tuple(Share(is_tree(store.path(tree))) for tree in trees)
    pages = [bytearray() for _ in range(256)]
    for number, tree in enumerate(trees):
        if shares[number].is_here:
            _note(store.path(tree), number, shares[number], pages)
    count = size = saved = 0
    foreign: list[str] = []
    for shelf in shelves(store.root):
        foreign += shelf.foreign
        count += len(shelf.names)
        size += sum(bytes for _, bytes in shelf.sizes(shelf.names))
        if shelf.prefix:
            place = int(shelf.prefix, 16)
            saved += _weigh(pages[place], set(shelf.names), shares)
            pages[place].clear()
    saved += sum(_weigh(page, set(), shares) for page in pages)  # of shelves that are not there
    return Listing(Count(count, size), tuple(foreign), _kinds(store.root), _others(store.root), shares, saved)


def _note(path: Path, number: int, share: Share, pages: list[bytearray]) -> None:
    with mapped(path) as data:
        for found in _FILE.finditer(data):
            digest, size = bytes.fromhex(found[1].decode()), int(found[2])
            pages[digest[0]] += digest + number.to_bytes(4, "big") + size.to_bytes(8, "big")
            share.files += 1
            share.bytes += size


def _weigh(page: bytearray, there: Collection[str], shares: Sequence[Share]) -> int:
    """Count one shelf's files for the trees that have them; the bytes saved by keeping each once."""
    saved = 0
    for name, size, numbers in _files(page):
        saved += (len(numbers) - 1) * size
        owners = set(numbers)
        for number in owners:
            shares[number].distinct += size
            shares[number].shared += size if len(owners) > 1 else 0
            shares[number].here += size if name in there else 0
    return saved


def _files(page: bytearray) -> Iterator[tuple[str, int, list[int]]]:
    """The files of a page: name on the shelf, size, and the tree of each mention."""
    mentions: dict[bytes, list[int]] = {}
    for start in range(0, len(page), _LINE):
        line = bytes(page[start : start + _LINE])
        mentions.setdefault(line[:32] + line[36:], []).append(int.from_bytes(line[32:36], "big"))
    for key, numbers in mentions.items():
        yield key[1:32].hex(), int.from_bytes(key[32:], "big"), numbers


def _kinds(root: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, _ in records(root):
        kind = name.partition("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _others(root: Path) -> dict[str, Count]:
    """What else stands in the store, by its folder's name."""
    known = {"objects", "records", WORKSHOPS, "lock"}
    return {
        path.name: count
        for path in sorted(root.iterdir())
        if path.name not in known and path.is_dir() and (count := _count(path)).count
    }


def _count(folder: Path) -> Count:
    found = [path.lstat().st_size for path in _plain_files(folder)]
    return Count(len(found), sum(found))


def _plain_files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir() and not path.name.endswith("lock"))
