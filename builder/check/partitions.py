"""Can a disk start a machine? Its partition table, its boot code for BIOS, and its loader for UEFI.

Formats: UEFI specification 2.10, section 5.3 (GPT) and 3.5.1.1 (the loader's path).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from uuid import UUID

from builder.appliance.disk import TYPES
from builder.check.fat import start_of
from builder.check.findings import Findings
from builder.check.sectors import Sectors

SECTOR = 512
GPT = struct.Struct("<8sIIIIQQQQ16sQIII")
MOST = 1024
LOADER = r"EFI\BOOT\BOOTX64.EFI"


@dataclass(frozen=True)
class Partition:
    """A partition's type, and its first and last sector."""

    type: UUID
    first: int
    last: int


def check_boot(disk: Sectors, name: str, findings: Findings) -> None:
    """Look at the disk that a machine is to start from."""
    partitions = _table(disk, 1, name, findings)
    if partitions is None:
        return
    copy = _table(disk, disk.count - 1, name, findings)
    findings.require(copy in (None, partitions), "boot.gpt", name, "a copy that says something else")
    _check_bios(disk, partitions, name, findings)
    _check_uefi(disk, partitions, name, findings)


def _table(disk: Sectors, at: int, name: str, findings: Findings) -> list[Partition] | None:
    header = disk.read(at, 1)
    if not findings.require(header[:8] == b"EFI PART", "boot.gpt", name, f"no table at sector {at}"):
        return None
    _, _, size, crc, _, mine, _, _, _, _, start, count, length, entries_crc = GPT.unpack_from(header)
    is_sized = 92 <= size <= SECTOR and length == 128 and 0 < count <= MOST
    if not findings.require(is_sized, "boot.gpt", name, f"sector {at}: {count} entries of {length} bytes"):
        return None
    own = zlib.crc32(header[:16] + bytes(4) + header[20:size])
    entries = disk.read(start, -(-count * length // SECTOR))[: count * length]
    is_right = own == crc and mine == at and zlib.crc32(entries) == entries_crc
    if not findings.require(is_right, "boot.gpt", name, f"sector {at}: other checksums"):
        return None
    found = [_partition(entries[at : at + length]) for at in range(0, len(entries), length)]
    used = [partition for partition in found if partition.type.int]
    is_inside = all(1 < one.first <= one.last < disk.count for one in used)
    findings.require(is_inside, "boot.gpt", name, f"sector {at}: a partition that leaves the disk")
    return used if is_inside else None


def _partition(entry: bytes) -> Partition:
    first, last = struct.unpack_from("<QQ", entry, 32)
    return Partition(UUID(bytes_le=entry[:16]), first, last)


def _of_type(partitions: list[Partition], kind: str) -> Partition | None:
    return next((one for one in partitions if one.type == UUID(TYPES[kind])), None)


def _check_bios(disk: Sectors, partitions: list[Partition], name: str, findings: Findings) -> None:
    start, boot = disk.read(0, 1), _of_type(partitions, "boot")
    has_code = any(start[:440]) and start[510:512] == b"\x55\xaa"
    findings.require(has_code, "boot.bios", name, "no boot code in the MBR")
    if findings.require(boot is not None, "boot.bios", name, "no BIOS boot partition") and boot:
        findings.require(any(disk.read(boot.first, 1)), "boot.bios", name, "an empty BIOS boot partition")


def _check_uefi(disk: Sectors, partitions: list[Partition], name: str, findings: Findings) -> None:
    esp = _of_type(partitions, "esp")
    if not findings.require(esp is not None, "boot.uefi", name, "no EFI system partition") or esp is None:
        return
    loader = start_of(lambda first, count: disk.read(esp.first + first, count), LOADER)
    findings.require((loader or b"")[:2] == b"MZ", "boot.uefi", name, f"no program at {LOADER}")
