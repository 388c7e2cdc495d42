"""Objects and records given to a remote store and taken from it; only what the other side has not, verified on the way.

An object proves itself by its digest. A record cannot: who may write to a remote decides which systems and layers those
who pull from it reuse, as with a registry of images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from builder.digest import Digest, canonical_json
from builder.errors import IntegrityError, SourceError
from builder.files import write_whole
from builder.remote import Remote
from builder.sources.links import require_links_inside
from builder.sources.together import outcomes
from builder.store.marks import Marks, is_tree, named_in
from builder.store.objects import Store
from builder.store.shelves import shelves
from builder.store.trees import Tree, get_tree

Item = TypeVar("Item")
Result = TypeVar("Result")
WORKERS = 16
_RECORD = re.compile(r"[a-z0-9-]+/[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{62}")
_PATH = re.compile(rb'"/')


@dataclass
class Moved:
    """What was sent or received: objects and their bytes, records; `present` were there already.

    `absent` are digests that were looked for in vain; `wrong` is a sentence for each object whose bytes were others.
    """

    objects: int = 0
    bytes: int = 0
    present: int = 0
    records: int = 0
    absent: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def push(store: Store, remote: Remote, marks: Marks | None, names: Collection[str], index: str) -> Moved:
    """Send the marked objects (None: all), then those of the records that other machines can use, then their list.

    `index` is the list's name: pull finds the records by it.
    """
    moved = Moved()
    prefixes = {shelf.prefix: shelf for shelf in shelves(store.root) if shelf.prefix}
    there = dict(zip(prefixes, _each(lambda prefix: remote.listed(f"objects/{prefix}"), list(prefixes)), strict=True))
    wanted: list[tuple[str, int]] = []
    for prefix, shelf in prefixes.items():
        chosen = shelf.names if marks is None else marks.on(prefix).intersection(shelf.names)
        for name, size in shelf.sizes(sorted(chosen)):
            if there[prefix].get(name) == size:
                moved.present += 1
            else:
                wanted.append((prefix + name, size))

    def send(item: tuple[str, int]) -> None:
        digest = item[0]
        remote.write(f"objects/{digest[:2]}/{digest[2:]}", store.path(Digest(digest)))

    _each(send, wanted)
    moved.objects, moved.bytes = len(wanted), sum(size for _, size in wanted)
    _push_records(store, remote, names, index, moved)
    return moved


def _push_records(store: Store, remote: Remote, names: Collection[str], index: str, moved: Moved) -> None:
    useful = [name for name in sorted(names) if is_useful_elsewhere(name, store)]
    known = {f"{kind}/{key}" for kind in {name.partition("/")[0] for name in useful}
             for key in remote.listed(f"records/{kind}")}  # fmt: skip
    new = [name for name in useful if name not in known]
    _each(lambda name: remote.write(f"records/{name}", (store.root / "records" / name).read_bytes()), new)
    remote.write(f"workshops/{index}.json", canonical_json({"records": useful}))
    moved.records = len(new)


def is_useful_elsewhere(record: str, store: Store) -> bool:
    """Whether a record names objects that are here, and no place on this machine."""
    path = store.root / "records" / record
    if not _RECORD.fullmatch(record) or not path.exists():
        return False
    data = path.read_bytes()
    return not _PATH.search(data) and any(store.has(Digest(digest)) for digest in named_in(data))


def pull(store: Store, remote: Remote, pins: Collection[str], trees: Collection[str], index: str) -> Moved:
    """Take what a lock names (`pins`; of them `trees` are trees), and the records its workshop's builds pushed.

    Objects come first, then the records that name them. All failures of bytes are told at the end; what is right stays.
    """
    remote.require()
    moved = Moved()
    found = _records_there(remote, index)
    named = {*pins, *(digest for data in found.values() for digest in named_in(data))}
    _take(store, remote, _missing(named, store), moved, must=set(trees))
    files = {file for digest in named for file in _files_of(digest, store)}
    missing = _missing(files, store)
    moved.present = len(files) - len(missing)
    _take(store, remote, missing, moved, must=missing)
    for name, data in found.items():
        moved.records += _keep(name, data, store)
    store.settle()
    _refuse_wrong(moved, remote)
    return moved


def pull_all(store: Store, remote: Remote) -> Moved:
    """Take every object and every record."""
    remote.require()
    moved = Moved()
    prefixes = [prefix for prefix in remote.folders("objects") if re.fullmatch("[0-9a-f]{2}", prefix)]
    names = _each(lambda prefix: remote.listed(f"objects/{prefix}"), prefixes)
    digests = {prefix + name for prefix, row in zip(prefixes, names, strict=True) for name in row
               if _HEX.fullmatch(name)}  # fmt: skip
    missing = _missing(digests, store)
    moved.present = len(digests) - len(missing)
    _take(store, remote, missing, moved, must=set())
    for kind in remote.folders("records"):
        there = [f"{kind}/{key}" for key in remote.listed(f"records/{kind}")]
        for name, data in _read_records(remote, there).items():
            moved.records += _keep(name, data, store)
    store.settle()
    _refuse_wrong(moved, remote)
    return moved


def _records_there(remote: Remote, index: str) -> dict[str, bytes]:
    said = remote.read(f"workshops/{index}.json")
    if said is None:
        return {}
    try:
        names = [str(name) for name in json.loads(said)["records"]]
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError(
            f"the list of records of {remote.name} is damaged", hint="push again: python3 build.py store push"
        ) from error
    return _read_records(remote, names)


def _read_records(remote: Remote, names: Iterable[str]) -> dict[str, bytes]:
    wanted = [name for name in names if _RECORD.fullmatch(name)]
    read = _each(lambda name: remote.read(f"records/{name}"), wanted)
    return {name: data for name, data in zip(wanted, read, strict=True) if data is not None and _is_json(data)}


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _missing(digests: Iterable[str], store: Store) -> set[str]:
    return {digest for digest in digests if not store.has(Digest(digest))}


def _take(store: Store, remote: Remote, wanted: Collection[str], moved: Moved, *, must: Collection[str]) -> None:
    prefixes = sorted({digest[:2] for digest in wanted})
    there = dict(zip(prefixes, _each(lambda prefix: remote.listed(f"objects/{prefix}"), prefixes), strict=True))
    items = [(digest, there[digest[:2]].get(digest[2:])) for digest in sorted(wanted)]
    moved.absent |= {digest for digest, size in items if size is None and digest in must}
    ready = [(digest, size) for digest, size in items if size is not None]

    def receive(item: tuple[str, int]) -> str:
        digest, size = item
        path = f"objects/{digest[:2]}/{digest[2:]}"
        try:
            store.put(remote.chunks(path, size), expected=Digest(digest), origin=f"{remote.name}/{path}")
        except IntegrityError as error:
            return f"{path}: {error.message}"
        return ""

    wrong = _each(receive, ready)
    moved.wrong += [sentence for sentence in wrong if sentence]
    good = [size for (_, size), sentence in zip(ready, wrong, strict=True) if not sentence]
    moved.objects, moved.bytes = moved.objects + len(good), moved.bytes + sum(good)


def _files_of(digest: str, store: Store) -> set[str]:
    path = store.path(Digest(digest))
    return set(named_in(path.read_bytes())) if is_tree(path) else set()


def _keep(name: str, data: bytes, store: Store) -> bool:
    """Keep a record from outside, unless there is one of its name; its trees must be as any tree from outside is."""
    path = store.root / "records" / name
    digests = [Digest(digest) for digest in named_in(data) if store.has(Digest(digest))]
    store.uses.records.add(name)
    if path.exists() or not digests:
        return False
    for digest in digests:
        if is_tree(store.path(digest)):
            require_links_inside(Tree.of(get_tree(digest, store).entries, f"the record {name}"), f"the record {name}")
    write_whole(path, data)
    return True


def _refuse_wrong(moved: Moved, remote: Remote) -> None:
    if moved.wrong:
        listed = "\n  ".join(moved.wrong[:20])
        raise IntegrityError(
            f"{len(moved.wrong)} objects of {remote.name} are not what they are said to be; the others were kept:\n  "
            f"{listed}",
            hint="remove them there, then push from a machine that has them: python3 build.py store push",
        )


def _each(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The work on all items, some at a time; after the first failure no more is begun."""
    failed: list[BaseException] = []

    def careful(item: Item) -> Result | None:
        if failed:
            return None
        try:
            return work(item)
        except BaseException as error:
            failed.append(error)
            raise

    made = outcomes(careful, items, WORKERS)
    if failed:
        raise failed[0]
    return [cast(Result, one.value) for one in made]
