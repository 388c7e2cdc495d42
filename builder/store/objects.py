"""The store: complete, verified, read-only objects named by their sha256, and records of what was made from what.

Layout, and what always holds:

    objects/ab/<62 hex>     complete and hashes to its name; appears by rename; read-only; never changed
    records/<kind>/<key>    JSON: what a stage made from inputs that hash to <key>; written after its objects
    scratch/<pid>-…         half-done work; removed when its process is gone
    unsynced/<boot>-<pid>   a process published objects that the disk may not have yet (see unsynced.py)
    lock                    shared by builds, held alone by gc
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.digest import Digest, canonical_json
from builder.errors import IntegrityError, StoreError
from builder.files import CHUNK, chunks_of, remove_folder, space_is_named, whole_file
from builder.store.unsynced import Unsynced
from builder.store.workshops import Uses

_numbers = itertools.count()
_ZEROS = bytes(CHUNK)


@dataclass(frozen=True)
class Blob:
    """An object in the store: its digest and its size in bytes."""

    digest: Digest
    size: int


class Store:
    """One folder, shared by all workshops of a user and by builds that run at the same time."""

    def __init__(self, root: Path, *, is_forgetful: bool = False) -> None:
        """A forgetful store recalls no record, so that every stage runs again; its objects are still used."""
        self.root = root.absolute()
        self.is_forgetful = is_forgetful
        self.uses = Uses()
        try:
            for name in ("objects", "records", "scratch", "unsynced"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            self._unsynced = Unsynced(self.root / "unsynced", self.root / "objects")
            self.torn = tuple(self._unsynced.drop_torn())
        except OSError as error:
            raise StoreError(
                f"the store {root} cannot be made: {error.strerror}", hint="choose another with --store DIR"
            ) from error

    def path(self, digest: Digest) -> Path:
        return self.root / "objects" / digest.hex[:2] / digest.hex[2:]

    def has(self, digest: Digest) -> bool:
        place = f"{self.root}/objects/{digest.hex[:2]}/{digest.hex[2:]}"
        return os.path.exists(place)  # noqa: PTH110 - asked for every file there is

    def size(self, digest: Digest) -> int:
        return self._found(digest).stat().st_size

    def read(self, digest: Digest) -> bytes:
        return self._found(digest).read_bytes()

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        return chunks_of(self._found(digest))

    def _found(self, digest: Digest) -> Path:
        path = self.path(digest)
        if not path.exists():
            raise StoreError(f"{digest} is not in the store", hint="python3 build.py fetch")
        return path

    def put(
        self, chunks: Iterable[bytes | memoryview], *, expected: Digest | None = None, origin: str = "here"
    ) -> Blob:
        """Take bytes in whole. Raise IntegrityError, keeping nothing, when they do not match `expected`."""
        with self._part() as (part, descriptor):
            hasher, size = hashlib.sha256(), 0
            for chunk in chunks:
                hasher.update(chunk)
                _write_piece(descriptor, chunk)
                size += len(chunk)
            os.ftruncate(descriptor, size)  # when it ends with a hole
            blob = Blob(Digest(hasher.hexdigest()), size)
            if expected is not None and blob.digest != expected:
                raise mismatch(expected, blob.digest, origin)
            self._publish(part, descriptor, blob.digest)
            return blob

    def put_bytes(self, data: bytes) -> Blob:
        digest = Digest.of(data)
        if not self.has(digest):
            with self._part() as (part, descriptor):
                _write_all(descriptor, data)
                self._publish(part, descriptor, digest)
        return Blob(digest, len(data))

    def put_file(self, path: Path, *, expected: Digest | None = None) -> Blob:
        """Take a file's bytes in; its own bytes stay where they are, and are read once when they are new."""
        if expected is not None and self.has(expected):
            return Blob(expected, self.size(expected))
        return self.put(chunks_of(path), expected=expected, origin=str(path))

    def adopt(self, path: Path, digest: Digest) -> Blob:
        """Take over a file of this store's own disk whose digest was computed while it was written."""
        size = path.stat().st_size
        with path.open("rb") as file:
            self._publish(path, file.fileno(), digest)
        return Blob(digest, size)

    @contextmanager
    def _part(self) -> Iterator[tuple[Path, int]]:
        """A new file in scratch, open for writing; gone when the block fails; `_publish` takes it."""
        part = self.root / "scratch" / f"{os.getpid()}-object-{next(_numbers)}"
        with space_is_named(self.root):
            descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                yield part, descriptor
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)

    def _publish(self, part: Path, descriptor: int, digest: Digest) -> None:
        target = self.path(digest)
        if target.exists():
            part.unlink()
            return
        self._unsynced.begin()
        os.fchmod(descriptor, 0o444)
        try:
            part.rename(target)
        except FileNotFoundError:
            target.parent.mkdir(exist_ok=True)
            part.rename(target)

    def settle(self) -> None:
        """Wait until the disk has every object that was published: to be called before an output is said to be made."""
        self._unsynced.settle()

    def recall(self, kind: str, key: str) -> Any | None:
        """What a stage of this kind made from these inputs, or None; a record that cannot be read counts as none."""
        if self.is_forgetful:
            return None
        try:
            made = json.loads((self.root / "records" / kind / key).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        self.uses.records.add(f"{kind}/{key}")
        return made

    def remember(self, kind: str, key: str, made: Any) -> None:
        """Record what a stage made. All objects it names must be in the store already."""
        self.uses.records.add(f"{kind}/{key}")
        with whole_file(self.root / "records" / kind / key, synced=False) as file:
            file.write(canonical_json(made))

    def hold(self, *blobs: Blob) -> None:
        """Say that what this call makes is of these objects, so that gc keeps them though no record names them."""
        self.uses.digests.update(blob.digest.hex for blob in blobs)

    @contextmanager
    def scratch(self, purpose: str) -> Iterator[Path]:
        """A folder for half-done work on the store's own disk; gone when the block ends."""
        with space_is_named(self.root):
            folder = Path(tempfile.mkdtemp(dir=self.root / "scratch", prefix=f"{os.getpid()}-{purpose}-"))
            try:
                yield folder
            finally:
                remove_folder(folder)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the store for a build: others may build too, gc must wait. Sweeps what killed builds left."""
        with (self.root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            self._sweep()
            yield

    @contextmanager
    def alone(self, tell_wait: Callable[[], None]) -> Iterator[None]:
        """Have the store without any build; `tell_wait` is called when one runs that must be waited for."""
        with (self.root / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def leftovers(self) -> Iterator[Path]:
        """What is in scratch of processes that are gone."""
        for leftover in (self.root / "scratch").iterdir():
            owner = leftover.name.split("-", 1)[0]
            if owner.isdigit() and not Path("/proc", owner).exists():
                yield leftover

    def _sweep(self) -> None:
        for leftover in self.leftovers():
            if leftover.is_dir():
                remove_folder(leftover)
            else:
                leftover.unlink(missing_ok=True)


def _write_piece(descriptor: int, data: bytes | memoryview) -> None:
    """Write on; a whole piece of zeros becomes a hole, so that a sparse file stays one."""
    if len(data) == CHUNK and data == _ZEROS:
        os.lseek(descriptor, CHUNK, os.SEEK_CUR)
    else:
        _write_all(descriptor, data)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def mismatch(expected: Digest | str, received: Digest | str, origin: str) -> IntegrityError:
    return IntegrityError(
        f"the bytes from {origin} are not the expected ones: expected {expected}, received {received}; "
        "they were thrown away",
        hint="if the new bytes are right, correct the digest or run: python3 build.py lock --update NAME",
    )
