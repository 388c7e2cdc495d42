"""One entry of a card's files: a source, and what is taken of it under which names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt

from builder.manifest.fields import (
    Addresses,
    DebianName,
    Doi,
    DriveId,
    FileName,
    GitAddress,
    GitRef,
    HostPath,
    HubName,
    KaggleName,
    Line,
    Md5,
    NpmName,
    PackageVersion,
    PlainPath,
    PypiName,
    Sha1,
    Sha256,
    WebAddress,
)
from builder.manifest.repo import NEEDS_DIGEST, one_of_schema, source_rules
from builder.manifest.strict import Rule, Strict

HubType = Literal["dataset", "model", "space"]
KINDS = ("url", "file", "git", "pypi", "npm", "debian", "doi", "huggingface", "kaggle", "gdrive", "manual")
_PACKAGES = ("pypi", "npm", "debian")
_SINGLE = ("url", "file", "gdrive", "manual")
_BELONGS = {
    "version": (*_PACKAGES, "kaggle"),
    "ref": ("git", "huggingface"),
    "type": ("huggingface",),
    "from": ("manual",),
    "say": ("manual",),
    "unpack": _SINGLE,
    **dict.fromkeys(("sha1", "md5", "etag", "size"), ("url",)),
    "sha256": (*_SINGLE, *_PACKAGES, "kaggle"),
}


class FileSpec(Strict, json_schema_extra=one_of_schema(KINDS)):
    """Files from one source: an address, a local file or folder, a package, a published record, or a person."""

    url: Addresses | None = Field(
        None,
        description="An address, or several that have the same file: https, http, ftp, sftp, s3, gs, az or abfs; "
        "a digest is needed beside it",
    )
    file: HostPath | None = Field(None, description="A file or folder, relative to the manifest")
    git: GitAddress | None = Field(None, description="A git repository that holds the files")
    pypi: PypiName | None = Field(None, description="A Python package that holds the files")
    npm: NpmName | None = Field(None, description="An npm package that holds the files")
    debian: DebianName | None = Field(None, description="A Debian package that holds the files")
    doi: Doi | None = Field(None, description="The DOI of a record with files: Zenodo, InvenioRDM, Dataverse, figshare")
    huggingface: HubName | None = Field(None, description="A repository of the Hugging Face hub: owner/name")
    kaggle: KaggleName | None = Field(None, description="A dataset of Kaggle: owner/name; needs a token")
    gdrive: DriveId | None = Field(
        None, description="The id of a shared file of Google Drive; sha256 is needed beside it"
    )
    manual: FileName | None = Field(None, description="A file that a person gets and puts into the drop folder")
    page: WebAddress | None = Field(None, alias="from", description="Where a person gets the file (manual)")
    say: str | None = Field(None, description="What the person has to do there (manual)")
    version: PackageVersion | None = Field(
        None, description="Exact version of the package or of Kaggle's dataset; left out, the newest is locked"
    )
    ref: GitRef | None = Field(None, description="Branch, tag or commit (git, huggingface)")
    type: HubType = Field("dataset", description="What the hub's repository is")
    sha256: Sha256 | None = Field(None, description="Digest of the file that is fetched")
    sha1: Sha1 | None = Field(None, description="As upstream tells it; with sha256 both are checked")
    md5: Md5 | None = Field(None, description="As upstream tells it; with sha256 both are checked")
    etag: Line | None = Field(None, description="What the server calls the version of the file that is meant")
    size: Annotated[StrictInt, Field(ge=0)] | None = Field(None, description="Bytes of the file that is fetched")
    members: tuple[PlainPath, ...] = Field((), description="Patterns of the files to take")
    strip: Annotated[StrictInt, Field(ge=0, le=50)] = Field(0, description="How many leading folders to drop")
    to: PlainPath | None = Field(None, description="New name of a single file, or the folder that many go to")
    unpack: StrictBool = Field(False, description="The file is an archive or packed: take what is in it")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        yield from source_rules(raw, KINDS, _BELONGS)
        if "url" in raw and not raw.keys() & {"sha256", "sha1", "md5"}:
            yield ("sha256",), f"{NEEDS_DIGEST}; where upstream tells only a sha1 or md5, give that"
        if "gdrive" in raw and "sha256" not in raw:
            yield ("sha256",), NEEDS_DIGEST
        if "manual" in raw and "from" not in raw:
            yield ("from",), "is missing: name the page where a person gets the file"
        if "kaggle" in raw and not str(raw.get("version", "1")).isdigit():
            yield ("version",), 'is no version of a Kaggle dataset: these are numbers, like version: "3"'

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    def inputs(self) -> dict[str, Any]:
        """What decides which bytes these files have."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude={"page", "say"})
