"""Work on many items at once, in threads that Ctrl-C does not wait for: what they leave half done, the store sweeps."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from builder.errors import BuilderError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What the work on one item came to: a result, or the error it raised."""

    value: Result | None = None
    error: BaseException | None = None


def outcomes(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> list[Outcome[Result]]:
    """Do the work on every item, `workers` at a time, and give what each came to, in the items' order."""
    ahead: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: dict[int, Outcome[Result]] = {}
    for place in range(len(items)):
        ahead.put(place)

    def labour() -> None:
        while True:
            try:
                place = ahead.get_nowait()
            except queue.Empty:
                return
            try:
                done[place] = Outcome(value=work(items[place]))
            except BaseException as error:  # the thread that called raises it again
                done[place] = Outcome(error=error)

    threads = [threading.Thread(target=labour, daemon=True) for _ in range(min(workers, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [done[place] for place in range(len(items))]


def results(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> list[Result]:
    """The results in the items' order; the first item's error when any failed."""
    made = outcomes(work, items, workers)
    for outcome in made:
        if outcome.error is not None:
            raise outcome.error
    return [cast(Result, outcome.value) for outcome in made]


def values(made: Sequence[Outcome[Result]], titles: Sequence[str]) -> list[Result]:
    """The results; when some failed, one error of the first one's kind that tells each failure and its hint."""
    failures = [(title, one.error) for title, one in zip(titles, made, strict=True) if one.error is not None]
    if failures:
        raise _together(failures, len(made))
    return [cast(Result, one.value) for one in made]


def _together(failures: Sequence[tuple[str, BaseException]], total: int) -> BaseException:
    ours = [(title, error) for title, error in failures if isinstance(error, BuilderError)]
    if len(ours) < len(failures):
        return next(error for _, error in failures if not isinstance(error, BuilderError))
    title, first = ours[0]
    hints = {error.hint for _, error in ours}
    if len(ours) == 1:
        message = f"{title}: {first}"
    else:
        told = [f"{title}: {_inner(error, has_hint=len(hints) > 1)}" for title, error in ours]
        message = f"{len(ours)} of {total} failed:\n  " + "\n  ".join(told)
    combined = type(first)(message, hint=first.hint if len(hints) == 1 else _EACH, where=first.where)
    combined.__cause__ = first
    return combined


def _inner(error: BuilderError, *, has_hint: bool) -> str:
    """A failure as an item of a list, its own list further in."""
    text = error.message.replace("\n", "\n  ")
    return f"{text}\n    {error.hint}" if has_hint and error.hint not in ("", _EACH) else text


_EACH = "each failure is followed by what to do; what succeeded stays"
