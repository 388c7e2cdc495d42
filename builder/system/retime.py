"""A tar whose entries made during the build bear the one fixed time, so that two builds give the same bytes.

What a package brought along keeps its own time: Python's byte code is valid only beside a source of that time.
Format: POSIX.1-1988 ustar, pax and GNU headers, as Go's archive/tar writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from builder import places
from builder.errors import IntegrityError
from builder.files import CHUNK

BLOCK = 512
_PAX = re.compile(rb"(\d+) ([^=\n]+)=")


def retimed(file: IO[bytes], since: int) -> Iterator[bytes]:
    """The bytes of a plain tar, every time from `since` on replaced by `places.EPOCH`."""
    real_size: int | None = None
    while header := file.read(BLOCK):
        if header.count(0) == len(header):
            yield header
            continue
        if len(header) < BLOCK:
            raise IntegrityError("a layer ends in the middle of a header", hint="build again with --no-cache")
        kind = header[156:157]
        size = _number(header[124:136]) if real_size is None or kind in b"xgLK" else real_size
        yield _stamped(header, since)
        padded = -(-size // BLOCK) * BLOCK
        if kind == b"x":
            records = _read(file, padded)
            real_size = _pax_size(records[:size])
            yield _pax_stamped(records, size, since)
            continue
        if kind not in b"LK":
            real_size = None
        for start in range(0, padded, CHUNK):
            yield _read(file, min(CHUNK, padded - start))


def _read(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise IntegrityError("a layer ends in the middle of a file", hint="build again with --no-cache")
    return data


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b" \0") or b"0", 8)


def _stamped(header: bytes, since: int) -> bytes:
    if _number(header[136:148]) < since:
        return header
    fresh = bytearray(header)
    fresh[136:148] = b"%011o\0" % places.EPOCH
    fresh[148:156] = b" " * 8
    fresh[148:156] = b"%06o\0 " % sum(fresh)
    return bytes(fresh)


def _pax_records(records: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Start and end of each value, and its key."""
    start = 0
    while found := _PAX.match(records, start):
        end = start + int(found[1])
        yield found.end(), end - 1, found[2]
        start = end


def _pax_size(records: bytes) -> int | None:
    return next((int(records[start:end]) for start, end, key in _pax_records(records) if key == b"size"), None)


def _pax_stamped(records: bytes, size: int, since: int) -> bytes:
    """Fixed times of the same length, so that no record moves."""
    fresh = bytearray(records)
    for start, end, key in _pax_records(records[:size]):
        if key in (b"mtime", b"atime", b"ctime") and float(records[start:end]) >= since:
            whole, dot, fraction = records[start:end].partition(b".")
            fresh[start:end] = b"%0*d" % (len(whole), places.EPOCH) + dot + b"0" * len(fraction)
    return bytes(fresh)
