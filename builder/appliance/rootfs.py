"""The layers of a system laid over each other, as a table of nodes.

Follows the OCI image specification, "Image Layer Filesystem Changeset": `.wh.NAME` hides NAME of the layers below,
`.wh..wh..opq` hides all that a folder had below. Device nodes and pipes are left out: systemd makes what is needed.
"""

from __future__ import annotations

import gzip
import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

import zstandard
from isal import igzip, isal_zlib

from builder.appliance.nodes import Node, Nodes, add_parents, folder, link
from builder.errors import OutputError
from builder.files import CHUNK
from builder.store.layers import TAR, TAR_GZIP, TAR_ZSTD, Layer
from builder.store.objects import Store

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
XATTR = "SCHILY.xattr."
MAX_LINKS = 40
# isal's stub calls its exception class an instance.
ISAL = cast(type[Exception], isal_zlib.error)
DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zstandard.ZstdError, EOFError, ISAL)


def read_layers(layers: Iterable[Layer], store: Store, scratch: Path) -> Nodes:
    """Lay `layers` over each other; file bytes go to numbered files in `scratch`.

    Raises OutputError for a layer that is no tar, or whose names leave the root.
    """
    nodes: Nodes = {}
    scratch.mkdir(exist_ok=True)
    for number, layer in enumerate(layers):
        try:
            with _plain(layer, store) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                _lay_over(nodes, archive, scratch / f"{number}-", layer.note)
        except DAMAGED as error:
            raise OutputError(
                f"layer {layer.blob.digest} ({layer.note}) cannot be read: {error}",
                hint="python3 build.py store verify",
            ) from error
    return nodes


@contextmanager
def _plain(layer: Layer, store: Store) -> Iterator[IO[bytes]]:
    path = store.path(layer.blob.digest)
    if layer.media_type not in (TAR, TAR_GZIP, TAR_ZSTD):
        raise OutputError(f"layer {layer.blob.digest} has the unknown media type {layer.media_type!r}")
    with path.open("rb") as file:
        if layer.media_type == TAR_GZIP:
            with igzip.IGzipFile(fileobj=file, mode="rb") as stream:  # type: ignore[no-untyped-call]  # isal has no types
                yield cast(IO[bytes], stream)
        elif layer.media_type == TAR_ZSTD:
            with zstandard.ZstdDecompressor().stream_reader(file) as stream:
                yield cast(IO[bytes], stream)
        else:
            yield file


def _lay_over(nodes: Nodes, archive: tarfile.TarFile, prefix: Path, note: str) -> None:
    own: set[str] = set()
    for number, member in enumerate(archive):
        path = _resolved(nodes, _normal(member.name, note), note)
        if path == "":
            continue
        base, name = posixpath.split(path)
        if name.startswith(WHITEOUT):
            hidden = base if name == OPAQUE else posixpath.join(base, name.removeprefix(WHITEOUT))
            _hide(nodes, hidden, own, itself=name != OPAQUE)
        elif (node := _node(nodes, archive, member, Path(f"{prefix}{number}"), note)) is not None:
            _place(nodes, path, node, own)


def _place(nodes: Nodes, path: str, node: Node, own: set[str]) -> None:
    below = nodes.get(path)
    if below is not None and below.is_folder and not node.is_folder:
        _hide(nodes, path, set(), itself=True)
    add_parents(nodes, path, folder())
    nodes[path] = node
    own.add(path)


def _hide(nodes: Nodes, path: str, own: set[str], *, itself: bool) -> None:
    """Take away what earlier layers put below `path`, and `path`; this layer's `own` and the folders to it stay."""
    inside = f"{path}/" if path else ""
    kept = own | {str(parent) for name in own if name.startswith(inside) for parent in PurePosixPath(name).parents}
    for other in [other for other in nodes if other.startswith(inside) and other not in kept]:
        del nodes[other]
    if itself and path not in kept:
        nodes.pop(path, None)


def _normal(name: str, note: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\n" in name or "\0" in name:
        raise OutputError(f"layer {note} holds the name {name!r}, which is not a plain path; nothing was made of it")
    return "/".join(parts)


def _resolved(nodes: Nodes, path: str, note: str) -> str:
    """Where `path` stands once links among its parents are followed, as a kernel would with this root."""
    done: list[str] = []
    todo = path.split("/")[::-1]
    followed = 0
    while len(todo) > 1:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            done = done[:-1]
            continue
        node = nodes.get("/".join([*done, part]))
        if node is None or node.target is None:
            done.append(part)
            continue
        followed += 1
        if followed > MAX_LINKS:
            raise OutputError(f"layer {note}: {path} goes through links that never end")
        done = [] if node.target.startswith("/") else done
        todo += node.target.strip("/").split("/")[::-1]
    return "/".join([*done, *todo])


def _node(nodes: Nodes, archive: tarfile.TarFile, member: tarfile.TarInfo, source: Path, note: str) -> Node | None:
    if member.isdir():
        return Node(stat.S_IFDIR | member.mode & 0o7777, member.uid, member.gid, _time(member))
    if member.issym():
        return Node(link("").mode, member.uid, member.gid, _time(member), target=member.linkname)
    if member.islnk():
        linked = nodes.get(_resolved(nodes, _normal(member.linkname, note), note))
        if linked is None or linked.is_folder:
            raise OutputError(f"layer {note}: {member.name} is a hard link to {member.linkname!r}, which is no file")
        return linked
    if not member.isreg():
        return None
    _keep(archive, member, source)
    xattrs = tuple(
        (name.removeprefix(XATTR), value.encode("utf-8", "surrogateescape"))
        for name, value in sorted(member.pax_headers.items())
        if name.startswith(XATTR)
    )
    mode = stat.S_IFREG | member.mode & 0o7777
    mtime = _time(member)
    return Node(mode, member.uid, member.gid, mtime, source, member.size, shared=True, xattrs=xattrs)


def _time(member: tarfile.TarInfo) -> int:
    return min(max(int(member.mtime), 0), 0xFFFFFFFF)


def _keep(archive: tarfile.TarFile, member: tarfile.TarInfo, source: Path) -> None:
    data = archive.extractfile(member)
    assert data is not None
    with source.open("wb", buffering=0) as file:
        while chunk := data.read(CHUNK):
            file.write(chunk)
