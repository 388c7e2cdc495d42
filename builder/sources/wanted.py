"""Every repo and dataset of a choice with its source, and the work on them side by side."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from builder.digest import key_of
from builder.errors import BuilderError
from builder.manifest import Choice, Lock, Pin
from builder.sources.dataset import of_files
from builder.sources.repo import of_repo
from builder.sources.source import ONLINE, Network, Source
from builder.store.objects import Store

T = TypeVar("T")
_WORKERS = 4


@dataclass(frozen=True)
class Wanted:
    """A repo or dataset: where it stands in the lock, the key of what the manifest says about it, and its source."""

    group: str
    name: str
    kind: str
    inputs: str
    source: Source

    @property
    def title(self) -> str:
        return f"{self.group}.{self.name}"

    def pin(self, lock: Lock | None) -> Pin | None:
        """Its pin in a lock, if it is there and the manifest still says the same."""
        pins = {} if lock is None else lock.repos if self.group == "repos" else lock.datasets
        found = pins.get(self.name)
        return found if found is not None and found.inputs == self.inputs else None


def wanted(choice: Choice, store: Store, network: Network = ONLINE) -> list[Wanted]:
    """All that a choice needs from outside or from local folders."""
    repos = [
        Wanted("repos", name, repo.kind, key_of(repo.inputs()), of_repo(repo, choice.folder, store, network))
        for name, repo in choice.repos.items()
    ]
    datasets = [
        Wanted("datasets", name, "files", key_of(card.inputs()), of_files(card, choice.folder, store, network))
        for name, card in choice.datasets.items()
    ]
    return repos + datasets


def side_by_side(work: Callable[[Wanted], T], items: Sequence[Wanted]) -> list[T]:
    """Do the work on all items, some at a time, in their order. All of them are tried; then every failure is told."""
    ahead: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: dict[int, T] = {}
    failed: dict[int, BaseException] = {}
    for place in range(len(items)):
        ahead.put(place)

    def labour() -> None:
        while True:
            try:
                place = ahead.get_nowait()
            except queue.Empty:
                return
            try:
                done[place] = work(items[place])
            except BaseException as error:  # it is raised again below, in the thread that called
                failed[place] = error

    # Daemons, so that Ctrl-C ends at once: what they leave half done, the store sweeps.
    workers = [threading.Thread(target=labour, daemon=True) for _ in range(min(_WORKERS, len(items)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed:
        raise _together([(items[place].title, failed[place]) for place in sorted(failed)], len(items))
    return [done[place] for place in range(len(items))]


def _together(failures: list[tuple[str, BaseException]], total: int) -> BaseException:
    first = failures[0][1]
    for _, error in failures:
        if not isinstance(error, BuilderError):
            return error
    told = [f"{title}: {error}" for title, error in failures]
    message = told[0] if len(told) == 1 else f"{len(told)} of {total} failed:\n  " + "\n  ".join(told)
    assert isinstance(first, BuilderError)
    combined = type(first)(message, hint=first.hint, where=first.where)
    combined.__cause__ = first
    return combined
