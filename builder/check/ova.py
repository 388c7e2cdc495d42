"""An `.ova` from anyone, held against every rule, in one pass and without VirtualBox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from builder.check.digests import check_digests
from builder.check.envelope import OVF, VBOX, Disk, check_envelope
from builder.check.findings import Finding, Findings
from builder.check.forwards import forwarded
from builder.check.hardware import Hardware, check_hardware
from builder.check.machine import check_machine
from builder.check.partitions import check_boot
from builder.check.sectors import Sectors
from builder.check.tar import Member, read_members
from builder.check.vmdk import Extent, check_vmdk
from builder.check.window import Window
from builder.check.xml import Document, read_document

LARGEST = 1 << 20
"""Bytes of a description, or of a list of digests."""


@dataclass(frozen=True)
class Checked:
    """What was looked at, what was found, and what a machine made of it has: memory in MiB, the guest's ports."""

    findings: tuple[Finding, ...]
    members: tuple[Member, ...]
    disks: tuple[Member, ...]
    """In the order of their ports, the one to start from first."""
    capacity: int
    cpus: int
    memory: int
    ports: Mapping[str, int]


def check_ova(path: Path) -> Checked:
    """Hold the file against every rule."""
    findings = Findings()
    with path.open("rb") as file:
        members = read_members(file, path.name, findings)
        parts = {member.name: member for member in members}
        digests, extents = _read_parts(file, members, findings)
        description = _description(file, members, path.name, findings)
        _check_listed(file, members, description, digests, findings)
        said = _said(_document(file, description, findings), members, findings)
        order = _order(said, parts)
        _check_disks(file, said.disks, order, extents, findings)
    capacity = sum(extent.capacity for extent in extents.values())
    cpus, memory = said.hardware.cpus or 1, said.hardware.memory or 2048
    return Checked(tuple(findings.found), members, order, capacity, cpus, memory, said.ports)


@dataclass(frozen=True)
class _Said:
    """What the description says."""

    disks: tuple[Disk, ...]
    hardware: Hardware
    ports: Mapping[str, int]


def _document(file: BinaryIO, description: Member | None, findings: Findings) -> Document | None:
    if description is None or not findings.require(
        description.size <= LARGEST, "ovf.size", description.name, f"{description.size} bytes"
    ):
        return None
    return read_document(_bytes(file, description), description.name, findings)


def _said(document: Document | None, members: Sequence[Member], findings: Findings) -> _Said:
    if document is None:
        return _Said((), Hardware(None, None, {}, ""), {})
    disks = check_envelope(document, {member.name: member.size for member in members}, findings)
    hardware = check_hardware(document, disks, findings)
    check_machine(document, disks, hardware, findings)
    return _Said(disks, hardware, _ports(document))


def _read_parts(
    file: BinaryIO, members: Sequence[Member], findings: Findings
) -> tuple[dict[str, str], dict[str, Extent]]:
    """Read each member once: its digest, and what a disk is like."""
    digests, extents = {}, {}
    for member in members:
        window = Window(file, member)
        if member.name.endswith(".vmdk") and (extent := check_vmdk(window, member.name, findings)):
            extents[member.name] = extent
        digests[member.name] = window.digest()
    return digests, extents


def _description(file: BinaryIO, members: Sequence[Member], name: str, findings: Findings) -> Member | None:
    found = [member for member in members if member.name.endswith(".ovf")]
    is_first = len(found) == 1 and members[0] == found[0]
    findings.require(is_first, "tar.order", name, ", ".join(member.name for member in members) or "nothing")
    return found[0] if found else None


def _check_listed(
    file: BinaryIO, members: Sequence[Member], description: Member | None, digests: Mapping[str, str],
    findings: Findings,
) -> None:  # fmt: skip
    found = [member for member in members if member.name.endswith(".mf")]
    wanted = f"{description.name.removesuffix('.ovf')}.mf" if description else ""
    is_right = [member.name for member in found] == [wanted] and found[0].size <= LARGEST
    told = ", ".join(f"{member.name} of {member.size} bytes" for member in found) or "none"
    if findings.require(is_right, "mf.present", wanted or "the archive", told):
        others = {name: digest for name, digest in digests.items() if not name.endswith((".mf", ".cert"))}
        check_digests(_bytes(file, found[0]).decode(errors="replace"), wanted, others, findings)


def _bytes(file: BinaryIO, member: Member) -> bytes:
    file.seek(member.start)
    return file.read(member.size)


def _order(said: _Said, parts: Mapping[str, Member]) -> tuple[Member, ...]:
    attached = sorted(said.disks, key=lambda disk: said.hardware.ports.get(disk.id, len(said.disks)))
    return tuple(parts[disk.file] for disk in attached if disk.file is not None and disk.file in parts)


def _check_disks(
    file: BinaryIO, disks: Sequence[Disk], order: Sequence[Member], extents: Mapping[str, Extent], findings: Findings
) -> None:
    for disk in disks:
        extent = extents.get(disk.file or "")
        if extent is not None and disk.capacity is not None:
            is_same = extent.capacity == disk.capacity
            told = f"{extent.capacity} bytes, not {disk.capacity}"
            findings.require(is_same, "vmdk.capacity", disk.file or "", told)
    if order and order[0].name in extents:
        check_boot(Sectors(file, order[0], extents[order[0].name]), order[0].name, findings)


def _ports(document: Document) -> dict[str, int]:
    machine = document.root.find(f"{OVF}VirtualSystem/{VBOX}Machine")
    return {} if machine is None else forwarded(machine)
