"""Objects that a power cut could tear: they are published without waiting for the disk, and read again after one.

`unsynced/<boot id>-<pid>` stands in the store from before a process publishes until the disk has all of it. A mark of
an earlier boot says that the machine stopped in between: whatever is as young as the mark is hashed again.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from builder.digest import Digest
from builder.files import chunks_of, sync_folder
from builder.store.shelves import shelves

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SLACK = 2.0
"""Seconds by which a file may be older than it is: the coarsest clock of a file system (FAT's)."""
_libc = ctypes.CDLL(None, use_errno=True)


class Unsynced:
    """The marks of one store, whose objects stand in `objects`."""

    def __init__(self, folder: Path, objects: Path) -> None:
        self._folder = folder
        self._objects = objects

    def begin(self) -> None:
        """To be called before an object is published; costs something only the first time."""
        mark = self._own
        if not mark.exists():
            mark.touch()
            sync_folder(self._folder)

    def settle(self) -> None:
        """Wait until the disk has all that this process published, and what processes left that ended."""
        if not self._own.exists():
            return
        ended = [mark for mark in self._marks() if mark == self._own or not self._is_alive(mark)]
        _sync_disk(self._folder)
        for mark in ended:
            mark.unlink(missing_ok=True)

    def drop_torn(self) -> list[Digest]:
        """After a power cut, remove the objects it tore and name them; at other times look at nothing."""
        cut = [mark for mark in self._marks() if not mark.name.startswith(_boot())]
        if not cut:
            return []
        since = min(mark.stat().st_mtime for mark in cut) - _SLACK
        torn = [digest for digest, path in self._younger(since) if Digest.of_chunks(chunks_of(path)) != digest]
        for digest in torn:
            (self._objects / digest.hex[:2] / digest.hex[2:]).unlink(missing_ok=True)
        for mark in cut:
            mark.unlink(missing_ok=True)
        return torn

    @property
    def _own(self) -> Path:
        return self._folder / f"{_boot()}-{os.getpid()}"

    def _marks(self) -> list[Path]:
        return list(self._folder.iterdir())

    def _is_alive(self, mark: Path) -> bool:
        return mark.name.startswith(_boot()) and Path("/proc", mark.name.rpartition("-")[2]).exists()

    def _younger(self, since: float) -> Iterator[tuple[Digest, Path]]:
        for shelf in shelves(self._objects.parent):
            for name in shelf.names:
                path = shelf.folder / name
                if path.stat().st_mtime >= since:
                    yield Digest(shelf.prefix + name), path


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except FileNotFoundError:  # pragma: no cover - Linux has it
        return "unknown"


def _sync_disk(folder: Path) -> None:
    """syncfs(2): everything written to the disk that `folder` is on."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)
