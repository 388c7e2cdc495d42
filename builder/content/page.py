"""The landing page: what is in this workshop, where to start, whose data it is, where to get help.

One self-contained file that works served by Jupyter at `/workshop/` and opened from a folder; same views, same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from builder import places
from builder.content.views import DatasetView, RepoView, WorkshopView, dataset_view, repo_view, workshop_view
from builder.manifest import Choice
from builder.store.objects import Store
from builder.store.trees import Tree

UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def page_of(choice: Choice, repos: Mapping[str, Tree], datasets: Mapping[str, Tree], store: Store) -> bytes:
    """The page of what a profile chose, repos in the manifest's order; the trees are those of the lock."""
    ordered = [name for name in choice.manifest.repos if name in choice.repos]
    return render(
        workshop_view(choice.manifest),
        [repo_view(name, choice.repos[name], repos[name], store) for name in ordered],
        [dataset_view(name, card, datasets[name], choice) for name, card in sorted(choice.datasets.items())],
        jupyter=choice.manifest.services.jupyter is not None,
    )


def render(
    workshop: WorkshopView, repos: Sequence[RepoView], datasets: Sequence[DatasetView], *, jupyter: bool = True
) -> bytes:
    """The page as UTF-8 HTML. Without `jupyter`, notebooks and data link to the files themselves."""
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"size": size_text, "is_address": is_address}
    template = environment.from_string((files("builder.content") / "page.html.j2").read_text(encoding="utf-8"))
    page = template.render(workshop=workshop, repos=repos, datasets=datasets, jupyter=jupyter, places=places)
    return page.encode()


def size_text(size: int) -> str:
    """Bytes for people, in decimal units: `30.9 MB`."""
    for unit, factor in UNITS:
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def is_address(text: str) -> bool:
    """Whether a line of help is an address to link to, not a sentence."""
    return text.startswith(("https://", "http://", "mailto:")) and " " not in text
