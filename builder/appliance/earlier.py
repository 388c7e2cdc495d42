"""The grains of an earlier VMDK, found by what they hold: what did not change is taken over instead of deflated again.

The file is its own index: a zlib stream ends with the Adler-32 of what it holds. A grain that is found is inflated and
compared, so neither a like checksum nor a damaged file can do more than have a grain deflated again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deflate

from builder.appliance.grains import GRAIN, MARKER, SECTOR, Pack

START = 128 * SECTOR
"""Where the first grain's marker stands in the files that we write."""
GRAIN_TABLE = 1
CANDIDATES = 4
"""Grains of one checksum that are kept; more would let a strange disk cost more than deflating it."""


class Earlier:
    """An earlier VMDK that is open, and where its grains stand: by checksum, each with offset and length."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._places: dict[int, list[tuple[int, int]]] = {}
        for offset, length in _grains(descriptor):
            checksum = int.from_bytes(os.pread(descriptor, 4, offset + length - 4), "big")
            places = self._places.setdefault(checksum, [])
            if len(places) < CANDIDATES:
                places.append((offset, length))

    def packed(self, grain: bytes | memoryview) -> bytes | None:
        """The zlib stream of just this grain, if it was there."""
        for offset, length in self._places.get(deflate.adler32(grain), ()):
            packed = os.pread(self._descriptor, length, offset)
            try:
                if memoryview(deflate.zlib_decompress(packed, GRAIN)) == grain:
                    return packed
            except deflate.DeflateError:
                continue
        return None


@contextmanager
def reusing(path: Path | None, pack: Pack) -> Iterator[Pack]:
    """A way to deflate grains that takes over those which the VMDK at `path`, made by `pack`, has already."""
    if path is None:
        yield pack
        return
    with path.open("rb", buffering=0) as file:
        earlier = Earlier(file.fileno())
        yield lambda grain: earlier.packed(grain) or pack(grain)


def _grains(descriptor: int) -> Iterator[tuple[int, int]]:
    """Offset and length of each grain's stream, up to the grain directory or the first bytes that make no sense."""
    position = START
    while len(marker := os.pread(descriptor, MARKER.size + 4, position)) == MARKER.size + 4:
        count, length = MARKER.unpack_from(marker)
        if length:
            if not 4 < length <= 2 * GRAIN:
                return
            yield position + MARKER.size, length
            position += -(-(MARKER.size + length) // SECTOR) * SECTOR
        elif int.from_bytes(marker[MARKER.size :], "little") == GRAIN_TABLE:
            position += SECTOR + count * SECTOR
        else:
            return
