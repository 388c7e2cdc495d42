"""A local folder or file: read as it stands, in sorted order, without the leavings of editors and tools."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.digest import Digest
from builder.errors import SourceError
from builder.sources.intake import put_files, put_steady
from builder.sources.seen import Seen
from builder.sources.selection import ALL, Selection
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

SKIPPED = frozenset(
    {".git", "__pycache__", ".ipynb_checkpoints", ".DS_Store", ".venv", "node_modules", ".pytest_cache", ".mypy_cache"}
)


@dataclass(frozen=True)
class FolderSource:
    """A folder of this machine; `name` is how the manifest calls it."""

    folder: Path
    name: str
    selection: Selection = ALL
    is_local: bool = True

    def resolve(self) -> dict[str, str]:
        if not self.folder.is_dir():
            raise SourceError(f"the folder {self.name} is not there", hint="correct its path in the manifest")
        return {}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        self.resolve()
        found = [item for item in _found(self.folder, "", self.name) if self.selection.takes(item[0])]
        return self.selection.of(put_files(found, self.name, store, Seen.of(self.folder, store)), self.name)


@dataclass(frozen=True)
class FileSource:
    """A single file of this machine, with its digest when the card gives one."""

    path: Path
    name: str
    sha256: Digest | None = None
    is_local: bool = True

    def resolve(self) -> dict[str, str]:
        if not self.path.is_file():
            raise SourceError(f"the file {self.name} is not there", hint="correct its path in the manifest or card")
        return {}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        self.resolve()
        executable = bool(self.path.stat().st_mode & 0o100)
        blob = put_steady(self.path, store, self.name, self.sha256)
        return Tree.of([Entry(self.path.name, blob.digest, blob.size, executable)], origin=self.name)


def _found(folder: Path | str, prefix: str, name: str) -> Iterator[tuple[str, str]]:
    try:
        with os.scandir(folder) as listing:
            items = sorted((item for item in listing if item.name not in SKIPPED), key=lambda item: item.name)
    except PermissionError as error:
        raise SourceError(f"{name}/{prefix} cannot be read", hint="give yourself the right to read it") from error
    for item in items:
        path = prefix + item.name
        if item.is_dir(follow_symlinks=False):
            yield from _found(item.path, f"{path}/", name)
        elif item.is_symlink() or item.is_file(follow_symlinks=False):
            yield path, item.path
        else:
            raise SourceError(
                f"{name}/{path} is a device, socket or pipe, which no image can hold", hint="move it out of the folder"
            )
