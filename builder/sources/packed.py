"""A file from an address or of this machine, as it is or unpacked."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.digest import Digest
from builder.errors import SourceError
from builder.sources.archive import unpack
from builder.sources.intake import put_steady
from builder.sources.selection import ALL, Selection
from builder.sources.source import ONLINE, Network
from builder.sources.web_file import WebFile, fetch_all
from builder.store.objects import Blob, Store
from builder.store.trees import Entry, Tree


@dataclass(frozen=True)
class WebFileSource:
    """One file from a web server; the store is where it comes to when what it resolves to is asked."""

    file: WebFile
    store: Store
    network: Network = ONLINE
    is_local: bool = False

    def resolve(self) -> dict[str, str]:
        (blob,) = fetch_all([self.file], self.store, self.network)
        return resolved_as(blob)

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        (blob,) = fetch_all([self.locked(resolved)], store, self.network)
        return Tree.of([Entry(self.file.name, blob.digest, blob.size)], origin=self.file.name)

    def locked(self, resolved: Mapping[str, str]) -> WebFile:
        """The file with what the lock says of it."""
        return replace(self.file, sha256=Digest.parse(resolved["sha256"]))


def resolved_as(blob: Blob) -> dict[str, str]:
    return {"sha256": blob.digest.hex, "size": str(blob.size)}


@dataclass(frozen=True)
class LocalArchive:
    """What is in an archive of this machine; `name` is how the manifest calls it."""

    path: Path
    name: str
    sha256: Digest | None = None
    selection: Selection = ALL
    has_own_folder: bool = False
    is_local: bool = True

    def resolve(self) -> dict[str, str]:
        if not self.path.is_file():
            raise SourceError(f"the archive {self.name} is not there", hint="correct its path in the manifest or card")
        return {}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        self.resolve()
        blob = put_steady(self.path, store, self.name, self.sha256)
        tree = unpack(blob.digest, self.name, store, self.selection, self.path.name)
        return without_own_folder(tree) if self.has_own_folder else tree


def without_own_folder(tree: Tree) -> Tree:
    """The tree without the one folder that everything stands in, as archives of repositories have it."""
    tops = {entry.path.partition("/")[0] for entry in tree.entries}
    if len(tops) != 1 or any("/" not in entry.path for entry in tree.entries):
        return tree
    return Tree.of(replace(entry, path=posixpath.relpath(entry.path, next(iter(tops)))) for entry in tree.entries)
