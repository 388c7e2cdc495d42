"""A disk's grains (64 KiB), those of zeros left out, deflated on all cores and joined to large pieces to write.

Every grain is deflated by itself, so equal grains give equal bytes whatever stands beside them.
"""

from __future__ import annotations

import errno
import os
import struct
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import deflate
from isal import isal_zlib

SECTOR = 512
GRAIN = 128 * SECTOR
MARKER = struct.Struct("<QI")
"""Stands before a grain: its first sector on the disk, and how many bytes follow."""
BATCH = 64
"""Grains a thread takes at once: 4 MiB, so that Python's part is small and a few in flight are too."""
MAX_WORKERS = 16
"""More would be faster than one thread writes, and each has up to 16 MiB in flight."""
ZEROS = bytes(GRAIN)

Pack = Callable[[bytes], bytes | bytearray]
"""Deflates one whole grain into a zlib stream."""
PackAt = Callable[[int, bytes], bytes | bytearray]
"""The same for the grain of this number on its disk."""


@dataclass(frozen=True)
class Deflater:
    """How grains are deflated; the bytes of two of the same name are the same."""

    name: str
    pack: Pack = field(compare=False)


SMALL = Deflater(f"libdeflate {deflate.__version__} 5", lambda grain: deflate.zlib_compress(grain, 5))
"""A little smaller than zlib's usual level, in a third of its time, and the same bytes on every machine."""
FAST = Deflater("isa-l 3", lambda grain: isal_zlib.compress(grain, 3))
"""Up to a tenth larger, in an eighth of zlib's time; another processor may give other bytes."""


@dataclass(frozen=True)
class Batch:
    """Neighbouring grains as they stand in the file: where each starts in `data`, in sectors, by its number."""

    starts: dict[int, int]
    data: bytes


def batches(raw: Path, size: int, pack: PackAt) -> Iterator[Batch]:
    """All grains of a disk that are not all zeros, ascending; each batch starts at a multiple of BATCH."""
    workers = min(os.cpu_count() or 1, MAX_WORKERS)
    pending: deque[Future[Batch]] = deque()
    with raw.open("rb", buffering=0) as file, ThreadPoolExecutor(workers) as pool:
        for first in _with_data(file.fileno(), size):
            pending.append(pool.submit(_batch, file.fileno(), first, pack))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _with_data(descriptor: int, size: int) -> Iterator[int]:
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


def _batch(descriptor: int, first: int, pack: PackAt) -> Batch:
    data = os.pread(descriptor, GRAIN * BATCH, first * GRAIN)
    pieces: list[bytes | bytearray] = []
    starts: dict[int, int] = {}
    sectors = 0
    for number in range(first, first + -(-len(data) // GRAIN)):
        position = (number - first) * GRAIN
        grain = data[position : position + GRAIN].ljust(GRAIN, b"\0")  # bytes: comparing them is many times faster
        if grain == ZEROS:
            continue
        packed = pack(number, grain)
        starts[number] = sectors
        length = MARKER.size + len(packed)
        pieces += (MARKER.pack(number * GRAIN // SECTOR, len(packed)), packed, bytes(-length % SECTOR))
        sectors += -(-length // SECTOR)
    return Batch(starts, b"".join(pieces))
