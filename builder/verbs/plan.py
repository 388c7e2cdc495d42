"""`build.py plan`: what a build would fetch, reuse, make and weigh."""

from __future__ import annotations

from builder.content.page import size_text
from builder.errors import BudgetError
from builder.manifest.lock import read_lock
from builder.manifest.workshop import load
from builder.options import Options, verb
from builder.plan import Plan, plan
from builder.result import Result
from builder.verbs.job import job_of


@verb
def command(options: Options) -> Result:
    """Tell what a build would fetch, reuse, make and weigh; exit 1 when that is over the profile's budget.

    Nothing is fetched or written.
    """
    job = job_of(options)
    planned = plan(load(job.manifest).choose(job.profile), read_lock(job.lock_path), job.store)
    failure = None
    if planned.is_over and planned.budget is not None:
        over = size_text(planned.weight - planned.budget)
        failure = BudgetError(
            f"profile {planned.profile} is {over} over its budget of {size_text(planned.budget)}",
            hint="leave repos out with `without:`, make fewer outputs, or raise the budget",
        )
    return Result(text=_text(planned), facts={"plan": planned.to_json()}, failure=failure)


def _text(planned: Plan) -> str:
    width = max([len(row.what) for row in planned.rows], default=10)
    lines = [f"{'':{width}}  {'in the image':>12}  {'here':>10}  {'to fetch':>10}"]
    for row in planned.rows:
        if row.is_locked:
            sizes = (size_text(row.bytes), size_text(row.here), size_text(row.to_fetch))
            lines.append(f"{row.what:{width}}  {sizes[0]:>12}  {sizes[1]:>10}  {sizes[2]:>10}")
        else:
            lines.append(f"{row.what:{width}}  not locked yet ({row.kind})")
    least = "" if planned.is_known else "at least "
    lines += ["", *(f"{output}: {least}{size_text(weight)}" for output, weight in planned.weights.items())]
    if planned.budget is not None:
        lines.append(f"budget: {size_text(planned.budget)}")
    if not planned.is_known:
        lines.append("sizes are exact once everything is locked and built: python3 build.py lock")
    return "\n".join(lines)
