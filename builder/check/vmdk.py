"""A streamOptimized VMDK from anyone, read once from front to end as VirtualBox does when it imports.

At no time more than one grain, one table and the directory are in memory. What comes after a broken marker means
nothing, so the first fault of the structure ends the look at a disk. Format: "Virtual Disk Format 5.0" (VMware),
written down here a second time, so that a mistake of our own writer is found too.
"""

from __future__ import annotations

import re
import struct
from array import array
from dataclasses import dataclass

from isal import isal_zlib

from builder.check.findings import Findings
from builder.check.window import Window

SECTOR = 512
GRAIN_SECTORS = 128
GRAIN = GRAIN_SECTORS * SECTOR
TABLE = 512
"""Grains that one table names."""
MAGIC = int.from_bytes(b"KDMV", "little")
HEADER = struct.Struct("<3I4QI3QB4sH")
GRAIN_HEAD = struct.Struct("<QI")
OTHER_HEAD = struct.Struct("<QII")
END, GRAIN_TABLE, DIRECTORY, FOOTER = 0, 1, 2, 3
AT_END = (1 << 64) - 1
LARGEST = 1 << 46
"""Bytes; beyond it a directory would fill the memory."""
LONGEST_DESCRIPTOR = 2048  # sectors
NEEDED_FLAGS = 1 << 16 | 1 << 17
DEFLATE = 1
EXTENT = re.compile(r'^(RW|RDONLY|NOACCESS) (\d+) (\w+)(?: "([^"\n]*)")?(?: \d+)?[ \t]*$', re.MULTILINE)


@dataclass(frozen=True)
class Extent:
    """A sound disk: the bytes the guest sees, and the sector of the file at which its directory stands."""

    capacity: int
    directory: int


@dataclass(frozen=True)
class Header:
    """The fields of a header that vary."""

    sectors: int
    descriptor: int
    descriptor_size: int
    directory: int
    overhead: int


def check_vmdk(window: Window, name: str, findings: Findings) -> Extent | None:
    """Look at a disk; None when it is not sound."""
    before = len(findings.found)
    first = window.take(SECTOR)
    header = _header(first, name, "vmdk.header", findings)
    if header is None or not findings.require(
        header.directory == AT_END, "vmdk.header", name, "a directory at the front"
    ):
        return None
    front = window.take((header.overhead - 1) * SECTOR)
    start = (header.descriptor - 1) * SECTOR
    _check_descriptor(front[start : start + header.descriptor_size * SECTOR], header.sectors, name, findings)
    walk = _Walk(window, name, header, findings)
    while walk.step():
        pass
    return Extent(header.sectors * SECTOR, walk.at) if len(findings.found) == before else None


def _header(data: bytes, name: str, rule: str, findings: Findings) -> Header | None:
    if not findings.require(len(data) == SECTOR, rule, name, f"{len(data)} bytes"):
        return None
    (magic, version, flags, sectors, grain, descriptor, length, entries, _, directory, overhead, unclean, signs,
     method) = HEADER.unpack_from(data)  # fmt: skip
    wrong = {
        f"magic {magic:#x}": magic != MAGIC,
        f"version {version}": version not in (1, 2, 3),
        f"flags {flags:#x}": flags & NEEDED_FLAGS != NEEDED_FLAGS,
        f"grains of {grain} sectors": grain * SECTOR != GRAIN,
        f"tables of {entries} grains": entries != TABLE,
        f"compression {method}": method != DEFLATE,
        f"line ends {signs!r}": signs != b"\n \r\n",
        "a disk that was not closed": unclean != 0,
        f"{sectors} sectors": not 0 < sectors * SECTOR <= LARGEST,
        f"a descriptor of {length} sectors": not 0 < length <= LONGEST_DESCRIPTOR,
        f"a descriptor at sector {descriptor} and grains at {overhead}": not 0 < descriptor <= overhead - length
        or overhead > 2 * LONGEST_DESCRIPTOR,
    }
    found = ", ".join(text for text, is_wrong in wrong.items() if is_wrong)
    if not findings.require(not found, rule, name, found):
        return None
    return Header(sectors, descriptor, length, directory, overhead)


def _check_descriptor(data: bytes, sectors: int, name: str, findings: Findings) -> None:
    text = data.rstrip(b"\0").decode(errors="replace").replace("\r\n", "\n")
    facts = dict(re.findall(r'^(\w+)[ \t]*=[ \t]*"?([^"\n]*)"?$', text, re.MULTILINE))
    kind, parent = facts.get("createType"), facts.get("parentCID", "").lower()
    findings.require(kind == "streamOptimized", "vmdk.descriptor", name, f"createType {kind}")
    findings.require(parent == "ffffffff", "vmdk.descriptor", name, f"the parent {parent}")
    extents = EXTENT.findall(text)
    if findings.require(len(extents) == 1, "vmdk.descriptor", name, f"{len(extents)} extents"):
        _, size, form, file = extents[0]
        is_one = (int(size), form) == (sectors, "SPARSE")
        findings.require(is_one, "vmdk.descriptor", name, f"an extent {form} of {size} sectors")
        findings.require(not re.search(r"[/\\]", file), "vmdk.descriptor", name, f"the file {file}")


