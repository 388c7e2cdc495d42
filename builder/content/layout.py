"""Repos with their data links, and datasets: the same layout in a local tree, in an image and in an appliance.

data/<dataset>/…          each dataset's bytes, once
repos/<repo>/…            the repo's own files
repos/<repo>/<link>       → ../…/data/<dataset>, a relative symbolic link to the dataset's folder
caches/<library>/…        → ../…/data/<dataset>/<file>, where a library looks for what it would else download
environment.sh            only in a local tree: tells a shell of those folders
index.html                the landing page
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from builder import places
from builder.content.libraries import LIBRARIES
from builder.digest import Digest
from builder.errors import ManifestError
from builder.store.objects import Store
from builder.store.trees import Entry, Tree, require_inside


@dataclass(frozen=True)
class Content:
    """Everything that stands under the workshop's root; `repos` hold their data links already.

    `environment` is the script that tells a shell in a local tree where libraries find data; empty where none is told.
    `edition` says all of it by digest; `state` is what `workshop` in a guest starts from, empty where there is none.
    """

    repos: Mapping[str, Tree]
    datasets: Mapping[str, Tree]
    page: bytes
    caches: Mapping[str, Tree] = field(default_factory=dict)
    environment: bytes = b""
    edition: bytes = b""
    state: Tree = field(default_factory=lambda: Tree(()))

    def folders(self) -> dict[str, Tree]:
        """Each tree by its folder below the root: datasets in order of name, what libraries look for, repos."""
        data = {f"{places.DATA}/{name}": tree for name, tree in sorted(self.datasets.items())}
        data |= {f"{places.CACHES}/{name}": tree for name, tree in sorted(self.caches.items())}
        return data | {f"{places.REPOS}/{name}": tree for name, tree in sorted(self.repos.items())}

    def guest_folders(self) -> dict[str, Tree]:
        """What stands in image and appliance: the same, and below the repos' folder what `workshop` starts from."""
        state = {places.REPOS: self.state} if self.state.entries else {}
        return self.folders() | state

    def missing(self, store: Store) -> list[Entry]:
        """What of all this the store does not hold."""
        return [entry for tree in self.folders().values() for entry in tree.missing(store)]


def is_written(folder: str) -> bool:
    """Whether the attendee may write to one of `Content.folders`; else it is root's, and nobody may."""
    kind, _, name = folder.partition("/")
    return kind == places.REPOS or (kind == places.CACHES and LIBRARIES[name].is_written)


def link_data(repo: str, tree: Tree, links: Mapping[str, str]) -> Tree:
    """Add a repo's data links (`{path in the repo: dataset}`) to its tree.

    Raises ManifestError for a link that would leave the repo, go through a link of the repo's own, or take the
    place of something that is there.
    """
    added = []
    for path, dataset in sorted(links.items()):
        _require_free(repo, tree, path)
        steps = len(PurePosixPath(path).parts) + 1
        added.append(Entry(path, target=f"{'../' * steps}{places.DATA}/{dataset}"))
    return Tree.of((*tree.entries, *added), origin=f"repo {repo}")


def _require_free(repo: str, tree: Tree, path: str) -> None:
    where = f"repos.{repo}.data"
    require_inside(path, where)
    for parent in PurePosixPath(path).parents:
        entry = tree.by_path.get(str(parent))
        if entry is not None:
            kind = "a symbolic link, and the data link would leave the repo" if entry.is_link else "a file"
            raise ManifestError(
                f"{where}: {path!r} cannot be placed: {parent} is {kind}", hint="choose another path for the data link"
            )
    taken = [entry.path for entry in tree.entries if entry.path == path or entry.path.startswith(f"{path}/")]
    if taken:
        raise ManifestError(
            f"{where}: {path!r} cannot be placed: the repo has {taken[0]} there",
            hint="choose another path for the data link, or take those files out of the repo",
        )


def places_of(content: Content) -> dict[str, Digest | str]:
    """Every path below the root with its digest, or its link target: what two equal trees have equal."""
    found: dict[str, Digest | str] = {places.PAGE: Digest.of(content.page)}
    for folder, tree in content.folders().items():
        for entry in tree.entries:
            found[f"{folder}/{entry.path}"] = entry.target if entry.target is not None else _digest(entry)
    return found


def _digest(entry: Entry) -> Digest:
    assert entry.digest is not None
    return entry.digest
