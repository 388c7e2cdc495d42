"""Each rule of an appliance is broken once, on a small one, and found with its place; a sound one has no findings."""

import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from small_appliance import Bench
from taken_apart import CONTENT, SECTOR, SYSTEM, Apart, first_of, markers, patched, write_tar

from builder.check.findings import Finding
from builder.check.ova import check_ova
from builder.check.rules import RULES
from builder.store.objects import Store

GRAIN, GRAIN_TABLE, DIRECTORY, FOOTER, END = -1, 1, 2, 3, 0
Text = tuple[str, str, str]

TEXTS: list[Text] = [
    ("ovf.xml", "</Envelope>", "</Envelop>"),
    ("ovf.xml", "</References>", "<a>" * 101 + "</a>" * 101 + "</References>"),
    ("ovf.dtd", '<?xml version="1.0"?>', '<?xml version="1.0"?><!DOCTYPE Envelope [<!ENTITY a "b">]>'),
    ("ovf.namespace", 'ovf:version="1.0"', 'ovf:version="2.0"'),
    ("ovf.namespace", 'xmlns="http://schemas.dmtf.org/ovf/envelope/1"', 'xmlns="http://schemas.dmtf.org/ovf/envelope/2"'),
    ("ovf.section", "<References>", "<Info/><References/><References>"),
    ("ovf.section", "<VirtualSystem ", "<NetworkSection><Info/></NetworkSection><VirtualSystem "),
    ("ovf.schema", "<Info>Hardware</Info>", ""),
    ("ovf.schema", "<Version>2026.11</Version>", "<Version>1</Version><Vendor>x</Vendor>"),
    ("ovf.schema", ' ovf:id="letters"', ""),
    ("ovf.schema", "<rasd:ElementName>disk1</rasd:ElementName>", ""),
    ("ovf.schema", "<rasd:Caption>disk1</rasd:Caption>", "<rasd:Weight>1</rasd:Weight><rasd:Caption>1</rasd:Caption>"),
    ("ovf.id", "<rasd:InstanceID>2<", "<rasd:InstanceID>1<"),
    ("ovf.id", '<File ovf:id="file1"', f'<File ovf:id="file1" ovf:href="{SYSTEM}"/><File ovf:id="file1"'),
    ("ovf.reference", "<References>", '<References><File ovf:id="x" ovf:href="elsewhere.vmdk"/>'),
    ("ovf.reference", 'ovf:size="', 'ovf:size="1'),
    ("ovf.disk", ".html#streamOptimized", ".html#sparse"),
    ("ovf.disk", 'ovf:fileRef="file1"', 'ovf:fileRef="file9"'),
    ("ovf.capacity", 'ovf:capacity="', 'ovf:capacity="-'),
    ("ovf.capacity", ' ovf:fileRef="file1"', ' ovf:capacityAllocationUnits="bit" ovf:fileRef="file1"'),
    ("ovf.system", "virtualbox-2.2", "vmx-07"),
    ("ovf.ostype", 'required="false">Debian_64', 'required="false">Debian12_64'),
    ("ovf.cpus", "<rasd:VirtualQuantity>2<", "<rasd:VirtualQuantity>0<"),
    ("ovf.memory", ">MegaBytes<", ">MB<"),
    ("ovf.memory", "<rasd:VirtualQuantity>2048<", "<rasd:VirtualQuantity>99<"),
    ("ovf.controller", "AHCI</rasd:ResourceSubType>", "vmware.sata.ahci</rasd:ResourceSubType>"),
    ("ovf.drive", "<rasd:Parent>3<", "<rasd:Parent>2<"),
    ("ovf.drive", "/disk/vmdisk2", "/disk/vmdisk3"),
    ("ovf.drive", "<rasd:AddressOnParent>1<", "<rasd:AddressOnParent>0<"),
    ("ovf.network", "E1000", "PCNet32"),
    ("ovf.network", "<rasd:Connection>NAT<", "<rasd:Connection>Bridged<"),
    ("machine.version", 'version="1.16-linux"', 'version="1.20-linux"'),
    ("machine.version", 'version="1.16-linux"', 'version="1.15-linux"'),
    ("machine.uuid", 'uuid="{', 'uuid="{A'),
    ("machine.image", 'vbox:uuid="', 'vbox:uuid="{'),
    ("machine.image", '<Image uuid="{', '<Image uuid="{A'),
    ("machine.cpus", '<CPU count="2"', '<CPU count="3"'),
    ("machine.memory", 'RAMSize="2048"', 'RAMSize="1024"'),
    ("machine.ioapic", '<IOAPIC enabled="true"', '<IOAPIC enabled="false"'),
    ("machine.display", "VMSVGA", "VBoxVGA"),
    ("machine.audio", '"Null" enabled="false"', '"Pulse" enabled="true"'),
    ("machine.audio", "<rasd:ResourceType>10<", "<rasd:ResourceType>35<"),
    ("machine.usb", 'type="OHCI"', 'type="EHCI"'),
    ("machine.usb", 'type="OHCI"', 'type="XHCI"'),
    ("machine.path", 'snapshotFolder="Snapshots"', 'snapshotFolder="/srv/snapshots"'),
    ("machine.path", 'snapshotFolder="Snapshots"', 'snapshotFolder="C:\\snapshots"'),
    ("machine.path", "<RTC ", '<SharedFolders><SharedFolder name="x"/></SharedFolders><RTC '),
    ("machine.storage", 'PortCount="2"', 'PortCount="1"'),
    ("machine.storage", 'type="AHCI" PortCount', 'type="PIIX4" PortCount'),
    ("machine.storage", 'port="0" device', 'port="1" device'),
    ("machine.network", 'type="82540EM"', 'type="virtio"'),
    ("machine.network", 'slot="0" enabled="true"', 'slot="0" enabled="false"'),
    ("forward.address", 'hostip="127.0.0.1"', 'hostip=""'),
    ("forward.address", 'hostip="127.0.0.1"', 'hostip="0.0.0.0"'),
    ("forward.protocol", 'proto="1"', 'proto="6"'),
    ("forward.port", 'hostport="18080"', 'hostport="80"'),
    ("forward.port", 'hostport="18080"', 'hostport="88080"'),
    ("forward.port", 'guestport="8080"', 'guestport="0"'),
    ("forward.once", 'hostport="18081"', 'hostport="18080"'),
    ("forward.once", 'name="demo"', 'name="jupyter"'),
    ("vmdk.capacity", 'ovf:capacity="', 'ovf:capacityAllocationUnits="byte * 2^9" ovf:capacity="'),
]  # fmt: skip
"""Rule, and what to replace in the description."""


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Apart:
    folder = tmp_path_factory.mktemp("small")
    return Apart.of(Bench(Store(folder / "store"), folder / "out").build()[0].path)


