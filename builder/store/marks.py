"""Digests that are to be kept, in 32 bytes each, and how they are found: what refers to them says them as hex."""

from __future__ import annotations

import hashlib
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from builder.digest import Digest
from builder.errors import IntegrityError
from builder.store.objects import Store

_NAMED = re.compile(rb'"(?:sha256:)?([0-9a-f]{64})"')
_TREE = (b'[{"executable":', b'[{"path":')  # canonical JSON: an entry's first key
Bytes = bytes | mmap.mmap


def named_in(data: Bytes) -> Iterator[str]:
    """Every digest that a JSON text says: a lock, a record, a tree. It may say too many, never too few."""
    for found in _NAMED.finditer(data):
        yield found[1].decode()


class Marks:
    """A set of digests that stays small: a million take 32 MB."""

    def __init__(self) -> None:
        self._shelves = [bytearray() for _ in range(256)]
        self._followed: set[str] = set()

    def add(self, digest: str) -> None:
        raw = bytes.fromhex(digest)
        self._shelves[raw[0]] += raw

    def add_named(self, data: Bytes) -> None:
        for digest in named_in(data):
            self.add(digest)

    def __contains__(self, digest: str) -> bool:
        raw = bytes.fromhex(digest)
        shelf, at = self._shelves[raw[0]], -1
        while (at := shelf.find(raw, at + 1)) >= 0:
            if at % 32 == 0:
                return True
        return False

    def on(self, prefix: str) -> set[str]:
        """The 62 further hex digits of all marked digests that begin with `prefix`."""
        text = self._shelves[int(prefix, 16)].hex()
        return {text[start + 2 : start + 64] for start in range(0, len(text), 64)}

    def follow(self, digest: str, store: Store) -> None:
        """Mark an object, and when it is a tree, its files.

        Raises IntegrityError for a damaged tree: which files it has is not known.
        """
        if digest in self._followed:
            return
        self._followed.add(digest)
        self.add(digest)
        path = store.path(Digest(digest))
        if is_tree(path):
            with mapped(path) as data:
                if hashlib.sha256(data).hexdigest() != digest:
                    raise IntegrityError(
                        f"the tree sha256:{digest} in the store is damaged, so which files it has is not known",
                        hint="python3 build.py store verify",
                    )
                self.add_named(data)


def is_tree(path: Path) -> bool:
    """Whether there is an object at this place and it begins as a tree does."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(16).startswith(_TREE)
    except FileNotFoundError:
        return False


def mapped(path: Path) -> mmap.mmap:
    """The bytes of a file that is not empty, without reading them all into memory."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
