"""The description says the same in the standard's words and in VirtualBox's, and ports cannot collide."""

from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest

from builder.appliance.ovf import ApplianceSpec, Disk, Port, describe
from builder.digest import Digest
from builder.errors import ManifestError
from builder.store.objects import Blob

SPACES = {
    "": "http://schemas.dmtf.org/ovf/envelope/1",
    "ovf": "http://schemas.dmtf.org/ovf/envelope/1",
    "rasd": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData",
    "vbox": "http://www.virtualbox.org/ovf/machine",
}
DISKS = (
    Disk("w-system.vmdk", Blob(Digest.of(b"1"), 11), 1 << 30, 1 << 20, UUID(int=0xA1)),
    Disk("w-content.vmdk", Blob(Digest.of(b"2"), 22), 2 << 30, 1 << 20, UUID(int=0xB2)),
)


def _spec(**changes: object) -> ApplianceSpec:
    fields: dict[str, object] = {
        "name": "w", "title": "Digits & <letters>", "version": "1", "description": 'All "you" need', "licences": "MIT",
        "cpus": 3, "memory": 3 << 30, "room": 0, "ports": {"jupyter": Port(8080, 8080), "demo": Port(8081, 80)},
    }  # fmt: skip
    return ApplianceSpec(**{**fields, **changes})  # type: ignore[arg-type]


def _items(root: ET.Element, kind: int) -> list[ET.Element]:
    found = root.findall(".//VirtualHardwareSection/Item", SPACES)
    return [item for item in found if item.findtext("rasd:ResourceType", "", SPACES) == str(kind)]


def _text(item: ET.Element, name: str) -> str:
    return item.findtext(f"rasd:{name}", "", SPACES)


def test_both_halves_agree_on_processors_memory_and_disks() -> None:
    root = ET.fromstring(describe(_spec(), DISKS))
    machine = root.find(".//vbox:Machine", SPACES)
    assert machine is not None
    assert [_text(item, "VirtualQuantity") for item in _items(root, 3)] == ["3"]
    assert [_text(item, "VirtualQuantity") for item in _items(root, 4)] == ["3072"]
    assert machine.find("Hardware/CPU", SPACES).get("count") == "3"  # type: ignore[union-attr]
    assert machine.find("Hardware/Memory", SPACES).get("RAMSize") == "3072"  # type: ignore[union-attr]
    assert [_text(item, "HostResource") for item in _items(root, 17)] == ["/disk/vmdisk1", "/disk/vmdisk2"]
    declared = [disk.get(f"{{{SPACES['vbox']}}}uuid") for disk in root.findall("DiskSection/Disk", SPACES)]
    attached = [image.get("uuid") for image in machine.findall(".//AttachedDevice/Image", SPACES)]
    assert [f"{{{uuid}}}" for uuid in declared] == attached == [f"{{{disk.uuid}}}" for disk in DISKS]


def test_every_port_is_forwarded_on_loopback() -> None:
    root = ET.fromstring(describe(_spec(), DISKS))
    rules = [dict(rule.attrib) for rule in root.findall(".//Forwarding", SPACES)]
    assert rules == [
        {"name": "demo", "proto": "1", "hostip": "127.0.0.1", "hostport": "8081", "guestport": "80"},
        {"name": "jupyter", "proto": "1", "hostip": "127.0.0.1", "hostport": "8080", "guestport": "8080"},
    ]


def test_signs_that_xml_knows_come_through() -> None:
    root = ET.fromstring(describe(_spec(), DISKS))
    assert root.findtext(".//Product", "", SPACES) == "Digits & <letters>"
    assert root.findtext(".//Annotation", "", SPACES) == 'All "you" need'


def test_no_licence_asks_nobody_to_agree() -> None:
    assert ET.fromstring(describe(_spec(licences=""), DISKS)).find(".//EulaSection", SPACES) is None


def test_nothing_of_this_machine_is_in_it() -> None:
    text = describe(_spec(), DISKS).decode()
    assert str(Path.home()) not in text.replace("/disk/", "")
    assert text == describe(_spec(), DISKS).decode()


def test_every_fault_of_the_ports_is_told_at_once() -> None:
    ports = {"a": Port(8080, 80), "b": Port(8080, 81), "c": Port(22, 22), "d": Port(70000, 1)}
    with pytest.raises(ManifestError) as caught:
        _spec(ports=ports)
    assert "services.b: port 8080 is taken by services.a" in caught.value.message
    assert "services.c: port 22" in caught.value.message
    assert "services.d: 70000" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("change", [{"cpus": 0}, {"memory": 1 << 20}, {"os_type": "Plan9"}])
def test_a_machine_that_cannot_start_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ManifestError):
        _spec(**change)
