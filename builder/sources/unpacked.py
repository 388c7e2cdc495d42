"""What is in the one file of another source, which is an archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from builder.errors import SourceError
from builder.sources.archive import unpack
from builder.sources.packed import without_own_folder
from builder.sources.selection import ALL, Selection
from builder.sources.source import Source
from builder.store.objects import Store
from builder.store.trees import Tree


@dataclass(frozen=True)
class Unpacked:
    """The members of an archive, whichever source it comes from; `name` is what messages call it."""

    archive: Source
    name: str
    selection: Selection = ALL
    has_own_folder: bool = False

    @property
    def is_local(self) -> bool:
        return self.archive.is_local

    def resolve(self) -> dict[str, str]:
        return self.archive.resolve()

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        (entry,) = self.archive.bring(resolved, store).entries
        if entry.digest is None:
            raise SourceError(f"{self.name} is a link, no archive", hint="name the file it points to")
        tree = unpack(entry.digest, self.name, store, self.selection, PurePosixPath(entry.path).name)
        return without_own_folder(tree) if self.has_own_folder else tree
