"""A layer: one tar of an image, as a blob in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.digest import Digest
from builder.store.objects import Blob

TAR = "application/vnd.oci.image.layer.v1.tar"
TAR_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
TAR_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


@dataclass(frozen=True)
class Layer:
    """A blob (maybe compressed, as `media_type` says) and the digest of its plain tar (`diff_id`).

    `note` says what is in it, for people ("dataset fashion-mnist").
    """

    blob: Blob
    diff_id: Digest
    media_type: str
    note: str

    def to_json(self) -> dict[str, Any]:
        return {
            "digest": self.blob.digest.hex,
            "size": self.blob.size,
            "diff_id": self.diff_id.hex,
            "media_type": self.media_type,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Layer:
        blob = Blob(Digest(raw["digest"]), raw["size"])
        return cls(blob, Digest(raw["diff_id"]), raw["media_type"], raw["note"])
