"""The source of a repo, as the manifest says it."""

from __future__ import annotations

from pathlib import Path

from builder.manifest import Repo
from builder.sources.address import Address
from builder.sources.folder import FolderSource
from builder.sources.git import GitSource
from builder.sources.package import NPM, PYPI, PackageSource
from builder.sources.packed import LocalArchive, WebFileSource
from builder.sources.source import ONLINE, Network, Source, shown
from builder.sources.unpacked import Unpacked
from builder.sources.web_file import WebFile, name_in
from builder.store.objects import Store


def of_repo(repo: Repo, folder: Path, store: Store, network: Network = ONLINE) -> Source:
    """Where a repo's files come from; `folder` is where the manifest's paths start."""
    if repo.path is not None:
        return FolderSource(folder / repo.path, repo.path)
    if repo.git is not None:
        return GitSource(Address.parse(repo.git, folder), repo.ref, store, network)
    if repo.pypi is not None:
        return PackageSource(PYPI, repo.pypi, store, repo.version, network=network)
    if repo.npm is not None:
        return PackageSource(NPM, repo.npm, store, repo.version, network=network)
    assert repo.archive is not None  # the manifest has exactly one of them
    if repo.archive.startswith(("http://", "https://")):
        file = WebFile((repo.archive,), name_in(repo.archive), repo.sha256)
        return Unpacked(WebFileSource(file, store, network), shown(repo.archive), has_own_folder=True)
    return LocalArchive(folder / repo.archive, repo.archive, repo.sha256, has_own_folder=True)
