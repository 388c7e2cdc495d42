"""The OVF envelope: sections in the schema's order, and references, disks and files that agree.

DSP8023 itself is in no package of Debian, PyPI or npm that could be found, so its rules are kept here as tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from builder.check.findings import Findings
from builder.check.xml import Document

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
VBOX = "{http://www.virtualbox.org/ovf/machine}"
CIM = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
RASD, VSSD = f"{CIM}ResourceAllocationSettingData}}", f"{CIM}VirtualSystemSettingData}}"
STREAM = "#streamOptimized"
SECTOR = 512
NUMBER = re.compile(r"[0-9]{1,18}")
UNITS = re.compile(r"byte(?: ?\* ?2\^([0-9]{1,2}))?")
SECTIONS = {
    ".": ("References", "DiskSection", "NetworkSection", "VirtualSystem"),
    "VirtualSystem": ("OperatingSystemSection", "VirtualHardwareSection"),
}
ORDER = {
    "Envelope": ("References", "*", "VirtualSystem", "VirtualSystemCollection", "Strings"),
    "VirtualSystem": ("Info", "Name", "*"),
    "DiskSection": ("Info", "Disk"),
    "NetworkSection": ("Info", "Network"),
    "ProductSection": ("Info", "Product", "Vendor", "Version", "FullVersion", "ProductUrl", "VendorUrl", "AppUrl",
                       "Icon", "*"),
    "AnnotationSection": ("Info", "Annotation"),
    "EulaSection": ("Info", "License"),
    "OperatingSystemSection": ("Info", "Description"),
    "VirtualHardwareSection": ("Info", "System", "Item"),
}  # fmt: skip
"""Children in their order, as in DSP8023; `*` stands for all others."""
REQUIRED = {
    "VirtualSystem": ("id",), "OperatingSystemSection": ("id",), "File": ("id", "href"), "Disk": ("diskId", "capacity"),
    "Network": ("name",),
}  # fmt: skip


@dataclass(frozen=True)
class Disk:
    """A disk of the description: its id, the member that holds it, its bytes, its UUID for VirtualBox."""

    id: str
    file: str | None
    capacity: int | None
    uuid: str


def check_envelope(document: Document, sizes: Mapping[str, int], findings: Findings) -> tuple[Disk, ...]:
    """Look at all but the hardware; `sizes` are those of the members. What can be told of the disks."""
    root = document.root
    is_known = root.tag == f"{OVF}Envelope" and root.get(f"{OVF}version", "1.0") == "1.0"
    found = f"{root.tag}, version {root.get(f'{OVF}version')}"
    if not findings.require(is_known, "ovf.namespace", document.where(root), found):
        return ()
    for place, names in SECTIONS.items():
        for name in names:
            elements = root.findall(f"{'' if place == '.' else OVF + place + '/'}{OVF}{name}")
            findings.require(len(elements) == 1, "ovf.section", document.where(root), f"{len(elements)} of {name}")
    for element in _standard(root):
        _check_schema(element, document, findings)
    files = _files(document, sizes, findings)
    return tuple(_disks(document, files, findings))


def _standard(element: Element) -> Iterator[Element]:
    """The element and all below it, but for VirtualBox's own section, which reuses the standard's names."""
    yield element
    for child in element:
        if child.tag != f"{VBOX}Machine":
            yield from _standard(child)


def _check_schema(element: Element, document: Document, findings: Findings) -> None:
    name = element.tag.removeprefix(OVF)
    where, children = document.where(element), [child.tag.removeprefix(OVF) for child in element]
    for attribute in REQUIRED.get(name, ()):
        findings.require(f"{OVF}{attribute}" in element.attrib, "ovf.schema", where, f"{name} without {attribute}")
    if name.endswith("Section") or name == "VirtualSystem":
        findings.require(children[:1] == ["Info"], "ovf.schema", where, f"{name} that does not begin with Info")
    if name in ORDER:
        order = ORDER[name]
        places = [order.index(child) if child in order else _others(order) for child in children]
        findings.require(places == sorted(places), "ovf.schema", where, f"{name} with {', '.join(children)}")
    if name in ("Item", "System"):
        own = [child.tag for child in element if child.tag.startswith((RASD, VSSD))]
        findings.require(own == sorted(own), "ovf.schema", where, f"{name} whose elements are not in their order")


def _others(order: tuple[str, ...]) -> int:
    return order.index("*") if "*" in order else len(order)


def _files(document: Document, sizes: Mapping[str, int], findings: Findings) -> dict[str, str]:
    """Id → name of each file referred to."""
    files: dict[str, str] = {}
    for element in document.root.iterfind(f"{OVF}References/{OVF}File"):
        where, key, name = document.where(element), element.get(f"{OVF}id", ""), element.get(f"{OVF}href", "")
        findings.require(key not in files, "ovf.id", where, f"the file {key} a second time")
        if findings.require(name in sizes, "ovf.reference", where, f"{name}, which is not there"):
            stated = element.get(f"{OVF}size", str(sizes[name]))
            findings.require(stated == str(sizes[name]), "ovf.reference", where, f"{stated} bytes, not {sizes[name]}")
        files[key] = name
    for name in sizes:
        is_told = not name.endswith(".vmdk") or name in files.values()
        findings.require(is_told, "ovf.reference", document.name, f"nothing of {name}")
    return files


def _disks(document: Document, files: Mapping[str, str], findings: Findings) -> Iterator[Disk]:
    seen: set[str] = set()
    for element in document.root.iterfind(f"{OVF}DiskSection/{OVF}Disk"):
        where, key, file = document.where(element), element.get(f"{OVF}diskId", ""), element.get(f"{OVF}fileRef", "")
        findings.require(key not in seen, "ovf.id", where, f"the disk {key} a second time")
        seen.add(key)
        findings.require(file in files, "ovf.disk", where, f"fileRef {file}")
        form = element.get(f"{OVF}format", "")
        findings.require(form.endswith(STREAM), "ovf.disk", where, f"format {form}")
        capacity = _capacity(element)
        findings.require(capacity is not None, "ovf.capacity", where, _capacity_text(element))
        yield Disk(key, files.get(file), capacity, element.get(f"{VBOX}uuid", ""))


def _capacity(element: Element) -> int | None:
    amount = element.get(f"{OVF}capacity", "")
    units = UNITS.fullmatch(element.get(f"{OVF}capacityAllocationUnits", "byte"))
    if not NUMBER.fullmatch(amount) or units is None:
        return None
    size = int(amount) << int(units[1] or 0)
    return size if size and size % SECTOR == 0 else None


def _capacity_text(element: Element) -> str:
    return f"{element.get(f'{OVF}capacity')} {element.get(f'{OVF}capacityAllocationUnits', 'byte')}"
