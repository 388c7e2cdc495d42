"""The machine in VirtualBox's own words, which it prefers: equal to the standard's, and nothing of a host in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from builder.check.envelope import NUMBER, OVF, VBOX, Disk
from builder.check.findings import Findings
from builder.check.forwards import check_forwards
from builder.check.hardware import Hardware
from builder.check.xml import Document

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
VERSION = re.compile(r"1\.(?:16|17|18|19)-\w+")
HOST_PATH = re.compile(r"/|~|[A-Za-z]:[\\/]|\\\\|file:", re.IGNORECASE)
PROSE = ("Description", "Info")
OLD_USB = ("OHCI",)


def check_machine(document: Document, disks: Sequence[Disk], hardware: Hardware, findings: Findings) -> None:
    """Look at the vbox:Machine; the `hardware` is what the standard's section says."""
    machines = document.root.findall(f"{OVF}VirtualSystem/{VBOX}Machine")
    where = document.where(machines[0]) if machines else document.name
    if not findings.require(len(machines) == 1, "machine.present", where, f"{len(machines)}"):
        return
    machine = machines[0]
    version, uuid = machine.get("version", ""), machine.get("uuid", "")
    findings.require(bool(VERSION.fullmatch(version)), "machine.version", where, version)
    findings.require(bool(re.fullmatch(rf"\{{{UUID}\}}", uuid)), "machine.uuid", where, uuid)
    kind = machine.get("OSType", "")
    findings.require(kind == hardware.os_type, "ovf.ostype", where, f"OSType {kind}")
    _check_core(document, machine, hardware, findings)
    _check_extras(document, machine, findings)
    _check_paths(document, machine, findings)
    _check_storage(document, machine, disks, hardware, findings)
    _check_network(document, machine, findings)
    check_forwards(document, machine, findings)


def _at(document: Document, machine: Element, path: str) -> tuple[Element, str]:
    """The element at a path of names, or an empty one, and where to look for it."""
    found = machine.find("/".join(f"{{*}}{name}" for name in path.split("/")))
    return (Element("none"), document.where(machine)) if found is None else (found, document.where(found))


def _check_core(document: Document, machine: Element, hardware: Hardware, findings: Findings) -> None:
    processor, where = _at(document, machine, "Hardware/CPU")
    cpus = processor.get("count", "1")  # VirtualBox leaves it out for one
    findings.require(hardware.cpus is None or cpus == str(hardware.cpus), "machine.cpus", where, cpus)
    memory, place = _at(document, machine, "Hardware/Memory")
    size = memory.get("RAMSize", "none")
    findings.require(hardware.memory is None or size == str(hardware.memory), "machine.memory", place, size)
    controller, place = _at(document, machine, "Hardware/BIOS/IOAPIC")
    is_on = controller.get("enabled") == "true"
    findings.require(is_on or cpus == "1", "machine.ioapic", place, controller.get("enabled", "none"))
    display, place = _at(document, machine, "Hardware/Display")
    kind = display.get("controller", "none")
    findings.require(kind == "VMSVGA", "machine.display", place, kind)


def _check_extras(document: Document, machine: Element, findings: Findings) -> None:
    audio, where = _at(document, machine, "Hardware/AudioAdapter")
    is_silent = audio.get("enabled", "false") == "false"
    findings.require(is_silent, "machine.audio", where, f"an adapter that is on, {audio.get('driver')}")
    for controller in machine.iterfind("{*}Hardware/{*}USB/{*}Controllers/{*}Controller"):
        kind = controller.get("type", "")
        findings.require(kind in OLD_USB, "machine.usb", document.where(controller), kind)


def _check_paths(document: Document, machine: Element, findings: Findings) -> None:
    for element in machine.iter():
        name = element.tag.rpartition("}")[2]
        values = [*element.attrib.values(), *([] if name in PROSE else [(element.text or "").strip()])]
        for value in values:
            findings.require(not HOST_PATH.match(value), "machine.path", document.where(element), value)
        findings.require(name != "SharedFolder", "machine.path", document.where(element), "a shared folder")


def _check_storage(
    document: Document, machine: Element, disks: Sequence[Disk], hardware: Hardware, findings: Findings
) -> None:
    attached: list[str] = []
    known = {f"{{{disk.uuid}}}": disk for disk in disks if re.fullmatch(UUID, disk.uuid)}
    for controller in machine.iterfind("{*}StorageControllers/{*}StorageController"):
        kind, count = controller.get("type", ""), controller.get("PortCount", "")
        has_disks = controller.find("{*}AttachedDevice/{*}Image") is not None
        findings.require(
            kind == "AHCI" or not has_disks, "machine.storage", document.where(controller), f"disks on {kind}"
        )
        for device in controller.iterfind("{*}AttachedDevice"):
            image = device.find("{*}Image")
            if image is None:
                continue
            where, uuid, port = document.where(image), image.get("uuid", ""), device.get("port", "")
            attached.append(uuid)
            if findings.require(uuid in known, "machine.image", where, uuid):
                stated = hardware.ports.get(known[uuid].id)
                is_right = stated in (None, _number(port)) and (_number(port) or 0) < (_number(count) or 0)
                findings.require(is_right, "machine.storage", where, f"port {port} of {count}")
    for disk in disks:
        times = attached.count(f"{{{disk.uuid}}}")
        findings.require(times == 1, "machine.image", document.where(machine), f"{disk.uuid or disk.id} {times} times")


def _number(text: str) -> int | None:
    return int(text) if NUMBER.fullmatch(text) else None


def _check_network(document: Document, machine: Element, findings: Findings) -> None:
    _, where = _at(document, machine, "Hardware/Network")
    adapters = machine.findall("{*}Hardware/{*}Network/{*}Adapter")
    found = [
        (one.get("slot"), one.get("type"), one.find("{*}NAT") is not None)
        for one in adapters
        if one.get("enabled") == "true"
    ]
    findings.require(found == [("0", "82540EM", True)], "machine.network", where, f"{found}")
