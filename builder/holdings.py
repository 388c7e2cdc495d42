"""What the workshops of this machine hold in a store: how calls are registered, and what gc must keep."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from builder.errors import LockError, MissingProgramError, ProgramError, StoreError
from builder.manifest import Lock, Pin, load, read_lock
from builder.preparation import Job
from builder.run import run
from builder.store.collect import Kept
from builder.store.marks import Marks, named_in
from builder.store.objects import Store
from builder.store.workshops import Registration, recalled, register, registered

OF_SOURCES = {"hosted", "part", "step", "unpacked"}
"""The kinds of records that resolving and bringing leave, in `sources/`."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Holding:
    """A workshop that uses the store, as its manifest's place and name say it, with what its calls registered.

    `state`: `here`, `away` (its disk is not mounted: kept), `gone` (kept no longer), or `unreadable` (its lock is no
    lock, as `fault` says: nothing may be removed).
    """

    manifest: Path
    name: str
    state: str
    lock: Lock | None
    calls: tuple[Registration, ...]
    fault: str = ""

    def pins(self) -> list[tuple[str, Pin]]:
        """What the lock names, as `dataset <name>` and `repo <name>`."""
        if self.lock is None:
            return []
        datasets = [(f"dataset {name}", pin) for name, pin in self.lock.datasets.items()]
        return datasets + [(f"repo {name}", pin) for name, pin in self.lock.repos.items()]

    @property
    def locked_at(self) -> float | None:
        """When the lock was last written, in seconds since 1970."""
        lock = Path(self.calls[0].lock)
        return lock.stat().st_mtime if lock.exists() else None


@contextmanager
def registered_call(job: Job, verb: str, out: Path) -> Iterator[None]:
    """Hold the store for one call, and write down what it used, so that gc keeps it.

    What a failed call used is added to what the last one did; a call that ends well takes its place.
    """
    store = job.store
    with store.shared():
        entry = _registration(job, verb, out)
        before = recalled(entry.key, store.root)
        if before is None:
            register(entry, store.root)  # also for the case that we are killed
        try:
            yield
        except BaseException:
            register(_with_uses(entry, job, before), store.root)
            raise
        register(_with_uses(entry, job, _still_useful(before, entry)), store.root)


def _registration(job: Job, verb: str, out: Path) -> Registration:
    manifest = job.manifest.absolute()
    name = load(job.manifest).manifest.workshop
    device = manifest.parent.stat().st_dev
    lock = job.lock_path.absolute()
    return Registration(name, str(manifest), str(lock), verb, job.profile or "", str(out.absolute()), device)


def _with_uses(entry: Registration, job: Job, before: Registration | None) -> Registration:
    uses = job.store.uses
    records = uses.records | set(before.records if before else ())
    digests = uses.digests | set(before.digests if before else ())
    pins = pins_of(_lock_of(entry)) or set(before.pins if before else ())
    return Registration(
        entry.workshop, entry.manifest, entry.lock, entry.verb, entry.profile, entry.out, entry.device,
        tuple(sorted(pins)), tuple(sorted(records)), tuple(sorted(digests)),
    )  # fmt: skip


def _still_useful(before: Registration | None, entry: Registration) -> Registration | None:
    """What brought the pins to where they are is asked for only once, but again when a card's next step changes."""
    if before is None or set(before.pins) != pins_of(_lock_of(entry)):
        return None
    records = tuple(name for name in before.records if name.partition("/")[0] in OF_SOURCES)
    return replace(before, records=records, digests=())


def _lock_of(entry: Registration) -> Lock | None:
    try:
        return read_lock(Path(entry.lock))
    except LockError:
        return None  # the call itself says so


def pins_of(lock: Lock | None) -> set[str]:
    """Every digest a lock names."""
    return set(named_in(lock.text().encode())) if lock else set()


def holdings(store: Store) -> list[Holding]:
    """Every registered workshop, by manifest. Raises StoreError for a registration that cannot be read."""
    calls: dict[str, list[Registration]] = {}
    for entry in registered(store.root):
        calls.setdefault(entry.manifest, []).append(entry)
    return [_holding(Path(manifest), tuple(found)) for manifest, found in sorted(calls.items())]


def _holding(manifest: Path, calls: tuple[Registration, ...]) -> Holding:
    name = calls[0].workshop
    try:
        lock = read_lock(Path(calls[0].lock))
    except LockError as error:
        return Holding(manifest, name, "unreadable", None, calls, error.message)
    if lock is not None or os.path.lexists(manifest):
        return Holding(manifest, name, "here", lock, calls)
    return Holding(manifest, name, "away" if _is_away(manifest, calls) else "gone", None, calls)


