"""The members of an `.ova`, read from the tar's headers as VirtualBox's reader does: USTAR or GNU, nothing else.

Formats: POSIX.1-1988 (ustar), and GNU tar's manual, "Basic Tar Format" (sizes from 8 GiB on in base 256).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from builder.check.findings import Findings
from builder.files import CHUNK

BLOCK = 512
MOST = 64
MAGICS = (b"ustar\x0000", b"ustar  \x00")
PAX = b"xgX"
PLAIN = (b"0", b"\0")


@dataclass(frozen=True)
class Member:
    """A file in the archive: where its bytes start, and how many there are."""

    name: str
    start: int
    size: int


def read_members(file: BinaryIO, name: str, findings: Findings) -> tuple[Member, ...]:
    """The members that can be read, in their order; `name` is the archive's, for findings."""
    length = file.seek(0, os.SEEK_END)
    members: list[Member] = []
    position = count = 0
    while position + BLOCK <= length:
        file.seek(position)
        header = file.read(BLOCK)
        if header == bytes(BLOCK):
            _check_end(file, position, length, name, findings)
            return tuple(members)
        size = _checked_size(header, f"{name}, byte {position}", findings)
        if size is None:
            return tuple(members)
        member = Member(_name(header), position + BLOCK, size)
        if _is_file(header, member, findings) and _is_new(member, members, findings):
            members.append(member)
        position += BLOCK + -(-size // BLOCK) * BLOCK
        count += 1
        if position > length or count > MOST:
            break
    if count > MOST:
        findings.add("tar.member", name, f"more than {MOST} members")
    else:
        findings.add("tar.end", name, f"it ends at byte {length}, inside a member or without its closing blocks")
    return tuple(member for member in members if member.start + member.size <= length)


def _checked_size(header: bytes, where: str, findings: Findings) -> int | None:
    """The size that a header states, when it is one."""
    checksum, size = _number(header[148:156]), _number(header[124:136])
    right = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if not findings.require(checksum == right and size is not None, "tar.header", where, "no tar header"):
        return None
    findings.require(header[257:265] in MAGICS, "tar.header", where, f"magic {header[257:265]!r}")
    return size


def _number(field: bytes) -> int | None:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.strip(b" \0") or b"0", 8) if field[0] < 0x80 else None
    except ValueError:
        return None


def _name(header: bytes) -> str:
    name, prefix = header[:100].split(b"\0")[0], header[345:500].split(b"\0")[0]
    whole = prefix + b"/" + name if prefix and header[257:265] == MAGICS[0] else name
    return whole.decode(errors="replace")


def _is_file(header: bytes, member: Member, findings: Findings) -> bool:
    kind = header[156:157]
    if kind in PAX:
        findings.add("tar.pax", member.name, f"a header of type {kind.decode()!r}")
        return False
    return findings.require(kind in PLAIN, "tar.member", member.name, f"a member of type {kind!r}")


def _is_new(member: Member, members: list[Member], findings: Findings) -> bool:
    name = member.name
    is_plain = name.isprintable() and name not in ("", ".", "..") and "/" not in name and "\\" not in name
    findings.require(is_plain, "tar.name", repr(name), "a name that is not plain")
    return findings.require(all(name != other.name for other in members), "tar.name", name, "a second member of it")


def _check_end(file: BinaryIO, position: int, length: int, name: str, findings: Findings) -> None:
    file.seek(position)
    is_clean = length - position >= 2 * BLOCK
    while chunk := file.read(CHUNK):
        is_clean = is_clean and not any(chunk)
    findings.require(is_clean, "tar.end", f"{name}, byte {position}", "no two blocks of zeros, or more than zeros")