def _findings(path: Path) -> tuple[Finding, ...]:
    findings = check_ova(path).findings
    assert all(finding.must == RULES[finding.rule] and finding.where for finding in findings)
    return findings


def _rules(path: Path) -> set[str]:
    return {finding.rule for finding in _findings(path)}


def test_what_the_builder_makes_has_no_findings(apart: Apart, tmp_path: Path) -> None:
    checked = check_ova(apart.write(tmp_path / "letters.ova"))
    assert checked.findings == ()
    assert [disk.name for disk in checked.disks] == [SYSTEM, CONTENT]
    assert (checked.cpus, checked.memory, checked.ports) == (2, 2048, {"jupyter": 8080, "demo": 8081})


@pytest.mark.parametrize(("rule", "old", "new"), TEXTS, ids=[f"{row[0]} {row[2][:40]}" for row in TEXTS])
def test_a_wrong_description_is_found(apart: Apart, tmp_path: Path, rule: str, old: str, new: str) -> None:
    assert rule in _rules(apart.with_text(old, new).write(tmp_path / "letters.ova"))


def test_a_finding_tells_the_line(apart: Apart, tmp_path: Path) -> None:
    broken = apart.with_text('hostip="127.0.0.1"', 'hostip="0.0.0.0"')
    line = next(number for number, text in enumerate(broken.ovf.splitlines(), 1) if "0.0.0.0" in text)
    (finding,) = _findings(broken.write(tmp_path / "letters.ova"))
    assert (finding.rule, finding.where) == ("forward.address", f"letters.ovf:{line}")
    assert "0.0.0.0" in finding.found


def test_a_machine_without_virtualbox_s_section_is_found(apart: Apart, tmp_path: Path) -> None:
    start, end = apart.ovf.index("<vbox:Machine"), apart.ovf.index("</vbox:Machine>") + len("</vbox:Machine>")
    broken = apart.with_text(apart.ovf[start:end], "")
    assert _rules(broken.write(tmp_path / "letters.ova")) == {"machine.present"}


def test_a_description_that_is_too_large_is_not_read(apart: Apart, tmp_path: Path) -> None:
    broken = apart.with_text("</Envelope>", "</Envelope>" + " " * (1 << 20))
    assert _rules(broken.write(tmp_path / "letters.ova")) == {"ovf.size"}


def _pax(apart: Apart, path: Path) -> None:
    write_tar(path, apart.members(), tarfile.PAX_FORMAT)


def _wrong_checksum(apart: Apart, path: Path) -> None:
    path.write_bytes(patched(apart.write(path).read_bytes(), 100, b"7"))


def _wrong_magic(apart: Apart, path: Path) -> None:
    header = bytearray(apart.write(path).read_bytes()[:SECTOR])
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(bytes(header) + path.read_bytes()[SECTOR:])


