"""A disk as VirtualBox imports it: a streamOptimized VMDK, its grains deflated on all cores.

"Virtual Disk Format 5.0" (VMware), streamOptimized: header, descriptor, then every grain (64 KiB) that is not all zeros
behind a marker, ascending; after each 512 grains their table; at the end the directory, a footer and a closing marker.
Equal disks give equal bytes, whatever the number of cores and whatever is taken over from an earlier file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import IO
from uuid import UUID

from builder.appliance.earlier import reusing
from builder.appliance.grains import GRAIN, SECTOR, SMALL, Deflater, PackAt, batches
from builder.digest import Digest
from builder.store.objects import Blob

TABLE = 512
"""Grains a grain table knows."""
OVERHEAD = 128
"""Sectors before the first grain."""
AT_END = 0xFFFFFFFFFFFFFFFF
MAGIC = 0x564D444B
FLAGS = 1 | 1 << 16 | 1 << 17  # line ends are tested, grains are deflated, markers are there
HEADER = struct.Struct("<IIIQQQQIQQQB4sH")
MARKER = struct.Struct("<QII")
END, GRAIN_TABLE, DIRECTORY, FOOTER = range(4)


@dataclass(frozen=True)
class Vmdk:
    """What was written, the bytes the guest sees, and those that are not zeros: what it unpacks to."""

    blob: Blob
    capacity: int
    used: int


class _Sink:
    """Counts and hashes what it passes on, always in whole sectors."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.sectors = 0
        self.hasher = sha256()

    def put(self, data: bytes) -> None:
        padded = data + bytes(-len(data) % SECTOR) if len(data) % SECTOR else data
        self.file.write(padded)
        self.hasher.update(padded)
        self.sectors += len(padded) // SECTOR

    def mark(self, kind: int, sectors: int, data: bytes) -> int:
        """Write a marker and what it announces; return the sector of the latter."""
        self.put(MARKER.pack(sectors, 0, kind))
        start = self.sectors
        self.put(data)
        return start


def write_vmdk(
    raw: Path, sink: IO[bytes], uuid: UUID, *, deflater: Deflater = SMALL, earlier: Path | None = None
) -> Vmdk:
    """Write the disk image `raw`, whose size is a multiple of 512 bytes, as a VMDK; holes are not read.

    Grains that stand in the VMDK at `earlier`, made by the same deflater, are taken over: the bytes stay the same.
    """
    size = raw.stat().st_size
    if size % SECTOR or size == 0:
        raise ValueError(f"{raw} has {size} bytes, which is no number of sectors")
    out = _Sink(sink)
    out.put(_header(size // SECTOR, AT_END))
    out.put(_descriptor(size // SECTOR, uuid).ljust((OVERHEAD - 1) * SECTOR, b"\0"))
    with reusing(earlier, deflater.pack) as pack:
        directory, used = _put_grains(out, raw, size, pack)
    entries = struct.pack(f"<{len(directory)}I", *directory)
    start = out.mark(DIRECTORY, -(-len(entries) // SECTOR), entries)
    out.mark(FOOTER, 1, _header(size // SECTOR, start))
    out.put(MARKER.pack(0, 0, END).ljust(SECTOR, b"\0"))
    return Vmdk(Blob(Digest(out.hasher.hexdigest()), out.sectors * SECTOR), size, used)


def _put_grains(out: _Sink, raw: Path, size: int, pack: PackAt) -> tuple[list[int], int]:
    """Write all grains and, after the last of each 512, their table; say where the tables are and what grains hold."""
    directory = [0] * -(-size // (GRAIN * TABLE))
    used = 0
    filled = (batch for batch in batches(raw, size, pack) if batch.starts)
    for number, group in groupby(filled, lambda batch: min(batch.starts) // TABLE):
        table = [0] * TABLE
        for batch in group:
            for grain, start in batch.starts.items():
                table[grain % TABLE] = out.sectors + start
            out.put(batch.data)
            used += GRAIN * len(batch.starts)
        directory[number] = out.mark(GRAIN_TABLE, TABLE * 4 // SECTOR, struct.pack(f"<{TABLE}I", *table))
    return directory, used


def _header(sectors: int, directory: int) -> bytes:
    return HEADER.pack(
        MAGIC, 3, FLAGS, sectors, GRAIN // SECTOR, 1, OVERHEAD - 1, TABLE, 0, directory, OVERHEAD, 0, b"\n \r\n", 1
    ).ljust(SECTOR, b"\0")


def _descriptor(sectors: int, uuid: UUID) -> bytes:
    """The content id is the start of the UUID: both come from what the disk was made of."""
    cylinders = min(sectors // (16 * 63), 16383)
    return f"""# Disk DescriptorFile
version=1
CID={uuid.hex[:8]}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RDONLY {sectors} SPARSE "disk.vmdk"

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "4"
ddb.adapterType="ide"
ddb.geometry.cylinders="{cylinders}"
ddb.geometry.heads="16"
ddb.geometry.sectors="63"
ddb.uuid.image="{uuid}"
ddb.comment=""
""".encode()
