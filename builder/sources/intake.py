"""The user's own files taken into the store: each read once, and only if it changed since it was last taken in."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.files import CHUNK
from builder.sources.seen import Seen, State
from builder.sources.together import results
from builder.store.objects import Blob, Store
from builder.store.trees import Entry

_READERS = 2
_SMALL = CHUNK
"""Bytes up to which a file is read whole; more readers than one would only wait for each other."""

Found = tuple[str, Path | str]


def put_files(found: Sequence[Found], name: str, store: Store, seen: Seen | None = None) -> list[Entry]:
    """Take in files and links, each by its path in the tree; `name` is what all of them together are called."""
    intake = _Intake(name, store, seen)
    states = [(path, file, _status(file, f"{name}/{path}")) for path, file in found]
    small = [one for one in states if one[2].st_size <= _SMALL]
    large = sorted((one for one in states if one[2].st_size > _SMALL), key=lambda one: -one[2].st_size)
    groups = results(intake.take, [*([one] for one in large), small], _READERS)
    if seen is not None:
        seen.remember(store)
    return [entry for group in groups for entry in group]


def put_steady(path: Path, store: Store, name: str, expected: Digest | None = None) -> Blob:
    """Take in one file; SourceError when it changes meanwhile, IntegrityError when it is not `expected`."""
    seen = Seen.of(path, store)
    blob = _Intake(name, store, seen).blob(path, "", State.of(path.stat()), name, expected)
    seen.remember(store)
    return blob


class _Intake:
    """Files of one folder on their way into the store."""

    def __init__(self, name: str, store: Store, seen: Seen | None) -> None:
        self._name = name
        self._store = store
        self._seen = seen
        self._copying = threading.Lock()

    def take(self, group: Sequence[tuple[str, Path | str, os.stat_result]]) -> list[Entry]:
        return [self._entry(path, file, status) for path, file, status in group]

    def _entry(self, path: str, file: Path | str, status: os.stat_result) -> Entry:
        if stat.S_ISLNK(status.st_mode):
            return Entry(path, target=os.readlink(file))  # noqa: PTH115 - it is given as text
        blob = self.blob(file, path, State.of(status), f"{self._name}/{path}", None)
        return Entry(path, blob.digest, blob.size, bool(status.st_mode & 0o100))

    def blob(self, file: Path | str, path: str, state: State, name: str, expected: Digest | None) -> Blob:
        digest = self._seen.digest(path, state) if self._seen else None
        if digest is None or not self._store.has(digest):
            digest = self._read(file, state, name, expected)
        _require_expected(digest, expected, name)
        if self._seen:
            self._seen.note(path, state, digest)
        return Blob(digest, state.size)

    def _read(self, file: Path | str, state: State, name: str, expected: Digest | None) -> Digest:
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as error:
            raise SourceError(
                f"{name} cannot be read: {error.strerror}", hint="give yourself the right to read it"
            ) from error
        except FileNotFoundError as error:
            raise _changed(name) from error
        try:
            put = self._put_small if state.size <= _SMALL else self._put_large
            digest = put(descriptor, name, expected)
            if State.of(os.fstat(descriptor)) != state:
                raise _changed(name)
        finally:
            os.close(descriptor)
        return digest

    def _put_small(self, descriptor: int, name: str, expected: Digest | None) -> Digest:
        data = b"".join(iter(lambda: os.read(descriptor, _SMALL + 1), b""))
        if expected is not None:
            _require_expected(Digest.of(data), expected, name)
        return self._store.put_bytes(data).digest

    def _put_large(self, descriptor: int, name: str, expected: Digest | None) -> Digest:
        """Hashed first, since most large files are in the store already; a new one is hashed again as it is copied."""
        digest = Digest.of_chunks(_chunks(descriptor))
        _require_expected(digest, expected, name)
        with self._copying:  # equal files met at once are copied once
            if not self._store.has(digest):
                os.lseek(descriptor, 0, os.SEEK_SET)
                try:
                    self._store.put(_chunks(descriptor), expected=digest)
                except IntegrityError as error:
                    raise _changed(name) from error
        return digest


def _chunks(descriptor: int) -> Iterator[memoryview]:
    """A file's bytes from where it stands, each piece in the place of the last: new memory would cost more than SHA."""
    buffer = memoryview(bytearray(CHUNK))
    while count := os.readv(descriptor, [buffer]):
        yield buffer[:count]


def _status(path: Path | str, name: str) -> os.stat_result:
    try:
        return os.lstat(path)
    except FileNotFoundError as error:
        raise _changed(name) from error


def _require_expected(digest: Digest, expected: Digest | None, name: str) -> None:
    if expected not in (None, digest):
        raise IntegrityError(
            f"{name} is not the expected file: expected {expected}, received {digest}; it was not used",
            hint="if the file is right, correct its sha256 in the card or manifest",
        )


def _changed(name: str) -> SourceError:
    return SourceError(f"{name} changed while it was read", hint="let the program that writes it end, then run again")
