"""`build.py lock`: resolve what the manifest names and write `manifest.lock`."""

from __future__ import annotations

import click

from builder.holdings import registered_call
from builder.options import Options, verb
from builder.preparation import locked
from builder.result import Result
from builder.verbs.job import job_of


@verb
@click.option(
    "--update",
    multiple=True,
    metavar="NAME",
    help="Take the newest of this repo or dataset, or of the image that is the base; may be given again.",
)
def command(options: Options, update: tuple[str, ...]) -> Result:
    """Resolve base, repos and datasets to commits, versions and digests, and write them to manifest.lock.

    What is locked already stays as it is, unless the manifest changed or --update names it.
    """
    job = job_of(options, update)
    with registered_call(job, "lock", options.out):
        now = locked(job)
    text = "\n".join(now.changed) if now.changed else f"{job.lock_path} is up to date"
    return Result(text=text, facts={"changed": list(now.changed), "lock": str(job.lock_path)})
