"""A repo of the manifest: where it comes from, and where it finds its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, StrictBool

from builder.manifest.fields import (
    ArchiveAddress,
    GitAddress,
    GitRef,
    HostPath,
    Line,
    Name,
    NpmName,
    PackageVersion,
    PlainPath,
    PypiName,
    Sha256,
    is_web,
)
from builder.manifest.strict import Rule, Strict

KINDS = ("path", "git", "archive", "pypi", "npm")
NEEDS_DIGEST = "is missing: what is fetched needs its digest (sha256sum prints it)"
_BELONGS = {"ref": ("git",), "version": ("pypi", "npm"), "sha256": ("archive",)}


def source_rules(
    raw: Mapping[str, Any],
    kinds: tuple[str, ...],
    belongs: Mapping[str, tuple[str, ...]],
    none: str = "has no source",
) -> Iterator[Rule]:
    """Exactly one of the kinds (`none` says that there is none), and beside it only keys that go with it."""
    given = [kind for kind in kinds if kind in raw]
    if len(given) > 1:
        yield (given[1],), f"stands beside {given[0]}; give only one of {', '.join(kinds)}"
    if not given:
        yield (), f"{none}; give one of {', '.join(kinds)}"
        return
    for key, owners in belongs.items():
        if key in raw and not set(owners) & set(given):
            yield (key,), f"goes with {' or '.join(owners)}, not with {given[0]}"


def link_rules(links: Any) -> Iterator[Rule]:
    """No data link inside another one."""
    paths = sorted(path for path in links if isinstance(path, str)) if isinstance(links, dict) else []
    for path in paths:
        around = next((other for other in paths if path.startswith(f"{other}/")), None)
        if around:
            yield ("data", path), f"lies inside the data link {around!r}"


def one_of_schema(kinds: tuple[str, ...]) -> dict[str, Any]:
    """For editors: exactly one of these keys."""
    return {"oneOf": [{"required": [kind]} for kind in kinds]}


class Repo(Strict, json_schema_extra=one_of_schema(KINDS)):
    """A git repository, a local folder, an archive, or a PyPI or npm package."""

    path: HostPath | None = Field(None, description="A folder, relative to the manifest")
    git: GitAddress | None = Field(
        None, description="A git repository: https, ssh or file URL, user@host:path, or a bundle"
    )
    archive: ArchiveAddress | None = Field(None, description="A tar or zip archive: path or address")
    pypi: PypiName | None = Field(None, description="A Python package whose files are the repo")
    npm: NpmName | None = Field(None, description="An npm package whose files are the repo")
    ref: GitRef | None = Field(None, description="Branch, tag or commit of a git repository")
    version: PackageVersion | None = Field(
        None, description="Exact version of a package; left out, the newest is locked"
    )
    sha256: Sha256 | None = Field(None, description="Digest of the archive; required when it is fetched")
    private: StrictBool = Field(False, description="Only profiles that are private may hold it")
    data: Mapping[PlainPath, Name] = Field({}, description="Data links: path in the repo → dataset")
    title: Line | None = Field(None, description="For the landing page")
    description: str | None = Field(None, description="For the landing page")
    pages: tuple[PlainPath, ...] | None = Field(
        None,
        description="Patterns of HTML pages and slides for the landing page; left out, what looks like one; []: none",
    )

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        yield from source_rules(raw, KINDS, _BELONGS)
        if is_web(str(raw.get("archive", ""))) and "sha256" not in raw:
            yield ("sha256",), NEEDS_DIGEST
        yield from link_rules(raw.get("data"))

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    def inputs(self) -> dict[str, Any]:
        """What decides which bytes this repo has: the key of its pin."""
        return self.model_dump(mode="json", include={*KINDS, *_BELONGS}, exclude_none=True)
