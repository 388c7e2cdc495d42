"""A git repository at a commit, with its submodules and LFS files; its `.git` is in no tree."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.digest import Digest
from builder.errors import ProgramError, SourceError
from builder.run import find
from builder.sources.address import Address
from builder.sources.intake import put_files
from builder.sources.mirror import Mirror
from builder.sources.selection import ALL, Selection
from builder.sources.source import ONLINE, Network, redacted
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_POINTER_LIMIT = 1024
_MOST_PATHS = 500  # of a command line
_SUBMODULE = "160000"


@dataclass(frozen=True)
class GitSource:
    """A repository's address (no credential in its name), the branch, tag or commit wanted of it, and which files."""

    address: Address
    ref: str | None
    store: Store
    network: Network = ONLINE
    selection: Selection = ALL

    @property
    def is_local(self) -> bool:
        return False  # what a commit holds never changes, wherever it stands

    @property
    def _mirror(self) -> Mirror:
        return Mirror(self.address, self.store, self.network)

    def resolve(self) -> dict[str, str]:
        mirror = self._mirror
        with mirror.held():
            return {"commit": mirror.find(self.ref)}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        commit, mirror = resolved["commit"], self._mirror
        with mirror.held():
            mirror.require(commit)
            with store.scratch("checkout") as scratch:
                entries = _checked_out(mirror, commit, scratch, store, self.selection)
                entries = _with_large_files(mirror, commit, entries, store)
                submodules = list(_submodules(mirror, commit, scratch))
        for path, address, pinned in submodules:
            inner = replace(self, address=address, ref=pinned, selection=ALL).bring({"commit": pinned}, store)
            entries.extend(replace(entry, path=f"{path}/{entry.path}") for entry in inner.entries)
        return self.selection.of(entries, self.address.name)


def _checked_out(mirror: Mirror, commit: str, scratch: Path, store: Store, selection: Selection) -> list[Entry]:
    """Let git write the files: `git archive` would leave out what .gitattributes keeps from archives."""
    index, work = {"GIT_INDEX_FILE": str(scratch / "index")}, scratch / "work"
    work.mkdir()
    mirror.git("read-tree", commit, env=index)
    try:
        mirror.git(f"--work-tree={work}", "checkout-index", "--all", "--force", f"--prefix={work}/", env=index)
    except ProgramError as error:
        if "unable to write file" not in error.message:
            raise
        # git keeps the reason to itself; in a fresh folder of ours there is only one
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
    files = [path for mode, _, path in _listing(mirror, commit) if mode != _SUBMODULE]
    found = [(path, work / path) for path in files if selection.takes(path)]
    return put_files(found, mirror.address.name, store)


def _listing(mirror: Mirror, commit: str) -> Iterator[tuple[str, str, str]]:
    """Mode, object id and path of everything in a commit."""
    for line in mirror.git("ls-tree", "-r", "-z", "--full-tree", commit).stdout.split("\0"):
        if line:
            facts, path = line.split("\t", 1)
            if "\ufffd" in path:
                raise SourceError(
                    f"{mirror.address.name} holds the path {path!r}, whose name is not UTF-8; rename it there"
                )
            mode, _, oid = facts.split()
            yield mode, oid, path


def _submodules(mirror: Mirror, commit: str, scratch: Path) -> Iterator[tuple[str, Address, str]]:
    pinned = {path: oid for mode, oid, path in _listing(mirror, commit) if mode == _SUBMODULE}
    if not pinned:
        return
    urls = _urls(mirror, scratch / "work" / ".gitmodules")
    for path, oid in pinned.items():
        if path not in urls:
            raise SourceError(
                f"{mirror.address.name} has a submodule at {path}, but no address for it in .gitmodules",
                hint="add it with git submodule add, or remove it, in that repository",
            )
        yield path, mirror.address.submodule(urls[path]), oid


def _urls(mirror: Mirror, file: Path) -> dict[str, str]:
    if file.is_symlink() or not file.is_file():
        return {}
    said = mirror.git("config", "--file", file, "--null", "--list", bare=False, check=False).stdout
    values: dict[str, dict[str, str]] = {}
    for item in said.split("\0"):
        key, _, value = item.partition("\n")
        name, _, setting = key.rpartition(".")
        values.setdefault(name, {})[setting] = value
    return {found["path"]: found["url"] for found in values.values() if "path" in found and "url" in found}


def _with_large_files(mirror: Mirror, commit: str, entries: list[Entry], store: Store) -> list[Entry]:
    """Put the files in the place of their LFS pointers; a pointer's oid is the sha256 of its file."""
    wanted = {entry.path: found for entry in entries if (found := _pointer(entry, store)) is not None}
    if not wanted:
        return entries
    if any(not store.has(oid) for oid, _ in wanted.values()):
        _fetch_large_files(mirror, commit, list(wanted))
    for path, (oid, _) in wanted.items():
        kept = mirror.folder / "lfs" / "objects" / oid.hex[:2] / oid.hex[2:4] / oid.hex
        if not store.has(oid) and not kept.is_file():
            raise SourceError(
                f"the LFS server of {mirror.address.name} does not have {path}", hint="git lfs push it there"
            )
        if not store.has(oid):
            store.put_file(kept, expected=oid)
    return [
        replace(entry, digest=wanted[entry.path][0], size=wanted[entry.path][1]) if entry.path in wanted else entry
        for entry in entries
    ]


def _pointer(entry: Entry, store: Store) -> tuple[Digest, int] | None:
    if entry.digest is None or not 100 < entry.size < _POINTER_LIMIT:
        return None
    found = _POINTER.fullmatch(store.read(entry.digest))
    return (Digest(found[1].decode()), int(found[2])) if found else None


def _fetch_large_files(mirror: Mirror, commit: str, paths: Sequence[str]) -> None:
    if find("git-lfs") is None:
        raise SourceError(
            f"{mirror.address.name} keeps {paths[0]} in Git LFS, and git-lfs is not installed",
            hint="python3 build.py doctor",
        )
    url = (
        mirror.address.url
        if "://" in mirror.address.url or not mirror.address.is_local
        else f"file://{mirror.address.url}"
    )
    try:
        mirror.git("lfs", "fetch", *_only(paths), url, commit)
    except ProgramError as error:
        last = redacted(error.message).strip().splitlines()[-1].strip()
        raise SourceError(
            f"the LFS files of {mirror.address.name} cannot be fetched: {last}", hint="git lfs fetch --all there"
        ) from error


def _only(paths: Sequence[str]) -> list[str]:
    """The option that keeps git-lfs from fetching more than these files; none where it would read them otherwise."""
    if len(paths) > _MOST_PATHS or any(set(path) & set(",*?[\\!") for path in paths):
        return []
    return ["--include", ",".join(f"/{path}" for path in paths), "--exclude", ""]
