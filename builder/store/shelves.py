"""The folders of `objects/`, read by name alone: a million objects are listed without asking for each one's state."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PREFIX = re.compile(r"[0-9a-f]{2}")
_NAME = re.compile(r"[0-9a-f]{62}")


@dataclass(frozen=True)
class Shelf:
    """One of the 256 folders: its objects' names, and paths in it that are no object of ours.

    `prefix` is the two first hex digits of the digests, the names are the other 62. What stands beside the folders is
    foreign too, on a shelf without a prefix.
    """

    folder: Path
    prefix: str
    names: list[str]
    foreign: tuple[str, ...]

    def sizes(self, names: Iterable[str]) -> Iterator[tuple[str, int]]:
        """Names with their sizes in bytes; those that went meanwhile are left out."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in names:
                try:
                    yield name, os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue
        finally:
            os.close(descriptor)


def shelves(root: Path) -> Iterator[Shelf]:
    """Every folder of a store's objects, sorted; the foreign one first if there is need of it."""
    objects = root / "objects"
    with os.scandir(objects) as items:
        found = {item.name: item.is_dir(follow_symlinks=False) for item in items}
    ours = sorted(name for name, is_folder in found.items() if is_folder and _PREFIX.fullmatch(name))
    if strays := sorted(set(found) - set(ours)):
        yield Shelf(objects, "", [], tuple(strays))
    for prefix in ours:
        yield _shelf(objects / prefix, prefix)


def _shelf(folder: Path, prefix: str) -> Shelf:
    names, foreign = [], []
    with os.scandir(folder) as items:
        for item in items:
            if _NAME.fullmatch(item.name) and item.is_file(follow_symlinks=False):
                names.append(item.name)
            else:
                foreign.append(f"{prefix}/{item.name}")
    return Shelf(folder, prefix, names, tuple(sorted(foreign)))


def records(root: Path) -> Iterator[tuple[str, Path]]:
    """Every record as `<kind>/<key>`, and where it stands; sorted. Half-written ones of killed calls are none."""
    for kind in sorted(path for path in (root / "records").iterdir() if path.is_dir()):
        for name in sorted(os.listdir(kind)):
            if not name.startswith("."):
                yield f"{kind.name}/{name}", kind / name
