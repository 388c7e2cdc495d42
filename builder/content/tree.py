"""The workshop laid out in a local folder, to work without an image.

Data files are read-only, and share the store's bytes where nothing that is written to them can reach the store; repo
files are copies to work on. Laying out again brings newer files and never touches a file that was edited:
`.workshop-tree` says what was written last.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder import places
from builder.content.layout import Content
from builder.digest import Digest, canonical_json
from builder.errors import OutputError
from builder.files import chunks_of, share, space_is_named, write_whole
from builder.store.objects import Store
from builder.store.trees import Entry

RECORD = ".workshop-tree"


@dataclass(frozen=True)
class Placed:
    """What laying out did: paths written, removed, and left alone because someone edited them."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    edited: tuple[str, ...]


def lay_out(content: Content, folder: Path, store: Store) -> Placed:
    """Bring `folder` to what `content` says; a second call with nothing changed writes nothing."""
    before = _read_record(folder)
    wanted = {path: _mark(entry) for path, entry in _entries(content, store).items()}
    written, edited = [], []
    folder.mkdir(parents=True, exist_ok=True)
    with space_is_named(folder):
        for path, entry in _entries(content, store).items():
            state = _state(folder / path, before.get(path), wanted[path])
            if state == "edited":
                edited.append(path)
            elif state == "outdated":
                _place(folder, path, entry, store)
                written.append(path)
        removed = _remove_dropped(folder, before, wanted)
    if before != wanted:
        write_whole(folder / RECORD, canonical_json(wanted))
    return Placed(tuple(written), tuple(removed), tuple(edited))


def _entries(content: Content, store: Store) -> dict[str, Entry]:
    page = Entry(places.PAGE, Digest.of(content.page), len(content.page))
    found = {places.PAGE: page}
    if content.environment:
        script = store.put_bytes(content.environment)
        found[places.ENVIRONMENT] = Entry(places.ENVIRONMENT, script.digest, script.size)
    for base, tree in content.folders().items():
        found |= {f"{base}/{entry.path}": entry for entry in tree.entries}
    return found


def _mark(entry: Entry) -> str:
    return f"-> {entry.target}" if entry.is_link else f"{entry.digest}{'+x' if entry.executable else ''}"


def _read_record(folder: Path) -> dict[str, str]:
    record = folder / RECORD
    if not record.exists():
        if folder.exists() and any(folder.iterdir()):
            raise OutputError(
                f"{folder} holds files that this command did not write", hint="choose an empty folder with --out DIR"
            )
        return {}
    marks: dict[str, str] = json.loads(record.read_bytes())
    return marks


def _state(path: Path, before: str | None, wanted: str) -> str:
    if not os.path.lexists(path):
        return "outdated"
    if before == wanted and not path.is_symlink() and path.stat().st_nlink > 1:
        return "current"
    now = f"-> {path.readlink()}" if path.is_symlink() else f"{_digest_of(path)}{_flag(path)}"
    if now == wanted:
        return "current"
    return "outdated" if now == before else "edited"


def _digest_of(path: Path) -> Digest:
    return Digest.of_chunks(chunks_of(path))


def _flag(path: Path) -> str:
    return "+x" if path.stat().st_mode & 0o100 else ""


def _place(folder: Path, path: str, entry: Entry, store: Store) -> None:
    target = folder / path
    _require_real_parents(folder, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name[:100]}.part")
    beside.unlink(missing_ok=True)
    if entry.target is not None:
        beside.symlink_to(entry.target)
    else:
        assert entry.digest is not None
        is_data = path.startswith(f"{places.DATA}/")
        share(store.path(entry.digest), beside, writable=not is_data, link=os.geteuid() != 0)
        if entry.executable and not is_data:
            beside.chmod(0o755)
    os.replace(beside, target)


def _require_real_parents(folder: Path, target: Path) -> None:
    """A link that someone put in the way must not lead our writes out of the folder."""
    for parent in target.relative_to(folder).parents:
        if (folder / parent).is_symlink():
            raise OutputError(f"{folder / parent} is a symbolic link; {target} is not written through it")


def _remove_dropped(folder: Path, before: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    removed = []
    for path in sorted(set(before) - set(wanted)):
        target = folder / path
        if os.path.lexists(target) and _state(target, before[path], "") == "outdated":
            target.unlink()
            removed.append(path)
    return removed
