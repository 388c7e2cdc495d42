"""What a build would fetch, reuse, make and weigh. Looks only at the manifest, the lock and the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from builder.digest import key_of
from builder.manifest.lock import Lock, Pin
from builder.manifest.manifest import Base
from builder.manifest.workshop import Choice
from builder.store.objects import Store
from builder.store.trees import get_tree
from builder.system.base import BASE, base_size, is_pinned


@dataclass(frozen=True)
class Row:
    """One repo, dataset or base image, in bytes: what it weighs, what of it is here, what is to be fetched.

    `is_locked` is False for what the lock does not name yet; its bytes are then unknown and counted as 0.
    """

    what: str
    kind: str
    bytes: int
    here: int
    to_fetch: int
    is_locked: bool


@dataclass(frozen=True)
class Plan:
    """Rows, and each output's weight in bytes: measured where it was built before, else from what goes into it.

    `is_known` is False while a system has never been built or something is not locked; weights are then lower bounds.
    """

    profile: str
    rows: tuple[Row, ...]
    weights: Mapping[str, int]
    is_known: bool
    budget: int | None

    @property
    def weight(self) -> int:
        return sum(self.weights.values())

    @property
    def is_over(self) -> bool:
        return self.budget is not None and self.weight > self.budget

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "weight": self.weight, "is_over": self.is_over}


def plan(choice: Choice, lock: Lock | None, store: Store) -> Plan:
    """Plan a build; nothing is fetched, made or written."""
    known = lock or Lock()
    rows = (
        *_base_rows(choice.manifest.base, known.base, store),
        *(_row(f"dataset {name}", "card", known.datasets.get(name), (key_of(card.inputs()), card.recipe_key), store)
          for name, card in choice.datasets.items()),
        *(_row(f"repo {name}", repo.kind, known.repos.get(name), (key_of(repo.inputs()), None), store)
          for name, repo in choice.repos.items()),
    )  # fmt: skip
    content = sum(row.bytes for row in rows)
    measured = store.recall("weight", weight_key(choice)) or {}
    weights: dict[str, int] = {output: measured.get(output, content) for output in choice.outputs}
    is_known = all(output in measured for output in choice.outputs) and all(row.is_locked for row in rows)
    return Plan(choice.profile, rows, weights, is_known, choice.budget)


def weight_key(choice: Choice) -> str:
    """Names the measured weights of the last build of this workshop and profile."""
    return key_of([choice.manifest.workshop, choice.profile, sorted(choice.repos)])


def _base_rows(base: Base, pin: Mapping[str, str], store: Store) -> tuple[Row, ...]:
    """What an image as base weighs, packed; nothing for a release, which is made here."""
    if base.image is None:
        return ()
    if not is_pinned(pin, base.image):
        return (Row(BASE, "image", 0, 0, 0, is_locked=False),)
    here = base_size(pin, store) or 0
    told = pin.get("bytes", "")
    size = here or (int(told) if told.isdecimal() else 0)
    return (Row(BASE, "image", size, here, size - here, is_locked=True),)


def _row(what: str, kind: str, pin: Pin | None, said: tuple[str, str | None], store: Store) -> Row:
    if pin is None or not pin.is_for(*said):
        return Row(what, kind, 0, 0, 0, is_locked=False)
    if not store.has(pin.tree):
        return Row(what, kind, pin.bytes, 0, pin.bytes, is_locked=True)
    missing = sum(entry.size for entry in get_tree(pin.tree, store).missing(store))
    return Row(what, kind, pin.bytes, pin.bytes - missing, missing, is_locked=True)
