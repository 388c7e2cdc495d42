"""The members of tar (plain, gz, bz2, xz, zst) and zip archives and Debian packages, told by their first bytes."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from builder.errors import SourceError
from builder.sources.ar import debian_data
from builder.store.trees import require_inside

_LONGEST_LINK = 4096
UNREADABLE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile, EOFError,
    NotImplementedError, struct.error, UnicodeDecodeError,
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


def members(path: Path, origin: str) -> Iterator[Member]:
    """Each member in order. Raises SourceError for one that no archive may have, and any of UNREADABLE for damage."""
    with path.open("rb") as file:
        magic = file.read(8)
        file.seek(0)
        if magic == b"!<arch>\n":
            yield from _tar_members(cast(IO[bytes], debian_data(file, origin)), origin)
        elif magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _zip_members(file, origin)
        else:
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


def _zip_of(file: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise zipfile.BadZipFile("its directory begins before the file") from error


def _zip_members(file: IO[bytes], origin: str) -> Iterator[Member]:
    end = file.seek(0, os.SEEK_END)
    with _zip_of(file) as archive:
        for info in archive.infolist():
            if not 0 <= info.header_offset < end:
                raise zipfile.BadZipFile(f"{info.filename} begins outside the file")
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


def _no_file(name: str, origin: str) -> SourceError:
    return SourceError(
        f"{name} in {origin} is a device or pipe, which no archive may hold; nothing of it was used", hint=HARMFUL
    )


HARMFUL = "use another archive, or ask who made it"
