"""What stands on a disk, before there is a disk: every path with its node, and where its bytes are read from.

Owners, modes and links live in this table only, never in the host's file system, so making a disk needs no rights and
no name from an archive is ever used as a path of the host.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from builder import places
from builder.content.layout import Content, is_written
from builder.errors import OutputError
from builder.store.objects import Store
from builder.store.trees import Entry

Nodes = dict[str, "Node"]
"""Paths without a leading slash → nodes; each parent of a path is there too, and is a folder."""


CONTENT_FOLDER = "workshop"
"""The content disk's one folder: what ext4 itself puts in its root (`lost+found`) stays out of the attendee's sight."""


@dataclass(frozen=True)
class Node:
    """One file (`source`, `size`), symbolic link (`target`) or folder, as `mode` says.

    Files that are `shared` and have one source and one mode are hard links of each other.
    """

    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = places.EPOCH
    source: Path | None = None
    size: int = 0
    target: str | None = None
    shared: bool = False
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


def folder(mode: int = 0o755, uid: int = 0, gid: int = 0) -> Node:
    return Node(stat.S_IFDIR | mode, uid, gid)


def link(target: str) -> Node:
    return Node(stat.S_IFLNK | 0o777, target=target)


def add_parents(nodes: Nodes, path: str, made: Node) -> None:
    """Put `made` at each parent of `path` that is not there; raise OutputError when one is no folder."""
    for parent in map(str, PurePosixPath(path).parents):
        if parent != "." and not nodes.setdefault(parent, made).is_folder:
            raise OutputError(f"{path} cannot stand on the disk: {parent} is not a folder there")


def content_nodes(content: Content, page: Path, store: Store) -> Nodes:
    """The content disk: data read-only and root's, repos the attendee's; `page` holds the landing page's bytes."""
    root = CONTENT_FOLDER
    nodes: Nodes = {root: folder(), f"{root}/{places.DATA}": folder()}
    nodes[f"{root}/{places.REPOS}"] = folder(0o775, places.UID, places.GID)
    nodes[f"{root}/{places.PAGE}"] = Node(stat.S_IFREG | 0o644, source=page, size=len(content.page))
    for below, tree in content.guest_folders().items():
        base, is_data = f"{root}/{below}", not is_written(below)
        made = folder() if is_data else folder(0o775, places.UID, places.GID)
        add_parents(nodes, base, folder())
        nodes[base] = made
        for entry in tree.entries:
            path = f"{base}/{entry.path}"
            add_parents(nodes, path, made)
            nodes[path] = _data_node(entry, store) if is_data else _repo_node(entry, store)
    return nodes


def _data_node(entry: Entry, store: Store) -> Node:
    if entry.target is not None:
        return link(entry.target)
    assert entry.digest is not None
    mode = stat.S_IFREG | (0o555 if entry.executable else 0o444)
    return Node(mode, source=store.path(entry.digest), size=entry.size, shared=entry.size > 0)


def _repo_node(entry: Entry, store: Store) -> Node:
    if entry.target is not None:
        return Node(stat.S_IFLNK | 0o777, places.UID, places.GID, target=entry.target)
    assert entry.digest is not None
    mode = stat.S_IFREG | (0o775 if entry.executable else 0o664)
    return Node(mode, places.UID, places.GID, source=store.path(entry.digest), size=entry.size)


def add_files(nodes: Nodes, files: Mapping[str, tuple[bytes, int]], scratch: Path) -> None:
    """Put small files on the disk, replacing what stands there; their bytes are kept in `scratch` until it is made."""
    scratch.mkdir(exist_ok=True)
    for number, (path, (data, mode)) in enumerate(sorted(files.items())):
        if nodes.get(path, link("")).is_folder:
            raise OutputError(f"the setting {path} cannot be written: the system has a folder there")
        source = scratch / f"{number}"
        source.write_bytes(data)
        add_parents(nodes, path, folder())
        nodes[path] = Node(stat.S_IFREG | mode, source=source, size=len(data))


def bytes_of(nodes: Iterable[Node]) -> int:
    """What all files hold, hard links counted once."""
    seen: set[tuple[Path | None, int]] = set()
    total = 0
    for node in nodes:
        key = (node.source, node.mode)
        if not (node.shared and key in seen):
            total += node.size
        seen.add(key)
    return total
