"""The `.ova`: a tar of the description, its digests and the disks, as VirtualBox reads it.

VirtualBox's tar reader refuses PAX headers: USTAR, and GNU's size field from 8 GiB on. The description comes first.
The tar is written here, since `tarfile` copies each byte several times on its way.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from builder import places
from builder.digest import Digest
from builder.errors import StoreError
from builder.files import CHUNK, whole_file
from builder.store.objects import Blob, Store

USTAR_LIMIT = 8 << 30


class _Hashing:
    """Hashes and counts what it passes on."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        self.hasher.update(data)
        self.size += len(data)
        self.file.write(data)

    def fill(self, block: int) -> None:
        """Zeros up to the next multiple of `block`."""
        self.write(bytes(-self.size % block))


def write_ova(path: Path, name: str, description: bytes, disks: Mapping[str, Blob], store: Store) -> Blob:
    """Write `path` whole or not at all; `disks` are blobs by file name, in the order of the description."""
    members = {f"{name}.ovf": description, f"{name}.mf": digests(name, description, disks)}
    is_large = any(blob.size >= USTAR_LIMIT for blob in disks.values())
    with whole_file(path) as file:
        sink = _Hashing(file)
        for member, data in members.items():
            sink.write(_header(member, len(data), is_large=is_large))
            sink.write(data)
            sink.fill(tarfile.BLOCKSIZE)
        for member, blob in disks.items():
            sink.write(_header(member, blob.size, is_large=is_large))
            _copy(blob, sink, store)
            sink.fill(tarfile.BLOCKSIZE)
        sink.write(bytes(2 * tarfile.BLOCKSIZE))
        sink.fill(tarfile.RECORDSIZE)
    return Blob(Digest(sink.hasher.hexdigest()), sink.size)


def _header(name: str, size: int, *, is_large: bool) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, places.EPOCH, 0o644
    return info.tobuf(tarfile.GNU_FORMAT if is_large else tarfile.USTAR_FORMAT)


def _copy(blob: Blob, sink: _Hashing, store: Store) -> None:
    buffer = memoryview(bytearray(CHUNK))  # one for all, so that it stays in the processor's cache
    start = sink.size
    with store.path(blob.digest).open("rb", buffering=0) as disk:
        while count := disk.readinto(buffer):
            sink.write(buffer[:count])
    if sink.size - start != blob.size:
        raise StoreError(
            f"{blob.digest} has {sink.size - start:,} bytes in the store instead of {blob.size:,}",
            hint="python3 build.py store verify",
        )


def digests(name: str, description: bytes, disks: Mapping[str, Blob]) -> bytes:
    """The `.mf` file: OVF 1.0 specification, section 5.1, with sha256 as VirtualBox writes it."""
    found = {f"{name}.ovf": Digest.of(description)} | {member: blob.digest for member, blob in disks.items()}
    return "".join(f"SHA256({member})= {digest.hex}\n" for member, digest in found.items()).encode()
