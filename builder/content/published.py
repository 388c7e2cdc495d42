"""The published folder: an edition and its files by digest, as plain files for any static web server.

OUT/<name>.updates/workshop.json      the edition; replaced by rename once all it names is there
OUT/<name>.updates/objects/ab/<62 hex> files; those that no edition names go last
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from builder.content.layout import Content
from builder.digest import Digest
from builder.errors import OutputError
from builder.files import share, space_is_named, sync_folder, write_whole
from builder.store.objects import Blob, Store

LIST = "workshop.json"
OBJECTS = "objects"
LEFTOVER = f".{LIST}."
"""How a killed write's half-done file begins, on disks that have no nameless ones."""


def write_published(content: Content, folder: Path, store: Store) -> Blob:
    """Bring a folder to what is to be published, and give the edition and the bytes of all; the same writes nothing.

    Killed anywhere, the folder is that of before or of now, perhaps with files that nothing names.
    Raises OutputError for a folder that holds something else.
    """
    wanted = _objects(content)
    _require_ours(folder)
    brought = [digest for digest, size in wanted.items() if _bring(folder, digest, size, store)]
    for parent in sorted({_path(folder, digest).parent for digest in brought}):
        sync_folder(parent)
    if not _is_current(folder, content.edition):
        write_whole(folder / LIST, content.edition)
    _drop(folder, wanted)
    return Blob(Digest.of(content.edition), len(content.edition) + sum(wanted.values()))


def _objects(content: Content) -> dict[Digest, int]:
    trees = (*content.repos.values(), *content.datasets.values())
    entries = (entry for tree in trees for entry in tree.entries)
    return {entry.digest: entry.size for entry in entries if entry.digest is not None}


def _path(folder: Path, digest: Digest) -> Path:
    return folder / OBJECTS / digest.hex[:2] / digest.hex[2:]


def _require_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; what is published needs a folder", hint="choose another with --out DIR")
    if folder.is_dir() and not (folder / LIST).exists() and any(map(_is_foreign, os.listdir(folder))):
        raise OutputError(f"{folder} holds something else", hint="choose another folder with --out DIR")


def _is_foreign(name: str) -> bool:
    return name != OBJECTS and not name.startswith(LEFTOVER)


def _bring(folder: Path, digest: Digest, size: int, store: Store) -> bool:
    """Whether an object was not there and is now."""
    target = _path(folder, digest)
    if target.is_file() and target.stat().st_size == size:
        return False
    part = target.with_name(f"{target.name}.part")
    with space_is_named(folder):
        part.unlink(missing_ok=True)
        share(store.path(digest), part)
        _sync_file(part)
        os.replace(part, target)
    return True


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _is_current(folder: Path, edition: bytes) -> bool:
    return (folder / LIST).exists() and (folder / LIST).read_bytes() == edition


def _drop(folder: Path, kept: Iterable[Digest]) -> None:
    names = {digest.hex for digest in kept}
    for path in (folder / OBJECTS).glob("*/*"):
        if f"{path.parent.name}{path.name}" not in names:
            path.unlink()
    for path in folder.glob(f"{LEFTOVER}*"):
        path.unlink(missing_ok=True)
