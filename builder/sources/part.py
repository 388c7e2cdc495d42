"""One entry of a card as a source: where its files come from, and what they are called in the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from builder.manifest import FileSpec
from builder.sources.folder import FileSource, FolderSource
from builder.sources.http import Download
from builder.sources.package import DEBIAN, NPM, PYPI, PackageSource
from builder.sources.packed import LocalArchive, WebArchive, WebFile
from builder.sources.selection import ALL, Selection
from builder.sources.source import Network, Source
from builder.store.objects import Store
from builder.store.trees import Entry, Tree


@dataclass(frozen=True)
class Part:
    """One entry of a card: its source, and the name of its file or the folder of its files (`to`)."""

    source: Source
    to: str | None
    is_one_file: bool

    @property
    def whole(self) -> Source:
        """What it takes its files from, all of it."""
        return replace(self.source, selection=ALL) if isinstance(self.source, PackageSource) else self.source

    def placed(self, tree: Tree) -> Iterator[Entry]:
        for entry in tree.entries:
            if self.to is None:
                yield entry
            elif self.is_one_file and len(tree.entries) == 1:
                yield replace(entry, path=self.to)
            else:
                yield replace(entry, path=f"{self.to}/{entry.path}")


def part_of(spec: FileSpec, folder: Path, store: Store, network: Network) -> Part:
    selection = Selection(spec.members, spec.strip)
    source = _source(spec, folder, store, selection, network)
    is_one_file = isinstance(source, WebFile | FileSource) or selection.is_one_file
    return Part(source, spec.to, is_one_file)


def _source(spec: FileSpec, folder: Path, store: Store, selection: Selection, network: Network) -> Source:
    for name, registry in ((spec.pypi, PYPI), (spec.npm, NPM), (spec.debian, DEBIAN)):
        if name is not None:
            return PackageSource(registry, name, store, spec.version, spec.sha256, selection, network)
    if spec.url is not None:
        assert spec.sha256 is not None  # the card has it
        download = Download(spec.url, spec.sha256, network)
        return WebArchive(download, selection) if spec.unpack else WebFile(download)
    assert spec.file is not None  # the card has exactly one of them
    path = folder / spec.file
    if spec.unpack:
        return LocalArchive(path, spec.file, spec.sha256, selection)
    return FolderSource(path, spec.file, selection) if path.is_dir() else FileSource(path, spec.file, spec.sha256)
