"""Every object hashed again; what is damaged is set aside in `damaged/<hex>`, so that the next fetch brings it anew."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from builder.digest import Digest
from builder.store.marks import named_in
from builder.store.objects import Store
from builder.store.shelves import Shelf, records, shelves

READ = 1 << 20
THREADS = max(2, os.cpu_count() or 2)
FOLDER = "damaged"


@dataclass(frozen=True)
class Bad:
    """An object that is not what its name says, its size in bytes, and how that was found out."""

    digest: Digest
    size: int
    reason: str


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong with it.

    `damaged` objects are to be set aside; `unreadable` ones may be right; `foreign` paths in `objects/` are not ours.
    """

    objects: int
    bytes: int
    damaged: tuple[Bad, ...]
    unreadable: tuple[Bad, ...]
    foreign: tuple[str, ...]


@dataclass
class _Look:
    """One shelf's findings, while they are made."""

    objects: int = 0
    bytes: int = 0
    damaged: list[Bad] = field(default_factory=list)
    unreadable: list[Bad] = field(default_factory=list)


def verify(store: Store, tell: Callable[[int], None] = lambda size: None) -> Verified:
    """Hash every object on all cores; `tell` is called with bytes as they are read, from the thread that calls this."""
    looks: list[_Look] = []
    foreign: list[str] = []
    stopped: list[bool] = []
    pending: deque[Future[_Look]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for shelf in shelves(store.root):
                foreign += shelf.foreign
                pending.append(pool.submit(_look, shelf, stopped))
                if len(pending) > 2 * THREADS:
                    looks.append(_told(pending.popleft(), tell))
            looks += [_told(future, tell) for future in pending]
        except BaseException:
            stopped.append(True)  # or the threads would read on to the end
            raise
    return Verified(
        sum(look.objects for look in looks),
        sum(look.bytes for look in looks),
        tuple(bad for look in looks for bad in look.damaged),
        tuple(bad for look in looks for bad in look.unreadable),
        tuple(foreign),
    )


def _told(future: Future[_Look], tell: Callable[[int], None]) -> _Look:
    look = future.result()
    tell(look.bytes)
    return look


def _look(shelf: Shelf, stopped: list[bool]) -> _Look:
    look, buffer = _Look(), bytearray(READ)
    if not shelf.prefix:
        return look
    descriptor = os.open(shelf.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in shelf.names:
            if stopped:
                break
            _look_at(shelf.prefix + name, name, descriptor, buffer, look)
    finally:
        os.close(descriptor)
    return look


def _look_at(digest: str, name: str, folder: int, buffer: bytearray, look: _Look) -> None:
    size = 0
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            size = os.fstat(file).st_size
            found = _hashed(file, size, buffer)
        finally:
            os.close(file)
    except FileNotFoundError:
        return  # gc or another verify took it
    except OSError as error:
        bad = Bad(Digest(digest), size, f"cannot be read: {error.strerror}")
        # The disk has lost it: as good as damaged. Missing rights can be given, so those objects stay.
        (look.damaged if error.errno == errno.EIO else look.unreadable).append(bad)
        return
    look.objects += 1
    look.bytes += size
    if found != digest:
        look.damaged.append(Bad(Digest(digest), size, f"holds sha256:{found}"))


def _hashed(file: int, size: int, buffer: bytearray) -> str:
    if size < READ:
        return hashlib.sha256(os.read(file, READ)).hexdigest()
    hasher, view = hashlib.sha256(), memoryview(buffer)
    while count := os.readv(file, [buffer]):
        hasher.update(view[:count])
    return hasher.hexdigest()


def set_aside(damaged: Iterable[Bad], store: Store) -> list[str]:
    """Take damaged objects away from `objects/`, and drop the records that name them; those are given back."""
    aside = store.root / FOLDER
    aside.mkdir(exist_ok=True)
    gone = {bad.digest.hex for bad in damaged}
    for digest in sorted(gone):
        with suppress(FileNotFoundError):  # another one was quicker
            store.path(Digest(digest)).rename(aside / digest)
    dropped = []
    for name, path in records(store.root):
        if gone.intersection(named_in(path.read_bytes())):
            path.unlink(missing_ok=True)
            dropped.append(name)
    return dropped
