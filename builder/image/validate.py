"""A layout looked through from the outside: every digest, size and diff id computed again, every fault told at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.digest import Digest
from builder.errors import BuilderError, OutputError
from builder.files import chunks_of
from builder.image.oci import LAYOUT
from builder.store.compress import plain_chunks
from builder.store.layout import LAYERS, blob_path


def validate_layout(folder: Path) -> None:
    """Raise OutputError naming everything that is wrong with an OCI layout of plain manifests."""
    faults = list(_faults(folder))
    if faults:
        raise OutputError(f"{folder} is not a valid OCI layout:\n  " + "\n  ".join(faults), hint="build it again")


def _faults(folder: Path) -> Iterator[str]:
    try:
        if json.loads((folder / "oci-layout").read_bytes()) != json.loads(LAYOUT):
            yield "oci-layout: another version"
        index = json.loads((folder / "index.json").read_bytes())
    except (OSError, ValueError) as error:
        yield str(error)
        return
    known: set[str] = set()
    for entry in index["manifests"]:
        yield from _manifest_faults(folder, entry, known)
    for path in sorted((folder / "blobs" / "sha256").iterdir()):
        if path.name not in known:
            yield f"{path.name}: nothing refers to it"


def _manifest_faults(folder: Path, entry: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    faults = list(_blob_faults(folder, entry, known))
    yield from faults
    if faults:
        return
    manifest = json.loads(blob_path(folder, Digest.parse(entry["digest"])).read_bytes())
    if manifest.get("mediaType") != entry["mediaType"]:
        yield f"{entry['digest']}: its media type differs from the index's"
    parts = [manifest["config"], *manifest["layers"]]
    faults = [fault for part in parts for fault in _blob_faults(folder, part, known)]
    yield from faults
    if not faults:
        yield from _diff_faults(folder, manifest)


def _diff_faults(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    config = json.loads(blob_path(folder, Digest.parse(manifest["config"]["digest"])).read_bytes())
    diff_ids, layers = config["rootfs"]["diff_ids"], manifest["layers"]
    if len(diff_ids) != len(layers):
        yield f"the config has {len(diff_ids)} diff ids for {len(layers)} layers"
        return
    for diff_id, layer in zip(diff_ids, layers, strict=True):
        path = blob_path(folder, Digest.parse(layer["digest"]))
        try:
            plain = Digest.of_chunks(plain_chunks(chunks_of(path), LAYERS.get(layer["mediaType"], ""), layer["digest"]))
        except BuilderError as error:
            yield error.message
            continue
        if str(plain) != diff_id:
            yield f"{layer['digest']}: its tar is {plain}, not {diff_id}"


def _blob_faults(folder: Path, entry: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    digest = Digest.parse(entry["digest"])
    known.add(digest.hex)
    path = blob_path(folder, digest)
    if not path.is_file():
        yield f"{digest}: missing"
    elif path.stat().st_size != entry["size"]:
        yield f"{digest}: {path.stat().st_size} bytes, not {entry['size']}"
    elif Digest.of_chunks(chunks_of(path)) != digest:
        yield f"{digest}: its bytes are others"
