"""Reads a streamOptimized VMDK back as VirtualBox does: one pass, marker by marker, grains strictly ascending."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

SECTOR = 512
GRAIN = 65536


def descriptor_of(path: Path) -> str:
    """The text in the descriptor's sectors."""
    data = path.read_bytes()
    start, size = struct.unpack_from("<QQ", data, 28)
    return data[start * SECTOR : (start + size) * SECTOR].rstrip(b"\0").decode()


def read_vmdk(path: Path) -> bytes:
    """The disk's bytes; fails on anything that a stream reader would stumble over."""
    data = path.read_bytes()
    magic, _, flags, capacity = struct.unpack_from("<4sIIQ", data)
    assert magic == b"KDMV" and flags == 0x30001
    (overhead,) = struct.unpack_from("<Q", data, 64)
    disk = bytearray(capacity * SECTOR)
    position, last, tables, directory, footer = overhead * SECTOR, -1, [], 0, b""
    where: dict[int, int] = {}
    while True:
        value, size, kind = struct.unpack_from("<QII", data, position)
        if size:
            assert value > last, "grains must ascend"
            grain = zlib.decompress(data[position + 12 : position + 12 + size])
            assert len(grain) == GRAIN
            end = min(value * SECTOR + GRAIN, len(disk))
            disk[value * SECTOR : end] = grain[: end - value * SECTOR]
            where[value // 128], last = position // SECTOR, value
            position += -(-(12 + size) // SECTOR) * SECTOR
            continue
        position += SECTOR
        if kind == 0:
            break
        if kind == 1:
            tables.append(position // SECTOR)
        elif kind == 2:
            directory = position // SECTOR
        else:
            footer = data[position : position + SECTOR]
        position += value * SECTOR
    assert position == len(data), "nothing follows the closing marker"
    assert struct.unpack_from("<Q", footer, 56)[0] == directory
    assert _grains_in_tables(data, directory, capacity) == where
    return bytes(disk)


def _grains_in_tables(data: bytes, directory: int, capacity: int) -> dict[int, int]:
    found = {}
    for number in range(-(-capacity // (128 * 512))):
        (table,) = struct.unpack_from("<I", data, directory * SECTOR + 4 * number)
        if table:
            entries = struct.unpack_from("<512I", data, table * SECTOR)
            found |= {number * 512 + index: entry for index, entry in enumerate(entries) if entry}
    return found
