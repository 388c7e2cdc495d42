"""The first bytes of a file on a FAT file system from anyone, found by its path.

Format: Microsoft's "FAT: General Overview of On-Disk Format" 1.03. Only short names, as UEFI's default path has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SECTOR = 512
ENTRY = 32
LABEL = 0x08
LONGEST = 4096
"""Clusters of a folder that are looked through."""

Read = Callable[[int, int], bytes]
"""Gives a number of sectors from a sector of the file system on."""


@dataclass(frozen=True)
class _Layout:
    bits: int
    per_cluster: int
    fat: int
    root: int
    root_sectors: int
    root_cluster: int
    data: int
    clusters: int


def start_of(read: Read, path: str) -> bytes | None:
    r"""The first sector of the file at `path` (`EFI\BOOT\BOOTX64.EFI`), or None when there is none."""
    layout = _layout(read(0, 1))
    if layout is None:
        return None
    cluster: int | None = None
    for name in path.split("\\"):
        found = _find(_folder(read, layout, cluster), name)
        if found is None:
            return None
        cluster = found
    return read(_sector(layout, cluster or 0), 1) if cluster else None


def _layout(boot: bytes) -> _Layout | None:
    if len(boot) < SECTOR or boot[510:512] != b"\x55\xaa":
        return None
    bytes_per, per_cluster, reserved, fats, entries, small, _, size16 = struct.unpack_from("<HBHBHHBH", boot, 11)
    (large,), (size32,), (cluster,) = (struct.unpack_from("<I", boot, at) for at in (32, 36, 44))
    fat_size, total = size16 or size32, small or large
    root_sectors = -(-entries * ENTRY // SECTOR)
    root = reserved + fats * fat_size
    data = root + root_sectors
    if bytes_per != SECTOR or not per_cluster or not fats or total <= data:
        return None
    clusters = (total - data) // per_cluster
    bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
    return _Layout(bits, per_cluster, reserved, root, root_sectors, cluster, data, clusters)


def _sector(layout: _Layout, cluster: int) -> int:
    return layout.data + (cluster - 2) * layout.per_cluster


def _folder(read: Read, layout: _Layout, cluster: int | None) -> Iterator[bytes]:
    """The entries of a folder; of the root where no cluster is given."""
    if cluster is None and layout.bits != 32:
        yield from _entries(read(layout.root, layout.root_sectors))
        return
    here = layout.root_cluster if cluster is None else cluster
    for _ in range(LONGEST):
        if not 2 <= here < layout.clusters + 2:
            return
        yield from _entries(read(_sector(layout, here), layout.per_cluster))
        here = _next(read, layout, here)


def _entries(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data) - ENTRY + 1, ENTRY):
        yield data[at : at + ENTRY]


def _next(read: Read, layout: _Layout, cluster: int) -> int:
    at = cluster * layout.bits // 8
    data = read(layout.fat + at // SECTOR, 2)[at % SECTOR :]
    value = int.from_bytes(data[: 4 if layout.bits == 32 else 2], "little")
    if layout.bits == 12:
        return value >> 4 if cluster % 2 else value & 0xFFF
    return value & 0x0FFFFFFF


def _find(entries: Iterator[bytes], name: str) -> int | None:
    """The first cluster of the file or folder `name`."""
    base, _, ending = name.partition(".")
    wanted = base.ljust(8).encode() + ending.ljust(3).encode()
    for entry in entries:
        if entry[0] == 0:
            return None
        if entry[:11] == wanted and not entry[11] & LABEL:
            high, low = struct.unpack_from("<H", entry, 20)[0], struct.unpack_from("<H", entry, 26)[0]
            return int(high << 16 | low)
    return None
