"""A call's words turned into the job that the parts work on."""

from __future__ import annotations

from builder.options import Options
from builder.preparation import Job
from builder.store.objects import Store


def job_of(options: Options, update: tuple[str, ...] = ()) -> Job:
    return Job(
        options.manifest, options.profile, Store(options.store, is_forgetful=options.no_cache),
        options.journal, options.locked, options.offline, options.engine, update,
    )  # fmt: skip
