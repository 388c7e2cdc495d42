"""The `ar` format (ar(5)), as far as a Debian package (deb(5)) uses it: find the member that holds its files."""

from __future__ import annotations

import io
import os
from typing import IO

from builder.errors import SourceError

_HEADER = 60


class Slice(io.RawIOBase):
    """A part of an open file, as a file of its own."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer
        self._file.seek(self._start + self._at)
        chunk = self._file.read(min(len(buffer), max(0, self._size - self._at)))
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)


def debian_data(file: IO[bytes], origin: str) -> Slice:
    """The `data.tar.*` of a Debian package. SourceError when there is none."""
    place = 8
    while True:
        file.seek(place)
        header = file.read(_HEADER)
        if len(header) < _HEADER or header[58:60] != b"`\n" or not header[48:58].strip().isdigit():
            raise SourceError(f"{origin} is not a readable Debian package: it has no data.tar", hint="fetch it again")
        size = int(header[48:58])
        if header[:16].startswith(b"data.tar"):
            return Slice(file, place + _HEADER, size)
        place += _HEADER + size + size % 2
