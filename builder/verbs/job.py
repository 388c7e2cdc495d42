"""A call's words turned into the job that the parts work on."""

from __future__ import annotations

from builder.options import Options
from builder.preparation import Job
from builder.store.objects import Store


def job_of(options: Options, update: tuple[str, ...] = ()) -> Job:
    store = Store(options.store, is_forgetful=options.no_cache)
    if store.torn:
        options.journal.warn(
            f"the machine stopped while the store was written to: {len(store.torn)} damaged objects were removed, "
            "and what needs them is fetched or made again"
        )
    return Job(
        options.manifest, options.profile, store,
        options.journal, options.locked, options.offline, options.engine, update, options.out / "logs",
    )  # fmt: skip
