"""Images on disk between us and an engine: what an engine left is read and verified, what it starts from is written.

Formats: OCI image layout; the archive of `docker save`, unpacked.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard
from isal import igzip

from builder.digest import Digest, canonical_json
from builder.errors import EngineError
from builder.files import CHUNK, chunks_of, share
from builder.store.compress import put_layer
from builder.store.layers import TAR, TAR_GZIP, TAR_ZSTD, Layer
from builder.store.objects import Store, mismatch
from builder.system.engine import BASE
from builder.system.retime import retimed
from builder.system.system import System

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_DOCKER = "application/vnd.docker.image.rootfs.diff.tar"
_MEDIA_TYPES = {TAR: TAR, TAR_GZIP: TAR_GZIP, TAR_ZSTD: TAR_ZSTD, _DOCKER: TAR, f"{_DOCKER}.gzip": TAR_GZIP}
_REF = "org.opencontainers.image.ref.name"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_CREATED = "1980-01-01T00:00:00Z"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # JSON of any other shape than expected
_AGAIN = "build again with --no-cache"


@dataclass(frozen=True)
class Exported:
    """An image as an engine left it: its configuration, and each layer's file with the digest its tar must have."""

    config: Mapping[str, Any]
    layers: tuple[tuple[Path, Digest], ...]


def read_exported(folder: Path) -> Exported:
    """Read the one image in a folder; raise EngineError when there is none."""
    try:
        if (folder / "manifest.json").exists():
            (only,) = json.loads((folder / "manifest.json").read_bytes())
            config = json.loads((folder / only["Config"]).read_bytes())
            paths = [folder / name for name in only["Layers"]]
        else:
            config, layers = _read_layout(folder, None)
            paths = [_path(folder, layer["digest"]) for layer in layers]
        digests = [Digest.parse(text) for text in config["rootfs"]["diff_ids"]]
        return Exported(config, tuple(zip(paths, digests, strict=True)))
    except _UNREADABLE as error:
        raise EngineError(f"the engine left no image that can be read: {error}", hint=_AGAIN) from error


def _read_layout(folder: Path, tag: str | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The configuration and the layer descriptors of one image."""
    entries = json.loads((folder / "index.json").read_bytes())["manifests"]
    named = [entry for entry in entries if tag in (None, entry.get("annotations", {}).get(_REF))]
    if len(named) != 1:
        tags = ", ".join(sorted(entry.get("annotations", {}).get(_REF, "(no tag)") for entry in entries))
        raise ValueError(f"it has {len(named)} images that could be meant; its tags are {tags}")
    manifest = json.loads(_blob(folder, named[0]["digest"]).read_bytes())
    if "layers" not in manifest:
        raise ValueError("it is for several platforms; copy the one for linux/amd64 out of it")
    return json.loads(_blob(folder, manifest["config"]["digest"]).read_bytes()), manifest["layers"]


def _path(folder: Path, digest: str) -> Path:
    return folder / "blobs/sha256" / Digest.parse(digest).hex


def _blob(folder: Path, digest: str) -> Path:
    """The file of a blob whose bytes are what its name says."""
    named, path = Digest.parse(digest), _path(folder, digest)
    received = Digest.of_chunks(chunks_of(path))
    if received != named:
        raise mismatch(named, received, str(path))
    return path


def take_layers(exported: Exported, known: tuple[Layer, ...], store: Store, note: str, since: int) -> tuple[Layer, ...]:
    """Bring an engine's layers into the store; those of its base are already there as `known`."""
    lower, own = exported.layers[: len(known)], exported.layers[len(known) :]
    if [digest for _, digest in lower] != [layer.diff_id for layer in known]:
        raise EngineError("the engine did not build on the base it was given", hint=_AGAIN)
    return (*known, *(_take(path, diff_id, store, note, since) for path, diff_id in own))


def _take(path: Path, diff_id: Digest, store: Store, note: str, since: int) -> Layer:
    require_plain(path, diff_id)
    with _plain(path) as file:
        return put_layer(retimed(file, since), store, note=note)


def require_plain(path: Path, diff_id: Digest) -> None:
    """Raise IntegrityError unless a layer's plain tar has this digest."""
    with _plain(path) as file:
        received = Digest.of_chunks(iter(lambda: file.read(CHUNK), b""))
    if received != diff_id:
        raise mismatch(diff_id, received, f"the layer {path.name}, unpacked,")


@contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    """A layer's plain tar, whatever it is packed with."""
    with io.BufferedReader(io.FileIO(path), CHUNK) as raw:
        magic = raw.peek(4)[:4]
        if magic.startswith(_GZIP):
            with igzip.open(raw) as plain:  # type: ignore[no-untyped-call]
                yield plain
        elif magic == _ZSTD:
            with (
                zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader,
                io.BufferedReader(reader, CHUNK) as plain,
            ):
                yield plain
        else:
            yield raw


def write_base(system: System, folder: Path, store: Store) -> None:
    """Write a system as a folder that is an OCI layout and an unpacked docker archive, for an engine to start from."""
    config = canonical_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(system.config),
            "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in system.layers]},
            "history": [{"created": _CREATED, "comment": layer.note} for layer in system.layers],
            "created": _CREATED,
        }
    )
    for layer in {layer.blob.digest: layer for layer in system.layers}.values():
        share(store.path(layer.blob.digest), folder / "blobs/sha256" / layer.blob.digest.hex)
    config_entry = _write_blob(folder, config, _CONFIG)
    layers = [
        {"mediaType": layer.media_type, "digest": str(layer.blob.digest), "size": layer.blob.size}
        for layer in system.layers
    ]
    manifest = canonical_json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": config_entry, "layers": layers})
    entry = {**_write_blob(folder, manifest, _MANIFEST), "annotations": {"org.opencontainers.image.ref.name": BASE}}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
    names = [f"blobs/sha256/{layer.blob.digest.hex}" for layer in system.layers]
    archive = [{"Config": f"blobs/sha256/{Digest.of(config).hex}", "RepoTags": [f"{BASE}:{BASE}"], "Layers": names}]
    (folder / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_bytes(canonical_json(index))
    (folder / "manifest.json").write_bytes(canonical_json(archive))


def _write_blob(folder: Path, data: bytes, media_type: str) -> dict[str, Any]:
    digest = Digest.of(data)
    (folder / "blobs/sha256" / digest.hex).write_bytes(data)
    return {"mediaType": media_type, "digest": str(digest), "size": len(data)}