def _a_link(apart: Apart, path: Path) -> None:
    apart.write(path)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("more")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


def _a_folder_in_a_name(apart: Apart, path: Path) -> None:
    write_tar(path, {**apart.members(), "../../etc/passwd": b"x"})


def _other_order(apart: Apart, path: Path) -> None:
    write_tar(path, dict(sorted(apart.members().items(), key=lambda item: item[0].endswith(".ovf"))))


def _cut(apart: Apart, path: Path) -> None:
    path.write_bytes(apart.write(path).read_bytes()[:-20_000])


def _more_behind(apart: Apart, path: Path) -> None:
    path.write_bytes(apart.write(path).read_bytes() + b"more")


def _twice(apart: Apart, path: Path) -> None:
    apart.write(path)
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo(CONTENT))


def _many(apart: Apart, path: Path) -> None:
    write_tar(path, {**apart.members(), **{f"{number}": b"" for number in range(70)}})


def _digests(edit: Callable[[str], str]) -> Callable[[Apart, Path], None]:
    def make(apart: Apart, path: Path) -> None:
        write_tar(path, {**apart.members(), "letters.mf": edit(apart.digests()).encode()})

    return make


def _no_digests(apart: Apart, path: Path) -> None:
    write_tar(path, {name: data for name, data in apart.members().items() if name != "letters.mf"})


def _another_name(apart: Apart, path: Path) -> None:
    write_tar(path, {name.replace("letters.mf", "words.mf"): data for name, data in apart.members().items()})


def _flipped(apart: Apart, path: Path) -> None:
    members = apart.members()
    write_tar(path, {**members, "letters.ovf": members["letters.ovf"].replace(b"For tests", b"For texts")})


ARCHIVES = [
    ("tar.pax", _pax), ("tar.header", _wrong_checksum), ("tar.header", _wrong_magic), ("tar.member", _a_link),
    ("tar.member", _many), ("tar.name", _a_folder_in_a_name), ("tar.name", _twice), ("tar.order", _other_order),
    ("tar.end", _cut), ("tar.end", _more_behind), ("mf.present", _no_digests), ("mf.present", _another_name),
    ("mf.line", _digests(lambda text: text.replace("SHA256(", "SHA1("))),
    ("mf.line", _digests(lambda text: text.replace(")= ", ") = "))),
    ("mf.names", _digests(lambda text: text[text.index("\n") + 1 :])),
    ("mf.names", _digests(lambda text: text + text)),
    ("mf.names", _digests(lambda text: f"{text}SHA256(other)= {'0' * 64}\n")),
    ("mf.digest", _digests(lambda text: text[:-65] + "0" * 64 + "\n")),
    ("mf.digest", _flipped),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "make"), ARCHIVES, ids=[f"{row[0]} {row[1].__name__}" for row in ARCHIVES])
def test_a_wrong_archive_is_found(apart: Apart, tmp_path: Path, rule: str, make: Callable[[Apart, Path], None]) -> None:
    path = tmp_path / "letters.ova"
    make(apart, path)
    assert rule in _rules(path)


def _at(kind: int, offset: int, new: bytes) -> Callable[[bytes], bytes]:
    """Overwrite bytes behind the first marker of a kind."""
    return lambda data: patched(data, first_of(data, kind)[0] + offset, new)


def _swapped(data: bytes) -> bytes:
    grains = [(at, at + taken * SECTOR) for at, kind, taken in markers(data) if kind == GRAIN]
    (one, two), (_, three) = grains[0], grains[1]
    return data[:one] + data[two:three] + data[one:two] + data[three:]


def _bomb(data: bytes) -> bytes:
    at, end = first_of(data, GRAIN)
    packed = zlib.compress(bytes(50 << 20))
    block = struct.pack("<QI", struct.unpack_from("<Q", data, at)[0], len(packed)) + packed
    return data[:at] + block + bytes(-len(block) % SECTOR) + data[end:]


def _without(kind: int) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        at, end = first_of(data, kind)
        return data[:at] + data[end:]

    return edit


def _descriptor(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new.ljust(len(old)), 1)


