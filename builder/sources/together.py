"""Work on many items at once, in threads that Ctrl-C does not wait for: what they leave half done, the store sweeps."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

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
