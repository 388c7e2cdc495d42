"""The grains of an earlier VMDK: one that holds the same in the same place is taken over instead of deflated again.

Disks are laid out so that most stays in its place after an edit. A grain is inflated and compared before it is used, so
a damaged or strange file can do no more than have grains deflated again.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deflate

from builder.appliance.grains import GRAIN, MARKER, SECTOR, Pack, PackAt

TABLE = 512
HEADER = struct.Struct("<4s8xQ36xQ")
"""Magic, capacity in sectors, sector of the grain directory."""
MAGIC = b"KDMV"
MAX_GRAIN = GRAIN + 1024
"""Bytes a grain can take once deflated, marker included; zlib adds 5 for each 16 KiB that it cannot make smaller."""


class Earlier:
    """An earlier VMDK that is open, and at which sector each of its grains stands."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._starts = dict(_starts(descriptor))

    def packed(self, number: int, grain: bytes) -> bytes | None:
        """The zlib stream of just this grain, if it stands there."""
        start = self._starts.get(number)
        if start is None:
            return None
        data = os.pread(self._descriptor, MAX_GRAIN, start * SECTOR)
        if len(data) < MARKER.size:
            return None
        _, length = MARKER.unpack_from(data)
        packed = data[MARKER.size : MARKER.size + length]
        if packed[-4:] != deflate.adler32(grain).to_bytes(4, "big"):  # a zlib stream ends with it: RFC 1950
            return None
        try:
            return packed if deflate.zlib_decompress(packed, GRAIN) == grain else None
        except deflate.DeflateError:
            return None


@contextmanager
def reusing(path: Path | None, pack: Pack) -> Iterator[PackAt]:
    """A way to deflate a disk's grains that takes over those which the VMDK at `path`, made by `pack`, has already."""
    if path is None:
        yield lambda number, grain: pack(grain)
        return
    with path.open("rb", buffering=0) as file:
        earlier = Earlier(file.fileno())
        yield lambda number, grain: earlier.packed(number, grain) or pack(grain)


def _starts(descriptor: int) -> Iterator[tuple[int, int]]:
    """Number and sector of each grain, as the footer's directory and tables say; nothing where they make no sense."""
    size = os.fstat(descriptor).st_size
    footer = os.pread(descriptor, HEADER.size, max(size - 2 * SECTOR, 0))
    if len(footer) < HEADER.size or not footer.startswith(MAGIC):
        return
    _, capacity, directory = HEADER.unpack(footer)
    count = -(-capacity * SECTOR // (GRAIN * TABLE))
    if directory * SECTOR + count * 4 > size:
        return
    for number, table in enumerate(_sectors(descriptor, directory, count)):
        if 0 < table * SECTOR < size:
            starts = _sectors(descriptor, table, TABLE)
            yield from ((number * TABLE + index, start) for index, start in enumerate(starts) if start)


def _sectors(descriptor: int, start: int, count: int) -> tuple[int, ...]:
    data = os.pread(descriptor, count * 4, start * SECTOR)
    return struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
