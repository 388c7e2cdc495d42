"""What the landing page shows: repos with their notebooks and pages, datasets with their licences, as plain values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from html import unescape
from pathlib import PurePosixPath

from builder.content.libraries import LIBRARIES, libraries_of
from builder.manifest import Card, Choice, Manifest, Repo
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Link:
    """A file in a repo that a visitor opens: its path below the repo, and what to call it."""

    path: str
    title: str


@dataclass(frozen=True)
class RepoView:
    """What the page shows of a repo; `links` are its data links, `{path in the repo: dataset}`."""

    name: str
    title: str
    description: str = ""
    notebooks: Sequence[Link] = ()
    pages: Sequence[Link] = ()
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetView:
    """What the page shows of a dataset; `bytes` and `files` are counted.

    `used_by` names repos, `libraries` what finds it without a path.
    """

    name: str
    title: str
    licence: str
    description: str = ""
    citation: str = ""
    homepage: str = ""
    bytes: int = 0
    files: int = 0
    used_by: Sequence[str] = ()
    libraries: Sequence[str] = ()


@dataclass(frozen=True)
class WorkshopView:
    """The workshop's own words; `help` holds addresses or sentences; `published` is where newer repos will be."""

    title: str
    version: str = ""
    description: str = ""
    help: Sequence[str] = ()
    published: str = ""


def workshop_view(manifest: Manifest) -> WorkshopView:
    return WorkshopView(manifest.title, manifest.version, manifest.description, manifest.help, manifest.published or "")


def repo_view(name: str, repo: Repo, tree: Tree, store: Store) -> RepoView:
    """`tree` is the repo's, with or without its data links."""
    globs = repo.pages if "pages" in repo.model_fields_set else None
    return RepoView(
        name,
        repo.title or name,
        repo.description or "",
        notebooks_of(tree, store),
        pages_of(tree, store, globs),
        repo.data,
    )


def dataset_view(name: str, card: Card, tree: Tree, choice: Choice) -> DatasetView:
    users = tuple(repo for repo, spec in sorted(choice.repos.items()) if name in spec.data.values())
    return DatasetView(
        name, card.title, card.licence, card.description, card.citation or "", card.homepage or "", tree.size,
        sum(not entry.is_link for entry in tree.entries), users,
        tuple(LIBRARIES[library].title for library in libraries_of({name: card})),
    )  # fmt: skip


def notebooks_of(tree: Tree, store: Store) -> tuple[Link, ...]:
    """Every notebook of a repo, in order of path, by its first heading; checkpoints and hidden folders left out."""
    return tuple(
        Link(entry.path, _notebook_title(entry, store))
        for entry in tree.entries
        if entry.path.endswith(".ipynb") and not _is_hidden(entry.path)
    )


def pages_of(tree: Tree, store: Store, globs: Iterable[str] | None = None) -> tuple[Link, ...]:
    """A repo's pages in order of path: those that match its `pages`, by default the HTML files at its top."""
    patterns = ("*.html",) if globs is None else tuple(globs)
    return tuple(
        Link(entry.path, _page_title(entry, store))
        for entry in tree.entries
        if not _is_hidden(entry.path) and any(_matches(entry.path, pattern) for pattern in patterns)
    )


def _matches(path: str, pattern: str) -> bool:
    """Like a shell: `*` stays within one folder, `**/` goes through any number of them."""
    if pattern.startswith("**/"):
        parts = path.split("/")
        return any(_matches("/".join(parts[start:]), pattern[3:]) for start in range(len(parts)))
    steps, names = pattern.split("/"), path.split("/")
    return len(steps) == len(names) and all(map(fnmatchcase, names, steps))


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(path).parts)


def _notebook_title(entry: Entry, store: Store) -> str:
    """The first heading, else the file's name: a notebook that cannot be read here may still open in Jupyter."""
    if entry.digest is None:
        return _spoken(entry.path)
    try:
        cells = json.loads(store.read(entry.digest))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _spoken(entry.path)
    headings = (line[2:].strip() for text in texts for line in text.splitlines() if line.startswith("# "))
    return next(headings, _spoken(entry.path))


def _page_title(entry: Entry, store: Store) -> str:
    found = _TITLE.search(store.read(entry.digest)) if entry.digest is not None else None
    title = " ".join(unescape(found[1].decode(errors="replace")).split()) if found else ""
    return title or _spoken(entry.path)


def _spoken(path: str) -> str:
    """`lab/02-more_words.html` → `02 more words`; an index is called after its folder."""
    own = PurePosixPath(path)
    name = own.parent.name if own.stem == "index" and own.parent.name else own.stem
    return name.replace("-", " ").replace("_", " ")
