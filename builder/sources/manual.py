"""A file that only a person can get, behind a login or a licence to accept, taken from the drop folder.

The drop folder is `$WORKSHOP_DROP`, or else `drop` beside the manifest. Once the file is in the store, it need not stay
there. The lock says who put it there, and so accepted which licence.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.digest import Digest
from builder.errors import MissingProgramError, SourceError
from builder.run import run
from builder.sources.intake import put_steady
from builder.store.objects import Blob, Store
from builder.store.trees import Entry, Tree

DROP = "drop"


@dataclass(frozen=True)
class ManualFile:
    """The name of the file, where a person gets it, under which licence, and what there is to do (`say`)."""

    name: str
    page: str
    say: str
    licence: str
    folder: Path
    store: Store
    sha256: Digest | None = None
    is_local: bool = False

    @property
    def place(self) -> Path:
        """Where the file is looked for."""
        return Path(os.environ.get("WORKSHOP_DROP") or self.folder / DROP).absolute() / self.name

    def resolve(self) -> dict[str, str]:
        blob = self._taken(self.sha256, self.store)
        return {
            "sha256": blob.digest.hex,
            "size": str(blob.size),
            "licence": self.licence,
            "accepted_by": _person(self.folder),
        }

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        blob = self._taken(Digest.parse(resolved["sha256"]), store)
        return Tree.of([Entry(self.name, blob.digest, blob.size)], origin=self.name)

    def _taken(self, expected: Digest | None, store: Store) -> Blob:
        if expected is not None and store.has(expected):
            return Blob(expected, store.size(expected))
        if not self.place.is_file():
            raise SourceError(
                f"{self.name} has to be got by a person, from {self.page}"
                + (f": {' '.join(self.say.split())}" if self.say else ""),
                hint=f"put it at {self.place}, which says that you accept its licence, {self.licence}; then run again",
            )
        return put_steady(self.place, store, self.name, expected)


def _person(folder: Path) -> str:
    """Who is at work, as git would name them in a commit; without that, the name they logged in with."""
    try:
        said = [run(["git", "config", f"user.{key}"], cwd=folder, check=False).stdout.strip() for key in _SIGNATURE]
    except MissingProgramError:
        said = ["", ""]
    name, address = said
    return f"{name} <{address}>" if name and address else name or address or _login()


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return f"user {os.getuid()}"


_SIGNATURE = ("name", "email")
