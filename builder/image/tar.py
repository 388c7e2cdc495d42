"""A deterministic tar as a stream: sorted, numeric owners, one time, USTAR with PAX records only where needed."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from builder import places

RECORD = 512


@dataclass(frozen=True)
class Member:
    """One entry of a tar; `chunks` gives a file's bytes and is None for folders and links."""

    path: str
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str | None = None
    chunks: Callable[[], Iterable[bytes]] | None = None

    def header(self) -> bytes:
        info = tarfile.TarInfo(self.path)
        info.mode, info.uid, info.gid, info.mtime = self.mode, self.uid, self.gid, places.EPOCH
        if self.target is not None:
            info.type, info.linkname = tarfile.SYMTYPE, self.target
        elif self.chunks is None:
            info.type = tarfile.DIRTYPE
        else:
            info.size = self.size
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def tar_chunks(members: Iterable[Member]) -> Iterator[bytes]:
    """The tar of these members, in their order, closed by two empty records."""
    for member in members:
        yield member.header()
        if member.chunks is not None:
            written = 0
            for chunk in member.chunks():
                written += len(chunk)
                yield chunk
            if written != member.size:
                raise ValueError(f"{member.path} has {written} bytes, not {member.size}")
            yield bytes(-written % RECORD)
    yield bytes(2 * RECORD)


def folders_above(paths: Iterable[str]) -> list[str]:
    """Every folder that holds one of these paths, parents first."""
    found: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return sorted(found)
