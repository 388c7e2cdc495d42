"""The landing page: what is in this workshop, where to start, whose data it is, where to get help.

One self-contained file that works served by Jupyter at `/workshop/` and opened from a folder; same views, same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import PurePosixPath

from jinja2 import Environment, StrictUndefined

from builder import places
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


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
    """What the page shows of a dataset; `bytes` and `files` are counted, `used_by` names repos."""

    name: str
    title: str
    licence: str
    citation: str = ""
    homepage: str = ""
    bytes: int = 0
    files: int = 0
    used_by: Sequence[str] = ()


@dataclass(frozen=True)
class WorkshopView:
    """The workshop's own words; `help` holds addresses or sentences."""

    title: str
    version: str = ""
    description: str = ""
    help: Sequence[str] = ()


def render(
    workshop: WorkshopView, repos: Sequence[RepoView], datasets: Sequence[DatasetView], *, jupyter: bool = True
) -> bytes:
    """The page as UTF-8 HTML. Without `jupyter`, notebooks and data link to the files themselves."""
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"size": size_text, "is_address": is_address}
    template = environment.from_string((files("builder.content") / "page.html.j2").read_text(encoding="utf-8"))
    page = template.render(workshop=workshop, repos=repos, datasets=datasets, jupyter=jupyter, places=places)
    return page.encode()


def notebooks_of(tree: Tree, store: Store) -> tuple[Link, ...]:
    """Every notebook of a repo, in order of path, by its first heading; checkpoints and hidden folders left out."""
    return tuple(
        Link(entry.path, _notebook_title(entry, store))
        for entry in tree.entries
        if entry.path.endswith(".ipynb") and not _is_hidden(entry.path)
    )


def pages_of(tree: Tree, globs: Iterable[str] | None = None) -> tuple[Link, ...]:
    """A repo's pages in order of path: those that match its `pages`, by default the HTML files at its top."""
    patterns = ("*.html",) if globs is None else tuple(globs)
    paths = [entry.path for entry in tree.entries if not _is_hidden(entry.path)]
    return tuple(Link(path, _spoken(path)) for path in paths if any(_matches(path, pattern) for pattern in patterns))


def size_text(size: int) -> str:
    """Bytes for people, in decimal units: `30.9 MB`."""
    for unit, factor in UNITS:
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def is_address(text: str) -> bool:
    """Whether a line of help is an address to link to, not a sentence."""
    return text.startswith(("https://", "http://", "mailto:")) and " " not in text


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
    except (ValueError, KeyError, TypeError):
        return _spoken(entry.path)
    headings = (line[2:].strip() for text in texts for line in text.splitlines() if line.startswith("# "))
    return next(headings, _spoken(entry.path))


def _spoken(path: str) -> str:
    """`lab/02-more_words.html` → `02 more words`; an index is called after its folder."""
    own = PurePosixPath(path)
    name = own.parent.name if own.stem == "index" and own.parent.name else own.stem
    return name.replace("-", " ").replace("_", " ")
