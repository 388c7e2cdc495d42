"""What a build would fetch, reuse, make and weigh. Looks only at the manifest, the lock and the store.

Of what is not locked, servers are asked how long the files are, if there is a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from builder.digest import Digest, key_of
from builder.manifest.lock import Lock, Pin
from builder.manifest.manifest import Base
from builder.manifest.workshop import Choice
from builder.sources.sizes import ToFetch, asked_sizes, locked_size
from builder.sources.source import ONLINE, Network
from builder.sources.wanted import Wanted, wanted
from builder.store.objects import Store
from builder.store.trees import Tree, get_tree
from builder.system.base import BASE, base_size, is_pinned

PATIENCE = 4.0
"""Seconds for which servers are asked how long files are."""
WORTH_TELLING = 10**6
Held = Mapping[str, Set[Digest | None]]
"""The digests of each dataset's files, by its name."""


@dataclass(frozen=True)
class Row:
    """One repo, dataset or base image, in bytes.

    `bytes` is what it weighs in the image, unpacked, and `here` what of that the store has. `to_fetch` is on the wire;
    unless `is_exact` it is a guess: more where some length is not known, unpacked where the lock tells none.
    `saved_image` is what a copy for each further data link would weigh, `saved_store` what equal files would that are
    kept once. `twice` is what a repo carries of its own and a dataset holds too, by dataset. `is_locked` is False for
    what the lock does not name yet: its bytes are not known, and 0 here.
    """

    what: str
    kind: str
    bytes: int = 0
    here: int = 0
    to_fetch: int = 0
    is_locked: bool = False
    is_exact: bool = True
    saved_image: int = 0
    saved_store: int = 0
    twice: Mapping[str, int] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""

    @property
    def saved(self) -> int:
        return self.saved_image + self.saved_store


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

    @property
    def total(self) -> Row:
        """All rows as one."""
        sums = {one.name: sum(getattr(row, one.name) for row in self.rows) for one in fields(Row) if one.type == "int"}
        is_locked = all(row.is_locked for row in self.rows)
        return Row("total", "", **sums, is_locked=is_locked, is_exact=all(row.is_exact for row in self.rows))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "total": asdict(self.total), "weight": self.weight, "is_over": self.is_over}


@dataclass(frozen=True)
class _Known:
    """Something wanted, its pin if it is locked, and its tree if that is in the store."""

    item: Wanted
    pin: Pin | None
    tree: Tree

    @property
    def is_dataset(self) -> bool:
        return self.item.group == "datasets"


def plan(choice: Choice, lock: Lock | None, store: Store, network: Network = ONLINE) -> Plan:
    """Plan a build; nothing is fetched, made or written."""
    items = sorted(wanted(choice, store, network), key=lambda item: (item.group, item.name))
    known = [_known(item, item.pin(lock), store) for item in items]
    unlocked = [item for item in items if item.pin(lock) is None]
    asked = asked_sizes([item.source for item in unlocked], network, PATIENCE)
    incoming = dict(zip((item.title for item in unlocked), asked, strict=True))
    seen: set[Digest] = set()
    rows = [
        replace(_row(one, incoming.get(one.item.title), store), saved_store=_repeated(one.tree, seen)) for one in known
    ]
    held = {one.item.name: {entry.digest for entry in one.tree.entries} for one in known if one.is_dataset}
    rows = [_described(row, one, held, choice) for row, one in zip(rows, known, strict=True)]
    return _weighed((*_base_rows(choice.manifest.base, (lock or Lock()).base, store), *rows), choice, store)


def weight_key(choice: Choice) -> str:
    """Names the measured weights of the last build of this workshop and profile."""
    return key_of([choice.manifest.workshop, choice.profile, sorted(choice.repos)])


def _weighed(rows: tuple[Row, ...], choice: Choice, store: Store) -> Plan:
    content = sum(row.bytes for row in rows)
    measured = store.recall("weight", weight_key(choice)) or {}
    weights: dict[str, int] = {output: measured.get(output, content) for output in choice.outputs}
    is_known = all(output in measured for output in choice.outputs) and all(row.is_locked for row in rows)
    return Plan(choice.profile, rows, weights, is_known, choice.budget)


def _base_rows(base: Base, pin: Mapping[str, str], store: Store) -> tuple[Row, ...]:
    """What an image as base weighs, packed; nothing for a release, which is made here."""
    if base.image is None:
        return ()
    if not is_pinned(pin, base.image):
        return (Row(BASE, "image", is_exact=False),)
    here = base_size(pin, store) or 0
    told = pin.get("bytes", "")
    size = here or (int(told) if told.isdecimal() else 0)
    return (Row(BASE, "image", size, here, size - here, is_locked=True),)


def _known(item: Wanted, pin: Pin | None, store: Store) -> _Known:
    return _Known(item, pin, get_tree(pin.tree, store) if pin and store.has(pin.tree) else Tree(()))


def _row(one: _Known, asked: ToFetch | None, store: Store) -> Row:
    what = f"{'dataset' if one.is_dataset else 'repo'} {one.item.name}"
    pin = one.pin
    if pin is None:
        size = asked or ToFetch(0, is_exact=False)
        return Row(what, one.item.kind, to_fetch=size.bytes, is_exact=size.is_exact)
    here = one.tree.size - sum(entry.size for entry in one.tree.missing(store))
    if store.has(pin.tree) and here == pin.bytes:
        return Row(what, one.item.kind, pin.bytes, here, is_locked=True)
    guess = ToFetch(0, is_exact=True) if one.item.source.is_local else ToFetch(pin.bytes - here, is_exact=False)
    size = locked_size(pin, store) or guess
    return Row(what, one.item.kind, pin.bytes, here, size.bytes, is_locked=True, is_exact=size.is_exact)


def _repeated(tree: Tree, seen: set[Digest]) -> int:
    """What a tree's files weigh that are in the store already, as files of it or of a tree before."""
    repeated = 0
    for entry in tree.entries:
        if entry.digest is not None:
            repeated += entry.size if entry.digest in seen else 0
            seen.add(entry.digest)
    return repeated


def _described(row: Row, one: _Known, held: Held, choice: Choice) -> Row:
    name = one.item.name
    if not one.is_dataset:
        return replace(row, twice=_twice(one.tree, held))
    links = sum(list(repo.data.values()).count(name) for repo in choice.repos.values())
    card = choice.datasets[name]
    saved = row.bytes * (links - 1)
    return replace(row, saved_image=saved, licence=card.licence, citation=card.citation or "")


def _twice(tree: Tree, held: Held) -> dict[str, int]:
    """For each dataset what a repo holds of it in files of its own, which are then in the image twice."""
    sizes = [(entry.digest, entry.size) for entry in tree.entries if entry.digest is not None]
    found = {name: sum(size for digest, size in sizes if digest in held[name]) for name in held}
    return {name: size for name, size in found.items() if size >= WORTH_TELLING}