def _is_away(manifest: Path, calls: tuple[Registration, ...]) -> bool:
    """Whether the disk is another one than when the workshop was there."""
    folder = next(parent for parent in manifest.parents if parent.exists())
    return folder.stat().st_dev not in {call.device for call in calls}


def kept(found: list[Holding], store: Store) -> Kept:
    """What gc must keep for these workshops.

    Raises StoreError for a lock that cannot be read, IntegrityError for a damaged tree: what they need is not known.
    """
    commits = set[str]()
    for holding in found:
        if holding.state == "unreadable":
            raise StoreError(
                f"{holding.manifest.with_suffix('.lock')} cannot be read, so nothing is removed: {holding.fault}",
                hint="repair it with python3 build.py lock, or, if that workshop is not needed: "
                f"python3 build.py store gc --forget {holding.manifest}",
            )
        commits |= _commits(holding.lock)
    marks, names = reach([holding for holding in found if holding.state != "gone"], store)
    return Kept(marks, names, _mirrors(store, commits))


def reach(found: list[Holding], store: Store) -> tuple[Marks, set[str]]:
    """All objects that workshops need, and the records their calls used. Raises IntegrityError for a damaged tree."""
    marks = Marks()
    names = {name for holding in found for call in holding.calls for name in call.records}
    for holding in found:
        _mark(holding, marks, store)
    for name in names:
        _mark_record(name, marks, store)
    return marks, names


def _mark(holding: Holding, marks: Marks, store: Store) -> None:
    pins = pins_of(holding.lock) or {pin for call in holding.calls for pin in call.pins}
    for digest in sorted(pins | {digest for call in holding.calls for digest in call.digests}):
        marks.follow(digest, store)


def _mark_record(name: str, marks: Marks, store: Store) -> None:
    for digest in _named_by(name, store):
        marks.follow(digest, store)


def namers(digests: set[str], found: list[Holding], store: Store) -> dict[str, list[str]]:
    """For each digest, who has it and the command that brings it back; nothing for what nobody has."""
    said: dict[str, list[str]] = {digest: [] for digest in digests}
    for holding in found:
        for what, pin in holding.pins():
            tree = store.path(pin.tree)
            own = {pin.tree.hex, *pin.resolved.values(), *(named_in(tree.read_bytes()) if tree.exists() else ())}
            for digest in digests & own:
                said[digest].append(f"{what} of {holding.name}: {_command('fetch', holding)}")
        built = {name for call in holding.calls for name in call.records}
        for name in sorted(built):
            for digest in digests & set(_named_by(name, store)):
                said[digest].append(f"{name.partition('/')[0]} of {holding.name}: {_command('build', holding)}")
    return said


def _command(verb: str, holding: Holding) -> str:
    return f"python3 build.py {verb} --manifest {shlex.quote(str(holding.manifest))}"


def _named_by(record: str, store: Store) -> Iterator[str]:
    path = store.root / "records" / record
    return named_in(path.read_bytes()) if path.exists() else iter(())


def _commits(lock: Lock | None) -> set[str]:
    pins = [*lock.repos.values(), *lock.datasets.values()] if lock else []
    values = {value for pin in pins for key, value in pin.resolved.items() if key.rpartition(".")[2] == "commit"}
    return {value for value in values if _COMMIT.fullmatch(value)}


def _mirrors(store: Store, commits: set[str]) -> set[str] | None:
    """The git mirrors that have one of these commits or one of their submodules'; None when git cannot tell."""
    folders = [path for path in (store.root / "git").glob("*") if path.is_dir()]
    found: set[str] = set()
    try:
        while commits:
            there = {folder: _having(folder, commits) for folder in folders if folder.name not in found}
            found |= {folder.name for folder, here in there.items() if here}
            commits = {inner for folder, here in there.items() for inner in _submodules(folder, here)}
    except (MissingProgramError, ProgramError):
        return None
    return found


def _having(folder: Path, commits: set[str]) -> set[str]:
    asked = "".join(f"{commit}\n" for commit in sorted(commits)).encode()
    said = run(["git", f"--git-dir={folder}", "cat-file", "--batch-check"], stdin=asked, check=False).stdout
    return {line.split()[0] for line in said.splitlines() if " commit " in line}


def _submodules(folder: Path, commits: set[str]) -> Iterator[str]:
    for commit in sorted(commits):
        for line in run(["git", f"--git-dir={folder}", "ls-tree", "-r", "--full-tree", commit]).stdout.splitlines():
            if line.startswith("160000 "):
                yield line.split()[2]
