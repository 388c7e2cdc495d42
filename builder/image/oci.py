"""An image, and its OCI layout in a folder (OCI image specification 1.1, manifest.md and image-layout.md).

What always holds of a layout this writes: a blob appears under its name by rename and is complete; the index is
replaced only when all it refers to is there; blobs go only after no index refers to them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.digest import canonical_json
from builder.errors import OutputError
from builder.files import share, space_is_named, sync_folder, write_whole
from builder.image.config import Runtime, image_config
from builder.store.layers import Layer
from builder.store.layout import CONFIG, INDEX, MANIFEST, REF_NAME, blob_path
from builder.store.objects import Blob, Store

LAYOUT = canonical_json({"imageLayoutVersion": "1.0.0"})
LEFTOVERS = (".oci-layout.", ".index.json.")
"""How a killed write's half-done files begin, on disks that have no nameless ones."""
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Image:
    """Config and manifest as blobs in the store, the layers from bottom to top, and the labels."""

    config: Blob
    manifest: Blob
    layers: tuple[Layer, ...]
    labels: Mapping[str, str]
    architecture: str = "amd64"

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All blobs but the manifest, each once: layers in order, then the config."""
        return tuple(dict.fromkeys([*(layer.blob for layer in self.layers), self.config]))

    @property
    def size(self) -> int:
        """What a registry transfers, in bytes."""
        return sum(blob.size for blob in self.blobs) + self.manifest.size


def compose(
    layers: Sequence[Layer],
    runtime: Runtime,
    store: Store,
    *,
    base: Mapping[str, Any] | None = None,
    architecture: str = "amd64",
) -> Image:
    """Make the image of these layers; `base` is the config of the image whose layers come first."""
    config = store.put_bytes(image_config(layers, runtime, base=base, architecture=architecture))
    manifest = store.put_bytes(manifest_json(config, layers, runtime.labels))
    store.hold(config, manifest, *(layer.blob for layer in layers))
    return Image(config, manifest, tuple(layers), dict(runtime.labels), architecture)


def manifest_json(config: Blob, layers: Iterable[Layer], labels: Mapping[str, str]) -> bytes:
    """The OCI manifest; labels stand in it as annotations too, where registries show them."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, config),
        "layers": [descriptor(layer.media_type, layer.blob) for layer in layers],
    }
    return canonical_json({**manifest, "annotations": dict(labels)} if labels else manifest)


def descriptor(media_type: str, blob: Blob, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(blob.digest), "size": blob.size, **more}


def index_json(image: Image, tag: str) -> bytes:
    """The index of a layout with one image under one tag."""
    if not _TAG.fullmatch(tag):
        raise OutputError(
            f"{tag!r} cannot be an image's tag", hint="use letters, digits, '.', '_' and '-', at most 128"
        )
    platform = {"architecture": image.architecture, "os": "linux"}
    entry = descriptor(MANIFEST, image.manifest, annotations={REF_NAME: tag}, platform=platform)
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})


def write_layout(image: Image, folder: Path, store: Store, tag: str = "latest") -> Blob:
    """Bring an OCI layout folder to hold this image alone, and give its manifest; nothing changed writes nothing.

    Killed anywhere, the folder is a valid layout of before or of now.
    Raises OutputError for a folder that holds something else.
    """
    index = index_json(image, tag)
    blobs = (*image.blobs, image.manifest)
    if not is_current(folder, index, blobs):
        _require_ours(folder)
        _bring(folder, blobs, store)
        write_whole(folder / "oci-layout", LAYOUT)
        write_whole(folder / "index.json", index)
    _drop(folder, {blob.digest.hex for blob in blobs})
    return image.manifest


def is_current(folder: Path, index: bytes, blobs: Iterable[Blob]) -> bool:
    try:
        same = (folder / "index.json").read_bytes() == index and (folder / "oci-layout").read_bytes() == LAYOUT
    except (FileNotFoundError, NotADirectoryError):
        return False
    return same and all(_is_there(folder, blob) for blob in blobs)


def _is_there(folder: Path, blob: Blob) -> bool:
    path = blob_path(folder, blob.digest)
    return path.is_file() and path.stat().st_size == blob.size


def _require_ours(folder: Path) -> None:
    if folder.is_dir() and not (folder / "oci-layout").exists() and any(map(_is_foreign, os.listdir(folder))):
        raise OutputError(
            f"{folder} holds something else than an OCI layout", hint="choose another folder with --out DIR"
        )
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; the OCI layout needs a folder", hint="choose another with --out DIR")


def _is_foreign(name: str) -> bool:
    return name != "blobs" and not name.startswith(LEFTOVERS)


def _bring(folder: Path, blobs: Iterable[Blob], store: Store) -> None:
    for blob in blobs:
        if _is_there(folder, blob):
            continue
        target = blob_path(folder, blob.digest)
        part = target.with_name(f"{target.name}.part")
        with space_is_named(folder):
            part.unlink(missing_ok=True)
            share(store.path(blob.digest), part)
            _sync_file(part)
            os.replace(part, target)
    sync_folder(folder / "blobs" / "sha256")


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _drop(folder: Path, kept: set[str]) -> None:
    for path in (folder / "blobs" / "sha256").iterdir():
        if path.name not in kept:
            path.unlink()
    for path in folder.iterdir():
        if path.name.startswith(LEFTOVERS):
            path.unlink(missing_ok=True)
