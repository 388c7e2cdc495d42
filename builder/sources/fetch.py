"""Everything locked, into the store: what is there is only looked at, what is missing is brought and verified."""

from __future__ import annotations

from builder.errors import IntegrityError, LockError
from builder.manifest import Choice, Lock, Pin
from builder.progress import Journal
from builder.sources.recipe import Runner
from builder.sources.source import ONLINE, Network
from builder.sources.wanted import Wanted, side_by_side, wanted
from builder.store.objects import Store
from builder.store.trees import get_tree, put_tree

_LOOK = "look at what changed"


def fetch(
    lock: Lock,
    choice: Choice,
    store: Store,
    journal: Journal,
    *,
    network: Network = ONLINE,
    runner: Runner | None = None,
) -> None:
    """Bring every tree of a choice that the store has not whole.

    Raises LockError for what the lock does not name or what a local folder no longer holds, IntegrityError for bytes
    that are not the locked ones, SourceError for what cannot be had. All failures are told together.
    """

    def work(item: Wanted) -> None:
        pin = item.pin(lock)
        if pin is None:
            raise LockError(
                f"{item.title} is not in manifest.lock as the manifest has it", hint="python3 build.py lock"
            )
        with journal.stage(f"fetch {item.title}") as stage:
            stage.cached = is_present(pin, store)
            if not stage.cached:
                _bring(item, pin, store)
                stage.bytes_in = pin.bytes

    side_by_side(work, wanted(choice, store, network, runner))


def is_present(pin: Pin, store: Store) -> bool:
    """Whether a pin's tree and all its files are in the store."""
    return store.has(pin.tree) and not get_tree(pin.tree, store).missing(store)


def _bring(item: Wanted, pin: Pin, store: Store) -> None:
    tree = item.source.bring(pin.resolved, store)
    if tree.digest == pin.tree:
        put_tree(tree, store)
    elif item.source.is_local:
        raise LockError(f"{item.title} has changed since it was locked", hint="python3 build.py lock")
    else:
        advice = "let the command of its recipe depend on nothing but its files" if item.has_command else _LOOK
        raise IntegrityError(
            f"{item.title} is not what was locked: expected the tree {pin.tree}, received {tree.digest}; not used",
            hint=f"{advice}, then: python3 build.py lock --update {item.name}",
        )
