"""`build.py store ls`: what is in the store."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from builder.content.page import size_text
from builder.holdings import Holding, holdings
from builder.options import Options, verb
from builder.result import Result
from builder.store.listing import Listing, Share, listing
from builder.store.objects import Store

Rows = list[tuple[Holding, str, Share]]


@verb
def command(options: Options) -> Result:
    """Tell what is in the store: objects, records, each workshop's datasets and repos, and what is stored once."""
    store = Store(options.store)
    found = holdings(store)
    pins = [(holding, what, pin) for holding in found for what, pin in holding.pins()]
    listed = listing(store, [pin.tree for _, _, pin in pins])
    rows = [(holding, what, share) for (holding, what, _), share in zip(pins, listed.shares, strict=True)]
    return Result(text=_listing_text(store, found, listed, rows), facts=_listing_facts(store, found, listed, rows))


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
    for one in (one for one in found if one.state != "gone"):
        state = "" if one.state == "here" else f" ({one.state})"
        locked = time.strftime(" locked %Y-%m-%d", time.localtime(one.locked_at)) if one.locked_at else ""
        lines += ["", f"{one.name}{state}: {one.manifest}{locked}"]
        mine = [(what, share) for holding, what, share in rows if holding is one]
        width = max((len(what) for what, _ in mine), default=0)
        lines += [f"  {what:{width}}  {_share_text(share)}" for what, share in mine]
    gone = sum(one.state == "gone" for one in found)
    lines += ["", f"of {gone} workshops that are gone nothing is kept: store gc"] if gone else []
    return "\n".join([*lines, "", f"saved by keeping equal files once: {size_text(listed.saved)}"])


def _share_text(share: Share) -> str:
    if not share.is_here:
        return "not in the store"
    absent = f", {size_text(share.distinct - share.here)} not in the store" if share.here < share.distinct else ""
    shared = f", {size_text(share.shared)} shared" if share.shared else ""
    return f"{size_text(share.bytes):>8} in {share.files} {'file' if share.files == 1 else 'files'}{shared}{absent}"
