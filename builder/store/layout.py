"""An OCI image layout read into the store: what an engine exported, or a base image someone else made.

Layout: OCI image specification 1.1, image-layout.md. Every blob is verified against the digest and size that name it,
and every layer's plain tar against the config's diff ids, before anything is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.store.compress import plain_chunks
from builder.store.layers import TAR, TAR_GZIP, TAR_ZSTD, Layer
from builder.store.objects import Blob, Store, mismatch

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
LAYERS = {
    TAR: TAR,
    TAR_GZIP: TAR_GZIP,
    TAR_ZSTD: TAR_ZSTD,
    DOCKER_TAR: TAR,
    f"{DOCKER_TAR}.gzip": TAR_GZIP,
}
REF_NAME = "org.opencontainers.image.ref.name"
LARGEST_JSON = 4 << 20
DEEPEST = 4


def read_layout(
    folder: Path, tag: str | None, store: Store, *, architecture: str = "amd64", note: str = "base"
) -> tuple[dict[str, Any], tuple[Layer, ...]]:
    """The image config and the layers of one image in a layout, its layers now in the store.

    `tag` chooses by ref name; without it the layout must hold one image for `architecture`.
    Raises SourceError for what cannot be read here, IntegrityError for bytes that are not what they are said to be.
    """
    index = _json_file(folder / "index.json", folder)
    manifest = _json_blob(folder, _descriptor(folder, index, tag, architecture))
    config = _json_blob(folder, manifest.get("config"))
    _require_platform(folder, config, architecture)
    diff_ids = [_digest(raw, folder) for raw in config.get("rootfs", {}).get("diff_ids", ())]
    layers = manifest.get("layers", ())
    if len(diff_ids) != len(layers):
        raise IntegrityError(f"{folder}: the config names {len(diff_ids)} layers and the manifest {len(layers)}")
    taken = [_take(folder, raw, diff_id, store, note) for raw, diff_id in zip(layers, diff_ids, strict=True)]
    return config, tuple(taken)


def image_digest(folder: Path, tag: str | None, *, architecture: str = "amd64") -> Digest:
    """The digest of the manifest of the image that `read_layout` would read; raises as that does."""
    raw = _descriptor(folder, _json_file(folder / "index.json", folder), tag, architecture)
    _require_platform(folder, _json_blob(folder, _json_blob(folder, raw).get("config")), architecture)
    return _digest(raw.get("digest"), folder)


def blob_path(folder: Path, digest: Digest) -> Path:
    return folder / "blobs" / "sha256" / digest.hex


def _descriptor(
    folder: Path, index: Mapping[str, Any], tag: str | None, architecture: str, depth: int = 0
) -> dict[str, Any]:
    """The descriptor of the one image for a tag, or without one for an architecture."""
    found = index.get("manifests", ())
    if tag is not None:
        found = [raw for raw in found if raw.get("annotations", {}).get(REF_NAME) == tag]
    found = [raw for raw in found if _suits(raw.get("platform"), architecture)]
    if len({raw.get("digest") for raw in found}) != 1:
        named = f"the tag {tag!r}" if tag is not None else f"{architecture}"
        held = ", ".join(sorted(_told(raw) for raw in index.get("manifests", ()))) or "none"
        raise SourceError(
            f"{folder} holds {len(found)} images for {named}, and one is needed; it has: {held}",
            hint="name one of its tags",
        )
    kind = found[0].get("mediaType")
    if kind in (INDEX, DOCKER_LIST) and depth < DEEPEST:
        return _descriptor(folder, _json_blob(folder, found[0]), None, architecture, depth + 1)
    if kind not in (MANIFEST, DOCKER_MANIFEST):
        raise SourceError(f"{folder} holds a manifest of the media type {kind!r}, which is not an image")
    chosen: dict[str, Any] = found[0]
    return chosen


def _suits(platform: Mapping[str, Any] | None, architecture: str) -> bool:
    if platform is None:
        return True
    return platform.get("os") == "linux" and platform.get("architecture") == architecture


def _told(raw: Mapping[str, Any]) -> str:
    platform = raw.get("platform") or {}
    made_for = f" ({platform.get('os')}/{platform.get('architecture')})" if platform else ""
    return f"{raw.get('annotations', {}).get(REF_NAME, 'untagged')}{made_for}"


def _require_platform(folder: Path, config: Mapping[str, Any], architecture: str) -> None:
    made_for = f"{config.get('os')}/{config.get('architecture')}"
    if made_for != f"linux/{architecture}":
        raise SourceError(f"the image in {folder} is for {made_for}; linux/{architecture} is needed")


def _take(folder: Path, raw: Mapping[str, Any], diff_id: Digest, store: Store, note: str) -> Layer:
    kind = raw.get("mediaType")
    if kind not in LAYERS:
        raise SourceError(f"{folder} holds a layer of the media type {kind!r}, which cannot be read")
    path, blob = _found(folder, raw)
    store.put_file(path, expected=blob.digest)
    media_type = LAYERS[kind]
    if media_type == TAR:
        plain = blob.digest
    else:
        plain = Digest.of_chunks(plain_chunks(store.chunks(blob.digest), media_type, f"layer {blob.digest}"))
    if plain != diff_id:
        raise mismatch(diff_id, plain, f"layer {blob.digest} of {folder}")
    return Layer(blob, diff_id, media_type, note)


def _found(folder: Path, raw: Any) -> tuple[Path, Blob]:
    """A descriptor's file, its size verified."""
    if not isinstance(raw, dict) or not isinstance(raw.get("size"), int):
        raise IntegrityError(f"{folder} holds a broken descriptor: {str(raw)[:200]}")
    digest = _digest(raw.get("digest"), folder)
    path = blob_path(folder, digest)
    if not path.is_file():
        raise IntegrityError(f"{folder} names {digest} but has no such blob", hint="copy or export the image again")
    if path.stat().st_size != raw["size"]:
        raise IntegrityError(
            f"{digest} in {folder} is {path.stat().st_size} bytes; its descriptor says {raw['size']}",
            hint="copy or export the image again",
        )
    return path, Blob(digest, raw["size"])


def _digest(text: Any, folder: Path) -> Digest:
    if not isinstance(text, str) or not text.startswith("sha256:"):
        raise SourceError(f"{folder} names a blob {text!r}, which is not a sha256 digest")
    try:
        return Digest.parse(text)
    except ValueError as error:
        raise SourceError(f"{folder} names a blob {text!r}, which is not a sha256 digest") from error


def _json_blob(folder: Path, raw: Any) -> dict[str, Any]:
    path, blob = _found(folder, raw)
    if blob.size > LARGEST_JSON:
        raise SourceError(f"{blob.digest} in {folder} is too large for a manifest or config: {blob.size} bytes")
    received = Digest.of(path.read_bytes())
    if received != blob.digest:
        raise mismatch(blob.digest, received, str(folder))
    return _json_file(path, folder)


def _json_file(path: Path, folder: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(f"{folder} is not an OCI image layout: it has no {path.name}") from error
    except ValueError as error:
        raise SourceError(f"{path} is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise SourceError(f"{path} is not a JSON object")
    return read
