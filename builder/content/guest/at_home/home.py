"""The workshop's folder at home: what each path holds now, whole writes, and who may change it.

    ROOT/repos/<repo>/…               the attendee's files
    ROOT/repos/.workshop/edition.json what they were before the attendee's edits
    ROOT/repos/.workshop/objects/…    originals and what is needed to go back, by sha256

The state stands beside the repos, so that a volume mounted there keeps both.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

CHUNK = 1 << 20
FOLDER, OTHER = "folder", "other"
Mark = Optional[str]  # noqa: UP045 - Python 3.9
"""What stands at a path: None, `folder`, `-> target`, a file's sha256, or `other`."""


class HomeError(Exception):
    """What went wrong, in a sentence for the attendee."""


@dataclass(frozen=True)
class Home:
    """One workshop's folder; `places` below are paths from it, with `/`."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "repos" / ".workshop"

    def path(self, place: str) -> Path:
        return self.root / place

    def object(self, digest: str) -> Path:
        return self.state / "objects" / digest[:2] / digest[2:]

    def mark(self, place: str) -> Mark:
        """What stands at a place; nothing, where one of the folders above it is a link."""
        if self.blocked(place):
            return None
        return mark_of(self.path(place))

    def blocked(self, place: str) -> str | None:
        """The first place above that is there and no folder, so that nothing of ours can stand below it."""
        parts = place.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            try:
                mode = self.path(above).lstat().st_mode
            except FileNotFoundError:
                return None
            if not stat.S_ISDIR(mode):
                return above
        return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep a second `workshop` out while this one changes things."""
        self.state.mkdir(exist_ok=True)
        with (self.state / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeError("another `workshop` is at work here; wait until it has ended") from None
            yield


def mark_of(path: Path) -> Mark:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(mode):
        return f"-> {path.readlink()}"
    if stat.S_ISDIR(mode):
        return FOLDER
    return digest_of(path) if stat.S_ISREG(mode) else OTHER


def digest_of(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            hasher.update(chunk)
    return hasher.hexdigest()


def is_digest(mark: Mark) -> bool:
    return mark is not None and len(mark) == 64 and " " not in mark


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole, and is on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def to_disk(path: Path) -> None:
    """Wait until the disk has a file's bytes: a virtual machine is often just switched off."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def keep(home: Home, data: bytes) -> str:
    """Keep bytes among the objects; their digest."""
    digest = hashlib.sha256(data).hexdigest()
    if not home.object(digest).exists():
        write_whole(home.object(digest), data)
    return digest


def keep_file(home: Home, path: Path, digest: str) -> bool:
    """Copy a file among the objects, if it still has these bytes."""
    target = home.object(digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(path, part)
    except FileNotFoundError:
        return False
    if digest_of(part) != digest:
        part.unlink()
        return False
    to_disk(part)
    part.replace(target)
    return True


@contextmanager
def failures_named(folder: Path) -> Iterator[None]:
    """A full disk and missing rights as sentences."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HomeError(
                f"no space left on the disk of {folder}; free some and run the same command again"
            ) from error
        raise HomeError(
            f"{where}: {error.strerror or error}; the same command goes on once that is put right"
        ) from error
