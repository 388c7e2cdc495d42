"""A disk as VirtualBox imports it: a streamOptimized VMDK, its grains deflated on all cores.

"Virtual Disk Format 5.0" (VMware), streamOptimized: header, descriptor, then every grain (64 KiB) that is not all zeros
behind a marker, ascending; after each 512 grains their table; at the end the directory, a footer and a closing marker.
Equal disks give equal bytes, whatever the number of cores.
"""

from __future__ import annotations

import errno
import os
import struct
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import IO
from uuid import UUID

import deflate

from builder.digest import Digest
from builder.store.objects import Blob

SECTOR = 512
GRAIN = 128 * SECTOR
TABLE = 512
"""Grains a grain table knows."""
BATCH = 64
"""Grains a thread takes at once: 4 MiB, so that a few in flight stay small."""
LEVEL = 6
OVERHEAD = 128
"""Sectors before the first grain."""
AT_END = 0xFFFFFFFFFFFFFFFF
MAGIC = 0x564D444B
FLAGS = 1 | 1 << 16 | 1 << 17  # line ends are tested, grains are deflated, markers are there
HEADER = struct.Struct("<IIIQQQQIQQQB4sH")
GRAIN_MARKER = struct.Struct("<QI")
MARKER = struct.Struct("<QII")
END, GRAIN_TABLE, DIRECTORY, FOOTER = range(4)
ZEROS = bytes(GRAIN)


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
        padded = data + bytes(-len(data) % SECTOR)
        self.file.write(padded)
        self.hasher.update(padded)
        self.sectors += len(padded) // SECTOR

    def mark(self, kind: int, sectors: int, data: bytes) -> int:
        """Write a marker and what it announces; return the sector of the latter."""
        self.put(MARKER.pack(sectors, 0, kind))
        start = self.sectors
        self.put(data)
        return start


def write_vmdk(raw: Path, sink: IO[bytes], uuid: UUID, *, level: int = LEVEL) -> Vmdk:
    """Write the disk image `raw`, whose size is a multiple of 512 bytes, as a VMDK; holes are not read."""
    size = raw.stat().st_size
    if size % SECTOR or size == 0:
        raise ValueError(f"{raw} has {size} bytes, which is no number of sectors")
    out = _Sink(sink)
    out.put(_header(size // SECTOR, AT_END))
    out.put(_descriptor(size // SECTOR, uuid).ljust((OVERHEAD - 1) * SECTOR, b"\0"))
    directory, used = _put_grains(out, raw, size, level)
    entries = struct.pack(f"<{len(directory)}I", *directory)
    start = out.mark(DIRECTORY, -(-len(entries) // SECTOR), entries)
    out.mark(FOOTER, 1, _header(size // SECTOR, start))
    out.put(MARKER.pack(0, 0, END).ljust(SECTOR, b"\0"))
    return Vmdk(Blob(Digest(out.hasher.hexdigest()), out.sectors * SECTOR), size, used)


def _put_grains(out: _Sink, raw: Path, size: int, level: int) -> tuple[list[int], int]:
    """Write all grains and, after the last of each 512, their table; say where the tables are and what grains hold."""
    directory = [0] * -(-size // (GRAIN * TABLE))
    used = 0
    for number, group in groupby(_grains(raw, size, level), lambda grain: grain[0] // TABLE):
        table = [0] * TABLE
        for grain, packed in group:
            table[grain % TABLE] = out.sectors
            out.put(GRAIN_MARKER.pack(grain * GRAIN // SECTOR, len(packed)) + packed)
            used += GRAIN
        directory[number] = out.mark(GRAIN_TABLE, TABLE * 4 // SECTOR, struct.pack(f"<{TABLE}I", *table))
    return directory, used


def _grains(raw: Path, size: int, level: int) -> Iterator[tuple[int, bytes]]:
    """Number and deflated bytes of every grain that is not all zeros, ascending."""
    workers = os.cpu_count() or 1
    pending: deque[Future[list[tuple[int, bytes]]]] = deque()
    with raw.open("rb", buffering=0) as file, ThreadPoolExecutor(workers) as pool:
        for first in _batches(file.fileno(), size):
            pending.append(pool.submit(_deflate, file.fileno(), first, level))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _batches(descriptor: int, size: int) -> Iterator[int]:
    """Where a batch starts (in grains) that has data, as the file system knows it."""
    step = GRAIN * BATCH
    position = 0
    while position < size:
        try:
            data = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        batch = data // step
        yield batch * BATCH
        position = (batch + 1) * step


def _deflate(descriptor: int, first: int, level: int) -> list[tuple[int, bytes]]:
    data = memoryview(os.pread(descriptor, GRAIN * BATCH, first * GRAIN))
    found = []
    for number in range(-(-len(data) // GRAIN)):
        grain = bytes(data[number * GRAIN : (number + 1) * GRAIN]).ljust(GRAIN, b"\0")
        if grain != ZEROS:
            found.append((first + number, bytes(deflate.zlib_compress(grain, level))))
    return found


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
