"""The `.ova`: a tar of the description, its digests and the disks, as VirtualBox reads it.

VirtualBox's tar reader refuses PAX headers: USTAR, and GNU's size field from 8 GiB on. The description comes first.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from builder import places
from builder.digest import Digest
from builder.files import whole_file
from builder.store.objects import Blob, Store

USTAR_LIMIT = 8 << 30


class _Hashing:
    """Hashes and counts what it passes on."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.hasher.update(data)
        self.size += len(data)
        return self.file.write(data)


def write_ova(path: Path, name: str, description: bytes, disks: Mapping[str, Blob], store: Store) -> Blob:
    """Write `path` whole or not at all; `disks` are blobs by file name, in the order of the description."""
    members = {f"{name}.ovf": description, f"{name}.mf": digests(name, description, disks)}
    style = tarfile.USTAR_FORMAT if all(blob.size < USTAR_LIMIT for blob in disks.values()) else tarfile.GNU_FORMAT
    with whole_file(path) as file:
        sink = _Hashing(file)
        with tarfile.open(fileobj=cast(IO[bytes], sink), mode="w|", format=style, bufsize=1 << 20) as archive:
            for member, data in members.items():
                archive.addfile(_info(member, len(data)), BytesIO(data))
            for member, blob in disks.items():
                with store.path(blob.digest).open("rb") as disk:
                    archive.addfile(_info(member, blob.size), disk)
    return Blob(Digest(sink.hasher.hexdigest()), sink.size)


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, places.EPOCH, 0o644
    return info


def digests(name: str, description: bytes, disks: Mapping[str, Blob]) -> bytes:
    """The `.mf` file: OVF 1.0 specification, section 5.1, with sha256 as VirtualBox writes it."""
    found = {f"{name}.ovf": Digest.of(description)} | {member: blob.digest for member, blob in disks.items()}
    return "".join(f"SHA256({member})= {digest.hex}\n" for member, digest in found.items()).encode()
