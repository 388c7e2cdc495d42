"""Layers of content: a tree, or a few files, at its place in the image; the same tree gives the same bytes anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import deflate

from builder.digest import key_of
from builder.errors import StoreError
from builder.image.tar import RECORD, Member, folders_above, tar_chunks
from builder.store.compress import FORMAT, put_layer
from builder.store.layers import Layer
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

VERSION = 1
"""Raised whenever the same tree would give other bytes than before."""
SAMPLES = 16
WORTH_PACKING = 0.10


@dataclass(frozen=True)
class Owner:
    """To whom the files belong, and whether that group may write to them; else nobody may."""

    uid: int = 0
    gid: int = 0
    writable: bool = False

    def file_mode(self, executable: bool) -> int:
        plain = 0o664 if self.writable else 0o444
        return plain | 0o111 if executable else plain

    @property
    def folder_mode(self) -> int:
        return 0o775 if self.writable else 0o755


def content_layer(
    tree: Tree, prefix: str, store: Store, *, uid: int = 0, gid: int = 0, writable: bool = False, note: str
) -> Layer:
    """A tree's files under `prefix` as a layer in the store; made once for the same tree, place and owner.

    The folders above `prefix` belong to root. Incompressible content stays an uncompressed tar.
    Raises StoreError when the store has not all the tree's bytes.
    """
    owner = Owner(uid, gid, writable)
    inputs = {"tree": tree.digest.hex, "prefix": prefix, "version": VERSION, "format": FORMAT}
    key = key_of({**inputs, "uid": uid, "gid": gid, "writable": writable})
    made = recalled(key, store, note)
    if made is not None:
        return made
    members = tree_members(tree, prefix, owner, store)
    layer = put_layer(tar_chunks(members), store, note=note, packed=is_worth_packing(tree, store))
    store.remember("layer", key, layer.to_json())
    return layer


def recalled(key: str, store: Store, note: str) -> Layer | None:
    """The layer an earlier build made from the same inputs, if its bytes are still there."""
    record = store.recall("layer", key)
    if record is None:
        return None
    try:
        layer = Layer.from_json(record)
    except (KeyError, TypeError, ValueError):
        return None
    return replace(layer, note=note) if store.has(layer.blob.digest) else None


def files_layer(
    files: Mapping[str, tuple[bytes, int]], store: Store, *, uid: int = 0, gid: int = 0, note: str
) -> Layer:
    """Small files given as path (without leading slash) → bytes and mode, as a layer; folders belong to root."""
    members = {folder: Member(folder, 0o755) for folder in folders_above(files)}
    for path, (data, mode) in files.items():
        members[path] = Member(path, mode, uid, gid, len(data), chunks=partial(list, [data]))
    ordered = [members[path] for path in sorted(members)]
    return put_layer(tar_chunks(ordered), store, note=note)


def tree_members(tree: Tree, prefix: str, owner: Owner, store: Store) -> Iterator[Member]:
    """The prefix's own parents, then every folder and entry of the tree, in order of path."""
    for folder in folders_above([prefix]):
        yield Member(folder, 0o755)
    yield Member(prefix, owner.folder_mode, owner.uid, owner.gid)
    found: dict[str, Entry | None] = dict.fromkeys(folders_above(tree.by_path))
    found |= tree.by_path
    for path in sorted(found):
        yield _member(found[path], f"{prefix}/{path}", owner, store)


def _member(entry: Entry | None, path: str, owner: Owner, store: Store) -> Member:
    if entry is None:
        return Member(path, owner.folder_mode, owner.uid, owner.gid)
    if entry.target is not None:
        return Member(path, 0o777, owner.uid, owner.gid, target=entry.target)
    mode = owner.file_mode(entry.executable)
    return Member(path, mode, owner.uid, owner.gid, entry.size, chunks=partial(_chunks, entry, store))


def _chunks(entry: Entry, store: Store) -> Iterator[bytes]:
    assert entry.digest is not None
    size = store.size(entry.digest)
    if size != entry.size:
        raise StoreError(
            f"{entry.digest} ({entry.path}) has {size} bytes in the store; {entry.size} are expected",
            hint="python3 build.py fetch",
        )
    yield from store.chunks(entry.digest)


def is_worth_packing(tree: Tree, store: Store) -> bool:
    """Whether gzip would save a tenth: headers and padding count as saved, files as their largest's middles deflate."""
    files = [entry for entry in tree.entries if entry.digest is not None]
    content = sum(entry.size for entry in files)
    around = sum(RECORD + -entry.size % RECORD for entry in files)
    largest = sorted(files, key=lambda entry: (-entry.size, entry.path))[:SAMPLES]
    samples = b"".join(_middle(entry, store) for entry in largest)
    kept = len(deflate.deflate_compress(samples, 1)) / len(samples) if samples else 0.0
    return around + content * (1 - kept) >= WORTH_PACKING * (around + content)


def _middle(entry: Entry, store: Store) -> bytes:
    assert entry.digest is not None
    store.size(entry.digest)  # says what is missing
    with store.path(entry.digest).open("rb") as file:
        file.seek(max(0, entry.size // 2 - (1 << 17)))
        return file.read(1 << 18)
