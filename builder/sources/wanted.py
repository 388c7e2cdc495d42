"""Every repo and dataset of a choice with its source, and the work on them side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from builder.digest import key_of
from builder.manifest import Choice, Lock, Pin
from builder.sources.dataset import of_files
from builder.sources.recipe import Runner
from builder.sources.repo import of_repo
from builder.sources.source import ONLINE, Network, Source
from builder.sources.together import outcomes, values
from builder.store.objects import Store

T = TypeVar("T")
_WORKERS = 4


@dataclass(frozen=True)
class Wanted:
    """A repo or dataset: where it stands in the lock, the key of what the manifest says about it, and its source.

    `recipe` is the key of what is made of a dataset's files, None where they stay as they are; `has_command` says
    whether a command of its author's makes them.
    """

    group: str
    name: str
    kind: str
    inputs: str
    source: Source
    recipe: str | None = None
    has_command: bool = False

    @property
    def title(self) -> str:
        return f"{self.group}.{self.name}"

    def pin(self, lock: Lock | None) -> Pin | None:
        """Its pin in a lock, if it is there and the manifest still says the same."""
        found = self._found(lock)
        return found if found is not None and found.is_for(self.inputs, self.recipe) else None

    def resolved(self, lock: Lock | None) -> dict[str, str] | None:
        """What a lock resolved it to, also where the manifest now says another recipe."""
        found = self._found(lock)
        return dict(found.resolved) if found is not None and found.inputs == self.inputs else None

    def _found(self, lock: Lock | None) -> Pin | None:
        pins = {} if lock is None else lock.repos if self.group == "repos" else lock.datasets
        return pins.get(self.name)


def wanted(choice: Choice, store: Store, network: Network = ONLINE, runner: Runner | None = None) -> list[Wanted]:
    """All that a choice needs from outside or from local folders; `runner` runs the commands of recipes."""
    repos = [
        Wanted("repos", name, repo.kind, key_of(repo.inputs()), of_repo(repo, choice.folder, store, network))
        for name, repo in choice.repos.items()
    ]
    datasets = [
        Wanted(
            "datasets",
            name,
            "files",
            key_of(card.inputs()),
            of_files(card, choice.folder, store, network, runner),
            card.recipe_key,
            card.has_command,
        )
        for name, card in choice.datasets.items()
    ]
    return repos + datasets


def names_of(choice: Choice) -> list[str]:
    """What the repos and datasets of a choice may be called: by name, or by place in the lock as well."""
    groups = {"repos": choice.repos, "datasets": choice.datasets}
    return [called for group, items in groups.items() for name in items for called in (name, f"{group}.{name}")]


def side_by_side(work: Callable[[Wanted], T], items: Sequence[Wanted]) -> list[T]:
    """Do the work on all items, some at a time, in their order. All of them are tried; then every failure is told."""
    return values(outcomes(work, items, _WORKERS), [item.title for item in items])
