"""The hardware in the standard's words: processors, memory, controllers, drives, network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from builder.appliance.ovf import OS_TYPES
from builder.check.envelope import NUMBER, OVF, RASD, VBOX, VSSD, Disk
from builder.check.findings import Findings
from builder.check.xml import Document

CPU, MEMORY, NETWORK, DRIVE, SATA, USB, SOUND = "3", "4", "10", "17", "20", "23", "35"
"""DMTF DSP0004's resource types of CIM_ResourceAllocationSettingData."""
SYSTEM = f"{OVF}VirtualSystem/{OVF}VirtualHardwareSection"
UNITS = ("MegaBytes", "byte * 2^20")
LEAST = 256


@dataclass(frozen=True)
class Hardware:
    """What the standard's section says, where it can be told: memory in MiB, and the port of each disk by its id."""

    cpus: int | None
    memory: int | None
    ports: dict[str, int]
    os_type: str


def check_hardware(document: Document, disks: Sequence[Disk], findings: Findings) -> Hardware:
    """Look at the virtual hardware; `disks` are those of the DiskSection."""
    items = document.root.findall(f"{SYSTEM}/{OVF}Item")
    _check_ids(document, items, findings)
    _check_kind(document, findings)
    _check_network(document, _of(items, NETWORK), findings)
    _check_extras(document, items, findings)
    controllers = _controllers(document, items, findings)
    ports = _ports(document, _of(items, DRIVE), controllers, disks, findings)
    return Hardware(
        _cpus(document, _of(items, CPU), findings), _memory(document, _of(items, MEMORY), findings), ports,
        _os_type(document, findings),
    )  # fmt: skip


def said(item: Element, name: str) -> str:
    return item.findtext(f"{RASD}{name}", "").strip()


def _of(items: Sequence[Element], kind: str) -> list[Element]:
    return [item for item in items if said(item, "ResourceType") == kind]


def _number(item: Element, name: str) -> int | None:
    text = said(item, name)
    return int(text) if NUMBER.fullmatch(text) else None


def _place(document: Document, items: Sequence[Element]) -> str:
    return document.where(items[0]) if items else document.name


def _check_ids(document: Document, items: Sequence[Element], findings: Findings) -> None:
    seen: set[str] = set()
    for item in items:
        where, key = document.where(item), said(item, "InstanceID")
        findings.require(key not in seen, "ovf.id", where, f"the item {key} a second time")
        seen.add(key)
        for name in ("ElementName", "InstanceID", "ResourceType"):
            findings.require(said(item, name) != "", "ovf.schema", where, f"an item without {name}")


def _check_kind(document: Document, findings: Findings) -> None:
    kind = document.root.findtext(f"{SYSTEM}/{OVF}System/{VSSD}VirtualSystemType", "")
    findings.require(kind == "virtualbox-2.2", "ovf.system", document.name, kind or "none")


def _os_type(document: Document, findings: Findings) -> str:
    found = document.root.findtext(f"{OVF}VirtualSystem/{OVF}OperatingSystemSection/{VBOX}OSType", "")
    findings.require(found in OS_TYPES, "ovf.ostype", document.name, found or "none")
    return found


def _cpus(document: Document, items: Sequence[Element], findings: Findings) -> int | None:
    found = [_number(item, "VirtualQuantity") for item in items]
    is_right = len(found) == 1 and bool(found[0])
    findings.require(is_right, "ovf.cpus", _place(document, items), f"{found}")
    return found[0] if is_right else None


def _memory(document: Document, items: Sequence[Element], findings: Findings) -> int | None:
    found = [(_number(item, "VirtualQuantity"), said(item, "AllocationUnits")) for item in items]
    is_right = len(found) == 1 and (found[0][0] or 0) >= LEAST and found[0][1] in UNITS
    findings.require(is_right, "ovf.memory", _place(document, items), f"{found}")
    return found[0][0] if is_right else None


def _check_network(document: Document, items: Sequence[Element], findings: Findings) -> None:
    names = {one.get(f"{OVF}name") for one in document.root.iterfind(f"{OVF}NetworkSection/{OVF}Network")}
    found = [(said(item, "ResourceSubType"), said(item, "Connection")) for item in items]
    is_right = len(found) == 1 and found[0][0] == "E1000" and found[0][1] in names
    findings.require(is_right, "ovf.network", _place(document, items), f"{found}")


def _check_extras(document: Document, items: Sequence[Element], findings: Findings) -> None:
    for item in _of(items, SOUND):
        findings.add("machine.audio", document.where(item), "an item of type 35")
    for item in _of(items, USB):
        kind = said(item, "ResourceSubType").lower()
        is_old = "ehci" not in kind and "xhci" not in kind and "xhci" not in said(item, "Address").lower()
        findings.require(is_old, "machine.usb", document.where(item), f"an item of type 23, {kind}")


def _controllers(document: Document, items: Sequence[Element], findings: Findings) -> set[str]:
    found = _of(items, SATA)
    right = {said(item, "InstanceID") for item in found if said(item, "ResourceSubType") == "AHCI"}
    told = f"{[said(item, 'ResourceSubType') for item in found]}"
    findings.require(bool(right), "ovf.controller", _place(document, found), told)
    return right


def _ports(
    document: Document, items: Sequence[Element], controllers: set[str], disks: Sequence[Disk], findings: Findings
) -> dict[str, int]:
    ports: dict[str, int] = {}
    known = {disk.id for disk in disks}
    for item in items:
        where, parent, resource = document.where(item), said(item, "Parent"), said(item, "HostResource")
        key, port = resource.removeprefix("ovf:").removeprefix("/disk/"), _number(item, "AddressOnParent")
        is_new = key not in ports and port not in ports.values()
        is_known = resource.endswith(f"/disk/{key}") and key in known
        is_right = is_new and is_known and port is not None and parent in controllers
        told = f"{resource} at {said(item, 'AddressOnParent')} of {parent}"
        if findings.require(is_right, "ovf.drive", where, told) and port is not None:
            ports[key] = port
    attached = {said(item, "HostResource").rpartition("/")[2] for item in items}
    for key in sorted(known - attached):
        findings.add("ovf.drive", document.name, f"none for {key}")
    return ports
