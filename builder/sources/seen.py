"""What files held when they were last read, so that a file that did not change since is not read again.

A file counts as unchanged while its size, its times of change (of bytes and of inode, in nanoseconds) and its inode are
the same, as git has it; and as git does, one that changed within the clock's step of the last look is read again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.digest import Digest, key_of
from builder.store.objects import Store

STEP = 2 * 10**9
"""Nanoseconds: the coarsest clock of a file system (FAT's)."""
KIND = "seen"


@dataclass(frozen=True)
class State:
    """What tells that a file is still the one that was read; times in nanoseconds."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> State:
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @property
    def youngest(self) -> int:
        return max(self.modified, self.changed)

    def to_json(self) -> list[int]:
        return [self.size, self.modified, self.changed, self.inode]


@dataclass
class Seen:
    """One folder's files by their path in it: states and digests, of the last look and of this one."""

    place: str
    key: str
    before: Mapping[str, list[Any]]
    now: dict[str, list[Any]] = field(default_factory=dict)
    started: int = field(default_factory=time.time_ns)

    @classmethod
    def of(cls, folder: Path, store: Store) -> Seen:
        place = str(folder.absolute())
        key = key_of({"folder": place})
        record = store.recall(KIND, key)
        known = record["files"] if isinstance(record, dict) and record.get("folder") == place else {}
        return cls(place, key, known)

    def digest(self, path: str, state: State) -> Digest | None:
        """What the file held when it was last read, when it is still the same file."""
        known = self.before.get(path)
        return Digest(known[-1]) if known is not None and known[:-1] == state.to_json() else None

    def note(self, path: str, state: State, digest: Digest) -> None:
        """Keep what a file holds, unless it is so young that a change might not show in its times."""
        if state.youngest < self.started - STEP:
            self.now[path] = [*state.to_json(), digest.hex]

    def remember(self, store: Store) -> None:
        """Record this look, when it says something else than the last."""
        if self.now != self.before:
            store.remember(KIND, self.key, {"folder": self.place, "files": self.now})
