"""From a manifest to content in the store: resolve, bring, and link, with the lock brought up to date on the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.content.caches import caches_of
from builder.content.edition import edition_json, state_tree
from builder.content.layout import Content, link_data
from builder.content.libraries import environment_script
from builder.content.page import page_of
from builder.manifest.lock import Lock, changes, read_lock, write_lock
from builder.manifest.repo_workshop import FILES, unused_files
from builder.manifest.workshop import Choice, load
from builder.progress import Journal
from builder.sources.fetch import fetch, is_present
from builder.sources.lock import pruned, resolve
from builder.sources.source import Network
from builder.sources.wanted import names_of
from builder.store.objects import Store
from builder.store.trees import Tree, get_tree
from builder.system.base import BASE, resolve_base
from builder.system.build import Workbench
from builder.system.choose import choose_engine
from builder.system.workplace import Workplace


@dataclass(frozen=True)
class Job:
    """One call's choices: which workshop, where its bytes and its programs' logs are kept, and how strict to be.

    One that is fast is content with a larger appliance.
    """

    manifest: Path
    profile: str | None
    store: Store
    journal: Journal
    locked: bool = False
    offline: bool = False
    engine: str = "auto"
    update: tuple[str, ...] = ()
    logs: Path = Path("out/logs")
    is_fast: bool = False

    @property
    def lock_path(self) -> Path:
        return self.manifest.with_suffix(".lock")

    @property
    def network(self) -> Network:
        return Network(is_offline=self.offline, arrived=self.journal.arrive)


@dataclass(frozen=True)
class Locked:
    """A profile's choice, the lock that pins all of it, and what changed against the lock file."""

    choice: Choice
    lock: Lock
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A choice whose content is in the store."""

    choice: Choice
    lock: Lock
    content: Content


def locked(job: Job) -> Locked:
    """Resolve a workshop and write its lock when something changed; with `locked` a change is a LockError.

    Repos are brought on the way, since each may link to datasets of its own accord; and since each may bring packages
    into the system, the datasets that are made by a command in it come after them.
    """
    workshop = load(job.manifest)
    old = read_lock(job.lock_path)
    choice = workshop.choose(job.profile)
    base = _resolved_base(job, choice, old)
    first = replace(choice, datasets={name: card for name, card in choice.datasets.items() if not card.has_command})
    names = set(job.update) - {BASE}
    sooner = names & set(names_of(first))
    lock = _resolved(job, first, old, sooner)
    fetch(lock, replace(choice, datasets={}), job.store, job.journal, network=job.network)
    _warn_of_unused(choice, lock, job)
    grown = workshop.adopt({name: _own_files(lock, name, job.store) for name in choice.repos}).choose(job.profile)
    if names != sooner or set(grown.datasets) != set(first.datasets):
        lock = _resolved(job, grown, lock, names - sooner, _workplace(job, grown, base))
    if not job.locked:
        lock = pruned(lock, grown).model_copy(update={"base": base})
    changed = tuple(changes(old, lock))
    if changed:
        write_lock(job.lock_path, lock)
    return Locked(grown, lock, changed)


def prepared(job: Job) -> Prepared:
    """Lock a workshop, bring everything its profile chose into the store, and place data links and landing page."""
    now = locked(job)
    for line in now.changed:
        job.journal.tell(f"lock: {line}")
    fetch(
        now.lock,
        replace(now.choice, repos={}),
        job.store,
        job.journal,
        network=job.network,
        runner=_workplace(job, now.choice, now.lock.base),
    )
    return Prepared(now.choice, now.lock, content_of(now.choice, now.lock, job.store))


def foreseen(job: Job) -> tuple[Choice, Lock | None]:
    """A choice as it will be, as far as the lock and the store tell, and the lock; nothing is fetched or written."""
    workshop, lock = load(job.manifest), read_lock(job.lock_path)
    choice = workshop.choose(job.profile)
    if lock is None:
        return choice, None
    here = [name for name in choice.repos if name in lock.repos and is_present(lock.repos[name], job.store)]
    return workshop.adopt({name: _own_files(lock, name, job.store) for name in here}).choose(job.profile), lock


def content_of(choice: Choice, lock: Lock, store: Store) -> Content:
    """The content of a choice whose bytes are in the store."""
    own = {name: get_tree(lock.repos[name].tree, store) for name in choice.repos}
    repos = {name: link_data(name, tree, choice.repos[name].data) for name, tree in own.items()}
    datasets = {name: get_tree(lock.datasets[name].tree, store) for name in choice.datasets}
    page = page_of(choice, own, datasets, store)
    store.hold(store.put_bytes(page))
    caches = caches_of(choice.datasets, datasets, lock.datasets, store)
    edition = edition_json(choice, repos, datasets)
    has_command = choice.manifest.services.jupyter is not None
    state = state_tree(edition, repos, store) if has_command else Tree(())
    return Content(repos, datasets, page, caches, environment_script(choice.datasets), edition, state)


def bench_of(job: Job) -> Workbench:
    """What systems are made with; EngineError when there is no engine."""
    return Workbench(
        choose_engine(job.engine, job.store), job.store, job.journal, job.logs, job.store.is_forgetful,
        network=job.network,
    )  # fmt: skip


def _workplace(job: Job, choice: Choice, base: Mapping[str, str]) -> Workplace:
    return Workplace(choice, base, lambda: bench_of(job))


def _resolved(
    job: Job, choice: Choice, old: Lock | None, update: Collection[str], runner: Workplace | None = None
) -> Lock:
    return resolve(
        choice, old, job.store, job.journal, update=update, locked=job.locked, network=job.network, runner=runner
    )


def _resolved_base(job: Job, choice: Choice, old: Lock | None) -> dict[str, str]:
    return resolve_base(
        choice.manifest.base, choice.folder, old, job.journal, job.network, locked=job.locked, update=BASE in job.update
    )


def _warn_of_unused(choice: Choice, lock: Lock, job: Job) -> None:
    for name in choice.repos:
        for sentence in unused_files(get_tree(lock.repos[name].tree, job.store).by_path, name):
            job.journal.warn(sentence)


def _own_files(lock: Lock, repo: str, store: Store) -> dict[str, bytes]:
    by_path = get_tree(lock.repos[repo].tree, store).by_path
    found = {path: by_path[path].digest for path in FILES if path in by_path}
    return {path: store.read(digest) for path, digest in found.items() if digest is not None}
