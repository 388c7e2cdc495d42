"""Archives read member by member straight into the store; nothing is unpacked on the disk, nothing outside taken.

Refused in any archive: absolute paths, `..`, devices, pipes, links that leave, encrypted members, and more than
MAX_MEMBERS members or more bytes than MAX_RATIO times the archive plus MAX_SLACK (an archive made to fill a disk).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from builder.errors import SourceError
from builder.files import CHUNK
from builder.sources.ar import debian_data
from builder.sources.selection import ALL, Selection
from builder.store.objects import Store
from builder.store.trees import Entry, Tree, require_inside

MAX_MEMBERS = 500_000
MAX_RATIO = 200
MAX_SLACK = 2 << 30
_LONGEST_LINK = 4096

_UNREADABLE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile, EOFError,
    NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A file, link or hard link of an archive; `read` gives a file's bytes and is valid until the next member."""

    path: str
    size: int = 0
    executable: bool = False
    symlink: str | None = None
    hardlink: str | None = None
    read: Callable[[], IO[bytes] | None] = lambda: None


def unpack(path: Path, origin: str, store: Store, selection: Selection = ALL) -> Tree:
    """The tree of an archive's selected members. `origin` names it in errors; its digest was verified before.

    Raises SourceError for what is no archive, for members no archive may have, and for a pattern that selects nothing.
    """
    entries: dict[str, Entry] = {}
    extra: set[str] = set()
    try:
        while True:
            entries, wanted = _collected(path, origin, store, selection, extra)
            if wanted <= extra:
                break
            extra |= wanted  # hard links to members that were not selected: their bytes are needed, so read again
    except _UNREADABLE as error:
        raise _unreadable(origin, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _unreadable(origin, error) from error  # bz2 says damage with a bare OSError
    return selection.of(entries.values(), origin)


def _collected(
    path: Path, origin: str, store: Store, selection: Selection, extra: set[str]
) -> tuple[dict[str, Entry], set[str]]:
    """Entries by their path in the archive, as the last member of a path says, and the hard link targets not read."""
    entries: dict[str, Entry] = {}
    missing: set[str] = set()
    allowance = MAX_RATIO * path.stat().st_size + MAX_SLACK
    for count, member in enumerate(_members(path, origin)):
        require_inside(member.path, origin)
        allowance -= member.size
        if allowance < 0 or count >= MAX_MEMBERS:
            raise SourceError(f"{origin} unpacks to far more than its size allows; nothing of it was used", hint=_BOMB)
        if not selection.takes(member.path) and member.path not in extra:
            continue
        if member.hardlink is not None:
            require_inside(member.hardlink, origin)
            if member.hardlink in entries:
                entries[member.path] = replace(entries[member.hardlink], path=member.path)
            elif member.hardlink in extra or selection.takes(member.hardlink):
                raise SourceError(
                    f"{origin} has a hard link {member.path} to {member.hardlink}, which it does not hold before"
                )
            else:
                missing.add(member.hardlink)
        elif member.symlink is not None:
            entries[member.path] = Entry(member.path, target=member.symlink)
        else:
            blob = store.put(_limited(member, origin))
            entries[member.path] = Entry(member.path, blob.digest, blob.size, member.executable)
    return entries, missing


def _limited(member: Member, origin: str) -> Iterator[bytes]:
    """A member's bytes: as many as it said, neither more nor fewer."""
    file = member.read()
    left = member.size
    while file is not None and (chunk := file.read(CHUNK)):
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise SourceError(
            f"{member.path} in {origin} is not as long as the archive says; nothing of it was used", hint=_BOMB
        )


def _members(path: Path, origin: str) -> Iterator[Member]:
    with path.open("rb") as file:
        if file.read(8) == b"!<arch>\n":
            yield from _tar_members(cast(IO[bytes], debian_data(file, origin)), origin)
        elif zipfile.is_zipfile(file):
            yield from _zip_members(file, origin)
        else:
            file.seek(0)
            yield from _tar_members(file, origin)


def _tar_members(file: IO[bytes], origin: str) -> Iterator[Member]:
    with _plain(file) as plain, tarfile.open(fileobj=plain, mode="r|", errorlevel=2) as archive:
        for info in archive:
            name = info.name.removeprefix("./")
            if info.isdir() or name in ("", "."):
                continue
            if info.issym():
                yield Member(name, symlink=info.linkname)
            elif info.islnk():
                yield Member(name, hardlink=info.linkname.removeprefix("./"))
            elif info.isreg():
                yield Member(name, info.size, bool(info.mode & 0o100), read=lambda info=info: archive.extractfile(info))  # type: ignore[misc]
            else:
                raise _no_file(name, origin)


@contextmanager
def _plain(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The tar inside a compressed one, told by its first bytes: names lie."""
    start = file.tell()
    magic = file.read(6)
    file.seek(start)
    reader: Any = file
    if magic.startswith(b"\x1f\x8b"):
        reader = gzip.GzipFile(fileobj=file)
    elif magic.startswith(b"BZh"):
        reader = bz2.BZ2File(file)
    elif magic.startswith(b"\xfd7zXZ\0"):
        reader = lzma.LZMAFile(file)  # noqa: SIM115 - closed below
    elif magic.startswith(b"\x28\xb5\x2f\xfd"):
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)
    try:
        yield reader
    finally:
        if reader is not file:
            reader.close()


def _zip_members(file: IO[bytes], origin: str) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.flag_bits & 1:
                raise SourceError(
                    f"{info.filename} in {origin} is encrypted", hint="make the archive again without a password"
                )
            if info.is_dir():
                require_inside(info.filename.rstrip("/"), origin)
            elif stat.S_ISLNK(mode):
                target = archive.open(info).read(_LONGEST_LINK)
                yield Member(info.filename, symlink=target.decode(errors="surrogateescape"))
            elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                executable = bool(mode & 0o100)
                yield Member(info.filename, info.file_size, executable, read=lambda info=info: archive.open(info))  # type: ignore[misc]
            else:
                raise _no_file(info.filename, origin)


def _unreadable(origin: str, error: Exception) -> SourceError:
    return SourceError(f"{origin} is not a readable archive: {error}", hint="fetch or make it again")


def _no_file(name: str, origin: str) -> SourceError:
    return SourceError(
        f"{name} in {origin} is a device or pipe, which no archive may hold; nothing of it was used", hint=_BOMB
    )


_BOMB = "use another archive, or ask who made it"
