"""A workshop of one dataset, `words`: written, locked and fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from builder.manifest import Choice, Lock, load
from builder.progress import Journal
from builder.sources.lock import resolve
from builder.sources.source import Network
from builder.store.objects import Store
from builder.store.trees import get_tree

HASTY = Network(tries=2, pause=0)


def choice_of(folder: Path, files: list[dict[str, Any]], **card: Any) -> Choice:
    """A workshop in `folder` whose only dataset has these files."""
    (folder / "lesson").mkdir(parents=True, exist_ok=True)
    (folder / "lesson" / "one.ipynb").write_text("{}")
    (folder / "datasets").mkdir(exist_ok=True)
    card = {"title": "Words", "licence": "CC0-1.0", **card, "files": files}
    (folder / "datasets" / "words.yaml").write_text(yaml.safe_dump(card))
    repos = {"lesson": {"path": "lesson", "data": {"data": "words"}}}
    profiles = {"default": {"private": bool(card.get("private"))}}
    manifest = {"workshop": "w", "base": {"debian": "bookworm"}, "repos": repos, "profiles": profiles}
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    return load(folder / "manifest.yaml").choose()


def locked(choice: Choice, store: Store, old: Lock | None = None, network: Network = HASTY, **options: Any) -> Lock:
    return resolve(choice, old, store, Journal(), network=network, **options)


def resolved(lock: Lock) -> dict[str, str]:
    return dict(lock.datasets["words"].resolved)


def contents(lock: Lock, store: Store) -> dict[str, bytes]:
    """The dataset's files by path."""
    entries = get_tree(lock.datasets["words"].tree, store).entries
    return {entry.path: store.read(entry.digest) for entry in entries if entry.digest is not None}
