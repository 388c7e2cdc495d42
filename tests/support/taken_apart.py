"""An `.ova` taken apart, so that a test can break one thing of it and put it together again with right digests."""

from __future__ import annotations

import hashlib
import re
import struct
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from uuid import UUID

from vmdk_reader import read_vmdk

from builder.appliance.vmdk import write_vmdk

SECTOR = 512
SYSTEM, CONTENT = "letters-system.vmdk", "letters-content.vmdk"


@dataclass(frozen=True)
class Apart:
    """The description and the disks, by their names in the archive."""

    ovf: str
    disks: dict[str, bytes]

    @classmethod
    def of(cls, path: Path) -> Apart:
        with tarfile.open(path) as archive:
            data = {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
        disks = {name: data[name] for name in data if name.endswith(".vmdk")}
        return cls(data["letters.ovf"].decode(), disks)

    def with_text(self, old: str, new: str) -> Apart:
        """Replace the first `old` of the description, which has to be there."""
        assert old in self.ovf
        return replace(self, ovf=self.ovf.replace(old, new, 1))

    def with_disk(self, name: str, data: bytes) -> Apart:
        """Put other bytes in a disk's place, and their size into the description."""
        sized = re.sub(rf'(href="{name}" ovf:size=)"\d+"', rf'\1"{len(data)}"', self.ovf)
        return replace(self, ovf=sized, disks={**self.disks, name: data})

    def with_raw(self, edit: Callable[[bytearray], None], folder: Path) -> Apart:
        """Change what the guest sees of the system disk."""
        (folder / "disk.vmdk").write_bytes(self.disks[SYSTEM])
        raw = bytearray(read_vmdk(folder / "disk.vmdk"))
        edit(raw)
        (folder / "raw").write_bytes(raw)
        sink = BytesIO()
        write_vmdk(folder / "raw", sink, UUID(int=1))
        return self.with_disk(SYSTEM, sink.getvalue())

    def digests(self) -> str:
        members = {"letters.ovf": self.ovf.encode(), **self.disks}
        return "".join(f"SHA256({name})= {hashlib.sha256(data).hexdigest()}\n" for name, data in members.items())

    def members(self) -> dict[str, bytes]:
        return {"letters.ovf": self.ovf.encode(), "letters.mf": self.digests().encode(), **self.disks}

    def write(self, path: Path) -> Path:
        return write_tar(path, self.members())


def write_tar(path: Path, members: dict[str, bytes], style: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(path, "w", format=style) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if style == tarfile.PAX_FORMAT:
                info.mtime = 1.5
            archive.addfile(info, BytesIO(data))
    return path


def markers(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each marker of a VMDK stands (bytes), its kind (-1 for a grain), and how many sectors it takes."""
    (overhead,) = struct.unpack_from("<Q", data, 64)
    at = overhead * SECTOR
    while at < len(data):
        value, size, kind = struct.unpack_from("<QII", data, at)
        taken = -(-(12 + size) // SECTOR) if size else 1 + value
        yield at, -1 if size else kind, taken
        at += taken * SECTOR


def first_of(data: bytes, kind: int) -> tuple[int, int]:
    """Where the first marker of a kind stands, and the byte behind what it announces."""
    at, _, taken = next(marker for marker in markers(data) if marker[1] == kind)
    return at, at + taken * SECTOR


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]
