"""A member of an archive, and what no archive may hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from builder.errors import SourceError

LONGEST_LINK = 4096
HARMFUL = "use another archive, or ask who made it"


@dataclass(frozen=True)
class Member:
    """A file, link or hard link of an archive; `read` gives a file's bytes and is valid until the next member.

    `size` is what the archive says, None where it says nothing.
    """

    path: str
    size: int | None = 0
    executable: bool = False
    symlink: str | None = None
    hardlink: str | None = None
    read: Callable[[], IO[bytes] | None] = lambda: None


def no_file(name: str, origin: str) -> SourceError:
    return SourceError(
        f"{name} in {origin} is a device or pipe, which no archive may hold; nothing of it was used", hint=HARMFUL
    )


def encrypted(name: str, origin: str) -> SourceError:
    return SourceError(f"{name} in {origin} is encrypted", hint="make the archive again without a password")