class _Walk:
    """Everything behind the descriptor, marker by marker."""

    def __init__(self, window: Window, name: str, header: Header, findings: Findings) -> None:
        self.window, self.name, self.header, self.findings = window, name, header, findings
        self.last = -1
        self.table = array("I", bytes(4 * TABLE))
        self.number = -1
        """Which table the grains since the last one belong in."""
        self.tables = array("I", bytes(4 * -(-header.sectors * SECTOR // (GRAIN * TABLE))))
        self.empty = {0}
        """Where tables of nothing are."""
        self.at = 0
        """The directory's sector, once it was read."""
        self.has_footer = False

    def step(self) -> bool:
        """Read one marker and what it announces; whether there may be another."""
        here = self.window.position // SECTOR
        block = self.window.take(SECTOR)
        if not self._require(len(block) == SECTOR, "vmdk.marker", f"the file ends at sector {here}"):
            return False
        value, size, kind = OTHER_HEAD.unpack_from(block)
        if size:
            return self._grain(value, size, block, here)
        if kind == END and value == 0:
            return self._end()
        if not self._require(self._is_sized(kind, value), "vmdk.marker", f"sector {here}: type {kind}, {value}"):
            return False
        data = self.window.take(value * SECTOR)
        if not self._require(len(data) == value * SECTOR, "vmdk.marker", f"the file ends after sector {here}"):
            return False
        return {GRAIN_TABLE: self._table, DIRECTORY: self._directory, FOOTER: self._footer}[kind](data, here + 1)

    def _require(self, holds: bool, rule: str, found: str) -> bool:
        return self.findings.require(holds, rule, self.name, found)

    def _is_sized(self, kind: int, sectors: int) -> bool:
        needed = {GRAIN_TABLE: TABLE * 4, DIRECTORY: len(self.tables) * 4, FOOTER: SECTOR}.get(kind)
        return needed is not None and sectors == -(-needed // SECTOR)

    def _grain(self, sector: int, size: int, block: bytes, here: int) -> bool:
        what = f"sector {here}: a grain of sector {sector} after that of {self.last}"
        grain, rest = divmod(sector, GRAIN_SECTORS)
        is_next = self.last < sector < self.header.sectors and rest == 0 and self.at == 0
        if not self._require(is_next, "vmdk.grain", what):
            return False
        if not self._require(size <= 2 * GRAIN, "vmdk.marker", f"sector {here}: {size} deflated bytes"):
            return False
        packed = block[GRAIN_HEAD.size :][:size]
        missing = size - len(packed)
        packed += self.window.take(-(-missing // SECTOR) * SECTOR)[:missing]
        if not self._require(_is_grain(packed, size), "vmdk.inflate", f"sector {here}: the grain of {sector}"):
            return False
        if self.number not in (-1, grain // TABLE):
            return self._require(False, "vmdk.table", f"sector {here}: no table {self.number} before this grain")
        self.last, self.number = sector, grain // TABLE
        self.table[grain % TABLE] = here
        return True

    def _table(self, data: bytes, here: int) -> bool:
        is_right = struct.unpack(f"<{TABLE}I", data) == tuple(self.table)
        if self.number == -1:  # a table of nothing, which some writers leave
            self.empty.add(here)
            return self._require(is_right, "vmdk.table", f"sector {here}: it names grains that are not there")
        if not self._require(is_right, "vmdk.table", f"sector {here}: table {self.number} names others"):
            return False
        self.tables[self.number] = here
        self.table, self.number = array("I", bytes(4 * TABLE)), -1
        return True

    def _directory(self, data: bytes, here: int) -> bool:
        named = struct.unpack_from(f"<{len(self.tables)}I", data)
        pairs = enumerate(zip(named, self.tables, strict=True))
        wrong = next((at for at, (one, other) in pairs if one != other and (other or one not in self.empty)), None)
        self.at = here
        if not self._require(self.number == -1, "vmdk.table", f"sector {here}: no table {self.number}"):
            return False
        return self._require(wrong is None, "vmdk.directory", f"sector {here}: another place for table {wrong}")

    def _footer(self, data: bytes, here: int) -> bool:
        footer = _header(data, f"{self.name}, sector {here}", "vmdk.footer", self.findings)
        if footer is None:
            return False
        self.has_footer = True
        if not self._require(self.at != 0, "vmdk.directory", "no directory"):
            return False
        is_same = footer.sectors == self.header.sectors
        is_known = footer.directory == self.at
        return self._require(is_same and is_known, "vmdk.footer", f"sector {here}: directory at {footer.directory}")

    def _end(self) -> bool:
        self._require(self.at != 0, "vmdk.directory", "no directory")
        self._require(self.has_footer, "vmdk.footer", "no footer")
        self._require(self.window.left == 0, "vmdk.end", f"{self.window.left} bytes after the closing marker")
        return False


def _is_grain(packed: bytes, size: int) -> bool:
    """Whether these bytes inflate to one grain; a bomb is not inflated beyond it."""
    return len(packed) == size and len(inflated(packed)) == GRAIN


def inflated(packed: bytes) -> bytes:
    """The grain, or nothing when these bytes are not one."""
    reader = isal_zlib.decompressobj()
    try:
        data = reader.decompress(packed, GRAIN + 1)
    except isal_zlib.error:  # type: ignore[misc]  # isal's stub calls its exception class an instance
        return b""
    return bytes(data) if reader.eof and not reader.unused_data else b""
