"""The members of archives, told by their first bytes: tar (plain, gz, bz2, xz, zst), zip, 7z, Debian packages.

A single file packed with gz, bz2, xz or zst counts as an archive with one member.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import zstandard
from isal import igzip, isal_zlib

from builder.files import CHUNK
from builder.sources.ar import debian_data
from builder.sources.member import LONGEST_LINK, Member, encrypted, no_file
from builder.sources.seven_zip import MAGIC as SEVEN_ZIP
from builder.sources.seven_zip import seven_zip_members
from builder.sources.zstd import Zstandard
from builder.store.trees import require_inside

_TAR = re.compile(r".*\.(tar(\.\w+)?|t[bgx]z2?|tzst|whl|deb)", re.IGNORECASE)
_PACKED = re.compile(r"(.+)\.(gz|bz2|xz|zst)", re.IGNORECASE)
_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
_ZIP, _EMPTY_ZIP, _DEBIAN = b"PK\x03\x04", b"PK\x05\x06", b"!<arch>\n"
_PACKED_STARTS = (_GZIP, _BZIP2, _XZ, _ZSTD, _ZIP, _EMPTY_ZIP, _DEBIAN, SEVEN_ZIP)
UNREADABLE: tuple[type[Exception], ...] = (  # type: ignore[assignment]  # isal's stub calls its error an instance
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile, EOFError,
    NotImplementedError, struct.error, UnicodeDecodeError, isal_zlib.error,
)  # fmt: skip


def name_inside(name: str) -> str | None:
    """What the one file in a packed file of this name is called; None when the name is that of an archive."""
    found = None if _TAR.fullmatch(name) else _PACKED.fullmatch(name)
    return found[1] if found else None


def is_packed(path: Path) -> bool:
    """Whether a file is an archive or a packed file of these kinds but a plain tar."""
    with path.open("rb") as file:
        return file.read(8).startswith(_PACKED_STARTS)


def members(path: Path, origin: str, name: str = "") -> Iterator[Member]:
    """Each member in order; `name` is that of the file, without which nothing is taken for a single packed file.

    Raises SourceError for a member that no archive may have, and any of UNREADABLE for damage.
    """
    with path.open("rb") as file:
        magic = file.read(8)
        file.seek(0)
        if magic == _DEBIAN:
            yield from _tar_members(cast(IO[bytes], debian_data(file, origin)), origin)
        elif magic.startswith((_ZIP, _EMPTY_ZIP)):
            yield from _zip_members(file, origin)
        elif magic.startswith(SEVEN_ZIP):
            yield from seven_zip_members(path, origin)
        elif name and _is_one_file(file, name):
            with _plain(file) as plain:
                yield Member(name_inside(name) or name, None, read=lambda: plain)
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
                raise no_file(name, origin)


def _is_one_file(file: IO[bytes], name: str) -> bool:
    """Whether what is packed is no tar; one that begins with nothing but zeros is told by its name."""
    if _TAR.fullmatch(name):
        return False
    with _plain(file) as plain:
        start = b"" if plain is file else plain.read(tarfile.BLOCKSIZE)
        is_packed = plain is not file
    file.seek(0)
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return is_packed
    return False


@contextmanager
def _plain(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The tar inside a compressed one, told by its first bytes: names lie."""
    start = file.tell()
    magic = file.read(6)
    file.seek(start)
    reader: Any = file
    if magic.startswith(_GZIP):
        reader = igzip.IGzipFile(fileobj=file)  # type: ignore[no-untyped-call]
    elif magic.startswith(_BZIP2):
        reader = bz2.BZ2File(file)
    elif magic.startswith(_XZ):
        reader = lzma.LZMAFile(file)  # noqa: SIM115 - closed below
    elif magic.startswith(_ZSTD):
        reader = io.BufferedReader(Zstandard(file), CHUNK)
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
            name = _name_of(info)
            if not 0 <= info.header_offset < end:
                raise zipfile.BadZipFile(f"{name} begins outside the file")
            mode = info.external_attr >> 16
            if info.flag_bits & 1:
                raise encrypted(name, origin)
            if info.is_dir():
                require_inside(name.rstrip("/"), origin)
            elif stat.S_ISLNK(mode):
                target = archive.open(info).read(LONGEST_LINK)
                yield Member(name, symlink=target.decode(errors="surrogateescape"))
            elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                executable = bool(mode & 0o100)
                yield Member(name, info.file_size, executable, read=lambda info=info: archive.open(info))  # type: ignore[misc]
            else:
                raise no_file(name, origin)


def _name_of(info: zipfile.ZipInfo) -> str:
    """A member's name. Without the flag that says UTF-8 (APPNOTE 4.4.4) it is code page 437, which almost no one means.

    What is not UTF-8 then is left for `require_inside` to refuse: a guess would give names that no notebook uses.
    """
    if info.flag_bits & 0x800:
        return info.filename
    return info.orig_filename.encode("cp437").decode(errors="surrogateescape")
