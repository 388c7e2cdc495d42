"""`build.py tree`: lay out repos with their data links in a local folder."""

from __future__ import annotations

import shlex

from builder import places
from builder.content.tree import lay_out
from builder.holdings import registered_call
from builder.options import Options, verb
from builder.preparation import prepared
from builder.result import Result
from builder.verbs.job import job_of


@verb
def command(options: Options) -> Result:
    """Lay out repos with their data links in OUT/tree, to work without an image.

    Run again, it brings newer files; files you edited are left alone.
    """
    job = job_of(options)
    folder = options.out / "tree"
    with registered_call(job, "tree", options.out):
        ready = prepared(job)
        with job.journal.stage("tree") as running:
            placed = lay_out(ready.content, folder, job.store)
            running.cached = not placed.written and not placed.removed
    for path in placed.edited:
        job.journal.warn(f"{path} was edited here, so it was left alone")
    text = (
        f"{folder}: {len(placed.written)} files written, {len(placed.removed)} removed, {len(placed.edited)} left alone"
    )
    if ready.content.environment:
        text += f"\nlibraries find their data there after: cd {shlex.quote(str(folder))} && . ./{places.ENVIRONMENT}"
    return Result(text=text, facts={"tree": str(folder), "written": len(placed.written), "edited": list(placed.edited)})
