"""The workshops of this machine that use a store, written down by their calls so that gc knows what it must keep.

Layout: `workshops/<key>.json`, one file for each verb and profile of a workshop, replaced whole by each such call.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from builder.digest import canonical_json, key_of
from builder.errors import StoreError
from builder.files import write_whole

FOLDER = "workshops"
_FILE = re.compile(r"[0-9a-f]{64}\.json")


@dataclass
class Uses:
    """What a call took from the store or put there: records as `<kind>/<key>`, and digests that no record names."""

    records: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Registration:
    """What one verb used when it last ran for one profile of a workshop.

    Paths are absolute. `device` is the number of the disk the manifest is on: a workshop on a disk that is not mounted
    now is away, not gone. `pins` are the digests its lock named, for the time when there is no lock.
    """

    workshop: str
    manifest: str
    lock: str
    verb: str
    profile: str
    out: str
    device: int
    pins: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Without `out`: a build to another folder takes the place of the one before."""
        return key_of([self.lock, self.verb, self.profile])


def register(entry: Registration, root: Path) -> None:
    """Write a registration down, in the place of the one before of its key."""
    write_whole(root / FOLDER / f"{entry.key}.json", canonical_json(asdict(entry)))


def registered(root: Path) -> list[Registration]:
    """All registrations, sorted. Raises StoreError for one that cannot be read: what it keeps is not known then."""
    folder = root / FOLDER
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return sorted(
        (_read(folder / name) for name in names if _FILE.fullmatch(name)),
        key=lambda entry: (entry.manifest, entry.verb, entry.profile),
    )


def recalled(key: str, root: Path) -> Registration | None:
    """The registration of this key; one that cannot be read counts as none, since it is about to be replaced."""
    try:
        return _read(root / FOLDER / f"{key}.json")
    except StoreError:
        return None


def forget(manifest: Path, root: Path) -> None:
    """Let go of what the calls for a manifest keep."""
    for entry in registered(root):
        if entry.manifest == str(manifest):
            (root / FOLDER / f"{entry.key}.json").unlink(missing_ok=True)


def _read(path: Path) -> Registration:
    try:
        raw: dict[str, Any] = json.loads(path.read_bytes())
        lists = {name: tuple(map(str, raw[name])) for name in ("pins", "records", "digests")}
        return Registration(**{**raw, **lists})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{path} cannot be read, so what that workshop keeps is not known: {error}",
            hint="build that workshop again, or remove the file if the workshop is gone",
        ) from error
