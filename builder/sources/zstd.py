"""The plain bytes of a zstd file (RFC 8878): the library's own reader takes a file cut in a frame for a whole one."""

from __future__ import annotations

import io
from typing import IO

import zstandard

_STEP = 4096  # packed; a frame made for that becomes 32,768 times as long, and all of it stands in memory


class Zstandard(io.RawIOBase):
    """Frames one after the other; EOFError when the last one is cut, ZstdError when one is damaged."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packed = b""
        self._plain = memoryview(b"")
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer
        while not self._plain and self._has_more():
            self._unpack()
        taken = self._plain[: len(buffer)]
        buffer[: len(taken)] = taken
        self._plain = self._plain[len(taken) :]
        return len(taken)

    def _has_more(self) -> bool:
        self._packed = self._packed or self._file.read(_STEP)
        if not self._packed and self._frame is not None:
            raise EOFError("it ends in the middle of a frame")
        return bool(self._packed)

    def _unpack(self) -> None:
        frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._plain = memoryview(frame.decompress(self._packed))
        self._packed = frame.unused_data if frame.eof else b""
        self._frame = None if frame.eof else frame
