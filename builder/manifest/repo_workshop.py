"""What a repo says about itself: its `workshop.yaml`, `requirements.txt` and `apt.txt`, overridden by the manifest.

The files are looked for as the Reproducible Execution Environment Specification says: in `.binder/` or `binder/` when
there is such a folder, else in the repo's root. `workshop.yaml` may stand in either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from builder.manifest.faults import Fault, refuse
from builder.manifest.fields import Name, PlainPath
from builder.manifest.packages import Packages, PythonRequirement, SystemPackage
from builder.manifest.positions import read_document
from builder.manifest.repo import Repo, link_rules
from builder.manifest.strict import Rule, Strict, validated

FOLDERS = (".binder/", "binder/", "")
FILES = tuple(f"{folder}{name}" for folder in FOLDERS for name in ("workshop.yaml", "requirements.txt", "apt.txt"))
"""Every path of a repo that `merge_repo` wants to see."""
_UNUSED = {
    "postBuild": "is not run; declare packages in workshop.yaml, requirements.txt or apt.txt, downloads as datasets",
    "environment.yml": "is not read; declare its packages in requirements.txt, apt.txt or workshop.yaml",
}
"""Files of the same specification that nothing here is made from, and what to do instead."""
_ENTRY: dict[str, TypeAdapter[str]] = {
    "requirements.txt": TypeAdapter(PythonRequirement),
    "apt.txt": TypeAdapter(SystemPackage),
}


class RepoWorkshop(Strict, title="A repo's own workshop.yaml"):
    """Data links and packages a repo asks for."""

    data: Mapping[PlainPath, Name] = Field({}, description="Data links: path in the repo → dataset")
    packages: Packages = Field(Packages(), description="What the repo needs installed")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        yield from link_rules(raw.get("data"))


def merge_repo(repo: Repo, files: Mapping[str, bytes], name: str = "repo") -> tuple[dict[str, str], Packages]:
    """The data links and packages of a repo: its own from `files`, under the manifest's.

    A data link of the manifest replaces the repo's own at, in or around its path. Raises ManifestError with every
    mistake in the files.
    """
    faults: list[Fault] = []
    own = _own(files, name, faults)
    python = tuple(_lines(files, "requirements.txt", name, faults))
    system = tuple(_lines(files, "apt.txt", name, faults))
    if any(path.startswith(".binder/") for path in files) and any(path.startswith("binder/") for path in files):
        faults.append(Fault(f"{name}: .binder", 0, "", "stands beside binder; a repo has only one of the two"))
    refuse(faults, hint="correct these files of the repo, or declare in the manifest what it needs")
    kept = {path: dataset for path, dataset in own.data.items() if not any(_touch(path, other) for other in repo.data)}
    return {**kept, **repo.data}, own.packages.joined([Packages(python=python, system=system)])


def unused_files(paths: Collection[str], name: str) -> Iterator[str]:
    """A sentence for each file among a repo's paths that its author may expect to count, and that does not."""
    for file, advice in _UNUSED.items():
        yield from (f"{name}: {folder}{file} {advice}" for folder in FOLDERS if folder + file in paths)


def _touch(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _own(files: Mapping[str, bytes], name: str, faults: list[Fault]) -> RepoWorkshop:
    path = next((folder + "workshop.yaml" for folder in FOLDERS if folder + "workshop.yaml" in files), None)
    if path is None:
        return RepoWorkshop()
    model, found = validated(RepoWorkshop, read_document(f"{name}: {path}", files[path]))
    faults += found
    return model or RepoWorkshop()


def _lines(files: Mapping[str, bytes], file: str, name: str, faults: list[Fault]) -> Iterator[str]:
    """The entries of a requirements.txt or apt.txt, without comments and blank lines."""
    special = [folder for folder in FOLDERS[:2] if any(path.startswith(folder) for path in files)]
    path = (special[0] if special else "") + file
    text = files.get(path, b"").decode(errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.split(" #")[0].strip()
        if not entry or entry.startswith("#"):
            continue
        try:
            yield _ENTRY[file].validate_python(entry)
        except ValidationError as error:
            faults.append(Fault(f"{name}: {path}", number, "", error.errors()[0]["msg"]))
