"""Sectors of a sound disk inside an `.ova`, read out of order through its tables."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import BinaryIO

from builder.check.tar import Member
from builder.check.vmdk import GRAIN, GRAIN_HEAD, GRAIN_SECTORS, SECTOR, TABLE, Extent, inflated


class Sectors:
    """Reads any part of a disk whose structure `check_vmdk` found sound."""

    def __init__(self, file: BinaryIO, member: Member, extent: Extent) -> None:
        self.file, self.member, self.extent = file, member, extent
        self.count = extent.capacity // SECTOR
        self._grain = lru_cache(maxsize=4)(self._read_grain)

    def read(self, first: int, count: int) -> bytes:
        """`count` sectors from the sector `first` on; fewer at the disk's end."""
        last = min(first + count, self.count)
        if not 0 <= first < last:
            return b""
        grains = range(first // GRAIN_SECTORS, (last - 1) // GRAIN_SECTORS + 1)
        data = b"".join(self._grain(number) for number in grains)
        start = (first - grains[0] * GRAIN_SECTORS) * SECTOR
        return data[start : start + (last - first) * SECTOR]

    def _read_grain(self, number: int) -> bytes:
        table = self._entry(self.extent.directory, number // TABLE)
        at = self._entry(table, number % TABLE) if table else 0
        if not at:
            return bytes(GRAIN)
        start = at * SECTOR
        _, size = GRAIN_HEAD.unpack(self._bytes(start, GRAIN_HEAD.size))
        return inflated(self._bytes(start + GRAIN_HEAD.size, size))

    def _entry(self, sector: int, number: int) -> int:
        (found,) = struct.unpack("<I", self._bytes(sector * SECTOR + 4 * number, 4))
        return int(found)

    def _bytes(self, start: int, size: int) -> bytes:
        self.file.seek(self.member.start + start)
        return self.file.read(size)
