"""What has arrived of a file that is not all there: kept when the line is cut or the build killed.

Layout: `partial/<key>` holds the bytes, `partial/<key>.from` says which answer they are of, and one byte of
`partial/lock` per key is locked while a build works on that file: another one waits, and then finds it in the store.
"""

from __future__ import annotations

import fcntl
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.digest import key_of
from builder.store.objects import Store

_SET_AND_WAIT = 38
"""F_OFD_SETLKW of linux/fcntl.h: a lock of the open file, so that threads of one process exclude each other too."""


@dataclass(frozen=True)
class Partial:
    """The place of one file's bytes."""

    path: Path

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def validator(self, address: str) -> str | None:
        """What the server at `address` called the version these bytes are of; None when they are of another one."""
        try:
            noted = json.loads(self._note.read_bytes())
            return str(noted["validator"]) if noted["address"] == key_of(address) else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def begin(self, address: str, validator: str) -> None:
        """Start anew with the bytes of one answer."""
        self.drop()
        if validator:  # the address may hold a signature: its key is enough
            self._note.write_text(json.dumps({"address": key_of(address), "validator": validator}))

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".from")


@contextmanager
def partial_of(key: str, store: Store) -> Iterator[Partial]:
    """Have the place of an unfinished file alone; `key` is hex."""
    folder = store.root / "partial"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("ab") as file:
        start = int(key[:15], 16)
        fcntl.fcntl(file, _SET_AND_WAIT, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, start, 1, 0))
        yield Partial(folder / key)
