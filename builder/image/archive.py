"""One tar that is an OCI layout and a `docker load` archive: every engine takes it, and no blob stands in it twice.

Its blobs are those of the OCI layout. Its manifest alone is Docker's (image manifest version 2, schema 2), as
BuildKit's own exporter writes it: podman throws an image's health check away when the manifest is OCI's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from builder.digest import Digest, canonical_json, key_of
from builder.errors import OutputError
from builder.files import whole_file
from builder.image.oci import LAYOUT, Image, descriptor
from builder.image.tar import Member, tar_chunks
from builder.store.compress import Ordered, blocks_of
from builder.store.layers import TAR, TAR_GZIP
from builder.store.layout import DOCKER_CONFIG, DOCKER_MANIFEST, DOCKER_TAR, INDEX, REF_NAME
from builder.store.objects import Blob, Store

VERSION = 1
DOCKER_LAYERS = {TAR: DOCKER_TAR, TAR_GZIP: f"{DOCKER_TAR}.gzip"}
CONTAINERD_NAME = "io.containerd.image.name"
_NAME = re.compile(r"[a-z0-9]+(?:[._/:-]+[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def write_archive(image: Image, path: Path, store: Store, tags: Sequence[str]) -> Blob:
    """Write the archive whole or not at all, under `name:tag` names, and give its digest and size.

    A file that this store wrote from the same image, and that nobody changed since, is left as it is.
    Raises OutputError for a name engines would refuse and for zstd layers, which `docker load` cannot read.
    """
    _require_loadable(image, tags)
    key = key_of({"manifest": str(image.manifest.digest), "tags": list(tags), "version": VERSION, "path": str(path)})
    written = recalled(path, store, key)
    if written is not None:
        return written
    hasher = hashlib.sha256()
    with whole_file(path) as file, Ordered(hasher.update) as in_order:
        for block in blocks_of(tar_chunks(_members(image, store, tags))):
            in_order.give(block)
            file.write(block)
    blob = Blob(Digest(hasher.hexdigest()), path.stat().st_size)
    store.remember("archive", key, {"digest": blob.digest.hex, "stamp": _stamp(path)})
    return blob


def recalled(path: Path, store: Store, key: str) -> Blob | None:
    """What an earlier call wrote there, if the file is still that file."""
    record = store.recall("archive", key)
    if not isinstance(record, dict) or not path.is_file() or record.get("stamp") != _stamp(path):
        return None
    return Blob(Digest(record["digest"]), path.stat().st_size)


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _require_loadable(image: Image, tags: Sequence[str]) -> None:
    if not tags:
        raise OutputError("the docker archive has no name", hint="give it one like workshop:2026.11")
    for tag in tags:
        if not _NAME.fullmatch(tag):
            raise OutputError(f"{tag!r} cannot be an image's name", hint="names are lower case, like workshop:2026.11")
    for layer in image.layers:
        if layer.media_type not in DOCKER_LAYERS:
            raise OutputError(
                f"the layer {layer.note!r} is {layer.media_type}, which `docker load` cannot read",
                hint="build it with gzip layers",
            )


def docker_manifest(image: Image) -> bytes:
    """The image's manifest in Docker's media types, over the same blobs."""
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": descriptor(DOCKER_CONFIG, image.config),
            "layers": [descriptor(DOCKER_LAYERS[layer.media_type], layer.blob) for layer in image.layers],
        }
    )


def _members(image: Image, store: Store, tags: Sequence[str]) -> Iterator[Member]:
    manifest = docker_manifest(image)
    entry = Blob(Digest.of(manifest), len(manifest))
    yield _file("oci-layout", LAYOUT)
    yield _file("index.json", _index(image, entry, tags))
    yield _file("manifest.json", _load_json(image, tags))
    yield Member("blobs", 0o755)
    yield Member("blobs/sha256", 0o755)
    yield _file(_place(entry), manifest)
    for blob in (image.config, *image.blobs[:-1]):
        yield Member(_place(blob), 0o444, size=blob.size, chunks=_reader(store, blob))


def _index(image: Image, manifest: Blob, tags: Sequence[str]) -> bytes:
    """One entry for each name, as containerd reads them; its names are in Docker's normal form."""
    platform = {"architecture": image.architecture, "os": "linux"}
    names = [{CONTAINERD_NAME: normal_name(tag), REF_NAME: tag.rpartition(":")[2]} for tag in tags]
    entries = [descriptor(DOCKER_MANIFEST, manifest, annotations=name, platform=platform) for name in names]
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


def normal_name(tag: str) -> str:
    """A short name as engines spell it out; a name that starts with a host stays as it is."""
    from docker.auth import INDEX_NAME  # a quarter of a second, which a build with nothing to write need not wait

    first, slash, _ = tag.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tag
    return f"{INDEX_NAME}/{tag}" if slash else f"{INDEX_NAME}/library/{tag}"


def _load_json(image: Image, tags: Sequence[str]) -> bytes:
    layers = [_place(layer.blob) for layer in image.layers]
    return canonical_json([{"Config": _place(image.config), "RepoTags": list(tags), "Layers": layers}])


def _place(blob: Blob) -> str:
    return f"blobs/sha256/{blob.digest.hex}"


def _file(path: str, data: bytes) -> Member:
    return Member(path, 0o444, size=len(data), chunks=partial(list, [data]))


def _reader(store: Store, blob: Blob) -> Callable[[], Iterable[bytes]]:
    return partial(store.chunks, blob.digest)
