"""`build.py store gc`: what no workshop of this machine needs, and its removal."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from builder.content.page import size_text
from builder.errors import StoreError
from builder.holdings import Holding, holdings, kept
from builder.options import Options, verb
from builder.result import Result
from builder.store.collect import Heap, collect
from builder.store.objects import Store
from builder.store.workshops import forget


@verb
@click.option("--delete", is_flag=True, help="Remove it; without, only tell what would be removed.")
@click.option(
    "--forget",
    multiple=True,
    metavar="MANIFEST",
    type=click.Path(path_type=Path),
    help="Keep nothing for this workshop; may be given again.",
)
def command(options: Options, delete: bool, forget: tuple[Path, ...]) -> Result:
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
    if delete and not found:
        raise StoreError(
            f"no workshop is known to use the store {store.root}, so everything in it would go",
            hint="build each workshop once, then run this again; to drop it all, remove the folder",
        )
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
    if not lines:
        lines = ["no workshop of this machine is known to use this store"]
    lines += [f"{heap.kind}: {heap.count}, {size_text(heap.bytes)}" for heap in heaps]
    total = size_text(facts["bytes"])
    if not heaps:
        return "\n".join([*lines, "nothing to free"])
    return "\n".join([*lines, f"freed: {total}" if facts["deleted"] else f"store gc --delete would free {total}"])


def _away(one: Holding) -> str:
    return " (its disk is not here now)" if one.state == "away" else ""
