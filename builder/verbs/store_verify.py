"""`build.py store verify`: hash everything again, and set aside what is damaged."""

from __future__ import annotations

from typing import Any

from builder.content.page import size_text
from builder.errors import IntegrityError, StoreError
from builder.holdings import holdings, namers
from builder.options import Options, verb
from builder.progress import Journal
from builder.result import Result
from builder.store.objects import Store
from builder.store.verify import Bad, Verified, set_aside, verify


@verb
def command(options: Options) -> Result:
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
