"""What is known of a file's bytes before they come, and whether those that came are them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from builder.digest import Digest
from builder.errors import IntegrityError
from builder.store.objects import mismatch


class Hasher(Protocol):
    """A hash as hashlib makes them."""

    def update(self, data: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True)
class Checks:
    """What a host says about a file beside its sha256, in hex: checked as well. `git_blob` is git's name of a file."""

    md5: str | None = None
    sha1: str | None = None
    git_blob: str | None = None
    etag: str | None = None


NO_CHECKS = Checks()


@dataclass(frozen=True)
class Expected:
    """All that is known of a file; `git_blob` needs the size, which git hashes first."""

    sha256: Digest | None = None
    checks: Checks = NO_CHECKS
    size: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether wrong bytes would be found out whatever they are; so pieces of several answers may be joined."""
        return any((self.sha256, self.checks.md5, self.checks.sha1, self.checks.git_blob))

    def hashers(self) -> dict[str, Hasher]:
        """One for the sha256, and one for each check."""
        made: dict[str, Hasher] = {"sha256": hashlib.sha256()}
        if self.checks.md5:
            made["md5"] = hashlib.md5(usedforsecurity=False)
        if self.checks.sha1:
            made["sha1"] = hashlib.sha1(usedforsecurity=False)
        if self.checks.git_blob and self.size is not None:
            made["git_blob"] = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        return made

    def difference(self, hashers: dict[str, Hasher], origin: str) -> IntegrityError | None:
        """None when all that is known is true of what was hashed; else the error that says what is not."""
        received = {name: hasher.hexdigest() for name, hasher in hashers.items()}
        if self.sha256 is not None and received["sha256"] != self.sha256.hex:
            return mismatch(self.sha256, Digest(received["sha256"]), origin)
        for name in received.keys() - {"sha256"}:
            wanted = str(getattr(self.checks, name)).lower()
            if received[name] != wanted:
                return mismatch(f"{name}:{wanted}", f"{name}:{received[name]}", origin)
        return None

    def require_size(self, size: int, origin: str) -> None:
        if self.size is not None and size != self.size:
            raise mismatch(f"{self.size} bytes", f"{size} bytes", origin)

    def require_etag(self, etag: str, origin: str) -> None:
        if self.checks.etag is not None and plain_etag(etag) != plain_etag(self.checks.etag):
            raise mismatch(
                f"the ETag {plain_etag(self.checks.etag)}", f"the ETag {plain_etag(etag) or '(none)'}", origin
            )


def plain_etag(text: str) -> str:
    """An ETag without its quotes and the W/ of a weak one (RFC 9110, section 8.8.3)."""
    return text.strip().removeprefix("W/").strip('"')
