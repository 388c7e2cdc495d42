"""`build.py store push` and `pull`: one store for many machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from builder.content.page import size_text
from builder.errors import LockError, StoreError
from builder.exchange import Moved
from builder.exchange import pull as take
from builder.exchange import pull_all as take_all
from builder.exchange import push as send
from builder.holdings import holdings, pins_of, reach, registered_call
from builder.manifest import load, read_lock
from builder.options import Options, verb
from builder.remote import Remote
from builder.result import Result
from builder.sources.source import shown
from builder.verbs.job import job_of

_REMOTE = click.argument("remote")
_ALL = click.option("--all", "everything", is_flag=True, help="Every object and record, not only this workshop's.")


@verb
@_REMOTE
@_ALL
def push(options: Options, remote: str, everything: bool) -> Result:
    """Send this workshop's objects and records to REMOTE: a folder, s3://BUCKET/FOLDER, or another fsspec address.

    Only what is not there is sent. Credentials come from the environment.
    """
    job = job_of(options)
    workshop = load(job.manifest)
    name = workshop.manifest.workshop
    repos, cards = workshop.manifest.repos, workshop.cards
    private = [part for part in repos if repos[part].private] + [part for part in cards if cards[part].private]
    if private:
        job.journal.warn(f"private, and now readable for whoever may read {shown(remote)}: {', '.join(private)}")
    with job.store.shared(), job.journal.stage("push") as stage:
        mine = [one for one in holdings(job.store) if everything or one.manifest == job.manifest.absolute()]
        if not mine and not everything:
            raise StoreError(f"{name} has nothing in the store yet", hint="python3 build.py fetch")
        marks, names = reach(mine, job.store)
        moved = send(job.store, Remote(remote), None if everything else marks, names, name)
        stage.bytes_out, stage.cached = moved.bytes, not moved.objects and not moved.records
    text = (
        f"sent {moved.objects} objects, {size_text(moved.bytes)}, and {moved.records} records; "
        f"{moved.present} objects were there"
    )
    return Result(text=text, facts=_moved_facts(moved))


@verb
@_REMOTE
@_ALL
def pull(options: Options, remote: str, everything: bool) -> Result:
    """Take this workshop's objects and records from REMOTE, each verified.

    What is not there is fetched from its source later. Pull only from where you trust those who push: a record decides
    which system a build reuses.
    """
    job = job_of(options)
    name, other = load(job.manifest).manifest.workshop, Remote(remote)
    with registered_call(job, "pull", options.out), job.journal.stage("pull") as stage:
        if everything:
            moved = take_all(job.store, other)
        else:
            lock = read_lock(job.lock_path)
            if lock is None:
                raise LockError(
                    f"there is no {job.lock_path.name} that names what to pull", hint="python3 build.py lock"
                )
            trees = [pin.tree.hex for pin in (*lock.repos.values(), *lock.datasets.values())]
            moved = take(job.store, other, pins_of(lock), trees, name)
        stage.bytes_in, stage.cached = moved.bytes, not moved.objects and not moved.records
    absent = f"; {len(moved.absent)} are not there: python3 build.py fetch" if moved.absent else ""
    text = f"took {moved.objects} objects, {size_text(moved.bytes)}, and {moved.records} records{absent}"
    return Result(text=text, facts=_moved_facts(moved))


def _moved_facts(moved: Moved) -> dict[str, Any]:
    return {**asdict(moved), "absent": sorted(moved.absent)}
