"""A member's bytes, read once from front to end and hashed on the way."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from builder.check.tar import Member
from builder.files import CHUNK


class Window:
    """Reads a member and never beyond it."""

    def __init__(self, file: BinaryIO, member: Member) -> None:
        file.seek(member.start)
        self.file = file
        self.left = member.size
        self.position = 0
        self.hasher = hashlib.sha256()

    def take(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the member's end."""
        data = self.file.read(min(size, self.left))
        self.hasher.update(data)
        self.left -= len(data)
        self.position += len(data)
        return data

    def digest(self) -> str:
        """The sha256 of the whole member, as hex; what was not taken is read now."""
        while self.left and self.take(CHUNK):
            pass
        return self.hasher.hexdigest()
