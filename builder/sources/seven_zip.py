"""The members of a 7z archive, by 7-Zip's own program: it lists them, then writes all their bytes into a pipe.

It gets no say over names, and writes nothing to the disk: the pipe is cut by the sizes of its own list.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from builder.errors import MissingProgramError, ProgramError, SourceError
from builder.files import CHUNK
from builder.run import find, output_of
from builder.sources.member import HARMFUL, LONGEST_LINK, Member, encrypted, no_file
from builder.store.trees import require_inside

MAGIC = b"7z\xbc\xaf\x27\x1c"
PROGRAMS = ("7zz", "7z", "7za")
_TYPES = {"-": "file", "l": "link", "d": "folder"}


class _Stretch:
    """The next bytes of a stream, as a file of their own."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, self._left))
        self._left -= len(chunk)
        return chunk


def seven_zip_members(path: Path, origin: str) -> Iterator[Member]:
    """Each member in order. Raises SourceError for one that no archive may have and for damage."""
    program = next(filter(None, map(find, PROGRAMS)), None)
    if program is None:
        raise MissingProgramError(
            f"{origin} is a 7z archive, and none of {', '.join(PROGRAMS)} is installed", hint="apt install 7zip"
        )
    words: list[str | Path] = ["-t7z", "-p", "--", path]  # an empty password, so that none is asked for
    try:
        with output_of([program, "l", "-slt", "-ba", *words]) as lines:
            listed = list(_listed(lines, origin))
        with output_of([program, "x", "-so", *words]) as stream:
            yield from _cut(listed, stream)
    except ProgramError as error:
        if "Wrong password" in error.message:
            raise encrypted("what is", origin) from error
        last = error.message.strip().splitlines()[-1].strip()
        raise SourceError(f"{origin} is not a readable archive: {last}", hint="fetch or make it again") from error


def _listed(lines: IO[bytes], origin: str) -> Iterator[tuple[Member, bool]]:
    """Members, and whether each is a link, whose target stands in the pipe."""
    facts: dict[str, str] = {}
    for raw in lines:
        line = raw.decode(errors="surrogateescape").rstrip("\r\n")
        if not line:
            yield from _member(facts, origin)
            facts = {}
            continue
        key, equals, value = line.partition(" = ")
        if key in facts or not (equals or line.endswith(" =")):
            raise SourceError(f"{origin} has a list that cannot be read: {line!r}", hint=HARMFUL)
        facts[key.removesuffix(" =")] = value
    yield from _member(facts, origin)


def _member(facts: dict[str, str], origin: str) -> Iterator[tuple[Member, bool]]:
    if not facts:
        return
    name, size, attributes = facts.get("Path", ""), facts.get("Size", ""), facts.get("Attributes", "").split()
    require_inside(name, origin)
    mode = attributes[-1] if attributes and len(attributes[-1]) == 10 else ""
    kind = "folder" if attributes and attributes[0].startswith("D") else _TYPES.get(mode[:1] or "-")
    if kind is None:
        raise no_file(name, origin)
    if facts.get("Encrypted") == "+":
        raise encrypted(name, origin)
    if kind != "folder":
        bytes_in = int(size) if size.isdigit() else 0
        yield Member(name, bytes_in, executable=mode[3:4] == "x"), kind == "link"


def _cut(listed: list[tuple[Member, bool]], stream: IO[bytes]) -> Iterator[Member]:
    for member, is_link in listed:
        portion = _Stretch(stream, member.size or 0)
        if is_link:
            target = portion.read(LONGEST_LINK)
            yield Member(member.path, symlink=target.decode(errors="surrogateescape"))
        else:
            yield Member(member.path, member.size, member.executable, read=lambda one=portion: cast(IO[bytes], one))  # type: ignore[misc]
        while portion.read(CHUNK):
            pass  # what nobody wanted
