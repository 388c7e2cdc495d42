"""An edition: what a workshop's repos and datasets are, as image and appliance know it, and as it is published.

`workshop` in the guest compares the one it came with to the one at the published address (`guest/at_home/`, whose
`edition.py` reads what is written here).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from builder.digest import canonical_json
from builder.manifest import Choice
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

FORMAT = 1
STATE = ".workshop"
"""Below the repos' folder: so a volume that is mounted there keeps what is known of it."""
LARGEST = 1 << 20
"""Bytes of an original that goes along, so that `workshop reset` and merging need no network."""
EDITED = (
    ".ipynb", ".py", ".md", ".rst", ".txt", ".r", ".R", ".Rmd", ".qmd", ".jl", ".sh", ".js", ".html", ".css", ".json",
    ".yaml", ".yml", ".toml", ".cfg", ".ini", ".csv", ".tsv", ".sql", ".tex", ".c", ".h", ".cpp", ".java", ".rs", ".go",
)  # fmt: skip
"""How the names of files end that people edit."""


def edition_json(choice: Choice, repos: Mapping[str, Tree], datasets: Mapping[str, Tree]) -> bytes:
    """The edition of a choice; the repos' trees hold their data links."""
    manifest = choice.manifest
    return canonical_json(
        {
            "format": FORMAT,
            "workshop": manifest.workshop,
            "title": manifest.title,
            "version": manifest.version,
            "published": manifest.published or "",
            "repos": {name: _area(choice.repos[name].title or name, tree) for name, tree in repos.items()},
            "datasets": {name: _area(choice.datasets[name].title, tree) for name, tree in datasets.items()},
        }
    )


def _area(title: str, tree: Tree) -> dict[str, Any]:
    return {"title": title, "tree": tree.to_json()}


def state_tree(edition: bytes, repos: Mapping[str, Tree], store: Store) -> Tree:
    """What stands below the repos' folder, so that `workshop` knows edits from originals and has those at hand."""
    blob = store.put_bytes(edition)
    store.hold(blob)
    listed = Entry(f"{STATE}/edition.json", blob.digest, blob.size)
    return Tree.of([listed, *_originals(repos)], origin=STATE)


def _originals(repos: Mapping[str, Tree]) -> Iterator[Entry]:
    entries = (entry for tree in repos.values() for entry in tree.entries)
    for digest, size in sorted({(entry.digest, entry.size) for entry in entries if _is_edited(entry)}):
        if digest is not None:
            yield Entry(f"{STATE}/objects/{digest.hex[:2]}/{digest.hex[2:]}", digest, size)


def _is_edited(entry: Entry) -> bool:
    return entry.digest is not None and entry.size <= LARGEST and entry.path.endswith(EDITED)
