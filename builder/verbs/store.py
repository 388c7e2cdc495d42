"""`build.py store`: look into the store, verify it, free what nothing needs, and share it with other machines."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from builder.content.page import size_text
from builder.errors import IntegrityError, LockError, StoreError
from builder.exchange import Moved
from builder.exchange import pull as take
from builder.exchange import pull_all as take_all
from builder.exchange import push as send
from builder.holdings import Holding, holdings, kept, namers, pins_of, reach, registered_call
from builder.manifest import load, read_lock
from builder.options import Options, verb
from builder.progress import Journal
from builder.remote import Remote
from builder.result import Result
from builder.sources.source import shown
from builder.store.collect import Heap, collect
from builder.store.listing import Listing, Share, listing
from builder.store.objects import Store
from builder.store.verify import Bad, Verified, set_aside, verify
from builder.store.workshops import forget
from builder.verbs.job import job_of


@click.group()
def command() -> None:
    """Look into the store, verify it, and free what nothing needs."""


def ls(options: Options) -> Result:
    """Tell what is in the store: objects, records, each workshop's datasets and repos, and what is stored once."""
    store = Store(options.store)
    found = holdings(store)
    pins = [(holding, what, pin) for holding in found for what, pin in holding.pins()]
    listed = listing(store, [pin.tree for _, _, pin in pins])
    rows = [(holding, what, share) for (holding, what, _), share in zip(pins, listed.shares, strict=True)]
    return Result(text=_listing_text(store, found, listed, rows), facts=_listing_facts(store, found, listed, rows))


Rows = list[tuple[Holding, str, Share]]


def _listing_facts(store: Store, found: list[Holding], listed: Listing, rows: Rows) -> dict[str, Any]:
    workshops = [
        {
            "name": one.name,
            "manifest": str(one.manifest),
            "state": one.state,
            "locked": one.locked_at,
            "profiles": sorted({call.profile or "default" for call in one.calls}),
            "outs": sorted({call.out for call in one.calls if call.verb == "build"}),
            "pins": [{"what": what, **asdict(share)} for holding, what, share in rows if holding is one],
        }
        for one in found
    ]
    return {
        "store": str(store.root),
        "objects": asdict(listed.objects),
        "foreign": list(listed.foreign),
        "records": listed.records,
        "others": {name: asdict(count) for name, count in listed.others.items()},
        "saved": listed.saved,
        "workshops": workshops,
    }


def _listing_text(store: Store, found: list[Holding], listed: Listing, rows: Rows) -> str:
    lines = [f"{store.root}: {listed.objects.count} objects, {size_text(listed.objects.bytes)}"]
    lines += [f"{name}: {count.count} files, {size_text(count.bytes)}" for name, count in listed.others.items()]
    records = ", ".join(f"{count} {kind}" for kind, count in listed.records.items())
    lines += [f"records: {records or 'none'}"]
    lines += [f"not ours, in objects/: {len(listed.foreign)}"] if listed.foreign else []
    for one in found:
        state = "" if one.state == "here" else f" ({one.state})"
        locked = time.strftime(" locked %Y-%m-%d", time.localtime(one.locked_at)) if one.locked_at else ""
        lines += ["", f"{one.name}{state}: {one.manifest}{locked}"]
        mine = [(what, share) for holding, what, share in rows if holding is one]
        width = max((len(what) for what, _ in mine), default=0)
        lines += [f"  {what:{width}}  {_share_text(share)}" for what, share in mine]
    return "\n".join([*lines, "", f"saved by keeping equal files once: {size_text(listed.saved)}"])


def _share_text(share: Share) -> str:
    if not share.is_here:
        return "not in the store"
    absent = f", {size_text(share.distinct - share.here)} not in the store" if share.here < share.distinct else ""
    return f"{size_text(share.bytes):>8} in {share.files} files, {size_text(share.shared)} shared{absent}"


def verify_all(options: Options) -> Result:
    """Hash every object again and set aside what is damaged; exit code 6 when something was.

    It says which dataset or repo has each damaged object: fetch brings it back.
    """
    store = Store(options.store)
    with store.shared(), options.journal.stage("verify") as stage:

        def tell(size: int) -> None:
            stage.bytes_in += size

        seen = verify(store, tell)
        named = _namers(seen, store, options.journal) if seen.damaged else {}
        dropped = set_aside(seen.damaged, store) if seen.damaged else []
    damaged = [{**_bad_facts(bad), "named_by": named.get(bad.digest.hex, [])} for bad in seen.damaged]
    facts = {
        "objects": seen.objects,
        "bytes": seen.bytes,
        "damaged": damaged,
        "unreadable": [_bad_facts(bad) for bad in seen.unreadable],
        "foreign": list(seen.foreign),
        "records_dropped": dropped,
    }
    return Result(text=_verified_text(seen, damaged), facts=facts, failure=_verified_failure(seen))


