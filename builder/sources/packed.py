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
from builder.sources.http import Download
from builder.sources.selection import ALL, Selection
from builder.store.objects import Store
from builder.store.trees import Entry, Tree


@dataclass(frozen=True)
class WebFileSource:
    """One file from a web server."""

    download: Download
    is_local: bool = False

    def resolve(self) -> dict[str, str]:
        return {"sha256": self.download.digest.hex}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        blob = self.download.bring(store)
        return Tree.of([Entry(self.download.file_name, blob.digest, blob.size)], origin=self.download.name)


@dataclass(frozen=True)
class WebArchive:
    """What is in an archive from a web server."""

    download: Download
    selection: Selection = ALL
    has_own_folder: bool = False
    is_local: bool = False

    def resolve(self) -> dict[str, str]:
        return {"sha256": self.download.digest.hex}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        blob = self.download.bring(store)
        tree = unpack(blob.digest, self.download.name, store, self.selection)
        return without_own_folder(tree) if self.has_own_folder else tree


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
        tree = unpack(blob.digest, self.name, store, self.selection)
        return without_own_folder(tree) if self.has_own_folder else tree


def without_own_folder(tree: Tree) -> Tree:
    """The tree without the one folder that everything stands in, as archives of repositories have it."""
    tops = {entry.path.partition("/")[0] for entry in tree.entries}
    if len(tops) != 1 or any("/" not in entry.path for entry in tree.entries):
        return tree
    return Tree.of(replace(entry, path=posixpath.relpath(entry.path, next(iter(tops)))) for entry in tree.entries)