DISKS = [
    ("vmdk.header", lambda data: b"COWD" + data[4:]),
    ("vmdk.header", lambda data: patched(data, 4, struct.pack("<I", 4))),
    ("vmdk.header", lambda data: patched(data, 8, struct.pack("<I", 1))),
    ("vmdk.header", lambda data: patched(data, 12, struct.pack("<Q", 1 << 60))),
    ("vmdk.header", lambda data: patched(data, 20, struct.pack("<Q", 8))),
    ("vmdk.header", lambda data: patched(data, 28, struct.pack("<Q", 1 << 40))),
    ("vmdk.header", lambda data: patched(data, 56, struct.pack("<Q", 130))),
    ("vmdk.header", lambda data: patched(data, 64, struct.pack("<Q", 1 << 40))),
    ("vmdk.header", lambda data: data[:100]),
    ("vmdk.descriptor", _descriptor(b'createType="streamOptimized"', b'createType="monolithicFlat"')),
    ("vmdk.descriptor", _descriptor(b"parentCID=ffffffff", b"parentCID=1234abcd")),
    ("vmdk.descriptor", _descriptor(b' SPARSE "disk.vmdk"', b' SPARSE "/tmp/x"')),
    ("vmdk.descriptor", _descriptor(b"RDONLY ", b"RDONLY 1")),
    ("vmdk.marker", _at(GRAIN_TABLE, 12, struct.pack("<I", 9))),
    ("vmdk.marker", _at(GRAIN_TABLE, 0, struct.pack("<Q", 1 << 50))),
    ("vmdk.marker", lambda data: data[: first_of(data, DIRECTORY)[0]]),
    ("vmdk.marker", _at(GRAIN, 8, struct.pack("<I", 1 << 30))),
    ("vmdk.grain", _swapped),
    ("vmdk.grain", _at(GRAIN, 0, struct.pack("<Q", 1))),
    ("vmdk.grain", _at(GRAIN, 0, struct.pack("<Q", 1 << 40))),
    ("vmdk.inflate", _at(GRAIN, 16, bytes(8))),
    ("vmdk.inflate", _bomb),
    ("vmdk.table", _at(GRAIN_TABLE, SECTOR, struct.pack("<I", 7))),
    ("vmdk.table", _without(GRAIN_TABLE)),
    ("vmdk.directory", _at(DIRECTORY, SECTOR, struct.pack("<I", 7))),
    ("vmdk.directory", _without(DIRECTORY)),
    ("vmdk.footer", _at(FOOTER, SECTOR + 56, struct.pack("<Q", 7))),
    ("vmdk.footer", _without(FOOTER)),
    ("vmdk.end", lambda data: data + bytes(SECTOR)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "edit"), DISKS, ids=[f"{row[0]} {number}" for number, row in enumerate(DISKS)])
def test_a_wrong_disk_is_found(apart: Apart, tmp_path: Path, rule: str, edit: Callable[[bytes], bytes]) -> None:
    disk = edit(apart.disks[CONTENT])
    assert disk != apart.disks[CONTENT]
    assert rule in _rules(apart.with_disk(CONTENT, disk).write(tmp_path / "letters.ova"))


def _zeros(first: int, sectors: int) -> Callable[[bytearray], None]:
    def edit(raw: bytearray) -> None:
        raw[first * SECTOR : (first + sectors) * SECTOR] = bytes(sectors * SECTOR)

    return edit


def _shorter(raw: bytearray) -> None:
    del raw[-SECTOR:]


def _no_loader(raw: bytearray) -> None:
    at = raw.index(b"BOOTX64 EFI")
    raw[at : at + 11] = b"BOOTAA64EFI"


def _partition_beyond(raw: bytearray) -> None:
    """The last partition ends behind the disk, in both copies, and every checksum is right."""
    for header in (1, len(raw) // SECTOR - 1):
        (start,) = struct.unpack_from("<Q", raw, header * SECTOR + 72)
        struct.pack_into("<Q", raw, start * SECTOR + 2 * 128 + 40, 1 << 40)
        entries = zlib.crc32(raw[start * SECTOR : start * SECTOR + 128 * 128])
        struct.pack_into("<I", raw, header * SECTOR + 88, entries)
        struct.pack_into("<I", raw, header * SECTOR + 16, 0)
        own = zlib.crc32(raw[header * SECTOR : header * SECTOR + 92])
        struct.pack_into("<I", raw, header * SECTOR + 16, own)


BOOTS = [
    ("boot.gpt", _zeros(1, 1)), ("boot.gpt", _zeros(2, 1)), ("boot.gpt", _shorter),
    ("boot.gpt", _partition_beyond), ("boot.bios", _zeros(0, 1)), ("boot.bios", _zeros(2048, 1)),
    ("boot.uefi", _zeros(4096, 1)), ("boot.uefi", _no_loader),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "edit"), BOOTS, ids=[f"{row[0]} {number}" for number, row in enumerate(BOOTS)])
def test_a_disk_that_cannot_boot_is_found(
    apart: Apart, tmp_path: Path, rule: str, edit: Callable[[bytearray], None]
) -> None:
    assert rule in _rules(apart.with_raw(edit, tmp_path).write(tmp_path / "letters.ova"))


def test_every_rule_is_broken_by_a_test() -> None:
    broken = {row[0] for rows in (TEXTS, ARCHIVES, DISKS, BOOTS) for row in rows}
    alone = {"machine.present", "ovf.size", "virtualbox.import"}
    assert broken | alone == set(RULES)