def _namers(seen: Verified, store: Store, journal: Journal) -> dict[str, list[str]]:
    try:
        return namers({bad.digest.hex for bad in seen.damaged}, holdings(store), store)
    except StoreError as error:  # damage is set aside all the same
        journal.warn(error.message)
        return {}


def _bad_facts(bad: Bad) -> dict[str, Any]:
    return {"digest": str(bad.digest), "bytes": bad.size, "reason": bad.reason}


def _verified_text(seen: Verified, damaged: list[dict[str, Any]]) -> str:
    lines = [f"{seen.objects} objects verified, {size_text(seen.bytes)}"]
    for one in damaged:
        lines.append(f"damaged: {one['digest']} {one['reason']}")
        lines += [f"  {said}" for said in one["named_by"] or ["no workshop of this machine names it"]]
    lines += [f"unreadable: {bad.digest} {bad.reason}" for bad in seen.unreadable]
    lines += [f"not an object, left alone: objects/{path}" for path in seen.foreign]
    return "\n".join(lines)


def _verified_failure(seen: Verified) -> IntegrityError | StoreError | None:
    if seen.damaged:
        return IntegrityError(
            f"{len(seen.damaged)} objects were damaged; they were set aside in the store's folder damaged",
            hint="bring back what workshops name: python3 build.py fetch; make the rest again: python3 build.py build",
        )
    if seen.unreadable:
        return StoreError(
            f"{len(seen.unreadable)} objects cannot be read", hint="give this user the right to read them"
        )
    return None


@click.option("--delete", is_flag=True, help="Remove it; without, only tell what would be removed.")
@click.option(
    "--forget",
    multiple=True,
    metavar="MANIFEST",
    type=click.Path(path_type=Path),
    help="Keep nothing for this workshop; may be given again.",
)
def gc(options: Options, delete: bool, forget: tuple[Path, ...]) -> Result:
    """Tell what no workshop of this machine needs; with --delete, remove it.

    Needed is what the lock of any workshop names that used this store, and what its last builds made.
    """
    store = Store(options.store)
    if not delete:
        return _collected(store, forget, delete=False)
    with store.alone(lambda: options.journal.tell("a build is using the store; waiting for its end")):
        return _collected(store, forget, delete=True)


def _collected(store: Store, dropped: tuple[Path, ...], *, delete: bool) -> Result:
    forgotten = {path.absolute() for path in dropped}
    found = holdings(store)
    for path in sorted(forgotten - {one.manifest for one in found}):
        raise StoreError(f"no workshop with the manifest {path} uses the store", hint="python3 build.py store ls")
    found = [one for one in found if one.manifest not in forgotten]
    stays = kept(found, store)
    if delete:
        for path in [*(one.manifest for one in found if one.state == "gone"), *forgotten]:
            forget(path, store.root)
    heaps = [heap for heap in collect(store, stays, delete=delete) if heap.count]
    facts = {
        "deleted": delete,
        "bytes": sum(heap.bytes for heap in heaps),
        "heaps": [asdict(heap) for heap in heaps],
        "kept_by": [str(one.manifest) for one in found if one.state != "gone"],
        "gone": [str(one.manifest) for one in found if one.state == "gone"],
    }
    return Result(text=_collected_text(found, heaps, facts), facts=facts)


def _collected_text(found: list[Holding], heaps: list[Heap], facts: dict[str, Any]) -> str:
    lines = [f"kept for {one.name}{_away(one)}: {one.manifest}" for one in found if one.state != "gone"]
    lines += [f"gone, nothing is kept for it: {path}" for path in facts["gone"]]
    lines += [f"{heap.kind}: {heap.count}, {size_text(heap.bytes)}" for heap in heaps]
    total = size_text(facts["bytes"])
    if not heaps:
        return "\n".join([*lines, "nothing to free"])
    return "\n".join([*lines, f"freed: {total}" if facts["deleted"] else f"store gc --delete would free {total}"])


def _away(one: Holding) -> str:
    return " (its disk is not here now)" if one.state == "away" else ""


_REMOTE = click.argument("remote")
_ALL = click.option("--all", "everything", is_flag=True, help="Every object and record, not only this workshop's.")


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


for name, function in (("ls", ls), ("verify", verify_all), ("gc", gc), ("push", push), ("pull", pull)):
    command.add_command(verb(function), name)
