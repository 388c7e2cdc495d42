"""A local folder or file: read as it stands, in sorted order, without the leavings of editors and tools."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.files import chunks_of
from builder.sources.selection import ALL, Selection
from builder.sources.together import results
from builder.store.objects import Blob, Store
from builder.store.trees import Entry, Tree

SKIPPED = frozenset(
    {".git", "__pycache__", ".ipynb_checkpoints", ".DS_Store", ".venv", "node_modules", ".pytest_cache", ".mypy_cache"}
)

_READERS = 8


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
        return self.selection.of(put_files(found, self.name, store), self.name)


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


def put_steady(path: Path, store: Store, name: str, expected: Digest | None = None) -> Blob:
    """Take in a file of the user's; SourceError when it changes meanwhile, IntegrityError when it is not `expected`."""
    before = _state(path, name)
    try:
        digest = Digest.of_chunks(chunks_of(path))  # hashed first: most files are in the store already
        if expected not in (None, digest):
            raise IntegrityError(
                f"{name} is not the expected file: expected {expected}, received {digest}; it was not used",
                hint="if the file is right, correct its sha256 in the card or manifest",
            )
        blob = _put(path, store, digest)
    except PermissionError as error:
        raise SourceError(
            f"{name} cannot be read: {error.strerror}", hint="give yourself the right to read it"
        ) from error
    if blob is None or _state(path, name) != before:
        raise _changed(name)
    return blob


def _put(path: Path, store: Store, digest: Digest) -> Blob | None:
    try:
        return store.put_file(path, expected=digest)
    except IntegrityError:
        return None


def _state(path: Path, name: str) -> tuple[int, int, int]:
    try:
        now = path.stat()
    except FileNotFoundError as error:
        raise _changed(name) from error
    return now.st_size, now.st_mtime_ns, now.st_ino


def _changed(name: str) -> SourceError:
    return SourceError(f"{name} changed while it was read", hint="let the program that writes it end, then run again")


def put_files(found: Sequence[tuple[str, Path]], name: str, store: Store) -> list[Entry]:
    """Take in files and links, each by its path in the tree, many at once: a disk syncs several as fast as one."""

    def put(item: tuple[str, Path]) -> Entry:
        path, file = item
        if file.is_symlink():
            return Entry(path, target=str(file.readlink()))
        blob = put_steady(file, store, f"{name}/{path}")
        return Entry(path, blob.digest, blob.size, bool(file.stat().st_mode & 0o100))

    return results(put, found, _READERS)


def _found(folder: Path, prefix: str, name: str) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as listing:
            items = sorted((item for item in listing if item.name not in SKIPPED), key=lambda item: item.name)
    except PermissionError as error:
        raise SourceError(f"{name}/{prefix} cannot be read", hint="give yourself the right to read it") from error
    for item in items:
        path = prefix + item.name
        if item.is_dir(follow_symlinks=False):
            yield from _found(Path(item.path), f"{path}/", name)
        elif item.is_symlink() or item.is_file(follow_symlinks=False):
            yield path, Path(item.path)
        else:
            raise SourceError(
                f"{name}/{path} is a device, socket or pipe, which no image can hold", hint="move it out of the folder"
            )
