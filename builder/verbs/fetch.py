"""`build.py fetch`: bring everything locked into the store."""

from __future__ import annotations

from builder.content.page import size_text
from builder.holdings import registered_call
from builder.options import Options, verb
from builder.preparation import prepared
from builder.result import Result
from builder.system.base import base_image
from builder.verbs.job import job_of


@verb
def command(options: Options) -> Result:
    """Bring everything locked into the store, so that a build needs no sources."""
    job = job_of(options)
    with registered_call(job, "fetch", options.out):
        ready = prepared(job)
        if "digest" in ready.lock.base:
            place = ready.choice.folder
            base_image(ready.lock.base, place, job.store, job.journal, options.out / "logs", network=job.network)
    trees = ready.content.folders().values()
    size = sum(tree.size for tree in trees)
    counts = f"{len(ready.choice.repos)} repos, {len(ready.choice.datasets)} datasets, {size_text(size)}"
    return Result(text=f"in the store: {counts}", facts={"bytes": size})
