"""One entry of a card's files: a source, and what is taken of it under which names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictInt

from builder.manifest.fields import (
    DebianName,
    HostPath,
    NpmName,
    PackageVersion,
    PlainPath,
    PypiName,
    Sha256,
    WebAddress,
)
from builder.manifest.repo import NEEDS_DIGEST, one_of_schema, source_rules
from builder.manifest.strict import Rule, Strict

KINDS = ("url", "file", "pypi", "npm", "debian")
_PACKAGES = ("pypi", "npm", "debian")
_BELONGS = {"version": _PACKAGES, "unpack": ("url", "file")}


class FileSpec(Strict, json_schema_extra=one_of_schema(KINDS)):
    """Files from one source: an address, a local file or folder, or a package."""

    url: WebAddress | None = Field(None, description="An http or https address; sha256 is needed beside it")
    file: HostPath | None = Field(None, description="A file or folder, relative to the manifest")
    pypi: PypiName | None = Field(None, description="A Python package that holds the files")
    npm: NpmName | None = Field(None, description="An npm package that holds the files")
    debian: DebianName | None = Field(None, description="A Debian package that holds the files")
    version: PackageVersion | None = Field(
        None, description="Exact version of the package; left out, the newest is locked"
    )
    sha256: Sha256 | None = Field(None, description="Digest of the file that is fetched")
    members: tuple[PlainPath, ...] = Field((), description="Patterns of the files to take from a package or archive")
    strip: Annotated[StrictInt, Field(ge=0, le=50)] = Field(0, description="How many leading folders to drop")
    to: PlainPath | None = Field(None, description="New name of a single file, or the folder that many go to")
    unpack: StrictBool = Field(False, description="The file is a tar or zip archive: take what is in it")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        yield from source_rules(raw, KINDS, _BELONGS)
        if "url" in raw and "sha256" not in raw:
            yield ("sha256",), NEEDS_DIGEST

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    def inputs(self) -> dict[str, Any]:
        """What decides which bytes these files have."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
