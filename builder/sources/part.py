"""One entry of a card as a source: where its files come from, and what they are called in the dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from builder.digest import key_of
from builder.manifest import FileSpec
from builder.sources.address import Address
from builder.sources.doi import DoiRecord
from builder.sources.expected import Checks
from builder.sources.folder import FileSource, FolderSource
from builder.sources.git import GitSource
from builder.sources.google_drive import DriveFile
from builder.sources.hugging_face import HubRepository
from builder.sources.kaggle import KaggleArchive
from builder.sources.manual import ManualFile
from builder.sources.members import name_inside
from builder.sources.package import DEBIAN, NPM, PYPI, PackageSource
from builder.sources.packed import LocalArchive, WebFileSource
from builder.sources.selection import ALL, Selection, placed
from builder.sources.source import Network, Source, shown
from builder.sources.unpacked import Unpacked
from builder.sources.web_file import WebFile, name_in
from builder.store.objects import Store
from builder.store.trees import Entry, Tree


@dataclass(frozen=True)
class Part:
    """One entry of a card: its source, and the name of its file or the folder of its files (`to`).

    `inputs` is the key of what the card says of it.
    """

    inputs: str
    source: Source
    to: str | None
    is_one_file: bool

    @property
    def whole(self) -> Source:
        """What it takes its files from, all of it."""
        return replace(self.source, selection=ALL) if isinstance(self.source, _SELECTING) else self.source

    def placed(self, tree: Tree) -> Iterator[Entry]:
        return placed(tree, self.to, is_one_file=self.is_one_file)


@dataclass(frozen=True)
class Surroundings:
    """What a card's sources need beside its words: where its paths start, its licence, the store, the network."""

    folder: Path
    licence: str
    store: Store
    network: Network


def part_of(spec: FileSpec, around: Surroundings) -> Part:
    selection = Selection(spec.members, spec.strip)
    source = _SOURCES[spec.kind](spec, selection, around)
    is_one_file = isinstance(source, _FILES) or selection.is_one_file or (spec.unpack and _is_packed_file(spec))
    return Part(key_of(spec.inputs()), source, spec.to, is_one_file)


def _is_packed_file(spec: FileSpec) -> bool:
    address = (spec.url or ("",))[0] or spec.file or spec.manual or ""
    return name_inside(PurePosixPath(urlsplit(address).path).name) is not None


def _web(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    assert spec.url is not None
    checks = Checks(spec.md5, spec.sha1, etag=spec.etag)
    file = WebFile(spec.url, name_in(spec.url[0]), spec.sha256, checks, spec.size)
    source = WebFileSource(file, around.store, around.network)
    return Unpacked(source, shown(spec.url[0]), selection) if spec.unpack else source


def _local(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    assert spec.file is not None
    path = around.folder / spec.file
    if spec.unpack:
        return LocalArchive(path, spec.file, spec.sha256, selection)
    return FolderSource(path, spec.file, selection) if path.is_dir() else FileSource(path, spec.file, spec.sha256)


def _package(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    registry = _REGISTRIES[spec.kind]
    name = getattr(spec, spec.kind)
    return PackageSource(registry, name, around.store, spec.version, spec.sha256, selection, around.network)


def _git(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    assert spec.git is not None
    address = Address.parse(spec.git, around.folder)
    return GitSource(address, spec.ref, around.store, around.network, selection)


def _manual(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    assert spec.manual is not None and spec.page is not None
    file = ManualFile(spec.manual, spec.page, spec.say or "", around.licence, around.folder, around.store, spec.sha256)
    return Unpacked(file, spec.manual, selection) if spec.unpack else file


def _doi(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    assert spec.doi is not None
    return DoiRecord(spec.doi, selection, around.network)


def _hub(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    assert spec.huggingface is not None
    return HubRepository(spec.huggingface, spec.type, spec.ref, selection, around.network)


def _kaggle(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    assert spec.kaggle is not None
    archive = KaggleArchive(spec.kaggle, around.store, spec.version, spec.sha256, around.network)
    return Unpacked(archive, f"the Kaggle dataset {spec.kaggle}", selection)


def _drive(spec: FileSpec, selection: Selection, around: Surroundings) -> Source:
    assert spec.gdrive is not None and spec.sha256 is not None
    file = DriveFile(spec.gdrive, spec.sha256, around.store, around.network)
    return Unpacked(file, file.name, selection) if spec.unpack else file


_SELECTING = PackageSource | GitSource | Unpacked | DoiRecord | HubRepository
_FILES = WebFileSource | FileSource | ManualFile | DriveFile
_REGISTRIES = {"pypi": PYPI, "npm": NPM, "debian": DEBIAN}
_SOURCES: dict[str, Callable[[FileSpec, Selection, Surroundings], Source]] = {
    "url": _web,
    "file": _local,
    "git": _git,
    "doi": _doi,
    "huggingface": _hub,
    "kaggle": _kaggle,
    "gdrive": _drive,
    "manual": _manual,
    **dict.fromkeys(_REGISTRIES, _package),
}
