"""From what the manifest says to what exactly is meant: commits, versions, digests; written down in the lock."""

from __future__ import annotations

from collections.abc import Collection

from builder.errors import LockError
from builder.manifest import Choice, Lock, Pin, changes
from builder.progress import Journal
from builder.sources.recipe import Runner
from builder.sources.source import ONLINE, Network
from builder.sources.wanted import Wanted, side_by_side, wanted
from builder.store.objects import Store
from builder.store.trees import Tree, put_tree

_HINT = "python3 build.py lock"


def resolve(
    choice: Choice,
    old: Lock | None,
    store: Store,
    journal: Journal,
    *,
    update: Collection[str] = (),
    locked: bool = False,
    network: Network = ONLINE,
    runner: Runner | None = None,
) -> Lock:
    """The lock for a choice, and all bytes of what is new in it in the store.

    A pin of `old` is kept while the manifest says the same about it and `update` does not name it (`NAME`,
    `repos.NAME` or `datasets.NAME`); local folders and files are looked at each time. What the choice does not name
    keeps its pin: see `pruned`. With `locked`, any difference to `old` is a LockError, and nothing is resolved anew.
    """
    items = wanted(choice, store, network, runner)
    _require_names(update, items)
    if locked:
        _require_pins(items, old)

    def work(item: Wanted) -> Pin:
        return _pin(item, old, store, journal, is_updated=bool({item.name, item.title} & set(update)))

    pins = dict(zip((item.title for item in items), side_by_side(work, items), strict=True))
    base = old or Lock()
    new = Lock(
        base=base.base,
        repos={**base.repos, **{item.name: pins[item.title] for item in items if item.group == "repos"}},
        datasets={**base.datasets, **{item.name: pins[item.title] for item in items if item.group == "datasets"}},
    )
    if locked and new != old:
        raise LockError(f"manifest.lock is stale: {'; '.join(changes(old, new))}", hint=_HINT, where="manifest.lock")
    return new


def pruned(lock: Lock, choice: Choice) -> Lock:
    """The lock without the pins of repos the manifest no longer has, and of datasets no repo of it links to."""
    repos = choice.manifest.repos
    linked = {dataset for repo in repos.values() for dataset in repo.data.values()} | set(choice.datasets)
    return Lock(
        base=lock.base,
        repos={name: pin for name, pin in lock.repos.items() if name in repos},
        datasets={name: pin for name, pin in lock.datasets.items() if name in linked},
    )


def _pin(item: Wanted, old: Lock | None, store: Store, journal: Journal, *, is_updated: bool) -> Pin:
    kept = None if is_updated else item.pin(old)
    if kept is not None and not item.source.is_local:
        return kept
    with journal.stage(f"lock {item.title}") as stage:
        known = None if is_updated else item.resolved(old)
        resolved = item.source.resolve() if known is None else known
        tree = item.source.bring(resolved, store)
        put_tree(tree, store)
        stage.cached = kept is not None and kept.tree == tree.digest
        stage.bytes_in = 0 if stage.cached else tree.size
    return pin_of(item, resolved, tree)


def pin_of(item: Wanted, resolved: dict[str, str], tree: Tree) -> Pin:
    return Pin(
        kind=item.kind,
        inputs=item.inputs,
        recipe=item.recipe,
        resolved=resolved,
        tree=tree.digest,
        files=len(tree.entries),
        bytes=tree.size,
    )


def _require_names(update: Collection[str], items: list[Wanted]) -> None:
    known = {item.name for item in items} | {item.title for item in items}
    for name in sorted(set(update) - known):
        listed = ", ".join(["base", *sorted(item.title for item in items)])
        raise LockError(f"there is no {name} to update", hint=f"name one of: {listed}")


def _require_pins(items: list[Wanted], old: Lock | None) -> None:
    if old is None:
        raise LockError("there is no manifest.lock", hint=_HINT, where="manifest.lock")
    stale = [item.title for item in items if item.pin(old) is None]
    if stale:
        raise LockError(
            f"manifest.lock is stale: the manifest says something else about {', '.join(stale)}",
            hint=_HINT,
            where="manifest.lock",
        )
