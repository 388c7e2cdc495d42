"""`build.py plan`: what a build would fetch, reuse, make and weigh."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator

from builder.content.page import size_text
from builder.errors import BudgetError
from builder.options import Options, verb
from builder.plan import Plan, Row, plan
from builder.preparation import foreseen
from builder.result import Result
from builder.verbs.job import job_of

NONE = "–"
GAP = "  "
HEADS = ("to fetch", "here", "in image", "saved")
NARROWEST = 80
NAMED = 5


@verb
def command(options: Options) -> Result:
    """Tell what a build would fetch, reuse, make and weigh; exit 1 when that is over the profile's budget.

    Nothing is fetched or written. What is not locked yet is asked for its size, unless --offline.
    """
    job = job_of(options)
    choice, lock = foreseen(job)
    planned = plan(choice, lock, job.store, job.network)
    failure = None
    if planned.is_over and planned.budget is not None:
        over = size_text(planned.weight - planned.budget)
        failure = BudgetError(
            f"profile {planned.profile} is {over} over its budget of {size_text(planned.budget)}",
            hint="leave repos out with `without:`, make fewer outputs, or raise the budget",
        )
    text = text_of(planned, shutil.get_terminal_size().columns)
    return Result(text=text, facts={"plan": planned.to_json()}, failure=failure)


def text_of(planned: Plan, width: int) -> str:
    """The plan for people, in lines of at most `width` letters, or of 80 where that is more."""
    wide = max(width, NARROWEST)
    said = [_weights(planned), *_remarks(planned)]
    wrapped = [textwrap.fill(one, wide, subsequent_indent="  ", break_on_hyphens=False) for one in said]
    return "\n".join([*_table(planned, wide), "", *wrapped])


def _weights(planned: Plan) -> str:
    least = "" if planned.is_known else "at least "
    each = ", ".join(f"{output} {_size(weight)}" for output, weight in planned.weights.items())
    whole = f"; {_size(planned.weight)} in all" if len(planned.weights) > 1 else ""
    budget = f"; budget {size_text(planned.budget)}" if planned.budget is not None else ""
    return f"outputs: {least}{each}{whole}{budget}" if planned.weight else f"outputs: not known yet{budget}"


def _table(planned: Plan, width: int) -> Iterator[str]:
    """Rows under headings, names and licences shortened to what is left between them."""
    cells = {row.what: _cells(row) for row in (*planned.rows, planned.total)}
    widths = [max(len(one) for one in column) for column in zip(HEADS, *cells.values(), strict=True)]
    numbers = sum(widths) + len(GAP) * len(HEADS)
    licence = max((len(row.licence) for row in planned.rows), default=0)
    longest = max(len(what) for what in cells)
    name = min(longest, max(width - numbers - len(GAP) - licence, 30))
    rest = width - numbers - name - len(GAP)

    def line(what: str, numbers: tuple[str, ...], licence: str) -> str:
        right = GAP.join(f"{number:>{size}}" for number, size in zip(numbers, widths, strict=True))
        return f"{_short(what, name):{name}}{GAP}{right}{GAP}{_short(licence, rest)}".rstrip()

    yield line("", HEADS, "licence" if licence else "")
    for row in planned.rows:
        yield line(row.what, cells[row.what], row.licence)
    yield line("total", cells["total"], "")


def _cells(row: Row) -> tuple[str, ...]:
    """`≈` is before what is counted unpacked, `≥` where there may be more, `?` where nothing is known."""
    least = "" if row.is_exact else "≥ " if not row.is_locked else "≈ "
    fetch = f"{least}{_size(row.to_fetch)}" if row.to_fetch else "?" if least else NONE
    if row.is_locked:
        return fetch, _size(row.here), _size(row.bytes), _size(row.saved)
    weight = f"≥ {_size(row.bytes)}" if row.bytes else "?"
    return fetch, _size(row.here), weight, _size(row.saved)


def _size(size: int) -> str:
    return size_text(size).replace(" bytes", " B") if size else NONE


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _remarks(planned: Plan) -> Iterator[str]:
    """What the numbers mean and what could be done about them, each in a sentence."""
    yield from _savings(planned.total)
    for dataset in sorted({name for row in planned.rows for name in row.twice}):
        carriers = {row.what: row.twice[dataset] for row in planned.rows if dataset in row.twice}
        yield (
            f"{size_text(sum(carriers.values()))} of the dataset {dataset} are in the image again, as files of "
            f"{', '.join(carriers)}; take them out there and link to the dataset"
        )
    unlocked = [row.what for row in planned.rows if not row.is_locked]
    if unlocked:
        names = ", ".join(unlocked[:NAMED]) + (f" and {len(unlocked) - NAMED} more" if len(unlocked) > NAMED else "")
        yield f"python3 build.py lock pins what is not locked yet: {names}"
    elif not planned.is_known:
        yield "weights are exact once everything has been built"


def _savings(total: Row) -> Iterator[str]:
    if total.saved_image:
        yield f"saved in the image: {size_text(total.saved_image)}, since all data links lead to one copy"
    if total.saved_store:
        yield f"saved in the store: {size_text(total.saved_store)}, since equal files are kept once"
